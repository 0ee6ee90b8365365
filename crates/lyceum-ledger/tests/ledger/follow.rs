//! Reading while another process writes.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use lyceum_ledger::{Ledger, NewEvent};
use tempfile::TempDir;

use crate::child::{self, Role};
use crate::support::{event, fresh};

/// After this long without a new event something hangs.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn a_stream_is_followed_by_number_while_another_process_writes() {
    let directory = TempDir::new().unwrap();
    let mut writer = child::spawn(Role::Write, directory.path());
    let mut reports = child::reports(&mut writer);
    assert_eq!(reports.next().as_deref(), Some("open"));
    // The pipe is emptied, so that the writer never waits for this process.
    let drain = thread::spawn(move || reports.count());
    let reader = Ledger::open_read_only(directory.path()).unwrap();
    let (mut seen, mut position, mut calls) = (0, 0, 0);
    let mut last_new = Instant::now();
    while seen < 300 || position < 900 {
        for event in reader.read("writer/1", seen, 7).unwrap() {
            assert_eq!(event.seq, seen + 1);
            seen = event.seq;
            last_new = Instant::now();
        }
        for event in reader.read_all(position, 100).unwrap() {
            assert_eq!(event.position, position + 1);
            position = event.position;
        }
        calls += 1;
        assert!(
            last_new.elapsed() < PATIENCE,
            "no new event after number {seen}"
        );
    }
    assert!(calls > 1, "everything came at once");
    let whole = reader.verify().unwrap();
    assert_eq!(whole.fault, None);
    assert!(whole.head.position >= position);
    writer.kill().unwrap();
    writer.wait().unwrap();
    assert!(drain.join().unwrap() > 0);
}

#[test]
fn what_was_acknowledged_is_seen_at_once_by_every_reader() {
    let (_directory, ledger) = fresh();
    let early = ledger.reader().unwrap();
    for number in 1..=200 {
        let written = ledger.append("a", vec![event(number)]).unwrap();
        assert_eq!(early.read("a", number - 1, 9).unwrap(), written);
        assert_eq!(early.head().unwrap().hash, written[0].hash);
    }
}

/// A follower that stands still in whatever it was doing holds nothing that the writer waits for.
#[test]
fn a_slow_follower_in_another_process_does_not_stop_the_writer_and_misses_nothing() {
    let (directory, ledger) = fresh();
    ledger.append("a", vec![event(0)]).unwrap();
    let mut follower = child::spawn(Role::Follow, directory.path());
    let mut reports = child::reports(&mut follower);
    assert_eq!(reports.next().as_deref(), Some("1"));
    let signal = |name: &str| {
        let pid = follower.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status();
        assert!(sent.expect("this test needs `kill`").success());
    };
    for round in 0..8 {
        signal("-STOP");
        for number in 0..100 {
            ledger
                .append("a", vec![event(round * 100 + number); 3])
                .unwrap();
        }
        signal("-CONT");
        // Somewhere in the middle of catching up.
        for _ in 0..20 {
            assert!(reports.next().is_some());
        }
    }
    ledger
        .append("a", vec![NewEvent::new("last", 1, "null")])
        .unwrap();
    let rest: Vec<u64> = reports.map(|number| number.parse().unwrap()).collect();
    assert_eq!(rest, (162..=2402).collect::<Vec<_>>());
    assert!(follower.wait().unwrap().success());
}

#[test]
fn a_reader_in_the_middle_of_its_work_does_not_stop_the_writer_or_the_log() {
    let (directory, ledger) = fresh();
    let body = format!("\"{}\"", "x".repeat(3000));
    ledger
        .append("a", vec![NewEvent::new("e", 1, body.as_str())])
        .unwrap();
    let other = rusqlite::Connection::open(directory.path().join("ledger.db")).unwrap();
    other
        .execute_batch("BEGIN; SELECT count(*) FROM event;")
        .unwrap();
    for _ in 0..40 {
        ledger
            .append("a", vec![NewEvent::new("e", 1, body.as_str()); 200])
            .unwrap();
    }
    let seen: i64 = other
        .query_row("SELECT count(*) FROM event", [], |row| row.get(0))
        .unwrap();
    assert_eq!(seen, 1, "the old reader keeps its view");
    assert_eq!(ledger.reader().unwrap().head().unwrap().position, 8001);
    other.execute_batch("COMMIT").unwrap();
    drop(other);
    // With the reader gone the log starts over: twice as many events do not make it longer.
    let log = directory.path().join("ledger.db-wal");
    let long = log.metadata().unwrap().len();
    for _ in 0..80 {
        ledger
            .append("a", vec![NewEvent::new("e", 1, body.as_str()); 200])
            .unwrap();
    }
    assert!(
        log.metadata().unwrap().len() <= long + (8 << 20),
        "log grows without bound"
    );
}

#[test]
fn the_log_has_its_length_in_advance_and_is_gone_when_the_ledger_is_closed() {
    let (directory, ledger) = fresh();
    let log = directory.path().join("ledger.db-wal");
    let long = log.metadata().unwrap().len();
    assert_eq!(long, 6 << 20);
    for number in 1..=50 {
        ledger.append("a", vec![event(number)]).unwrap();
    }
    assert_eq!(
        log.metadata().unwrap().len(),
        long,
        "commits stay inside what is there"
    );
    drop(ledger);
    assert!(!log.exists());
    assert_eq!(
        Ledger::open_read_only(directory.path())
            .unwrap()
            .head()
            .unwrap()
            .position,
        50
    );
}
