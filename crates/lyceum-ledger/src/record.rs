//! One event as it stands in the store: its hash, and itself once its body is at hand.

use crate::chain::{self, Link};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::event::Event;
use crate::hash::{BlobId, Hash};
use crate::ledger::BODY_BYTES_MAX;
use crate::store::{Blobs, Record, RecordBody};

impl Record {
    /// Returns the name that the body has, or would have, as a blob.
    pub(crate) fn body_id(&self) -> BlobId {
        match &self.body {
            RecordBody::Inline(text) => BlobId::of(text.as_bytes()),
            RecordBody::Blob(id) => *id,
        }
    }

    /// Returns the hash that the record should have at `position` after `previous`, or nothing if its
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

    /// Returns every blob that the record names, its body's among them.
    pub(crate) fn named_blobs(&self) -> impl Iterator<Item = BlobId> {
        let body = match self.body {
            RecordBody::Blob(id) => Some(id),
            RecordBody::Inline(_) => None,
        };
        self.blobs.iter().copied().chain(body)
    }

    /// Returns the event, its body fetched from the blobs if need be.
    pub(crate) fn into_event(self, blobs: &dyn Blobs) -> Result<Event, Error> {
        let position = self.position;
        let damaged = |what| Error::Damaged { position, what };
        let body = match self.body {
            RecordBody::Inline(text) => text,
            RecordBody::Blob(id) => {
                String::from_utf8(blobs.read_at_most(id, BODY_BYTES_MAX as u64)?)
                    .map_err(|_| damaged("its body is not text"))?
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
