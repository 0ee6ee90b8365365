//! The lab lock: one process writes to a ledger.
//!
//! The lock is an `flock` on the file `lock`, so the system releases it however the holder ends.
//! What the file says about the holder is for people and for followers; only the `flock` decides.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::Error;

/// Times that the lock is tried, and that its file is read, before it counts as held: one who only
/// looks whether anybody holds it has it for a moment, and a holder writes its name just after.
const ATTEMPTS: u32 = 20;

/// Pause between them.
const PAUSE: Duration = Duration::from_millis(5);

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
    /// Which start of the machine it runs in: the kernel's `boot_id`.
    #[serde(default)]
    pub boot: String,
    /// When the process was started, in clock ticks after the machine was: with `boot` and `pid` it
    /// names one process for ever.
    #[serde(default)]
    pub started: u64,
    /// The number of its lease, greater than that of every holder before it; 0 until it has one.
    #[serde(default)]
    pub epoch: u64,
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
    pub fn this_process(since: Timestamp, command: &str) -> Self {
        let name = rustix::system::uname();
        Self {
            pid: std::process::id(),
            host: name.nodename().to_string_lossy().into_owned(),
            since,
            command: command.to_owned(),
            boot: boot(),
            started: started("self").unwrap_or_default(),
            epoch: 0,
        }
    }

    /// Whether this very process is seen to be alive from here. One in another container may live
    /// unseen.
    fn is_seen(&self) -> bool {
        !self.boot.is_empty()
            && self.boot == boot()
            && started(&self.pid.to_string()) == Some(self.started)
    }
}

/// Returns which start of the machine this is; nothing where `/proc` is not mounted.
fn boot() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// Returns when a process was started, in clock ticks: field 22 of its `stat` (`proc_pid_stat(5)`).
fn started(process: &str) -> Option<u64> {
    const FIELDS_BETWEEN: usize = 19;
    let stat = fs::read(format!("/proc/{process}/stat")).ok()?;
    // The command's name, in parentheses, may hold anything; what follows are numbers.
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
    rest.split_whitespace().nth(FIELDS_BETWEEN)?.parse().ok()
}

/// Whether anybody holds a lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// Nobody does: whoever did has ended.
    Nobody,
    /// This process does.
    By(LockHolder),
    /// Someone does whose name cannot be read.
    ByUnknown,
}

/// A lab lock that is held. Dropping it releases it.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    after_crash: bool,
}

impl Lock {
    /// Takes the lock of the ledger in `directory`, or tells who has it.
    pub(crate) fn take(directory: &Path) -> Result<Self, Error> {
        let path = directory.join("lock");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| Error::io("open lock file", &path, source))?;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                thread::sleep(PAUSE);
            }
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    // A holder that ends in order empties the file.
                    let after_crash = file.metadata().is_ok_and(|metadata| metadata.len() > 0);
                    return Ok(Self { file, after_crash });
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {}
                Err(errno) => return Err(Error::io("lock", &path, errno.into())),
            }
        }
        Err(Error::Locked {
            directory: directory.to_path_buf(),
            holder: named(&file).map(Box::new),
        })
    }

    /// Whether the last holder ended without releasing the lock.
    pub(crate) fn is_after_crash(&self) -> bool {
        self.after_crash
    }

    /// Writes who holds the lock into its file.
    pub(crate) fn name(&self, directory: &Path, holder: &LockHolder) -> Result<(), Error> {
        let mut file = &self.file;
        let mut write = || -> std::io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(&serde_json::to_vec(holder)?)
        };
        write().map_err(|source| Error::io("write lock file", &directory.join("lock"), source))
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

/// Returns who holds the lab in `directory` now.
pub(crate) fn holding(directory: &Path) -> Result<Holding, Error> {
    let path = directory.join("lock");
    let failed = |operation| {
        move |source| Error::Io {
            operation,
            path: directory.join("lock"),
            source,
        }
    };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Holding::Nobody),
        Err(source) => return Err(failed("open lock file")(source)),
    };
    if let Some(holder) = read(&file).filter(LockHolder::is_seen) {
        return Ok(Holding::By(holder));
    }
    // Shared, so that two who look do not see each other.
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Holding::Nobody),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Ok(named(&file).map_or(Holding::ByUnknown, Holding::By))
        }
        Err(errno) => Err(failed("look at lock file")(errno.into())),
    }
}

/// Reads who holds the lock; an empty or half-written file is read again for a moment.
fn named(file: &File) -> Option<LockHolder> {
    (0..ATTEMPTS).find_map(|attempt| {
        if attempt > 0 {
            thread::sleep(PAUSE);
        }
        read(file)
    })
}

fn read(mut file: &File) -> Option<LockHolder> {
    const HOLDER_BYTES_MAX: u64 = 1 << 20;
    let mut text = Vec::new();
    file.rewind().ok()?;
    file.take(HOLDER_BYTES_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}
