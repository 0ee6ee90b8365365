//! A local program: one JSON object in, one JSON object out.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, BLOCKS_MAX, Decoder, Sink, Wire, malformed};
use crate::{
    error::{ErrorKind, plain},
    message::{Arguments, Block, ToolUse, WireKind},
    money::Money,
    request::Request,
    response::{Event, Stop, Usage},
    sse::ServerEvent,
    transport::Flow,
};

/// Version of what a program reads and writes.
pub(crate) const COMMAND_VERSION: u32 = 1;

/// The wire.
#[derive(Debug)]
pub(crate) struct Command;

/// What a program writes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    blocks: Vec<Part>,
    #[serde(default)]
    stop: Option<Ended>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    usage: Option<Counted>,
    #[serde(default)]
    price: Option<String>,
    #[serde(default)]
    error: Option<Failed>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Part {
    Text {
        text: String,
    },
    Reasoning {
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
        arguments: Value,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ended {
    EndTurn,
    ToolUse,
    OutputFull,
    ContextFull,
    Refusal,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names that a program writes")]
struct Counted {
    input_tokens: u64,
    output_tokens: u64,
    #[serde(default)]
    cache_read_tokens: u64,
    #[serde(default)]
    cache_write_tokens: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failed {
    kind: Failure,
    message: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Failure {
    ContextOverflow,
    RateLimited,
    Unauthorized,
    BadRequest,
    Failed,
}

impl Wire for Command {
    fn kind(&self) -> WireKind {
        WireKind::Command
    }

    fn path(&self) -> &'static str {
        ""
    }

    fn body(&self, _: &str, request: &Request) -> Value {
        json!({ "version": COMMAND_VERSION, "request": request })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Decode::default())
    }
}

#[derive(Debug, Default)]
struct Decode {
    answer: Option<Answer>,
}

impl Decoder for Decode {
    fn event(&mut self, _: &ServerEvent, _: Sink<'_>) -> Result<Flow, ErrorKind> {
        Err(malformed(
            "expected one JSON object, found a stream of events",
        ))
    }

    fn whole(&mut self, body: &Value, sink: Sink<'_>) -> Result<(), ErrorKind> {
        let written = Written::deserialize(body).map_err(|error| {
            malformed(&format!("expected an answer as documented, found: {error}"))
        })?;
        if let Some(error) = written.error {
            return Err(failed(&error));
        }
        if written.blocks.len() > BLOCKS_MAX {
            return Err(malformed("more blocks than an answer can have"));
        }
        let blocks: Vec<Block> = written.blocks.into_iter().map(block).collect();
        let model = written.model.unwrap_or_default();
        sink(Event::Started {
            model: model.clone(),
        });
        for block in &blocks {
            if let Block::Text { text, .. } = block {
                sink(Event::Text { text: text.clone() });
            }
        }
        let charged = written.price.map(|price| price.parse::<Money>());
        let charged = charged
            .transpose()
            .map_err(|error| malformed(&error.to_string()))?;
        self.answer = Some(Answer {
            stop: stop(written.stop.as_ref(), &blocks),
            usage: written.usage.as_ref().map(usage).unwrap_or_default(),
            blocks,
            charged,
            model,
            id: None,
        });
        Ok(())
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }

    fn finish(self: Box<Self>) -> Result<Answer, ErrorKind> {
        self.answer
            .ok_or_else(|| malformed("expected one JSON object, found nothing"))
    }
}

fn failed(error: &Failed) -> ErrorKind {
    let words = plain(&error.message);
    // The statuses that a server would have used.
    match error.kind {
        Failure::ContextOverflow => ErrorKind::ContextOverflow { words },
        Failure::RateLimited => ErrorKind::RateLimited { status: 429, words },
        Failure::Unauthorized => ErrorKind::Unauthorized { status: 401, words },
        Failure::BadRequest => ErrorKind::BadRequest { status: 400, words },
        Failure::Failed => ErrorKind::Server { status: 500, words },
    }
}

fn block(part: Part) -> Block {
    match part {
        Part::Text { text } => Block::text(text),
        Part::Reasoning { text } => Block::Reasoning { text, kept: None },
        Part::ToolUse {
            id,
            name,
            arguments,
        } => {
            let arguments = match arguments {
                Value::String(text) => Arguments::read(&text),
                other => Arguments::read(&other.to_string()),
            };
            Block::ToolUse(ToolUse {
                id,
                name,
                arguments,
                kept: None,
            })
        }
    }
}

fn stop(ended: Option<&Ended>, blocks: &[Block]) -> Stop {
    let calls = blocks
        .iter()
        .any(|block| matches!(block, Block::ToolUse(_)));
    match ended {
        Some(Ended::OutputFull) => Stop::OutputFull,
        Some(Ended::ContextFull) => Stop::ContextFull,
        Some(Ended::Refusal) => Stop::Refusal {
            reason: String::new(),
        },
        Some(Ended::ToolUse) => Stop::ToolUse,
        None if calls => Stop::ToolUse,
        Some(Ended::EndTurn) | None => Stop::EndTurn,
    }
}

fn usage(counted: &Counted) -> Usage {
    Usage {
        input_tokens: counted.input_tokens,
        cache_read_tokens: counted.cache_read_tokens,
        cache_write_tokens: counted.cache_write_tokens,
        cache_write_hour_tokens: 0,
        output_tokens: counted.output_tokens,
        reasoning_tokens: None,
        reported: true,
    }
}
