//! The handle through which everything is appended.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use serde::de::IgnoredAny;

use crate::blobs::{self, BlobStore, PutFailure};
use crate::checkpoint::Checkpointer;
use crate::error::Error;
use crate::event::{Event, NewEvent};
use crate::hash::BlobId;
use crate::lock::{Lock, LockHolder};
use crate::options::Options;
use crate::reader::{self, Reader};
use crate::schema;
use crate::writer::{Prepared, REQUESTS_WAITING_MAX, Request, Writer};

/// Bodies longer than this are kept as blobs.
const INLINE_BODY_BYTES_MAX: usize = 4096;

/// The longest body. It is held in memory several times over on its way to the disk and back.
const BODY_BYTES_MAX: usize = 64 << 20;

/// The longest stream name; it is repeated in every row and in the index.
const STREAM_BYTES_MAX: usize = 1024;

/// The longest event kind.
const KIND_BYTES_MAX: usize = 256;

/// A ledger that this process writes to. Clones are handles to the same ledger; when the last is
/// dropped the writer ends and the lab lock is released.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

/// What the handle, the writer and the checkpointer have in common.
#[derive(Debug)]
pub(crate) struct Shared {
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
    blobs: BlobStore,
    requests: Option<SyncSender<Request>>,
    writer: Option<JoinHandle<()>>,
    /// Released after the writer has ended, since `drop` waits for it.
    _lock: Lock,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
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
    /// Opens the ledger in `directory` for writing, making both if they are not there. Whatever a
    /// crash left behind is put in order here: there is no other recovery.
    pub fn open(directory: &Path, options: Options) -> Result<Self, Error> {
        fs::create_dir_all(directory)
            .map_err(|source| Error::io("create directory", directory, source))?;
        let holder = LockHolder::this_process(options.clock.now(), &options.command);
        let lock = Lock::take(directory, &holder)?;
        let connection = schema::open_writer(directory, options.lab)?;
        let blobs = BlobStore::open(directory, lock.is_after_crash())?;
        if let Ok(parent) = directory.join("..").canonicalize() {
            blobs::sync_directory(&parent)?;
        }
        let lab = reader::read_lab(&connection, directory)?;
        schema::lengthen_log(directory)?;
        let shared = Arc::new(Shared {
            directory: directory.to_path_buf(),
            poison: OnceLock::new(),
        });
        let checkpointer = Checkpointer::start(directory, Arc::clone(&shared))?;
        let writer = Writer::new(
            connection,
            checkpointer,
            Arc::clone(&shared),
            options.clock,
            lab,
        )?;
        let (requests, received) = sync_channel(REQUESTS_WAITING_MAX);
        let writer = thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || writer.run(&received))
            .map_err(|_| Error::WriterGone)?;
        let inner = Inner {
            shared,
            blobs,
            requests: Some(requests),
            writer: Some(writer),
            _lock: lock,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Opens the ledger in `directory` for reading, whether or not another process writes to it.
    /// Never makes a ledger.
    pub fn open_read_only(directory: &Path) -> Result<Reader, Error> {
        Reader::open(directory)
    }

    /// Returns a new reader of this ledger.
    pub fn reader(&self) -> Result<Reader, Error> {
        Reader::open(&self.inner.shared.directory)
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
                PutFailure::Harmless(error) => error,
                PutFailure::SyncFailed(error) => Error::Poisoned {
                    cause: shared.poison_with(error),
                },
            })
    }

    fn submit(
        &self,
        stream: &str,
        expected_seq: Option<u64>,
        events: Vec<NewEvent>,
    ) -> Result<Vec<Event>, Error> {
        check_length("stream name", stream, STREAM_BYTES_MAX)?;
        let events = events
            .into_iter()
            .map(|event| self.prepare(event))
            .collect::<Result<Vec<_>, Error>>()?;
        let (reply, answer) = sync_channel(1);
        let request = Request {
            stream: stream.to_owned(),
            expected_seq,
            events,
            reply,
        };
        let requests = self.inner.requests.as_ref().ok_or(Error::WriterGone)?;
        requests.send(request).map_err(|_| Error::WriterGone)?;
        answer.recv().map_err(|_| Error::WriterGone)?
    }

    /// Checks an event and moves a large body to a blob, on the caller's thread.
    fn prepare(&self, event: NewEvent) -> Result<Prepared, Error> {
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
        if let Some(id) = event
            .blobs
            .iter()
            .find(|id| !self.inner.blobs.files().contains(**id))
        {
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
        })
    }
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
