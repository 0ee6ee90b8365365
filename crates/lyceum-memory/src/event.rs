//! What a store's stream in the ledger holds. The words that entries say are not in it, only their hashes.

use lyceum_ledger::NewEvent;
use serde::{Deserialize, Serialize};

use crate::{replay::Replay, revise::Refusal};

/// Newest version of `memory.dreamed`: the first had no sessions, dreamer and refusals.
const DREAMED_VERSION: u32 = 2;
/// Version of every other kind of event here.
const VERSION: u32 = 1;

/// Events that something rests on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cite {
    /// The stream, as `study/tiny-lm`.
    pub stream: String,
    /// Its events' numbers, rising.
    pub seqs: Vec<u64>,
}

/// Who changed a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    tag = "kind",
    content = "name"
)]
pub enum Actor {
    /// A person, by the name that their system knows.
    Person(String),
    /// A session of an agent.
    Session(String),
    /// A dream, by the store that it wrote.
    Dream(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Created {
    pub(crate) description: String,
    pub(crate) actor: Actor,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    pub(crate) path: String,
    /// BLAKE3 of the contents.
    pub(crate) hash: String,
    pub(crate) bytes: u64,
    pub(crate) actor: Actor,
    pub(crate) cites: Vec<Cite>,
    /// Milliseconds since 1970 after which it says nothing any more.
    pub(crate) expires_at: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deleted {
    pub(crate) path: String,
    pub(crate) actor: Actor,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redacted {
    /// The event whose contents are taken away; all others with the same contents lose them as well.
    pub(crate) version: u64,
    pub(crate) hash: String,
    pub(crate) actor: Actor,
}

/// What became of a dream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DreamVerdict {
    /// The replay improved: the new store takes the old one's place.
    Accepted,
    /// It did not, or could not be made: a person decides.
    Review,
}

/// How a store was dreamt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dreamed {
    /// The store before, and its last event then.
    pub from: Option<(String, u64)>,
    /// The studies that were read.
    pub studies: Vec<String>,
    /// What became of it.
    pub verdict: DreamVerdict,
    /// Why.
    pub reason: String,
    /// The replays that decided.
    pub replays: Vec<Replay>,
    /// The sessions that were read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<String>,
    /// The model that dreamt, as a person names it; `None` where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dreamer: Option<String>,
    /// What the dreamer wanted and was not done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refusal>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Succeeded {
    /// The store that is read in place of this one from now on.
    pub(crate) by: String,
    pub(crate) actor: Actor,
    pub(crate) why: String,
}

/// Any event of a store.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    Created(Created),
    Written(Written),
    Deleted(Deleted),
    Redacted(Redacted),
    Dreamed(Dreamed),
    Succeeded(Succeeded),
}

impl Body {
    pub(crate) fn encode(&self) -> Result<NewEvent, serde_json::Error> {
        let (kind, json) = match self {
            Body::Created(body) => ("memory.created", serde_json::to_string(body)?),
            Body::Written(body) => ("memory.written", serde_json::to_string(body)?),
            Body::Deleted(body) => ("memory.deleted", serde_json::to_string(body)?),
            Body::Redacted(body) => ("memory.redacted", serde_json::to_string(body)?),
            Body::Dreamed(body) => ("memory.dreamed", serde_json::to_string(body)?),
            Body::Succeeded(body) => ("memory.succeeded", serde_json::to_string(body)?),
        };
        let version = newest(kind);
        Ok(NewEvent::new(kind, version, json))
    }

    /// Returns nothing for a kind or version that this program does not know.
    pub(crate) fn decode(
        kind: &str,
        version: u32,
        json: &str,
    ) -> Option<Result<Body, serde_json::Error>> {
        if !(1..=newest(kind)).contains(&version) {
            return None;
        }
        Some(match kind {
            "memory.created" => serde_json::from_str(json).map(Body::Created),
            "memory.written" => serde_json::from_str(json).map(Body::Written),
            "memory.deleted" => serde_json::from_str(json).map(Body::Deleted),
            "memory.redacted" => serde_json::from_str(json).map(Body::Redacted),
            "memory.dreamed" => serde_json::from_str(json).map(Body::Dreamed),
            "memory.succeeded" => serde_json::from_str(json).map(Body::Succeeded),
            _ => return None,
        })
    }
}

fn newest(kind: &str) -> u32 {
    match kind {
        "memory.dreamed" => DREAMED_VERSION,
        _ => VERSION,
    }
}
