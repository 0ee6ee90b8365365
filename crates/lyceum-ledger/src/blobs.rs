//! Blobs: immutable files named by the BLAKE3 hash of their bytes.
//!
//! Invariants:
//! - A file under its final name has all its bytes on the disk: it is written under a temporary
//!   name, synced, and renamed.
//! - When `put` returns, the name is on the disk too: the directory, and the directory above it if
//!   this process has not synced that yet, are synced after the rename.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::Error;
use crate::hash::BlobId;

/// The directory of blobs, inside the ledger's directory.
pub(crate) const DIRECTORY: &str = "blobs";

/// The directory of blobs that are being written, inside the directory of blobs.
const INCOMING: &str = "incoming";

/// Where blobs are read from.
#[derive(Debug, Clone)]
pub(crate) struct BlobFiles {
    root: PathBuf,
}

impl BlobFiles {
    pub(crate) fn new(ledger_directory: &Path) -> Self {
        Self {
            root: ledger_directory.join(DIRECTORY),
        }
    }

    /// Returns where the blob is kept: 256 directories, named by the first two digits.
    pub(crate) fn path(&self, id: BlobId) -> PathBuf {
        let name = id.to_string();
        self.root.join(&name[..2]).join(name)
    }

    /// Returns the blob's bytes once they have been found to be the right ones.
    pub(crate) fn read(&self, id: BlobId) -> Result<Vec<u8>, Error> {
        let path = self.path(id);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::BlobMissing { id });
            }
            Err(source) => {
                return Err(Error::Io {
                    operation: "read blob",
                    path,
                    source,
                });
            }
        };
        let found = BlobId::of(&bytes);
        if found == id {
            Ok(bytes)
        } else {
            Err(Error::BlobChanged { id, found })
        }
    }

    pub(crate) fn contains(&self, id: BlobId) -> bool {
        self.path(id).is_file()
    }

    /// Calls `visit` with the name and length of every file that is named like a blob.
    pub(crate) fn each(
        &self,
        mut visit: impl FnMut(BlobId, u64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for fan_out in entries(&self.root)? {
            if !fan_out.is_dir() || fan_out.ends_with(INCOMING) {
                continue;
            }
            for path in entries(&fan_out)? {
                let name = path.file_name().and_then(|name| name.to_str());
                let Some(id) = name.and_then(|name| name.parse().ok()) else {
                    continue;
                };
                match fs::metadata(&path) {
                    Ok(metadata) => visit(id, metadata.len())?,
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(source) => {
                        return Err(Error::Io {
                            operation: "look at blob",
                            path,
                            source,
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

/// Lists a directory in the order of names; an absent one is empty.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let listed = fs::read_dir(directory).and_then(|entries| {
        entries
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()
    });
    match listed {
        Ok(mut paths) => {
            paths.sort_unstable();
            Ok(paths)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(Error::Io {
            operation: "list",
            path: directory.to_path_buf(),
            source,
        }),
    }
}

/// How a `put` failed: whether the disk may have forgotten something without telling again.
#[derive(Debug)]
pub(crate) enum PutFailure {
    /// Nothing under a final name was touched.
    Harmless(Error),
    /// A sync failed. It must not be tried again: the system may report success the second time.
    SyncFailed(Error),
}

/// Where blobs are written. Only the process that holds the lab lock has one.
#[derive(Debug)]
pub(crate) struct BlobStore {
    files: BlobFiles,
    incoming: PathBuf,
    counter: AtomicU64,
    /// Directories that exist and whose names are on the disk. At most 256.
    synced_directories: Mutex<HashSet<PathBuf>>,
}

impl BlobStore {
    /// Opens the store, makes its directories and removes what an interrupted `put` left behind.
    ///
    /// `after_crash` tells that the last writer was killed: blobs that it had renamed but not yet
    /// made durable are seen by everyone, so their names are put on the disk now.
    pub(crate) fn open(ledger_directory: &Path, after_crash: bool) -> Result<Self, Error> {
        let files = BlobFiles::new(ledger_directory);
        let incoming = files.root.join(INCOMING);
        fs::create_dir_all(&incoming)
            .map_err(|source| Error::io("create directory", &incoming, source))?;
        for path in entries(&incoming)? {
            fs::remove_file(&path)
                .map_err(|source| Error::io("remove unfinished blob", &path, source))?;
        }
        if after_crash {
            for fan_out in entries(&files.root)? {
                sync_directory(&fan_out)?;
            }
        }
        sync_directory(&files.root)?;
        sync_directory(ledger_directory)?;
        Ok(Self {
            files,
            incoming,
            counter: AtomicU64::new(0),
            synced_directories: Mutex::new(HashSet::new()),
        })
    }

    pub(crate) fn files(&self) -> &BlobFiles {
        &self.files
    }

    /// Writes the bytes, unless a blob with exactly these bytes is there already.
    pub(crate) fn put(&self, bytes: &[u8]) -> Result<BlobId, PutFailure> {
        let id = BlobId::of(bytes);
        let path = self.files.path(id);
        let fan_out = path.parent().unwrap_or(&self.files.root);
        let present = fs::read(&path).is_ok_and(|present| present == bytes);
        if !present {
            self.make_fan_out(fan_out)?;
            let temporary = self.write_temporary(bytes)?;
            if let Err(source) = fs::rename(&temporary, &path) {
                let _ = fs::remove_file(&temporary);
                return Err(PutFailure::Harmless(Error::io(
                    "rename blob to",
                    &path,
                    source,
                )));
            }
        }
        // Also for a blob that was there: its writer may have been killed before this line.
        sync_directory(fan_out).map_err(PutFailure::SyncFailed)?;
        Ok(id)
    }

    /// Makes a directory of blobs whose name is on the disk when this returns.
    fn make_fan_out(&self, fan_out: &Path) -> Result<(), PutFailure> {
        let mut synced = self
            .synced_directories
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if synced.contains(fan_out) {
            return Ok(());
        }
        match fs::create_dir(fan_out) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(source) => {
                return Err(PutFailure::Harmless(Error::io(
                    "create directory",
                    fan_out,
                    source,
                )));
            }
        }
        sync_directory(&self.files.root).map_err(PutFailure::SyncFailed)?;
        synced.insert(fan_out.to_path_buf());
        Ok(())
    }

    fn write_temporary(&self, bytes: &[u8]) -> Result<PathBuf, PutFailure> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let path = self.incoming.join(number.to_string());
        let write = || -> io::Result<File> {
            let mut file = File::create_new(&path)?;
            file.write_all(bytes)?;
            Ok(file)
        };
        let file = write().map_err(|source| {
            let _ = fs::remove_file(&path);
            PutFailure::Harmless(Error::io("write blob", &path, source))
        })?;
        file.sync_all().map_err(|source| {
            PutFailure::SyncFailed(Error::Io {
                operation: "sync blob",
                path: path.clone(),
                source,
            })
        })?;
        Ok(path)
    }
}

/// Puts the names in a directory on the disk.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), Error> {
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(|source| Error::Io {
            operation: "sync directory",
            path: directory.to_path_buf(),
            source,
        })
}
