//! A dream's stream in the ledger, and what follows from it.
//!
//! Invariants, checked while folding: the first event is the creation, and there is one; one request is open at a time,
//! requests are numbered without gaps, and each ends once; nothing comes after the end.

use lyceum_ledger::{Ledger, NewEvent, Reader};
use lyceum_memory::{DREAM_PREFIX, Revision};
use lyceum_models::Block;

use super::{
    answer,
    event::{Body, Completed, Created, DecodeError, Failed, VERSION},
};
use crate::session::event::{Answered, Asked, Limits, RequestEnd};

/// Events read at once.
const PAGE: usize = 4096;

/// An event that cannot follow from those before it.
#[derive(Debug, thiserror::Error)]
#[error("event {seq} of a dream, `{kind}`, does not follow from those before it")]
pub struct FoldError {
    /// The event.
    pub seq: u64,
    /// Its kind.
    pub kind: &'static str,
}

/// Why a dream's record cannot be written or read.
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
    /// An event does not follow.
    #[error(transparent)]
    Fold(#[from] FoldError),
}

/// An answer of the model in a round.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Its words.
    pub text: String,
    /// What it wants, or why it was not taken.
    pub wants: Result<Vec<Revision>, String>,
}

/// All that is known about a dream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// How it was made.
    pub created: Option<Created>,
    /// What it may spend.
    pub limits: Limits,
    /// The answers of each round; the last round's may all be such as were not taken.
    pub rounds: Vec<Vec<Said>>,
    /// The request that is open.
    pub asked: Option<Asked>,
    /// Requests so far.
    pub requests: u32,
    /// Tokens charged, with what is reserved for an open request.
    pub tokens: u64,
    /// Billionths of a US dollar charged, with what is reserved.
    pub money: u64,
    /// How it ended, if it has.
    pub ended: Option<Result<Completed, Failed>>,
    /// Number of its last event.
    pub last_seq: u64,
}

impl State {
    /// Takes in an event.
    ///
    /// # Errors
    /// When it does not follow from those before it.
    pub fn apply(&mut self, seq: u64, body: Body) -> Result<(), FoldError> {
        let kind = body.kind();
        let is_first = self.created.is_none();
        let follows = match &body {
            Body::Created(_) => is_first,
            Body::Limited(_) => !is_first,
            Body::Asked(asked) => {
                !is_first && self.asked.is_none() && asked.request == self.requests + 1
            }
            Body::Answered(answered) => {
                let open = self.asked.as_ref().map(|asked| asked.request);
                open == Some(answered.request)
            }
            Body::Completed(_) | Body::Failed(_) => !is_first && self.asked.is_none(),
        };
        if !follows || self.ended.is_some() {
            return Err(FoldError { seq, kind });
        }
        self.last_seq = seq;
        match body {
            Body::Created(created) => self.created = Some(created),
            Body::Limited(limited) => self.limits = limited.limits,
            Body::Asked(asked) => {
                self.requests += 1;
                self.tokens = self.tokens.saturating_add(asked.reserved_tokens);
                self.money = self.money.saturating_add(asked.reserved_money.unwrap_or(0));
                self.asked = Some(asked);
            }
            Body::Answered(answered) => self.answered(answered),
            Body::Completed(completed) => self.ended = Some(Ok(completed)),
            Body::Failed(failed) => self.ended = Some(Err(failed)),
        }
        Ok(())
    }

    fn answered(&mut self, answered: Answered) {
        if let Some(asked) = self.asked.take() {
            let money = asked.reserved_money.unwrap_or(0);
            let tokens = self.tokens.saturating_sub(asked.reserved_tokens);
            self.tokens = tokens.saturating_add(answered.tokens);
            self.money = self
                .money
                .saturating_sub(money)
                .saturating_add(answered.money);
        }
        let RequestEnd::Answer { blocks, stop, .. } = answered.end else {
            return;
        };
        let texts = blocks.iter().filter_map(|block| match block {
            Block::Text { text, .. } => Some(text.as_str()),
            _ => None,
        });
        let text: String = texts.collect();
        let wants = answer::read(&stop, &text);
        let is_taken = |said: &Said| said.wants.is_ok();
        if self
            .rounds
            .last()
            .is_none_or(|round| round.iter().any(is_taken))
        {
            self.rounds.push(vec![]);
        }
        if let Some(round) = self.rounds.last_mut() {
            round.push(Said { text, wants });
        }
    }

    /// Returns what the model wants in a round, where it was asked and answered in the right form.
    pub fn wanted(&self, round: usize) -> Option<&[Revision]> {
        let said = self.rounds.get(round)?.last()?;
        said.wants.as_deref().ok()
    }

    /// Returns the answers of a round that were not taken.
    pub fn untaken(&self, round: usize) -> impl Iterator<Item = (&str, &str)> {
        let said = self.rounds.get(round).into_iter().flatten();
        said.filter_map(|said| Some((said.text.as_str(), said.wants.as_ref().err()?.as_str())))
    }
}

/// Returns the names of the dreams in a ledger, in their order.
///
/// # Errors
/// When it cannot be read.
pub fn dreams(reader: &Reader) -> Result<Vec<String>, RecordError> {
    let streams = reader.streams()?.into_iter();
    let names = streams.filter_map(|one| Some(one.stream.strip_prefix(DREAM_PREFIX)?.to_owned()));
    Ok(names.collect())
}

/// Folds a dream's events into what is known; of a dream that is not there, nothing.
///
/// # Errors
/// When an event cannot be read or does not follow.
pub fn load(reader: &Reader, dream: &str) -> Result<State, RecordError> {
    let mut state = State::default();
    loop {
        let page = reader.read(&stream_of(dream), state.last_seq, PAGE)?;
        if page.is_empty() {
            return Ok(state);
        }
        for event in page {
            let body = Body::decode(&event.kind, event.version, &event.body)?;
            state.apply(event.seq, body)?;
        }
    }
}

fn stream_of(dream: &str) -> String {
    format!("{DREAM_PREFIX}{dream}")
}

/// A dream that this process writes to.
pub struct Record {
    ledger: Ledger,
    stream: String,
    state: State,
}

impl Record {
    /// Opens a dream, which need not be there yet.
    ///
    /// # Errors
    /// As [`load`].
    pub fn open(ledger: Ledger, dream: &str) -> Result<Record, RecordError> {
        let state = load(&ledger.reader()?, dream)?;
        Ok(Record {
            stream: stream_of(dream),
            ledger,
            state,
        })
    }

    /// Returns what is known.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Writes an event; it is durable and folded when this returns.
    ///
    /// # Errors
    /// When the ledger fails, or somebody else wrote to the stream.
    pub fn write(&mut self, body: &Body) -> Result<(), RecordError> {
        let event = NewEvent::new(body.kind(), VERSION, body.encode()?);
        let expected = self.state.last_seq;
        let written = self
            .ledger
            .append_expecting(&self.stream, expected, vec![event])?;
        for event in written {
            self.state.apply(event.seq, body.clone())?;
        }
        Ok(())
    }
}
