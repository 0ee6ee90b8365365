//! The disk while the traced process runs, and the disks that a power loss could leave.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::trace::Act;

/// What a disk writes in one piece.
const SECTOR: usize = 512;

/// A small generator; its one number repeats all disks.
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // SplitMix64: https://doi.org/10.1145/2714064.2660195
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}

/// A file, whatever its name.
#[derive(Debug, Clone, Default)]
struct File {
    /// As after its last sync.
    synced: Vec<u8>,
    now: Vec<u8>,
    /// Sectors written since, each with the time of the last write.
    dirty: BTreeMap<usize, u64>,
    sync_began: u64,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    File(usize),
    Directory,
}

/// A change of names that its directory was not yet synced for.
#[derive(Debug, Clone)]
enum Change {
    Add(PathBuf, Entry),
    Move(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Change {
    /// The directory whose sync makes it last.
    fn directory(&self) -> &Path {
        let (Change::Add(path, _) | Change::Move(_, path) | Change::Remove(path)) = self;
        path.parent().unwrap()
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Entry>) {
        match self {
            Change::Add(path, entry) => {
                names.insert(path.clone(), *entry);
            }
            Change::Move(from, to) => {
                if let Some(entry) = names.remove(from) {
                    names.insert(to.clone(), entry);
                }
            }
            Change::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

/// The disk at one moment.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    /// Names as the process sees them.
    now: BTreeMap<PathBuf, Entry>,
    /// Names that are on the disk for certain.
    synced: BTreeMap<PathBuf, Entry>,
    /// Changes of names that may be lost, in order.
    pending: Vec<Change>,
    time: u64,
}

impl Disk {
    pub(crate) fn act(&mut self, act: &Act) {
        self.time += 1;
        match act {
            Act::Open(path, empty) => {
                let file = self.file(path);
                if *empty {
                    self.files[file].now.clear();
                }
            }
            Act::Write(path, offset, bytes) => {
                let file = self.file(path);
                self.write(file, *offset, bytes);
            }
            Act::Truncate(path, length) => {
                let file = self.file(path);
                self.files[file].now.resize(*length as usize, 0);
            }
            Act::SyncBegins(path) => {
                if let Some(Entry::File(file)) = self.now.get(path) {
                    self.files[*file].sync_began = self.time;
                }
            }
            Act::Synced(path) => match self.now.get(path) {
                Some(Entry::File(file)) => self.files[*file].sync(),
                Some(Entry::Directory) | None => self.sync_names(path),
            },
            Act::MakeDirectory(path) => self.change(Change::Add(path.clone(), Entry::Directory)),
            Act::Rename(from, to) => self.change(Change::Move(from.clone(), to.clone())),
            Act::Remove(path) => self.change(Change::Remove(path.clone())),
            Act::Said(_) => {}
        }
    }

    /// Returns the file of this name, made if it is not there.
    fn file(&mut self, path: &Path) -> usize {
        if let Some(Entry::File(file)) = self.now.get(path) {
            return *file;
        }
        self.files.push(File::default());
        let file = self.files.len() - 1;
        self.change(Change::Add(path.to_path_buf(), Entry::File(file)));
        file
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.pending.push(change);
    }

    fn write(&mut self, file: usize, offset: Option<u64>, bytes: &[u8]) {
        let file = &mut self.files[file];
        let start = offset.map_or(file.now.len(), |offset| offset as usize);
        let end = start + bytes.len();
        if file.now.len() < end {
            file.now.resize(end, 0);
        }
        file.now[start..end].copy_from_slice(bytes);
        for sector in start / SECTOR..end.div_ceil(SECTOR) {
            file.dirty.insert(sector, self.time);
        }
    }

    /// A directory was synced: its own names are on the disk, and where they came from no longer matters.
    fn sync_names(&mut self, directory: &Path) {
        let (done, open) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|change| change.directory() == directory);
        self.pending = open;
        let done: Vec<Change> = done;
        for change in &done {
            match change {
                // The name may have come from a directory that was not synced.
                Change::Move(from, to) => {
                    if let Some(entry) = self.now.get(to).or_else(|| self.synced.get(from)) {
                        self.synced.insert(to.clone(), *entry);
                    }
                    self.synced.remove(from);
                }
                other => other.apply(&mut self.synced),
            }
        }
    }

    /// Writes a disk that a power loss now could leave to `target`, in place of `root`.
    pub(crate) fn lose_power(&self, root: &Path, target: &Path, dice: &mut Dice) {
        let mut names = self.synced.clone();
        // File systems with a journal keep the order of changes of names.
        let kept = match dice.below(3) {
            0 => 0,
            1 => self.pending.len(),
            _ => dice.below(self.pending.len() + 1),
        };
        for change in &self.pending[..kept] {
            change.apply(&mut names);
        }
        let there: BTreeSet<&Path> = names
            .iter()
            .filter(|(_, entry)| **entry == Entry::Directory)
            .map(|(path, _)| path.as_path())
            .collect();
        fs::create_dir_all(target).unwrap();
        for (path, entry) in &names {
            let parent = path.parent().unwrap();
            if path != root && parent != root && !there.contains(parent) {
                continue;
            }
            let place = target.join(path.strip_prefix(root).unwrap());
            match entry {
                Entry::Directory => fs::create_dir_all(&place).unwrap(),
                // Shared memory of processes that are gone: the store makes it anew.
                Entry::File(_) if place.to_string_lossy().ends_with("-shm") => {}
                Entry::File(file) => {
                    fs::write(&place, self.files[*file].after(dice)).unwrap();
                    // The key is refused when others could read it.
                    fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).unwrap();
                }
            }
        }
    }
}

impl File {
    fn sync(&mut self) {
        let began = self.sync_began;
        let still: BTreeMap<usize, u64> = std::mem::take(&mut self.dirty)
            .into_iter()
            .filter(|(_, written)| *written > began)
            .collect();
        let mut synced = self.now.clone();
        for sector in still.keys() {
            copy(&self.synced, &mut synced, *sector);
        }
        self.synced = synced;
        self.dirty = still;
    }

    /// Returns what may be there after a power loss.
    fn after(&self, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        let dirty: Vec<usize> = self.dirty.keys().copied().collect();
        let style = dice.below(4);
        let first = dice.below(dirty.len() + 1);
        for (index, sector) in dirty.iter().enumerate() {
            let kept = match style {
                0 => false,
                1 => true,
                2 => index < first,
                _ => dice.below(2) == 0,
            };
            if kept {
                copy(&self.now, &mut bytes, *sector);
            }
        }
        bytes
    }
}

/// Copies one sector as far as it goes.
fn copy(from: &[u8], to: &mut Vec<u8>, sector: usize) {
    let start = sector * SECTOR;
    let end = from.len().min(start + SECTOR);
    if start >= end {
        return;
    }
    if to.len() < end {
        to.resize(end, 0);
    }
    to[start..end].copy_from_slice(&from[start..end]);
}
