//! The append-only record: events in one hash chain, blobs named by content, one writer.
//!
//! A ledger is a directory. [`Ledger`] appends to it and holds the lab lock; any number of
//! [`Reader`]s, in this process or in others, follow it while it grows. State is a fold over
//! [`Event`]s; nothing is ever changed or removed.
//!
//! What is promised:
//! - [`Ledger::append`] returns after the events are on the disk (`fsync`), all of them or none.
//! - Streams count their events 1, 2, 3, … without gaps; so does the ledger as a whole.
//! - A blob is on the disk before the event that names it, and an event cannot name a missing one.
//! - After a failed write whose outcome is unknown nothing more is accepted until the ledger is
//!   opened again; opening is the recovery, there is no other path, and no limit to how often.
//! - A process that was thought dead cannot write after its successor has begun ([`Lease`]).
//! - The lab signs the head of a Merkle tree over all events with every commit. [`Reader::verify`] finds,
//!   from the files alone, whatever was done to them without the key, and which kind it was. Putting back an
//!   earlier end that was signed, a fork, and replacing everything with a key that someone else made, can be
//!   seen only against a [`Checkpoint`] that was kept elsewhere ([`Reader::verify_against`]).
//!
//! The bytes on the disk are specified in `FORMAT.md` beside this crate's manifest, exactly enough
//! for an independent tool to check a ledger.

mod bundle;
mod chain;
mod clock;
mod diagnose;
mod error;
mod event;
mod fault;
mod garbage;
mod hash;
mod keys;
mod ledger;
mod lock;
mod options;
mod random;
mod reader;
mod record;
mod signatures;
mod signed;
mod store;
mod tree;
mod turn;
mod unsigned;
mod verify;
mod writer;

pub use bundle::{BUNDLE_VERSION, Bundle, BundleError, Exported, Imported, Offered};
pub use clock::{Clock, SystemClock, Timestamp};
pub use error::{Error, NotALedgerReason, StoreFailure};
pub use event::{Event, Head, NewEvent, SizeOnDisk, StreamHead};
pub use fault::Fault;
pub use garbage::Garbage;
pub use hash::{BlobId, Hash, LabId, ParseHexError, PublicKey, Signature, TreeHash};
pub use ledger::Ledger;
pub use lock::{Holding, LockHolder};
pub use options::Options;
pub use random::{Entropy, SystemEntropy};
pub use reader::Reader;
pub use signed::{Checkpoint, ParseCheckpointError, SignedHead, Signer};
pub use store::{
    Batch, Blobs, CommitError, Identity, Lease, MemoryStore, PutError, Record, RecordBody,
    SCHEMA_VERSION, Store, Stored, View, WriteFault,
};
pub use tree::{Subtree, TreeHead, verify_consistency, verify_inclusion};
pub use unsigned::Unsigned;
pub use verify::Verification;
