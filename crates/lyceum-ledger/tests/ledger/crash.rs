//! Writers that are killed at any moment.

use std::collections::HashMap;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use lyceum_ledger::{Hash, Ledger, Options};
use tempfile::TempDir;

use crate::child::{self, Role};

/// Kills per run of the test, all on the same ledger.
const KILLS: u64 = 60;

/// Kills a writer after it has reported `acknowledgements`, or has been silent, and `pause` more.
/// Returns every event that it reported as acknowledged.
fn kill_a_writer(directory: &TempDir, acknowledgements: u64, pause: Duration) -> Vec<(u64, Hash)> {
    let mut writer = child::spawn(Role::Write, directory.path());
    let lines = child::reports(&mut writer);
    let (sender, receiver) = mpsc::channel();
    let listener = thread::spawn(move || {
        for line in lines {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let mut reported = Vec::new();
    while (reported.len() as u64) < acknowledgements {
        match receiver.recv_timeout(Duration::from_mins(1)) {
            Ok(line) => reported.push(line),
            Err(error) => panic!("writer ended or hung before it was killed: {error}"),
        }
    }
    thread::sleep(pause);
    writer.kill().unwrap();
    writer.wait().unwrap();
    listener.join().unwrap();
    reported.extend(receiver.try_iter());
    reported
        .iter()
        .filter_map(|line| line.split_once(' '))
        .map(|(position, hash)| (position.parse().unwrap(), hash.parse().unwrap()))
        .collect()
}

#[test]
fn no_acknowledged_event_is_lost_to_a_kill() {
    let directory = TempDir::new().unwrap();
    let mut acknowledged: HashMap<u64, Hash> = HashMap::new();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for kill in 0..KILLS {
        // A xorshift generator: which moments are hit differs anyway.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let pause = Duration::from_micros((random >> 8) % 20_000);
        // Some are killed while they open the ledger.
        let acknowledgements = if kill % 6 == 0 { 0 } else { random % 60 };
        acknowledged.extend(kill_a_writer(&directory, acknowledgements, pause));
        let ledger = Ledger::open(directory.path(), Options::default()).unwrap();
        let events = ledger.reader().unwrap().read_all(0, usize::MAX).unwrap();
        for (position, hash) in &acknowledged {
            let event = events.get(*position as usize - 1);
            assert_eq!(
                event.map(|event| event.hash),
                Some(*hash),
                "event {position} was acknowledged before kill {kill}"
            );
        }
    }
    assert!(
        acknowledged.len() as u64 > KILLS * 10,
        "only {} events",
        acknowledged.len()
    );
    let reader = Ledger::open_read_only(directory.path()).unwrap();
    let verification = reader.verify().unwrap();
    assert_eq!(verification.fault, None);
    assert_eq!(
        verification.found_unsigned,
        [],
        "a kill leaves no event unsigned"
    );
    assert!(verification.blobs > KILLS);
    let waste = std::fs::read_dir(directory.path().join("blobs/incoming"))
        .unwrap()
        .count();
    assert_eq!(waste, 0, "opening removes unfinished blobs");
}

#[test]
fn a_ledger_copied_while_its_writer_is_dead_is_read_without_opening_it_for_writing() {
    let directory = TempDir::new().unwrap();
    let acknowledged = kill_a_writer(&directory, 50, Duration::ZERO);
    let log = directory.path().join("ledger.db-wal");
    assert!(
        log.metadata().unwrap().len() > 0,
        "the log of the killed writer is still there"
    );
    let reader = Ledger::open_read_only(directory.path()).unwrap();
    assert!(reader.head().unwrap().position >= acknowledged.len() as u64);
    assert_eq!(reader.verify().unwrap().fault, None);
}
