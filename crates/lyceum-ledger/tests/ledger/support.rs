//! What several tests need.

use lyceum_ledger::{Ledger, NewEvent, Options};
use tempfile::TempDir;

/// A directory that is removed with the test, and a ledger in it.
pub(crate) fn fresh() -> (TempDir, Ledger) {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory);
    (directory, ledger)
}

pub(crate) fn open(directory: &TempDir) -> Ledger {
    Ledger::open(directory.path(), Options::default()).unwrap()
}

pub(crate) fn event(number: u64) -> NewEvent {
    NewEvent::new("test.happened", 1, format!("{{\"number\":{number}}}"))
}
