//! Files that are not ledgers, or not of this version.

use std::fs;

use lyceum_ledger::{Error, Ledger, NotALedgerReason, Options, SCHEMA_VERSION};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{event, fresh};

/// Opens the directory both ways; both must fail, and leave the file as it is.
fn refusals(directory: &TempDir) -> [Error; 2] {
    let path = directory.path().join("ledger.db");
    let before = fs::read(&path).unwrap();
    let refusals = [
        Ledger::open(directory.path(), Options::default()).unwrap_err(),
        Ledger::open_read_only(directory.path()).unwrap_err(),
    ];
    assert!(
        fs::read(&path).unwrap() == before,
        "a refused file is not touched"
    );
    refusals
}

#[test]
fn a_newer_ledger_is_refused() {
    let (directory, ledger) = fresh();
    ledger.append("a", vec![event(1)]).unwrap();
    drop(ledger);
    let path = directory.path().join("ledger.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "user_version", SCHEMA_VERSION + 1)
        .unwrap();
    connection
        .execute_batch("CREATE TABLE of_the_future (a)")
        .unwrap();
    drop(connection);
    for error in refusals(&directory) {
        assert!(
            matches!(
                &error,
                Error::Newer {
                    found,
                    supported: SCHEMA_VERSION,
                    ..
                } if *found == SCHEMA_VERSION + 1
            ),
            "{error:?}"
        );
        assert_eq!(
            error.to_string(),
            format!(
                "ledger `{}` has schema version {}, but this program reads versions up to {SCHEMA_VERSION}",
                path.display(),
                SCHEMA_VERSION + 1
            )
        );
        assert!(error.hint().is_some());
    }
}

#[test]
fn files_that_are_not_ledgers_are_refused() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("ledger.db");
    fs::write(
        &path,
        "just a text, long enough to be read as a header of a file\n".repeat(100),
    )
    .unwrap();
    for error in refusals(&directory) {
        let reason = NotALedgerReason::NotADatabase;
        assert!(matches!(&error, Error::NotALedger { reason: found, .. } if *found == reason));
    }
    fs::remove_file(&path).unwrap();
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE other (a)")
        .unwrap();
    for error in refusals(&directory) {
        let reason = NotALedgerReason::OtherApplication { found: 0 };
        assert!(matches!(&error, Error::NotALedger { reason: found, .. } if *found == reason));
    }
}

#[test]
fn a_ledger_with_something_slipped_in_is_refused() {
    let (directory, ledger) = fresh();
    ledger.append("a", vec![event(1)]).unwrap();
    drop(ledger);
    Connection::open(directory.path().join("ledger.db"))
        .unwrap()
        .execute_batch("CREATE TRIGGER forge AFTER INSERT ON event BEGIN DELETE FROM event; END")
        .unwrap();
    for error in refusals(&directory) {
        let reason = NotALedgerReason::OtherTables;
        assert!(matches!(&error, Error::NotALedger { reason: found, .. } if *found == reason));
    }
}

#[test]
fn reading_never_makes_a_ledger() {
    let directory = TempDir::new().unwrap();
    let error = Ledger::open_read_only(directory.path()).unwrap_err();
    assert!(matches!(error, Error::Absent { .. }), "{error:?}");
    let error = Ledger::open_read_only(&directory.path().join("no/such")).unwrap_err();
    assert!(matches!(error, Error::Absent { .. }), "{error:?}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_ledger_whose_making_was_interrupted_is_made_anew() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("ledger.db"), "").unwrap();
    let error = Ledger::open_read_only(directory.path()).unwrap_err();
    assert!(matches!(error, Error::Absent { .. }), "{error:?}");
    let ledger = Ledger::open(directory.path(), Options::default()).unwrap();
    ledger.append("a", vec![event(1)]).unwrap();
}

#[test]
fn a_ledger_whose_events_are_gone_is_no_new_one() {
    let (directory, ledger) = fresh();
    ledger.put_blob(b"weights").unwrap();
    ledger.append("a", vec![event(1)]).unwrap();
    drop(ledger);
    let path = directory.path().join("ledger.db");
    let key = fs::read(directory.path().join("key")).unwrap();
    fs::remove_file(&path).unwrap();
    for is_empty in [false, true] {
        if is_empty {
            fs::write(&path, "").unwrap();
        }
        let reading = Ledger::open_read_only(directory.path()).unwrap_err();
        let writing = Ledger::open(directory.path(), Options::default()).unwrap_err();
        for error in [reading, writing] {
            assert!(matches!(error, Error::EventsGone { .. }), "{error:?}");
            assert!(error.hint().is_some());
        }
        assert_eq!(path.exists(), is_empty, "nothing is made in its place");
    }
    assert_eq!(fs::read(directory.path().join("key")).unwrap(), key);
}

#[test]
fn directories_with_odd_names_hold_ledgers_too() {
    let directory = TempDir::new().unwrap();
    for name in [
        "a?b#c%20d",
        "new\nline",
        "\u{1b}[2J",
        "é ü",
        "file:x",
        "'\"",
        "deep/er/still",
    ] {
        let path = directory.path().join(name);
        let ledger = Ledger::open(&path, Options::default()).unwrap();
        ledger.append("a", vec![event(1)]).unwrap();
        let reader = Ledger::open_read_only(&path).unwrap();
        assert_eq!(reader.head().unwrap().position, 1, "{name:?}");
        assert!(path.join("ledger.db").is_file());
    }
}

#[test]
fn two_labs_have_chains_of_their_own() {
    let (_first, a) = fresh();
    let (_second, b) = fresh();
    let (a, b) = (a.reader().unwrap(), b.reader().unwrap());
    assert_ne!(a.lab(), b.lab());
    assert_ne!(a.head().unwrap().hash, b.head().unwrap().hash);
}
