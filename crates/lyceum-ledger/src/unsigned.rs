//! Events that were found without a signature, and the record of it.
//!
//! Every commit is signed, so a ledger has such events only where its key was missing, where a program from before this
//! rule was killed, or where somebody removed the signatures. Which of these it was no file can show. The session that
//! finds them says so in an event of its own before it signs, and every later check repeats it.

use serde::{Deserialize, Serialize};

use crate::event::NewEvent;
use crate::store::{Record, RecordBody};

/// The stream of these records. Nothing else can be appended to it.
pub(crate) const STREAM: &str = "lab/signature";

/// The kind of its events.
const KIND: &str = "events.unsigned";

/// The version of their bodies.
const VERSION: u32 = 1;

/// Events in a row that the session after them found without a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unsigned {
    /// The position of the first.
    pub first: u64,
    /// The position of the last.
    pub last: u64,
}

impl Unsigned {
    /// Returns the event that records this.
    pub(crate) fn event(self) -> NewEvent {
        let Self { first, last } = self;
        NewEvent::new(
            KIND,
            VERSION,
            format!("{{\"first\":{first},\"last\":{last}}}"),
        )
    }

    /// Reads the event at this position of the stream of these records; nothing if it is not what a session writes there.
    pub(crate) fn read(record: &Record, position: u64) -> Option<Self> {
        let is_one = record.kind == KIND && record.version == i64::from(VERSION);
        // Kept as a blob the same body has the same hash, but no program keeps so short a body so.
        let RecordBody::Inline(text) = &record.body else {
            return None;
        };
        let found: Self = serde_json::from_str(text).ok()?;
        let is_before = found.first >= 1 && found.first <= found.last && found.last < position;
        (is_one && is_before).then_some(found)
    }
}
