//! The lab's key: who can read it, what happens without it, how it is changed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use lyceum_ledger::{Error, Fault, Ledger, Options, Unsigned};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::format;
use crate::support::{event, fresh, open};

#[test]
fn a_lab_is_made_with_a_key_that_only_its_owner_can_read() {
    let (directory, ledger) = fresh();
    let key = directory.path().join("key");
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let secret = fs::read_to_string(&key).unwrap();
    assert_eq!(secret.len(), 65);
    ledger.append("a", vec![event(1)]).unwrap();
    drop(ledger);
    let public = Ledger::open_read_only(directory.path())
        .unwrap()
        .key()
        .unwrap()
        .unwrap();
    let database = fs::read(directory.path().join("ledger.db")).unwrap();
    let holds = |bytes: &[u8]| database.windows(bytes.len()).any(|window| window == bytes);
    assert!(holds(public.as_bytes()), "the public key is recorded");
    let parsed: lyceum_ledger::Hash = secret.trim_end().parse().unwrap();
    assert!(!holds(parsed.as_bytes()) && !holds(secret.trim_end().as_bytes()));
    assert!(!format!("{:?}", open(&directory)).contains(secret.trim_end()));
}

#[test]
fn without_its_key_a_lab_goes_on_unsigned_and_says_so() {
    let (directory, ledger) = fresh();
    ledger.append("a", vec![event(1)]).unwrap();
    drop(ledger);
    let key = directory.path().join("key");
    let secret = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let ledger = open(&directory);
    assert!(!ledger.signs());
    ledger.append("a", vec![event(2)]).unwrap();
    let error = ledger.checkpoint().unwrap_err();
    assert!(matches!(&error, Error::KeyMissing { .. }) && error.hint().is_some());
    assert!(matches!(ledger.change_key(), Err(Error::KeyMissing { .. })));
    drop(ledger);
    assert!(!key.exists(), "no key is made up in place of the lost one");
    let verify = || {
        let reader = Ledger::open_read_only(directory.path()).unwrap();
        reader.verify().unwrap()
    };
    let found = verify();
    let unsigned = Fault::Unsigned {
        after: 1,
        events: 2,
    };
    assert_eq!((found.events, found.events_signed), (2, 1));
    assert_eq!(found.fault, Some(unsigned));
    // With the key again the events are signed, and it stays on record that they were not before.
    fs::write(&key, secret).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    for _ in 0..2 {
        assert!(open(&directory).signs());
        let found = verify();
        assert_eq!(
            (found.events, found.events_signed, found.fault),
            (3, 3, None)
        );
        assert_eq!(found.found_unsigned, [Unsigned { first: 2, last: 2 }]);
    }
}

#[test]
fn a_key_that_is_exposed_not_the_labs_or_no_key_is_refused() {
    let (directory, ledger) = fresh();
    drop(ledger);
    let key = directory.path().join("key");
    let refusal = || Ledger::open(directory.path(), Options::default()).unwrap_err();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let error = refusal();
    assert!(
        matches!(error, Error::KeyExposed { mode: 0o640, .. }),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        format!(
            "the lab's key `{}` can be read by others (mode 640, expected 600)",
            key.display()
        )
    );
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, format!("{}\n", "07".repeat(32))).unwrap();
    assert!(matches!(refusal(), Error::OtherKey { .. }));
    for text in [&b""[..], b"07", b"\xff\xfe", &[b'0'; 65]] {
        fs::write(&key, text).unwrap();
        assert!(matches!(refusal(), Error::NotAKey { .. }));
    }
    assert!(Ledger::open_read_only(directory.path()).is_ok());
}

#[test]
fn a_change_of_key_is_an_event_that_the_former_key_has_signed() {
    let (directory, ledger) = fresh();
    ledger.append("a", vec![event(1)]).unwrap();
    let first = ledger.reader().unwrap().key().unwrap().unwrap();
    let before = ledger.checkpoint().unwrap();
    let second = ledger.change_key().unwrap();
    assert_ne!(first, second);
    let reader = ledger.reader().unwrap();
    assert_eq!(reader.key().unwrap(), Some(second));
    assert_eq!(reader.read("lab/key", 0, 9).unwrap()[0].kind, "key.changed");
    ledger.append("a", vec![event(2)]).unwrap();
    drop(ledger);
    let ledger = open(&directory);
    let third = ledger.change_key().unwrap();
    ledger.append("a", vec![event(3)]).unwrap();
    drop(ledger);
    let reader = Ledger::open_read_only(directory.path()).unwrap();
    assert_eq!(reader.key().unwrap(), Some(third));
    let found = reader.verify_against(&before).unwrap();
    assert_eq!((found.fault, found.events_signed), (None, 5));
    assert!(reader.checkpoint().unwrap().is_signed_by(third));
    assert!(!directory.path().join("key.next").exists());
}

#[test]
fn nobody_else_can_append_a_change_of_key() {
    let (directory, ledger) = fresh();
    let error = ledger.append("lab/key", vec![event(1)]).unwrap_err();
    assert!(matches!(error, Error::ReservedStream { .. }), "{error:?}");
    ledger.append("a", vec![event(1)]).unwrap();
    drop(ledger);
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    let body = format!(
        r#"{{"key":"{}","signature":"{}"}}"#,
        "07".repeat(32),
        "08".repeat(64)
    );
    connection
        .execute(
            "INSERT INTO event (position, stream, seq, at, kind, version, body, hash)
             VALUES (2, 'lab/key', 1, 0, 'key.changed', 1, ?1, zeroblob(32))",
            [body],
        )
        .unwrap();
    let hash = format::hash_of(&connection, 2);
    connection
        .execute("UPDATE event SET hash = ?1 WHERE position = 2", [hash])
        .unwrap();
    let reader = Ledger::open_read_only(directory.path()).unwrap();
    assert_eq!(
        reader.verify().unwrap().fault,
        Some(Fault::KeySwapped { size: 2 })
    );
}

/// A change of key that was killed before and after its event was committed.
#[test]
fn an_interrupted_change_of_key_is_settled_when_the_lab_is_opened() {
    let (directory, ledger) = fresh();
    let (key, next) = (
        directory.path().join("key"),
        directory.path().join("key.next"),
    );
    let first = fs::read(&key).unwrap();
    let second = ledger.change_key().unwrap();
    drop(ledger);
    let changed = fs::read(&key).unwrap();
    let put = |path: &Path, bytes: &[u8]| {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    // Killed before the renaming.
    put(&key, &first);
    put(&next, &changed);
    assert_eq!(
        open(&directory).reader().unwrap().key().unwrap(),
        Some(second)
    );
    assert_eq!(
        (fs::read(&key).unwrap(), next.exists()),
        (changed.clone(), false)
    );
    // Killed before the event.
    put(&next, &first);
    assert_eq!(
        open(&directory).reader().unwrap().key().unwrap(),
        Some(second)
    );
    assert_eq!((fs::read(&key).unwrap(), next.exists()), (changed, false));
    let reader = Ledger::open_read_only(directory.path()).unwrap();
    assert_eq!(reader.verify().unwrap().fault, None);
}

#[test]
fn a_lab_whose_making_was_interrupted_after_its_key_takes_that_key() {
    let directory = TempDir::new().unwrap();
    let (other, _ledger) = fresh();
    let next = directory.path().join("key.next");
    fs::copy(other.path().join("key"), &next).unwrap();
    let secret = fs::read(&next).unwrap();
    drop(open(&directory));
    let key = directory.path().join("key");
    assert_eq!(fs::read(&key).unwrap(), secret);
    assert!(!next.exists());
}

#[test]
fn a_key_that_has_lost_its_ledger_makes_no_new_one() {
    let (directory, ledger) = fresh();
    drop(ledger);
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let _ = fs::remove_file(directory.path().join(name));
    }
    let _ = fs::remove_dir_all(directory.path().join("blobs"));
    let key = directory.path().join("key");
    let secret = fs::read(&key).unwrap();
    for _ in 0..2 {
        let opened = Ledger::open(directory.path(), Options::default());
        assert!(
            matches!(opened, Err(Error::EventsGone { .. })),
            "{opened:?}"
        );
        let opened = Ledger::open_read_only(directory.path());
        assert!(
            matches!(opened, Err(Error::EventsGone { .. })),
            "{opened:?}"
        );
    }
    assert_eq!(fs::read(&key).unwrap(), secret);
}
