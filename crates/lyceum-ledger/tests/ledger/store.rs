//! What every store promises, checked of each; and of the one in memory what leases that end add.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lyceum_ledger::{
    BlobId, Clock, Entropy, Error, Fault, Ledger, MemoryStore, NewEvent, Options, RecordBody,
    Signer, Store, Timestamp, WriteFault,
};
use tempfile::TempDir;

use crate::support::{event, fresh};

const LEASE_MS: i64 = 10_000;

/// A clock that stands still until it is moved.
#[derive(Default)]
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.0.load(Ordering::Relaxed))
    }
}

/// Bytes that follow from a seed.
struct Seeded(AtomicI64);

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        let seed = self.0.fetch_add(1, Ordering::Relaxed);
        let mut output = blake3::Hasher::new();
        output.update(&seed.to_le_bytes());
        output.finalize_xof().fill(bytes);
    }
}

/// A lab in memory that follows from a seed.
struct Simulated {
    clock: Arc<Hand>,
    store: MemoryStore,
    options: Options,
    signer: Signer,
}

impl Simulated {
    fn new(seed: i64) -> Self {
        let clock = Arc::new(Hand::default());
        let entropy = Arc::new(Seeded(AtomicI64::new(seed << 32)));
        let signer = Signer::new(&*entropy);
        let options = Options {
            clock: clock.clone(),
            entropy,
            ..Options::default()
        };
        Self {
            store: MemoryStore::new(clock.clone(), LEASE_MS),
            clock,
            options,
            signer,
        }
    }

    fn open(&self) -> Result<Ledger, Error> {
        let signer = Some(self.signer.clone());
        Ledger::open_store(Arc::new(self.store.clone()), signer, self.options.clone())
    }
}

/// Runs a check against a lab on disk and one in memory; `open` opens it again.
fn each_store(check: impl Fn(&dyn Fn() -> Result<Ledger, Error>)) {
    let directory = TempDir::new().unwrap();
    check(&|| Ledger::open(directory.path(), Options::default()));
    let simulated = Simulated::new(1);
    check(&|| simulated.open());
}

#[test]
fn events_are_read_back_by_position_and_by_stream() {
    each_store(|open| {
        let ledger = open().unwrap();
        let mut written = ledger.append("a", vec![event(1), event(2)]).unwrap();
        written.extend(ledger.append("b", vec![event(3)]).unwrap());
        let large = NewEvent::new("log", 1, format!("\"{}\"", "x".repeat(9000)));
        let blob = ledger.put_blob(b"weights").unwrap();
        written.extend(ledger.append("a", vec![large.with_blobs([blob])]).unwrap());
        drop(ledger);
        let ledger = open().unwrap();
        let reader = ledger.reader().unwrap();
        assert_eq!(reader.read_all(0, 100).unwrap(), written);
        assert_eq!(reader.read_all(1, 2).unwrap(), written[1..3]);
        assert_eq!(reader.read("a", 1, 1).unwrap(), written[1..2]);
        assert_eq!(reader.read("a", 2, 9).unwrap(), written[3..]);
        assert_eq!(reader.read("c", 0, 9).unwrap(), []);
        let streams: Vec<_> = reader.streams().unwrap();
        let streams: Vec<_> = streams
            .iter()
            .map(|head| (head.stream.as_str(), head.seq))
            .collect();
        assert_eq!(streams, [("a", 3), ("b", 1)]);
        assert_eq!(reader.head().unwrap().hash, written[3].hash);
        assert_eq!(reader.blob(blob).unwrap(), b"weights");
        let found = reader.verify().unwrap();
        assert_eq!(
            (found.fault, found.events_signed, found.blobs),
            (None, 4, 2)
        );
        assert_eq!(reader.size_on_disk().unwrap().blobs, 2);
    });
}

#[test]
fn a_second_holder_is_told_of_the_first_and_epochs_rise() {
    each_store(|open| {
        let first = open().unwrap();
        let Err(Error::Locked {
            holder: Some(holder),
            ..
        }) = open()
        else {
            panic!("two hold one lab");
        };
        assert_eq!(holder.pid, std::process::id());
        assert!(!holder.boot.is_empty() && holder.started > 0);
        drop(first);
        let second = open().unwrap();
        let Err(Error::Locked {
            holder: Some(next), ..
        }) = open()
        else {
            panic!("two hold one lab");
        };
        assert!(next.epoch > holder.epoch);
        drop(second);
    });
}

#[test]
fn expectations_and_missing_blobs_refuse_the_whole_append() {
    each_store(|open| {
        let ledger = open().unwrap();
        ledger.append_expecting("a", 0, vec![event(1)]).unwrap();
        let error = ledger.append_expecting("a", 0, vec![event(2)]).unwrap_err();
        assert!(matches!(error, Error::Conflict { found: 1, .. }));
        let naming = event(2).with_blobs([BlobId::of(b"absent")]);
        let error = ledger.append("a", vec![event(2), naming]).unwrap_err();
        assert!(matches!(error, Error::BlobMissing { .. }));
        assert_eq!(ledger.reader().unwrap().head().unwrap().position, 1);
    });
}

#[test]
fn long_ledgers_have_one_tree_whatever_keeps_them() {
    each_store(|open| {
        for _ in 0..3 {
            let ledger = open().unwrap();
            ledger.append("a", vec![event(1); 700]).unwrap();
        }
        let ledger = open().unwrap();
        let found = ledger.reader().unwrap().verify().unwrap();
        assert_eq!((found.fault, found.events), (None, 2100));
        assert_eq!(ledger.reader().unwrap().tree_head().unwrap(), found.tree);
    });
}

#[test]
fn a_seed_gives_the_same_lab_twice() {
    let history = |seed| {
        let lab = Simulated::new(seed);
        let ledger = lab.open().unwrap();
        for number in 0..20 {
            lab.clock.0.fetch_add(number, Ordering::Relaxed);
            ledger.append("a", vec![event(number as u64)]).unwrap();
        }
        ledger.checkpoint().unwrap()
    };
    assert_eq!(history(7), history(7));
    assert_ne!(history(7), history(8));
}

#[test]
fn a_holder_whose_lease_has_ended_cannot_write_after_the_next() {
    let lab = Simulated::new(2);
    let first = lab.open().unwrap();
    first.append("a", vec![event(1)]).unwrap();
    assert!(lab.open().is_err(), "the lease is in force");
    lab.store.lose_holder();
    let second = lab.open().unwrap();
    second.append("a", vec![event(2)]).unwrap();
    let error = first.append("a", vec![event(3)]).unwrap_err();
    assert!(matches!(error, Error::Poisoned { .. }), "{error:?}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.starts_with(
            "this process may not write to the lab any more: it was taken over by process "
        ),
        "{cause}"
    );
    drop(first);
    assert!(lab.open().is_err(), "the second still holds the lab");
    second.append("a", vec![event(4)]).unwrap();
    let reader = second.reader().unwrap();
    assert_eq!(
        (
            reader.head().unwrap().position,
            reader.verify().unwrap().fault
        ),
        (3, None)
    );
}

#[test]
fn a_lab_on_disk_whose_lock_file_was_removed_is_fenced_too() {
    let (directory, first) = fresh();
    first.append("a", vec![event(1)]).unwrap();
    fs::remove_file(directory.path().join("lock")).unwrap();
    let second = Ledger::open(directory.path(), Options::default()).unwrap();
    second.append("a", vec![event(2)]).unwrap();
    let error = first.append("a", vec![event(3)]).unwrap_err();
    assert!(matches!(error, Error::Poisoned { .. }), "{error:?}");
    assert!(matches!(first.put_blob(b"x"), Err(Error::Poisoned { .. })));
    second.append("a", vec![event(4)]).unwrap();
    let reader = second.reader().unwrap();
    assert_eq!(
        (
            reader.head().unwrap().position,
            reader.verify().unwrap().fault
        ),
        (3, None)
    );
}

#[test]
fn a_write_that_fails_ends_all_writing_but_a_full_disk_does_not() {
    for fault in [WriteFault::NoRoom, WriteFault::Lost, WriteFault::Unreported] {
        for writes in 0..4 {
            let lab = Simulated::new(3);
            let mut ledger = lab.open().unwrap();
            lab.store.fail_after(writes, fault);
            let mut acknowledged = 0;
            let mut failures = 0;
            for number in 0..8 {
                match ledger.append("a", vec![event(number)]) {
                    Ok(written) => acknowledged = written[0].position,
                    Err(Error::DiskFull { .. }) if fault == WriteFault::NoRoom => failures += 1,
                    Err(Error::Unconfirmed { .. }) if failures == 0 => failures += 1,
                    Err(Error::Poisoned { .. }) if failures > 0 => failures += 1,
                    Err(error) => panic!("{fault:?} after {writes}: {error:?}"),
                }
            }
            let expected = if fault == WriteFault::NoRoom {
                1
            } else {
                8 - writes
            };
            assert_eq!(failures, expected, "{fault:?} after {writes}");
            // Recoveries are never capped.
            for _ in 0..200 {
                drop(ledger);
                ledger = lab.open().unwrap();
            }
            let next = ledger.append("a", vec![event(9)]).unwrap()[0].position;
            let unreported = u64::from(fault == WriteFault::Unreported);
            assert_eq!(
                next,
                acknowledged + unreported + 1,
                "{fault:?} after {writes}"
            );
            assert_eq!(ledger.reader().unwrap().verify().unwrap().fault, None);
        }
    }
}

#[test]
fn changes_in_memory_are_found_like_those_on_disk() {
    let lab = Simulated::new(4);
    let ledger = lab.open().unwrap();
    ledger
        .append("a", vec![event(1), event(2), event(3)])
        .unwrap();
    lab.store.tamper(2, |record| {
        record.body = RecordBody::Inline("{}".to_owned());
    });
    let fault = ledger.reader().unwrap().verify().unwrap().fault;
    assert!(
        matches!(fault, Some(Fault::Edited { position: 2, .. })),
        "{fault:?}"
    );
    let view = lab.store.view().unwrap();
    assert_eq!(view.records(1, 1).unwrap()[0].position, 2);
}
