//! Imports are whole or nothing, whatever is in the bundle or at the place.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use lyceum_ledger::{Bundle, BundleError, Error, Ledger, NewEvent, Options};
use rusqlite::{Connection, params};
use tempfile::TempDir;

use crate::format;
use crate::support::{event, fresh, open};

/// A lab with a blob and a long body, closed.
fn source() -> TempDir {
    let (directory, ledger) = fresh();
    let blob = ledger.put_blob(b"weights").unwrap();
    let long = NewEvent::new("log", 1, format!("\"{}\"", "x".repeat(9000)));
    let events = vec![event(1).with_blobs([blob]), long];
    ledger.append("study/a", events).unwrap();
    directory
}

/// Writes the lab, or a stream of it, to a file of its own directory.
fn bundle(source: &TempDir, stream: Option<&str>) -> PathBuf {
    let path = source.path().join("bundle.tar");
    let mut file = fs::File::create(&path).unwrap();
    let reader = Ledger::open_read_only(source.path()).unwrap();
    reader.export(stream, &mut file).unwrap();
    path
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn blobs(directory: &Path) -> u64 {
    let reader = Ledger::open_read_only(directory).unwrap();
    reader.size_on_disk().unwrap().blobs
}

#[test]
fn a_body_that_no_ledger_holds_is_refused_before_anything_is_taken() {
    for stream in [Some("study/a"), None] {
        let source = source();
        let store = Connection::open(source.path().join("ledger.db")).unwrap();
        store
            .execute_batch("UPDATE event SET body = '{' WHERE position = 1; DELETE FROM head")
            .unwrap();
        for position in [1, 2] {
            let hash = format::hash_of(&store, position);
            let sql = "UPDATE event SET hash = ?1 WHERE position = ?2";
            store.execute(sql, params![hash, position]).unwrap();
        }
        drop(store);
        // Its owner signs it, so that all but the body is in order.
        drop(open(&source));
        let error = Bundle::open(&bundle(&source, stream)).unwrap_err();
        let BundleError::Changed { what } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(what, "the body of event 1 is not JSON");
    }
}

#[test]
fn an_import_that_fails_leaves_no_blob() {
    let source = source();
    let path = bundle(&source, Some("study/a"));
    let (directory, ledger) = fresh();
    ledger.append("study/a", vec![event(1)]).unwrap();
    ledger.put_blob(b"weights").unwrap();
    let taken = Bundle::open(&path)
        .unwrap()
        .import_stream(&ledger, "study/a");
    assert!(
        matches!(taken, Err(BundleError::Ledger(Error::Conflict { .. }))),
        "{taken:?}"
    );
    assert_eq!(blobs(directory.path()), 1, "only the one that was there");
    let bundle = Bundle::open(&path).unwrap();
    bundle.import_stream(&ledger, "study/b").unwrap();
    assert_eq!(blobs(directory.path()), 3);
    let reader = ledger.reader().unwrap();
    assert_eq!(reader.verify().unwrap().fault, None);
}

#[test]
fn a_key_that_was_copied_before_stays_and_signs() {
    let source = source();
    let path = bundle(&source, None);
    let directory = TempDir::new().unwrap();
    let place = directory.path().join("lab/ledger");
    fs::create_dir_all(&place).unwrap();
    fs::copy(source.path().join("key"), place.join("key")).unwrap();
    Bundle::open(&path).unwrap().import_lab(&place).unwrap();
    let ledger = Ledger::open(&place, Options::default()).unwrap();
    ledger.append("study/a", vec![event(3)]).unwrap();
    let found = ledger.reader().unwrap().verify().unwrap();
    assert_eq!((found.fault, found.events_signed), (None, 3));
    let mode = fs::metadata(place.join("key")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    assert_eq!(names(&directory.path().join("lab")), ["ledger"]);
}

#[test]
fn a_place_that_holds_something_else_is_left_as_it_is() {
    let source = source();
    let path = bundle(&source, None);
    let directory = TempDir::new().unwrap();
    let place = directory.path().join("ledger");
    let import = || Bundle::open(&path).unwrap().import_lab(&place);
    fs::create_dir(&place).unwrap();
    fs::write(place.join("notes"), "mine").unwrap();
    let error = import().unwrap_err();
    assert!(
        matches!(&error, BundleError::NotEmpty { found, .. } if found == Path::new("notes")),
        "{error:?}"
    );
    fs::remove_file(place.join("notes")).unwrap();
    // The key of another lab.
    let (other, _ledger) = fresh();
    fs::copy(other.path().join("key"), place.join("key")).unwrap();
    let error = import().unwrap_err();
    assert!(
        matches!(error, BundleError::Ledger(Error::OtherKey { .. })),
        "{error:?}"
    );
    assert_eq!(names(&place), ["key"]);
    assert_eq!(names(directory.path()), ["ledger"]);
    fs::remove_file(place.join("key")).unwrap();
    // What another import has under way is its own; what one left that was killed goes.
    let theirs = directory.path().join("ledger.importing-0");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("ledger.db"), "theirs").unwrap();
    let at_work = fs::File::open(&theirs).unwrap();
    rustix::fs::flock(&at_work, rustix::fs::FlockOperation::LockExclusive).unwrap();
    import().unwrap();
    assert_eq!(fs::read(theirs.join("ledger.db")).unwrap(), b"theirs");
    assert_eq!(names(directory.path()), ["ledger", "ledger.importing-0"]);
    drop(at_work);
    fs::remove_dir_all(&place).unwrap();
    import().unwrap();
    assert_eq!(names(directory.path()), ["ledger"]);
}

#[test]
fn of_two_imports_at_a_time_one_is_told_that_the_place_is_taken() {
    let source = source();
    let path = bundle(&source, None);
    let directory = TempDir::new().unwrap();
    let place = directory.path().join("ledger");
    let import = || Bundle::open(&path).unwrap().import_lab(&place);
    let outcomes = thread::scope(|scope| {
        [scope.spawn(import), scope.spawn(import)].map(|thread| thread.join().unwrap())
    });
    let [one, other] = &outcomes;
    assert!(one.is_ok() != other.is_ok(), "{outcomes:?}");
    let refused = [one, other].into_iter().find_map(|one| one.as_ref().err());
    assert!(
        matches!(refused, Some(BundleError::Occupied { .. })),
        "{refused:?}"
    );
    assert_eq!(names(directory.path()), ["ledger"]);
    let reader = Ledger::open_read_only(&place).unwrap();
    assert_eq!(reader.verify().unwrap().fault, None);
}
