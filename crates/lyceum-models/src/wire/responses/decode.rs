//! Reads an answer of `OpenAI` Responses.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::{
    Answer, BLOCKS_MAX, Decoder, Sink, count, event_object, inner, malformed, said, some_text,
    text, unknown, unknown_stop,
};
use crate::{
    error::ErrorKind,
    message::{Arguments, Block, Kept, ToolUse, WireKind},
    response::{Event, Stop, Usage},
    sse::ServerEvent,
    transport::Flow,
};

/// Events that tell nothing which others do not.
const SILENT: [&str; 12] = [
    "response.in_progress",
    "response.queued",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_text.done",
    "response.refusal.done",
    "response.function_call_arguments.done",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done",
    "response.reasoning_summary_text.done",
    "response.reasoning_text.done",
    "keepalive",
];

#[derive(Debug, Default)]
pub(super) struct Decode {
    begun: bool,
    model: String,
    id: Option<String>,
    /// Places of items by their ids: llama.cpp says no places.
    places: BTreeMap<String, u64>,
    /// Calls that began, by their place: events name the item, the answer the call.
    calls: BTreeMap<u64, String>,
    items: BTreeMap<u64, Map<String, Value>>,
    end: Option<End>,
    usage: Usage,
}

#[derive(Debug)]
enum End {
    Completed,
    Incomplete(String),
}

impl Decoder for Decode {
    fn event(&mut self, event: &ServerEvent, sink: Sink<'_>) -> Result<Flow, ErrorKind> {
        if event.data == "[DONE]" {
            return Ok(Flow::Enough);
        }
        let data = event_object(event)?;
        let kind = text(&data, "type");
        let words = || text(&data, "delta").to_owned();
        match kind {
            "response.created" => self.start(inner(&data, "response"), sink),
            "response.output_item.added" => self.added(&data, sink)?,
            "response.output_text.delta" | "response.refusal.delta" => {
                sink(Event::Text { text: words() });
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                sink(Event::Reasoning { text: words() });
            }
            "response.function_call_arguments.delta" => {
                let at = self.place(&data, text(&data, "item_id"));
                let id = self.calls.get(&at).cloned().unwrap_or_default();
                sink(Event::ToolArguments { id, piece: words() });
            }
            "response.output_item.done" => self.done(&data)?,
            "response.completed" | "response.incomplete" | "response.done" => {
                let response = inner(&data, "response")
                    .ok_or_else(|| malformed("an end without a response"))?;
                self.finished(response)?;
                return Ok(Flow::Enough);
            }
            "response.failed" => {
                let response = inner(&data, "response").unwrap_or(&data);
                return Err(said(inner(response, "error").unwrap_or(response)));
            }
            "error" => return Err(said(&data)),
            _ if SILENT.contains(&kind) => {}
            _ => sink(unknown(&event.data)),
        }
        Ok(Flow::More)
    }

    fn whole(&mut self, body: &Value, sink: Sink<'_>) -> Result<(), ErrorKind> {
        let response = body
            .as_object()
            .filter(|body| text(body, "object") == "response")
            .ok_or_else(|| malformed("expected a response, found something else"))?;
        self.start(Some(response), sink);
        self.finished(response)
    }

    fn usage(&self) -> Usage {
        self.usage
    }

    fn finish(self: Box<Self>) -> Result<Answer, ErrorKind> {
        let Some(end) = self.end else {
            return Err(ErrorKind::Cut {
                bytes: 0,
                reason: "the stream ended before `response.completed`".to_owned(),
            });
        };
        let refused = self.items.values().find_map(refusal);
        let blocks: Vec<Block> = self.items.into_values().map(block).collect();
        let calls = blocks
            .iter()
            .any(|block| matches!(block, Block::ToolUse(_)));
        let stop = match end {
            End::Completed => match refused {
                Some(reason) => Stop::Refusal { reason },
                None if calls => Stop::ToolUse,
                None => Stop::EndTurn,
            },
            End::Incomplete(reason) => match reason.as_str() {
                "max_output_tokens" => Stop::OutputFull,
                "content_filter" => Stop::Refusal { reason },
                other => unknown_stop(other),
            },
        };
        Ok(Answer {
            blocks,
            stop,
            usage: self.usage,
            charged: None,
            model: self.model,
            id: self.id,
        })
    }
}

impl Decode {
    fn start(&mut self, response: Option<&Map<String, Value>>, sink: Sink<'_>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        if let Some(response) = response {
            text(response, "model").clone_into(&mut self.model);
            self.id = some_text(response, "id");
        }
        let model = self.model.clone();
        sink(Event::Started { model });
    }

    fn added(&mut self, data: &Map<String, Value>, sink: Sink<'_>) -> Result<(), ErrorKind> {
        let item = item(data)?;
        let at = self.place(data, text(item, "id"));
        match text(item, "type") {
            "function_call" => {
                let id = text(item, "call_id").to_owned();
                if self.calls.len() < BLOCKS_MAX {
                    self.calls.insert(at, id.clone());
                }
                let name = text(item, "name").to_owned();
                sink(Event::ToolStarted { id, name });
            }
            "message" | "reasoning" => {}
            _ => sink(unknown(&Value::Object(item.clone()).to_string())),
        }
        Ok(())
    }

    fn done(&mut self, data: &Map<String, Value>) -> Result<(), ErrorKind> {
        let item = item(data)?;
        let at = self.place(data, text(item, "id"));
        self.keep(at, item)
    }

    /// Returns an item's place: as the event says, as an earlier event did, or behind all others.
    fn place(&mut self, data: &Map<String, Value>, id: &str) -> u64 {
        let known = || self.places.get(id).copied();
        let last = self.places.values().chain(self.items.keys()).max();
        let place = count(data, "output_index").or_else(known);
        let place = place.unwrap_or_else(|| last.map_or(0, |last| last.saturating_add(1)));
        if !id.is_empty() && self.places.len() < BLOCKS_MAX {
            self.places.insert(id.to_owned(), place);
        }
        place
    }

    fn keep(&mut self, at: u64, item: &Map<String, Value>) -> Result<(), ErrorKind> {
        if self.items.len() >= BLOCKS_MAX {
            return Err(malformed("more items than an answer can have"));
        }
        self.items.insert(at, item.clone());
        Ok(())
    }

    fn finished(&mut self, response: &Map<String, Value>) -> Result<(), ErrorKind> {
        if text(response, "status") == "failed" {
            return Err(said(inner(response, "error").unwrap_or(response)));
        }
        if let Some(model) = some_text(response, "model") {
            self.model = model;
        }
        self.count(inner(response, "usage"));
        // Repeated at the end; the only place where an answer that came whole has them.
        let output = response.get("output").and_then(Value::as_array);
        for (at, item) in (0..).zip(output.into_iter().flatten()) {
            if let Some(item) = item.as_object()
                && !self.items.contains_key(&at)
            {
                self.keep(at, item)?;
            }
        }
        let incomplete = inner(response, "incomplete_details");
        let reason = incomplete.and_then(|details| some_text(details, "reason"));
        self.end = Some(match (text(response, "status"), reason) {
            ("incomplete", reason) => End::Incomplete(reason.unwrap_or_default()),
            _ => End::Completed,
        });
        Ok(())
    }

    /// The wire counts cached input into all input, and reasoning into output.
    fn count(&mut self, usage: Option<&Map<String, Value>>) {
        let Some(said) = usage else {
            return;
        };
        let (input, output) = (count(said, "input_tokens"), count(said, "output_tokens"));
        let details = inner(said, "input_tokens_details");
        let part = |key| {
            details
                .and_then(|details| count(details, key))
                .unwrap_or_default()
        };
        let (read, write) = (part("cached_tokens"), part("cache_write_tokens"));
        let thought = inner(said, "output_tokens_details");
        self.usage = Usage {
            input_tokens: input
                .unwrap_or_default()
                .saturating_sub(read)
                .saturating_sub(write),
            cache_read_tokens: read,
            cache_write_tokens: write,
            cache_write_hour_tokens: 0,
            output_tokens: output.unwrap_or_default(),
            reasoning_tokens: thought.and_then(|details| count(details, "reasoning_tokens")),
            // What is no whole number of tokens says nothing.
            reported: input.is_some() && output.is_some(),
        };
    }
}

fn item(data: &Map<String, Value>) -> Result<&Map<String, Value>, ErrorKind> {
    inner(data, "item").ok_or_else(|| malformed("an item's event without an item"))
}

/// Returns the texts of an item's parts of some kinds.
fn parts(item: &Map<String, Value>, list: &str, kinds: &[(&str, &str)]) -> String {
    let parts = item.get(list).and_then(Value::as_array);
    let parts = parts.into_iter().flatten().filter_map(Value::as_object);
    let texts = parts.filter_map(|part| {
        let (_, key) = kinds.iter().find(|(kind, _)| *kind == text(part, "type"))?;
        Some(text(part, key))
    });
    texts.collect::<Vec<_>>().join("")
}

fn refusal(item: &Map<String, Value>) -> Option<String> {
    let words = parts(item, "content", &[("refusal", "refusal")]);
    (!words.is_empty()).then_some(words)
}

fn block(item: Map<String, Value>) -> Block {
    let kept = |item: Map<String, Value>| Kept {
        wire: WireKind::Responses,
        item: Value::Object(item),
    };
    match text(&item, "type") {
        "message" => Block::Text {
            text: parts(
                &item,
                "content",
                &[("output_text", "text"), ("refusal", "refusal")],
            ),
            kept: Some(kept(item)),
        },
        "reasoning" => {
            let mut text = parts(&item, "summary", &[("summary_text", "text")]);
            if text.is_empty() {
                text = parts(&item, "content", &[("reasoning_text", "text")]);
            }
            // Without its encrypted form the server, which keeps nothing, would not find it again.
            let whole = some_text(&item, "encrypted_content").is_some();
            Block::Reasoning {
                text,
                kept: whole.then(|| kept(item)),
            }
        }
        "function_call" => Block::ToolUse(ToolUse {
            id: text(&item, "call_id").to_owned(),
            name: text(&item, "name").to_owned(),
            arguments: Arguments::read(text(&item, "arguments")),
            kept: Some(kept(item)),
        }),
        _ => Block::Opaque { kept: kept(item) },
    }
}
