//! A study's stream in the ledger, as a journal of the loop.

use lyceum_ledger::{BlobId, Ledger, NewEvent, Reader};
use lyceum_types::{Body, EventBody, Output};

use super::receipts::Receipts;
use crate::engine::{Journal, JournalError, State};

/// Events read at once.
const PAGE: usize = 4096;

/// Prefix of the streams that hold studies.
const PREFIX: &str = "study/";

/// Returns the name of a study's stream.
pub fn stream_of(study: &str) -> String {
    format!("{PREFIX}{study}")
}

/// Returns what the streams with a prefix are named without it, in the order of the streams' names.
pub fn names(reader: &Reader, prefix: &str) -> Result<Vec<String>, JournalError> {
    let streams = reader.streams()?.into_iter();
    let names = streams.filter_map(|head| head.stream.strip_prefix(prefix).map(str::to_owned));
    Ok(names.collect())
}

/// Reads a stream's events after a number, decoded, one page after the other, each with its number and its time in
/// milliseconds.
pub fn read_stream<B: EventBody>(
    reader: &Reader,
    stream: &str,
    after: u64,
    mut each: impl FnMut(u64, i64, B) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let mut last = after;
    loop {
        let page = reader.read(stream, last, PAGE)?;
        let full = page.len() == PAGE;
        for event in page {
            last = event.seq;
            let body = B::decode(&event.kind, event.version, &event.body)?;
            each(event.seq, event.at.unix_ms(), body)?;
        }
        if !full {
            return Ok(());
        }
    }
}

/// Returns the names of the studies in a ledger, oldest name first.
pub fn studies(reader: &Reader) -> Result<Vec<String>, JournalError> {
    names(reader, PREFIX)
}

/// Reads a study's events after a number, decoded, one page after the other, each with its number and time.
pub fn read_events(
    reader: &Reader,
    study: &str,
    after: u64,
    each: impl FnMut(u64, i64, Body) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    read_stream(reader, &stream_of(study), after, each)
}

/// Folds a study's events into what is known.
pub fn load(reader: &Reader, study: &str) -> Result<State, JournalError> {
    let mut state = State::default();
    read_events(reader, study, 0, |seq, at, body| {
        Ok(state.apply(seq, at, body)?)
    })?;
    Ok(state)
}

/// Writes a study's events to the ledger.
pub struct StudyJournal {
    ledger: Ledger,
    stream: String,
    receipts: Option<Receipts>,
}

impl StudyJournal {
    /// Returns the journal of this study.
    pub fn new(ledger: Ledger, study: &str) -> StudyJournal {
        StudyJournal {
            ledger,
            stream: stream_of(study),
            receipts: None,
        }
    }

    /// Returns the journal that also removes receipts on their way once they are in the ledger.
    #[must_use]
    pub fn with_receipts(self, receipts: Receipts) -> StudyJournal {
        StudyJournal {
            receipts: Some(receipts),
            ..self
        }
    }
}

impl Journal for StudyJournal {
    fn append(&mut self, bodies: Vec<Body>) -> Result<Vec<(u64, i64, Body)>, JournalError> {
        let events = bodies
            .iter()
            .map(|body| {
                let event = NewEvent::new(body.kind(), body.version(), body.encode()?);
                Ok(event.with_blobs(blobs_of(body)))
            })
            .collect::<Result<Vec<_>, JournalError>>()?;
        let written = self.ledger.append(&self.stream, events)?;
        for body in &bodies {
            if let (Some(receipts), Body::RunFinished(finished)) = (&self.receipts, body) {
                receipts.forget(finished.run);
            }
        }
        let written = written
            .into_iter()
            .map(|event| (event.seq, event.at.unix_ms()));
        Ok(written
            .zip(bodies)
            .map(|((seq, at), body)| (seq, at, body))
            .collect())
    }
}

/// Returns the blobs that an event names, so that the ledger refuses it when one is missing.
fn blobs_of(body: &Body) -> Vec<BlobId> {
    let outputs = |all: &[Output]| all.iter().filter_map(|one| one.blob.parse().ok()).collect();
    match body {
        Body::StudyOpened(opened) => opened.definition.parse().into_iter().collect(),
        Body::DataDrawn(drawn) => {
            let mut blobs: Vec<BlobId> = outputs(&drawn.public);
            blobs.extend(outputs(&drawn.private));
            blobs.extend(outputs(&drawn.sealed));
            blobs
        }
        Body::RunFinished(finished) => outputs(&finished.outputs),
        Body::ExperimentProposed(proposed) => outputs(&proposed.files),
        Body::OutcomeDefined(defined) => outputs(&defined.private),
        Body::SessionStarted(_)
        | Body::SessionEnded(_)
        | Body::PersonAwaited(_)
        | Body::TurnGiven(_)
        | Body::RunStarted(_)
        | Body::RunReported(_)
        | Body::RunVoided(_)
        | Body::RunMeasured(_)
        | Body::MeasureCut(_)
        | Body::Decided(_)
        | Body::SearchEnded(_)
        | Body::Claimed(_)
        | Body::Ablated(_)
        | Body::SealedOpened(_)
        | Body::SealedAnswered(_)
        | Body::Graded(_)
        | Body::StudyFinished(_)
        | Body::OversightBegan(_)
        | Body::IncidentRaised(_)
        | Body::StudyStopped(_)
        | Body::StudyResumed(_)
        | Body::Explained(_)
        | Body::ApprovalUsed(_)
        | Body::MemoryRecalled(_)
        | Body::AutonomyChanged(_)
        | Body::AutonomyLent(_)
        | Body::HandedIn(_)
        | Body::EvaluationStarted(_)
        | Body::EvaluationOngoing(_)
        | Body::EvaluationChecked(_)
        | Body::EvaluationEnded(_) => vec![],
    }
}
