//! Tools: what a model may ask for, and how a call is answered.
//!
//! Whatever a model writes is answered: an unknown tool, bad arguments and a result that is too large are failed
//! results with a reason, never an end of the session.

mod bench;
pub(crate) mod book;
pub(crate) mod memory;
mod offers;
mod outcome;
mod propose;
pub(crate) mod shelf;
mod shown;
mod study;
pub(crate) mod word;

use lyceum_study::engine::{Broken, Change, Cut, HandIn};
use lyceum_types::Output;

use crate::session::{Request, State, event::Body};

pub use bench::Workbench;
pub(crate) use bench::ended;
pub(crate) use offers::alone as alone_offers;
pub use study::StudyTools;
pub(crate) use study::{OnFiles, charged, in_its_place, on_files};

/// Most bytes of a result that a model is told.
pub const RESULT_BYTES_MAX: usize = 16 << 10;

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A result for the model.
    Result(Done),
    /// A change that the study's loop is to try: the result follows when it is decided.
    Proposed(Change),
    /// What was reached is handed in: the result follows when it is evaluated.
    HandedIn(HandIn),
}

/// What a call gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// What is told to the model.
    pub text: String,
    /// Whether the tool failed or refused.
    pub is_error: bool,
    /// Whether nobody knows what the call did.
    pub unknown: bool,
    /// The files of the workspace that differ from now on, all of them; `None` where the call changed none.
    pub files: Option<Vec<Output>>,
    /// CPU milliseconds of its command.
    pub cpu_ms: u64,
    /// What else is to be written down, in the same breath.
    pub also: Vec<Body>,
}

impl Done {
    /// Returns a result of words alone.
    pub fn said(text: impl Into<String>) -> Done {
        Done {
            text: bounded(text.into()),
            ..Done::default()
        }
    }

    /// Returns a refusal with its reason.
    pub fn refused(why: impl Into<String>) -> Done {
        Done {
            is_error: true,
            ..Done::said(why)
        }
    }
}

/// What a session can do, and what it is told about the world.
pub trait Toolbox {
    /// Returns the tools that a model may ask for.
    fn offers(&self) -> Vec<lyceum_models::Tool>;

    /// Returns what is true now, from the ledger: put before the model at each turn. Its size is bounded.
    fn brief(&self, session: &State) -> String;

    /// Returns what is left of times, a line each: the one thing in a request that follows from no log.
    fn times(&self, _session: &State) -> String {
        String::new()
    }

    /// Returns what holds for every session of this kind, in place of what holds for a study's agent.
    fn rules(&self) -> Option<&str> {
        None
    }

    /// Tells whether a budget beside the session's own pays for a request: most tokens, most billionths of a US dollar.
    fn pays(&self, _session: &State, _tokens: u64, _money: Option<u64>) -> bool {
        true
    }

    /// Reserves for a request what others have to allow too; false where they do not.
    fn reserve(&self, _tokens: u64, _money: Option<u64>) -> bool {
        true
    }

    /// Puts what a request cost in the place of what was reserved for it: tokens and billionths of a US dollar each.
    fn settle(&self, _reserved: (u64, u64), _spent: (u64, u64)) {}

    /// Returns what a person has to say before a call is carried out; nothing where it needs no word. An error refuses the
    /// call.
    fn needs_word(&self, _session: &State, _call: &Wanted) -> Result<Option<Request>, String> {
        Ok(None)
    }

    /// Carries out a call whose intent is written. `cut` ends it from another thread; the result then says so.
    fn call(&self, session: &State, call: &Wanted, cut: &Cut) -> Result<Outcome, Broken>;

    /// Says what became of a call whose intent is written and whose result is not: it is looked up, never repeated.
    fn look_up(&self, session: &State, call: &Wanted, cut: &Cut) -> Result<Outcome, Broken>;
}

/// A call, as a tool sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The call, unique in its session.
    pub call: String,
    /// The tool.
    pub name: String,
    /// What it is called with: an object.
    pub arguments: serde_json::Value,
}

/// Keeps a note for whoever works.
pub(crate) fn note(call: &Wanted) -> Result<Done, String> {
    book::note(&study::read(&call.arguments)?)
}

/// Returns a text within the limit of a result: its beginning and its end, with what is missing counted.
pub fn bounded(text: String) -> String {
    cut_middle(text, RESULT_BYTES_MAX)
}

/// Returns a text of about so many bytes at most.
pub(crate) fn cut_middle(text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let (mut head, mut tail) = (most * 3 / 4, text.len() - most / 4);
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    let (first, last) = (&text[..head], &text[tail..]);
    format!("{first}\n… {} bytes are not shown …\n{last}", tail - head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_result_is_cut_in_its_middle_and_says_by_how_much() {
        let long = format!("begin{}end", "é".repeat(RESULT_BYTES_MAX));
        let cut = bounded(long.clone());
        assert!(cut.len() < RESULT_BYTES_MAX + 60 && cut.len() > RESULT_BYTES_MAX / 2);
        assert!(cut.starts_with("begin") && cut.ends_with("end"));
        assert!(cut.contains("bytes are not shown"));
        assert_eq!(bounded("short".into()), "short");
    }
}
