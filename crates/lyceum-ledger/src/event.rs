//! What is written and what is read back.

use crate::chain;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::hash::{BlobId, Hash};
use crate::store::{Identity, View};

/// An event that is to be appended. The ledger adds position, sequence number, time and hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// What happened, for example `run.finished`. At most 256 bytes, not empty.
    pub kind: String,
    /// The version of the body's shape, so that old bodies stay readable.
    pub version: u32,
    /// The body as JSON text. Bodies over 4 KiB are kept as blobs; readers do not notice.
    pub body: String,
    /// The blobs that the body speaks of. Each must have been put before; each is checked by
    /// [`crate::Reader::verify`] and kept for as long as the event is.
    pub blobs: Vec<BlobId>,
}

impl NewEvent {
    /// Makes an event that speaks of no blobs.
    pub fn new(kind: impl Into<String>, version: u32, body: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            version,
            body: body.into(),
            blobs: Vec::new(),
        }
    }

    /// Returns the event with `blobs` declared as what its body speaks of.
    #[must_use]
    pub fn with_blobs(mut self, blobs: impl IntoIterator<Item = BlobId>) -> Self {
        self.blobs.extend(blobs);
        self
    }
}

/// An event as it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place among all events of the ledger, from 1, without gaps.
    pub position: u64,
    /// The stream that it belongs to.
    pub stream: String,
    /// Its place in the stream, from 1, without gaps.
    pub seq: u64,
    /// When the writer took it, by the ledger's clock.
    pub at: Timestamp,
    /// What happened.
    pub kind: String,
    /// The version of the body's shape.
    pub version: u32,
    /// The body as JSON text, byte for byte as it was appended.
    pub body: String,
    /// The blobs that the body speaks of.
    pub blobs: Vec<BlobId>,
    /// The hash of this event and of all before it.
    pub hash: Hash,
}

/// The end of the chain. Kept elsewhere, it proves later that nothing was cut off or rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The position of the last event; 0 in an empty ledger.
    pub position: u64,
    /// The hash of the last event; in an empty ledger, the hash that the chain starts from.
    pub hash: Hash,
}

impl Head {
    /// Returns the head of a ledger without events.
    pub(crate) fn start(identity: Identity) -> Self {
        Self {
            position: 0,
            hash: chain::genesis(identity),
        }
    }

    pub(crate) fn read(view: &dyn View) -> Result<Self, Error> {
        match view.last()? {
            Some((position, hash)) => Ok(Self { position, hash }),
            None => Ok(Self::start(view.identity()?)),
        }
    }
}

/// A stream and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamHead {
    /// The stream's name.
    pub stream: String,
    /// The sequence number of its last event, which is also how many events it has.
    pub seq: u64,
}

/// How much room a ledger takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SizeOnDisk {
    /// Bytes in the event store and its write-ahead log.
    pub events_bytes: u64,
    /// Bytes in all blobs.
    pub blobs_bytes: u64,
    /// How many blobs there are.
    pub blobs: u64,
}
