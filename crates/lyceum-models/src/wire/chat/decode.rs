//! Reads an answer of Chat Completions.

use serde_json::{Map, Value, json};

use super::super::{
    Answer, BLOCKS_MAX, Decoder, Sink, count, event_object, inner, malformed, said, some_text,
    text, unknown, unknown_stop,
};
use crate::{
    error::ErrorKind,
    message::{Arguments, Block, Kept, ToolUse, WireKind},
    money::Money,
    response::{Event, Stop, Usage},
    sse::ServerEvent,
    transport::Flow,
};

#[derive(Debug, Default)]
pub(super) struct Decode {
    begun: bool,
    model: String,
    id: Option<String>,
    words: String,
    refusal: String,
    reasoning: Thought,
    calls: Vec<Open>,
    stop: Option<String>,
    usage: Usage,
    charged: Option<Money>,
}

/// Reasoning, under whichever name the server sends it; it goes back under the same.
#[derive(Debug, Default)]
struct Thought {
    key: Option<&'static str>,
    words: String,
    /// `OpenRouter`: the provider's own blocks, signatures included.
    details: Vec<Value>,
}

/// A call while it comes.
#[derive(Debug)]
struct Open {
    place: u64,
    id: String,
    name: String,
    arguments: String,
    /// What else the server says of it, such as signatures of reasoning.
    other: Map<String, Value>,
}

impl Decoder for Decode {
    fn event(&mut self, event: &ServerEvent, sink: Sink<'_>) -> Result<Flow, ErrorKind> {
        if event.data.trim() == "[DONE]" {
            return Ok(Flow::Enough);
        }
        let data = event_object(event)?;
        self.chunk(&data, "delta", &event.data, sink)?;
        Ok(Flow::More)
    }

    fn whole(&mut self, body: &Value, sink: Sink<'_>) -> Result<(), ErrorKind> {
        let body = body
            .as_object()
            .filter(|body| body.contains_key("choices") || body.contains_key("error"))
            .ok_or_else(|| malformed("expected a completion, found something else"))?;
        self.chunk(body, "message", "", sink)
    }

    fn usage(&self) -> Usage {
        self.usage
    }

    fn finish(self: Box<Self>) -> Result<Answer, ErrorKind> {
        let Some(word) = self.stop else {
            return Err(ErrorKind::Cut {
                bytes: 0,
                reason: "the stream ended before a `finish_reason`".to_owned(),
            });
        };
        let stop = match word.as_str() {
            _ if !self.refusal.is_empty() => Stop::Refusal {
                reason: self.refusal.clone(),
            },
            "length" | "max_tokens" => Stop::OutputFull,
            "content_filter" | "refusal" => Stop::Refusal { reason: word },
            // Servers say `stop` after calls, too.
            _ if !self.calls.is_empty() => Stop::ToolUse,
            "stop" | "eos" | "end_turn" | "tool_calls" | "function_call" => Stop::EndTurn,
            other => unknown_stop(other),
        };
        let answer = self.id.clone().unwrap_or_else(|| "call".to_owned());
        let mut blocks: Vec<Block> = self.reasoning.block().into_iter().collect();
        let words = self.words + &self.refusal;
        if !words.is_empty() {
            blocks.push(Block::text(words));
        }
        let calls = self.calls.into_iter().enumerate();
        blocks.extend(calls.map(|(at, call)| Block::ToolUse(call.done(&answer, at))));
        Ok(Answer {
            blocks,
            stop,
            usage: self.usage,
            charged: self.charged,
            model: self.model,
            id: self.id,
        })
    }
}

impl Decode {
    fn chunk(
        &mut self,
        data: &Map<String, Value>,
        key: &str,
        raw: &str,
        sink: Sink<'_>,
    ) -> Result<(), ErrorKind> {
        if data.get("error").is_some_and(|error| !error.is_null()) {
            return Err(said(data));
        }
        if !std::mem::replace(&mut self.begun, true) {
            text(data, "model").clone_into(&mut self.model);
            self.id = some_text(data, "id");
            sink(Event::Started {
                model: self.model.clone(),
            });
        }
        self.count(inner(data, "usage"));
        let Some(choices) = data.get("choices").and_then(Value::as_array) else {
            // Some servers send usage alone.
            if !data.contains_key("usage") {
                sink(unknown(raw));
            }
            return Ok(());
        };
        // One answer is asked for; further ones would be another's.
        let Some(choice) = choices.first().and_then(Value::as_object) else {
            return Ok(());
        };
        if choice.get("error").is_some_and(Value::is_object) {
            return Err(said(choice));
        }
        if let Some(delta) = inner(choice, key) {
            self.delta(delta, sink)?;
        }
        if let Some(word) = some_text(choice, "finish_reason") {
            if word == "error" {
                return Err(said(choice));
            }
            self.stop = Some(word);
        }
        Ok(())
    }

    fn delta(&mut self, delta: &Map<String, Value>, sink: Sink<'_>) -> Result<(), ErrorKind> {
        self.reasoning.add(delta, sink);
        if let Some(words) = some_text(delta, "content") {
            self.words.push_str(&words);
            sink(Event::Text { text: words });
        }
        if let Some(words) = some_text(delta, "refusal") {
            self.refusal.push_str(&words);
            sink(Event::Text { text: words });
        }
        let calls = delta.get("tool_calls").and_then(Value::as_array);
        for (at, call) in calls.into_iter().flatten().enumerate() {
            let call = call
                .as_object()
                .ok_or_else(|| malformed("expected an object in `tool_calls`"))?;
            self.call(at as u64, call, sink)?;
        }
        Ok(())
    }

    /// Adds a piece of a call. Ollama gives each of several calls the place 0; an own id or name begins a new one.
    fn call(
        &mut self,
        at: u64,
        call: &Map<String, Value>,
        sink: Sink<'_>,
    ) -> Result<(), ErrorKind> {
        let place = count(call, "index").unwrap_or(at);
        let id = text(call, "id");
        let empty = Map::new();
        let function = inner(call, "function").unwrap_or(&empty);
        let name = text(function, "name");
        let open = self.calls.iter().rposition(|open| {
            let other = !id.is_empty() && !open.id.is_empty() && id != open.id;
            let again = id.is_empty() && !name.is_empty() && !open.name.is_empty();
            open.place == place && !other && !again
        });
        let at = match open {
            Some(at) => at,
            None if self.calls.len() >= BLOCKS_MAX => {
                return Err(malformed("more calls than an answer can have"));
            }
            None => {
                self.calls.push(Open {
                    place,
                    id: id.to_owned(),
                    name: String::new(),
                    arguments: String::new(),
                    other: Map::new(),
                });
                self.calls.len() - 1
            }
        };
        let open = &mut self.calls[at];
        if open.name.is_empty() && !name.is_empty() {
            name.clone_into(&mut open.name);
            sink(Event::ToolStarted {
                id: open.id.clone(),
                name: name.to_owned(),
            });
        }
        let known = ["index", "id", "type", "function"];
        let other = call
            .iter()
            .filter(|(key, _)| !known.contains(&key.as_str()));
        open.other
            .extend(other.map(|(k, v)| (k.clone(), v.clone())));
        // Older servers send an object where a text belongs.
        let piece = match function.get("arguments") {
            Some(Value::String(piece)) => piece.clone(),
            Some(object @ Value::Object(_)) => object.to_string(),
            _ => String::new(),
        };
        if !piece.is_empty() {
            open.arguments.push_str(&piece);
            let id = open.id.clone();
            sink(Event::ToolArguments { id, piece });
        }
        Ok(())
    }

    /// The wire counts cached input into all input, and reasoning into output.
    fn count(&mut self, usage: Option<&Map<String, Value>>) {
        let Some(said) = usage else {
            return;
        };
        let (input, output) = (
            count(said, "prompt_tokens"),
            count(said, "completion_tokens"),
        );
        let details = inner(said, "prompt_tokens_details");
        let part = |key| {
            details
                .and_then(|details| count(details, key))
                .unwrap_or_default()
        };
        let (read, write) = (part("cached_tokens"), part("cache_write_tokens"));
        let thought = inner(said, "completion_tokens_details");
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
        // OpenRouter says in dollars what it charged.
        let charged = said.get("cost").and_then(Value::as_f64);
        let sane = charged.filter(|dollars| (0.0..1e6).contains(dollars));
        self.charged = sane.map(|dollars| Money((dollars * 1e9).ceil() as u64));
    }
}

impl Thought {
    fn add(&mut self, delta: &Map<String, Value>, sink: Sink<'_>) {
        // Both at once hold the same words.
        for key in ["reasoning_content", "reasoning"] {
            if let Some(words) = some_text(delta, key)
                && *self.key.get_or_insert(key) == key
            {
                self.words.push_str(&words);
                sink(Event::Reasoning { text: words });
            }
        }
        let details = delta.get("reasoning_details").and_then(Value::as_array);
        for detail in details.into_iter().flatten() {
            self.detail(detail);
        }
    }

    /// Adds a piece of a provider's block: texts of the same place and kind belong together.
    fn detail(&mut self, piece: &Value) {
        let same = |one: &Value| one["index"] == piece["index"] && one["type"] == piece["type"];
        let open = self.details.last_mut().filter(|last| same(last));
        let (Some(open), Some(piece)) = (open.and_then(Value::as_object_mut), piece.as_object())
        else {
            if self.details.len() < BLOCKS_MAX {
                self.details.push(piece.clone());
            }
            return;
        };
        for (key, value) in piece {
            match (open.get_mut(key), value) {
                (Some(Value::String(all)), Value::String(more))
                    if ["text", "summary", "data"].contains(&key.as_str()) =>
                {
                    all.push_str(more);
                }
                (_, Value::Null) => {}
                _ => {
                    open.insert(key.clone(), value.clone());
                }
            }
        }
    }

    fn block(self) -> Option<Block> {
        let mut item = Map::new();
        if let Some(key) = self.key {
            item.insert(key.to_owned(), self.words.clone().into());
        }
        if !self.details.is_empty() {
            item.insert("reasoning_details".to_owned(), self.details.into());
        }
        if item.is_empty() {
            return None;
        }
        let kept = Kept {
            wire: WireKind::Chat,
            item: Value::Object(item),
        };
        Some(Block::Reasoning {
            text: self.words,
            kept: Some(kept),
        })
    }
}

impl Open {
    fn done(self, answer: &str, at: usize) -> ToolUse {
        // Some servers name no call; results need a name to point at.
        let id = if self.id.is_empty() {
            format!("{answer}-{at}")
        } else {
            self.id
        };
        let arguments = Arguments::read(&self.arguments);
        let kept = match &arguments {
            Arguments::Object { .. } if !self.other.is_empty() => {
                let function = json!({ "name": self.name, "arguments": self.arguments });
                let mut item = self.other;
                item.insert("id".to_owned(), id.clone().into());
                item.insert("type".to_owned(), "function".into());
                item.insert("function".to_owned(), function);
                Some(Kept {
                    wire: WireKind::Chat,
                    item: Value::Object(item),
                })
            }
            Arguments::Object { .. } | Arguments::Malformed { .. } => None,
        };
        ToolUse {
            id,
            name: self.name,
            arguments,
            kept,
        }
    }
}
