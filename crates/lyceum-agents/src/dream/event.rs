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

/// What happened in a dream: one event's content.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "each variant is named after what the documented struct in it tells"
)]
pub enum Body {
    Created(Created),
    Limited(Limited),
    Asked(Asked),
    Answered(Answered),
    Completed(Completed),
    Failed(Failed),
}

/// Why a stored event cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A kind or version that this lab does not know.
    #[error(
        "event `{kind}` version {version} of a dream is not known to this version of lyceum; a newer one wrote it"
    )]
    Unknown {
        /// The kind found.
        kind: String,
        /// The version found.
        version: u32,
    },
    /// The body does not fit its kind.
    #[error("event `{kind}` of a dream has a body that does not fit")]
    Body {
        /// The kind.
        kind: String,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
    },
}

/// Version of every kind here.
pub(super) const VERSION: u32 = 1;

impl Body {
    /// Returns the kind under which the body is stored.
    pub fn kind(&self) -> &'static str {
        match self {
            Body::Created(_) => "dream.created",
            Body::Limited(_) => "dream.limited",
            Body::Asked(_) => "span.model_request_start",
            Body::Answered(_) => "span.model_request_end",
            Body::Completed(_) => "dream.completed",
            Body::Failed(_) => "dream.failed",
        }
    }

    /// Returns the body as JSON.
    pub fn encode(&self) -> Result<String, serde_json::Error> {
        match self {
            Body::Created(body) => serde_json::to_string(body),
            Body::Limited(body) => serde_json::to_string(body),
            Body::Asked(body) => serde_json::to_string(body),
            Body::Answered(body) => serde_json::to_string(body),
            Body::Completed(body) => serde_json::to_string(body),
            Body::Failed(body) => serde_json::to_string(body),
        }
    }

    /// Reads a stored body.
    pub fn decode(kind: &str, version: u32, json: &str) -> Result<Body, DecodeError> {
        let unknown = || DecodeError::Unknown {
            kind: kind.to_owned(),
            version,
        };
        if version != VERSION {
            return Err(unknown());
        }
        match kind {
            "dream.created" => serde_json::from_str(json).map(Body::Created),
            "dream.limited" => serde_json::from_str(json).map(Body::Limited),
            "span.model_request_start" => serde_json::from_str(json).map(Body::Asked),
            "span.model_request_end" => serde_json::from_str(json).map(Body::Answered),
            "dream.completed" => serde_json::from_str(json).map(Body::Completed),
            "dream.failed" => serde_json::from_str(json).map(Body::Failed),
            _ => return Err(unknown()),
        }
        .map_err(|source| DecodeError::Body {
            kind: kind.to_owned(),
            source,
        })
    }
}
