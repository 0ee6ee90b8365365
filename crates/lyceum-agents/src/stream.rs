//! A stream of the ledger with what follows from it: the record of a session, of a workflow's run, of a team.

use lyceum_ledger::{BlobId, Ledger, NewEvent, Reader};
use lyceum_study::{
    engine::JournalError,
    lab::{names, read_stream},
};
use lyceum_types::{EventBody, FoldError};

/// What follows from a stream's events.
pub trait Fold: Default {
    /// The events.
    type Body: EventBody;
    /// Prefix of the streams that hold such events; the rest of a stream's name is the name of what it tells of.
    const PREFIX: &'static str;

    /// Takes in one event, written at a time in milliseconds.
    fn fold(&mut self, seq: u64, at: i64, body: Self::Body) -> Result<(), FoldError>;

    /// Returns the number of the last event taken in.
    fn last_seq(&self) -> u64;

    /// Returns the blobs that an event names, so that the ledger refuses it when one is missing.
    fn blobs(body: &Self::Body) -> Vec<BlobId>;

    /// Returns the name of the stream that tells of this one.
    fn stream_of(name: &str) -> String {
        format!("{}{name}", Self::PREFIX)
    }

    /// Returns the names of all that such streams in a ledger tell of, in their order.
    fn names(reader: &Reader) -> Result<Vec<String>, JournalError> {
        names(reader, Self::PREFIX)
    }

    /// Reads the events after a number, each with its number and its time in milliseconds.
    fn read(
        reader: &Reader,
        name: &str,
        after: u64,
        each: impl FnMut(u64, i64, Self::Body) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        read_stream(reader, &Self::stream_of(name), after, each)
    }

    /// Folds a stream's events into what is known; of one that is not there, nothing.
    fn load(reader: &Reader, name: &str) -> Result<Self, JournalError> {
        let mut state = Self::default();
        Self::read(reader, name, 0, |seq, at, body| {
            Ok(state.fold(seq, at, body)?)
        })?;
        Ok(state)
    }
}

/// A stream that this process writes to, and what is known from it.
pub struct Stream<S> {
    ledger: Ledger,
    name: String,
    state: S,
}

impl<S: Fold> Stream<S> {
    /// Opens the stream that tells of this one. It need not be there yet.
    pub fn open(ledger: Ledger, name: &str) -> Result<Stream<S>, JournalError> {
        let state = S::load(&ledger.reader()?, name)?;
        let name = S::stream_of(name);
        Ok(Stream {
            ledger,
            name,
            state,
        })
    }

    /// Returns what is known.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// Returns what time it is for the ledger, in milliseconds.
    pub fn now(&self) -> i64 {
        self.ledger.now().unix_ms()
    }

    /// Writes events, all of them or none; they are durable and folded when this returns. Fails where somebody else wrote
    /// to the stream meanwhile.
    pub fn write(&mut self, bodies: Vec<S::Body>) -> Result<(), JournalError> {
        if bodies.is_empty() {
            return Ok(());
        }
        let events = bodies.iter().map(|body| {
            let event = NewEvent::new(body.kind(), body.version(), body.encode()?);
            Ok(event.with_blobs(S::blobs(body)))
        });
        let events = events.collect::<Result<Vec<_>, JournalError>>()?;
        let expected = self.state.last_seq();
        let written = self.ledger.append_expecting(&self.name, expected, events)?;
        for (event, body) in written.into_iter().zip(bodies) {
            self.state.fold(event.seq, event.at.unix_ms(), body)?;
        }
        Ok(())
    }
}
