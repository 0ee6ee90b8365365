//! Disks of random instants, and what must be on them.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lyceum_ledger::{BlobId, Hash, Ledger, Options};
use tempfile::TempDir;

use crate::image::{Dice, Disk};
use crate::trace::{self, Act};
use crate::writer::{self, Role};

/// The system calls that change files, or tell a descriptor's file.
const CALLS: &str = "trace=write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,fsync,fdatasync,\
                     sync_file_range,openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,unlink,unlinkat,\
                     copy_file_range,sendfile,msync";

/// Calls that would change files in a way that the images do not know.
const UNKNOWN: [&str; 9] = [
    "writev(",
    "pwritev(",
    "pwritev2(",
    "truncate(",
    "fallocate(",
    "link(",
    "linkat(",
    "copy_file_range(",
    "msync(",
];

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// What was acknowledged up to some instant.
#[derive(Default)]
struct Owed {
    is_open: bool,
    events: BTreeMap<u64, String>,
    blobs: Vec<BlobId>,
}

impl Owed {
    fn hear(&mut self, said: &str) {
        let words: Vec<&str> = said.split(' ').collect();
        match words[..] {
            ["open"] => self.is_open = true,
            ["event", position, hash] => {
                self.events
                    .insert(position.parse().unwrap(), hash.to_owned());
            }
            ["blob", id] => self.blobs.push(id.parse().unwrap()),
            _ => panic!("the writer said `{said}`"),
        }
    }
}

/// What is wrong with a disk.
#[derive(Default, Debug)]
struct Losses {
    images: u64,
    /// Disks that lack something that was acknowledged.
    lossy: u64,
    /// The most events that one of them lacks.
    worst: u64,
    /// Disks on which the store cannot be opened or is not in order.
    broken: Vec<String>,
}

/// Runs a writer under `strace` and returns what it did below its directory.
fn traced(role: Role) -> (TempDir, PathBuf, Vec<Act>) {
    let place = TempDir::new().unwrap();
    let root = place.path().canonicalize().unwrap().join("ledger");
    let text = place.path().join("trace");
    if role == Role::Normal {
        fs::create_dir(&root).unwrap();
    }
    let status = Command::new("strace")
        .args(["-f", "-y", "-xx", "-s", "70000", "-e", CALLS, "-o"])
        .arg(&text)
        .args(writer::arguments())
        .env(writer::ROLE, format!("{role:?}"))
        .env(writer::DIRECTORY, &root)
        .output()
        .expect("this test needs `strace`: install it (apt-get install strace)");
    assert!(
        status.status.success(),
        "the traced writer failed; this test needs a system that lets `strace` trace:\n{}{}",
        String::from_utf8_lossy(&status.stdout),
        String::from_utf8_lossy(&status.stderr)
    );
    let text = fs::read_to_string(text).unwrap();
    let mut coded = String::new();
    for byte in root.to_str().unwrap().bytes() {
        write!(coded, "\\x{byte:02x}").unwrap();
    }
    for line in text.lines().filter(|line| line.contains(&coded)) {
        let call = line.split_whitespace().nth(1).unwrap_or("");
        let unknown = UNKNOWN.iter().find(|name| call.starts_with(**name));
        assert_eq!(unknown, None, "the images do not know this call: {line}");
    }
    let mut acts = trace::read(&text, &root);
    // What was there before the writer began.
    acts.insert(0, Act::MakeDirectory(root.clone()));
    acts.insert(1, Act::Synced(root.parent().unwrap().to_path_buf()));
    (place, root, acts)
}

/// Builds disks of random instants of a run and looks at each.
fn lose_power(role: Role, count: u64, seed: u64) -> Losses {
    let (place, root, acts) = traced(role);
    let mut dice = Dice(seed);
    let opened = acts.iter().position(|act| *act == Act::Said("open".into()));
    let mut instants: Vec<usize> = (0..count)
        .map(|_| {
            // One in eight is in the opening, when nothing is owed yet but that it opens again.
            let from = if dice.below(8) == 0 {
                2
            } else {
                opened.unwrap()
            };
            from + dice.below(acts.len() + 1 - from)
        })
        .collect();
    instants.sort_unstable();
    let memory = Path::new("/dev/shm");
    let images = if memory.is_dir() {
        TempDir::new_in(memory)
    } else {
        TempDir::new_in(place.path())
    };
    let images = images.unwrap();
    let (mut disk, mut owed, mut losses) = (Disk::default(), Owed::default(), Losses::default());
    let mut next = instants.into_iter().peekable();
    for at in 0..=acts.len() {
        while next.next_if_eq(&at).is_some() {
            let image = images.path().join("image");
            disk.lose_power(&root, &image, &mut dice);
            losses.images += 1;
            match look(role, &image, &owed) {
                Ok(0) => {}
                Ok(lost) => {
                    losses.lossy += 1;
                    losses.worst = losses.worst.max(lost);
                }
                Err(what) => losses
                    .broken
                    .push(format!("act {at} of {}: {what}", acts.len())),
            }
            fs::remove_dir_all(&image).unwrap();
        }
        if let Some(act) = acts.get(at) {
            disk.act(act);
            if let Act::Said(said) = act {
                owed.hear(said);
            }
        }
    }
    losses
}

/// Returns how many acknowledged things a disk lacks, or what is wrong with it.
fn look(role: Role, image: &Path, owed: &Owed) -> Result<u64, String> {
    match role {
        Role::Ledger => look_at_ledger(image, owed),
        Role::Normal => look_at_store(image, owed),
    }
}

fn look_at_ledger(image: &Path, owed: &Owed) -> Result<u64, String> {
    let text = |error: lyceum_ledger::Error| error.to_string();
    let ledger = Ledger::open(image, Options::default()).map_err(text)?;
    let reader = ledger.reader().map_err(text)?;
    let events = reader.read_all(0, usize::MAX).map_err(text)?;
    let verification = reader.verify().map_err(text)?;
    if let Some(fault) = verification.fault {
        return Err(fault.to_string());
    }
    if !verification.found_unsigned.is_empty() {
        return Err("events without a signature".to_owned());
    }
    let found: Vec<Hash> = events.iter().map(|event| event.hash).collect();
    let lost = owed.events.iter().filter(|(position, hash)| {
        found
            .get(**position as usize - 1)
            .map(Hash::to_string)
            .as_ref()
            != Some(hash)
    });
    let blobs = owed.blobs.iter().filter(|id| reader.blob(**id).is_err());
    Ok((lost.count() + blobs.count()) as u64)
}

fn look_at_store(image: &Path, owed: &Owed) -> Result<u64, String> {
    let path = image.join("ledger.db");
    let count = || -> rusqlite::Result<i64> {
        let store = rusqlite::Connection::open(&path)?;
        let tables = "SELECT count(*) FROM sqlite_schema";
        let tables: i64 = store.query_row(tables, [], |row| row.get(0))?;
        if tables == 0 {
            return Ok(0);
        }
        store.query_row("SELECT count(*) FROM event", [], |row| row.get(0))
    };
    let count = count().map_err(|error| error.to_string())?;
    Ok((owed.events.len() as u64).saturating_sub(count as u64))
}

#[test]
fn a_power_loss_at_any_instant_loses_nothing_acknowledged() {
    let count = setting("LYCEUM_POWER_IMAGES", 100);
    let seed = setting("LYCEUM_POWER_SEED", 1);
    let losses = lose_power(Role::Ledger, count, seed);
    println!(
        "{} disks of random instants, LYCEUM_POWER_SEED={seed}: {} lack something acknowledged, {} do not open or are not in order",
        losses.images,
        losses.lossy,
        losses.broken.len()
    );
    assert_eq!(losses.images, count);
    assert!(
        losses.broken.is_empty(),
        "LYCEUM_POWER_SEED={seed}: {:#?}",
        &losses.broken[..losses.broken.len().min(5)]
    );
    assert_eq!(losses.lossy, 0, "LYCEUM_POWER_SEED={seed}: {losses:?}");
}

#[test]
fn a_store_that_does_not_sync_each_commit_is_caught() {
    let count = setting("LYCEUM_POWER_IMAGES", 100);
    let losses = lose_power(Role::Normal, count, 1);
    println!(
        "synchronous=NORMAL: {} of {} disks lack acknowledged events, {} at worst",
        losses.lossy, losses.images, losses.worst
    );
    assert!(
        losses.lossy > count / 10,
        "the disks do not show what a missing sync loses: {losses:?}"
    );
}
