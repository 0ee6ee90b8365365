//! A real llama.cpp server with a tiny model of random weights: `bench/models` says how to have one.

use std::ffi::OsString;

use lyceum_models::{
    Arguments, Block, Cancel, Client, ErrorKind, Event, Message, Model as _, OutputSchema,
    Reasoning, Request, Stop, ToolResult, ToolUse, WireKind, connect, environment,
};
use serde_json::{Value, json};

use crate::support::{WIRES, ask, listen, once, patient, request, weather};

/// Returns the address of the server, if somebody runs one for this.
#[expect(clippy::print_stdout, reason = "what was not tested is said")]
fn server() -> Option<String> {
    let base = environment("LYCEUM_LLAMA_SERVER").and_then(|base| base.into_string().ok());
    if base.is_none() {
        println!("SKIPPED: LYCEUM_LLAMA_SERVER names no llama.cpp server, see bench/models");
    }
    base
}

/// Returns the model behind one of the wires, all of which that server speaks.
fn model(wire: WireKind, base: &str) -> Client {
    let spec = match wire {
        WireKind::Anthropic => "anthropic:tiny".to_owned(),
        WireKind::Responses => "openai:tiny".to_owned(),
        _ => format!("{base}/v1#tiny"),
    };
    let environment = |name: &str| match name {
        "ANTHROPIC_BASE_URL" => Some(OsString::from(base)),
        "OPENAI_BASE_URL" => Some(OsString::from(format!("{base}/v1"))),
        "ANTHROPIC_API_KEY" | "OPENAI_API_KEY" => Some(OsString::from("unused-key")),
        _ => None,
    };
    // Noise sometimes looks like a broken call to the server, which gives up then.
    let (options, _) = patient(10);
    connect(&spec.parse().unwrap(), options, &environment).unwrap()
}

fn short() -> Request {
    Request {
        output_tokens_max: 24,
        ..request()
    }
}

#[test]
fn words_come_and_are_counted() {
    let Some(base) = server() else {
        return;
    };
    for wire in WIRES {
        let (answer, events) = listen(&model(wire, &base), &short());
        let answer = answer.unwrap();
        assert!(
            matches!(answer.stop, Stop::OutputFull | Stop::EndTurn),
            "{wire:?}: {answer:?}"
        );
        let usage = answer.usage;
        // On Anthropic's wire this server says what was in its cache before it has read the prompt.
        let counted = wire == WireKind::Anthropic || usage.prompt_tokens() > 10;
        assert!(usage.reported && counted, "{wire:?}: {usage:?}");
        assert!(
            (1..=24).contains(&usage.output_tokens),
            "{wire:?}: {usage:?}"
        );
        assert_eq!(answer.price.amount(), None);
        let told = events.iter().filter_map(|event| match event {
            Event::Text { text } => Some(text.as_str()),
            _ => None,
        });
        assert_eq!(told.collect::<String>(), answer.text(), "{wire:?}");
        let unknown = events
            .iter()
            .find(|event| matches!(event, Event::Unknown { .. }));
        assert_eq!(unknown, None, "{wire:?}");
    }
}

#[test]
fn a_schema_is_kept() {
    let Some(base) = server() else {
        return;
    };
    let schema = json!({
        "type": "object", "properties": { "ok": { "type": "boolean" } }, "required": ["ok"],
        "additionalProperties": false,
    });
    let request = Request {
        output_tokens_max: 400,
        reasoning: Reasoning::Off,
        output_schema: Some(OutputSchema {
            name: "answer".to_owned(),
            schema,
        }),
        ..request()
    };
    let answer = ask(&model(WireKind::Chat, &base), &request).unwrap();
    let value: Value = serde_json::from_str(&answer.text()).unwrap();
    assert!(value["ok"].is_boolean(), "{value}");
}

#[test]
fn calls_and_results_are_accepted() {
    let Some(base) = server() else {
        return;
    };
    for wire in WIRES {
        let model = model(wire, &base);
        let mut request = Request {
            tools: vec![weather()],
            ..short()
        };
        let answer = ask(&model, &request).unwrap();
        // What it said goes back; weights of noise call no tool, so two calls are added, one of them malformed.
        let mut blocks = answer.blocks;
        for (id, text) in [("call-1", r#"{"city":"Bern"}"#), ("call-2", "{\"ci")] {
            blocks.push(Block::ToolUse(ToolUse {
                id: id.to_owned(),
                name: "weather".to_owned(),
                arguments: Arguments::read(text),
                kept: None,
            }));
        }
        let results = ["call-1", "call-2"].map(|id| ToolResult {
            id: id.to_owned(),
            text: "sunny".to_owned(),
            failed: id == "call-2",
        });
        request.messages.push(Message::assistant(blocks));
        let mut results = Message::results(results.into());
        results.blocks.push(Block::text("and tomorrow?"));
        request.messages.push(results);
        let answer = ask(&model, &request).unwrap();
        assert!(answer.usage.output_tokens > 0, "{wire:?}");
    }
}

#[test]
fn what_it_refuses_is_understood() {
    let Some(base) = server() else {
        return;
    };
    for wire in WIRES {
        let mut request = short();
        request.messages = vec![Message::user("many words ".repeat(2000))];
        let error = ask(&model(wire, &base), &request).unwrap_err();
        assert!(
            matches!(error.kind, ErrorKind::ContextOverflow { .. }),
            "{wire:?}: {error:?}"
        );
    }
    let nowhere = format!("{base}/no/such/place#tiny");
    let model = connect(&nowhere.parse().unwrap(), once(), &|_| None).unwrap();
    let error = ask(&model, &short()).unwrap_err();
    assert!(
        matches!(error.kind, ErrorKind::NotFound { .. }),
        "{error:?}"
    );
}

#[test]
fn a_turn_is_cancelled_while_words_come() {
    let Some(base) = server() else {
        return;
    };
    let mut request = request();
    request.output_tokens_max = 1500;
    let cancel = Cancel::new();
    let result = model(WireKind::Chat, &base).turn(&request, &cancel, &mut |event| {
        if matches!(event, Event::Text { .. }) {
            cancel.cancel();
        }
    });
    assert_eq!(result.unwrap_err().kind, ErrorKind::Cancelled);
}
