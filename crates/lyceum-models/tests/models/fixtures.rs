//! Answers as the servers send them, read whole and split at every byte.
//!
//! The files follow the providers' references (platform.claude.com, developers.openai.com, openrouter.ai) and the
//! sources of llama.cpp, Ollama and vLLM, with words of our own; each has what a later version may add.

use std::sync::Mutex;

use lyceum_models::{
    Arguments, Block, Client, Event, Exchange, Keep, Message, Price, Recording, Response, Stop,
    Tape, ToolResult, WireKind, connect,
    scripted::{Said, Server},
};
use serde_json::{Value, json};

use crate::support::{listen, model, once, request};

pub(crate) const FIXTURES: [(WireKind, &str, &str); 6] = [
    (
        WireKind::Anthropic,
        "anthropic",
        include_str!("fixtures/anthropic.sse"),
    ),
    (
        WireKind::Responses,
        "responses",
        include_str!("fixtures/responses.sse"),
    ),
    (
        WireKind::Chat,
        "llama.cpp",
        include_str!("fixtures/chat-llama-cpp.sse"),
    ),
    (
        WireKind::Chat,
        "ollama",
        include_str!("fixtures/chat-ollama.sse"),
    ),
    (
        WireKind::Chat,
        "vllm",
        include_str!("fixtures/chat-vllm.sse"),
    ),
    (
        WireKind::Chat,
        "openrouter",
        include_str!("fixtures/chat-openrouter.sse"),
    ),
];

#[derive(Default)]
struct Last(Mutex<Option<Exchange>>);

impl Keep for Last {
    fn keep(&self, exchange: &Exchange) -> Result<(), String> {
        *self.0.lock().unwrap() = Some(exchange.clone());
        Ok(())
    }
}

/// Answers [`request`] with any bytes, in any pieces.
pub(crate) struct Replayer {
    wire: WireKind,
    exchange: Value,
}

impl Replayer {
    pub(crate) fn new(wire: WireKind) -> Self {
        let server = Server::start(vec![Said::text("yes").into()]).unwrap();
        let last = std::sync::Arc::new(Last::default());
        let mut options = once();
        options.tape = Tape::Record(last.clone());
        listen(&model(wire, &server, options), &request())
            .0
            .unwrap();
        let exchange = last.0.lock().unwrap().take().unwrap();
        let exchange = serde_json::to_value(exchange).unwrap();
        Self { wire, exchange }
    }

    pub(crate) fn kind(mut self, content_type: &str) -> Self {
        self.exchange["head"]["headers"] = json!([["content-type", content_type]]);
        self
    }

    /// Returns a model that answers so.
    pub(crate) fn model(&self, answer: &[u8], pieces: &[usize]) -> Client {
        let mut exchange = self.exchange.clone();
        let pairs = answer.iter().map(|byte| format!("{byte:02x}"));
        let hex = pairs.collect::<Vec<_>>().concat();
        exchange["answer"] = json!({ "hex": hex });
        exchange["pieces"] = json!(pieces);
        let exchange = serde_json::from_value(exchange).unwrap();
        let mut options = once();
        options.tape = Tape::Replay(Recording::new(vec![exchange]));
        let spec = match self.wire {
            WireKind::Anthropic => "anthropic:claude-opus-5-5",
            WireKind::Responses => "openai:gpt-6-sol",
            _ => "http://localhost:1/v1#local-model",
        };
        connect(&spec.parse().unwrap(), options, &|_| None).unwrap()
    }
}

fn read(replayer: &Replayer, answer: &[u8], pieces: &[usize]) -> (Response, Vec<Event>) {
    let (answer, events) = listen(&replayer.model(answer, pieces), &request());
    (answer.unwrap(), events)
}

#[test]
fn answers_are_the_same_however_they_are_split() {
    for (wire, name, text) in FIXTURES {
        let replayer = Replayer::new(wire);
        let bytes = text.as_bytes();
        let whole = read(&replayer, bytes, &[bytes.len()]);
        for at in 1..bytes.len() {
            let split = read(&replayer, bytes, &[at, bytes.len() - at]);
            assert_eq!(split, whole, "{name} at {at}");
        }
        let single = vec![1; bytes.len()];
        assert_eq!(
            read(&replayer, bytes, &single),
            whole,
            "{name} byte by byte"
        );
        let other = text.replace('\n', "\r\n");
        assert_eq!(
            read(&replayer, other.as_bytes(), &[other.len()]),
            whole,
            "{name} with CRLF"
        );
    }
}

#[test]
fn no_beginning_of_an_answer_is_taken_for_one() {
    for (wire, name, text) in FIXTURES {
        let replayer = Replayer::new(wire);
        // Chat servers end with a reason, then counts, then `[DONE]`: the answer is whole with the reason.
        let enough = match wire {
            WireKind::Chat => text.find("\"finish_reason\":\"").unwrap(),
            _ => text.trim_end().len() - 1,
        };
        for at in 0..enough {
            let bytes = &text.as_bytes()[..at];
            let (answer, _) = listen(&replayer.model(bytes, &[at]), &request());
            assert!(answer.is_err(), "{name} cut at {at}: {answer:?}");
        }
    }
}

fn calls(answer: &Response) -> Vec<(String, String)> {
    let calls = answer.tool_uses().map(|call| {
        let Arguments::Object { value } = &call.arguments else {
            panic!("{call:?}");
        };
        (call.id.clone(), value["city"].as_str().unwrap().to_owned())
    });
    calls.collect()
}

fn pair(one: &str, other: &str) -> Vec<(String, String)> {
    vec![
        (one.to_owned(), "Zürich".to_owned()),
        (other.to_owned(), "Bern".to_owned()),
    ]
}

fn fixture(name: &str) -> (Response, Vec<Event>) {
    let mut all = FIXTURES.iter();
    let (wire, _, text) = all.find(|(_, of, _)| *of == name).unwrap();
    read(&Replayer::new(*wire), text.as_bytes(), &[text.len()])
}

/// Returns what goes back to the same wire.
fn sent_back(wire: WireKind, answer: &Response) -> Value {
    let server = Server::start(vec![Said::text("done").into()]).unwrap();
    let mut request = request();
    let results = answer.tool_uses().map(|call| ToolResult {
        id: call.id.clone(),
        text: "rain".to_owned(),
        failed: false,
    });
    let results = results.collect();
    request
        .messages
        .push(Message::assistant(answer.blocks.clone()));
    request.messages.push(Message::results(results));
    listen(&model(wire, &server, once()), &request).0.unwrap();
    server.received().remove(0).body
}

#[test]
fn anthropic_is_read_and_goes_back() {
    let (answer, events) = fixture("anthropic");
    assert_eq!(answer.text(), "I look at both: 🌦️");
    assert_eq!(calls(&answer), pair("toolu_01A", "toolu_01B"));
    assert_eq!(
        (answer.stop.clone(), answer.model.as_str()),
        (Stop::ToolUse, "claude-opus-5-5")
    );
    let usage = answer.usage;
    assert_eq!((usage.input_tokens, usage.cache_read_tokens), (412, 10_240));
    assert_eq!(
        (usage.cache_write_tokens, usage.cache_write_hour_tokens),
        (1024, 1024)
    );
    assert_eq!(
        (usage.output_tokens, usage.reasoning_tokens),
        (187, Some(96))
    );
    // 412 × 4 + 10,240 × 0.2 + 1,024 × 5 + 1,024 × 8 + 187 × 20, in millionths of a dollar.
    assert_eq!(answer.price.amount().unwrap().to_string(), "$0.020748");
    let unknown = events
        .iter()
        .filter(|event| matches!(event, Event::Unknown { .. }));
    assert_eq!(unknown.count(), 2);
    let back = &sent_back(WireKind::Anthropic, &answer)["messages"][1]["content"];
    let expected = json!([
        { "type": "thinking", "thinking": "Zwei Städte — two calls.",
          "signature": "Rml4dHVyZVNpZ25hdHVyZQ==" },
        { "type": "redacted_thinking", "data": "RW5jcnlwdGVk" },
        { "type": "text", "text": "I look at both: 🌦️" },
        { "type": "tool_use", "id": "toolu_01A", "name": "weather",
          "input": { "city": "Zürich" }, "caller": { "type": "direct" } },
        { "type": "tool_use", "id": "toolu_01B", "name": "weather",
          "input": { "city": "Bern" }, "caller": { "type": "direct" } },
        { "type": "block_of_tomorrow", "payload": { "a": [1, 2.5, null] } },
    ]);
    assert_eq!(*back, expected);
}

#[test]
fn responses_is_read_and_goes_back() {
    let (answer, events) = fixture("responses");
    assert_eq!(answer.text(), "I look at both.");
    // In the order of their places, not of their ends.
    assert_eq!(calls(&answer), pair("call_A", "call_B"));
    let usage = answer.usage;
    assert_eq!((usage.input_tokens, usage.cache_read_tokens), (476, 1024));
    assert_eq!(
        (usage.output_tokens, usage.reasoning_tokens),
        (187, Some(96))
    );
    let pieces = |wanted: &str| -> String {
        let all = events.iter().filter_map(|event| match event {
            Event::ToolArguments { id, piece } if id == wanted => Some(piece.as_str()),
            _ => None,
        });
        all.collect()
    };
    assert_eq!(pieces("call_B"), r#"{"city":"Bern"}"#);
    let back = sent_back(WireKind::Responses, &answer)["input"].clone();
    assert_eq!(back[1]["encrypted_content"], "Z0FBQUFBQm9maXh0dXJl");
    assert_eq!(
        (&back[2]["phase"], &back[2]["id"]),
        (&json!("commentary"), &json!("msg_1"))
    );
    assert_eq!(
        (&back[3]["call_id"], &back[3]["id"]),
        (&json!("call_A"), &json!("fc_1"))
    );
    assert_eq!(
        back[5],
        json!({ "id": "x_1", "type": "item_of_tomorrow", "payload": [1] })
    );
}

#[test]
fn chat_is_read_from_every_server_and_goes_back() {
    for (name, ids, key) in [
        ("llama.cpp", ("a1", "b2"), "reasoning_content"),
        ("ollama", ("call_x1", "call_x2"), "reasoning"),
        (
            "vllm",
            ("chatcmpl-tool-1", "chatcmpl-tool-2"),
            "reasoning_content",
        ),
        (
            "openrouter",
            ("tool_0_weather", "tool_1_weather"),
            "reasoning",
        ),
    ] {
        let (answer, _) = fixture(name);
        assert_eq!(answer.text(), "I look.", "{name}");
        assert_eq!(calls(&answer), pair(ids.0, ids.1), "{name}");
        assert_eq!(answer.stop, Stop::ToolUse, "{name}");
        let usage = answer.usage;
        assert_eq!(
            (usage.prompt_tokens(), usage.output_tokens),
            (300, 42),
            "{name}"
        );
        let Block::Reasoning { text, .. } = &answer.blocks[0] else {
            panic!("{name}: {:?}", answer.blocks);
        };
        assert_eq!(text, "Two cities ☁", "{name}");
        let back = sent_back(WireKind::Chat, &answer)["messages"][1].clone();
        assert_eq!(back[key], "Two cities ☁", "{name}");
        let price = answer.price.amount().map(|amount| amount.to_string());
        if name == "openrouter" {
            assert_eq!(price.as_deref(), Some("$0.000381"));
            let details = json!([
                { "type": "reasoning.text", "text": "Two cities ☁", "format": "google-gemini-v1", "index": 0 },
                { "type": "reasoning.encrypted", "data": "U2VhbGVk", "format": "google-gemini-v1", "index": 1 },
            ]);
            assert_eq!(back["reasoning_details"], details);
            let signature = &back["tool_calls"][0]["extra_content"]["google"]["thought_signature"];
            assert_eq!(signature, "U2lnbmF0dXJl");
        } else {
            assert_eq!(answer.price, Price::Unknown, "{name}");
        }
    }
}

#[test]
fn an_error_after_words_is_an_error_whatever_its_data() {
    let fault = concat!(
        "event: error\n",
        r#"data: {"code":500,"message":"output in no known format","type":"server_error"}"#,
        "\n\n"
    );
    for (wire, name, text) in FIXTURES {
        let middle = text.match_indices("\n\n").nth(3).unwrap().0 + 2;
        let text = format!("{}{fault}", &text[..middle]);
        let model = Replayer::new(wire).model(text.as_bytes(), &[text.len()]);
        let error = listen(&model, &request()).0.unwrap_err();
        let expected = "the server failed (status 500): output in no known format";
        assert_eq!(error.to_string(), expected, "{name}");
        assert!(error.is_retryable());
    }
}

#[test]
fn answers_that_came_whole_are_read() {
    for (wire, body) in [
        (
            WireKind::Anthropic,
            json!({
                "type": "message", "id": "m", "model": "x", "role": "assistant",
                "content": [{ "type": "text", "text": "whole" },
                    { "type": "tool_use", "id": "1", "name": "weather", "input": { "city": "Bern" } }],
                "stop_reason": "tool_use", "usage": { "input_tokens": 5, "output_tokens": 7 },
            }),
        ),
        (
            WireKind::Responses,
            json!({
                "object": "response", "id": "r", "model": "x", "status": "completed",
                "output": [
                    { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "whole" }] },
                    { "type": "function_call", "call_id": "1", "name": "weather", "arguments": "{\"city\":\"Bern\"}" },
                ],
                "usage": { "input_tokens": 5, "output_tokens": 7 },
            }),
        ),
        (
            WireKind::Chat,
            json!({
                "object": "chat.completion", "id": "c", "model": "x",
                "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": {
                    "role": "assistant", "content": "whole",
                    "tool_calls": [{ "id": "1", "type": "function",
                        "function": { "name": "weather", "arguments": { "city": "Bern" } } }],
                } }],
                "usage": { "prompt_tokens": 5, "completion_tokens": 7 },
            }),
        ),
    ] {
        let replayer = Replayer::new(wire).kind("application/json; charset=utf-8");
        let text = body.to_string();
        let (answer, _) = read(&replayer, text.as_bytes(), &[text.len()]);
        assert_eq!(answer.text(), "whole", "{wire:?}");
        assert_eq!(
            calls(&answer),
            [("1".to_owned(), "Bern".to_owned())],
            "{wire:?}"
        );
        assert_eq!(
            (answer.usage.input_tokens, answer.usage.output_tokens),
            (5, 7)
        );
        assert_eq!(answer.stop, Stop::ToolUse);
    }
}
