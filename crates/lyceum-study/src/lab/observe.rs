//! Taking down what is seen of a run from outside: facts for the detectors. Everything read here is hostile, so it is
//! bounded, escaped, and never more than bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
    os::unix::{ffi::OsStrExt as _, fs::FileTypeExt as _},
    path::{Path, PathBuf},
};

use lyceum_oversight::{
    detect::RULES,
    source,
    text::{self, literals},
};
use lyceum_sandbox::{Exit, Record, harvest::Harvested, show_untrusted};
use lyceum_types::{Change, ChangeKind, Copied, Mark, Observed, Shared, SourceHit};

use super::trap::Trap;
use crate::workspace::{self, ListedKind};

/// Changed entries that are named; the rest is counted.
const CHANGES_MAX: usize = 64;
/// Entries of an upper layer that are looked at; the sandbox's own limit on files is of this order.
const ENTRIES_MAX: usize = 20_000;
/// A changed file up to this size is read.
const TEXT_BYTES_MAX: u64 = 256 << 10;
/// Changed files that are read.
const TEXTS_MAX: usize = 64;
/// Bytes of one output that are searched for marks.
const OUTPUT_BYTES_MAX: usize = 4 << 20;
/// A file below this size may be a copy by chance.
const COPY_BYTES_MIN: u64 = 64;
/// A file up to this size is compared by its bytes.
const COPY_BYTES_MAX: u64 = 256 << 20;
/// Findings of one kind that are kept.
const FINDINGS_MAX: usize = 32;

/// What a study holds that a candidate's files are compared with.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    /// BLAKE3 to a name, of private and of protected files.
    copies: BTreeMap<[u8; 32], String>,
    private: BTreeSet<Vec<u8>>,
    protected: BTreeSet<Vec<u8>>,
}

impl Reference {
    /// Reads what a study holds. What cannot be read is compared with nothing: the study itself fails on it elsewhere.
    pub(crate) fn of(workspace: &Path, protected: &[PathBuf], private: &[&Path]) -> Reference {
        let mut reference = Reference::default();
        let mut visible = BTreeSet::new();
        let mut common = BTreeSet::new();
        for (path, file) in files(workspace) {
            if protected.contains(&path) {
                reference.protected.extend(literals_of(&file));
                let name = format!("protected `{}`", shown(&path));
                reference
                    .copies
                    .extend(hash_of(&file).map(|hash| (hash, name)));
            } else {
                visible.extend(literals_of(&file));
                common.extend(hash_of(&file));
            }
        }
        for directory in private {
            for (path, file) in files(directory) {
                reference.private.extend(literals_of(&file));
                let name = format!("private `{}`", shown(&path));
                reference
                    .copies
                    .extend(hash_of(&file).map(|hash| (hash, name)));
            }
        }
        let (private, protected) = (&mut reference.private, &mut reference.protected);
        private.retain(|one| !visible.contains(one) && !protected.contains(one));
        protected.retain(|one| !visible.contains(one));
        reference.copies.retain(|hash, _| !common.contains(hash));
        reference
    }

    /// Returns the literals that a text shares, by where they stand.
    fn shared(&self, path: &str, bytes: &[u8]) -> Vec<Shared> {
        if self.private.is_empty() && self.protected.is_empty() {
            return vec![];
        }
        let own = literals(bytes);
        let sides = [("private", &self.private), ("protected", &self.protected)];
        let shared = sides.iter().map(|(of, theirs)| Shared {
            path: path.to_owned(),
            of: (*of).to_owned(),
            literals: own.intersection(theirs).count() as u32,
        });
        shared.filter(|one| one.literals > 0).collect()
    }
}

/// Returns the plain files of a directory with their paths in it.
fn files(directory: &Path) -> Vec<(PathBuf, PathBuf)> {
    let listed = workspace::list(directory, workspace::Limits::default(), &[]).unwrap_or_default();
    let plain = listed
        .into_iter()
        .filter(|one| matches!(one.kind, ListedKind::File { .. }));
    plain
        .map(|one| (one.path.clone(), directory.join(one.path)))
        .collect()
}

fn literals_of(file: &Path) -> BTreeSet<Vec<u8>> {
    read_text(file).map_or_else(BTreeSet::new, |bytes| literals(&bytes))
}

/// Returns the hash of a file that is worth comparing.
fn hash_of(file: &Path) -> Option<[u8; 32]> {
    let size = fs::symlink_metadata(file).ok()?.len();
    if !(COPY_BYTES_MIN..=COPY_BYTES_MAX).contains(&size) {
        return None;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(fs::File::open(file).ok()?).ok()?;
    Some(*hasher.finalize().as_bytes())
}

/// Returns the bytes of a plain file of bounded size.
fn read_text(file: &Path) -> Option<Vec<u8>> {
    let found = fs::symlink_metadata(file).ok()?;
    if !found.is_file() || found.len() > TEXT_BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::new();
    let opened = fs::File::open(file).ok()?;
    opened.take(TEXT_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn shown(path: &Path) -> String {
    show_untrusted(path.as_os_str().as_bytes())
}

/// What is looked at after a run.
pub(super) struct Scene<'a> {
    /// The unchanged workspace.
    pub(super) workspace: &'a Path,
    /// What the run changed of it.
    pub(super) upper: &'a Path,
    /// What the lab itself had written there before the run.
    pub(super) by_lab: &'a [(String, Vec<u8>)],
    /// What the study holds.
    pub(super) reference: &'a Reference,
    /// The decoys.
    pub(super) trap: &'a Trap,
    /// The sandbox's own record.
    pub(super) record: &'a Record,
}

impl Scene<'_> {
    /// Begins the facts with all but outputs and protected files.
    pub(super) fn look(&self) -> Observed {
        let mut observed = Observed {
            rules: RULES,
            decoys_opened: self.trap.opened(),
            left_behind: self.record.usage.left_behind,
            detached: self.record.usage.detached,
            lost: self.record.exit == Exit::Lost,
            ..Observed::default()
        };
        let refused = self.record.network.iter().filter(|one| !one.allowed);
        let hosts: BTreeSet<&String> = refused.map(|one| &one.destination).collect();
        observed.refused_hosts = hosts.into_iter().take(FINDINGS_MAX).cloned().collect();
        for (place, stream) in [
            ("standard output", &self.record.stdout),
            ("standard error", &self.record.stderr),
        ] {
            self.search(place, &stream.joined(), &mut observed);
        }
        self.changes(&mut observed);
        observed
    }

    /// Takes one declared output into the facts.
    pub(super) fn output(&self, file: &Harvested, observed: &mut Observed) {
        let place = format!("output `{}`", show_untrusted(file.name.as_bytes()));
        let first = file.bytes.len().min(OUTPUT_BYTES_MAX);
        self.search(&place, &file.bytes[..first], observed);
        let size = file.bytes.len() as u64;
        if self.reference.copies.is_empty() || !(COPY_BYTES_MIN..=COPY_BYTES_MAX).contains(&size) {
            return;
        }
        if let Some(of) = self
            .reference
            .copies
            .get(blake3::hash(&file.bytes).as_bytes())
        {
            observed.copies.push(Copied {
                output: show_untrusted(file.name.as_bytes()),
                of: of.clone(),
            });
        }
    }

    fn search(&self, place: &str, bytes: &[u8], observed: &mut Observed) {
        let marks = self.trap.planted().find(bytes).into_iter();
        observed.marks.extend(marks.map(|(decoy, values)| Mark {
            decoy,
            place: place.to_owned(),
            values,
        }));
        if observed.forged.len() < FINDINGS_MAX && text::looks_like_an_answer(bytes) {
            observed.forged.push(place.to_owned());
        }
    }

    fn changes(&self, observed: &mut Observed) {
        let mut read = 0;
        for path in entries(self.upper) {
            let Some(change) = self.change(&path) else {
                continue;
            };
            let file = self.upper.join(&path);
            let readable = matches!(change.kind, ChangeKind::Added | ChangeKind::Modified);
            if let Some(bytes) = (readable && read < TEXTS_MAX)
                .then(|| read_text(&file))
                .flatten()
            {
                read += 1;
                self.search(&format!("file `{}`", change.path), &bytes, observed);
                let hits = source::hits(&change.path, &bytes).into_iter();
                let room = FINDINGS_MAX.saturating_sub(observed.sources.len());
                observed
                    .sources
                    .extend(hits.take(room).map(|(line, rule)| SourceHit {
                        path: change.path.clone(),
                        line,
                        rule: rule.to_owned(),
                    }));
                if observed.shared.len() < FINDINGS_MAX {
                    observed
                        .shared
                        .extend(self.reference.shared(&change.path, &bytes));
                }
            }
            if observed.changes.len() < CHANGES_MAX {
                observed.changes.push(change);
            } else {
                observed.changes_more += 1;
            }
        }
    }

    /// Returns how an entry differs; `None` where it is as the lab had written it.
    fn change(&self, path: &Path) -> Option<Change> {
        let file = self.upper.join(path);
        let found = fs::symlink_metadata(&file).ok();
        let own = self.by_lab.iter().find(|(name, _)| Path::new(name) == path);
        let plain = found.as_ref().filter(|found| found.is_file());
        let bytes = plain.map_or(0, fs::Metadata::len);
        if let (Some((_, wrote)), Some(_)) = (own, plain)
            && wrote.len() as u64 == bytes
            && fs::read(&file).is_ok_and(|now| now == *wrote)
        {
            return None;
        }
        let there = fs::symlink_metadata(self.workspace.join(path)).is_ok();
        let kind = match &found {
            // An overlay notes what was removed as a character device.
            Some(found) if found.file_type().is_char_device() => ChangeKind::Removed,
            Some(found) if !found.is_file() => ChangeKind::Special,
            Some(_) if there => ChangeKind::Modified,
            Some(_) => ChangeKind::Added,
            None => ChangeKind::Removed,
        };
        let read = plain.and_then(|_| read_text(&file));
        Some(Change {
            path: shown(path),
            kind,
            bytes,
            hash: read.map(|bytes| blake3::hash(&bytes).to_hex().to_string()),
            set_by_lab: own.is_some(),
        })
    }
}

/// Returns the entries of an upper layer that are no directories, in order of their paths.
fn entries(upper: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(relative) = open.pop() {
        let Ok(here) = fs::read_dir(upper.join(&relative)) else {
            continue;
        };
        for entry in here.flatten() {
            let path = relative.join(entry.file_name());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path);
            } else if found.len() < ENTRIES_MAX {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
