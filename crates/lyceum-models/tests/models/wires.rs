//! Each wire over a socket: what is sent, what is understood, and that it goes back as it came.

use std::time::Duration;

use lyceum_models::{
    Arguments, Block, Cache, Effort, Event, Message, OutputSchema, Parallel, Price, Reasoning,
    Request, Stop, SystemBlock, ToolChoice, ToolResult, Usage, WireKind, connect,
    scripted::{Part, Said, Server},
};
use serde_json::{Value, json};

use crate::support::{KEY, WIRES, ask, listen, model, once, request, weather};

fn usage() -> Usage {
    Usage {
        input_tokens: 1_000,
        cache_read_tokens: 500,
        output_tokens: 200,
        reported: true,
        ..Usage::default()
    }
}

#[test]
fn words_are_told_as_they_come_and_counted() {
    for wire in WIRES {
        let text = "It is sunny, 21 °C: ☀️ \"fine\"\n\\o/";
        let said = Said::text(text)
            .after_reasoning("look outside")
            .counted(usage());
        let server = Server::start(vec![said.into()]).unwrap();
        let (answer, events) = listen(&model(wire, &server, once()), &request());
        let answer = answer.unwrap();
        assert_eq!(answer.text(), text, "{wire:?}");
        assert_eq!(answer.stop, Stop::EndTurn);
        assert_eq!(answer.usage.input_tokens, 1_000);
        assert_eq!(answer.usage.cache_read_tokens, 500);
        assert_eq!(answer.usage.output_tokens, 200);
        assert_eq!(answer.request_id.as_deref(), Some("req_scripted"));
        assert_eq!(answer.attempts, 1);
        assert!(matches!(events[0], Event::Started { .. }));
        let told = |pick: fn(&Event) -> Option<&str>| -> String {
            events.iter().filter_map(pick).collect()
        };
        let words = told(|event| match event {
            Event::Text { text } => Some(text),
            _ => None,
        });
        let thought = told(|event| match event {
            Event::Reasoning { text } => Some(text),
            _ => None,
        });
        assert_eq!((words.as_str(), thought.as_str()), (text, "look outside"));
        assert!(events.len() > 4, "not in pieces: {events:?}");
        let price = answer.price.amount().map(|amount| amount.to_string());
        match wire {
            WireKind::Anthropic => assert_eq!(price.as_deref(), Some("$0.0081")),
            WireKind::Responses => assert_eq!(price.as_deref(), Some("$0.0041")),
            _ => assert_eq!(answer.price, Price::Unknown),
        }
    }
}

#[test]
fn the_key_goes_into_one_header() {
    for wire in WIRES {
        let server = Server::start(vec![Said::text("yes").into()]).unwrap();
        ask(&model(wire, &server, once()), &request()).unwrap();
        let received = &server.received()[0];
        let bearer = format!("Bearer {KEY}");
        let (name, value) = match wire {
            WireKind::Anthropic => ("x-api-key", KEY),
            _ => ("authorization", bearer.as_str()),
        };
        assert_eq!(received.header(name), Some(value));
        let holding = received
            .headers
            .iter()
            .filter(|(_, value)| value.contains(KEY));
        assert_eq!(holding.count(), 1);
        assert!(!received.text.contains(KEY) && !received.path.contains(KEY));
    }
}

/// Asks, answers two calls, one of them failed, and asks again; returns both requests.
fn two_turns(wire: WireKind, parts: Vec<Part>) -> (Value, Value, Vec<Block>) {
    let first = Said::of(parts, Stop::ToolUse);
    let server = Server::start(vec![first.into(), Said::text("done").into()]).unwrap();
    let model = model(wire, &server, once());
    let mut request = request();
    request.tools = vec![weather()];
    let answer = ask(&model, &request).unwrap();
    let results = answer.tool_uses().enumerate().map(|(at, call)| ToolResult {
        id: call.id.clone(),
        text: format!("result {at}"),
        failed: at == 1,
    });
    let results = results.collect();
    let blocks = answer.blocks.clone();
    request.messages.push(Message::assistant(answer.blocks));
    request.messages.push(Message::results(results));
    assert_eq!(ask(&model, &request).unwrap().text(), "done");
    let mut received = server.received().into_iter();
    let bodies = (received.next().unwrap(), received.next().unwrap());
    assert_eq!((bodies.0.model_turns(), bodies.1.model_turns()), (0, 1));
    (bodies.0.body, bodies.1.body, blocks)
}

fn call(id: &str, arguments: &str) -> Part {
    Part::Tool {
        id: id.to_owned(),
        name: "weather".to_owned(),
        arguments: arguments.to_owned(),
    }
}

#[test]
fn parallel_calls_and_reasoning_go_back_as_they_came() {
    let parts = vec![
        Part::Reasoning("two cities".to_owned()),
        Part::Redacted("hidden".to_owned()),
        Part::Text("Let me look.".to_owned()),
        call("call_1", r#"{"city": "Paris"}"#),
        call("call_2", r#"{"city": "Rome"}"#),
    ];
    let (_, second, blocks) = two_turns(WireKind::Anthropic, parts.clone());
    assert_eq!(blocks.len(), 5);
    let back = second["messages"][1]["content"].clone();
    let thinking = json!({
        "type": "thinking", "thinking": "two cities", "signature": back[0]["signature"],
    });
    assert_eq!(back[0], thinking);
    assert!(
        back[0]["signature"]
            .as_str()
            .unwrap()
            .starts_with("sealed-")
    );
    assert_eq!(back[1]["type"], "redacted_thinking");
    assert!(back[1]["data"].as_str().unwrap().starts_with("sealed-"));
    assert_eq!(back[2], json!({ "type": "text", "text": "Let me look." }));
    let city = |name| json!({ "city": name });
    assert_eq!(
        (&back[3]["input"], &back[4]["input"]),
        (&city("Paris"), &city("Rome"))
    );
    let results = second["messages"][2]["content"].clone();
    assert_eq!(results[0]["tool_use_id"], "call_1");
    assert!(results[0].get("is_error").is_none());
    assert_eq!(
        (&results[1]["tool_use_id"], &results[1]["is_error"]),
        (&json!("call_2"), &json!(true))
    );

    let (first, second, _) = two_turns(WireKind::Responses, parts.clone());
    assert_eq!(first["store"], false);
    assert_eq!(first["include"], json!(["reasoning.encrypted_content"]));
    let back = second["input"].as_array().unwrap();
    let kinds: Vec<&str> = back
        .iter()
        .map(|item| item["type"].as_str().unwrap())
        .collect();
    let expected = [
        "message",
        "reasoning",
        "reasoning",
        "message",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
    ];
    assert_eq!(kinds, expected);
    assert!(
        back[1]["encrypted_content"]
            .as_str()
            .unwrap()
            .starts_with("sealed-")
    );
    assert_eq!(back[1]["summary"][0]["text"], "two cities");
    assert_eq!(back[4]["arguments"], r#"{"city": "Paris"}"#);
    assert_eq!(back[7]["output"], "error: result 1");

    let (_, second, _) = two_turns(WireKind::Chat, parts);
    let back = second["messages"].as_array().unwrap();
    assert_eq!(back[1]["reasoning_content"], "two cities");
    assert!(
        back[1]["reasoning_details"][0]["data"]
            .as_str()
            .unwrap()
            .starts_with("sealed-")
    );
    assert_eq!(back[1]["content"], "Let me look.");
    assert_eq!(
        back[1]["tool_calls"][1]["function"]["arguments"],
        r#"{"city":"Rome"}"#
    );
    assert_eq!(
        (&back[2]["role"], &back[2]["tool_call_id"]),
        (&json!("tool"), &json!("call_1"))
    );
    assert_eq!(back[3]["content"], "error: result 1");
}

#[test]
fn bad_arguments_are_told_and_can_be_answered() {
    for wire in WIRES {
        let parts = vec![call("call_1", r#"{"city": "Par"#), call("call_2", "[1]")];
        let (_, second, blocks) = two_turns(wire, parts);
        let malformed = blocks.iter().filter_map(|block| match block {
            Block::ToolUse(call) => match &call.arguments {
                Arguments::Malformed { text, reason } => Some((text.as_str(), reason.as_str())),
                Arguments::Object { .. } => None,
            },
            _ => None,
        });
        let malformed: Vec<_> = malformed.collect();
        assert_eq!(malformed[0].0, r#"{"city": "Par"#, "{wire:?}");
        assert_eq!(
            malformed[1],
            ("[1]", "expected a JSON object, found an array")
        );
        // What the model wrote is in front of it again.
        assert!(second.to_string().contains("Par"), "{second}");
    }
}

#[test]
fn nothing_at_all_is_an_empty_object() {
    for wire in WIRES {
        let (_, _, blocks) = two_turns(wire, vec![call("call_1", "")]);
        let Block::ToolUse(call) = &blocks[0] else {
            panic!("{blocks:?}");
        };
        let value = json!({});
        assert_eq!(call.arguments, Arguments::Object { value });
    }
}

#[test]
fn every_stop_is_understood() {
    for wire in WIRES {
        let stops = [
            (Stop::OutputFull, true),
            (Stop::ContextFull, wire == WireKind::Anthropic),
            (Stop::Paused, wire == WireKind::Anthropic),
            (
                Stop::Refusal {
                    reason: "not this".to_owned(),
                },
                true,
            ),
            (
                Stop::Unknown {
                    reason: "tired".to_owned(),
                },
                true,
            ),
        ];
        for (stop, has) in stops.into_iter().filter(|(_, has)| *has) {
            let said = Said::of(vec![Part::Text("so far".to_owned())], stop.clone());
            let server = Server::start(vec![said.into()]).unwrap();
            let answer = ask(&model(wire, &server, once()), &request()).unwrap();
            assert_eq!((answer.stop, has), (stop, true), "{wire:?}");
        }
    }
}

fn full() -> Request {
    let mut request = request();
    request.system = vec![
        SystemBlock {
            cache: Some(Cache::Hour),
            ..SystemBlock::new("You are careful.")
        },
        SystemBlock::new("Be brief."),
    ];
    request.messages[0].cache = Some(Cache::Minutes);
    request.tools = vec![weather()];
    request.tool_choice = ToolChoice::Named {
        name: "weather".to_owned(),
    };
    request.parallel_tools = Parallel::OneByOne;
    request.output_schema = Some(OutputSchema {
        name: "report".to_owned(),
        schema: json!({ "type": "object", "properties": {}, "additionalProperties": false }),
    });
    request.reasoning = Reasoning::On { summary: true };
    request.effort = Some(Effort::High);
    request.temperature = Some(0.5);
    request
}

fn sent(wire: WireKind, request: &Request) -> Value {
    let server = Server::start(vec![Said::text("yes").into()]).unwrap();
    ask(&model(wire, &server, once()), request).unwrap();
    let received = server.received().remove(0);
    let path = match wire {
        WireKind::Anthropic => "/v1/messages",
        WireKind::Responses => "/v1/responses",
        _ => "/v1/chat/completions",
    };
    assert_eq!(received.path, path);
    received.body
}

#[test]
fn anthropic_gets_the_whole_request() {
    let request = full();
    let expected = json!({
        "model": "claude-opus-5-5", "max_tokens": 1000, "stream": true, "temperature": 0.5,
        "system": [
            { "type": "text", "text": "You are careful.",
              "cache_control": { "type": "ephemeral", "ttl": "1h" } },
            { "type": "text", "text": "Be brief." },
        ],
        "messages": [{ "role": "user", "content": [
            { "type": "text", "text": "what is the weather?",
              "cache_control": { "type": "ephemeral" } },
        ] }],
        "tools": [{ "name": "weather", "description": "Tells the weather.",
            "input_schema": weather().schema }],
        "tool_choice": { "type": "tool", "name": "weather", "disable_parallel_tool_use": true },
        "thinking": { "type": "adaptive", "display": "summarized" },
        "output_config": { "effort": "high",
            "format": { "type": "json_schema", "schema": request.output_schema.as_ref().unwrap().schema } },
    });
    assert_eq!(sent(WireKind::Anthropic, &request), expected);
}

#[test]
fn responses_gets_the_whole_request() {
    let request = full();
    let expected = json!({
        "model": "gpt-6-sol", "max_output_tokens": 1000, "stream": true, "store": false,
        "temperature": 0.5, "instructions": "You are careful.\n\nBe brief.",
        "include": ["reasoning.encrypted_content"],
        "input": [{ "type": "message", "role": "user",
            "content": [{ "type": "input_text", "text": "what is the weather?" }] }],
        "tools": [{ "type": "function", "name": "weather", "description": "Tells the weather.",
            "parameters": weather().schema, "strict": false }],
        "tool_choice": { "type": "function", "name": "weather" },
        "parallel_tool_calls": false,
        "reasoning": { "effort": "high", "summary": "auto" },
        "text": { "format": { "type": "json_schema", "name": "report", "strict": true,
            "schema": request.output_schema.as_ref().unwrap().schema } },
    });
    assert_eq!(sent(WireKind::Responses, &request), expected);
}

#[test]
fn chat_gets_the_whole_request() {
    let request = full();
    let expected = json!({
        "model": "local-model", "max_tokens": 1000, "stream": true, "temperature": 0.5,
        "stream_options": { "include_usage": true },
        "messages": [
            { "role": "system", "content": "You are careful.\n\nBe brief." },
            { "role": "user", "content": "what is the weather?" },
        ],
        "tools": [{ "type": "function", "function": { "name": "weather",
            "description": "Tells the weather.", "parameters": weather().schema } }],
        "tool_choice": { "type": "function", "function": { "name": "weather" } },
        "parallel_tool_calls": false,
        "reasoning_effort": "high",
        "response_format": { "type": "json_schema", "json_schema": { "name": "report",
            "strict": true, "schema": request.output_schema.as_ref().unwrap().schema } },
    });
    assert_eq!(sent(WireKind::Chat, &request), expected);
}

#[test]
fn what_the_next_request_does_not_have_stands_behind_the_mark() {
    let mut request = request();
    request.messages[0].blocks.push(Block::text("it is noon"));
    request.messages[0].cache = Some(Cache::Minutes);
    request.messages[0].passing = 1;
    let marked = json!([
        { "type": "text", "text": "what is the weather?", "cache_control": { "type": "ephemeral" } },
        { "type": "text", "text": "it is noon" },
    ]);
    let anthropic = sent(WireKind::Anthropic, &request);
    assert_eq!(anthropic["messages"][0]["content"], marked);
    let chat = sent(WireKind::Chat, &request);
    let words = json!("what is the weather?\n\nit is noon");
    assert_eq!(chat["messages"][0]["content"], words);
    let server = Server::start(vec![Said::text("yes").into()]).unwrap();
    let spec = format!("{}/v1#anthropic/any", server.base());
    let model = connect(&spec.parse().unwrap(), once(), &|_| None).unwrap();
    ask(&model, &request).unwrap();
    assert_eq!(server.received()[0].body["messages"][0]["content"], marked);
    // More than there are: nothing is left to mark.
    request.messages[0].passing = 9;
    let all = sent(WireKind::Anthropic, &request);
    assert!(!all.to_string().contains("cache_control"));
}

#[test]
fn a_key_of_what_is_kept_goes_to_the_wire_that_has_one() {
    let mut request = request();
    request.cache_key = Some("k".repeat(32));
    let expected = json!("k".repeat(32));
    assert_eq!(
        sent(WireKind::Responses, &request)["prompt_cache_key"],
        expected
    );
    for wire in [WireKind::Anthropic, WireKind::Chat] {
        assert!(!sent(wire, &request).to_string().contains("kkkk"));
    }
}

#[test]
fn too_many_marks_leave_the_first_and_the_last() {
    let mut request = request();
    request.system = vec![SystemBlock {
        cache: Some(Cache::Minutes),
        ..SystemBlock::new("rules")
    }];
    for at in 0..8 {
        request
            .messages
            .push(Message::assistant(vec![Block::text(format!("a {at}"))]));
        request.messages.push(Message::user(format!("u {at}")));
    }
    for message in &mut request.messages {
        message.cache = Some(Cache::Minutes);
    }
    let body = sent(WireKind::Anthropic, &request);
    assert_eq!(body.to_string().matches("cache_control").count(), 4);
    assert!(body["system"][0].get("cache_control").is_some());
    let marked = |at: usize| {
        body["messages"][at]["content"][0]
            .get("cache_control")
            .is_some()
    };
    assert_eq!(
        (0..17).filter(|at| marked(*at)).collect::<Vec<_>>(),
        [14, 15, 16]
    );
}

#[test]
fn reasoning_of_another_wire_is_left_out() {
    let said = Said::text("yes").after_reasoning("think");
    let server = Server::start(vec![said.into()]).unwrap();
    let answer = ask(&model(WireKind::Anthropic, &server, once()), &request()).unwrap();
    let mut request = request();
    request.messages.push(Message::assistant(answer.blocks));
    request.messages.push(Message::user("and tomorrow?"));
    for wire in [WireKind::Responses, WireKind::Chat] {
        let body = sent(wire, &request).to_string();
        assert!(
            body.contains("yes") && !body.contains("sealed-") && !body.contains("think"),
            "{body}"
        );
    }
}

#[test]
fn a_slow_answer_is_an_answer() {
    for wire in WIRES {
        let said = Said::text("slowly").trickling(3, Duration::from_micros(200));
        let server = Server::start(vec![said.into()]).unwrap();
        let answer = ask(&model(wire, &server, once()), &request()).unwrap();
        assert_eq!(answer.text(), "slowly");
    }
}

#[test]
fn messages_of_a_log_read_what_they_wrote() {
    let said = Said::text_and_tools("look", &[("c", "weather", "{\"city\":\"Paris\"}")]);
    for wire in WIRES {
        let server = Server::start(vec![said.clone().after_reasoning("hm").into()]).unwrap();
        let answer = ask(&model(wire, &server, once()), &request()).unwrap();
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(
            serde_json::from_str::<lyceum_models::Response>(&text).unwrap(),
            answer
        );
    }
}
