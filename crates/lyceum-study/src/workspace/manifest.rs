//! What is in a workspace, by content.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::Read as _,
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::walk::{Error, Limits, Listed, ListedKind, list, shown, unreadable};

/// Most threads that hash files; beyond that a disk, not the processor, is the limit.
const THREADS_MAX: usize = 8;
/// Files that a thread takes at once.
const BATCH: usize = 64;
/// Read buffer of one thread in bytes.
const BUFFER: usize = 64 << 10;

/// All files of a directory with a digest of everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The files and links, sorted by the bytes of their paths. Empty directories do not count.
    pub entries: Vec<Entry>,
    /// BLAKE3 over the paths, modes, contents and link targets.
    pub digest: blake3::Hash,
}

/// One file or link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path relative to the directory.
    pub path: PathBuf,
    /// What is in it.
    pub content: Content,
}

/// What is in a file or link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A plain file.
    File {
        /// Size in bytes.
        size: u64,
        /// Whether its owner may execute it.
        executable: bool,
        /// BLAKE3 of its bytes.
        hash: blake3::Hash,
    },
    /// A symbolic link, not followed.
    Link {
        /// Its target, as written.
        target: OsString,
    },
}

impl Manifest {
    /// Returns the manifest of these entries, which must be sorted by path.
    fn new(entries: Vec<Entry>) -> Manifest {
        let mut hasher = blake3::Hasher::new_derive_key("lyceum workspace manifest v1");
        for entry in &entries {
            let path = entry.path.as_os_str().as_bytes();
            let (tag, body): (&[u8], &[u8]) = match &entry.content {
                Content::File {
                    executable: false,
                    hash,
                    ..
                } => (b"file", hash.as_bytes()),
                Content::File {
                    executable: true,
                    hash,
                    ..
                } => (b"exec", hash.as_bytes()),
                Content::Link { target } => (b"link", target.as_bytes()),
            };
            for part in [tag, path, body] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        Manifest {
            digest: hasher.finalize(),
            entries,
        }
    }

    /// Returns the sum of the files' sizes in bytes.
    pub fn bytes(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| match &entry.content {
                Content::File { size, .. } => *size,
                Content::Link { .. } => 0,
            })
            .sum()
    }

    /// Returns the entry of this relative path.
    pub fn entry(&self, path: &Path) -> Option<&Entry> {
        self.entries
            .binary_search_by(|entry| entry.path.as_os_str().cmp(path.as_os_str()))
            .ok()
            .map(|index| &self.entries[index])
    }
}

/// Lists and hashes everything below the directory. Links are recorded and never followed; FIFOs, sockets and devices are
/// refused. The digest depends on nothing but paths, the owner's execute bits, contents and link targets.
pub fn scan(directory: &Path, limits: Limits) -> Result<Manifest, Error> {
    of_listed(directory, &list(directory, limits, &[])?)
}

/// Hashes the listed files below the directory.
pub(crate) fn of_listed(directory: &Path, listed: &[Listed]) -> Result<Manifest, Error> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(THREADS_MAX).min(listed.len() / BATCH + 1);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        let mut buffer = vec![0; BUFFER];
        loop {
            let start = next.fetch_add(BATCH, Ordering::Relaxed);
            let Some(rest) = listed.get(start..).filter(|rest| !rest.is_empty()) else {
                return Ok(done);
            };
            for file in &rest[..rest.len().min(BATCH)] {
                done.push(entry(directory, file, &mut buffer)?);
            }
        }
    };
    let parts: Vec<Result<Vec<Entry>, Error>> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut parts = vec![work()];
        for other in others {
            match other.join() {
                Ok(part) => parts.push(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        parts
    });
    let mut entries = Vec::with_capacity(listed.len());
    for part in parts {
        entries.extend(part?);
    }
    entries.sort_unstable_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
    assert_eq!(
        entries.len(),
        listed.len(),
        "each listed file is hashed once"
    );
    Ok(Manifest::new(entries))
}

fn entry(directory: &Path, listed: &Listed, buffer: &mut [u8]) -> Result<Entry, Error> {
    let path = directory.join(&listed.path);
    let content = match listed.kind {
        ListedKind::File { executable, .. } => {
            let (size, hash) = hash(&path, buffer)?;
            Content::File {
                size,
                executable,
                hash,
            }
        }
        ListedKind::Link => Content::Link {
            target: fs::read_link(&path)
                .map_err(|error| unreadable(&path, &error))?
                .into(),
        },
        ListedKind::Special(kind) => {
            return Err(Error::Special {
                path: shown(listed.path.as_os_str()),
                kind,
            });
        }
    };
    Ok(Entry {
        path: listed.path.clone(),
        content,
    })
}

fn hash(path: &Path, buffer: &mut [u8]) -> Result<(u64, blake3::Hash), Error> {
    let mut file = open_plain(path)?;
    let mut hasher = blake3::Hasher::new();
    loop {
        match file.read(buffer) {
            Ok(0) => break,
            Ok(length) => {
                hasher.update(&buffer[..length]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(path, &error)),
        }
    }
    Ok((hasher.count(), hasher.finalize()))
}

/// Opens a plain file, never a link, and never waits on a FIFO.
pub(crate) fn open_plain(path: &Path) -> Result<File, Error> {
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)
        .map_err(|error| unreadable(path, &error))?;
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    if metadata.is_file() {
        Ok(file)
    } else {
        Err(Error::Changed {
            path: shown(path.as_os_str()),
        })
    }
}
