//! Reading a ledger, also while another process writes to it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bundle;
use crate::error::Error;
use crate::event::{Event, Head, SizeOnDisk, StreamHead};
use crate::hash::{BlobId, LabId, PublicKey, TreeHash};
use crate::keys::Keys;
use crate::signed::{Checkpoint, KeyFile, SignedHead, Signer};
use crate::store::{Blobs, Identity, Record, SqliteStore, Store, View};
use crate::tree::{self, TreeHead};

/// Reads a ledger. Never waits for the writer and never makes it wait.
///
/// Each call sees every event that was acknowledged before it. A reader belongs to one thread at a
/// time; opening another is cheap.
pub struct Reader {
    directory: PathBuf,
    pub(crate) view: Box<dyn View>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) identity: Identity,
}

impl fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Reader")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

impl Reader {
    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        Self::of(&SqliteStore::new(directory), directory)
    }

    pub(crate) fn of(store: &dyn Store, directory: &Path) -> Result<Self, Error> {
        let view = store.view()?;
        let identity = view.identity()?;
        Ok(Self {
            directory: directory.to_path_buf(),
            view,
            blobs: store.blobs(),
            identity,
        })
    }

    /// Returns the lab's identity.
    pub fn lab(&self) -> LabId {
        self.identity.lab
    }

    /// Returns the version of the format that the ledger has now.
    pub fn version(&self) -> Result<u32, Error> {
        self.view.version()
    }

    /// Returns the key that the lab signs with now; nothing for a ledger of version 1.
    pub fn key(&self) -> Result<Option<PublicKey>, Error> {
        Ok(Keys::read(&*self.view)?.in_force())
    }

    /// Returns every stream in the order of names, each with how far it has come.
    pub fn streams(&self) -> Result<Vec<StreamHead>, Error> {
        self.view.streams()
    }

    /// Returns the streams that were imported from other labs, in the order of their imports.
    pub fn imported(&self) -> Result<Vec<String>, Error> {
        bundle::imported(self)
    }

    /// Returns at most `limit` events of `stream` with sequence numbers greater than `after_seq`,
    /// in order. An unknown stream has none.
    pub fn read(&self, stream: &str, after_seq: u64, limit: usize) -> Result<Vec<Event>, Error> {
        self.events(self.view.stream(stream, after_seq, limit)?)
    }

    /// Returns at most `limit` events of all streams with positions greater than `after_position`,
    /// in order.
    pub fn read_all(&self, after_position: u64, limit: usize) -> Result<Vec<Event>, Error> {
        let after = i64::try_from(after_position).unwrap_or(i64::MAX);
        self.events(self.view.records(after, limit)?)
    }

    /// Returns the end of the chain.
    pub fn head(&self) -> Result<Head, Error> {
        Head::read(&*self.view)
    }

    /// Returns the head of the Merkle tree over all events.
    pub fn tree_head(&self) -> Result<TreeHead, Error> {
        self.tree_head_at(self.head()?.position)
    }

    /// Returns the head that the tree had when it covered `size` events.
    pub fn tree_head_at(&self, size: u64) -> Result<TreeHead, Error> {
        Ok(tree::frontier(&*self.view, size)?.head())
    }

    /// Returns the proof that the event at `position` belongs to the tree of `size` events, for
    /// [`crate::verify_inclusion`] with index `position` − 1; nothing if it does not.
    pub fn prove_inclusion(
        &self,
        position: u64,
        size: u64,
    ) -> Result<Option<Vec<TreeHash>>, Error> {
        if position == 0 || position > size {
            return Ok(None);
        }
        let mut range = |start, end| tree::range(&*self.view, start, end);
        tree::prove_inclusion(position - 1, size, &mut range).map(Some)
    }

    /// Returns the proof that the tree of `size` events continues the one of `old`, for
    /// [`crate::verify_consistency`]; nothing if it is shorter.
    pub fn prove_consistency(&self, old: u64, size: u64) -> Result<Option<Vec<TreeHash>>, Error> {
        if old > size {
            return Ok(None);
        }
        let mut range = |start, end| tree::range(&*self.view, start, end);
        tree::prove_consistency(old, size, &mut range).map(Some)
    }

    /// Returns the heads that the lab has signed in the ledger itself, by size.
    pub fn signed_heads(&self) -> Result<Vec<SignedHead>, Error> {
        self.view.signed_heads()
    }

    /// Whether the last signature is one of the key in force over the events that are there; true if there is none. What
    /// a session goes on from, without reading every event.
    pub(crate) fn last_signature_holds(&self) -> Result<bool, Error> {
        let Some(last) = self.signed_heads()?.last().copied() else {
            return Ok(true);
        };
        let size = last.head.size;
        let holds = last.is_right(self.lab())
            && Keys::read(&*self.view)?.at(size) == Some(last.key)
            && size <= self.head()?.position
            && self.tree_head_at(size)? == last.head;
        Ok(holds)
    }

    /// Signs the ledger as it is now with the lab's key, and returns that as a checkpoint to be kept
    /// elsewhere. Writes nothing, so it works beside a process that writes.
    pub fn checkpoint(&self) -> Result<Checkpoint, Error> {
        let signer = self.signer()?;
        let head = self.tree_head()?;
        Ok(SignedHead::new(self.lab(), head, &signer).checkpoint(self.lab()))
    }

    /// Returns the lab's key, if its secret is here.
    pub(crate) fn signer(&self) -> Result<Signer, Error> {
        let signer = KeyFile::new(&self.directory).load()?;
        let signer = signer.ok_or_else(|| Error::KeyMissing {
            directory: self.directory.clone(),
        })?;
        match self.key()? {
            Some(expected) if expected != signer.public() => Err(Error::OtherKey {
                path: self.directory.join("key"),
                found: signer.public(),
                expected,
            }),
            _ => Ok(signer),
        }
    }

    /// Returns the bytes of a blob after checking that they are the ones it is named by.
    pub fn blob(&self, id: BlobId) -> Result<Vec<u8>, Error> {
        self.blobs.read(id)
    }

    /// Returns the bytes of a blob as [`Reader::blob`], or fails with [`Error::BlobTooLarge`] if they are
    /// more than `bytes_max`: a small file can claim to hold very many.
    pub fn blob_at_most(&self, id: BlobId, bytes_max: u64) -> Result<Vec<u8>, Error> {
        self.blobs.read_at_most(id, bytes_max)
    }

    /// Returns the file that the blob is in, or would be. What it holds is compressed if its name ends
    /// with `zst`.
    pub fn blob_path(&self, id: BlobId) -> PathBuf {
        let absent = || self.directory.join(format!("blobs/{id}"));
        self.blobs.path(id).unwrap_or_else(absent)
    }

    /// Returns how much room the ledger takes now.
    pub fn size_on_disk(&self) -> Result<SizeOnDisk, Error> {
        let mut size = SizeOnDisk {
            events_bytes: self.view.events_bytes(),
            ..SizeOnDisk::default()
        };
        self.blobs.each(&mut |_, bytes| {
            size.blobs += 1;
            size.blobs_bytes += bytes;
            Ok(())
        })?;
        Ok(size)
    }

    // Bodies in blobs are fetched after the query, so that it holds up no checkpoint.
    fn events(&self, records: Vec<Record>) -> Result<Vec<Event>, Error> {
        records
            .into_iter()
            .map(|record| record.into_event(&*self.blobs))
            .collect()
    }
}
