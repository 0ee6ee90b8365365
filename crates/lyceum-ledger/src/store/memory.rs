//! A ledger in memory, for simulations: leases that end, faults on request, nothing random.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Batch, Blobs, CommitError, Identity, Lease, PutError, Record, RecordBody, Store, View,
};
use crate::clock::{Clock, Timestamp};
use crate::error::Error;
use crate::event::StreamHead;
use crate::hash::{BlobId, Hash, TreeHash};
use crate::lock::{Holding, LockHolder};
use crate::signed::SignedHead;
use crate::store::sqlite::SCHEMA_VERSION;

/// What is to go wrong with a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFault {
    /// There is no room: nothing is written, and later there may be room.
    NoRoom,
    /// The write fails before anything is kept.
    Lost,
    /// Everything is kept, and then the write is reported as failed.
    Unreported,
}

/// A store that lives as long as its handles. Clones are the same store, as two processes see one
/// directory.
///
/// Its leases last for a fixed time of its clock: one that has ended can be taken by another holder,
/// and what the first still tries to write is refused.
#[derive(Clone)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    lease_ms: i64,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    identity: Option<Identity>,
    epoch: u64,
    holder: Option<LockHolder>,
    until: Option<Timestamp>,
    records: Vec<Record>,
    subtrees: BTreeMap<(u32, u64), TreeHash>,
    heads: BTreeMap<u64, SignedHead>,
    blobs: BTreeMap<BlobId, Vec<u8>>,
    /// Writes from now on until the one that fails, and how.
    fault: Option<(u64, WriteFault)>,
}

impl Shared {
    /// Counts a write; returns what goes wrong with it.
    fn meet(&mut self) -> Option<WriteFault> {
        let (left, fault) = self.fault?;
        self.fault = left.checked_sub(1).map(|left| (left, fault));
        self.fault.is_none().then_some(fault)
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("MemoryStore")
            .finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// Makes an empty store whose leases last `lease_ms` milliseconds of `clock`.
    pub fn new(clock: Arc<dyn Clock>, lease_ms: i64) -> Self {
        Self {
            clock,
            lease_ms,
            shared: Arc::default(),
        }
    }

    /// Has a write go wrong after `writes` more have gone well. Commits and new blobs are writes.
    pub fn fail_after(&self, writes: u64, fault: WriteFault) {
        self.shared().fault = Some((writes, fault));
    }

    /// Ends the lease without its holder knowing, as a machine that dies does.
    pub fn lose_holder(&self) {
        let mut shared = self.shared();
        (shared.holder, shared.until) = (None, None);
    }

    /// Changes a record behind the ledger's back, to see whether that is found. Does nothing at a
    /// position where none is.
    pub fn tamper(&self, position: u64, change: impl FnOnce(&mut Record)) {
        if let Some(record) = self.shared().records.get_mut(position as usize - 1) {
            change(record);
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ends(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_unix_ms(now.unix_ms().saturating_add(self.lease_ms))
    }
}

fn no_room() -> Error {
    Error::DiskFull {
        directory: PathBuf::from("memory"),
    }
}

fn failed() -> Error {
    Error::Io {
        operation: "write to",
        path: PathBuf::from("memory"),
        source: std::io::ErrorKind::Other.into(),
    }
}

impl Store for MemoryStore {
    fn acquire(
        &self,
        holder: &LockHolder,
        found: &mut dyn FnMut() -> Result<Identity, Error>,
    ) -> Result<Box<dyn Lease>, Error> {
        let now = self.clock.now();
        let mut shared = self.shared();
        if shared.until.is_some_and(|until| now < until) {
            return Err(Error::Locked {
                directory: PathBuf::from("memory"),
                holder: shared.holder.clone().map(Box::new),
            });
        }
        if shared.identity.is_none() {
            shared.identity = Some(found()?);
        }
        shared.epoch += 1;
        let epoch = shared.epoch;
        shared.holder = Some(LockHolder {
            epoch,
            ..holder.clone()
        });
        shared.until = Some(self.ends(now));
        Ok(Box::new(MemoryLease {
            store: self.clone(),
            epoch,
        }))
    }

    fn view(&self) -> Result<Box<dyn View>, Error> {
        if self.shared().identity.is_some() {
            Ok(Box::new(self.clone()))
        } else {
            Err(Error::Absent {
                directory: PathBuf::from("memory"),
            })
        }
    }

    fn blobs(&self) -> Arc<dyn Blobs> {
        Arc::new(self.clone())
    }

    fn holding(&self) -> Result<Holding, Error> {
        let now = self.clock.now();
        let shared = self.shared();
        let is_held = shared.until.is_some_and(|until| now < until);
        Ok(match (&shared.holder, is_held) {
            (Some(holder), true) => Holding::By(holder.clone()),
            (None, true) => Holding::ByUnknown,
            (_, false) => Holding::Nobody,
        })
    }
}

struct MemoryLease {
    store: MemoryStore,
    epoch: u64,
}

impl MemoryLease {
    fn fenced(&self, shared: &Shared) -> Option<Error> {
        let (epoch, present) = (self.epoch, shared.epoch);
        let holder = || shared.holder.clone().map(Box::new);
        (epoch != present).then(|| Error::Fenced {
            epoch,
            present,
            holder: holder(),
        })
    }
}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        let mut shared = self.store.shared();
        if shared.epoch == self.epoch {
            (shared.holder, shared.until) = (None, None);
        }
    }
}

impl Lease for MemoryLease {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn until(&self) -> Option<Timestamp> {
        let shared = self.store.shared();
        shared.until.filter(|_| shared.epoch == self.epoch)
    }

    fn renew(&mut self, now: Timestamp) -> Result<(), Error> {
        let mut shared = self.store.shared();
        if let Some(error) = self.fenced(&shared) {
            return Err(error);
        }
        shared.until = Some(self.store.ends(now));
        Ok(())
    }

    fn view(&self) -> &dyn View {
        &self.store
    }

    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), CommitError> {
        let mut shared = self.store.shared();
        if let Some(error) = self.fenced(&shared) {
            return Err(CommitError::Fenced(error));
        }
        let fault = shared.meet();
        match fault {
            Some(WriteFault::NoRoom) => return Err(CommitError::NotWritten(no_room())),
            Some(WriteFault::Lost) => return Err(CommitError::Unknown(failed())),
            Some(WriteFault::Unreported) | None => {}
        }
        shared.records.extend(batch.events.iter().map(|stored| {
            let event = &stored.event;
            Record {
                position: event.position as i64,
                stream: event.stream.clone(),
                seq: event.seq as i64,
                at: event.at.unix_ms(),
                kind: event.kind.clone(),
                version: i64::from(event.version),
                body: match stored.body_blob {
                    Some(id) => RecordBody::Blob(id),
                    None => RecordBody::Inline(event.body.clone()),
                },
                blobs: event.blobs.clone(),
                hash: event.hash,
            }
        }));
        let subtrees = batch.subtrees.iter();
        shared
            .subtrees
            .extend(subtrees.map(|one| ((one.level, one.number), one.hash)));
        if let Some(size) = batch.replaced {
            shared.heads.remove(&size);
        }
        let heads = batch.heads.iter();
        shared.heads.extend(heads.map(|one| (one.head.size, *one)));
        if fault.is_some() {
            return Err(CommitError::Unknown(failed()));
        }
        Ok(())
    }

    fn tidy(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl View for MemoryStore {
    fn identity(&self) -> Result<Identity, Error> {
        self.shared().identity.ok_or(Error::WriterGone)
    }

    fn version(&self) -> Result<u32, Error> {
        Ok(SCHEMA_VERSION)
    }

    fn records(&self, after: i64, limit: usize) -> Result<Vec<Record>, Error> {
        let shared = self.shared();
        let found = shared
            .records
            .iter()
            .filter(|one| one.position > after || after == i64::MIN);
        Ok(found.take(limit).cloned().collect())
    }

    fn stream(&self, stream: &str, after: u64, limit: usize) -> Result<Vec<Record>, Error> {
        let shared = self.shared();
        let found = shared.records.iter().filter(|one| one.stream == stream);
        let found = found.filter(|one| one.seq.cast_unsigned() > after);
        Ok(found.take(limit).cloned().collect())
    }

    fn streams(&self) -> Result<Vec<StreamHead>, Error> {
        let mut streams = BTreeMap::<String, u64>::new();
        for record in &self.shared().records {
            *streams.entry(record.stream.clone()).or_default() += 1;
        }
        let heads = streams.into_iter();
        Ok(heads
            .map(|(stream, seq)| StreamHead { stream, seq })
            .collect())
    }

    fn last_seq(&self, stream: &str) -> Result<u64, Error> {
        let shared = self.shared();
        let mut from_end = shared.records.iter().rev();
        let last = from_end.find(|record| record.stream == stream);
        Ok(last.map_or(0, |record| record.seq.cast_unsigned()))
    }

    fn last(&self) -> Result<Option<(u64, Hash)>, Error> {
        let shared = self.shared();
        Ok(shared
            .records
            .last()
            .map(|one| (one.position.cast_unsigned(), one.hash)))
    }

    fn hashes(&self, after: u64, limit: usize) -> Result<Vec<Hash>, Error> {
        let shared = self.shared();
        let after = shared.records.iter().skip(after as usize);
        Ok(after.take(limit).map(|one| one.hash).collect())
    }

    fn subtrees(&self, level: u32, first: u64, limit: usize) -> Result<Vec<TreeHash>, Error> {
        let shared = self.shared();
        let numbers = first..first.saturating_add(limit as u64);
        let found = numbers.map_while(|number| shared.subtrees.get(&(level, number)));
        Ok(found.copied().collect())
    }

    fn signed_heads(&self) -> Result<Vec<SignedHead>, Error> {
        Ok(self.shared().heads.values().copied().collect())
    }

    fn fault(&self) -> Result<Option<String>, Error> {
        Ok(None)
    }

    fn events_bytes(&self) -> u64 {
        let shared = self.shared();
        let body = |record: &Record| match &record.body {
            RecordBody::Inline(text) => text.len() as u64,
            RecordBody::Blob(_) => 0,
        };
        shared.records.iter().map(body).sum()
    }
}

impl Blobs for MemoryStore {
    fn put(&self, bytes: &[u8]) -> Result<BlobId, PutError> {
        let id = BlobId::of(bytes);
        let mut shared = self.shared();
        if shared.blobs.contains_key(&id) {
            return Ok(id);
        }
        match shared.meet() {
            Some(WriteFault::NoRoom) => return Err(PutError::Harmless(no_room())),
            Some(WriteFault::Lost | WriteFault::Unreported) => {
                return Err(PutError::SyncFailed(failed()));
            }
            None => {}
        }
        shared.blobs.insert(id, bytes.to_vec());
        Ok(id)
    }

    fn read_at_most(&self, id: BlobId, allowed: u64) -> Result<Vec<u8>, Error> {
        let shared = self.shared();
        match shared.blobs.get(&id) {
            None => Err(Error::BlobMissing { id }),
            Some(bytes) if bytes.len() as u64 > allowed => Err(Error::BlobTooLarge { id, allowed }),
            Some(bytes) => Ok(bytes.clone()),
        }
    }

    fn check(&self, id: BlobId) -> Result<(), Error> {
        self.read(id).map(drop)
    }

    fn contains(&self, id: BlobId) -> bool {
        self.shared().blobs.contains_key(&id)
    }

    fn each(&self, visit: &mut dyn FnMut(BlobId, u64) -> Result<(), Error>) -> Result<(), Error> {
        let all: Vec<_> = self
            .shared()
            .blobs
            .iter()
            .map(|(id, bytes)| (*id, bytes.len() as u64))
            .collect();
        all.into_iter().try_for_each(|(id, bytes)| visit(id, bytes))
    }

    fn remove(&self, id: BlobId) -> Result<(), Error> {
        self.shared().blobs.remove(&id);
        Ok(())
    }

    fn path(&self, _id: BlobId) -> Option<PathBuf> {
        None
    }
}
