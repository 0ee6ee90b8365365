//! Moving the write-ahead log into the file, beside the writer instead of in its way.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::schema;
use crate::error::Error;

/// A thread that moves the log on request. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct LogMover {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    failure: Arc<Mutex<Option<Error>>>,
}

impl LogMover {
    pub(super) fn start(directory: &Path) -> Result<Self, Error> {
        let connection = schema::open_checkpointer(directory)?;
        let (wake, woken) = sync_channel(1);
        let failure = Arc::new(Mutex::new(None));
        let (place, failed) = (directory.to_path_buf(), Arc::clone(&failure));
        let thread = thread::Builder::new()
            .name("ledger-log".to_owned())
            .spawn(move || run(&connection, &woken, &place, &failed))
            .map_err(|_| Error::WriterGone)?;
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread),
            failure,
        })
    }

    /// Asks for the log to be moved; does nothing if that is asked for already.
    pub(super) fn wake(&self) {
        if let Some(wake) = &self.wake {
            match wake.try_send(()) {
                Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
            }
        }
    }

    /// Returns, once, why the log could not be moved.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl Drop for LogMover {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(
    connection: &Connection,
    woken: &Receiver<()>,
    directory: &Path,
    failure: &Mutex<Option<Error>>,
) {
    while woken.recv().is_ok() {
        if let Err(error) = move_log(connection, directory) {
            *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            return;
        }
    }
}

/// Moves as much of the log as no reader still needs; waits for nobody. A full disk is no failure
/// here: the log still has everything, and a later call tries again.
pub(super) fn move_log(connection: &Connection, directory: &Path) -> Result<(), Error> {
    let moved = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    match moved.map_err(|source| {
        Error::store(
            "move the write-ahead log into",
            &schema::file(directory),
            source,
        )
    }) {
        Ok(()) | Err(Error::DiskFull { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
