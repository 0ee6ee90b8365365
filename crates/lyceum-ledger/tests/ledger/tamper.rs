//! A ledger that someone has been at: each change is found and named.

use std::fs;
use std::path::Path;

use lyceum_ledger::{BlobId, Fault, Ledger, NewEvent, Options, Verification};
use rusqlite::{Connection, params};
use tempfile::TempDir;

use crate::format;
use crate::support::event;

/// Ten events in two streams, event 8 with its body in a blob, event 9 naming another.
fn written() -> (TempDir, BlobId, BlobId) {
    let directory = TempDir::new().unwrap();
    let ledger = Ledger::open(directory.path(), Options::default()).unwrap();
    for number in 1..=7 {
        let stream = if number % 2 == 0 { "even" } else { "odd" };
        ledger.append(stream, vec![event(number)]).unwrap();
    }
    let body = format!("\"{}\"", "log ".repeat(2000));
    let weights = ledger.put_blob(b"weights").unwrap();
    let events = vec![
        NewEvent::new("log", 1, body.as_str()),
        event(9).with_blobs([weights]),
        event(10),
    ];
    ledger.append("odd", events).unwrap();
    (directory, BlobId::of(body.as_bytes()), weights)
}

fn verify(directory: &Path) -> Verification {
    Ledger::open_read_only(directory).unwrap().verify().unwrap()
}

/// Runs statements on the ledger's file behind its back, then checks it.
fn fault_after(statements: &str) -> Option<Fault> {
    let (directory, _, _) = written();
    assert!(verify(directory.path()).is_intact());
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    connection.execute_batch(statements).unwrap();
    drop(connection);
    verify(directory.path()).fault
}

/// Statements that make a place for a row at `position` by moving the later ones up.
fn make_room(position: u64) -> String {
    format!(
        "UPDATE event SET position = -position - 1 WHERE position >= {position};
         UPDATE event SET position = -position WHERE position < 0;"
    )
}

const SWAP: &str = "UPDATE event SET position = -1 WHERE position = FIRST;
     UPDATE event SET position = FIRST WHERE position = SECOND;
     UPDATE event SET position = SECOND WHERE position = -1;";

fn swap(first: u64, second: u64) -> String {
    SWAP.replace("FIRST", &first.to_string())
        .replace("SECOND", &second.to_string())
}

#[test]
fn an_edit_of_any_column_is_named() {
    let edits = [
        "body = '{\"number\":99}'",
        "body = body || ' '",
        "kind = 'test.other'",
        "version = 2",
        "at = at + 1",
        "stream = 'other'",
        "seq = 1000",
        "blobs = zeroblob(32)",
        "hash = zeroblob(32)",
        "version = -1",
    ];
    for edit in edits {
        let fault = fault_after(&format!("UPDATE event SET {edit} WHERE position = 4"));
        assert!(
            matches!(&fault, Some(Fault::Edited { position: 4, .. })),
            "{edit}: {fault:?}"
        );
    }
    let last = fault_after("UPDATE event SET body = '1' WHERE position = 10").unwrap();
    assert_eq!(
        last.to_string(),
        "event 10 (stream `odd`, number 7) was edited, or the hash before it"
    );
    let first = fault_after("UPDATE event SET at = 0 WHERE position = 1");
    assert!(
        matches!(first, Some(Fault::Edited { position: 1, .. })),
        "{first:?}"
    );
    let lab = fault_after("UPDATE lab SET id = zeroblob(16)");
    assert_eq!(lab, Some(Fault::Identity));
}

#[test]
fn an_edit_with_its_own_hash_made_right_breaks_the_next_event() {
    let (directory, _, _) = written();
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    connection
        .execute("UPDATE event SET body = '[]' WHERE position = 4", [])
        .unwrap();
    let hash = format::hash_of(&connection, 4);
    connection
        .execute("UPDATE event SET hash = ?1 WHERE position = 4", [hash])
        .unwrap();
    let fault = verify(directory.path()).fault;
    assert!(
        matches!(fault, Some(Fault::Edited { position: 5, .. })),
        "{fault:?}"
    );
}

#[test]
fn a_row_at_the_least_position_is_seen() {
    let row = |position: &str| {
        format!(
            "INSERT INTO event SELECT {position}, 'hidden', 1, at, kind, version, body, body_blob, blobs, hash \
             FROM event WHERE position = 4"
        )
    };
    for position in ["-9223372036854775808", "-9223372036854775807", "0"] {
        let fault = fault_after(&row(position));
        let expected: i64 = position.parse().unwrap();
        assert!(
            matches!(fault, Some(Fault::Inserted { position, rows: 1 }) if position == expected),
            "{position}: {fault:?}"
        );
    }
    let (directory, _, _) = written();
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    let statements = format!(
        "{}; DELETE FROM event WHERE position > 0",
        row("-9223372036854775808")
    );
    connection.execute_batch(&statements).unwrap();
    drop(connection);
    let reader = Ledger::open_read_only(directory.path()).unwrap();
    reader.garbage().unwrap();
    assert!(!reader.verify().unwrap().is_intact());
}

#[test]
fn rows_beside_the_events_are_checked() {
    let changes = [
        "INSERT INTO subtree VALUES (8, 0, zeroblob(32))",
        "INSERT INTO subtree VALUES (3, 7, zeroblob(32))",
        "INSERT INTO lease VALUES (1)",
        "DELETE FROM lease",
        "UPDATE lease SET epoch = -1",
        "UPDATE lease SET epoch = 9223372036854775807",
    ];
    for change in changes {
        let fault = fault_after(change);
        assert!(
            matches!(fault, Some(Fault::Unreadable { after: 10, .. })),
            "{change}: {fault:?}"
        );
    }
}

#[test]
fn a_deletion_is_named() {
    assert_eq!(
        fault_after("DELETE FROM event WHERE position = 1"),
        Some(Fault::Deleted {
            position: 1,
            next: 2
        })
    );
    let some = fault_after("DELETE FROM event WHERE position BETWEEN 4 AND 6").unwrap();
    assert_eq!(
        some,
        Fault::Deleted {
            position: 4,
            next: 7
        }
    );
    assert_eq!(some.to_string(), "events 4 to 6 were deleted");
}

#[test]
fn a_deletion_with_later_events_renumbered_is_named() {
    for (deleted, next) in [(4, 5), (1, 2)] {
        let fault = fault_after(&format!(
            "DELETE FROM event WHERE position = {deleted};
             UPDATE event SET position = -position WHERE position > {deleted};
             UPDATE event SET position = -position - 1 WHERE position < 0;"
        ));
        assert_eq!(
            fault,
            Some(Fault::Deleted {
                position: deleted,
                next
            })
        );
    }
}

#[test]
fn an_insertion_is_named() {
    let row = |position: i64| {
        format!(
            "INSERT INTO event (position, stream, seq, at, kind, version, body, hash)
             VALUES ({position}, 'odd', 1000, 0, 'test.forged', 1, '{{}}', zeroblob(32))"
        )
    };
    for position in [1, 4, 10] {
        let fault = fault_after(&format!("{}{}", make_room(position), row(position as i64)));
        assert_eq!(
            fault,
            Some(Fault::Inserted {
                position: position as i64,
                rows: 1
            })
        );
    }
    let before_all = fault_after(&row(0));
    assert_eq!(
        before_all,
        Some(Fault::Inserted {
            position: 0,
            rows: 1
        })
    );
    let below = fault_after(&row(-5));
    assert_eq!(
        below,
        Some(Fault::Inserted {
            position: -5,
            rows: 1
        })
    );
    let appended = fault_after(&row(11));
    assert!(
        matches!(appended, Some(Fault::Edited { position: 11, .. })),
        "{appended:?}"
    );
}

#[test]
fn an_insertion_whose_hash_fits_is_named() {
    let (directory, _, _) = written();
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    connection.execute_batch(&make_room(4)).unwrap();
    connection
        .execute(
            "INSERT INTO event (position, stream, seq, at, kind, version, body, hash)
             VALUES (4, 'forged', 1, 0, 'test.forged', 1, '{}', zeroblob(32))",
            [],
        )
        .unwrap();
    let hash = format::hash_of(&connection, 4);
    connection
        .execute(
            "UPDATE event SET hash = ?1 WHERE position = 4",
            params![hash],
        )
        .unwrap();
    assert_eq!(
        verify(directory.path()).fault,
        Some(Fault::Inserted {
            position: 4,
            rows: 1
        })
    );
}

#[test]
fn reordered_events_are_named() {
    for (first, second) in [(3, 4), (1, 2), (2, 9), (9, 10), (1, 10)] {
        let fault = fault_after(&swap(first, second));
        let Some(Fault::Reordered {
            position,
            written_at,
        }) = fault
        else {
            panic!("{first} and {second}: {fault:?}");
        };
        assert_eq!((position, written_at), (first, second));
    }
    // One event moved back, those between moved up.
    let moved = fault_after(
        "UPDATE event SET position = -100 WHERE position = 7;
         UPDATE event SET position = -position - 1 WHERE position BETWEEN 3 AND 6;
         UPDATE event SET position = -position WHERE position BETWEEN -99 AND -1;
         UPDATE event SET position = 3 WHERE position = -100;",
    );
    assert_eq!(
        moved,
        Some(Fault::Reordered {
            position: 3,
            written_at: 7
        })
    );
}

#[test]
fn a_stream_that_is_numbered_wrongly_in_a_right_chain_is_named() {
    let (directory, _, _) = written();
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    connection
        .execute("UPDATE event SET seq = 9 WHERE position = 10", [])
        .unwrap();
    let hash = format::hash_of(&connection, 10);
    connection
        .execute("UPDATE event SET hash = ?1 WHERE position = 10", [hash])
        .unwrap();
    let fault = verify(directory.path()).fault.unwrap();
    let stream = "odd".to_owned();
    assert_eq!(
        fault,
        Fault::Sequence {
            position: 10,
            stream,
            expected: 7,
            found: 9
        }
    );
}

#[test]
fn a_blob_that_is_changed_or_gone_is_named() {
    for which in ["body", "named", "spare"] {
        let (directory, body, named) = written();
        let reader = Ledger::open_read_only(directory.path()).unwrap();
        let (id, position) = match which {
            "body" => (body, Some(8)),
            "named" => (named, Some(9)),
            _ => {
                let ledger = Ledger::open(directory.path(), Options::default()).unwrap();
                (ledger.put_blob(b"spare").unwrap(), None)
            }
        };
        let path = reader.blob_path(id);
        let good = fs::read(&path).unwrap();
        for place in 0..good.len() {
            let mut bytes = good.clone();
            bytes[place] ^= 1;
            fs::write(&path, &bytes).unwrap();
            match reader.verify().unwrap().fault {
                Some(Fault::BlobDamaged {
                    id: named,
                    position: at,
                }) => assert_eq!((named, at), (id, position)),
                Some(Fault::BlobChanged {
                    id: named,
                    position: at,
                    found,
                }) => {
                    assert_eq!((named, at), (id, position));
                    assert_ne!(found, id);
                }
                // A bit of the frame's header that says nothing about what is in it.
                None => assert_eq!(reader.blob(id).map(|bytes| BlobId::of(&bytes)).unwrap(), id),
                fault => panic!("byte {place}: {fault:?}"),
            }
        }
        for bytes in [
            &good[..good.len() - 1],
            &[good.as_slice(), b"x"].concat(),
            b"",
        ] {
            fs::write(&path, bytes).unwrap();
            let fault = reader.verify().unwrap().fault;
            assert_eq!(fault, Some(Fault::BlobDamaged { id, position }));
        }
        fs::remove_file(&path).unwrap();
        let fault = reader.verify().unwrap().fault;
        assert_eq!(
            fault,
            position.map(|position| Fault::BlobMissing { id, position })
        );
    }
}

#[test]
fn damage_to_the_file_itself_is_found() {
    let (directory, _, _) = written();
    let path = directory.path().join("ledger.db");
    let good = fs::read(&path).unwrap();
    let mut found = 0;
    for start in (4096..good.len()).step_by(512) {
        let mut bytes = good.clone();
        let end = (start + 512).min(bytes.len());
        if bytes[start..end].iter().all(|byte| *byte == 0) {
            continue;
        }
        for byte in &mut bytes[start..end] {
            *byte ^= 0x55;
        }
        fs::write(&path, &bytes).unwrap();
        let outcome = Ledger::open_read_only(directory.path()).and_then(|reader| reader.verify());
        assert!(
            !outcome.is_ok_and(|found| found.is_intact()),
            "sector at byte {start}"
        );
        found += 1;
    }
    assert!(found >= 4, "only {found} sectors had anything in them");
}

#[test]
fn every_single_flipped_bit_of_what_is_stored_is_found() {
    let (directory, _, _) = written();
    let reader = Ledger::open_read_only(directory.path()).unwrap();
    let events = reader.read_all(0, 100).unwrap();
    drop(reader);
    let path = directory.path().join("ledger.db");
    let good = fs::read(&path).unwrap();
    for event in events.iter().filter(|event| event.body.len() < 4096) {
        let body = event.body.as_bytes();
        let places: Vec<_> = good
            .windows(body.len())
            .enumerate()
            .filter(|(_, bytes)| *bytes == body)
            .collect();
        assert_eq!(places.len(), 1, "body of event {}", event.position);
        for bit in 0..body.len() * 8 {
            let mut bytes = good.clone();
            bytes[places[0].0 + bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &bytes).unwrap();
            let found = verify(directory.path());
            assert_eq!(
                found.head.position,
                event.position - 1,
                "bit {bit}: {:?}",
                found.fault
            );
            assert!(!found.is_intact());
        }
    }
}

#[test]
fn an_index_that_disagrees_with_the_table_is_found() {
    let (directory, _, _) = written();
    let path = directory.path().join("ledger.db");
    let mut bytes = fs::read(&path).unwrap();
    // After the schema's page, names stand in the table, in the index, and in remains of pages that were split.
    let places: Vec<_> = bytes
        .windows(4)
        .enumerate()
        .map(|(place, window)| (place, window == b"even"))
        .filter_map(|(place, named)| (named && place >= 4096).then_some(place))
        .collect();
    let (mut edited, mut structural) = (0, 0);
    for place in places {
        bytes[place] = b'E';
        fs::write(&path, &bytes).unwrap();
        match verify(directory.path()).fault {
            Some(Fault::Edited { .. }) => edited += 1,
            Some(Fault::Unreadable { after: 10, .. }) => structural += 1,
            None => {}
            Some(fault) => panic!("byte {place}: {fault}"),
        }
        bytes[place] = b'e';
    }
    assert_eq!(
        (edited, structural),
        (3, 3),
        "three rows, three index entries"
    );
}
