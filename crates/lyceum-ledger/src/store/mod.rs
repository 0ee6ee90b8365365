//! Where a ledger is kept, as far as the ledger cares: one interface, two implementations.
//!
//! [`crate::Ledger`] chains, signs and batches; a store keeps. Whatever implements [`Store`] promises:
//! - One lease is in force at a time. Taking one raises the epoch, and a commit under an older epoch
//!   changes nothing and says so: a holder that was thought dead cannot write after its successor.
//! - A commit is all or nothing, and on the disk when it returns `Ok`.
//! - A view sees every commit that had returned before the call.
//! - A blob that was put stays until it is removed, under the name of its contents.

mod files;
mod memory;
mod sqlite;

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::event::{Event, StreamHead};
use crate::hash::{BlobId, Hash, LabId, PublicKey, TreeHash};
use crate::lock::{Holding, LockHolder};
use crate::signed::SignedHead;
use crate::tree::Subtree;

pub(crate) use files::{BLOB_BYTES_MAX, compress, decompress, open_regular, sync_directory};
pub use memory::{MemoryStore, WriteFault};
pub use sqlite::SCHEMA_VERSION;
pub(crate) use sqlite::SqliteStore;

/// A place that keeps one ledger.
pub trait Store: Send + Sync {
    /// Takes the lease, or tells with [`Error::Locked`] who has it. A store that is still empty asks
    /// `found` who it belongs to from now on.
    fn acquire(
        &self,
        holder: &LockHolder,
        found: &mut dyn FnMut() -> Result<Identity, Error>,
    ) -> Result<Box<dyn Lease>, Error>;

    /// Returns a view of what is committed, now and later.
    fn view(&self) -> Result<Box<dyn View>, Error>;

    /// Returns where the blobs are.
    fn blobs(&self) -> Arc<dyn Blobs>;

    /// Returns who holds the lease now.
    fn holding(&self) -> Result<Holding, Error>;
}

/// The right to write, until it is dropped or, where leases end, has ended.
pub trait Lease: Send {
    /// Returns the number of this lease: greater than that of every lease before it.
    fn epoch(&self) -> u64;

    /// Returns when the lease ends unless it is renewed; nothing if it lasts as long as its process.
    fn until(&self) -> Option<Timestamp>;

    /// Has the lease last longer, or fails with [`Error::Fenced`] if another has been taken since.
    fn renew(&mut self, now: Timestamp) -> Result<(), Error>;

    /// Returns a view that sees what this lease has committed.
    fn view(&self) -> &dyn View;

    /// Commits events that continue what is there.
    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), CommitError>;

    /// Does what can wait until callers have been answered.
    fn tidy(&mut self) -> Result<(), Error>;
}

/// Whose a ledger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The lab.
    pub lab: LabId,
    /// The key that it was made with; ledgers of version 1 were made without one.
    pub key: Option<PublicKey>,
}

/// What one commit adds.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The events, chained.
    pub events: &'a [Stored],
    /// The subtrees that they complete.
    pub subtrees: &'a [Subtree],
    /// Signed heads of the tree.
    pub heads: &'a [SignedHead],
    /// The size of an earlier head that one of these takes the place of.
    pub replaced: Option<u64>,
}

/// An event and where its body is to be kept.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The event, its body included.
    pub event: Event,
    /// The blob that has the body already, if it is not to stand in the event's row.
    pub body_blob: Option<BlobId>,
}

/// Why a commit failed.
#[derive(Debug)]
pub enum CommitError {
    /// Nothing was written, and the same can be tried again later: no room is left.
    NotWritten(Error),
    /// Nothing was written, and nothing will be: another lease has been taken.
    Fenced(Error),
    /// Only opening the store again tells what was written.
    Unknown(Error),
}

/// An event as it stands in the store, checked by nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place among all events.
    pub position: i64,
    /// Its stream.
    pub stream: String,
    /// Its place in the stream.
    pub seq: i64,
    /// Its time in Unix milliseconds.
    pub at: i64,
    /// What happened.
    pub kind: String,
    /// The version of the body's shape.
    pub version: i64,
    /// Its body.
    pub body: RecordBody,
    /// The blobs that the body speaks of.
    pub blobs: Vec<BlobId>,
    /// Its hash.
    pub hash: Hash,
}

/// Where a body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordBody {
    /// Here.
    Inline(String),
    /// In a blob.
    Blob(BlobId),
}

/// Reads what is committed. Belongs to one thread at a time.
pub trait View: Send {
    /// Returns whose the ledger is.
    fn identity(&self) -> Result<Identity, Error>;

    /// Returns the version of the format that the ledger has now.
    fn version(&self) -> Result<u32, Error>;

    /// Returns at most `limit` records with positions greater than `after`, in order; after
    /// `i64::MIN` all, one at that position too.
    fn records(&self, after: i64, limit: usize) -> Result<Vec<Record>, Error>;

    /// Returns at most `limit` records of a stream with numbers greater than `after`, in order.
    fn stream(&self, stream: &str, after: u64, limit: usize) -> Result<Vec<Record>, Error>;

    /// Returns every stream in the order of names.
    fn streams(&self) -> Result<Vec<StreamHead>, Error>;

    /// Returns the last number of a stream, 0 for one that is not there.
    fn last_seq(&self, stream: &str) -> Result<u64, Error>;

    /// Returns position and hash of the last event, if there is one.
    fn last(&self) -> Result<Option<(u64, Hash)>, Error>;

    /// Returns the hashes of at most `limit` events after a position, in order.
    fn hashes(&self, after: u64, limit: usize) -> Result<Vec<Hash>, Error>;

    /// Returns at most `limit` kept subtrees of one level, from number `first` on, without a gap.
    fn subtrees(&self, level: u32, first: u64, limit: usize) -> Result<Vec<TreeHash>, Error>;

    /// Returns every head that the lab has signed, by size.
    fn signed_heads(&self) -> Result<Vec<SignedHead>, Error>;

    /// Returns what is wrong with the store's own structure, if something is.
    fn fault(&self) -> Result<Option<String>, Error>;

    /// Returns how many bytes the events take.
    fn events_bytes(&self) -> u64;
}

/// Keeps immutable bytes under the names of their contents.
pub trait Blobs: Send + Sync {
    /// Keeps the bytes, which are on the disk when this returns. Only the lease's holder may.
    fn put(&self, bytes: &[u8]) -> Result<BlobId, PutError>;

    /// Returns the bytes once they have been found to be the right ones.
    fn read(&self, id: BlobId) -> Result<Vec<u8>, Error> {
        self.read_at_most(id, u64::MAX)
    }

    /// Returns the bytes as [`Blobs::read`], or fails with [`Error::BlobTooLarge`] before it holds more
    /// than `bytes_max`.
    fn read_at_most(&self, id: BlobId, bytes_max: u64) -> Result<Vec<u8>, Error>;

    /// Checks the bytes without holding them all.
    fn check(&self, id: BlobId) -> Result<(), Error>;

    /// Whether there is a blob of this name.
    fn contains(&self, id: BlobId) -> bool;

    /// Calls `visit` with the name and the bytes on the disk of every blob.
    fn each(&self, visit: &mut dyn FnMut(BlobId, u64) -> Result<(), Error>) -> Result<(), Error>;

    /// Removes a blob that nothing names any more. Only the lease's holder may.
    fn remove(&self, id: BlobId) -> Result<(), Error>;

    /// Returns the file that the blob is in, or would be, where blobs are files.
    fn path(&self, id: BlobId) -> Option<PathBuf>;
}

/// How a `put` failed: whether the disk may have forgotten something without telling again.
#[derive(Debug)]
pub enum PutError {
    /// Nothing under a final name was touched.
    Harmless(Error),
    /// A sync failed. It must not be tried again: the system may report success the second time.
    SyncFailed(Error),
}
