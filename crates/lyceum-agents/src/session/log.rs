//! A session's stream in the ledger: the session itself.

use lyceum_ledger::{BlobId, Ledger, NewEvent, Reader};
use lyceum_types::Output;

use super::{
    event::{Body, DecodeError},
    state::{FoldError, State},
};

/// Prefix of the streams that hold sessions.
const PREFIX: &str = "session/";
/// Events read at once.
const PAGE: usize = 4096;

/// Why a session's record cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
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

/// Returns the name of a session's stream.
pub fn stream_of(session: &str) -> String {
    format!("{PREFIX}{session}")
}

/// Returns the names of the sessions in a ledger, in their order.
pub fn sessions(reader: &Reader) -> Result<Vec<String>, LogError> {
    let streams = reader.streams()?.into_iter();
    let names = streams.filter_map(|head| head.stream.strip_prefix(PREFIX).map(str::to_owned));
    Ok(names.collect())
}

/// Reads a session's events after a number, one page after the other, each with its number and time.
pub fn read(
    reader: &Reader,
    session: &str,
    after: u64,
    mut each: impl FnMut(u64, i64, Body) -> Result<(), LogError>,
) -> Result<(), LogError> {
    let stream = stream_of(session);
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

/// Folds a session's events into what is known; of a session that is not there, nothing.
pub fn load(reader: &Reader, session: &str) -> Result<State, LogError> {
    let mut state = State::default();
    read(reader, session, 0, |seq, _, body| {
        state.apply(seq, body).map_err(LogError::from)
    })?;
    Ok(state)
}

/// A session that this process writes to: its stream, and what is known of it.
pub struct Log {
    ledger: Ledger,
    stream: String,
    state: State,
}

impl Log {
    /// Opens the session, which need not be there yet.
    pub fn open(ledger: Ledger, session: &str) -> Result<Log, LogError> {
        let state = load(&ledger.reader()?, session)?;
        Ok(Log {
            stream: stream_of(session),
            ledger,
            state,
        })
    }

    /// Returns what is known.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Writes events, all of them or none; they are durable and folded when this returns.
    pub fn write(&mut self, bodies: Vec<Body>) -> Result<(), LogError> {
        if bodies.is_empty() {
            return Ok(());
        }
        let events = bodies.iter().map(|body| {
            let event = NewEvent::new(body.kind(), body.version(), body.encode()?);
            Ok(event.with_blobs(blobs_of(body)))
        });
        let events = events.collect::<Result<Vec<_>, LogError>>()?;
        // Somebody else's events in the stream would mean that two write it.
        let expected = self.state.last_seq;
        let written = self
            .ledger
            .append_expecting(&self.stream, expected, events)?;
        for (event, body) in written.into_iter().zip(bodies) {
            self.state.apply(event.seq, body)?;
        }
        Ok(())
    }
}

fn blobs_of(body: &Body) -> Vec<BlobId> {
    match body {
        Body::ToolResult(result) => {
            let files: &[Output] = result.files.as_deref().unwrap_or_default();
            files
                .iter()
                .filter_map(|one| one.blob.parse().ok())
                .collect()
        }
        Body::Created(_)
        | Body::Running(_)
        | Body::Idle(_)
        | Body::Terminated(_)
        | Body::PersonSaid(_)
        | Body::Interrupted(_)
        | Body::LabSaid(_)
        | Body::MessageReceived(_)
        | Body::Asked(_)
        | Body::Answered(_)
        | Body::Fault(_)
        | Body::ToolUsed(_)
        | Body::ToolStarted(_)
        | Body::Found(_)
        | Body::Noted(_)
        | Body::PersonAsked(_)
        | Body::Compacted(_) => vec![],
    }
}
