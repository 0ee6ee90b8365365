//! What a model answered in one turn, and what is told while it does.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    error::ErrorKind,
    message::{Block, ToolUse},
    money::Price,
};

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// What was said, in order. To be sent back as it is ([`crate::Message::assistant`]).
    pub blocks: Vec<Block>,
    /// Why the model stopped.
    pub stop: Stop,
    /// Tokens of the attempt that succeeded.
    pub usage: Usage,
    /// What that attempt costs.
    pub price: Price,
    /// The model as the server names it.
    pub model: String,
    /// The answer's id at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The provider's id of the HTTP request, for questions to its support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Attempts that it took, this one included.
    pub attempts: u32,
}

impl Response {
    /// Returns all words together, without reasoning.
    pub fn text(&self) -> String {
        let words = self.blocks.iter().filter_map(|block| match block {
            Block::Text { text, .. } => Some(text.as_str()),
            Block::Reasoning { .. }
            | Block::ToolUse(_)
            | Block::ToolResult(_)
            | Block::Opaque { .. } => None,
        });
        words.collect()
    }

    /// Returns the calls that the model wants, in its order.
    pub fn tool_uses(&self) -> impl Iterator<Item = &ToolUse> {
        self.blocks.iter().filter_map(|block| match block {
            Block::ToolUse(call) => Some(call),
            Block::Text { .. }
            | Block::Reasoning { .. }
            | Block::ToolResult(_)
            | Block::Opaque { .. } => None,
        })
    }
}

/// Why a model stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Stop {
    /// It was done.
    EndTurn,
    /// It waits for the results of tools.
    ToolUse,
    /// It wrote as much as it was allowed. A call that was cut here is malformed.
    OutputFull,
    /// The conversation fills its context.
    ContextFull,
    /// It, or a filter before it, declined. Not an error of the lab, and not to be tried again as it is.
    Refusal {
        /// What the provider says about it; empty where it says nothing.
        reason: String,
    },
    /// The provider interrupted a long turn: send the answer back to go on.
    Paused,
    /// Something that this program does not know.
    Unknown {
        /// The provider's word, at most 100 characters of it.
        reason: String,
    },
}

/// Tokens of one attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Input at the full price: neither read from a cache nor written to one.
    pub input_tokens: u64,
    /// Input read from the provider's cache.
    pub cache_read_tokens: u64,
    /// Input written to the provider's cache for minutes.
    pub cache_write_tokens: u64,
    /// Input written to the provider's cache for an hour.
    pub cache_write_hour_tokens: u64,
    /// Output, reasoning included.
    pub output_tokens: u64,
    /// Output that was reasoning, where the provider says so.
    pub reasoning_tokens: Option<u64>,
    /// Whether the provider counted. Otherwise the counts above are zero and mean nothing.
    pub reported: bool,
}

impl Usage {
    /// Returns all input, cached or not: how long the prompt was.
    pub fn prompt_tokens(&self) -> u64 {
        self.input_tokens
            .saturating_add(self.cache_read_tokens)
            .saturating_add(self.cache_write_tokens)
            .saturating_add(self.cache_write_hour_tokens)
    }
}

/// What is told while a model answers. None of it is the record: that is the [`Response`]. All of it is untrusted: it
/// is told before the whole answer was looked at, so that a key which a server repeats in pieces may be in several
/// events together, though in no single one.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An attempt's answer begins. What earlier attempts told is void.
    Started {
        /// The model as the server names it; empty where it does not.
        model: String,
    },
    /// Some words.
    Text {
        /// The words.
        text: String,
    },
    /// Some reasoning that may be read.
    Reasoning {
        /// The words.
        text: String,
    },
    /// A call of a tool begins.
    ToolStarted {
        /// The call.
        id: String,
        /// The tool.
        name: String,
    },
    /// A piece of the arguments of the call that began last or that `id` names.
    ToolArguments {
        /// The call.
        id: String,
        /// A piece of JSON, cut anywhere.
        piece: String,
    },
    /// An event of a kind that this program does not know, as it came, at most 2,000 characters of it.
    Unknown {
        /// The event.
        raw: String,
    },
    /// An attempt failed and another follows.
    Retrying {
        /// How many attempts failed.
        failed: u32,
        /// What went wrong with the last one.
        kind: ErrorKind,
        /// The same in words.
        error: String,
        /// How long is waited.
        after: Duration,
    },
}

impl Event {
    /// Returns what of it a server said.
    pub(crate) fn texts(&self) -> [&str; 2] {
        match self {
            Self::Started { model } => [model, ""],
            Self::Text { text } | Self::Reasoning { text } => [text, ""],
            Self::ToolStarted { id, name } => [id, name],
            Self::ToolArguments { id, piece } => [id, piece],
            Self::Unknown { raw } => [raw, ""],
            Self::Retrying { error, .. } => [error, ""],
        }
    }
}
