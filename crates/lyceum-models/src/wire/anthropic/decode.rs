//! Reads an answer of Anthropic Messages.

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

#[derive(Debug, Default)]
pub(super) struct Decode {
    begun: bool,
    complete: bool,
    model: String,
    id: Option<String>,
    blocks: Vec<Open>,
    stop: Option<Stop>,
    usage: Usage,
    /// Whether the tokens of input and output that were told, if any were, were numbers.
    seen: [Option<bool>; 2],
}

/// A block while it comes.
#[derive(Debug, Default)]
struct Open {
    /// The block as it began, with what came since.
    item: Map<String, Value>,
    /// Pieces of a tool's arguments, if any came.
    arguments: Option<String>,
    /// The block is whole.
    closed: bool,
}

impl Decoder for Decode {
    fn event(&mut self, event: &ServerEvent, sink: Sink<'_>) -> Result<Flow, ErrorKind> {
        let data = event_object(event)?;
        match text(&data, "type") {
            "message_start" => self.start(&data, sink)?,
            "content_block_start" => self.open(&data, sink)?,
            "content_block_delta" => self.delta(&data, &event.data, sink)?,
            "content_block_stop" => self.block(&data)?.closed = true,
            "message_delta" => self.end(&data),
            "message_stop" => {
                self.complete = true;
                return Ok(Flow::Enough);
            }
            "ping" => {}
            "error" => return Err(said(&data)),
            _ => sink(unknown(&event.data)),
        }
        Ok(Flow::More)
    }

    fn whole(&mut self, body: &Value, sink: Sink<'_>) -> Result<(), ErrorKind> {
        let message = body
            .as_object()
            .filter(|body| text(body, "type") == "message")
            .ok_or_else(|| malformed("expected a message, found something else"))?;
        self.begin(message, sink);
        let content = message.get("content").and_then(Value::as_array);
        for item in content.into_iter().flatten().take(BLOCKS_MAX) {
            let item = item.as_object().cloned().unwrap_or_default();
            if let Some(words) = some_text(&item, "text") {
                sink(Event::Text { text: words });
            }
            self.blocks.push(Open {
                item,
                arguments: None,
                closed: true,
            });
        }
        self.stop = stop(message);
        self.complete = true;
        Ok(())
    }

    fn usage(&self) -> Usage {
        self.usage
    }

    fn finish(self: Box<Self>) -> Result<Answer, ErrorKind> {
        let missing = |what: &str| ErrorKind::Cut {
            bytes: 0,
            reason: format!("the stream ended before {what}"),
        };
        if !self.complete {
            return Err(missing("`message_stop`"));
        }
        let stop = self.stop.ok_or_else(|| missing("a stop reason"))?;
        let full = stop == Stop::OutputFull || stop == Stop::ContextFull;
        if !full && self.blocks.iter().any(|block| !block.closed) {
            return Err(missing("`content_block_stop`"));
        }
        Ok(Answer {
            blocks: self.blocks.into_iter().map(Open::done).collect(),
            stop,
            usage: self.usage,
            charged: None,
            model: self.model,
            id: self.id,
        })
    }
}

impl Decode {
    fn start(&mut self, data: &Map<String, Value>, sink: Sink<'_>) -> Result<(), ErrorKind> {
        let message =
            inner(data, "message").ok_or_else(|| malformed("`message_start` without a message"))?;
        if self.begun {
            return Err(malformed("a second `message_start`"));
        }
        self.begin(message, sink);
        Ok(())
    }

    fn begin(&mut self, message: &Map<String, Value>, sink: Sink<'_>) {
        self.begun = true;
        text(message, "model").clone_into(&mut self.model);
        self.id = some_text(message, "id");
        self.count(inner(message, "usage"));
        sink(Event::Started {
            model: self.model.clone(),
        });
    }

    /// Takes over every count that is there: later events repeat only some, as totals.
    fn count(&mut self, usage: Option<&Map<String, Value>>) {
        let Some(said) = usage else {
            return;
        };
        for (key, seen) in ["input_tokens", "output_tokens"].iter().zip(&mut self.seen) {
            // What is no whole number of tokens says nothing, and takes back what was said.
            *seen = match said.get(*key) {
                None | Some(Value::Null) => *seen,
                Some(found) => Some(found.as_u64().is_some() && *seen != Some(false)),
            };
        }
        let usage = &mut self.usage;
        let set = |to: &mut u64, key: &str| {
            if let Some(found) = count(said, key) {
                *to = found;
            }
        };
        set(&mut usage.input_tokens, "input_tokens");
        set(&mut usage.output_tokens, "output_tokens");
        set(&mut usage.cache_read_tokens, "cache_read_input_tokens");
        set(&mut usage.cache_write_tokens, "cache_creation_input_tokens");
        if let Some(parts) = inner(said, "cache_creation") {
            let hour = count(parts, "ephemeral_1h_input_tokens").unwrap_or_default();
            let minutes = count(parts, "ephemeral_5m_input_tokens").unwrap_or_default();
            usage.cache_write_hour_tokens = hour;
            usage.cache_write_tokens = minutes;
        } else if count(said, "cache_creation_input_tokens").is_some() {
            // Repeated as a sum of both kinds: what is known of the longer one stays its own.
            usage.cache_write_tokens = usage
                .cache_write_tokens
                .saturating_sub(usage.cache_write_hour_tokens);
        }
        let details = inner(said, "output_tokens_details");
        if let Some(thought) = details.and_then(|details| count(details, "thinking_tokens")) {
            usage.reasoning_tokens = Some(thought);
        }
        usage.reported = self.seen == [Some(true); 2];
    }

    fn open(&mut self, data: &Map<String, Value>, sink: Sink<'_>) -> Result<(), ErrorKind> {
        let item = inner(data, "content_block")
            .ok_or_else(|| malformed("`content_block_start` without a block"))?;
        let at = count(data, "index").unwrap_or_default();
        if at != self.blocks.len() as u64 || self.blocks.len() >= BLOCKS_MAX {
            return Err(malformed(&format!(
                "expected block {}, found block {at}",
                self.blocks.len()
            )));
        }
        match text(item, "type") {
            "tool_use" => sink(Event::ToolStarted {
                id: text(item, "id").to_owned(),
                name: text(item, "name").to_owned(),
            }),
            "text" => told(item, "text", |text| Event::Text { text }, sink),
            "thinking" => told(item, "thinking", |text| Event::Reasoning { text }, sink),
            "redacted_thinking" => {}
            _ => sink(unknown(&Value::Object(item.clone()).to_string())),
        }
        self.blocks.push(Open {
            item: item.clone(),
            ..Open::default()
        });
        Ok(())
    }

    fn block(&mut self, data: &Map<String, Value>) -> Result<&mut Open, ErrorKind> {
        let at = count(data, "index").and_then(|at| usize::try_from(at).ok());
        let block = at.and_then(|at| self.blocks.get_mut(at));
        block
            .filter(|block| !block.closed)
            .ok_or_else(|| malformed("an event for a block that is not open"))
    }

    fn delta(
        &mut self,
        data: &Map<String, Value>,
        raw: &str,
        sink: Sink<'_>,
    ) -> Result<(), ErrorKind> {
        let block = self.block(data)?;
        let delta = inner(data, "delta")
            .ok_or_else(|| malformed("`content_block_delta` without a delta"))?;
        match text(delta, "type") {
            "text_delta" => {
                append(&mut block.item, "text", text(delta, "text"));
                told(delta, "text", |text| Event::Text { text }, sink);
            }
            "thinking_delta" => {
                append(&mut block.item, "thinking", text(delta, "thinking"));
                told(delta, "thinking", |text| Event::Reasoning { text }, sink);
            }
            "signature_delta" => append(&mut block.item, "signature", text(delta, "signature")),
            "input_json_delta" => {
                let piece = text(delta, "partial_json").to_owned();
                block.arguments.get_or_insert_default().push_str(&piece);
                let id = text(&block.item, "id").to_owned();
                sink(Event::ToolArguments { id, piece });
            }
            "citations_delta" => {
                let all = block.item.entry("citations").or_insert(Value::Null);
                if !all.is_array() {
                    *all = Value::Array(Vec::new());
                }
                let citation = delta.get("citation").cloned().unwrap_or_default();
                all.as_array_mut()
                    .into_iter()
                    .for_each(|all| all.push(citation.clone()));
            }
            _ => sink(unknown(raw)),
        }
        Ok(())
    }

    fn end(&mut self, data: &Map<String, Value>) {
        self.count(inner(data, "usage"));
        if let Some(delta) = inner(data, "delta")
            && let Some(found) = stop(delta)
        {
            self.stop = Some(found);
        }
    }
}

fn told(from: &Map<String, Value>, key: &str, event: impl Fn(String) -> Event, sink: Sink<'_>) {
    if let Some(words) = some_text(from, key) {
        sink(event(words));
    }
}

fn append(item: &mut Map<String, Value>, key: &str, piece: &str) {
    match item.get_mut(key) {
        Some(Value::String(text)) => text.push_str(piece),
        _ => {
            item.insert(key.to_owned(), piece.into());
        }
    }
}

fn stop(from: &Map<String, Value>) -> Option<Stop> {
    let word = some_text(from, "stop_reason")?;
    Some(match word.as_str() {
        "end_turn" | "stop_sequence" => Stop::EndTurn,
        "tool_use" => Stop::ToolUse,
        "max_tokens" => Stop::OutputFull,
        "model_context_window_exceeded" => Stop::ContextFull,
        "pause_turn" => Stop::Paused,
        "refusal" => {
            let details = inner(from, "stop_details");
            let say = |key| details.and_then(|details| some_text(details, key));
            let reason = say("explanation").or_else(|| say("category"));
            Stop::Refusal {
                reason: reason.unwrap_or_default(),
            }
        }
        other => unknown_stop(other),
    })
}

impl Open {
    fn done(mut self) -> Block {
        let kind = text(&self.item, "type").to_owned();
        let arguments = self.arguments.as_deref().map(Arguments::read);
        if let Some(Arguments::Object { value }) = &arguments {
            self.item.insert("input".to_owned(), value.clone());
        }
        let words = |key: &str| text(&self.item, key).to_owned();
        let kept = Some(Kept {
            wire: WireKind::Anthropic,
            item: Value::Object(self.item.clone()),
        });
        match kind.as_str() {
            "text" => Block::Text {
                text: words("text"),
                kept,
            },
            "thinking" | "redacted_thinking" => Block::Reasoning {
                text: words("thinking"),
                // Without its signature a block cannot go back.
                kept: kept.filter(|_| kind != "thinking" || self.item.contains_key("signature")),
            },
            "tool_use" => {
                let arguments = arguments.unwrap_or_else(|| {
                    let input = self.item.get("input").filter(|input| input.is_object());
                    input.map_or_else(
                        || Arguments::read(""),
                        |value| Arguments::Object {
                            value: value.clone(),
                        },
                    )
                });
                let whole = matches!(arguments, Arguments::Object { .. });
                Block::ToolUse(ToolUse {
                    id: words("id"),
                    name: words("name"),
                    arguments,
                    kept: kept.filter(|_| whole && self.item.contains_key("input")),
                })
            }
            _ => Block::Opaque {
                kept: Kept {
                    wire: WireKind::Anthropic,
                    item: Value::Object(self.item),
                },
            },
        }
    }
}
