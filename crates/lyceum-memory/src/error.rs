//! What can go wrong with a store.

use std::{io, path::PathBuf};

use crate::store::{ENTRIES_MAX, ENTRY_BYTES_MAX};

/// Why something with a store could not be done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name of a store is not one.
    #[error("`{}` is no name of a memory store: expected 1 to 64 letters, digits, `-` and `_`", found.escape_debug())]
    StoreName {
        /// What was given.
        found: String,
    },
    /// The path of an entry is not one.
    #[error("`{}` is no path of an entry: expected parts between single `/`, none of them `.` or `..`", found.escape_debug())]
    Path {
        /// What was given.
        found: String,
    },
    /// There is no such store.
    #[error("no memory store `{store}` in this lab{}", listed(.known))]
    NoStore {
        /// What was asked for.
        store: String,
        /// The stores that are there.
        known: Vec<String>,
    },
    /// There is a store of this name already.
    #[error("memory store `{store}` is there already")]
    StoreExists {
        /// Its name.
        store: String,
    },
    /// There is no such entry.
    #[error("no entry `{path}` in memory store `{store}`")]
    NoEntry {
        /// The store.
        store: String,
        /// What was asked for.
        path: String,
    },
    /// Somebody else changed the entry.
    #[error("entry `{path}` is not as expected: {}", told(.expected.as_deref(), .found.as_deref()))]
    Conflict {
        /// The entry.
        path: String,
        /// The contents that were expected, by hash; `None` where none were.
        expected: Option<String>,
        /// The contents that are there, by hash.
        found: Option<String>,
    },
    /// A path that is an entry cannot hold others.
    #[error("`{path}` and `{other}` cannot both be: one would be a file and a directory")]
    PathConflict {
        /// What was to be written.
        path: String,
        /// What is there.
        other: String,
    },
    /// What is to be written is too long.
    #[error("the entry has {bytes} bytes, at most {ENTRY_BYTES_MAX} are kept: split it")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The store is full.
    #[error(
        "memory store `{store}` has {ENTRIES_MAX} entries, the most that one holds: delete some, or dream"
    )]
    Full {
        /// The store.
        store: String,
    },
    /// Others than a dream want to write what a dream computes.
    #[error(
        "`{path}` is the lab's: `studies` and `families` are written by dreams alone; choose another path"
    )]
    Computed {
        /// The path.
        path: String,
    },
    /// What the entry said was taken away.
    #[error("version {seq} of `{path}` was redacted")]
    Redacted {
        /// The entry.
        path: String,
        /// The event that wrote it.
        seq: u64,
    },
    /// There is no such version.
    #[error("memory store `{store}` has no version {seq} that wrote anything")]
    NoVersion {
        /// The store.
        store: String,
        /// What was asked for.
        seq: u64,
    },
    /// The file with an entry's contents is gone or was changed.
    #[error("the contents of `{path}` are not what was written: expected {hash} in `{}`", file.display())]
    Damaged {
        /// The entry.
        path: String,
        /// Its contents' hash.
        hash: String,
        /// Where they were.
        file: PathBuf,
    },
    /// An event of the store cannot be read.
    #[error(
        "event {seq} of memory store `{store}` is of kind `{kind}` version {version}, which this program does not know"
    )]
    Newer {
        /// The store.
        store: String,
        /// The event.
        seq: u64,
        /// Its kind.
        kind: String,
        /// Its version.
        version: u32,
    },
    /// An event of the store is not what its kind says.
    #[error("event {seq} of memory store `{store}` cannot be read")]
    Event {
        /// The store.
        store: String,
        /// The event.
        seq: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// There is nothing to dream of.
    #[error("nothing to dream of: {0}")]
    NothingToDreamOf(String),
    /// Too many studies for one dream.
    #[error("{found} studies are too many for one dream: at most {most}")]
    TooManyStudies {
        /// How many were given.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] lyceum_ledger::Error),
    /// A file could not be read or written.
    #[error("cannot {operation} `{}`", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn listed(known: &[String]) -> String {
    if known.is_empty() {
        ", which has none: `lyceum dream` makes one".to_owned()
    } else {
        format!(", expected one of: {}", known.join(", "))
    }
}

fn told(expected: Option<&str>, found: Option<&str>) -> String {
    let name = |hash: Option<&str>| hash.unwrap_or("no entry").to_owned();
    format!("expected {}, found {}", name(expected), name(found))
}
