//! What a check can find.

use std::fmt;

use crate::hash::BlobId;

/// Something that a ledger cannot have written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Events were removed, or a row was moved beyond the end.
    Deleted {
        /// The first position that is missing.
        position: u64,
        /// The next position that is there, before any renumbering.
        next: u64,
    },
    /// Rows were put between events.
    Inserted {
        /// The first of them.
        position: i64,
        /// How many.
        rows: u64,
    },
    /// An event was put in a second time.
    Replayed {
        /// Where it is again.
        position: i64,
        /// Where it was written.
        original: u64,
    },
    /// An event is not where it was written.
    Reordered {
        /// Where it is.
        position: u64,
        /// Where it was written.
        written_at: u64,
    },
    /// An event is not what was written there, or the hash before it is not.
    Edited {
        /// Its position.
        position: u64,
        /// Its stream, as it stands there now.
        stream: String,
        /// Its sequence number, as it stands there now.
        seq: i64,
    },
    /// The chain holds, but the numbering of a stream does not.
    Sequence {
        /// The event's position.
        position: u64,
        /// Its stream.
        stream: String,
        /// The number that it should have.
        expected: u64,
        /// The number that it has.
        found: i64,
    },
    /// A blob that an event names is not there.
    BlobMissing {
        /// The blob.
        id: BlobId,
        /// The event.
        position: u64,
    },
    /// A blob's bytes are not those that it is named by.
    BlobChanged {
        /// The blob.
        id: BlobId,
        /// The hash of its bytes now.
        found: BlobId,
        /// The first event that names it, if one does.
        position: Option<u64>,
    },
    /// The lab's identity is not the one that its signatures and its first event are made with.
    Identity,
    /// A key that the lab never handed over to has signed.
    KeySwapped {
        /// The size of the tree that it signed, or the position of the change of key.
        size: u64,
    },
    /// A signed head was changed: its signature is not that of its key.
    HeadEdited {
        /// The size that it gives.
        size: u64,
    },
    /// Events were replaced by others with the chain computed anew: they are not what was signed.
    Rewritten {
        /// How many events are still the ones that were signed.
        after: u64,
        /// The size of the tree that was signed.
        size: u64,
    },
    /// Events that were signed are gone from the end.
    Truncated {
        /// How many are left.
        events: u64,
        /// How many there were when they were signed.
        size: u64,
    },
    /// The last events carry no signature, though every commit is signed.
    Unsigned {
        /// How many events are signed.
        after: u64,
        /// How many there are.
        events: u64,
    },
    /// The ledger is not the one that the checkpoint was written of: both begin in the same lab and
    /// go different ways.
    Forked {
        /// The size of the tree that the checkpoint is of.
        size: u64,
    },
    /// A node that is kept of the tree over the events is not the one that they give.
    Subtree {
        /// Its height.
        level: u32,
        /// Which of its level it is.
        number: u64,
    },
    /// A stream that was imported is not the one that its own lab signed.
    Import {
        /// The stream.
        stream: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The file of a blob cannot be decompressed.
    BlobDamaged {
        /// The blob.
        id: BlobId,
        /// The first event that names it, if one does.
        position: Option<u64>,
    },
    /// The file itself is damaged: rows or its index cannot be read.
    Unreadable {
        /// The last event that could be checked.
        after: u64,
        /// What the store said.
        reason: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Deleted { position, next } if *next == position + 1 => {
                format!("event {position} was deleted")
            }
            Self::Deleted { position, next } => {
                format!("events {position} to {} were deleted", next - 1)
            }
            Self::Inserted { position, rows: 1 } => {
                format!("a row was inserted at position {position}")
            }
            Self::Inserted { position, rows } => {
                format!("{rows} rows were inserted from position {position} on")
            }
            Self::Replayed { position, original } => {
                format!("event {original} was replayed: it stands again at position {position}")
            }
            Self::Reordered { position, written_at: at } => {
                format!("events were reordered: the one at position {position} was written at {at}")
            }
            Self::Edited { position, stream, seq } => {
                let stream = stream.escape_debug();
                format!(
                    "event {position} (stream `{stream}`, number {seq}) was edited, or the hash before it"
                )
            }
            Self::Sequence { position, stream, expected, found } => {
                let stream = stream.escape_debug();
                format!("event {position} has number {found} in stream `{stream}`, but {expected} comes next")
            }
            Self::BlobMissing { id, position } => format!("blob {id} of event {position} is missing"),
            Self::BlobChanged { id, found, position } => {
                format!("{} was changed: its bytes now hash to {found}", blob(*id, *position))
            }
            Self::BlobDamaged { id, position } => {
                format!("{} was changed: its file cannot be decompressed", blob(*id, *position))
            }
            Self::Unreadable { after, reason } => {
                format!("the file is damaged after event {after}: {reason}")
            }
            Self::Subtree { level, number } => format!(
                "node {number} of height {level} in the tree over the events was changed or is missing"
            ),
            Self::Import { stream, what } => {
                let stream = stream.escape_debug();
                format!("imported stream `{stream}` is not the one that its lab signed: {what}")
            }
            Self::Identity => "the lab's identity was changed: neither its signatures nor its first event are made with it".to_owned(),
            Self::KeySwapped { size } => format!("the key was swapped: event {size} is signed by a key that the lab never handed over to"),
            Self::HeadEdited { size } => format!("the signature over the first {size} events was changed: the lab's key did not make it"),
            Self::Rewritten { after, size } => {
                format!("history was rewritten: events {} to {size} are chained, but are not those that were signed", after + 1)
            }
            Self::Truncated { events, size } => {
                format!("the end was cut off: {size} events were signed, {events} are left")
            }
            Self::Unsigned { after, events } => unsigned(*after, *events),
            Self::Forked { size } => {
                format!("this is a fork: its first {size} events are not those of the checkpoint")
            }
        };
        formatter.write_str(&text)
    }
}

fn unsigned(after: u64, events: u64) -> String {
    let which = match events - after {
        1 => format!("event {events} carries"),
        _ => format!("events {} to {events} carry", after + 1),
    };
    format!(
        "{which} no signature: it was removed, and what it covered may have been rewritten, or the lab's key was missing"
    )
}

/// Names a blob and, if there is one, the event that names it.
fn blob(id: BlobId, position: Option<u64>) -> String {
    match position {
        Some(position) => format!("blob {id} of event {position}"),
        None => format!("blob {id}"),
    }
}
