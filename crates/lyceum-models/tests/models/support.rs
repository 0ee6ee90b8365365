//! What the tests share.

use std::{
    ffi::OsString,
    sync::{Arc, Mutex},
    time::Duration,
};

use lyceum_models::{
    Cancel, Client, ErrorKind, Event, Limits, Message, Model as _, ModelError, Options, Pace,
    Patience, Request, Response, Tool, WireKind, connect, scripted::Server,
};
use serde_json::json;

pub(crate) const KEY: &str = "sk-secret-0123456789abcdef";
pub(crate) const WIRES: [WireKind; 3] = [WireKind::Anthropic, WireKind::Responses, WireKind::Chat];

/// Waits for nothing and remembers how long it should have.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) waits: Mutex<Vec<Duration>>,
}

impl Pace for Counted {
    fn wait(&self, time: Duration, cancel: &Cancel) -> Result<(), ErrorKind> {
        self.waits.lock().unwrap().push(time);
        cancel.check()
    }

    fn chance(&self) -> f64 {
        0.0
    }
}

/// One attempt; long clocks, so that a slow machine changes nothing.
pub(crate) fn once() -> Options {
    Options {
        patience: Patience {
            attempts_max: 1,
            ..Patience::default()
        },
        limits: Limits {
            connect: Duration::from_mins(2),
            idle: Duration::from_mins(2),
            total: Duration::from_mins(2),
        },
        ..Options::default()
    }
}

/// Several attempts without waits.
pub(crate) fn patient(attempts_max: u32) -> (Options, Arc<Counted>) {
    let pace = Arc::new(Counted::default());
    let mut options = once();
    options.patience.attempts_max = attempts_max;
    options.pace = pace.clone();
    (options, pace)
}

/// Returns what a person writes for a wire, with the model's id.
pub(crate) fn spec(wire: WireKind, server: &Server) -> String {
    match wire {
        WireKind::Anthropic => "anthropic:claude-opus-5-5".to_owned(),
        WireKind::Responses => "openai:gpt-6-sol".to_owned(),
        WireKind::Chat => format!("{}/v1#local-model", server.base()),
        WireKind::Command => panic!("a program is no server"),
    }
}

/// Returns a model at a server, with a key.
pub(crate) fn model(wire: WireKind, server: &Server, options: Options) -> Client {
    let base = server.base();
    let environment = move |name: &str| match name {
        "ANTHROPIC_BASE_URL" => Some(OsString::from(&base)),
        "OPENAI_BASE_URL" => Some(OsString::from(format!("{base}/v1"))),
        "ANTHROPIC_API_KEY" | "OPENAI_API_KEY" | "LYCEUM_MODEL_KEY" => Some(OsString::from(KEY)),
        _ => None,
    };
    let spec = spec(wire, server).parse().unwrap();
    connect(&spec, options, &environment).unwrap()
}

pub(crate) fn request() -> Request {
    Request {
        messages: vec![Message::user("what is the weather?")],
        output_tokens_max: 1000,
        ..Request::default()
    }
}

pub(crate) fn weather() -> Tool {
    Tool {
        name: "weather".to_owned(),
        description: "Tells the weather.".to_owned(),
        schema: json!({
            "type": "object",
            "properties": { "city": { "type": "string" } },
            "required": ["city"],
            "additionalProperties": false,
        }),
    }
}

pub(crate) fn ask(model: &Client, request: &Request) -> Result<Response, ModelError> {
    model.turn(request, &Cancel::new(), &mut |_| {})
}

/// Asks and returns what was told meanwhile, too.
pub(crate) fn listen(
    model: &Client,
    request: &Request,
) -> (Result<Response, ModelError>, Vec<Event>) {
    let mut events = Vec::new();
    let result = model.turn(request, &Cancel::new(), &mut |event| events.push(event));
    (result, events)
}
