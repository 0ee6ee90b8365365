//! Taking a bundle in, once it has been checked whole.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Seek as _};
use std::path::{Path, PathBuf};

use super::check::Checker;
use super::place::Place;
use super::provenance::{self, Provenance};
use super::walk::{Visitor, walk};
use super::{BundleError, EVENTS_PER_FILE, Manifest, changed};
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::error::Error;
use crate::event::NewEvent;
use crate::hash::{BlobId, Hash, LabId, PublicKey, TreeHash};
use crate::ledger::Ledger;
use crate::lock::LockHolder;
use crate::signed::{Checkpoint, SignedHead};
use crate::store::{
    Batch, Blobs, CommitError, Identity, Lease, PutError, Record, RecordBody, SqliteStore, Store,
    Stored, decompress, open_regular,
};
use crate::tree::{Frontier, Subtree};

/// A bundle that has been found to be as its lab signed it.
#[derive(Debug)]
pub struct Bundle {
    path: PathBuf,
    file: File,
    manifest: Manifest,
    checkpoint: Checkpoint,
}

/// What was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Events.
    pub events: u64,
    /// Blobs.
    pub blobs: u64,
}

/// One event of a bundle that is not yet taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered<'a> {
    /// Its stream, as the bundle names it.
    pub stream: &'a str,
    /// Its number in the stream, from 1.
    pub seq: u64,
    /// When it happened, in Unix milliseconds.
    pub at_unix_ms: i64,
    /// What happened.
    pub kind: &'a str,
    /// The version of the body's shape.
    pub version: u32,
    /// Its body.
    pub body: &'a str,
}

impl Bundle {
    /// Opens a bundle and checks it whole. Takes nothing from it.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        let failed = |source| BundleError::Io {
            operation: "open",
            path: path.to_path_buf(),
            source,
        };
        // A link to a bundle is one; a pipe, which may wait for ever, is none.
        let plain = path.canonicalize().map_err(failed)?;
        let file = open_regular(&plain).map_err(failed)?;
        let mut checker = Checker::default();
        walk(BufReader::new(&file), &mut checker).map_err(|error| at(path, error))?;
        let (Some(manifest), Some(checkpoint)) = (checker.manifest, checker.checkpoint) else {
            return Err(changed("it has no beginning"));
        };
        Ok(Self {
            path: path.to_path_buf(),
            file,
            manifest,
            checkpoint,
        })
    }

    /// Returns the lab that it comes from.
    pub fn lab(&self) -> LabId {
        self.manifest.lab
    }

    /// Returns the key that signed it. Whether that is the lab's own, only who knows the lab can say.
    pub fn key(&self) -> PublicKey {
        self.manifest.key
    }

    /// Returns the one stream that it holds; nothing if it holds a whole lab.
    pub fn stream(&self) -> Option<&str> {
        self.manifest.stream.as_deref()
    }

    /// Returns how many events it holds.
    pub fn events(&self) -> u64 {
        self.manifest.events
    }

    /// Returns what the lab signed when the bundle was written.
    pub fn checkpoint(&self) -> Checkpoint {
        self.checkpoint
    }

    /// Calls `each` with every event before anything is taken, those with long bodies after the others; what it
    /// refuses ends the reading with [`BundleError::Changed`].
    pub fn events_before_import(
        &mut self,
        each: &mut dyn FnMut(Offered<'_>) -> Result<(), String>,
    ) -> Result<(), BundleError> {
        let mut offer = Offer {
            each,
            later: HashMap::new(),
        };
        self.walk(&mut offer)
    }

    /// Makes a ledger with exactly the events and signatures of a whole lab, or nothing. The lab's key is not
    /// in a bundle: it may be in `directory` already, alone; without it what is appended here later is unsigned.
    pub fn import_lab(mut self, directory: &Path) -> Result<Imported, BundleError> {
        if self.stream().is_some() {
            let (found, expected) = ("one study", "a whole lab");
            return Err(BundleError::OtherContents { found, expected });
        }
        let place = Place::new(directory)?;
        let store = SqliteStore::new(&place.unfinished);
        let identity = Identity {
            lab: self.manifest.lab,
            key: self.manifest.made_with,
        };
        let holder = LockHolder::this_process(SystemClock.now(), "import");
        let mut whole = WholeLab {
            lease: store.acquire(&holder, &mut || Ok(identity))?,
            blobs: store.blobs(),
            identity,
            last: None,
            tree: Frontier::default(),
            heads: Vec::new(),
            events: Vec::new(),
            subtrees: Vec::new(),
        };
        self.walk(&mut whole)?;
        drop(whole);
        place.finish(self.manifest.key)?;
        Ok(self.imported())
    }

    /// Adds the bundle's stream to a ledger under the name `stream`, which must be free. Its events keep
    /// their numbers and times; where they come from is recorded with the proof, so that
    /// [`crate::Reader::verify`] checks them against their own lab's signature ever after.
    pub fn import_stream(mut self, ledger: &Ledger, stream: &str) -> Result<Imported, BundleError> {
        if self.stream().is_none() {
            let (found, expected) = ("a whole lab", "one study");
            return Err(BundleError::OtherContents { found, expected });
        }
        let mut one = OneStream {
            ledger,
            provenance: Provenance::new(&self.checkpoint),
            records: Vec::new(),
            put: Vec::new(),
        };
        let taken = self
            .walk(&mut one)
            .and_then(|()| one.append(&self.manifest, stream));
        let is_in_doubt = |error: &BundleError| {
            matches!(
                error,
                BundleError::Ledger(Error::Unconfirmed { .. } | Error::Poisoned { .. })
            )
        };
        // Everything or nothing. What may have been written keeps its blobs; `gc` removes them if it was not.
        if taken.as_ref().is_err_and(|error| !is_in_doubt(error)) {
            for id in &one.put {
                let _ = ledger.blobs().remove(*id);
            }
        }
        taken.map(|()| self.imported())
    }

    fn imported(&self) -> Imported {
        Imported {
            events: self.manifest.events,
            blobs: self.manifest.blobs,
        }
    }

    /// Goes through the bundle again, for what was checked before.
    fn walk(&mut self, visitor: &mut dyn Visitor) -> Result<(), BundleError> {
        self.file.rewind().map_err(|source| BundleError::Io {
            operation: "read",
            path: self.path.clone(),
            source,
        })?;
        // It is checked again on the way, since someone may have written to the file meanwhile.
        let mut both = Both {
            checker: Checker::default(),
            visitor,
        };
        walk(BufReader::new(&self.file), &mut both).map_err(|error| at(&self.path, error))
    }
}

/// Names the file in an error that could not.
fn at(path: &Path, error: BundleError) -> BundleError {
    match error {
        BundleError::Io {
            operation, source, ..
        } => BundleError::Io {
            operation,
            path: path.to_path_buf(),
            source,
        },
        error => error,
    }
}

/// Hands everything to a checker first.
struct Both<'a> {
    checker: Checker,
    visitor: &'a mut dyn Visitor,
}

impl Visitor for Both<'_> {
    fn begin(&mut self, manifest: &Manifest, checkpoint: &Checkpoint) -> Result<(), BundleError> {
        self.checker.begin(manifest, checkpoint)?;
        self.visitor.begin(manifest, checkpoint)
    }

    fn head(&mut self, head: SignedHead) -> Result<(), BundleError> {
        self.checker.head(head)?;
        self.visitor.head(head)
    }

    fn event(&mut self, record: Record, previous: Option<Hash>) -> Result<(), BundleError> {
        self.checker.event(record.clone(), previous)?;
        self.visitor.event(record, previous)
    }

    fn proof(&mut self, hashes: Vec<TreeHash>) -> Result<(), BundleError> {
        self.checker.proof(hashes.clone())?;
        self.visitor.proof(hashes)
    }

    fn blob(&mut self, id: BlobId, compressed: &[u8]) -> Result<(), BundleError> {
        self.checker.blob(id, compressed)?;
        self.visitor.blob(id, compressed)
    }

    fn end(&mut self) -> Result<(), BundleError> {
        self.checker.end()?;
        self.visitor.end()
    }
}

fn plain(compressed: &[u8]) -> Result<Vec<u8>, BundleError> {
    let mut bytes = Vec::new();
    decompress(compressed, &mut |piece| bytes.extend_from_slice(piece))
        .map_err(|_| changed("a blob cannot be decompressed"))?;
    Ok(bytes)
}

/// A ledger that is being made from a bundle.
struct WholeLab {
    lease: Box<dyn Lease>,
    blobs: std::sync::Arc<dyn Blobs>,
    identity: Identity,
    /// The head that the bundle was signed with: the last events may have no other signature.
    last: Option<SignedHead>,
    tree: Frontier,
    heads: Vec<SignedHead>,
    events: Vec<Stored>,
    subtrees: Vec<Subtree>,
}

impl WholeLab {
    fn commit(&mut self) -> Result<(), BundleError> {
        let batch = Batch {
            events: &self.events,
            subtrees: &self.subtrees,
            heads: &self.heads,
            replaced: None,
        };
        self.lease.commit(&batch).map_err(|error| match error {
            CommitError::NotWritten(error)
            | CommitError::Fenced(error)
            | CommitError::Unknown(error) => BundleError::Ledger(error),
        })?;
        self.lease.tidy()?;
        self.events.clear();
        self.subtrees.clear();
        self.heads.clear();
        Ok(())
    }
}

impl Visitor for WholeLab {
    fn begin(&mut self, manifest: &Manifest, checkpoint: &Checkpoint) -> Result<(), BundleError> {
        let (lab, key) = (manifest.lab, manifest.made_with);
        if (Identity { lab, key }) != self.identity {
            return Err(changed("it was replaced while it was read"));
        }
        self.last = Some(SignedHead {
            head: checkpoint.head,
            key: manifest.key,
            signature: checkpoint.signature,
        });
        Ok(())
    }

    fn head(&mut self, head: SignedHead) -> Result<(), BundleError> {
        self.heads.push(head);
        Ok(())
    }

    fn event(&mut self, record: Record, _previous: Option<Hash>) -> Result<(), BundleError> {
        let (body, body_blob) = match &record.body {
            RecordBody::Inline(text) => (text.clone(), None),
            // The body itself comes with the blobs.
            RecordBody::Blob(id) => (String::new(), Some(*id)),
        };
        self.tree
            .push(record.hash, |subtree| self.subtrees.push(subtree));
        self.events.push(Stored {
            event: crate::event::Event {
                position: record.position.cast_unsigned(),
                stream: record.stream,
                seq: record.seq.cast_unsigned(),
                at: Timestamp::from_unix_ms(record.at),
                kind: record.kind,
                version: record.version as u32,
                body,
                blobs: record.blobs,
                hash: record.hash,
            },
            body_blob,
        });
        if self.events.len() >= EVENTS_PER_FILE {
            self.commit()?;
        }
        Ok(())
    }

    fn proof(&mut self, _hashes: Vec<TreeHash>) -> Result<(), BundleError> {
        Ok(())
    }

    fn blob(&mut self, _id: BlobId, compressed: &[u8]) -> Result<(), BundleError> {
        match self.blobs.put(&plain(compressed)?) {
            Ok(_) => Ok(()),
            Err(PutError::Harmless(error) | PutError::SyncFailed(error)) => Err(error.into()),
        }
    }

    fn end(&mut self) -> Result<(), BundleError> {
        self.heads.extend(self.last);
        self.commit()
    }
}

/// Hands out every event once its body is there.
struct Offer<'a> {
    each: &'a mut dyn FnMut(Offered<'_>) -> Result<(), String>,
    /// Events whose bodies come with the blobs.
    later: HashMap<BlobId, Vec<Record>>,
}

impl Offer<'_> {
    fn offer(&mut self, record: &Record, body: &str) -> Result<(), BundleError> {
        let offered = Offered {
            stream: &record.stream,
            seq: record.seq.cast_unsigned(),
            at_unix_ms: record.at,
            kind: &record.kind,
            version: record.version as u32,
            body,
        };
        (self.each)(offered).map_err(|what| changed(format!("event {}: {what}", record.position)))
    }
}

impl Visitor for Offer<'_> {
    fn begin(&mut self, _manifest: &Manifest, _: &Checkpoint) -> Result<(), BundleError> {
        Ok(())
    }

    fn head(&mut self, _head: SignedHead) -> Result<(), BundleError> {
        Ok(())
    }

    fn event(&mut self, record: Record, _previous: Option<Hash>) -> Result<(), BundleError> {
        match &record.body {
            RecordBody::Inline(text) => self.offer(&record, text),
            RecordBody::Blob(id) => {
                self.later.entry(*id).or_default().push(record);
                Ok(())
            }
        }
    }

    fn proof(&mut self, _hashes: Vec<TreeHash>) -> Result<(), BundleError> {
        Ok(())
    }

    fn blob(&mut self, id: BlobId, compressed: &[u8]) -> Result<(), BundleError> {
        let Some(records) = self.later.remove(&id) else {
            return Ok(());
        };
        let body = String::from_utf8(plain(compressed)?)
            .map_err(|_| changed("the body of an event is not text"))?;
        records
            .iter()
            .try_for_each(|record| self.offer(record, &body))
    }

    fn end(&mut self) -> Result<(), BundleError> {
        Ok(())
    }
}

/// A stream that is being added to a ledger.
struct OneStream<'a> {
    ledger: &'a Ledger,
    provenance: Provenance,
    records: Vec<Record>,
    /// Blobs that were not there before.
    put: Vec<BlobId>,
}

impl OneStream<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<BlobId, BundleError> {
        let id = BlobId::of(bytes);
        if !self.ledger.blobs().contains(id) {
            self.put.push(id);
        }
        Ok(self.ledger.put_blob(bytes)?)
    }

    /// Appends what was gathered, once all blobs are there.
    fn append(&mut self, manifest: &Manifest, stream: &str) -> Result<(), BundleError> {
        let provenance = self.provenance.to_json()?;
        let proof = self.put(&provenance)?;
        let record = provenance::event(manifest, stream, proof)?;
        let mut events = Vec::with_capacity(self.records.len());
        for record in self.records.drain(..) {
            let body = match record.body {
                RecordBody::Inline(text) => text,
                RecordBody::Blob(id) => String::from_utf8(self.ledger.blobs().read(id)?)
                    .map_err(|_| changed("the body of an event is not text"))?,
            };
            let event = NewEvent::new(record.kind, record.version as u32, body);
            let at = Timestamp::from_unix_ms(record.at);
            events.push((event.with_blobs(record.blobs), Some(at)));
        }
        let events = self.ledger.part(stream, Some(0), events.into_iter())?;
        let record = std::iter::once((record, None));
        let record = self.ledger.part(provenance::STREAM, None, record)?;
        self.ledger.append_parts(vec![record, events])?;
        Ok(())
    }
}

impl Visitor for OneStream<'_> {
    fn begin(&mut self, _manifest: &Manifest, checkpoint: &Checkpoint) -> Result<(), BundleError> {
        self.provenance = Provenance::new(checkpoint);
        Ok(())
    }

    fn head(&mut self, _head: SignedHead) -> Result<(), BundleError> {
        Ok(())
    }

    fn event(&mut self, record: Record, previous: Option<Hash>) -> Result<(), BundleError> {
        let previous = previous.ok_or_else(|| changed("an event has no hash before it"))?;
        self.provenance
            .event(record.position.cast_unsigned(), previous);
        self.records.push(record);
        Ok(())
    }

    fn proof(&mut self, hashes: Vec<TreeHash>) -> Result<(), BundleError> {
        self.provenance.proof(hashes);
        Ok(())
    }

    fn blob(&mut self, _id: BlobId, compressed: &[u8]) -> Result<(), BundleError> {
        let bytes = plain(compressed)?;
        self.put(&bytes).map(drop)
    }

    fn end(&mut self) -> Result<(), BundleError> {
        Ok(())
    }
}
