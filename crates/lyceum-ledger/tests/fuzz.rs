//! Files and texts that were changed at random: no panic, and no "intact" where anything that was written reads otherwise.
//!
//! `LYCEUM_FUZZ_CASES` sets how many (default 1,500), `LYCEUM_FUZZ_SEED` where they come from.
//! `bench/durability/fuzz.sh` runs the long version.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use lyceum_ledger::{BlobId, Bundle, Checkpoint, Event, Ledger, NewEvent, Options, Reader};
use tempfile::TempDir;

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        // SplitMix64: https://doi.org/10.1145/2714064.2660195
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}

/// A ledger at rest, and what it says.
struct Sample {
    place: TempDir,
    events: Vec<Event>,
    blobs: Vec<(BlobId, Vec<u8>)>,
    checkpoint: Checkpoint,
}

impl Sample {
    fn new() -> Sample {
        let place = TempDir::new().unwrap();
        let ledger = Ledger::open(place.path(), Options::default()).unwrap();
        let mut blobs = Vec::new();
        for number in 0..12_usize {
            let bytes = format!("blob {number} {}", "z".repeat(number * 50)).into_bytes();
            let id = ledger.put_blob(&bytes).unwrap();
            blobs.push((id, bytes));
            let length = if number.is_multiple_of(4) {
                5000
            } else {
                40 * number
            };
            let body = format!("\"{number}{}\"", "x".repeat(length));
            let event = NewEvent::new("sampled", 1, body).with_blobs([id]);
            let stream = format!("stream/{}", number % 3);
            ledger.append(&stream, vec![event]).unwrap();
        }
        let checkpoint = ledger.checkpoint().unwrap();
        let events = ledger.reader().unwrap().read_all(0, usize::MAX).unwrap();
        Sample {
            place,
            events,
            blobs,
            checkpoint,
        }
    }

    fn reader(&self) -> Option<Reader> {
        Ledger::open_read_only(self.place.path()).ok()
    }

    /// Whether the ledger is called intact.
    fn is_called_intact(&self) -> bool {
        let verified = self.reader().map(|reader| reader.verify());
        verified.is_some_and(|verified| verified.is_ok_and(|one| one.is_intact()))
    }

    /// Whether everything that was written reads as it was.
    fn reads_as_written(&self) -> bool {
        let Some(reader) = self.reader() else {
            return false;
        };
        let same =
            |(id, bytes): &(BlobId, Vec<u8>)| reader.blob(*id).is_ok_and(|found| found == *bytes);
        reader
            .read_all(0, usize::MAX)
            .is_ok_and(|events| events == self.events)
            && self.blobs.iter().all(same)
    }

    /// Every file that the ledger consists of.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = all_files(self.place.path());
        files.retain(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            !matches!(name, "lock" | "ledger.db-shm" | "ledger.db-wal")
                && fs::metadata(path).unwrap().len() > 0
        });
        files.sort();
        files
    }
}

fn all_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all_files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Changes bytes in one to three places.
fn change(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(3) {
        let at = dice.below(bytes.len());
        let length = (1 + dice.below(64)).min(bytes.len() - at);
        match dice.below(6) {
            0 | 1 => bytes[at] ^= 1 << dice.below(8),
            2 => bytes[at] = dice.below(256) as u8,
            3 => bytes[at..at + length].fill(0),
            4 => {
                let from = dice.below(bytes.len() - length + 1);
                bytes.copy_within(from..from + length, at);
            }
            _ => bytes.truncate(at.max(1)),
        }
    }
}

#[test]
fn a_changed_file_is_found_or_changes_nothing() {
    let sample = Sample::new();
    assert!(sample.is_called_intact() && sample.reads_as_written());
    let files = sample.files();
    let mut dice = Dice(setting("LYCEUM_FUZZ_SEED", 1));
    let (mut found, mut harmless) = (0, 0);
    let cases = setting("LYCEUM_FUZZ_CASES", 1_500);
    for case in 0..cases {
        // Most of what can go wrong is in the store's file.
        let path = if dice.below(4) > 0 {
            sample.place.path().join("ledger.db")
        } else {
            files[dice.below(files.len())].clone()
        };
        let whole = fs::read(&path).unwrap();
        let mut changed = whole.clone();
        change(&mut changed, &mut dice);
        fs::write(&path, &changed).unwrap();
        if sample.is_called_intact() {
            harmless += 1;
            assert!(
                sample.reads_as_written(),
                "case {case}: `{}` was changed, reads otherwise, and is called intact",
                path.display()
            );
        } else {
            found += 1;
        }
        fs::write(&path, &whole).unwrap();
        for left in ["ledger.db-wal", "ledger.db-shm"] {
            let _ = fs::remove_file(sample.place.path().join(left));
        }
    }
    println!("{cases} changed files: {found} found, {harmless} without effect on anything written");
    assert!(
        found > cases / 3,
        "only {found} of {cases} changes were found"
    );
    assert!(sample.is_called_intact() && sample.reads_as_written());
}

#[test]
fn a_changed_checkpoint_is_refused_or_says_the_same() {
    let sample = Sample::new();
    let reader = sample.reader().unwrap();
    let text = sample.checkpoint.to_string();
    assert!(
        reader
            .verify_against(&sample.checkpoint)
            .unwrap()
            .is_intact()
    );
    let mut dice = Dice(setting("LYCEUM_FUZZ_SEED", 1));
    for case in 0..setting("LYCEUM_FUZZ_CASES", 1_500) {
        let mut bytes = text.clone().into_bytes();
        change(&mut bytes, &mut dice);
        let Ok(read) = String::from_utf8_lossy(&bytes).parse::<Checkpoint>() else {
            continue;
        };
        let verified = reader.verify_against(&read);
        if verified.is_ok_and(|one| one.is_intact()) {
            assert_eq!(
                read, sample.checkpoint,
                "case {case}: another checkpoint holds"
            );
        }
    }
}

#[test]
fn a_changed_bundle_is_refused_or_holds_the_same() {
    let sample = Sample::new();
    let reader = sample.reader().unwrap();
    let mut dice = Dice(setting("LYCEUM_FUZZ_SEED", 1));
    let place = TempDir::new().unwrap();
    let path = place.path().join("bundle");
    let (mut refused, cases) = (0, setting("LYCEUM_FUZZ_CASES", 1_500));
    for stream in [None, Some("stream/1")] {
        let mut whole = Vec::new();
        reader.export(stream, &mut whole).unwrap();
        fs::write(&path, &whole).unwrap();
        assert_eq!(Bundle::open(&path).unwrap().stream(), stream);
        for case in 0..cases / 2 {
            let mut bytes = whole.clone();
            change(&mut bytes, &mut dice);
            if dice.below(8) == 0 {
                bytes.extend_from_slice(&whole[..dice.below(whole.len())]);
            }
            if bytes == whole {
                continue;
            }
            fs::write(&path, &bytes).unwrap();
            let Ok(bundle) = Bundle::open(&path) else {
                refused += 1;
                continue;
            };
            let target = place.path().join(format!("lab-{case}"));
            assert_eq!(
                stream, None,
                "case {case}: a changed bundle of a stream is taken"
            );
            bundle.import_lab(&target).unwrap();
            let taken = Ledger::open_read_only(&target).unwrap();
            let events = taken.read_all(0, usize::MAX).unwrap();
            assert_eq!(
                events, sample.events,
                "case {case}: a changed bundle is taken"
            );
        }
    }
    println!("{cases} changed bundles, {refused} refused");
    assert!(
        refused > cases * 4 / 5,
        "only {refused} of {cases} were refused"
    );
}
