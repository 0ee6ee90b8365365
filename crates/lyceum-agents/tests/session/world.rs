//! A session in memory.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, Instant},
};

use lyceum_agents::{
    Advance, Done, Halt, Harness, Meter, Mind, Options, Outcome, People, Toolbox, Wanted,
    session::{
        Log, Request as Asked, State,
        event::{Body, Created, Evidence, Found, Limits, Policy},
    },
};
use lyceum_ledger::{Ledger, MemoryStore, SystemClock};
use lyceum_models::{
    Arguments, Block, Cancel, Event, Model, ModelError, Price, Request, Response, Stop, Tool,
    ToolUse, Usage, connect, scripted::Server,
};
use lyceum_study::engine::{Broken, Cut};
use lyceum_types::{ExperimentId, RunId};
use serde_json::{Value, json};

pub(crate) const OBJECTIVE: &str = "find the rate that learns fastest";
pub(crate) const CONSTRAINTS: [&str; 3] =
    ["never touch the data", "one change at a time", "be brief"];

/// A model that is a function of the request.
pub(crate) struct Script(pub(crate) Answer);

type Answer = Box<dyn Fn(&Request) -> Vec<Block> + Send + Sync>;

impl Model for Script {
    fn turn(
        &self,
        request: &Request,
        _: &Cancel,
        _: &mut dyn FnMut(Event),
    ) -> Result<Response, ModelError> {
        Ok(Response {
            blocks: (self.0)(request),
            stop: Stop::EndTurn,
            usage: Usage {
                input_tokens: 10,
                output_tokens: 1,
                reported: true,
                ..Usage::default()
            },
            price: Price::Unknown,
            model: "script".into(),
            id: None,
            request_id: None,
            attempts: 1,
        })
    }

    fn name(&self) -> String {
        "command:script".into()
    }
}

pub(crate) fn call(name: &str, arguments: Value) -> Vec<Block> {
    vec![Block::ToolUse(ToolUse {
        id: "same-name-each-time".into(),
        name: name.into(),
        arguments: Arguments::Object { value: arguments },
        kept: None,
    })]
}

/// Tools whose effects are counted.
#[derive(Default)]
pub(crate) struct Tools {
    /// Calls that were carried out.
    pub(crate) done: Mutex<Vec<String>>,
    /// Calls that were looked up.
    pub(crate) looked_up: Mutex<BTreeSet<String>>,
    /// Stops the session, which the tool `wait` does before it waits.
    pub(crate) halt: Halt,
    /// Who can be asked.
    pub(crate) people: People,
    /// Tools of which each call needs a person's word.
    pub(crate) asked: Vec<&'static str>,
}

/// Waits until a call is ended, and returns why.
fn wait(cut: &Cut) -> String {
    const LONGEST: Duration = Duration::from_mins(1);
    let began = Instant::now();
    while began.elapsed() < LONGEST {
        if let Some(cause) = cut.cause() {
            return cause;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    "nobody ended it".into()
}

impl Toolbox for Tools {
    fn offers(&self) -> Vec<Tool> {
        let tool = |name: &str| Tool {
            name: name.into(),
            description: String::new(),
            schema: json!({ "type": "object" }),
        };
        vec![tool("work"), tool("find")]
    }

    fn brief(&self, _: &State) -> String {
        "runs under way: none\n".into()
    }

    fn call(&self, session: &State, wanted: &Wanted, cut: &Cut) -> Result<Outcome, Broken> {
        self.done.lock().unwrap().push(wanted.call.clone());
        let done = match wanted.name.as_str() {
            "work" => Done::said("a long result ".repeat(120)),
            "find" => Done {
                also: vec![Body::Found(Found {
                    finding: session.findings_made + 1,
                    claim: wanted.arguments["claim"].as_str().unwrap().into(),
                    experiment: ExperimentId(1),
                    against: ExperimentId(0),
                    runs: vec![RunId(1)],
                    evidence: Evidence {
                        pairs: 1,
                        gain: Some(0.5),
                        interval: None,
                    },
                    replaces: vec![],
                })],
                ..Done::said("recorded")
            },
            "wait" => {
                self.halt.now.store(true, Ordering::Relaxed);
                Done::said(wait(cut))
            }
            _ => Done::refused("no such tool"),
        };
        Ok(Outcome::Result(done))
    }

    fn needs_word(&self, _: &State, wanted: &Wanted) -> Result<Option<Asked>, String> {
        Ok(match wanted.name.as_str() {
            "ask_person" => Some(Asked::Question {
                question: "which?".into(),
                choices: vec!["this".into(), "that".into()],
            }),
            name if self.asked.contains(&name) => Some(Asked::Approval {
                why: format!("each `{name}` needs a person's word"),
            }),
            _ => None,
        })
    }

    fn look_up(&self, _: &State, wanted: &Wanted, _: &Cut) -> Result<Outcome, Broken> {
        self.looked_up.lock().unwrap().insert(wanted.call.clone());
        Ok(Outcome::Result(Done {
            is_error: true,
            unknown: true,
            ..Done::said("unknown")
        }))
    }
}

pub(crate) fn ledger() -> Ledger {
    Ledger::open_store(
        Arc::new(MemoryStore::new(Arc::new(SystemClock), 60_000)),
        None,
        lyceum_ledger::Options::default(),
    )
    .unwrap()
}

pub(crate) fn created() -> Body {
    Body::Created(Created {
        session: "s".into(),
        objective: OBJECTIVE.into(),
        constraints: CONSTRAINTS.iter().map(|one| (*one).to_owned()).collect(),
        study: "s".into(),
        model: "command:script".into(),
        limits: Limits::default(),
        policy: Policy::default(),
        mounts: vec![],
        lyceum: "0".into(),
    })
}

/// Drives a session until it stops.
pub(crate) fn drive(log: &mut Log, script: Script, tools: &Tools, options: Options) -> Advance {
    let mind = Mind {
        model: Box::new(script),
        price: Box::new(|_| Price::Unknown),
        meter: Arc::new(Meter::default()),
        reel: lyceum_agents::Reel::default(),
    };
    drive_with(log, &mind, tools, options)
}

/// Returns a model of a scripted server.
pub(crate) fn mind_at(server: &Server, spec: &str, options: lyceum_models::Options) -> Mind {
    let base = server.base();
    let environment = move |name: &str| match name {
        "ANTHROPIC_BASE_URL" => Some(OsString::from(&base)),
        "OPENAI_BASE_URL" => Some(OsString::from(format!("{base}/v1"))),
        "ANTHROPIC_API_KEY" | "OPENAI_API_KEY" => Some(OsString::from("sk-made-up")),
        _ => None,
    };
    Mind {
        model: Box::new(connect(&spec.parse().unwrap(), options, &environment).unwrap()),
        price: Box::new(|_| Price::Unknown),
        meter: Arc::new(Meter::default()),
        reel: lyceum_agents::Reel::default(),
    }
}

/// Drives a session with any model until it stops.
pub(crate) fn drive_with(log: &mut Log, mind: &Mind, tools: &Tools, options: Options) -> Advance {
    let mut harness = Harness {
        log,
        mind,
        toolbox: tools,
        options,
        turns_max: u32::MAX,
        mail: None,
        halt: tools.halt.clone(),
        people: tools.people.clone(),
    };
    harness.advance().unwrap()
}

/// Returns all words of a request, one after the other.
pub(crate) fn words(request: &Request) -> String {
    let blocks = request.messages.iter().flat_map(|message| &message.blocks);
    let texts = blocks.filter_map(|block| match block {
        Block::Text { text, .. } => Some(text.as_str()),
        Block::ToolResult(result) => Some(result.text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}
