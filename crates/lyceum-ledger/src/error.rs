//! Everything that can go wrong with a ledger.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::fault::Fault;
use crate::hash::{BlobId, LabId, PublicKey};
use crate::lock::LockHolder;

/// A failure of the ledger. [`Error::hint`] says what a person can do about it.
#[derive(Debug, Error)]
pub enum Error {
    /// Another process, or another handle in this one, has the ledger open for writing.
    #[error("lab `{}` is in use by {}", directory.display(), Holder(holder.as_deref()))]
    Locked {
        /// The ledger's directory.
        directory: PathBuf,
        /// Who holds it, when the lock file could be read.
        holder: Option<Box<LockHolder>>,
    },

    /// A later version of the program wrote the ledger.
    #[error(
        "ledger `{}` has schema version {found}, but this program reads versions up to {supported}",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest version that this program knows.
        supported: u32,
    },

    /// There is no ledger, and the caller did not ask for one to be made.
    #[error("no ledger in `{}`", directory.display())]
    Absent {
        /// The directory that was looked in.
        directory: PathBuf,
    },

    /// Blobs or the key of a ledger are there, but its events are not: somebody removed or emptied the file.
    #[error("the events of the ledger in `{}` are gone: its key or its blobs are there, but `ledger.db` is missing or empty", directory.display())]
    EventsGone {
        /// The ledger's directory.
        directory: PathBuf,
    },

    /// The file is not a ledger.
    #[error("`{}` is not a ledger: {reason}", path.display())]
    NotALedger {
        /// The file.
        path: PathBuf,
        /// What was found where the mark of a ledger should be.
        reason: NotALedgerReason,
    },

    /// The ledger cannot be written to.
    #[error("ledger directory `{}` cannot be written to", directory.display())]
    ReadOnly {
        /// The ledger's directory.
        directory: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },

    /// The file system cannot keep a write-ahead log with shared memory; network ones cannot.
    #[error("the file system of `{}` does not support a write-ahead log", path.display())]
    NoWriteAheadLog {
        /// The store's file.
        path: PathBuf,
    },

    /// The disk, or the quota, is full. What was being written is not in the ledger; everything
    /// acknowledged before is; appending works again as soon as there is room.
    #[error("no space left for ledger `{}`", directory.display())]
    DiskFull {
        /// The ledger's directory.
        directory: PathBuf,
    },

    /// A write failed in such a way that only opening the ledger again tells what is in it.
    #[error(
        "a write to the ledger failed before it was confirmed, so these events may or may not be \
         in it"
    )]
    Unconfirmed {
        /// The failure.
        #[source]
        cause: Arc<Error>,
    },

    /// An earlier write failed. These events are not in the ledger, nor will any others be.
    #[error("the ledger accepts nothing more, because a write failed")]
    Poisoned {
        /// The earlier failure.
        #[source]
        cause: Arc<Error>,
    },

    /// The stream is not where the caller thought it was. Nothing was appended.
    #[error(
        "stream `{}` is at sequence number {found}, but the append expected {expected}",
        stream.escape_debug()
    )]
    Conflict {
        /// The stream.
        stream: String,
        /// The last sequence number that the caller knew.
        expected: u64,
        /// The last sequence number that the stream has.
        found: u64,
    },

    /// A stream name or an event kind is empty or too long.
    #[error("{what} has {found} bytes, but must have 1 to {allowed}")]
    NameLength {
        /// `stream name` or `event kind`.
        what: &'static str,
        /// Its length in bytes.
        found: usize,
        /// The greatest length allowed.
        allowed: usize,
    },

    /// A body is larger than the ledger takes.
    #[error(
        "body of event `{}` has {found} bytes, but at most {allowed} are allowed",
        kind.escape_debug()
    )]
    BodyTooLarge {
        /// The event's kind.
        kind: String,
        /// The body's length in bytes.
        found: usize,
        /// The greatest length allowed.
        allowed: usize,
    },

    /// A body is not JSON.
    #[error("body of event `{}` is not JSON", kind.escape_debug())]
    BodyNotJson {
        /// The event's kind.
        kind: String,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },

    /// A blob is not there: it was never put, or its file was removed.
    #[error("blob {id} is missing")]
    BlobMissing {
        /// The blob.
        id: BlobId,
    },

    /// A blob's bytes are not the ones that its name stands for.
    #[error("blob {id} was changed: its bytes now hash to {found}")]
    BlobChanged {
        /// The blob.
        id: BlobId,
        /// The hash of the bytes found.
        found: BlobId,
    },

    /// A row cannot have been written by a ledger. [`crate::Reader::verify`] tells more.
    #[error("ledger is damaged at position {position}: {what}")]
    Damaged {
        /// The row.
        position: i64,
        /// The impossible thing about it.
        what: &'static str,
    },

    /// A blob's file does not hold a compressed blob, or holds more than one.
    #[error("blob {id} is damaged: its file cannot be decompressed")]
    BlobDamaged {
        /// The blob.
        id: BlobId,
    },

    /// The checkpoint's own signature does not hold, so it says nothing about the lab.
    #[error("the checkpoint is not as it was written: its signature does not hold")]
    CheckpointDamaged,

    /// A blob holds more than what is asked for can have.
    #[error("blob {id} holds more than {allowed} bytes, the most that is read here")]
    BlobTooLarge {
        /// The blob.
        id: BlobId,
        /// The most that is allowed.
        allowed: u64,
    },

    /// Another process has taken the lease, so this one may not write any more. Nothing was written.
    #[error("this process may not write to the lab any more: it was taken over by {}", Holder(holder.as_deref()))]
    Fenced {
        /// The lease that this process has.
        epoch: u64,
        /// The lease that is in force.
        present: u64,
        /// Who has that, if it can be told.
        holder: Option<Box<LockHolder>>,
    },

    /// The stream is the ledger's own.
    #[error("stream `{stream}` is kept for the ledger itself")]
    ReservedStream {
        /// The stream.
        stream: String,
    },

    /// The ledger is not as it was written, so nothing is removed from it.
    #[error("the ledger in `{}` is not as it was written: {fault}", directory.display())]
    NotIntact {
        /// The ledger's directory.
        directory: PathBuf,
        /// The first thing that is wrong.
        fault: Box<Fault>,
    },

    /// The lab's key is not here, so nothing can be signed in its name.
    #[error("the key of the lab is not in `{}`", directory.display())]
    KeyMissing {
        /// The ledger's directory.
        directory: PathBuf,
    },

    /// The key that is here is not the lab's.
    #[error("`{}` is not the lab's key: its public key is {found}, the lab's is {expected}", path.display())]
    OtherKey {
        /// The file.
        path: PathBuf,
        /// The public key that belongs to it.
        found: PublicKey,
        /// The public key that the ledger records.
        expected: PublicKey,
    },

    /// Others than its owner may read the lab's key.
    #[error("the lab's key `{}` can be read by others (mode {mode:03o}, expected 600)", path.display())]
    KeyExposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },

    /// A file should hold a key and does not.
    #[error("`{}` does not hold a key, 64 hexadecimal digits", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },

    /// A checkpoint was signed in the name of another lab.
    #[error("the checkpoint is of lab {found}, but this is lab {expected}")]
    OtherLab {
        /// The lab of the checkpoint.
        found: LabId,
        /// The lab that was looked at.
        expected: LabId,
    },

    /// The operating system refused a file operation.
    #[error("failed to {operation} `{}`", path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },

    /// The event store failed.
    #[error("failed to {operation} `{}`", path.display())]
    Store {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The store's file.
        path: PathBuf,
        /// What the store said.
        #[source]
        source: StoreFailure,
    },

    /// The writer thread could not be started, or ended by a bug in it.
    #[error("the ledger's writer is not running")]
    WriterGone,
}

/// Why a file is not a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotALedgerReason {
    /// It is not a database file at all.
    NotADatabase,
    /// It is a database file of another application.
    OtherApplication {
        /// The application id found.
        found: u32,
    },
    /// It carries the mark, but its tables are not those of a ledger.
    OtherTables,
}

impl fmt::Display for NotALedgerReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADatabase => formatter.write_str("not an SQLite database"),
            Self::OtherApplication { found } => {
                write!(formatter, "an SQLite database of application {found:#010x}")
            }
            Self::OtherTables => formatter.write_str("its tables are not those of a ledger"),
        }
    }
}

/// What the event store said when it failed. Its kind is deliberately not part of the interface.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct StoreFailure(rusqlite::Error);

/// Says who holds a lock.
struct Holder<'a>(Option<&'a LockHolder>);

impl fmt::Display for Holder<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(holder) => holder.fmt(formatter),
            None => formatter.write_str("another process"),
        }
    }
}

impl Error {
    /// Returns what a person can do about the failure, where something can be said.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Locked { .. } => {
                Some("wait for that process or stop it; reading works while it runs")
            }
            Self::Newer { .. } => Some("use the version of the program that wrote it, or a later"),
            Self::Absent { .. } => Some("a ledger is made when the first study is run"),
            Self::EventsGone { .. } => Some(
                "put `ledger.db` back, with `ledger.db-wal` if there was one, or import a bundle \
                 of it; to begin anew, move the whole directory away",
            ),
            Self::ReadOnly { .. } => Some("check the permissions and that the disk is writable"),
            Self::NoWriteAheadLog { .. } => Some("keep the lab on a local disk"),
            Self::DiskFull { .. } => Some("make room; nothing that was confirmed is lost"),
            Self::Unconfirmed { .. } | Self::Poisoned { .. } => {
                Some("check the disk, then run the same command again: it goes on from there")
            }
            Self::NotIntact { fault, .. } if matches!(**fault, Fault::Unsigned { .. }) => Some(
                "if the lab's key was missing, put it back: the next `lyceum run` records that and signs; if it was not, restore \
                 the lab from a copy",
            ),
            Self::BlobMissing { .. }
            | Self::BlobChanged { .. }
            | Self::BlobDamaged { .. }
            | Self::NotIntact { .. }
            | Self::Damaged { .. } => Some("run `lyceum verify`; restore the lab from a copy"),
            Self::Fenced { .. } => Some(
                "nothing that was confirmed is lost; run the same command again once that process has \
                 ended, and leave the file `lock` alone: without it two can begin",
            ),
            Self::KeyMissing { .. } => Some(
                "restore the file `key`; without it the lab can be worked in and checked, but nothing \
                 is signed",
            ),
            Self::OtherKey { .. } | Self::NotAKey { .. } => {
                Some("restore the lab's own `key`, or move the file away to go on without signing")
            }
            Self::KeyExposed { .. } => Some("`chmod 600` it, and think who may have copied it"),
            Self::NotALedger { .. }
            | Self::Conflict { .. }
            | Self::NameLength { .. }
            | Self::CheckpointDamaged
            | Self::BodyTooLarge { .. }
            | Self::BlobTooLarge { .. }
            | Self::BodyNotJson { .. }
            | Self::ReservedStream { .. }
            | Self::OtherLab { .. }
            | Self::Io { .. }
            | Self::Store { .. }
            | Self::WriterGone => None,
        }
    }

    /// Returns the failure that ended all writing, if this tells of one, otherwise itself.
    pub fn first_cause(&self) -> &Self {
        match self {
            Self::Poisoned { cause } | Self::Unconfirmed { cause } => cause.first_cause(),
            _ => self,
        }
    }

    /// Wraps a failed file operation, telling a full disk from other failures.
    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull {
                directory: path.parent().unwrap_or(path).to_path_buf(),
            },
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly {
                directory: path.parent().unwrap_or(path).to_path_buf(),
                source,
            },
            _ => Self::Io {
                operation,
                path: path.to_path_buf(),
                source,
            },
        }
    }

    /// Wraps a failure of the store, telling a full disk and a foreign file from other failures.
    pub(crate) fn store(operation: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::DiskFull {
                directory: path.parent().unwrap_or(path).to_path_buf(),
            },
            // Shared memory that finds no room is reported as any other failure.
            Some(rusqlite::ErrorCode::SystemIoFailure | rusqlite::ErrorCode::CannotOpen)
                if has_no_room(path) =>
            {
                Self::DiskFull {
                    directory: path.parent().unwrap_or(path).to_path_buf(),
                }
            }
            Some(rusqlite::ErrorCode::NotADatabase) => Self::NotALedger {
                path: path.to_path_buf(),
                reason: NotALedgerReason::NotADatabase,
            },
            _ => Self::Store {
                operation,
                path: path.to_path_buf(),
                source: StoreFailure(source),
            },
        }
    }
}

/// Whether the disk of a file has no room for the shared memory of a store.
fn has_no_room(path: &Path) -> bool {
    const SHARED_MEMORY_BYTES: u64 = 32 << 10;
    rustix::fs::statvfs(path.parent().unwrap_or(path))
        .is_ok_and(|disk| disk.f_bavail * disk.f_frsize < SHARED_MEMORY_BYTES)
}
