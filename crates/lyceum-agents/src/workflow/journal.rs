//! A run's stream in the ledger: the run itself.

use std::{
    collections::HashMap,
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use lyceum_ledger::{Ledger, NewEvent, Reader};
use lyceum_study::lab::Lab;

use super::{
    conductor::Asked,
    event::{Body, DecodeError, Reused, StepEnd},
    state::{FoldError, State, Status},
};

/// Prefix of the streams that hold runs of workflows.
const PREFIX: &str = "workflow/";
/// Events read at once.
const PAGE: usize = 4096;

/// Why a run's record cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The ledger failed.
    #[error("the ledger failed")]
    Ledger(#[from] lyceum_ledger::Error),
    /// An event cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// An event cannot be written as JSON.
    #[error("an event cannot be written as JSON")]
    Encode(#[from] serde_json::Error),
    /// An event does not follow from those before it.
    #[error(transparent)]
    Fold(#[from] FoldError),
}

/// Returns the name of a run's stream.
pub fn stream_of(run: &str) -> String {
    format!("{PREFIX}{run}")
}

/// Returns the names of the runs in a ledger, in the order of their names.
pub fn runs(reader: &Reader) -> Result<Vec<String>, JournalError> {
    let streams = reader.streams()?.into_iter();
    let names = streams.filter_map(|head| head.stream.strip_prefix(PREFIX).map(str::to_owned));
    Ok(names.collect())
}

/// Reads a run's events after a number, one page after the other, each with its number and time.
pub fn read(
    reader: &Reader,
    run: &str,
    after: u64,
    mut each: impl FnMut(u64, i64, Body) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let stream = stream_of(run);
    let mut last = after;
    loop {
        let page = reader.read(&stream, last, PAGE)?;
        let full = page.len() == PAGE;
        for event in page {
            last = event.seq;
            let body = Body::decode(&event.kind, event.version, &event.body)?;
            each(event.seq, event.at.unix_ms(), body)?;
        }
        if !full {
            return Ok(());
        }
    }
}

/// Folds a run's events into what is known; of a run that is not there, nothing.
pub fn load(reader: &Reader, run: &str) -> Result<State, JournalError> {
    let mut state = State::default();
    read(reader, run, 0, |seq, at, body| {
        state.apply(seq, at, body).map_err(JournalError::from)
    })?;
    Ok(state)
}

/// Returns the newest run of a workflow: its number and name; number 0 where there is none.
pub fn newest(reader: &Reader, workflow: &str) -> Result<(u32, String), JournalError> {
    let all = runs(reader)?;
    let numbered = all.into_iter().filter_map(|name| {
        let (base, number) = name.split_once('~').unwrap_or((&name, "1"));
        let number = number.parse().ok().filter(|_| base == workflow)?;
        Some((number, name))
    });
    Ok(numbered.max().unwrap_or((0, String::new())))
}

/// Returns the run that the process with this number works on, if it works on one.
pub fn worked_on_by(reader: &Reader, pid: u32) -> Result<Option<String>, JournalError> {
    for run in runs(reader)? {
        let state = load(reader, &run)?;
        if state.status == Status::Running && state.pid == Some(pid) {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

/// Returns what every step of the lab's runs that is done gave, by its key.
pub fn known_results(reader: &Reader) -> Result<HashMap<String, (Reused, StepEnd)>, JournalError> {
    let mut known = HashMap::new();
    for run in runs(reader)? {
        read(reader, &run, 0, |_, _, body| {
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
pub struct Journal {
    ledger: Ledger,
    stream: String,
    state: State,
}

impl Journal {
    /// Opens the run, which need not be there yet.
    pub fn open(ledger: Ledger, run: &str) -> Result<Journal, JournalError> {
        let state = load(&ledger.reader()?, run)?;
        Ok(Journal {
            stream: stream_of(run),
            ledger,
            state,
        })
    }

    /// Returns what is known.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Returns what time it is for the ledger, in milliseconds.
    pub(super) fn now(&self) -> i64 {
        self.ledger.now().unix_ms()
    }

    /// Writes events, all of them or none; they are durable and folded when this returns.
    pub fn write(&mut self, bodies: &[Body]) -> Result<(), JournalError> {
        if bodies.is_empty() {
            return Ok(());
        }
        let events = bodies
            .iter()
            .map(|body| Ok(NewEvent::new(body.kind(), body.version(), body.encode()?)));
        let events = events.collect::<Result<Vec<_>, JournalError>>()?;
        // Somebody else's events in the stream would mean that two write it.
        let expected = self.state.last_seq;
        let written = self
            .ledger
            .append_expecting(&self.stream, expected, events)?;
        for (event, body) in written.into_iter().zip(bodies) {
            self.state
                .apply(event.seq, event.at.unix_ms(), body.clone())?;
        }
        Ok(())
    }
}

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
