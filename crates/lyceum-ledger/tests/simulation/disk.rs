//! A disk that forgets: what of each file would be left if the power went now.
//!
//! Every write is made at once, and what was there before is remembered for each sector of 512 bytes until the file is
//! synced. At a power loss each sector that was not synced since falls back to something that it held at or after the last
//! sync, independently of all others: so writes are lost, torn and reordered. A file that was made or removed without a
//! sync of its directory may be gone or back. A sync that fails leaves its sectors at risk until they are written again, as
//! Linux does: it marks them clean although they are not on the disk.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// What a disk writes in one piece.
pub(crate) const SECTOR: u64 = 512;

/// A small generator, so that one number repeats a whole history.
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64: https://doi.org/10.1145/2714064.2660195
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    pub(crate) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

/// What goes wrong, and at which operation that changes the disk, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nothing.
    Calm,
    /// The machine stops in the middle of this operation.
    Crash { at: u64 },
    /// The first write from this operation on fails.
    WriteFails { at: u64 },
    /// The first sync from this operation on fails.
    SyncFails { at: u64 },
    /// There is no room from the one operation to the other.
    Full { from: u64, to: u64 },
}

/// An operation that changes the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Write,
    Sync,
    Other,
}

/// What an operation is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// What it says.
    Done,
    /// It happens, and nobody hears of it: the machine stops.
    Crash,
    /// Nothing; the machine has stopped.
    Gone,
    /// It fails.
    Fails,
    /// It fails because there is no room.
    NoRoom,
}

/// Earlier contents of a sector, oldest first; `None` where the file ended before it.
type Earlier = Vec<Option<Vec<u8>>>;

#[derive(Debug, Default)]
struct File {
    /// By number of the sector.
    unsynced: BTreeMap<u64, Earlier>,
    /// Sectors of a failed sync: no later sync helps them until they are written again.
    doomed: BTreeMap<u64, Earlier>,
    /// Made since its directory was synced.
    is_new: bool,
    /// What the file of this name held when it was removed, which the directory may not know yet.
    removed: Option<Vec<u8>>,
}

/// The files of one directory.
#[derive(Debug)]
pub(crate) struct Disk {
    files: HashMap<PathBuf, File>,
    plan: Plan,
    operations: u64,
    is_gone: bool,
    has_failed: bool,
    /// Whether a sync does nothing and says that it was done: what the simulation must notice.
    pub(crate) lies: bool,
    dice: Dice,
}

impl Disk {
    pub(crate) fn new(seed: u64) -> Disk {
        Disk {
            files: HashMap::new(),
            plan: Plan::Calm,
            operations: 0,
            is_gone: false,
            has_failed: false,
            lies: false,
            dice: Dice(seed),
        }
    }

    /// Begins to count operations anew, with what is to go wrong.
    pub(crate) fn plan(&mut self, plan: Plan) {
        self.plan = plan;
        self.operations = 0;
        self.is_gone = false;
        self.has_failed = false;
    }

    /// Operations since the plan was made.
    pub(crate) fn operations(&self) -> u64 {
        self.operations
    }

    /// Whether the machine has stopped.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Decides what becomes of the next operation.
    pub(crate) fn next(&mut self, operation: Operation) -> Fate {
        if self.is_gone {
            return Fate::Gone;
        }
        self.operations += 1;
        let now = self.operations;
        match self.plan {
            Plan::Crash { at } if now >= at => {
                self.is_gone = true;
                Fate::Crash
            }
            Plan::WriteFails { at }
                if now >= at && operation == Operation::Write && !self.has_failed =>
            {
                self.has_failed = true;
                Fate::Fails
            }
            Plan::SyncFails { at }
                if now >= at && operation == Operation::Sync && !self.has_failed =>
            {
                self.has_failed = true;
                Fate::Fails
            }
            Plan::Full { from, to }
                if (from..to).contains(&now) && operation == Operation::Write =>
            {
                Fate::NoRoom
            }
            _ => Fate::Done,
        }
    }

    /// Remembers what `length` bytes at `offset` hold, before they are written or cut off.
    pub(crate) fn remember(&mut self, path: &Path, offset: u64, length: u64) {
        let Ok(file) = fs::File::open(path) else {
            return;
        };
        let end = file.metadata().map_or(0, |metadata| metadata.len());
        let known = self.files.entry(path.to_path_buf()).or_default();
        for sector in offset / SECTOR..(offset + length).div_ceil(SECTOR) {
            let start = sector * SECTOR;
            let before = (start < end).then(|| {
                let mut bytes = vec![0; SECTOR.min(end - start) as usize];
                // What cannot be read reads as zeros, which the store must bear as well.
                let _ = file.read_exact_at(&mut bytes, start);
                bytes
            });
            // Written again, a sector is again one that a sync will take care of.
            let doomed = known.doomed.remove(&sector).unwrap_or_default();
            let earlier = known.unsynced.entry(sector).or_default();
            earlier.splice(0..0, doomed);
            earlier.push(before);
        }
    }

    /// A file was made.
    pub(crate) fn made(&mut self, path: &Path) {
        self.files.entry(path.to_path_buf()).or_default().is_new = true;
    }

    /// A file is about to be removed.
    pub(crate) fn removing(&mut self, path: &Path) {
        let held = fs::read(path).ok();
        let file = self.files.entry(path.to_path_buf()).or_default();
        let was_new = file.is_new;
        *file = File::default();
        file.removed = held.filter(|_| !was_new);
    }

    /// A file was synced, and the names in its directory with it where the store asks for that.
    pub(crate) fn synced(&mut self, path: &Path) {
        if let Some(file) = self.files.get_mut(path)
            && !self.lies
        {
            file.unsynced.clear();
        }
    }

    /// A sync failed: what it should have kept is no longer anyone's business.
    pub(crate) fn sync_failed(&mut self, path: &Path) {
        if let Some(file) = self.files.get_mut(path) {
            for (sector, earlier) in std::mem::take(&mut file.unsynced) {
                file.doomed.entry(sector).or_default().extend(earlier);
            }
        }
    }

    /// The names in the directory are on the disk.
    pub(crate) fn names_synced(&mut self) {
        for file in self.files.values_mut() {
            file.is_new = false;
            file.removed = None;
        }
    }

    /// Makes the files what a power loss leaves. Nobody may have them open.
    pub(crate) fn lose_power(&mut self) {
        let mut files: Vec<_> = std::mem::take(&mut self.files).into_iter().collect();
        files.sort_by(|one, other| one.0.cmp(&other.0));
        for (path, mut file) in files {
            if path.exists() {
                if file.is_new && self.dice.one_in(3) {
                    fs::remove_file(&path).unwrap();
                    if let Some(held) = file.removed {
                        fs::write(&path, held).unwrap();
                    }
                    continue;
                }
                for (sector, earlier) in std::mem::take(&mut file.doomed) {
                    let all = file.unsynced.entry(sector).or_default();
                    all.splice(0..0, earlier);
                }
                self.fall_back(&path, &file.unsynced);
            } else if let Some(held) = file.removed
                && self.dice.one_in(2)
            {
                fs::write(&path, held).unwrap();
            }
        }
    }

    /// Lets sectors that were not synced fall back to what they held before.
    fn fall_back(&mut self, path: &Path, unsynced: &BTreeMap<u64, Earlier>) {
        let mut bytes = fs::read(path).unwrap();
        let style = self.dice.below(4);
        let from = self.dice.below(unsynced.len() as u64 + 1) as usize;
        let mut cut: Option<u64> = None;
        for (index, (sector, earlier)) in unsynced.iter().enumerate() {
            let back = match style {
                0 => true,
                1 => false,
                2 => index >= from,
                _ => self.dice.one_in(2),
            };
            if !back {
                cut = None;
                continue;
            }
            let chosen = &earlier[match style {
                0 => 0,
                _ => self.dice.below(earlier.len() as u64) as usize,
            }];
            let start = (sector * SECTOR) as usize;
            let end = bytes.len().min(start + SECTOR as usize);
            match chosen {
                Some(before) => {
                    if bytes.len() < start + before.len() {
                        bytes.resize(start + before.len(), 0);
                    }
                    bytes[start..start + before.len()].copy_from_slice(before);
                    cut = None;
                }
                None if start < end => {
                    bytes[start..end].fill(0);
                    cut = cut.or(Some(sector * SECTOR));
                }
                None => {}
            }
        }
        let last = (bytes.len() as u64).div_ceil(SECTOR);
        let whole = unsynced.keys().next_back() == Some(&last.saturating_sub(1));
        if let (Some(cut), true) = (cut, whole) {
            bytes.truncate(cut as usize);
        }
        fs::write(path, bytes).unwrap();
    }
}
