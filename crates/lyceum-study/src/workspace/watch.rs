//! Noticing that a workspace changed while experiments run on it.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    manifest::{Entry, Manifest, of_listed, scan},
    walk::{Error, Limits, Listed, list, shown, unreadable},
};

/// A look at the workspace may take one part in this many of the time.
const SHARE: u32 = 20;

/// A file of the workspace is not what the study is pinned to any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` was {what} while the study ran on it")]
pub struct Changed {
    /// The file, relative to the workspace and escaped for a terminal.
    pub path: String,
    /// What happened to it.
    pub what: &'static str,
}

/// What tells of a change without reading: the kernel moves a file's change time with every write, and no program can
/// set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Tells whether the file was written or replaced in between, whatever is in it now.
    fn is_of_another_write(&self, now: &Stamp) -> bool {
        (self.inode, self.modified) != (now.inode, now.modified)
    }
}

/// Compares a workspace with what it was.
#[derive(Debug)]
pub struct Watch {
    root: PathBuf,
    limits: Limits,
    manifest: Manifest,
    stamps: Vec<(Listed, Stamp)>,
    last: Instant,
    cost: Duration,
}

impl Watch {
    /// Hashes a directory and watches it from before that on.
    pub fn new(root: &Path, limits: Limits) -> Result<Watch, Error> {
        let began = Instant::now();
        let stamps = stamps(root, limits)?;
        let cost = began.elapsed();
        Ok(Watch {
            root: root.to_path_buf(),
            limits,
            stamps,
            manifest: scan(root, limits)?,
            cost,
            last: began,
        })
    }

    /// Returns what the directory holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Looks when the last look is long enough ago, and returns the first file that differs in name, mode or content.
    pub fn look(&mut self) -> Result<Option<Changed>, Error> {
        if self.last.elapsed() < self.cost * SHARE {
            return Ok(None);
        }
        let began = Instant::now();
        let found = self.compare()?;
        self.cost = began.elapsed();
        self.last = Instant::now();
        Ok(found)
    }

    fn compare(&mut self) -> Result<Option<Changed>, Error> {
        let now = match stamps(&self.root, self.limits) {
            Err(Error::Unreadable {
                path,
                problem: io::ErrorKind::NotFound,
            }) => {
                let what = "removed";
                return Ok(Some(Changed { path, what }));
            }
            now => now?,
        };
        if now == self.stamps {
            return Ok(None);
        }
        let paths = |all: &[(Listed, Stamp)]| -> Vec<PathBuf> {
            all.iter().map(|(listed, _)| listed.path.clone()).collect()
        };
        let (old, new) = (paths(&self.stamps), paths(&now));
        if let Some(path) = new.iter().find(|path| old.binary_search(path).is_err()) {
            return Ok(Some(changed(path, "added")));
        }
        if let Some(path) = old.iter().find(|path| new.binary_search(path).is_err()) {
            return Ok(Some(changed(path, "removed")));
        }
        // What was written and put back may have been read meanwhile.
        let both = || self.stamps.iter().zip(&now);
        if let Some((_, (listed, _))) = both().find(|(old, new)| old.1.is_of_another_write(&new.1))
        {
            return Ok(Some(changed(&listed.path, "written")));
        }
        // A new change time alone is no change: a backup that links files moves it too.
        let moved = both().filter(|(old, new)| old != new);
        let moved: Vec<Listed> = moved.map(|(_, (listed, _))| listed.clone()).collect();
        let again = of_listed(&self.root, &moved)?;
        let differs = |entry: &&Entry| self.manifest.entry(&entry.path) != Some(*entry);
        if let Some(entry) = again.entries.iter().find(differs) {
            return Ok(Some(changed(&entry.path, "changed")));
        }
        self.stamps = now;
        Ok(None)
    }
}

fn changed(path: &Path, what: &'static str) -> Changed {
    Changed {
        path: shown(path.as_os_str()),
        what,
    }
}

fn stamps(root: &Path, limits: Limits) -> Result<Vec<(Listed, Stamp)>, Error> {
    let listed = list(root, limits, &[])?;
    let stamped = listed.into_iter().map(|listed| {
        let path = root.join(&listed.path);
        let found = fs::symlink_metadata(&path).map_err(|error| unreadable(&path, &error))?;
        let stamp = Stamp {
            inode: found.ino(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        };
        Ok((listed, stamp))
    });
    stamped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(directory: &Path) -> Watch {
        fs::create_dir(directory.join("src")).unwrap();
        fs::write(directory.join("a.toml"), "x = 1\n").unwrap();
        fs::write(directory.join("src/b.rs"), "fn main() {}\n").unwrap();
        let mut watch = Watch::new(directory, Limits::default()).unwrap();
        // Every look counts here.
        watch.cost = Duration::ZERO;
        watch
    }

    /// Looks again, at once.
    fn look(watch: &mut Watch) -> Option<Changed> {
        watch.cost = Duration::ZERO;
        watch.look().unwrap()
    }

    #[test]
    fn each_kind_of_change_is_named_and_none_is_invented() {
        type Change = fn(&Path);
        let cases: [(Change, Option<(&str, &str)>); 7] = [
            (|_| (), None),
            (
                |at| fs::write(at.join("a.toml"), "x = 2\n").unwrap(),
                Some(("a.toml", "written")),
            ),
            (
                |at| fs::remove_file(at.join("src/b.rs")).unwrap(),
                Some(("src/b.rs", "removed")),
            ),
            (
                |at| fs::write(at.join("src/c\n.rs"), "").unwrap(),
                Some(("src/c\\n.rs", "added")),
            ),
            // Whoever reads meanwhile reads something else, though the same bytes are there in the end.
            (
                |at| fs::write(at.join("a.toml"), "x = 1\n").unwrap(),
                Some(("a.toml", "written")),
            ),
            (|at| fs::remove_dir_all(at).unwrap(), Some(("", "removed"))),
            (
                |at| fs::hard_link(at.join("a.toml"), at.with_extension("backup")).unwrap(),
                None,
            ),
        ];
        for (change, expected) in cases {
            let outer = tempfile::tempdir().unwrap();
            let directory = outer.path().join("workspace");
            fs::create_dir(&directory).unwrap();
            let mut watch = watched(&directory);
            assert_eq!(look(&mut watch), None);
            change(&directory);
            let found = look(&mut watch);
            let found = found.map(|one| (one.path, one.what));
            let (path, what) = expected.unzip();
            assert_eq!(found.as_ref().map(|one| one.1), what);
            assert!(found.is_none_or(|one| one.0.ends_with(path.unwrap_or("?"))));
        }
    }

    #[test]
    fn a_change_that_keeps_size_and_modification_time_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let mut watch = watched(directory.path());
        let path = directory.path().join("a.toml");
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "x = 9\n").unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(before).unwrap();
        assert_eq!(look(&mut watch).unwrap().path, "a.toml");
    }

    #[test]
    fn a_look_that_takes_long_is_rare() {
        let directory = tempfile::tempdir().unwrap();
        let mut watch = watched(directory.path());
        watch.cost = Duration::from_hours(1);
        fs::remove_file(directory.path().join("a.toml")).unwrap();
        assert_eq!(watch.look().unwrap(), None, "not due for 20 hours");
        assert!(look(&mut watch).is_some());
    }
}
