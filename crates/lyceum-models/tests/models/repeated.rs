//! What a server gives back that it should not: the key, or more than anybody keeps.

use std::{
    ffi::OsString,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    thread,
};

use lyceum_models::{
    Client, ErrorKind, Event, Options, WireKind, connect,
    scripted::{Part, Said, Server},
};
use serde_json::json;

use crate::{
    fixtures::FIXTURES,
    support::{KEY, WIRES, listen, model, once, patient, request},
};

/// Returns a model at a server that answers everybody with these headers and these bytes.
fn answering(wire: WireKind, headers: &str, body: Vec<u8>, options: Options) -> Client {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    // Ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while line != "\r\n" {
                line.clear();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            // A client that has read enough leaves.
            let mut stream = reader.into_inner();
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&body);
        }
    });
    let environment = move |name: &str| match name {
        "ANTHROPIC_BASE_URL" => Some(OsString::from(&base)),
        "OPENAI_BASE_URL" => Some(OsString::from(format!("{base}/v1"))),
        "ANTHROPIC_API_KEY" | "OPENAI_API_KEY" | "LYCEUM_MODEL_KEY" => Some(OsString::from(KEY)),
        _ => None,
    };
    let spec = match wire {
        WireKind::Anthropic => "anthropic:claude-opus-5-5".to_owned(),
        WireKind::Responses => "openai:gpt-6-sol".to_owned(),
        _ => format!(
            "{}/v1#m",
            environment("ANTHROPIC_BASE_URL").unwrap().display()
        ),
    };
    connect(&spec.parse().unwrap(), options, &environment).unwrap()
}

/// Returns a stream of Chat Completions with these choices' deltas.
fn chat(deltas: &[serde_json::Value]) -> Vec<u8> {
    let chunk = |delta: &serde_json::Value| {
        let chunk = json!({ "id": "1", "model": "m", "choices": [{ "delta": delta }] });
        format!("data: {chunk}\n\n")
    };
    let mut stream: String = deltas.iter().map(chunk).collect();
    stream += "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    stream.into_bytes()
}

fn called(arguments: &str) -> serde_json::Value {
    json!({ "tool_calls": [{ "index": 0, "id": "1", "function": { "name": "n", "arguments": arguments } }] })
}

fn failure(body: Vec<u8>) -> (ErrorKind, Vec<Event>) {
    let (result, events) = listen(&answering(WireKind::Chat, "", body, once()), &request());
    (result.unwrap_err().kind, events)
}

#[test]
fn an_answer_that_nothing_could_keep_is_a_failed_request() {
    let limit_bytes = 16 << 20;
    let words = json!({ "content": "x".repeat(1 << 20) });
    let large = chat(&vec![words; 16]);
    assert!(large.len() > limit_bytes as usize);
    let (options, pace) = patient(3);
    let model = answering(WireKind::Chat, "", large, options);
    let error = listen(&model, &request()).0.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AnswerTooLarge { limit_bytes });
    assert_eq!((error.attempts, pace.waits.lock().unwrap().len()), (1, 0));
    // Five bytes of a number become nineteen when they are written again.
    let numbers = "1e15,".repeat(1 << 20);
    let numbers = chat(&[called(&format!("{{\"n\":[{numbers}0]}}"))]);
    assert!(numbers.len() < limit_bytes as usize);
    assert_eq!(
        failure(numbers).0,
        ErrorKind::AnswerTooLarge { limit_bytes }
    );
}

#[test]
fn an_answer_is_no_deeper_than_what_is_read_again() {
    let nested = |depth| {
        let arguments = format!("{{\"n\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        let stream = chat(&[called(&arguments)]);
        listen(&answering(WireKind::Chat, "", stream, once()), &request()).0
    };
    let answer = nested(80).unwrap();
    let text = serde_json::to_string(&json!([[[[answer]]]])).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let error = nested(120).unwrap_err();
    assert!(error.to_string().contains("levels of JSON"), "{error}");
}

#[test]
fn an_answer_with_the_key_in_any_part_is_not_used() {
    for wire in WIRES {
        let arguments = json!({ "command": format!("echo {KEY}") });
        for said in [
            Said::text(format!("Bearer {KEY}")),
            Said::text("hm").after_reasoning(KEY),
            Said::tool("call_1", "bash", &arguments),
            Said::tool("call_1", KEY, &json!({})),
            Said::tool(KEY, "bash", &json!({})),
            Said::text_and_tools("", &[("call_1", "bash", &format!("{{ {KEY}"))]),
            Said::of(
                vec![
                    Part::Text(KEY[..9].to_owned()),
                    Part::Text(KEY[9..].to_owned()),
                ],
                lyceum_models::Stop::EndTurn,
            ),
        ] {
            let server = Server::start(vec![said.clone().into(), said.clone().into()]).unwrap();
            let (options, _) = patient(3);
            let (result, events) = listen(&model(wire, &server, options), &request());
            let error = result.unwrap_err();
            assert_eq!(error.kind, ErrorKind::KeyRepeated, "{wire:?} {said:?}");
            assert_eq!(error.attempts, 1);
            assert!(error.kind.may_have_cost());
            let told = format!("{events:?} {error:?}");
            assert!(!told.contains(KEY), "{wire:?} {told}");
        }
    }
}

#[test]
fn a_server_that_calls_its_model_by_the_key_is_not_believed() {
    for (wire, name, text) in FIXTURES {
        let from = text.find("\"model\":").unwrap() + 8;
        let from = from + text[from..].find('"').unwrap() + 1;
        let end = from + text[from..].find('"').unwrap();
        let text = [&text[..from], "Bearer ", KEY, &text[end..]].concat();
        let model = answering(wire, "", text.into_bytes(), once());
        let (result, events) = listen(&model, &request());
        assert_eq!(result.unwrap_err().kind, ErrorKind::KeyRepeated, "{name}");
        assert_eq!(events, [], "{name}");
    }
}

#[test]
fn a_key_that_is_escaped_or_comes_in_pieces_is_found() {
    let escaped = format!("\\u0073{}", &KEY[1..]);
    let stream = String::from_utf8(chat(&[json!({ "content": "KEY" })])).unwrap();
    let (kind, events) = failure(stream.replace("KEY", &escaped).into_bytes());
    assert_eq!(kind, ErrorKind::KeyRepeated);
    assert!(!format!("{events:?}").contains(KEY), "{events:?}");
    let (one, other) = KEY.split_at(9);
    let words = [json!({ "content": one }), json!({ "content": other })];
    assert_eq!(failure(chat(&words)).0, ErrorKind::KeyRepeated);
    let arguments = [
        called(&format!("{{\"command\": \"{one}")),
        json!({ "tool_calls": [{ "index": 0, "function": { "arguments": format!("{other}\"}}") } }] }),
    ];
    assert_eq!(failure(chat(&arguments)).0, ErrorKind::KeyRepeated);
}

#[test]
fn no_part_of_the_key_is_in_an_error_or_an_id() {
    for wire in WIRES {
        // Wherever an error is cut.
        for before in [0, 30, 40, 50, 360, 380, 390] {
            let noise = "x".repeat(before);
            let event = format!("event: e\ndata: {noise}{KEY}{}\n\n", "y".repeat(500));
            let header = format!("x-request-id: {noise}{KEY}\r\n");
            let model = answering(wire, &header, event.into_bytes(), once());
            let (result, events) = listen(&model, &request());
            let error = result.unwrap_err();
            assert!(matches!(error.kind, ErrorKind::Malformed { .. }), "{error}");
            let told = format!("{error} {error:?} {events:?}");
            let part = KEY
                .as_bytes()
                .windows(12)
                .find(|part| told.contains(std::str::from_utf8(part).unwrap()));
            assert_eq!(part, None, "{wire:?} {before}: {told}");
            assert!(error.to_string().len() < 500, "{error}");
        }
    }
    let header = format!("x-request-id: req {KEY}\r\n");
    let model = answering(
        WireKind::Chat,
        &header,
        chat(&[json!({ "content": "yes" })]),
        once(),
    );
    let answer = listen(&model, &request()).0.unwrap();
    assert_eq!(answer.request_id.as_deref(), Some("req [key]"));
}
