//! One ledger, its disk, its clock, and what the ledger owes to those who wrote to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lyceum_ledger::{BlobId, Clock, Error, Event, LabId, Ledger, NewEvent, Options, Timestamp};
use tempfile::TempDir;

use crate::disk::{Dice, Disk, Plan};
use crate::store::{self, Shared};

/// A clock that the history sets.
#[derive(Debug, Default)]
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) struct World {
    directory: TempDir,
    pub(crate) disk: Shared,
    pub(crate) dice: Dice,
    clock: Arc<Hands>,
    pub(crate) ledger: Option<Ledger>,
    /// Every event that was acknowledged, in order.
    owed: Vec<Event>,
    /// A batch whose fate only the next opening tells.
    unknown: Option<(String, Vec<NewEvent>)>,
    /// Bodies of events that were refused for certain.
    refused: BTreeSet<String>,
    blobs: BTreeMap<BlobId, Vec<u8>>,
    number: u64,
}

/// Memory is as good as a disk here, since nothing is on it that this program does not track.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        TempDir::new_in(memory).unwrap()
    } else {
        TempDir::new().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.ledger = None;
        store::unmount(self.directory.path());
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let directory = scratch();
        let disk = store::mount(directory.path(), Disk::new(seed ^ 0xD15C));
        World {
            disk,
            directory,
            dice: Dice(seed),
            clock: Arc::default(),
            ledger: None,
            owed: Vec::new(),
            unknown: None,
            refused: BTreeSet::new(),
            blobs: BTreeMap::new(),
            number: 0,
        }
    }

    pub(crate) fn plan(&self, plan: Plan) {
        store::lock(&self.disk).plan(plan);
    }

    pub(crate) fn operations(&self) -> u64 {
        store::lock(&self.disk).operations()
    }

    /// Moves the clock by hours, also back.
    pub(crate) fn jump(&mut self) {
        let hours = self.dice.below(48) as i64 - 24;
        self.clock.0.fetch_add(hours * 3_600_000, Ordering::Relaxed);
    }

    pub(crate) fn open(&mut self) -> Result<(), Error> {
        let options = Options {
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            command: "simulation".into(),
            lab: Some(LabId::from_bytes([7; 16])),
            ..Options::default()
        };
        let ledger = Ledger::open(self.directory.path(), options)?;
        store::lock(&self.disk).names_synced();
        self.ledger = Some(ledger);
        Ok(())
    }

    /// Makes a body that no other event has; one in six is long enough for a blob.
    fn body(&mut self) -> String {
        self.number += 1;
        let length = match self.dice.below(6) {
            0 => 4097 + self.dice.below(6000),
            1 => 3000,
            _ => self.dice.below(400),
        };
        format!("\"{}/{}\"", self.number, "b".repeat(length as usize))
    }

    /// Appends a few events to a stream and remembers what is owed for it.
    pub(crate) fn append(&mut self) {
        let stream = format!("stream/{}", self.dice.below(3));
        let count = 1 + self.dice.below(4);
        let batch: Vec<NewEvent> = (0..count)
            .map(|_| {
                let event = NewEvent::new("simulated", 1, self.body());
                match self.blobs.keys().next() {
                    Some(id) if self.number.is_multiple_of(5) => event.with_blobs([*id]),
                    _ => event,
                }
            })
            .collect();
        let found = self.last(&stream);
        // A wrong expectation must change nothing.
        let expected = match self.dice.below(8) {
            0 => Some(found + 1),
            1 => Some(found),
            _ => None,
        };
        let ledger = self.ledger.as_ref().unwrap();
        let written = match expected {
            Some(expected) => ledger.append_expecting(&stream, expected, batch.clone()),
            None => ledger.append(&stream, batch.clone()),
        };
        match written {
            Ok(events) => {
                assert_eq!(events.len(), batch.len());
                self.owed.extend(events);
            }
            Err(Error::Unconfirmed { .. }) => {
                assert!(
                    self.unknown.is_none(),
                    "written to after an unknown outcome"
                );
                self.unknown = Some((stream, batch));
            }
            Err(_) => self
                .refused
                .extend(batch.into_iter().map(|event| event.body)),
        }
    }

    pub(crate) fn put_blob(&mut self) {
        self.number += 1;
        let length = self.dice.below(3000) as usize;
        let bytes = [self.number.to_string().into_bytes(), vec![b'x'; length]].concat();
        let put = self.ledger.as_ref().unwrap().put_blob(&bytes);
        if let Ok(id) = put {
            self.blobs.insert(id, bytes);
        }
    }

    fn last(&self, stream: &str) -> u64 {
        let of_stream = self.owed.iter().filter(|event| event.stream == stream);
        of_stream.count() as u64
    }

    /// Whether the machine has stopped or the ledger takes nothing more.
    pub(crate) fn is_over(&self) -> bool {
        store::lock(&self.disk).is_gone() || self.unknown.is_some()
    }

    /// Ends the process: in order where nothing went wrong, else wherever it is. Where the power went, the disk falls
    /// back to what it has.
    pub(crate) fn end(&mut self, power: bool) {
        self.ledger = None;
        let root = self.directory.path();
        if !power && !store::lock(&self.disk).is_gone() {
            return;
        }
        // A holder that was killed leaves its text in the lock.
        fs::write(root.join("lock"), "killed").unwrap();
        if !power {
            return;
        }
        store::lock(&self.disk).lose_power();
        let _ = fs::remove_file(root.join("ledger.db-shm"));
        if root.join("blobs/incoming").is_dir() && self.dice.one_in(2) {
            fs::write(root.join("blobs/incoming/torn"), "half a bl").unwrap();
        }
    }

    /// Opens the ledger on a disk that works and holds it to what it owes.
    pub(crate) fn settle(&mut self) {
        self.plan(Plan::Calm);
        if self.ledger.is_none() {
            self.open().unwrap();
        }
        let reader = self.ledger.as_ref().unwrap().reader().unwrap();
        let events = reader.read_all(0, usize::MAX).unwrap();
        assert!(
            events.len() >= self.owed.len(),
            "{} of {} acknowledged events are lost",
            self.owed.len() - events.len(),
            self.owed.len()
        );
        for (found, owed) in events.iter().zip(&self.owed) {
            assert_eq!(
                found, owed,
                "an acknowledged event is not as it was written"
            );
        }
        let more = &events[self.owed.len()..];
        if let Some((stream, batch)) = self.unknown.take()
            && !more.is_empty()
        {
            let same = more.len() == batch.len()
                && more.iter().zip(&batch).all(|(found, sent)| {
                    found.stream == stream && found.body == sent.body && found.blobs == sent.blobs
                });
            assert!(same, "a batch is there in part");
        } else {
            assert!(more.is_empty(), "events are there that nobody wrote");
        }
        self.owed.clone_from(&events);
        let refused = events.iter().find(|one| self.refused.contains(&one.body));
        assert_eq!(refused, None, "an event that was refused is there");
        count(&events);
        for (id, bytes) in &self.blobs {
            assert_eq!(&reader.blob(*id).unwrap(), bytes, "a blob is lost");
        }
        let verification = reader.verify().unwrap();
        assert_eq!(verification.fault, None);
        assert_eq!(
            verification.found_unsigned,
            [],
            "no crash leaves an event unsigned"
        );
        assert_eq!(verification.events, events.len() as u64);
    }

    pub(crate) fn owed(&self) -> usize {
        self.owed.len()
    }
}

/// Positions and numbers have no gaps.
fn count(events: &[Event]) {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for (event, position) in events.iter().zip(1..) {
        assert_eq!(event.position, position);
        let seq = last.entry(&event.stream).or_default();
        *seq += 1;
        assert_eq!(event.seq, *seq, "stream {} has a gap", event.stream);
    }
}
