//! What is asked of a model in one turn.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::message::{Cache, Message};

/// One turn's question: everything that the model gets to see.
///
/// The same request gives the same bytes on a wire, so that prefixes are found in caches and recordings replay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Instructions, before the conversation. What stays the same should come first.
    pub system: Vec<SystemBlock>,
    /// The conversation. Begins with a message of the user.
    pub messages: Vec<Message>,
    /// Tools that the model may ask for.
    #[serde(default)]
    pub tools: Vec<Tool>,
    /// Whether and which tool is to be called.
    #[serde(default)]
    pub tool_choice: ToolChoice,
    /// Whether the model may ask for several tools in one turn.
    #[serde(default)]
    pub parallel_tools: Parallel,
    /// Most tokens that the model may write, its reasoning included.
    pub output_tokens_max: u32,
    /// A form that the answer must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<OutputSchema>,
    /// Whether the model reasons before it answers.
    #[serde(default)]
    pub reasoning: Reasoning,
    /// How much work the model puts in. The provider's default where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
    /// Sampling temperature. Sent where given; newer hosted models refuse any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The same for all requests that share their beginning, so that a provider finds what it has kept. At most 64
    /// characters. Wires that know none send nothing for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_key: Option<String>,
}

/// A part of the instructions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SystemBlock {
    /// The words.
    pub text: String,
    /// Marks the prefix that ends here (tools and earlier blocks included) as one to keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
}

impl SystemBlock {
    /// Returns a part without a mark.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            cache: None,
        }
    }
}

/// A tool that the model may ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name: letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// What it does and when it is of use.
    pub description: String,
    /// JSON schema of its arguments, an object.
    pub schema: Value,
}

/// Whether and which tool is to be called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// No tool.
    None,
    /// Some tool. Hosted models that always reason refuse this and [`ToolChoice::Named`].
    Required,
    /// This tool.
    Named {
        /// Its name.
        name: String,
    },
}

/// Whether several tools may be asked for in one turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parallel {
    /// Several in one turn.
    #[default]
    Allowed,
    /// One in a turn.
    OneByOne,
}

/// A form that the answer must have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputSchema {
    /// The form's name; some wires want one.
    pub name: String,
    /// JSON schema. Providers ask for `additionalProperties: false` and every property as required.
    pub schema: Value,
}

/// Whether the model reasons before it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reasoning {
    /// As the provider does when nothing is said.
    #[default]
    Default,
    /// No. Some hosted models refuse this.
    Off,
    /// Yes, as much as the model finds right.
    On {
        /// Whether a summary is asked for.
        summary: bool,
    },
    /// Yes, with at most so many tokens: for Anthropic's models before 4.6. Other wires take it as
    /// [`Reasoning::On`].
    Budget {
        /// Tokens, fewer than the output's.
        tokens: u32,
    },
}

/// How much work the model puts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// Least.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More.
    Xhigh,
    /// As much as there is.
    Max,
}

impl Effort {
    /// Returns the word of the wires.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }
}
