//! The place that a whole lab is imported to: made beside it, and put there whole or not at all.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};

use super::BundleError;
use crate::error::Error;
use crate::hash::PublicKey;
use crate::signed::KeyFile;
use crate::store::sync_directory;

/// Names that are tried for the unfinished directory: more imports at a time there are not.
const NAMES_MAX: u32 = 1000;

/// The name of the file that a place may have before.
const KEY: &str = "key";

/// A directory that is to become a ledger. Dropped before it is finished, nothing is left of it.
pub(super) struct Place {
    directory: PathBuf,
    /// Where it is made, under a name that nobody else has.
    pub(super) unfinished: PathBuf,
    /// Tells others that somebody is at work.
    _held: fs::File,
}

impl Place {
    /// Makes an empty directory beside `directory`, which must be free.
    pub(super) fn new(directory: &Path) -> Result<Self, BundleError> {
        is_free(directory)?;
        if let Some(parent) = directory.parent() {
            fs::create_dir_all(parent).map_err(|source| failed("create", parent, source))?;
        }
        for number in 0..NAMES_MAX {
            let unfinished = directory.with_extension(format!("importing-{number}"));
            match fs::create_dir(&unfinished) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    // Of an import that was killed nobody holds it: what it left goes.
                    if held(&unfinished).is_some() {
                        let _ = fs::remove_dir_all(&unfinished);
                    }
                    continue;
                }
                Err(source) => return Err(failed("create", &unfinished, source)),
            }
            if let Some(held) = held(&unfinished) {
                return Ok(Self {
                    directory: directory.to_path_buf(),
                    unfinished,
                    _held: held,
                });
            }
        }
        Err(failed("create", directory, ErrorKind::AlreadyExists.into()))
    }

    /// Puts the directory in its place. A key that was there goes with it, if it is the lab's.
    pub(super) fn finish(self, key: PublicKey) -> Result<(), BundleError> {
        let directory = &self.directory;
        let put = |flags| renameat_with(CWD, &self.unfinished, CWD, directory, flags);
        let has_key = is_free(directory)?;
        let moved = if has_key {
            KeyFile::new(directory).expect(key)?;
            let copy = self.unfinished.join(KEY);
            fs::copy(directory.join(KEY), &copy)
                .and_then(|_| fs::File::open(&copy)?.sync_all())
                .map_err(|source| failed("copy the key to", &copy, source))?;
            put(RenameFlags::EXCHANGE)
        } else {
            match put(RenameFlags::NOREPLACE) {
                // An empty directory is as good as none.
                Err(rustix::io::Errno::EXIST) if is_free(directory).is_ok() => {
                    put(RenameFlags::empty())
                }
                // A file system that knows no flags.
                Err(rustix::io::Errno::INVAL) => put(RenameFlags::empty()),
                moved => moved,
            }
        };
        match moved {
            Ok(()) => {}
            Err(rustix::io::Errno::EXIST | rustix::io::Errno::NOTEMPTY) => {
                is_free(directory)?;
                let directory = directory.clone();
                return Err(BundleError::Occupied { directory });
            }
            Err(error) => return Err(failed("move into place", directory, error.into())),
        }
        if let Ok(parent) = directory.join("..").canonicalize() {
            sync_directory(&parent)?;
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Gone already once it is in its place; after an exchange, what was there before.
        let _ = fs::remove_dir_all(&self.unfinished);
    }
}

/// Takes a directory for oneself as long as the file is open; nothing if another process has it, or it is gone.
fn held(directory: &Path) -> Option<fs::File> {
    let file = fs::File::open(directory).ok()?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    let (own, there) = (file.metadata().ok()?, fs::metadata(directory).ok()?);
    (own.ino() == there.ino()).then_some(file)
}

/// Whether there is a key in a place that is otherwise free; an error if it is not free.
fn is_free(directory: &Path) -> Result<bool, BundleError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(failed("look into", directory, source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| failed("look into", directory, source))?;
        names.push(entry.file_name());
    }
    let directory = directory.to_path_buf();
    if names.iter().any(|name| name == "ledger.db") {
        return Err(BundleError::Occupied { directory });
    }
    match names.iter().find(|name| *name != KEY) {
        Some(other) => Err(BundleError::NotEmpty {
            directory,
            found: other.into(),
        }),
        None => Ok(!names.is_empty()),
    }
}

fn failed(operation: &'static str, path: &Path, source: io::Error) -> BundleError {
    BundleError::Ledger(Error::io(operation, path, source))
}
