//! What happened in a dream, as event bodies. Requests and answers are those of sessions.

use lyceum_memory::{DreamVerdict, Refusal};
use serde::{Deserialize, Serialize};

use crate::session::event::{Answered, Asked, Limits};

/// A dream begins. What it reads never changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Created {
    /// Its name, which the new store will have.
    pub dream: String,
    /// The store as it was asked for.
    pub asked: String,
    /// The store that was read in its place.
    pub store: String,
    /// The number of that store's last event: later ones are not read.
    pub store_last: u64,
    /// The sessions.
    pub sessions: Vec<Read>,
    /// The model, as a person names it.
    pub dreamer: String,
    /// What a person asks the dreamer to look at; empty for nothing.
    pub instructions: String,
    /// Tokens that the model's context holds.
    pub context_tokens: u64,
    /// When, in milliseconds since 1970: what has expired by then is not read.
    pub now: i64,
    /// The firing of a schedule that it belongs to: no other dream does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firing: Option<String>,
    /// Version of the lab.
    pub lyceum: String,
}

/// A session that is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Its name.
    pub session: String,
    /// The number of its last event: later ones are not read.
    pub last: u64,
}

/// What the dream may spend from now on, with what it has spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limited {
    /// The limits.
    pub limits: Limits,
}

/// The dream is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completed {
    /// The store that it wrote; `None` where nothing was to be changed.
    pub store: Option<String>,
    /// What became of it.
    pub verdict: DreamVerdict,
    /// Why.
    pub reason: String,
    /// What the model wanted and was not done.
    pub refused: Vec<Refusal>,
}

/// The dream is over and wrote nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Why.
    pub why: String,
}

lyceum_types::bodies! {
    /// What happened in a dream: one event's content.
    "dream":
    Created(Created) = "dream.created" 1,
    Limited(Limited) = "dream.limited" 1,
    Asked(Asked) = "span.model_request_start" 1,
    Answered(Answered) = "span.model_request_end" 1,
    Completed(Completed) = "dream.completed" 1,
    Failed(Failed) = "dream.failed" 1,
}
