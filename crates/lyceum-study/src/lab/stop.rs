//! The kill switch: a file in the lab ends the session that works there, and the study stays stopped until a person says
//! otherwise. The candidate is told nothing and can reach none of it.

use std::{
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use lyceum_ledger::Ledger;
use lyceum_sandbox::show_untrusted;
use lyceum_types::{Body, StudyStopped};

use super::{place::Lab, record::StudyJournal};
use crate::engine::{Journal as _, JournalError};

/// How often a session looks for the file.
const POLL: Duration = Duration::from_millis(50);
/// Bytes of the file that are read: a reason in words.
const WHY_BYTES_MAX: u64 = 1024;

/// Asks whoever works in the lab to stop: writes the file. Its text is the reason.
pub fn ask_to_stop(lab: &Lab, why: &str) -> io::Result<()> {
    fs::write(lab.stop(), format!("{why}\n"))
}

/// Returns the reason in the file; `None` where there is no file.
fn asked(path: &Path) -> Option<String> {
    let file = fs::File::open(path).ok()?;
    let mut bytes = Vec::new();
    drop(file.take(WHY_BYTES_MAX).read_to_end(&mut bytes));
    let why = show_untrusted(&bytes).trim().to_owned();
    Some(if why.is_empty() {
        "no reason given".into()
    } else {
        why
    })
}

/// Writes that a person stopped a study, and takes the file away. Nobody else may work in the lab.
pub fn mark(ledger: &Ledger, lab: &Lab, study: &str, why: &str) -> Result<(), JournalError> {
    let why = show_untrusted(why.as_bytes());
    StudyJournal::new(ledger.clone(), study).append(vec![Body::from(StudyStopped { why })])?;
    // A file that stays stops the next session too, which is the safe side.
    drop(fs::remove_file(lab.stop()));
    Ok(())
}

/// Watches for the file while a session works.
pub(super) struct Watcher {
    path: PathBuf,
    over: Arc<AtomicBool>,
}

impl Watcher {
    /// Sets `stop` once the file is there.
    pub(super) fn start(lab: &Lab, stop: Arc<AtomicBool>) -> Watcher {
        let (path, over) = (lab.stop(), Arc::new(AtomicBool::new(false)));
        let (file, ended) = (path.clone(), Arc::clone(&over));
        thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                if file.exists() {
                    stop.store(true, Ordering::Relaxed);
                    return;
                }
                thread::sleep(POLL);
            }
        });
        Watcher { path, over }
    }

    /// Returns why the session was stopped by the file.
    pub(super) fn asked(&self) -> Option<String> {
        asked(&self.path)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
