//! The runs in a lab's ledger, and a person's wish that one stops.

use std::{
    collections::HashMap,
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use lyceum_ledger::Reader;
use lyceum_study::{engine::JournalError, lab::Lab};

use super::{
    conductor::Asked,
    event::{Body, Reused, StepEnd},
    state::{State, Status},
};
use crate::stream::{Fold as _, Stream};

/// Returns the newest run of a workflow: its number and name; number 0 where there is none.
pub fn newest(reader: &Reader, workflow: &str) -> Result<(u32, String), JournalError> {
    let all = State::names(reader)?;
    let numbered = all.into_iter().filter_map(|name| {
        let (base, number) = name.split_once('~').unwrap_or((&name, "1"));
        let number = number.parse().ok().filter(|_| base == workflow)?;
        Some((number, name))
    });
    Ok(numbered.max().unwrap_or((0, String::new())))
}

/// Returns the run that the process with this number works on, if it works on one.
pub fn worked_on_by(reader: &Reader, pid: u32) -> Result<Option<String>, JournalError> {
    for run in State::names(reader)? {
        let state = State::load(reader, &run)?;
        if state.status == Status::Running && state.pid == Some(pid) {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

/// Returns what every step of the lab's runs that is done gave, by its key.
pub fn known_results(reader: &Reader) -> Result<HashMap<String, (Reused, StepEnd)>, JournalError> {
    let mut known = HashMap::new();
    for run in State::names(reader)? {
        State::read(reader, &run, 0, |_, _, body| {
            if let Body::StepEnded(ended) = body
                && let StepEnd::Done { reused: None, .. } = ended.end
            {
                let from = Reused {
                    run: run.clone(),
                    phase: ended.phase,
                    step: ended.step,
                };
                known.insert(ended.key, (from, ended.end));
            }
            Ok(())
        })?;
    }
    Ok(known)
}

/// A run that this process writes to: its stream, and what is known of it.
pub type Journal = Stream<State>;

fn stop_file(lab: &Lab, run: &str) -> PathBuf {
    lab.root().join("workflows").join(format!("{run}.stop"))
}

/// Asks the process that works on a run to stop it: writes a file with the reason.
pub fn ask_to_stop(lab: &Lab, run: &str, why: &str) -> io::Result<()> {
    let path = stop_file(lab, run);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, why)
}

/// Returns what a person wants: a file for the run ends it, the lab's own only keeps it from working now.
pub fn is_asked_to_stop(lab: &Lab, run: &str) -> Option<Asked> {
    let stop = reason(&stop_file(lab, run)).map(Asked::Stop);
    stop.or_else(|| reason(&lab.stop()).map(Asked::Pause))
}

/// Returns the reason in a file; `None` where there is no file.
fn reason(path: &Path) -> Option<String> {
    let file = fs::File::open(path).ok()?;
    let mut bytes = Vec::new();
    drop(file.take(WHY_BYTES_MAX).read_to_end(&mut bytes));
    let why = lyceum_sandbox::show_untrusted(&bytes).trim().to_owned();
    Some(if why.is_empty() {
        "no reason given".into()
    } else {
        why
    })
}

/// Most bytes of a reason.
const WHY_BYTES_MAX: u64 = 1024;

/// Takes the wish away, once it is on record.
pub fn clear_stop(lab: &Lab, run: &str) {
    drop(fs::remove_file(stop_file(lab, run)));
}
