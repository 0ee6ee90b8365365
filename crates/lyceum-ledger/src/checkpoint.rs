//! Moving the write-ahead log into the file, beside the writer instead of in its way.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use crate::error::Error;
use crate::ledger::Shared;
use crate::schema;

/// A thread that moves the log on request. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(crate) fn start(directory: &Path, shared: Arc<Shared>) -> Result<Self, Error> {
        let connection = schema::open_checkpointer(directory)?;
        let (wake, woken) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("ledger-checkpoint".to_owned())
            .spawn(move || run(&connection, &woken, &shared))
            .map_err(|_| Error::WriterGone)?;
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread),
        })
    }

    /// Asks for a checkpoint; does nothing if one is asked for already.
    pub(crate) fn wake(&self) {
        if let Some(wake) = &self.wake {
            match wake.try_send(()) {
                Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
            }
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, woken: &Receiver<()>, shared: &Shared) {
    while woken.recv().is_ok() {
        if shared.poison().is_some() {
            return;
        }
        if let Err(error) = checkpoint(connection, &shared.directory) {
            shared.poison_with(error);
            return;
        }
    }
}

/// Moves as much of the log as no reader still needs; waits for nobody. A full disk is no failure
/// here: the log still has everything, and a later call tries again.
pub(crate) fn checkpoint(connection: &Connection, directory: &Path) -> Result<(), Error> {
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
