//! Writes what is said as the events of each wire.

use serde_json::{Value, json};

use super::{Part, Received, Said, http::error};
use crate::{
    message::WireKind,
    response::{Stop, Usage},
};

/// Texts come in pieces of so many characters.
const PIECE: usize = 7;

/// Returns the body of a whole answer.
pub(super) fn stream(received: &Received, said: &Said) -> String {
    let model = received.body["model"].as_str().unwrap_or_default();
    let events = match received.wire {
        WireKind::Anthropic => anthropic(model, said),
        WireKind::Responses => responses(model, said),
        WireKind::Chat | WireKind::Command => return chat(model, said),
    };
    events.iter().map(named).collect()
}

/// Returns the body of an answer in which the server gives up after the beginning.
pub(super) fn overloaded(received: &Received) -> String {
    let said = Said::text("this will not end");
    let body = stream(received, &said);
    let mut begin: String = body.split_inclusive("\n\n").take(3).collect();
    let fault = error(
        received.wire,
        "overloaded_error",
        "server_is_overloaded",
        "overloaded",
    );
    let end = match received.wire {
        WireKind::Anthropic => named(&fault),
        WireKind::Responses => named(&json!({
            "type": "response.failed",
            "response": { "status": "failed", "error": fault["error"] },
        })),
        WireKind::Chat | WireKind::Command => format!("data: {fault}\n\n"),
    };
    begin.push_str(&end);
    begin
}

fn named(event: &Value) -> String {
    let kind = event["type"].as_str().unwrap_or_default();
    format!("event: {kind}\ndata: {event}\n\n")
}

fn pieces(text: &str) -> Vec<String> {
    let all: Vec<char> = text.chars().collect();
    all.chunks(PIECE)
        .map(|piece| piece.iter().collect())
        .collect()
}

fn anthropic(model: &str, said: &Said) -> Vec<Value> {
    let usage = |output: u64| {
        let Usage {
            input_tokens,
            cache_read_tokens,
            cache_write_tokens,
            cache_write_hour_tokens,
            ..
        } = said.usage;
        json!({
            "input_tokens": input_tokens,
            "cache_read_input_tokens": cache_read_tokens,
            "cache_creation_input_tokens": cache_write_tokens + cache_write_hour_tokens,
            "cache_creation": {
                "ephemeral_5m_input_tokens": cache_write_tokens,
                "ephemeral_1h_input_tokens": cache_write_hour_tokens,
            },
            "output_tokens": output,
        })
    };
    let message = json!({
        "id": "msg_scripted", "type": "message", "role": "assistant", "model": model,
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage(1),
    });
    let mut events = vec![
        json!({ "type": "message_start", "message": message }),
        json!({ "type": "ping" }),
    ];
    for (at, part) in said.parts.iter().enumerate() {
        let (start, deltas) = anthropic_block(part);
        events.push(json!({ "type": "content_block_start", "index": at, "content_block": start }));
        let delta = |delta| json!({ "type": "content_block_delta", "index": at, "delta": delta });
        events.extend(deltas.into_iter().map(delta));
        events.push(json!({ "type": "content_block_stop", "index": at }));
    }
    let (word, details) = match &said.stop {
        Stop::EndTurn => ("end_turn", Value::Null),
        Stop::ToolUse => ("tool_use", Value::Null),
        Stop::OutputFull => ("max_tokens", Value::Null),
        Stop::ContextFull => ("model_context_window_exceeded", Value::Null),
        Stop::Refusal { reason } => ("refusal", json!({ "explanation": reason })),
        Stop::Paused => ("pause_turn", Value::Null),
        Stop::Unknown { reason } => (reason.as_str(), Value::Null),
    };
    events.push(json!({
        "type": "message_delta",
        "delta": { "stop_reason": word, "stop_sequence": null, "stop_details": details },
        "usage": usage(said.usage.output_tokens),
    }));
    events.push(json!({ "type": "message_stop" }));
    events
}

fn anthropic_block(part: &Part) -> (Value, Vec<Value>) {
    let deltas = |kind: &str, key: &str, text: &str| -> Vec<Value> {
        let pieces = pieces(text).into_iter();
        pieces
            .map(|piece| json!({ "type": kind, key: piece }))
            .collect()
    };
    match part {
        Part::Text(text) => (
            json!({ "type": "text", "text": "" }),
            deltas("text_delta", "text", text),
        ),
        Part::Reasoning(text) => {
            let mut all = deltas("thinking_delta", "thinking", text);
            all.push(json!({ "type": "signature_delta", "signature": sealed(text) }));
            (
                json!({ "type": "thinking", "thinking": "", "signature": "" }),
                all,
            )
        }
        Part::Redacted(text) => (
            json!({ "type": "redacted_thinking", "data": sealed(text) }),
            vec![],
        ),
        Part::Tool {
            id,
            name,
            arguments,
        } => (
            json!({ "type": "tool_use", "id": id, "name": name, "input": {} }),
            deltas("input_json_delta", "partial_json", arguments),
        ),
    }
}

/// Stands for a signature or an encrypted form: whoever sends another one back changed it.
fn sealed(text: &str) -> String {
    let sum = text.bytes().fold(7_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    format!("sealed-{sum:016x}")
}

fn responses(model: &str, said: &Said) -> Vec<Value> {
    let base = |status: &str| {
        json!({
            "id": "resp_scripted", "object": "response", "model": model, "status": status,
            "output": [], "usage": null, "error": null, "incomplete_details": null,
        })
    };
    let mut events = vec![json!({ "type": "response.created", "response": base("in_progress") })];
    let mut output = Vec::new();
    for (at, part) in said.parts.iter().enumerate() {
        let (item, kind, text) = responses_item(at, part);
        let mut empty = item.clone();
        empty["status"] = "in_progress".into();
        events.push(
            json!({ "type": "response.output_item.added", "output_index": at, "item": empty }),
        );
        let id = &item["id"];
        let delta = |piece: String| json!({ "type": kind, "item_id": id, "output_index": at, "delta": piece });
        events.extend(pieces(text).into_iter().map(delta));
        events
            .push(json!({ "type": "response.output_item.done", "output_index": at, "item": item }));
        output.push(item);
    }
    if let Stop::Refusal { reason } = &said.stop {
        let item = json!({
            "id": "msg_refusal", "type": "message", "role": "assistant", "status": "completed",
            "content": [{ "type": "refusal", "refusal": reason }],
        });
        let at = output.len();
        events
            .push(json!({ "type": "response.output_item.done", "output_index": at, "item": item }));
        output.push(item);
    }
    let cut = match &said.stop {
        Stop::OutputFull | Stop::ContextFull => Some("max_output_tokens"),
        Stop::Unknown { reason } => Some(reason.as_str()),
        Stop::EndTurn | Stop::ToolUse | Stop::Refusal { .. } | Stop::Paused => None,
    };
    let mut end = base(if cut.is_some() {
        "incomplete"
    } else {
        "completed"
    });
    end["output"] = output.into();
    let Usage {
        cache_read_tokens,
        output_tokens,
        reasoning_tokens,
        ..
    } = said.usage;
    end["usage"] = json!({
        "input_tokens": said.usage.prompt_tokens(),
        "input_tokens_details": {
            "cached_tokens": cache_read_tokens,
            "cache_write_tokens": said.usage.cache_write_tokens,
        },
        "output_tokens": output_tokens,
        "output_tokens_details": { "reasoning_tokens": reasoning_tokens.unwrap_or_default() },
        "total_tokens": said.usage.prompt_tokens() + output_tokens,
    });
    if let Some(reason) = cut {
        end["incomplete_details"] = json!({ "reason": reason });
    }
    let kind = if cut.is_some() {
        "incomplete"
    } else {
        "completed"
    };
    events.push(json!({ "type": format!("response.{kind}"), "response": end }));
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = number.into();
    }
    events
}

/// Returns an item, and of which kind the events are that bring which text of it.
fn responses_item(at: usize, part: &Part) -> (Value, &'static str, &str) {
    match part {
        Part::Text(text) => (
            json!({
                "id": format!("msg_{at}"), "type": "message", "role": "assistant",
                "status": "completed",
                "content": [{ "type": "output_text", "text": text, "annotations": [] }],
            }),
            "response.output_text.delta",
            text,
        ),
        Part::Reasoning(text) => (
            json!({
                "id": format!("rs_{at}"), "type": "reasoning", "status": "completed",
                "summary": [{ "type": "summary_text", "text": text }],
                "encrypted_content": sealed(text),
            }),
            "response.reasoning_summary_text.delta",
            text,
        ),
        Part::Redacted(text) => (
            json!({
                "id": format!("rs_{at}"), "type": "reasoning", "status": "completed",
                "summary": [], "encrypted_content": sealed(text),
            }),
            "response.reasoning_summary_text.delta",
            "",
        ),
        Part::Tool {
            id,
            name,
            arguments,
        } => (
            json!({
                "id": format!("fc_{at}"), "type": "function_call", "status": "completed",
                "call_id": id, "name": name, "arguments": arguments,
            }),
            "response.function_call_arguments.delta",
            arguments,
        ),
    }
}

fn chat(model: &str, said: &Said) -> String {
    let chunk = |delta: Value, reason: Value| {
        json!({
            "id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 0,
            "model": model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }],
        })
    };
    let plain = |delta| chunk(delta, Value::Null);
    let mut chunks = vec![plain(json!({ "role": "assistant", "content": "" }))];
    let mut calls = 0;
    for part in &said.parts {
        match part {
            Part::Text(text) => {
                chunks.extend(
                    pieces(text)
                        .into_iter()
                        .map(|piece| plain(json!({ "content": piece }))),
                );
            }
            Part::Reasoning(text) => {
                let piece = |piece| plain(json!({ "reasoning_content": piece }));
                chunks.extend(pieces(text).into_iter().map(piece));
            }
            Part::Redacted(text) => chunks.push(plain(json!({
                "reasoning_details": [{
                    "type": "reasoning.encrypted", "index": 0, "data": sealed(text),
                }],
            }))),
            Part::Tool {
                id,
                name,
                arguments,
            } => {
                let function = json!({ "name": name, "arguments": "" });
                let call =
                    json!({ "index": calls, "id": id, "type": "function", "function": function });
                chunks.push(plain(json!({ "tool_calls": [call] })));
                chunks.extend(pieces(arguments).into_iter().map(|piece| {
                    let call = json!({ "index": calls, "function": { "arguments": piece } });
                    plain(json!({ "tool_calls": [call] }))
                }));
                calls += 1;
            }
        }
    }
    let word = match &said.stop {
        Stop::EndTurn | Stop::Paused => "stop",
        Stop::ToolUse => "tool_calls",
        Stop::OutputFull | Stop::ContextFull => "length",
        Stop::Refusal { reason } => {
            chunks.push(plain(json!({ "refusal": reason })));
            "stop"
        }
        Stop::Unknown { reason } => reason,
    };
    chunks.push(chunk(json!({}), word.into()));
    let mut end = chunk(json!({}), Value::Null);
    end["choices"] = json!([]);
    end["usage"] = json!({
        "prompt_tokens": said.usage.prompt_tokens(),
        "completion_tokens": said.usage.output_tokens,
        "total_tokens": said.usage.prompt_tokens() + said.usage.output_tokens,
        "prompt_tokens_details": { "cached_tokens": said.usage.cache_read_tokens },
    });
    chunks.push(end);
    let chunks = chunks.iter().map(|chunk| format!("data: {chunk}\n\n"));
    chunks.collect::<String>() + "data: [DONE]\n\n"
}
