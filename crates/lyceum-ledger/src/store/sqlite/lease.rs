//! Writing: one connection, one transaction a commit, the log moved aside by another.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::{Connection, TransactionBehavior, params};

use super::log::{LogMover, move_log};
use super::schema;
use super::view::SqliteView;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::hash::BlobId;
use crate::lock::{self, Holding, Lock, LockHolder};
use crate::signed::SignedHead;
use crate::store::{Batch, CommitError, Lease, Stored, View};

/// Log length in pages of 4 KiB at which, and after each further which, the log is moved aside.
const MOVE_PAGES: u32 = 1000;

/// Log length at which the writer moves the rest itself, since under constant load the log starts
/// over only when nothing is left in it. Bounds the log at about 16 MiB.
const INLINE_MOVE_PAGES: u32 = 4096;

/// The lease of a directory: the lab lock, and an epoch in the file in case somebody removed the
/// lock's file and took another.
pub(super) struct SqliteLease {
    view: SqliteView,
    log: LogMover,
    log_pages: Arc<AtomicU32>,
    move_at: u32,
    epoch: i64,
    /// Released last.
    lock: Lock,
}

impl SqliteLease {
    pub(super) fn begin(mut view: SqliteView, lock: Lock) -> Result<Self, Error> {
        let path = schema::file(&view.directory);
        let failed = |source| Error::store("take the lease of", &path, source);
        let epoch = raise_epoch(&mut view.connection).map_err(failed)?;
        let log_pages = Arc::new(AtomicU32::new(0));
        let hook_pages = Arc::clone(&log_pages);
        view.connection
            .wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
                hook_pages.store(pages.cast_unsigned(), Ordering::Relaxed);
                Ok(())
            }))
            .map_err(failed)?;
        let log = LogMover::start(&view.directory)?;
        Ok(Self {
            view,
            log,
            log_pages,
            move_at: MOVE_PAGES,
            epoch,
            lock,
        })
    }

    /// Writes into the lock's file who holds it.
    pub(super) fn name(&self, holder: &LockHolder) -> Result<(), Error> {
        let holder = LockHolder {
            epoch: self.epoch(),
            ..holder.clone()
        };
        self.lock.name(&self.view.directory, &holder)
    }

    fn write(&self, batch: &Batch<'_>) -> Result<(), CommitError> {
        let connection = &self.view.connection;
        let failed = |operation| move |source| unknown(operation, &self.view.directory, source);
        connection
            .prepare_cached("BEGIN IMMEDIATE")
            .and_then(|mut begin| begin.execute([]))
            .map_err(failed("begin a transaction in"))?;
        let epoch: i64 = connection
            .prepare_cached("SELECT epoch FROM lease")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(failed("read the lease of"))?;
        if epoch != self.epoch {
            let holder = match lock::holding(&self.view.directory) {
                Ok(Holding::By(holder)) => Some(Box::new(holder)),
                Ok(Holding::Nobody | Holding::ByUnknown) | Err(_) => None,
            };
            return Err(CommitError::Fenced(Error::Fenced {
                epoch: self.epoch(),
                present: epoch.cast_unsigned(),
                holder,
            }));
        }
        insert(connection, batch).map_err(failed("append events to"))?;
        connection
            .prepare_cached("COMMIT")
            .and_then(|mut commit| commit.execute([]))
            .map_err(failed("commit events to"))?;
        Ok(())
    }
}

impl Lease for SqliteLease {
    fn epoch(&self) -> u64 {
        self.epoch.cast_unsigned()
    }

    fn until(&self) -> Option<Timestamp> {
        None
    }

    fn renew(&mut self, _now: Timestamp) -> Result<(), Error> {
        Ok(())
    }

    fn view(&self) -> &dyn View {
        &self.view
    }

    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), CommitError> {
        self.write(batch).map_err(|error| {
            let connection = &self.view.connection;
            // SQLite may have rolled back by itself; what counts is that no transaction is left.
            let _ = connection.execute_batch("ROLLBACK");
            match error {
                CommitError::NotWritten(error) if !connection.is_autocommit() => {
                    CommitError::Unknown(error)
                }
                error => error,
            }
        })
    }

    fn tidy(&mut self) -> Result<(), Error> {
        if let Some(error) = self.log.failure() {
            return Err(error);
        }
        let pages = self.log_pages.load(Ordering::Relaxed);
        if pages < MOVE_PAGES {
            self.move_at = MOVE_PAGES;
        } else if pages >= INLINE_MOVE_PAGES && pages >= self.move_at {
            self.move_at = pages + MOVE_PAGES;
            move_log(&self.view.connection, &self.view.directory)?;
        } else if pages >= self.move_at {
            self.move_at = pages + MOVE_PAGES;
            self.log.wake();
        }
        Ok(())
    }
}

/// Begins a new lease: every older one can commit nothing from now on.
fn raise_epoch(connection: &mut Connection) -> rusqlite::Result<i64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute("UPDATE lease SET epoch = epoch + 1", [])?;
    let epoch = transaction.query_row("SELECT epoch FROM lease", [], |row| row.get(0))?;
    transaction.commit()?;
    Ok(epoch)
}

fn unknown(operation: &'static str, directory: &Path, source: rusqlite::Error) -> CommitError {
    match Error::store(operation, &schema::file(directory), source) {
        error @ Error::DiskFull { .. } => CommitError::NotWritten(error),
        error => CommitError::Unknown(error),
    }
}

fn insert(connection: &Connection, batch: &Batch<'_>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO event \
         (position, stream, seq, at, kind, version, body, body_blob, blobs, hash) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for Stored { event, body_blob } in batch.events {
        statement.execute(params![
            event.position as i64,
            event.stream,
            event.seq as i64,
            event.at.unix_ms(),
            event.kind,
            event.version,
            body_blob.is_none().then_some(&event.body),
            body_blob.as_ref().map(BlobId::as_bytes),
            joined(&event.blobs),
            event.hash.as_bytes(),
        ])?;
    }
    for subtree in batch.subtrees {
        schema::keep_subtree(connection, subtree)?;
    }
    if let Some(size) = batch.replaced {
        connection
            .prepare_cached("DELETE FROM head WHERE size = ?1")?
            .execute([size as i64])?;
    }
    for SignedHead {
        head,
        key,
        signature,
    } in batch.heads
    {
        // A head of the same size says the same again, unless the key has been changed since.
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO head (size, root, key, signature) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                head.size as i64,
                head.root.as_bytes(),
                key.as_bytes(),
                signature.as_bytes(),
            ])?;
    }
    Ok(())
}

/// Returns blob names as the table keeps them: 32 bytes each, nothing if there are none.
fn joined(blobs: &[BlobId]) -> Option<Vec<u8>> {
    (!blobs.is_empty()).then(|| blobs.iter().flat_map(|blob| *blob.as_bytes()).collect())
}
