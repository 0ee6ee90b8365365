//! One row of the event table, as it stands in the file.

use rusqlite::Row;

use crate::blobs::BlobFiles;
use crate::chain::{self, Link};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::event::Event;
use crate::hash::{BlobId, Hash};

/// The columns in the order in which [`RawEvent::from_row`] takes them.
pub(crate) const COLUMNS: &str =
    "position, stream, seq, at, kind, version, body, body_blob, blobs, hash";

/// A row whose numbers have not been checked and whose body may still be in a blob.
#[derive(Debug)]
pub(crate) struct RawEvent {
    pub(crate) position: i64,
    pub(crate) stream: String,
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) kind: String,
    pub(crate) version: i64,
    pub(crate) body: RawBody,
    pub(crate) blobs: Vec<BlobId>,
    pub(crate) hash: Hash,
}

/// Where a body is.
#[derive(Debug)]
pub(crate) enum RawBody {
    Inline(String),
    Blob(BlobId),
}

impl RawEvent {
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let body = match row.get::<_, Option<String>>(6)? {
            Some(text) => RawBody::Inline(text),
            None => RawBody::Blob(BlobId::from_bytes(row.get(7)?)),
        };
        let blobs = match row.get_ref(8)?.as_blob_or_null()? {
            None => Vec::new(),
            Some(bytes) => bytes
                .as_chunks()
                .0
                .iter()
                .copied()
                .map(BlobId::from_bytes)
                .collect(),
        };
        Ok(Self {
            position: row.get(0)?,
            stream: row.get(1)?,
            seq: row.get(2)?,
            at: row.get(3)?,
            kind: row.get(4)?,
            version: row.get(5)?,
            body,
            blobs,
            hash: Hash::from_bytes(row.get(9)?),
        })
    }

    /// Returns the name that the body has, or would have, as a blob.
    pub(crate) fn body_id(&self) -> BlobId {
        match &self.body {
            RawBody::Inline(text) => BlobId::of(text.as_bytes()),
            RawBody::Blob(id) => *id,
        }
    }

    /// Returns the hash that the row should have at `position` after `previous`, or nothing if its
    /// numbers cannot have been written by a ledger.
    pub(crate) fn hash_at(
        &self,
        position: u64,
        previous: Hash,
        body: BlobId,
        scratch: &mut Vec<u8>,
    ) -> Option<Hash> {
        let link = Link {
            position,
            stream: &self.stream,
            seq: u64::try_from(self.seq).ok()?,
            at_unix_ms: self.at,
            kind: &self.kind,
            version: u32::try_from(self.version).ok()?,
            body,
            blobs: &self.blobs,
        };
        Some(chain::hash(previous, &link, scratch))
    }

    /// Returns the event, its body fetched from the blobs if need be.
    pub(crate) fn into_event(self, files: &BlobFiles) -> Result<Event, Error> {
        let position = self.position;
        let damaged = |what| Error::Damaged { position, what };
        let body = match self.body {
            RawBody::Inline(text) => text,
            RawBody::Blob(id) => {
                String::from_utf8(files.read(id)?).map_err(|_| damaged("its body is not text"))?
            }
        };
        Ok(Event {
            position: u64::try_from(position).map_err(|_| damaged("its position is negative"))?,
            stream: self.stream,
            seq: u64::try_from(self.seq).map_err(|_| damaged("its sequence number is negative"))?,
            at: Timestamp::from_unix_ms(self.at),
            kind: self.kind,
            version: u32::try_from(self.version)
                .map_err(|_| damaged("its version is out of range"))?,
            body,
            blobs: self.blobs,
            hash: self.hash,
        })
    }
}
