//! Recordings of a lab's exchanges with models, and a session's place on one.
//!
//! What a session asks follows from its log, with two exceptions: what the lab says of time, and what a crash lost. Both
//! stand in the recording beside the exchanges, so that a replay in another lab asks the same and comes to the same log.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use lyceum_models::{
    Asker, Environment, ErrorKind, Exchange, FileTape, Keep, Mark, ModelError, Note, Recording,
    Spec, Tape,
};

use crate::{mind::Mind, staff::mind_with};

/// Whether exchanges with models are recorded or replayed.
#[derive(Clone, Default)]
pub enum Tapes {
    /// Neither.
    #[default]
    Live,
    /// Recorded.
    Record(Arc<FileTape>),
    /// Answered from a recording, with the BLAKE3 of its file.
    Replay(Recording, String),
}

/// Why a recording does not serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TapeError {
    /// It cannot be read or written, or does not answer a request.
    #[error("{0}")]
    Fault(String),
    /// It is another one's.
    #[error("the recording is not of this one: {0}")]
    Foreign(String),
    /// Requests were made without it.
    #[error("the recording ends at request {recorded}, and {asked} were made")]
    Behind {
        /// The last that it knows of.
        recorded: u32,
        /// Requests so far.
        asked: u32,
    },
}

/// Where somebody stands who goes on, by the log.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// Who asks.
    pub(crate) of: Asker,
    /// Requests so far.
    pub(crate) asked: u32,
    /// Whether the last one has no receipt.
    pub(crate) open: bool,
    /// The call that was begun and has none.
    pub(crate) call: Option<String>,
    /// The study's root seed.
    pub(crate) seed: Option<u64>,
}

impl Tapes {
    /// Returns what a connection to a model is told.
    pub fn tape(&self) -> Tape {
        match self {
            Tapes::Live => Tape::Live,
            Tapes::Record(file) => Tape::Record(file.clone()),
            Tapes::Replay(recording, _) => Tape::Replay(recording.clone()),
        }
    }

    /// Returns tapes that answer from a file.
    pub fn replay(path: &Path) -> Result<Tapes, String> {
        let hash = hash(path).map_err(|error| error.to_string())?;
        let recording = Recording::open(path).map_err(|error| error.to_string())?;
        Ok(Tapes::Replay(recording, hash))
    }

    /// Returns what tells answers of a recording from a model's own.
    pub(crate) fn mark(&self) -> Option<&str> {
        match self {
            Tapes::Live | Tapes::Record(_) => None,
            Tapes::Replay(_, hash) => Some(hash),
        }
    }

    /// Returns the root seed of the study that a replay is of.
    pub fn seed(&self) -> Option<u64> {
        let Tapes::Replay(recording, _) = self else {
            return None;
        };
        begun(recording)?.seed
    }

    /// Makes a model ready for one who asks one request after the other, as a session does. Sends nothing.
    pub fn hire(&self, spec: &Spec, environment: Environment<'_>) -> Result<Mind, ModelError> {
        let reel = Reel {
            tapes: self.clone(),
            mark: Arc::default(),
        };
        let tape = match self {
            Tapes::Record(file) => Tape::Record(Arc::new(Marked {
                file: Arc::clone(file),
                mark: Arc::clone(&reel.mark),
            })),
            Tapes::Live | Tapes::Replay(..) => self.tape(),
        };
        let mind = mind_with(spec, environment, tape)?;
        Ok(Mind { reel, ..mind })
    }
}

fn hash(path: &Path) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// How what a recording holds began.
struct Begun {
    seed: Option<u64>,
}

/// Returns how what a recording holds began; `None` where no session begins in it.
fn begun(recording: &Recording) -> Option<Begun> {
    let notes = recording.notes();
    notes.iter().find_map(|note| match note {
        Note::Begun { seed } => Some(Begun { seed: *seed }),
        Note::LostRequest { .. } | Note::LostCall { .. } => None,
    })
}

/// Keeps exchanges with the request that they are attempts at.
struct Marked {
    file: Arc<FileTape>,
    mark: Arc<Mutex<Option<Mark>>>,
}

impl Keep for Marked {
    fn keep(&self, exchange: &Exchange) -> Result<(), String> {
        let mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        self.file.keep(&exchange.marked(mark.clone()))
    }
}

/// The place on a tape of one who asks; on none by default.
#[derive(Default)]
pub struct Reel {
    tapes: Tapes,
    mark: Arc<Mutex<Option<Mark>>>,
}

impl Reel {
    /// Tells whether anything is recorded or replayed.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.tapes, Tapes::Live)
    }

    /// Looks whether something new can be recorded there.
    ///
    /// # Errors
    /// When the file holds something.
    pub fn can_begin(&self) -> Result<(), TapeError> {
        let Tapes::Record(file) = &self.tapes else {
            return Ok(());
        };
        let past = file.past();
        let past = past.map_err(|error| TapeError::Fault(error.to_string()))?;
        if past.count() > 0 || !past.notes().is_empty() {
            return Err(TapeError::Foreign("the file holds other exchanges".into()));
        }
        Ok(())
    }

    /// Goes on where somebody stands by the log: what a crash lost is written down, what was replayed is passed over.
    ///
    /// # Errors
    /// When the recording is another one's, or lacks a request.
    pub(crate) fn go_on(&self, standing: &Standing) -> Result<(), TapeError> {
        let Standing {
            of, asked, open, ..
        } = *standing;
        let file = match &self.tapes {
            Tapes::Live => return Ok(()),
            Tapes::Replay(recording, _) => {
                recording.skip(of, asked.saturating_sub(u32::from(open)));
                return Ok(());
            }
            Tapes::Record(file) => file,
        };
        let past = file
            .past()
            .map_err(|error| TapeError::Fault(error.to_string()))?;
        let foreign = |why: &str| Err(TapeError::Foreign(why.to_owned()));
        let recorded = past.last(of);
        match begun(&past) {
            None if past.count() > 0 => return foreign("the file holds other exchanges"),
            None if asked > 0 => return foreign("this one was begun without it"),
            None => {
                let seed = standing.seed;
                return note(file, &Note::Begun { seed });
            }
            Some(begun) if begun.seed != standing.seed => {
                return foreign("its study has another seed");
            }
            Some(_) if of != Asker::Judgement && asked == 0 && past.count() > 0 => {
                return foreign("the file holds other exchanges");
            }
            Some(_) if recorded > asked => {
                return foreign("it knows of requests that were not made");
            }
            Some(_) => {}
        }
        if recorded < asked.saturating_sub(u32::from(open)) {
            return Err(TapeError::Behind { recorded, asked });
        }
        if open {
            let number = asked;
            note(file, &Note::LostRequest { of, number })?;
        }
        match &standing.call {
            Some(call) => note(file, &Note::LostCall { call: call.clone() }),
            None => Ok(()),
        }
    }

    /// Begins a request, and returns what is said of time in it: `now`, or in a replay what was said then.
    pub(crate) fn begin(&self, of: Asker, number: u32, now: String) -> String {
        let times = match &self.tapes {
            Tapes::Live => return now,
            Tapes::Record(_) => now,
            Tapes::Replay(recording, _) => recording.times(of, number).unwrap_or(now),
        };
        let mark = Mark {
            of,
            number,
            times: times.clone(),
        };
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = Some(mark);
        times
    }

    /// Tells whether the answer to a request was lost in what is replayed: then it is here too.
    pub(crate) fn lost_request(&self, of: Asker, number: u32) -> bool {
        self.has(&Note::LostRequest { of, number })
    }

    /// Tells whether nobody knows what a call did in what is replayed.
    pub(crate) fn lost_call(&self, call: &str) -> bool {
        let call = call.to_owned();
        self.has(&Note::LostCall { call })
    }

    fn has(&self, note: &Note) -> bool {
        match &self.tapes {
            Tapes::Live | Tapes::Record(_) => false,
            Tapes::Replay(recording, _) => recording.notes().contains(note),
        }
    }
}

/// Tells whether a recording does not answer, or cannot be written.
pub(crate) fn is_taped(error: &ModelError) -> bool {
    matches!(error.kind, ErrorKind::Replay(_) | ErrorKind::Record { .. })
}

fn note(file: &FileTape, note: &Note) -> Result<(), TapeError> {
    file.note(note).map_err(TapeError::Fault)
}
