//! A team's stream in the ledger.

use lyceum_ledger::{BlobId, Ledger, NewEvent, Reader};

use super::{
    event::{Body, DecodeError},
    state::{FoldError, State},
};

/// Prefix of the streams that hold teams.
const PREFIX: &str = "team/";
/// Events read at once.
const PAGE: usize = 4096;

/// Why a team's record cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
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

/// Returns the name of a team's stream.
pub fn stream_of(team: &str) -> String {
    format!("{PREFIX}{team}")
}

/// Returns the name of a thread's session.
pub fn session_of(team: &str, thread: u32) -> String {
    match thread {
        0 => team.to_owned(),
        _ => format!("{team}.{thread}"),
    }
}

/// Returns the names of the teams in a ledger.
pub fn teams(reader: &Reader) -> Result<Vec<String>, RecordError> {
    let streams = reader.streams()?.into_iter();
    let names = streams.filter_map(|head| head.stream.strip_prefix(PREFIX).map(str::to_owned));
    Ok(names.collect())
}

/// Reads a team's events after a number.
pub fn read(
    reader: &Reader,
    team: &str,
    after: u64,
    mut each: impl FnMut(u64, Body) -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    let stream = stream_of(team);
    let mut last = after;
    loop {
        let page = reader.read(&stream, last, PAGE)?;
        let full = page.len() == PAGE;
        for event in page {
            last = event.seq;
            each(
                event.seq,
                Body::decode(&event.kind, event.version, &event.body)?,
            )?;
        }
        if !full {
            return Ok(());
        }
    }
}

/// Folds a team's events into what is known; of a team that is not there, nothing.
pub fn load(reader: &Reader, team: &str) -> Result<State, RecordError> {
    let mut state = State::default();
    read(reader, team, 0, |seq, body| Ok(state.apply(seq, body)?))?;
    Ok(state)
}

/// A team that this process writes to.
pub struct Record {
    ledger: Ledger,
    stream: String,
    state: State,
}

impl Record {
    /// Opens the team, which need not be there yet.
    pub fn open(ledger: Ledger, team: &str) -> Result<Record, RecordError> {
        let state = load(&ledger.reader()?, team)?;
        Ok(Record {
            stream: stream_of(team),
            ledger,
            state,
        })
    }

    /// Returns what is known.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Writes one event; it is durable and folded when this returns.
    pub fn write(&mut self, body: Body) -> Result<(), RecordError> {
        let blobs = body
            .files()
            .iter()
            .filter_map(|file| file.blob.parse().ok());
        let blobs: Vec<BlobId> = blobs.collect();
        let event = NewEvent::new(body.kind(), body.version(), body.encode()?).with_blobs(blobs);
        let expected = self.state.last_seq;
        self.ledger
            .append_expecting(&self.stream, expected, vec![event])?;
        Ok(self.state.apply(expected + 1, body)?)
    }
}
