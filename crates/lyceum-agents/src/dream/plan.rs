//! What a dream is to read, pinned before it begins.

use std::path::Path;

use lyceum_ledger::Reader;
use lyceum_memory::{Error as MemoryError, PastFinding, PastSession, next_name, present};
use lyceum_study::engine::JournalError;

use super::{
    event::{Created, Read},
    record::State,
};
use crate::{
    session::{
        self,
        event::{Body as SessionBody, Limits},
    },
    stream::Fold as _,
    tapes::TapeError,
};

/// The most sessions that one dream reads.
pub const SESSIONS_MAX: usize = 100;
/// Longest instructions of a person.
pub const INSTRUCTIONS_CHARACTERS_MAX: usize = 4096;
/// Why a dream cannot go on at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its record or that of a session cannot be written or read.
    #[error(transparent)]
    Record(#[from] JournalError),
    /// A memory store cannot be read or written.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] lyceum_ledger::Error),
    /// What is recorded or replayed is not this dream's.
    #[error(transparent)]
    Tape(#[from] TapeError),
    /// There is no such session.
    #[error("no session `{session}` in this lab{}", listed(.known))]
    NoSession {
        /// What was asked for.
        session: String,
        /// The sessions that are there.
        known: Vec<String>,
    },
    /// Too few or too many sessions.
    #[error("expected 1 to {SESSIONS_MAX} sessions, found {found}")]
    Sessions {
        /// How many were given.
        found: usize,
    },
    /// Instructions are too long.
    #[error(
        "the instructions have {found} characters, expected at most {INSTRUCTIONS_CHARACTERS_MAX}"
    )]
    Instructions {
        /// How long they are.
        found: usize,
    },
}

fn listed(known: &[String]) -> String {
    if known.is_empty() {
        ", which has none: `lyceum session start` makes one".to_owned()
    } else {
        format!(", expected one of: {}", known.join(", "))
    }
}

/// What a dream is to read, and by whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The store, as a person names it.
    pub store: String,
    /// The sessions.
    pub sessions: Vec<String>,
    /// Whether these are whatever is new by now: a dream that was begun with others and is not over goes on first.
    pub whatever_is_new: bool,
    /// The model, as a person names it.
    pub dreamer: String,
    /// What to look at; empty for nothing.
    pub instructions: String,
    /// Tokens that the model's context holds.
    pub context_tokens: u64,
    /// What it may spend.
    pub limits: Limits,
    /// Milliseconds since 1970.
    pub now: i64,
    /// The firing of a schedule that it belongs to.
    pub firing: Option<String>,
}

/// Returns the findings of a session, as a dreamer without a model reads them.
///
/// # Errors
/// When there is no such session, or it cannot be read.
pub fn found(reader: &Reader, name: &str) -> Result<PastSession, Error> {
    let state = known_session(reader, name)?;
    let mut findings = Vec::new();
    session::State::read(reader, name, 0, |seq, _, body| {
        if let SessionBody::Found(found) = body {
            let evidence = found.evidence;
            findings.push(PastFinding {
                seq,
                claim: found.claim,
                gain: evidence.gain.zip(evidence.interval),
                replaced: !state.findings.contains_key(&found.finding),
            });
        }
        Ok(())
    })?;
    Ok(PastSession {
        name: name.to_owned(),
        stream: session::State::stream_of(name),
        study: state
            .created
            .map(|created| created.study)
            .unwrap_or_default(),
        last: state.last_seq,
        findings,
    })
}

fn known_session(reader: &Reader, name: &str) -> Result<session::State, Error> {
    let state = session::State::load(reader, name)?;
    if state.created.is_some() {
        return Ok(state);
    }
    Err(Error::NoSession {
        session: name.to_owned(),
        known: session::State::names(reader)?,
    })
}

/// Returns the dream of the same plan that is not over; of a firing there is one alone, over or not.
pub(super) fn begun(reader: &Reader, plan: &Plan) -> Result<Option<Created>, Error> {
    for name in State::names(reader)? {
        let state = State::load(reader, &name)?;
        let Some(created) = state.created else {
            continue;
        };
        if plan.firing.is_some() && created.firing == plan.firing {
            return Ok(Some(created));
        }
        if state.ended.is_some() || created.firing != plan.firing {
            continue;
        }
        let sessions = created.sessions.iter().map(|one| &one.session);
        if (plan.whatever_is_new || sessions.eq(&plan.sessions))
            && created.asked == plan.store
            && created.dreamer == plan.dreamer
            && created.instructions == plan.instructions
        {
            return Ok(Some(created));
        }
    }
    Ok(None)
}

pub(super) fn created(reader: &Reader, root: &Path, plan: &Plan) -> Result<Created, Error> {
    let found = plan.sessions.len();
    if !(1..=SESSIONS_MAX).contains(&found) {
        return Err(Error::Sessions { found });
    }
    let found = plan.instructions.chars().count();
    if found > INSTRUCTIONS_CHARACTERS_MAX {
        return Err(Error::Instructions { found });
    }
    let mut sessions = Vec::new();
    for name in &plan.sessions {
        let last = known_session(reader, name)?.last_seq;
        sessions.push(Read {
            session: name.clone(),
            last,
        });
    }
    let store = present(reader, root, &plan.store)?;
    Ok(Created {
        dream: next_name(reader, store.name())?,
        asked: plan.store.clone(),
        store: store.name().to_owned(),
        store_last: store.seq(),
        sessions,
        dreamer: plan.dreamer.clone(),
        instructions: plan.instructions.clone(),
        context_tokens: plan.context_tokens,
        now: plan.now,
        firing: plan.firing.clone(),
        lyceum: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Returns the sessions that no dream by a model on this store has read to their end.
///
/// # Errors
/// When the record cannot be read.
pub fn unread(reader: &Reader, store: &str) -> Result<Vec<String>, Error> {
    let mut read: Vec<Read> = Vec::new();
    for name in State::names(reader)? {
        let state = State::load(reader, &name)?;
        let created = state.created.filter(|created| created.asked == store);
        if let (Some(created), Some(Ok(_))) = (created, state.ended) {
            read.extend(created.sessions);
        }
    }
    let mut unread = Vec::new();
    for name in session::State::names(reader)? {
        let last = session::State::load(reader, &name)?.last_seq;
        let known = |one: &Read| one.session == name && one.last >= last;
        if !read.iter().any(known) {
            unread.push(name);
        }
    }
    unread.truncate(SESSIONS_MAX);
    Ok(unread)
}
