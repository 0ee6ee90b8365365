//! What is said: messages and their blocks.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The harness: people's words, tool results, what is injected each turn.
    User,
    /// The model.
    Assistant,
}

/// How long a provider keeps the prefix that ends at a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cache {
    /// About five minutes after its last use.
    Minutes,
    /// About an hour; dearer to write. Must stand before every mark of [`Cache::Minutes`].
    Hour,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said, in order.
    pub blocks: Vec<Block>,
    /// Marks the prefix that ends with this message as one to keep. Wires whose servers keep prefixes by
    /// themselves send nothing for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    /// Blocks at its end that stand after the mark, since the next request does not have them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub passing: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Message {
    /// Returns a message of the harness with one text.
    pub fn user(text: impl Into<String>) -> Self {
        Self::of(Role::User, vec![Block::text(text)])
    }

    /// Returns a message of the model with the blocks of an answer, to be sent back as they came.
    pub fn assistant(blocks: Vec<Block>) -> Self {
        Self::of(Role::Assistant, blocks)
    }

    /// Returns a message of the harness with the results of tools.
    pub fn results(results: Vec<ToolResult>) -> Self {
        let blocks = results.into_iter().map(Block::ToolResult).collect();
        Self::of(Role::User, blocks)
    }

    fn of(role: Role, blocks: Vec<Block>) -> Self {
        Self {
            role,
            blocks,
            cache: None,
            passing: 0,
        }
    }

    /// Returns the blocks up to the mark, and those that stand after it.
    pub(crate) fn lasting(&self) -> (&[Block], &[Block]) {
        let passing = self.passing.min(self.blocks.len());
        self.blocks.split_at(self.blocks.len() - passing)
    }
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// Words.
    Text {
        /// The words.
        text: String,
        /// The block as its wire sent it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept: Option<Kept>,
    },
    /// What the model thought, as far as the provider shows it. Goes back untouched to the wire that it came
    /// from, with its signature or encrypted content, and is left out on any other.
    Reasoning {
        /// What may be read, often a summary, often empty.
        text: String,
        /// The block as its wire sent it. Without it there is nothing to send back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept: Option<Kept>,
    },
    /// The model wants a tool to be called.
    ToolUse(ToolUse),
    /// What a tool answered.
    ToolResult(ToolResult),
    /// A block of a kind that this program does not know, kept and sent back as it came.
    Opaque {
        /// The block as its wire sent it.
        kept: Kept,
    },
}

impl Block {
    /// Returns words of our own.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text {
            text: text.into(),
            kept: None,
        }
    }
}

/// A call of a tool, as the model wants it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolUse {
    /// The call's name in this conversation; the result carries it again.
    pub id: String,
    /// The tool. Not checked: it may be none that was offered.
    pub name: String,
    /// What it is called with. Not checked against the tool's schema.
    pub arguments: Arguments,
    /// The block as its wire sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

/// The arguments of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Arguments {
    /// A JSON object.
    Object {
        /// The object.
        value: Value,
    },
    /// What the model wrote is no JSON object. To be answered with a failed result that says so.
    Malformed {
        /// What it wrote.
        text: String,
        /// Why that is no JSON object.
        reason: String,
    },
}

impl Arguments {
    /// Reads what a model wrote. Nothing at all means an empty object, as some servers send it.
    pub fn read(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::Object {
                value: Value::Object(serde_json::Map::new()),
            };
        }
        match serde_json::from_str(text) {
            Ok(value @ Value::Object(_)) => Self::Object { value },
            Ok(other) => Self::Malformed {
                reason: format!("expected a JSON object, found {}", kind_of(&other)),
                text: text.to_owned(),
            },
            Err(error) => Self::Malformed {
                text: text.to_owned(),
                reason: error.to_string(),
            },
        }
    }

    /// Returns the arguments as an object that a server accepts: what was malformed is wrapped, so that the
    /// model sees what it wrote.
    pub(crate) fn as_object(&self) -> Value {
        match self {
            Self::Object { value } => value.clone(),
            Self::Malformed { text, .. } => serde_json::json!({ "INVALID_JSON": text }),
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call that it answers.
    pub id: String,
    /// What is told to the model.
    pub text: String,
    /// Whether the tool failed, or refused.
    pub failed: bool,
}

/// The three wires, and a local program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireKind {
    /// Anthropic Messages.
    Anthropic,
    /// `OpenAI` Responses.
    Responses,
    /// Chat Completions, as many servers speak it.
    Chat,
    /// A local program, by standard input and output.
    Command,
}

/// A block as its wire sent it: goes back untouched to the same wire and is never read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The wire that it came from.
    pub wire: WireKind,
    /// The JSON that was sent.
    pub item: Value,
}
