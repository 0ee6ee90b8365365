//! Blobs: immutable compressed files named by the BLAKE3 hash of their contents.
//!
//! Invariants:
//! - A file under its final name has all its bytes on the disk: it is written under a temporary
//!   name, synced, and renamed.
//! - When `put` returns, the name is on the disk too: its directory is synced after the rename.
//! - The 256 directories are made, and their names synced, before the first blob.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead as _, ErrorKind, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;

use super::{Blobs, PutError};
use crate::error::Error;
use crate::hash::BlobId;

/// The directory of blobs, inside the ledger's directory.
const DIRECTORY: &str = "blobs";

/// The directory of blobs that are being written, inside the directory of blobs.
const INCOMING: &str = "incoming";

/// What the name of a compressed blob ends with. Ledgers of version 1 kept blobs as they are.
const COMPRESSED: &str = "zst";

/// How hard to compress: on text two thirds smaller at some hundred MB/s, faster than the disk.
const LEVEL: i32 = 1;

/// The largest blob: its bytes are held in memory, and a small file can claim to hold very many.
pub(crate) const BLOB_BYTES_MAX: u64 = 4 << 30;

/// Blobs whose names are known to be on the disk; more, and all are synced anew.
const SYNCED_REMEMBERED_MAX: usize = 1 << 16;

/// Bytes that are hashed at once.
const CHUNK_BYTES: usize = 64 << 10;

/// The blobs of a ledger's directory.
#[derive(Debug)]
pub(crate) struct BlobFiles {
    root: PathBuf,
    counter: AtomicU64,
    /// Blobs that this process has put, so that their directories need no second sync.
    synced: Mutex<HashSet<BlobId>>,
}

impl BlobFiles {
    pub(crate) fn new(ledger_directory: &Path) -> Self {
        Self {
            root: ledger_directory.join(DIRECTORY),
            counter: AtomicU64::new(0),
            synced: Mutex::default(),
        }
    }

    /// Makes the directories and removes what an interrupted `put` left behind. Only for the holder
    /// of the lease.
    ///
    /// `after_crash` tells that the last writer was killed: blobs that it had renamed but not yet
    /// made durable are seen by everyone, so their names are put on the disk now.
    pub(crate) fn prepare(&self, ledger_directory: &Path, after_crash: bool) -> Result<(), Error> {
        let incoming = self.root.join(INCOMING);
        fs::create_dir_all(&incoming)
            .map_err(|source| Error::io("create directory", &incoming, source))?;
        for path in entries(&incoming)? {
            fs::remove_file(&path)
                .map_err(|source| Error::io("remove unfinished blob", &path, source))?;
        }
        for number in 0..=u8::MAX {
            let fan_out = self.root.join(format!("{number:02x}"));
            match fs::create_dir(&fan_out) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    if after_crash && !entries(&fan_out)?.is_empty() {
                        sync_directory(&fan_out)?;
                    }
                }
                Err(source) => return Err(Error::io("create directory", &fan_out, source)),
            }
        }
        sync_directory(&self.root)?;
        sync_directory(ledger_directory)
    }

    /// Returns where a blob is kept if it is kept compressed: 256 directories, named by the first
    /// two digits.
    fn compressed(&self, id: BlobId) -> PathBuf {
        self.plain(id).with_extension(COMPRESSED)
    }

    /// Returns where a blob is kept if version 1 of the format kept it.
    fn plain(&self, id: BlobId) -> PathBuf {
        let name = id.to_string();
        self.root.join(&name[..2]).join(name)
    }

    /// Gives the blob's bytes to `take`, piece by piece.
    fn stream(&self, id: BlobId, bytes_max: u64, mut take: impl FnMut(&[u8])) -> Result<(), Error> {
        let opened = match open_regular(&self.compressed(id)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                open_regular(&self.plain(id)).map(|file| (self.plain(id), file, false))
            }
            opened => opened.map(|file| (self.compressed(id), file, true)),
        };
        let failed = |source: io::Error| match source.kind() {
            ErrorKind::NotFound => Error::BlobMissing { id },
            ErrorKind::InvalidInput => Error::BlobDamaged { id },
            _ => Error::Io {
                operation: "read blob",
                path: self.compressed(id),
                source,
            },
        };
        let (path, file, is_compressed) = opened.map_err(failed)?;
        let mut hasher = blake3::Hasher::new();
        let mut each = |bytes: &[u8]| {
            hasher.update(bytes);
            take(bytes);
        };
        let whole = if is_compressed {
            decompress_at_most(file, bytes_max, &mut each)
        } else {
            pour(file, bytes_max, &mut each)
        };
        match whole {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::FileTooLarge => {
                let allowed = bytes_max;
                return Err(Error::BlobTooLarge { id, allowed });
            }
            // A frame that is cut short, or followed by something, or no frame at all.
            Err(error) if is_compressed && is_damage(&error) => {
                return Err(Error::BlobDamaged { id });
            }
            Err(source) => {
                return Err(Error::Io {
                    operation: "read blob",
                    path,
                    source,
                });
            }
        }
        let found = BlobId::from_bytes(*hasher.finalize().as_bytes());
        if found == id {
            Ok(())
        } else {
            Err(Error::BlobChanged { id, found })
        }
    }

    fn write_temporary(&self, bytes: &[u8]) -> Result<PathBuf, PutError> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join(INCOMING).join(number.to_string());
        let write = || -> io::Result<File> {
            let compressed = compress(bytes)?;
            let mut file = File::create_new(&path)?;
            file.write_all(&compressed)?;
            Ok(file)
        };
        let file = write().map_err(|source| {
            let _ = fs::remove_file(&path);
            PutError::Harmless(Error::io("write blob", &path, source))
        })?;
        file.sync_all().map_err(|source| {
            PutError::SyncFailed(Error::Io {
                operation: "sync blob",
                path: path.clone(),
                source,
            })
        })?;
        Ok(path)
    }
}

impl Blobs for BlobFiles {
    fn put(&self, bytes: &[u8]) -> Result<BlobId, PutError> {
        let id = BlobId::of(bytes);
        if bytes.len() as u64 > BLOB_BYTES_MAX {
            let allowed = BLOB_BYTES_MAX;
            return Err(PutError::Harmless(Error::BlobTooLarge { id, allowed }));
        }
        let path = self.compressed(id);
        let is_present = self.check(id).is_ok();
        let is_synced = |synced: &HashSet<BlobId>| synced.contains(&id);
        if is_present && is_synced(&self.synced.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(id);
        }
        if !is_present {
            let temporary = self.write_temporary(bytes)?;
            if let Err(source) = fs::rename(&temporary, &path) {
                let _ = fs::remove_file(&temporary);
                let error = Error::io("rename blob to", &path, source);
                return Err(PutError::Harmless(error));
            }
        }
        // Also for a blob that was there: its writer may have been killed before this line.
        sync_directory(path.parent().unwrap_or(&self.root)).map_err(PutError::SyncFailed)?;
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if synced.len() >= SYNCED_REMEMBERED_MAX {
            synced.clear();
        }
        synced.insert(id);
        Ok(id)
    }

    fn read_at_most(&self, id: BlobId, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.stream(id, bytes_max.min(BLOB_BYTES_MAX), |piece| {
            bytes.extend_from_slice(piece);
        })?;
        Ok(bytes)
    }

    fn check(&self, id: BlobId) -> Result<(), Error> {
        self.stream(id, BLOB_BYTES_MAX, |_| ())
    }

    fn contains(&self, id: BlobId) -> bool {
        self.compressed(id).is_file() || self.plain(id).is_file()
    }

    fn each(&self, visit: &mut dyn FnMut(BlobId, u64) -> Result<(), Error>) -> Result<(), Error> {
        for fan_out in entries(&self.root)? {
            if !fan_out.is_dir() || fan_out.ends_with(INCOMING) {
                continue;
            }
            let mut last = None;
            for path in entries(&fan_out)? {
                let name = path.file_name().and_then(|name| name.to_str());
                let name = name.map(|name| name.strip_suffix(".zst").unwrap_or(name));
                let id = name.and_then(|name| name.parse().ok());
                // One that is kept in both ways is one blob; one that lies in another's directory is none.
                let is_here = |id: &BlobId| self.plain(*id).parent() == Some(fan_out.as_path());
                let Some(id) = id.filter(|id| last != Some(*id) && is_here(id)) else {
                    continue;
                };
                last = Some(id);
                match fs::symlink_metadata(&path) {
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

    fn remove(&self, id: BlobId) -> Result<(), Error> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        synced.remove(&id);
        for path in [self.compressed(id), self.plain(id)] {
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(source) => return Err(Error::io("remove blob", &path, source)),
            }
        }
        Ok(())
    }

    fn path(&self, id: BlobId) -> Option<PathBuf> {
        let plain = self.plain(id);
        Some(if plain.is_file() && !self.compressed(id).is_file() {
            plain
        } else {
            self.compressed(id)
        })
    }
}

/// Opens a regular file for reading. Anything else, as a link or a pipe that would wait for ever, is
/// [`ErrorKind::InvalidInput`].
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    match opened {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(error),
        // A link, or a socket; told from what the disk may say.
        Err(error) if fs::symlink_metadata(path).is_ok_and(|found| found.is_file()) => Err(error),
        Ok(_) | Err(_) => Err(ErrorKind::InvalidInput.into()),
    }
}

/// Returns the bytes as one compressed frame.
pub(crate) fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(bytes, LEVEL)
}

/// Gives what a compressed frame holds to `take`, piece by piece. Nothing may stand behind the frame.
pub(crate) fn decompress(from: impl Read, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    decompress_at_most(from, BLOB_BYTES_MAX, take)
}

fn decompress_at_most(
    from: impl Read,
    bytes_max: u64,
    take: &mut dyn FnMut(&[u8]),
) -> io::Result<()> {
    let mut decoder = zstd::stream::read::Decoder::new(from)?.single_frame();
    pour(&mut decoder, bytes_max, take)?;
    let mut rest = decoder.finish();
    // Bytes behind the frame are nobody's.
    if rest.fill_buf()?.is_empty() {
        Ok(())
    } else {
        Err(ErrorKind::InvalidData.into())
    }
}

fn pour(mut from: impl Read, bytes_max: u64, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let mut piece = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        bytes += read as u64;
        if bytes > bytes_max {
            return Err(ErrorKind::FileTooLarge.into());
        }
        take(&piece[..read]);
    }
}

/// Whether an error of the decompressor says that the bytes are not what was written; an error of
/// the disk carries the number that the system gave it.
fn is_damage(error: &io::Error) -> bool {
    error.raw_os_error().is_none()
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
