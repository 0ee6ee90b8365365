//! The handle through which everything is appended.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use serde::de::IgnoredAny;

use crate::bundle;
use crate::clock::{Clock, Timestamp};
use crate::error::Error;
use crate::event::{Event, NewEvent};
use crate::hash::{BlobId, LabId, PublicKey};
use crate::keys::{self, Keys};
use crate::lock::{Holding, LockHolder};
use crate::options::Options;
use crate::random::Entropy;
use crate::reader::Reader;
use crate::signed::{Checkpoint, KeyFile, Signer};
use crate::store::{Blobs, Identity, Lease, PutError, SqliteStore, Store};
use crate::turn::Turn;
use crate::unsigned::{self, Unsigned};
use crate::writer::{Append, Part, Prepared, Request, Writer};

/// Bodies longer than this are kept as blobs.
const INLINE_BODY_BYTES_MAX: usize = 4096;

/// The longest body. It is held in memory several times over on its way to the disk and back.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 20;

/// The longest stream name; it is repeated in every row and in the index.
pub(crate) const STREAM_BYTES_MAX: usize = 1024;

/// The longest event kind.
pub(crate) const KIND_BYTES_MAX: usize = 256;

/// A ledger that this process writes to. Clones are handles to the same ledger; when the last is
/// dropped the writer ends and the lab lock is released.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

/// What the handle and the writer have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Where the ledger is, for messages.
    pub(crate) directory: PathBuf,
    poison: OnceLock<Arc<Error>>,
}

impl Shared {
    /// Returns why nothing may be written any more, if that is so.
    pub(crate) fn poison(&self) -> Option<Arc<Error>> {
        self.poison.get().cloned()
    }

    /// Ends all writing because of `error`, unless it has ended already. Returns the first cause.
    pub(crate) fn poison_with(&self, error: Error) -> Arc<Error> {
        Arc::clone(self.poison.get_or_init(|| Arc::new(error)))
    }
}

struct Inner {
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    blobs: Arc<dyn Blobs>,
    lab: LabId,
    key_file: Option<KeyFile>,
    signs: bool,
    found_unsigned: Option<Unsigned>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    turn: Arc<Turn>,
    /// Releases the lease when it ends.
    thread: Option<JoinHandle<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.turn.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = &self.inner.shared;
        formatter
            .debug_struct("Ledger")
            .field("directory", &shared.directory)
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens the ledger in `directory` for writing, making both, and the lab's key, if they are not
    /// there. Whatever a crash left behind is put in order here: there is no other recovery.
    pub fn open(directory: &Path, options: Options) -> Result<Self, Error> {
        fs::create_dir_all(directory)
            .map_err(|source| Error::io("create directory", directory, source))?;
        let store = Arc::new(SqliteStore::new(directory));
        let key_file = KeyFile::new(directory);
        let holder = LockHolder::this_process(options.clock.now(), &options.command);
        let entropy = Arc::clone(&options.entropy);
        let lease = store.acquire(&holder, &mut || {
            let signer = key_file.first(&*entropy)?;
            Ok(identity(&options, &signer))
        })?;
        let signer = match Keys::read(lease.view())?.in_force() {
            Some(key) => key_file.settle(key)?,
            // Made by version 1, which knew no keys.
            None => Some(key_file.load_or_make(&*entropy)?),
        };
        Self::start(store, lease, signer, Some(key_file), directory, options)
    }

    /// Opens the ledger of another store for writing. `signer` is its key; without one nothing is
    /// signed.
    pub fn open_store(
        store: Arc<dyn Store>,
        signer: Option<Signer>,
        options: Options,
    ) -> Result<Self, Error> {
        let holder = LockHolder::this_process(options.clock.now(), &options.command);
        let lease = store.acquire(&holder, &mut || {
            let key = signer.as_ref().map(Signer::public);
            let lab = options.lab.unwrap_or_else(|| random_lab(&*options.entropy));
            Ok(Identity { lab, key })
        })?;
        Self::start(store, lease, signer, None, Path::new("memory"), options)
    }

    fn start(
        store: Arc<dyn Store>,
        lease: Box<dyn Lease>,
        signer: Option<Signer>,
        key_file: Option<KeyFile>,
        directory: &Path,
        options: Options,
    ) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            directory: directory.to_path_buf(),
            poison: OnceLock::new(),
        });
        let lab = lease.view().identity()?.lab;
        let reader = Reader::of(&*store, directory)?;
        if !reader.last_signature_holds()?
            && let Some(fault) = reader.verify()?.fault
        {
            return Err(Error::NotIntact {
                directory: directory.to_path_buf(),
                fault: Box::new(fault),
            });
        }
        let signs = signer.is_some();
        let writer = Writer::new(
            lease,
            Arc::clone(&shared),
            Arc::clone(&options.clock),
            signer,
        )?;
        let found_unsigned = writer.found_unsigned();
        let (turn, thread) = Turn::start(writer)?;
        let inner = Inner {
            shared,
            blobs: store.blobs(),
            store,
            lab,
            key_file,
            signs,
            found_unsigned,
            clock: options.clock,
            entropy: options.entropy,
            turn,
            thread: Some(thread),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Returns who has the ledger in `directory` open for writing now.
    pub fn holding(directory: &Path) -> Result<Holding, Error> {
        SqliteStore::new(directory).holding()
    }

    /// Opens the ledger in `directory` for reading, whether or not another process writes to it.
    /// Never makes a ledger.
    pub fn open_read_only(directory: &Path) -> Result<Reader, Error> {
        Reader::open(directory)
    }

    /// Whether the lab's key is here, so that what is appended is signed.
    pub fn signs(&self) -> bool {
        self.inner.signs
    }

    /// Returns the present instant by the clock that gives events their times.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Fills `bytes` from the source that the ledger's own randomness comes from.
    pub fn draw(&self, bytes: &mut [u8]) {
        self.inner.entropy.fill(bytes);
    }

    /// Events that this opening found without a signature, which it has recorded and signed as they are.
    pub fn found_unsigned(&self) -> Option<Unsigned> {
        self.inner.found_unsigned
    }

    /// Returns a new reader of this ledger.
    pub fn reader(&self) -> Result<Reader, Error> {
        Reader::of(&*self.inner.store, &self.inner.shared.directory)
    }

    /// Appends the events to the stream, all of them or none, and returns them as they stand in the
    /// ledger once they are on the disk.
    pub fn append(&self, stream: &str, events: Vec<NewEvent>) -> Result<Vec<Event>, Error> {
        self.submit(stream, None, events)
    }

    /// Appends like [`Ledger::append`] if the last sequence number of the stream is `expected_seq`
    /// (0 for a stream that is not there); otherwise fails with [`Error::Conflict`].
    pub fn append_expecting(
        &self,
        stream: &str,
        expected_seq: u64,
        events: Vec<NewEvent>,
    ) -> Result<Vec<Event>, Error> {
        self.submit(stream, Some(expected_seq), events)
    }

    /// Keeps the bytes and returns their name once they are on the disk. Keeping the same bytes
    /// again changes nothing.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<BlobId, Error> {
        let shared = &self.inner.shared;
        if let Some(cause) = shared.poison() {
            return Err(Error::Poisoned { cause });
        }
        self.inner
            .blobs
            .put(bytes)
            .map_err(|failure| match failure {
                PutError::Harmless(error) => error,
                PutError::SyncFailed(error) => Error::Poisoned {
                    cause: shared.poison_with(error),
                },
            })
    }

    /// Signs the ledger as it is now, and returns that as a checkpoint to be kept elsewhere.
    pub fn checkpoint(&self) -> Result<Checkpoint, Error> {
        let signed = self.inner.turn.ask(Request::Sign)??;
        Ok(signed.checkpoint(self.inner.lab))
    }

    /// Gives the lab a new key, which the present one signs. Returns the new public key.
    pub fn change_key(&self) -> Result<PublicKey, Error> {
        let next = Signer::new(&*self.inner.entropy);
        if let Some(file) = &self.inner.key_file {
            file.propose(&next)?;
        }
        let key = self
            .inner
            .turn
            .ask(|reply| Request::ChangeKey(next, reply))??;
        if let Some(file) = &self.inner.key_file {
            file.settle(key)?;
        }
        Ok(key)
    }

    fn submit(
        &self,
        stream: &str,
        expected_seq: Option<u64>,
        events: Vec<NewEvent>,
    ) -> Result<Vec<Event>, Error> {
        if [keys::STREAM, bundle::IMPORT_STREAM, unsigned::STREAM].contains(&stream) {
            let stream = stream.to_owned();
            return Err(Error::ReservedStream { stream });
        }
        let part = self.part(
            stream,
            expected_seq,
            events.into_iter().map(|event| (event, None)),
        )?;
        self.append_parts(vec![part])
    }

    /// Checks the events that an append adds to one stream. An event that has a time keeps it.
    pub(crate) fn part(
        &self,
        stream: &str,
        expected_seq: Option<u64>,
        events: impl Iterator<Item = (NewEvent, Option<Timestamp>)>,
    ) -> Result<Part, Error> {
        check_length("stream name", stream, STREAM_BYTES_MAX)?;
        Ok(Part {
            stream: stream.to_owned(),
            expected_seq,
            events: events
                .map(|(event, at)| self.prepare(event, at))
                .collect::<Result<_, Error>>()?,
        })
    }

    /// Appends to several streams at once: everything or nothing.
    pub(crate) fn append_parts(&self, parts: Vec<Part>) -> Result<Vec<Event>, Error> {
        let request = |reply| Request::Append(Append { parts, reply });
        self.inner.turn.ask(request)?
    }

    /// Returns where the blobs are.
    pub(crate) fn blobs(&self) -> &dyn Blobs {
        &*self.inner.blobs
    }

    /// Checks an event and moves a large body to a blob, on the caller's thread.
    fn prepare(&self, event: NewEvent, at: Option<Timestamp>) -> Result<Prepared, Error> {
        check_length("event kind", &event.kind, KIND_BYTES_MAX)?;
        let found = event.body.len();
        if found > BODY_BYTES_MAX {
            let (kind, allowed) = (event.kind, BODY_BYTES_MAX);
            return Err(Error::BodyTooLarge {
                kind,
                found,
                allowed,
            });
        }
        if let Err(source) = serde_json::from_str::<IgnoredAny>(&event.body) {
            return Err(Error::BodyNotJson {
                kind: event.kind,
                source,
            });
        }
        let blobs = self.blobs();
        if let Some(id) = event.blobs.iter().find(|id| !blobs.contains(**id)) {
            return Err(Error::BlobMissing { id: *id });
        }
        let is_body_in_blob = found > INLINE_BODY_BYTES_MAX;
        let body = if is_body_in_blob {
            self.put_blob(event.body.as_bytes())?
        } else {
            BlobId::of(event.body.as_bytes())
        };
        Ok(Prepared {
            event,
            body,
            is_body_in_blob,
            at,
        })
    }
}

fn identity(options: &Options, signer: &Signer) -> Identity {
    Identity {
        lab: options.lab.unwrap_or_else(|| random_lab(&*options.entropy)),
        key: Some(signer.public()),
    }
}

fn random_lab(entropy: &dyn Entropy) -> LabId {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    LabId::from_bytes(bytes)
}

fn check_length(what: &'static str, text: &str, allowed: usize) -> Result<(), Error> {
    let found = text.len();
    if (1..=allowed).contains(&found) {
        Ok(())
    } else {
        Err(Error::NameLength {
            what,
            found,
            allowed,
        })
    }
}
