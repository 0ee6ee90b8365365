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
//!   opened again; opening is the recovery, there is no other path.
//! - [`Reader::verify`] finds every edit, deletion, insertion and reordering that does not also
//!   rewrite the whole rest of the chain. Cutting off the end, and rewriting everything after some
//!   event, can be seen only with a [`Head`] that was kept elsewhere.
//!
//! The bytes on the disk are specified in `FORMAT.md` beside this crate's manifest, exactly enough
//! for an independent tool to check a ledger.

mod blobs;
mod chain;
mod checkpoint;
mod clock;
mod diagnose;
mod error;
mod event;
mod hash;
mod ledger;
mod lock;
mod options;
mod reader;
mod row;
mod schema;
mod verify;
mod writer;

pub use clock::{Clock, SystemClock, Timestamp};
pub use error::{Error, NotALedgerReason, StoreFailure};
pub use event::{Event, Head, NewEvent, SizeOnDisk, StreamHead};
pub use hash::{BlobId, Hash, LabId, ParseHexError};
pub use ledger::Ledger;
pub use lock::LockHolder;
pub use options::Options;
pub use reader::Reader;
pub use schema::SCHEMA_VERSION;
pub use verify::{Fault, Verification};
