//! The writer thread: the only place where events are appended.
//!
//! Invariants:
//! - An append is answered `Ok` only after the commit that contains it has been synced.
//! - `head` and `streams` describe what is committed, except inside `write`; a batch that is rolled
//!   back resets both.
//! - Once the ledger is poisoned no statement that writes is executed any more.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};

use rusqlite::{Connection, params};

use crate::chain::{self, Link};
use crate::checkpoint::{self, Checkpointer};
use crate::clock::Clock;
use crate::error::Error;
use crate::event::{Event, Head, NewEvent};
use crate::hash::{BlobId, LabId};
use crate::ledger::Shared;
use crate::reader;
use crate::schema;

/// Appends that wait for the writer before more callers have to wait to hand theirs in.
pub(crate) const REQUESTS_WAITING_MAX: usize = 1024;

/// Events after which a commit takes in no further append: bounds latency and memory.
const EVENTS_PER_COMMIT_MAX: usize = 8192;

/// Streams whose last sequence number is kept at hand; more, and all are looked up anew.
const STREAMS_REMEMBERED_MAX: usize = 4096;

/// Log length in pages of 4 KiB at which, and after each further which, the log is moved aside.
const CHECKPOINT_PAGES: u32 = 1000;

/// Log length at which the writer moves the rest itself, since under constant load the log starts
/// over only when nothing is left in it. Bounds the log at about 16 MiB.
const INLINE_CHECKPOINT_PAGES: u32 = 4096;

/// One caller's append.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) stream: String,
    pub(crate) expected_seq: Option<u64>,
    pub(crate) events: Vec<Prepared>,
    pub(crate) reply: SyncSender<Result<Vec<Event>, Error>>,
}

/// An event that has been checked and whose body, if large, is in a blob already.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) event: NewEvent,
    pub(crate) body: BlobId,
    pub(crate) is_body_in_blob: bool,
}

type Outcome = Result<Vec<Event>, Error>;

pub(crate) struct Writer {
    connection: Connection,
    checkpointer: Checkpointer,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    lab: LabId,
    head: Head,
    streams: HashMap<String, u64>,
    log_pages: Arc<AtomicU32>,
    checkpoint_at: u32,
    scratch: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(
        connection: Connection,
        checkpointer: Checkpointer,
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        lab: LabId,
    ) -> Result<Self, Error> {
        let failed =
            |source| Error::store("read the head of", &schema::file(&shared.directory), source);
        let head = reader::read_head(&connection, lab).map_err(failed)?;
        let log_pages = Arc::new(AtomicU32::new(0));
        let hook_pages = Arc::clone(&log_pages);
        let mut connection = connection;
        connection
            .wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
                hook_pages.store(pages.cast_unsigned(), Ordering::Relaxed);
                Ok(())
            }))
            .map_err(failed)?;
        Ok(Self {
            connection,
            checkpointer,
            shared,
            clock,
            lab,
            head,
            streams: HashMap::new(),
            log_pages,
            checkpoint_at: CHECKPOINT_PAGES,
            scratch: Vec::new(),
        })
    }

    /// Serves appends until every handle is gone.
    pub(crate) fn run(mut self, requests: &Receiver<Request>) {
        while let Ok(first) = requests.recv() {
            let mut events = first.events.len();
            let mut batch = vec![first];
            while events < EVENTS_PER_COMMIT_MAX && batch.len() < REQUESTS_WAITING_MAX {
                let Ok(next) = requests.try_recv() else { break };
                events += next.events.len();
                batch.push(next);
            }
            self.serve(batch);
        }
    }

    /// Commits a batch and answers each of its callers.
    fn serve(&mut self, mut batch: Vec<Request>) {
        if let Some(cause) = self.shared.poison() {
            for request in batch {
                answer(
                    &request.reply,
                    Err(Error::Poisoned {
                        cause: Arc::clone(&cause),
                    }),
                );
            }
            return;
        }
        let replies: Vec<_> = batch.iter().map(|request| request.reply.clone()).collect();
        match self.write(&mut batch) {
            Ok(outcomes) => {
                for (reply, outcome) in replies.iter().zip(outcomes) {
                    answer(reply, outcome);
                }
                self.checkpoint_if_due();
            }
            Err(error) => self.give_up(error, &replies),
        }
    }

    /// Writes a batch in one transaction. An append whose expectation fails is left out of it.
    fn write(&mut self, batch: &mut Vec<Request>) -> Result<Vec<Outcome>, Error> {
        let failed = |operation, shared: &Shared, source| {
            Error::store(operation, &schema::file(&shared.directory), source)
        };
        self.connection
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(|source| failed("begin a transaction in", &self.shared, source))?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for request in batch.drain(..) {
            let outcome = self
                .insert(request)
                .map_err(|source| failed("append events to", &self.shared, source))?;
            outcomes.push(outcome);
        }
        self.connection
            .execute_batch("COMMIT")
            .map_err(|source| failed("commit events to", &self.shared, source))?;
        Ok(outcomes)
    }

    fn insert(&mut self, request: Request) -> rusqlite::Result<Outcome> {
        let found = self.last_seq(&request.stream)?;
        if let Some(expected) = request.expected_seq
            && expected != found
        {
            return Ok(Err(Error::Conflict {
                stream: request.stream,
                expected,
                found,
            }));
        }
        let at = self.clock.now();
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO event \
             (position, stream, seq, at, kind, version, body, body_blob, blobs, hash) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?;
        let mut written = Vec::with_capacity(request.events.len());
        let mut head = self.head;
        for (prepared, seq) in request.events.into_iter().zip(found + 1..) {
            let Prepared {
                event,
                body,
                is_body_in_blob,
            } = prepared;
            head.position += 1;
            let link = Link {
                position: head.position,
                stream: &request.stream,
                seq,
                at_unix_ms: at.unix_ms(),
                kind: &event.kind,
                version: event.version,
                body,
                blobs: &event.blobs,
            };
            head.hash = chain::hash(head.hash, &link, &mut self.scratch);
            statement.execute(params![
                head.position as i64,
                request.stream,
                seq as i64,
                at.unix_ms(),
                event.kind,
                event.version,
                (!is_body_in_blob).then_some(&event.body),
                is_body_in_blob.then_some(body.as_bytes()),
                joined(&event.blobs),
                head.hash.as_bytes(),
            ])?;
            written.push(Event {
                position: head.position,
                stream: request.stream.clone(),
                seq,
                at,
                kind: event.kind,
                version: event.version,
                body: event.body,
                blobs: event.blobs,
                hash: head.hash,
            });
        }
        self.head = head;
        let last = found + written.len() as u64;
        self.streams.insert(request.stream, last);
        Ok(Ok(written))
    }

    fn last_seq(&mut self, stream: &str) -> rusqlite::Result<u64> {
        if let Some(seq) = self.streams.get(stream) {
            return Ok(*seq);
        }
        if self.streams.len() >= STREAMS_REMEMBERED_MAX {
            self.streams.clear();
        }
        self.connection
            .prepare_cached("SELECT coalesce(max(seq), 0) FROM event WHERE stream = ?1")?
            .query_row([stream], |row| row.get::<_, i64>(0))
            .map(i64::cast_unsigned)
    }

    /// Rolls a failed batch back and tells its callers. Anything but a full disk ends all writing.
    fn give_up(&mut self, error: Error, replies: &[SyncSender<Outcome>]) {
        // SQLite may have rolled back by itself; what counts is that no transaction is left.
        let _ = self.connection.execute_batch("ROLLBACK");
        self.streams.clear();
        let restored = reader::read_head(&self.connection, self.lab);
        if let (Error::DiskFull { directory }, true, Ok(head)) =
            (&error, self.connection.is_autocommit(), restored)
        {
            self.head = head;
            for reply in replies {
                answer(
                    reply,
                    Err(Error::DiskFull {
                        directory: directory.clone(),
                    }),
                );
            }
            return;
        }
        let cause = self.shared.poison_with(error);
        for reply in replies {
            answer(
                reply,
                Err(Error::Unconfirmed {
                    cause: Arc::clone(&cause),
                }),
            );
        }
    }

    fn checkpoint_if_due(&mut self) {
        let pages = self.log_pages.load(Ordering::Relaxed);
        if pages < CHECKPOINT_PAGES {
            self.checkpoint_at = CHECKPOINT_PAGES;
        } else if pages >= INLINE_CHECKPOINT_PAGES && pages >= self.checkpoint_at {
            self.checkpoint_at = pages + CHECKPOINT_PAGES;
            if let Err(error) = checkpoint::checkpoint(&self.connection, &self.shared.directory) {
                self.shared.poison_with(error);
            }
        } else if pages >= self.checkpoint_at {
            self.checkpoint_at = pages + CHECKPOINT_PAGES;
            self.checkpointer.wake();
        }
    }
}

/// Answers a caller. One that no longer listens has been killed with its thread.
fn answer(reply: &SyncSender<Outcome>, outcome: Outcome) {
    let _ = reply.try_send(outcome);
}

/// Returns blob names as the table keeps them: 32 bytes each, nothing if there are none.
fn joined(blobs: &[BlobId]) -> Option<Vec<u8>> {
    (!blobs.is_empty()).then(|| blobs.iter().flat_map(|blob| *blob.as_bytes()).collect())
}
