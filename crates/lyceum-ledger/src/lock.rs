//! The lab lock: one process writes to a ledger.
//!
//! The lock is an `flock` on the file `lock`, so the system releases it however the holder ends.
//! What the file says about the holder is for people; only the `flock` decides.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::Error;

/// The process that holds a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// Its process id, as seen where it runs.
    pub pid: u32,
    /// The name of the machine that it runs on.
    pub host: String,
    /// When it took the lock.
    pub since: Timestamp,
    /// Its command line.
    pub command: String,
}

impl fmt::Display for LockHolder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "process {} on {}",
            self.pid,
            self.host.escape_debug()
        )?;
        write!(formatter, " (`{}`)", self.command.escape_debug())
    }
}

impl LockHolder {
    /// Describes this process.
    pub(crate) fn this_process(since: Timestamp, command: &str) -> Self {
        let name = rustix::system::uname();
        Self {
            pid: std::process::id(),
            host: name.nodename().to_string_lossy().into_owned(),
            since,
            command: command.to_owned(),
        }
    }
}

/// A lab lock that is held. Dropping it releases it.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    after_crash: bool,
}

impl Lock {
    /// Takes the lock of the ledger in `directory`, or tells who has it.
    pub(crate) fn take(directory: &Path, holder: &LockHolder) -> Result<Self, Error> {
        let path = directory.join("lock");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| Error::io("open lock file", &path, source))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(held(directory, &file)),
            Err(errno) => return Err(Error::io("lock", &path, errno.into())),
        }
        // A holder that ends in order empties the file.
        let after_crash = file.metadata().is_ok_and(|metadata| metadata.len() > 0);
        let lock = Self { file, after_crash };
        lock.name(holder)
            .map_err(|source| Error::io("write lock file", &path, source))?;
        Ok(lock)
    }

    /// Whether the last holder ended without releasing the lock.
    pub(crate) fn is_after_crash(&self) -> bool {
        self.after_crash
    }

    /// Writes who holds the lock into its file.
    fn name(&self, holder: &LockHolder) -> std::io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&serde_json::to_vec(holder)?)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The text is emptied first, so that nobody is told of a holder that is gone. A failure
        // leaves an old text in an unlocked file, which nobody reads.
        let _ = self.file.set_len(0);
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// Reads who holds the lock. The holder writes its name just after taking the lock, so an empty or
/// half-written file is read again for a moment.
fn held(directory: &Path, file: &File) -> Error {
    const ATTEMPTS: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(5);
    let directory: PathBuf = directory.to_path_buf();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            thread::sleep(PAUSE);
        }
        if let Some(holder) = read(file) {
            return Error::Locked {
                directory,
                holder: Some(Box::new(holder)),
            };
        }
    }
    Error::Locked {
        directory,
        holder: None,
    }
}

fn read(mut file: &File) -> Option<LockHolder> {
    const HOLDER_BYTES_MAX: u64 = 1 << 20;
    let mut text = Vec::new();
    file.rewind().ok()?;
    file.take(HOLDER_BYTES_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}
