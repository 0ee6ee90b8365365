//! What only signatures show: changes by someone who computes the whole chain anew.

use std::fs;
use std::path::Path;

use lyceum_ledger::{
    Checkpoint, Error, Fault, LabId, Ledger, NewEvent, Options, Unsigned, Verification,
};
use rusqlite::{Connection, params};
use tempfile::TempDir;

use crate::format;
use crate::support::event;

/// Ten events in two sessions, so that heads of 0, 5 and 10 events are signed.
fn written() -> TempDir {
    let directory = TempDir::new().unwrap();
    for session in 0..2 {
        let ledger = Ledger::open(directory.path(), Options::default()).unwrap();
        for number in 1..=5 {
            ledger
                .append("a", vec![event(session * 5 + number)])
                .unwrap();
        }
    }
    directory
}

fn verify(directory: &Path) -> Verification {
    Ledger::open_read_only(directory).unwrap().verify().unwrap()
}

fn against(directory: &Path, checkpoint: &Checkpoint) -> Option<Fault> {
    let reader = Ledger::open_read_only(directory).unwrap();
    reader.verify_against(checkpoint).unwrap().fault
}

fn checkpoint(directory: &Path) -> Checkpoint {
    Ledger::open_read_only(directory)
        .unwrap()
        .checkpoint()
        .unwrap()
}

fn change(directory: &Path, statements: &str) {
    let connection = Connection::open(directory.join("ledger.db")).unwrap();
    connection.execute_batch(statements).unwrap();
}

/// Computes every hash from `first` on anew, as anyone can.
fn chain_anew(directory: &Path, first: i64) {
    let connection = Connection::open(directory.join("ledger.db")).unwrap();
    let last: i64 = connection
        .query_row("SELECT max(position) FROM event", [], |row| row.get(0))
        .unwrap();
    for position in first..=last {
        let hash = format::hash_of(&connection, position);
        let sql = "UPDATE event SET hash = ?1 WHERE position = ?2";
        connection.execute(sql, params![hash, position]).unwrap();
    }
}

#[test]
fn a_ledger_that_was_closed_is_signed_to_its_end() {
    let directory = written();
    let found = verify(directory.path());
    assert_eq!(
        (found.events, found.events_signed, found.fault),
        (10, 10, None)
    );
    let reader = Ledger::open_read_only(directory.path()).unwrap();
    let heads = reader.signed_heads().unwrap();
    let sizes: Vec<_> = heads.iter().map(|one| one.head.size).collect();
    assert_eq!(sizes, [0, 5, 10]);
    assert_eq!(heads[2].head, reader.tree_head().unwrap());
    assert_eq!(heads[2].head, found.tree);
    let ledger = Ledger::open(directory.path(), Options::default()).unwrap();
    ledger.append("a", vec![event(11)]).unwrap();
    let found = ledger.reader().unwrap().verify().unwrap();
    assert_eq!(
        (found.events, found.events_signed, found.fault),
        (11, 11, None)
    );
}

#[test]
fn every_commit_is_signed_and_the_heads_between_take_no_room() {
    let directory = TempDir::new().unwrap();
    let ledger = Ledger::open(directory.path(), Options::default()).unwrap();
    let reader = ledger.reader().unwrap();
    let mut events = 0;
    for many in [1, 1, 98, 1000, 1, 3000, 1] {
        ledger.append("a", vec![event(1); many]).unwrap();
        events += many as u64;
        // As a kill at this instant would leave it.
        let found = reader.verify().unwrap();
        assert_eq!((found.fault, found.events_signed), (None, events));
    }
    let heads = reader.signed_heads().unwrap();
    let sizes: Vec<_> = heads.iter().map(|one| one.head.size).collect();
    assert_eq!(sizes, [0, 1100, 4101, 4102]);
}

#[test]
fn a_check_beside_a_writer_ends_at_a_signed_event() {
    let (directory, ledger) = crate::support::fresh();
    ledger.append("a", vec![event(0); 5000]).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                ledger.append("a", vec![event(1)]).unwrap();
            }
        });
        let reader = Ledger::open_read_only(directory.path()).unwrap();
        let mut last = 0;
        for _ in 0..20 {
            let found = reader.verify().unwrap();
            assert_eq!((found.fault, found.events), (None, found.events_signed));
            assert!(found.events >= last);
            last = found.events;
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

/// Rewrites the events after `first` with their chain, and takes every signature over them away: needs no key.
fn rewrite_and_remove_signatures(directory: &Path, first: i64) {
    let sql = format!(
        "UPDATE event SET body = '{{\"number\":0}}' WHERE position = {first};
         DELETE FROM head WHERE size >= {first}"
    );
    change(directory, &sql);
    chain_anew(directory, first);
}

#[test]
fn signatures_removed_over_a_rewritten_end_are_missed() {
    for (first, after) in [(10, 5), (7, 5), (3, 0), (1, 0)] {
        let directory = written();
        rewrite_and_remove_signatures(directory.path(), first);
        let found = verify(directory.path());
        let missing = Fault::Unsigned { after, events: 10 };
        assert_eq!(found.fault, Some(missing), "from event {first} on");
    }
    // Also without the one that a ledger begins with.
    let directory = written();
    change(directory.path(), "DELETE FROM head");
    let fault = verify(directory.path()).fault.unwrap();
    assert_eq!(
        fault,
        Fault::Unsigned {
            after: 0,
            events: 10
        }
    );
    assert_eq!(
        fault.to_string(),
        "events 1 to 10 carry no signature: it was removed, and what it covered may have been rewritten, or the \
         lab's key was missing"
    );
}

#[test]
fn a_session_that_finds_events_without_a_signature_says_so_before_it_signs() {
    let directory = written();
    rewrite_and_remove_signatures(directory.path(), 7);
    for session in 0..2 {
        let ledger = Ledger::open(directory.path(), Options::default()).unwrap();
        ledger.append("a", vec![event(20)]).unwrap();
        drop(ledger);
        let found = verify(directory.path());
        assert_eq!((found.fault, found.events), (None, 12 + session));
        assert_eq!(found.found_unsigned, [Unsigned { first: 6, last: 10 }]);
    }
    let reader = Ledger::open_read_only(directory.path()).unwrap();
    let said = reader.read("lab/signature", 0, 10).unwrap();
    assert_eq!(said.len(), 1);
    assert_eq!(
        (said[0].position, said[0].body.as_str()),
        (11, "{\"first\":6,\"last\":10}")
    );
    // Nobody else writes there, and the record cannot be taken out.
    let ledger = Ledger::open(directory.path(), Options::default()).unwrap();
    let error = ledger.append("lab/signature", vec![event(1)]).unwrap_err();
    assert!(matches!(error, Error::ReservedStream { .. }), "{error:?}");
    let hidden = ledger.put_blob(said[0].body.as_bytes()).unwrap();
    drop(ledger);
    // Nor hidden: as a blob it has the same hash.
    let sql = format!("UPDATE event SET body = NULL, body_blob = x'{hidden}' WHERE position = 11");
    change(directory.path(), &sql);
    let fault = verify(directory.path()).fault;
    assert!(
        matches!(fault, Some(Fault::Edited { position: 11, .. })),
        "{fault:?}"
    );
    change(
        directory.path(),
        "UPDATE event SET body = '{\"first\":6,\"last\":6}', body_blob = NULL WHERE position = 11",
    );
    chain_anew(directory.path(), 11);
    let fault = verify(directory.path()).fault;
    assert!(
        matches!(fault, Some(Fault::Rewritten { after: 5, .. })),
        "{fault:?}"
    );
}

#[test]
fn a_session_does_not_go_on_over_events_that_are_not_those_that_were_signed() {
    let directory = written();
    change(
        directory.path(),
        "UPDATE event SET body = '{}' WHERE position = 7",
    );
    chain_anew(directory.path(), 7);
    let error = Ledger::open(directory.path(), Options::default()).unwrap_err();
    let Error::NotIntact { fault, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(**fault, Fault::Rewritten { after: 5, size: 10 });
    change(
        directory.path(),
        "UPDATE head SET signature = zeroblob(64) WHERE size = 10",
    );
    let error = Ledger::open(directory.path(), Options::default()).unwrap_err();
    assert!(matches!(error, Error::NotIntact { .. }), "{error:?}");
}

#[test]
fn history_with_its_chain_computed_anew_is_found() {
    for (edited, after, size) in [(3, 0, 5), (7, 5, 10), (10, 5, 10)] {
        let directory = written();
        let sql = format!("UPDATE event SET body = '{{}}' WHERE position = {edited}");
        change(directory.path(), &sql);
        chain_anew(directory.path(), edited);
        assert_eq!(
            verify(directory.path()).fault,
            Some(Fault::Rewritten { after, size })
        );
    }
    // Also an event taken out, with all later ones moved up.
    let directory = written();
    change(
        directory.path(),
        "DELETE FROM event WHERE position = 3;
         UPDATE event SET position = -position, seq = -seq WHERE position > 3;
         UPDATE event SET position = -position - 1, seq = -seq - 1 WHERE position < 0;",
    );
    chain_anew(directory.path(), 3);
    let fault = verify(directory.path()).fault;
    assert_eq!(fault, Some(Fault::Rewritten { after: 0, size: 5 }));
}

#[test]
fn an_end_that_is_cut_off_shows_in_what_was_signed() {
    let directory = written();
    change(directory.path(), "DELETE FROM event WHERE position > 8");
    let fault = verify(directory.path()).fault.unwrap();
    assert_eq!(
        fault,
        Fault::Truncated {
            events: 8,
            size: 10
        }
    );
    assert_eq!(
        fault.to_string(),
        "the end was cut off: 10 events were signed, 8 are left"
    );
}

#[test]
fn an_end_cut_off_with_its_signature_shows_only_against_a_checkpoint() {
    let directory = written();
    let kept = checkpoint(directory.path());
    assert_eq!(against(directory.path(), &kept), None);
    change(
        directory.path(),
        "DELETE FROM event WHERE position > 5; DELETE FROM head WHERE size > 5",
    );
    let alone = verify(directory.path());
    assert_eq!((alone.fault, alone.events_signed), (None, 5));
    let fault = against(directory.path(), &kept);
    assert_eq!(
        fault,
        Some(Fault::Truncated {
            events: 5,
            size: 10
        })
    );
}

#[test]
fn a_fork_shows_only_against_a_checkpoint() {
    let directory = written();
    let copy = TempDir::new().unwrap();
    change(
        directory.path(),
        "DELETE FROM event WHERE position > 5; DELETE FROM head WHERE size > 5",
    );
    crate::child::copy(directory.path(), copy.path());
    for (path, number) in [(directory.path(), 6), (copy.path(), 60)] {
        let ledger = Ledger::open(path, Options::default()).unwrap();
        ledger.append("a", vec![event(number)]).unwrap();
    }
    let kept = checkpoint(directory.path());
    assert_eq!(verify(copy.path()).fault, None);
    assert_eq!(against(directory.path(), &kept), None);
    assert_eq!(against(copy.path(), &kept), Some(Fault::Forked { size: 6 }));
}

#[test]
fn a_swapped_key_is_found() {
    let directory = written();
    let other = written();
    let key: Vec<u8> = Connection::open(other.path().join("ledger.db"))
        .unwrap()
        .query_row("SELECT public FROM key", [], |row| row.get(0))
        .unwrap();
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    connection
        .execute("UPDATE key SET public = ?1", [&key])
        .unwrap();
    assert_eq!(
        verify(directory.path()).fault,
        Some(Fault::KeySwapped { size: 0 })
    );
    // With the signatures said to be its own too.
    connection
        .execute("UPDATE head SET key = ?1", [&key])
        .unwrap();
    assert_eq!(verify(directory.path()).fault, Some(Fault::Identity));
    connection
        .execute("DELETE FROM head WHERE size > 0", [])
        .unwrap();
    assert_eq!(
        verify(directory.path()).fault,
        Some(Fault::HeadEdited { size: 0 })
    );
    connection.execute("DELETE FROM head", []).unwrap();
    let fault = verify(directory.path()).fault;
    assert!(
        matches!(fault, Some(Fault::Edited { position: 1, .. })),
        "{fault:?}"
    );
}

#[test]
fn a_whole_ledger_under_another_key_shows_only_against_a_checkpoint() {
    let lab = Some(LabId::from_bytes([9; 16]));
    let made = |number| {
        let directory = TempDir::new().unwrap();
        let options = Options {
            lab,
            ..Options::default()
        };
        let ledger = Ledger::open(directory.path(), options).unwrap();
        ledger.append("a", vec![event(number)]).unwrap();
        directory
    };
    let (genuine, forged) = (made(1), made(2));
    let kept = checkpoint(genuine.path());
    assert_eq!(verify(forged.path()).fault, None);
    assert_eq!(against(genuine.path(), &kept), None);
    let fault = against(forged.path(), &kept).unwrap();
    assert_eq!(fault, Fault::KeySwapped { size: 1 });
    assert!(fault.to_string().contains("the key was swapped"), "{fault}");
}

#[test]
fn a_checkpoint_of_another_lab_is_no_finding() {
    let (one, other) = (written(), written());
    let kept = checkpoint(other.path());
    let error = Ledger::open_read_only(one.path())
        .unwrap()
        .verify_against(&kept)
        .unwrap_err();
    assert!(matches!(error, Error::OtherLab { .. }), "{error:?}");
}

#[test]
fn a_changed_signature_or_signed_head_is_found() {
    for (edit, size) in [
        ("signature = zeroblob(64) WHERE size = 5", 5),
        ("root = zeroblob(32) WHERE size = 10", 10),
        ("size = 4 WHERE size = 5", 4),
    ] {
        let directory = written();
        change(directory.path(), &format!("UPDATE head SET {edit}"));
        assert_eq!(
            verify(directory.path()).fault,
            Some(Fault::HeadEdited { size }),
            "{edit}"
        );
    }
}

#[test]
fn a_changed_node_of_the_tree_is_found() {
    let directory = TempDir::new().unwrap();
    let ledger = Ledger::open(directory.path(), Options::default()).unwrap();
    ledger.append("a", vec![event(1); 600]).unwrap();
    drop(ledger);
    assert_eq!(verify(directory.path()).fault, None);
    change(
        directory.path(),
        "UPDATE subtree SET hash = zeroblob(32) WHERE number = 1",
    );
    let fault = verify(directory.path()).fault;
    assert_eq!(
        fault,
        Some(Fault::Subtree {
            level: 8,
            number: 1
        })
    );
    change(directory.path(), "DELETE FROM subtree WHERE number = 0");
    let fault = verify(directory.path()).fault;
    assert_eq!(
        fault,
        Some(Fault::Subtree {
            level: 8,
            number: 0
        })
    );
}

/// Statements that put the event at 3 in again at `position`, later ones moved up.
fn replay(position: u64) -> String {
    format!(
        "UPDATE event SET position = -position - 1 WHERE position >= {position};
         UPDATE event SET position = -position WHERE position < 0;
         INSERT INTO event SELECT {position}, stream, 1000, at, kind, version, body, body_blob, blobs, hash
             FROM event WHERE position = 3;"
    )
}

#[test]
fn a_replayed_event_is_told_from_one_that_never_was() {
    for position in [4, 6, 10, 11] {
        let directory = written();
        change(directory.path(), &replay(position));
        let fault = verify(directory.path()).fault.unwrap();
        let replayed = Fault::Replayed {
            position: position as i64,
            original: 3,
        };
        assert_eq!(fault, replayed);
        assert_eq!(
            fault.to_string(),
            format!("event 3 was replayed: it stands again at position {position}")
        );
    }
    // With a hash that fits, so that only the event after it shows it.
    let directory = written();
    change(directory.path(), &replay(6));
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    let renumbered =
        "UPDATE event SET seq = 6000 WHERE seq = 6; UPDATE event SET seq = 6 WHERE seq = 1000";
    connection.execute_batch(renumbered).unwrap();
    let hash = format::hash_of(&connection, 6);
    connection
        .execute("UPDATE event SET hash = ?1 WHERE position = 6", [hash])
        .unwrap();
    let fault = verify(directory.path()).fault;
    let edited = matches!(fault, Some(Fault::Edited { position: 7, .. }));
    assert!(
        edited,
        "two changes, of which the second is named: {fault:?}"
    );
}

#[test]
fn checkpoints_are_the_same_from_the_writer_and_beside_it() {
    let directory = written();
    let ledger = Ledger::open(directory.path(), Options::default()).unwrap();
    let body = NewEvent::new("e", 1, "1");
    ledger.append("b", vec![body]).unwrap();
    let beside = checkpoint(directory.path());
    let own = ledger.checkpoint().unwrap();
    assert_eq!((own, own.head.size), (beside, 11));
    assert_eq!(own.to_string().parse::<Checkpoint>().unwrap(), own);
    let found = ledger.reader().unwrap().verify_against(&own).unwrap();
    assert_eq!((found.fault, found.events_signed), (None, 11));
    fs::remove_file(directory.path().join("key")).unwrap();
    let reader = Ledger::open_read_only(directory.path()).unwrap();
    assert!(matches!(reader.checkpoint(), Err(Error::KeyMissing { .. })));
}
