//! Where the loop writes its events.

use lyceum_types::{Body, DecodeError, FoldError};

/// Why the record cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The ledger failed.
    #[error("the ledger failed")]
    Ledger(#[from] lyceum_ledger::Error),
    /// An event cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// An event cannot be written as JSON.
    #[error("an event cannot be written as JSON")]
    Encode(#[from] serde_json::Error),
    /// An event does not follow from those before it.
    #[error(transparent)]
    Fold(#[from] FoldError),
}

/// An append-only stream of events.
pub trait Journal {
    /// Appends events; they are durable when this returns. Gives each back with its number and time.
    fn append(&mut self, bodies: Vec<Body>) -> Result<Vec<(u64, i64, Body)>, JournalError>;
}

/// A journal in memory: for simulations.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    /// All events so far.
    pub events: Vec<(u64, i64, Body)>,
}

impl Journal for MemoryJournal {
    fn append(&mut self, bodies: Vec<Body>) -> Result<Vec<(u64, i64, Body)>, JournalError> {
        let first = self.events.len() as u64 + 1;
        let added: Vec<_> = bodies
            .into_iter()
            .zip(first..)
            .map(|(body, seq)| (seq, seq as i64, body))
            .collect();
        self.events.extend(added.iter().cloned());
        Ok(added)
    }
}
