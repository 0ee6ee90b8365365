//! Blobs that nothing names.

use std::fs;

use lyceum_ledger::{BlobId, Error, Ledger, NewEvent, Options};
use rusqlite::Connection;

use crate::support::{event, fresh, open};

#[test]
fn only_blobs_that_nothing_names_are_removed() {
    let (directory, ledger) = fresh();
    let put = |text: &str| ledger.put_blob(text.as_bytes()).unwrap();
    let (declared, mentioned, deep, waste) = (put("a"), put("b"), put("c"), put("waste"));
    ledger
        .append("a", vec![event(1).with_blobs([declared])])
        .unwrap();
    let body = format!("{{\"somewhere\":\"x{mentioned}\"}}");
    ledger
        .append("a", vec![NewEvent::new("e", 1, body)])
        .unwrap();
    let body = format!("[\"{}\",\"{deep}\"]", "long ".repeat(2000));
    ledger
        .append("a", vec![NewEvent::new("e", 1, body)])
        .unwrap();
    let reader = ledger.reader().unwrap();
    let found = reader.garbage().unwrap();
    assert_eq!(
        (found.blobs.as_slice(), found.kept),
        ([waste].as_slice(), 4)
    );
    assert!(found.bytes > 0);
    assert_eq!(
        reader.blob(waste).unwrap(),
        b"waste",
        "looking removes nothing"
    );

    let error = Ledger::collect_garbage(directory.path(), Options::default()).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    drop(ledger);
    let removed = Ledger::collect_garbage(directory.path(), Options::default()).unwrap();
    assert_eq!(removed, found);
    assert!(matches!(reader.blob(waste), Err(Error::BlobMissing { .. })));
    for id in [declared, mentioned, deep] {
        assert!(reader.blob(id).is_ok());
    }
    let again = Ledger::collect_garbage(directory.path(), Options::default()).unwrap();
    assert_eq!((again.blobs.len(), again.kept), (0, 4));
    let verified = reader.verify().unwrap();
    assert_eq!((verified.fault, verified.blobs_unreferenced), (None, 2));
    let ledger = open(&directory);
    assert_eq!(
        ledger.put_blob(b"waste").unwrap(),
        waste,
        "it can be put again"
    );
    assert_eq!(reader.blob(waste).unwrap(), b"waste");
}

#[test]
fn nothing_is_removed_from_a_ledger_that_was_changed() {
    let (directory, ledger) = fresh();
    let blob = ledger.put_blob(b"evidence").unwrap();
    ledger
        .append("a", vec![event(1).with_blobs([blob]), event(2)])
        .unwrap();
    drop(ledger);
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    connection
        .execute("DELETE FROM event WHERE position = 1", [])
        .unwrap();
    drop(connection);
    let error = Ledger::collect_garbage(directory.path(), Options::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the ledger in `{}` is not as it was written: event 1 was deleted",
            directory.path().display()
        )
    );
    let reader = Ledger::open_read_only(directory.path()).unwrap();
    assert_eq!(reader.blob(blob).unwrap(), b"evidence");
}

#[test]
fn no_lab_is_made_to_collect_in() {
    let directory = tempfile::TempDir::new().unwrap();
    let error = Ledger::collect_garbage(directory.path(), Options::default()).unwrap_err();
    assert!(matches!(error, Error::Absent { .. }), "{error:?}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_file_in_the_directory_of_other_blobs_is_no_blob() {
    let (directory, ledger) = fresh();
    let id = ledger.put_blob(b"kept").unwrap();
    ledger.append("a", vec![event(1).with_blobs([id])]).unwrap();
    drop(ledger);
    let name = format!("{}.zst", BlobId::of(b"elsewhere"));
    let other = if name.starts_with("00") { "01" } else { "00" };
    let stray = directory.path().join("blobs").join(other).join(&name);
    fs::write(&stray, b"x").unwrap();
    let reader = Ledger::open_read_only(directory.path()).unwrap();
    assert_eq!(reader.size_on_disk().unwrap().blobs, 1);
    let garbage = Ledger::collect_garbage(directory.path(), Options::default()).unwrap();
    assert_eq!(
        (garbage.blobs.len(), garbage.kept),
        (0, 1),
        "it is not said to be removed"
    );
    assert_eq!(reader.verify().unwrap().fault, None);
}
