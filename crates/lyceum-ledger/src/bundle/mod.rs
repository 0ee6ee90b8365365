//! A whole lab, or one of its streams, as one signed file.
//!
//! The file is a tar archive of plain files in a fixed order, so any tool lists it; what may stand in
//! it is specified in `FORMAT.md`. A bundle is checked whole before anything of it is taken: its own
//! signature, every event against the tree that the lab signed, every blob against its name.

mod archive;
mod check;
mod export;
mod import;
mod place;
mod provenance;
mod walk;

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::error::Error as LedgerError;
use crate::hash::{BlobId, Hash, LabId, PublicKey};
use crate::store::{Record, RecordBody};

pub use export::Exported;
pub use import::{Bundle, Imported, Offered};
pub(crate) use provenance::{STREAM as IMPORT_STREAM, check as check_import, imported};

/// The version of the format of bundles.
pub const BUNDLE_VERSION: u32 = 1;

/// Events in one file of a bundle: bounds what is held at once.
const EVENTS_PER_FILE: usize = 1000;

/// The name of the file that says what the bundle is.
const MANIFEST: &str = "lyceum-bundle.json";

/// The name of the file with the signed head of the tree.
const CHECKPOINT: &str = "checkpoint";

/// The name of the file with every head that the lab has signed.
const HEADS: &str = "heads.jsonl";

/// The name of the file that shows that the events belong to the tree.
const PROOF: &str = "proof";

/// The name of the file that ends a bundle: a signature over all bytes before it.
const SIGNATURE: &str = "signature";

/// Why a bundle cannot be written, read or taken in.
#[derive(Debug, Error)]
pub enum BundleError {
    /// The bundle's file cannot be read or written.
    #[error("failed to {operation} bundle `{}`", path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file ends too early.
    #[error("the bundle is cut off after {bytes} bytes")]
    CutOff {
        /// Bytes that are there.
        bytes: u64,
    },
    /// The file is not a bundle, or has been changed.
    #[error("the bundle is not as it was written: {what}")]
    Changed {
        /// What is wrong.
        what: String,
    },
    /// A later version of the program wrote the bundle.
    #[error("the bundle has version {found}, but this program reads versions up to {supported}")]
    Newer {
        /// Its version.
        found: u32,
        /// The newest that this program knows.
        supported: u32,
    },
    /// The place to import a whole lab to has a ledger.
    #[error("`{}` holds a ledger already", directory.display())]
    Occupied {
        /// The place.
        directory: PathBuf,
    },
    /// The place to import a whole lab to holds something else than the lab's key.
    #[error("`{}` holds `{}`, but a whole lab is imported into an empty place, or one with its `key` alone", directory.display(), found.display())]
    NotEmpty {
        /// The place.
        directory: PathBuf,
        /// What is there.
        found: PathBuf,
    },
    /// The bundle holds a whole lab and was to be added to one, or the other way round.
    #[error("the bundle holds {found}, but {expected} was expected")]
    OtherContents {
        /// What it holds.
        found: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// There is no such stream to export.
    #[error("the lab has no stream `{}`", stream.escape_debug())]
    NoStream {
        /// The stream.
        stream: String,
    },
    /// The ledger that the bundle comes from or goes to failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl BundleError {
    /// Returns what a person can do about the failure, where something can be said.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::CutOff { .. } | Self::Changed { .. } => {
                Some("get the bundle again from where it was written; nothing of it was taken")
            }
            Self::Newer { .. } => Some("use the version of the program that wrote it, or a later"),
            Self::Occupied { .. } | Self::NotEmpty { .. } => {
                Some("name another place with `--lab DIR`")
            }
            Self::Ledger(error) => error.hint(),
            Self::Io { .. } | Self::OtherContents { .. } | Self::NoStream { .. } => None,
        }
    }
}

fn changed(what: impl Into<String>) -> BundleError {
    BundleError::Changed { what: what.into() }
}

/// What a bundle is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    version: u32,
    lab: LabId,
    /// The key that the lab was made with.
    made_with: Option<PublicKey>,
    /// The key that signed the checkpoint and the bundle.
    key: PublicKey,
    /// The one stream that the bundle has; a whole lab if there is none.
    stream: Option<String>,
    events: u64,
    blobs: u64,
}

/// One event, as a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    position: u64,
    /// The hash before it, where the event before it is not in the bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Hash>,
    stream: String,
    seq: u64,
    at: i64,
    kind: String,
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_blob: Option<BlobId>,
    blobs: Vec<BlobId>,
    hash: Hash,
}

impl Line {
    fn new(record: Record, previous: Option<Hash>) -> Self {
        let (body, body_blob) = match record.body {
            RecordBody::Inline(text) => (Some(text), None),
            RecordBody::Blob(id) => (None, Some(id)),
        };
        Self {
            position: record.position.cast_unsigned(),
            previous,
            stream: record.stream,
            seq: record.seq.cast_unsigned(),
            at: record.at,
            kind: record.kind,
            version: record.version as u32,
            body,
            body_blob,
            blobs: record.blobs,
            hash: record.hash,
        }
    }

    fn into_record(self) -> Result<(Record, Option<Hash>), BundleError> {
        let position = self.position;
        let number = |number| {
            i64::try_from(number).map_err(|_| changed(format!("number {number} is out of range")))
        };
        let body = match (self.body, self.body_blob) {
            (Some(text), None) => RecordBody::Inline(text),
            (None, Some(id)) => RecordBody::Blob(id),
            _ => return Err(changed(format!("event {position} has not one body"))),
        };
        let record = Record {
            position: number(self.position)?,
            stream: self.stream,
            seq: number(self.seq)?,
            at: self.at,
            kind: self.kind,
            version: i64::from(self.version),
            body,
            blobs: self.blobs,
            hash: self.hash,
        };
        Ok((record, self.previous))
    }
}
