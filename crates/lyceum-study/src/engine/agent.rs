//! The seam between the loop and a researcher that takes its time, as a language model's agent does.

use lyceum_types::{ExperimentId, Output, Settings};

use super::{budget::Left, execute::Broken, state::State};

/// The question: what is known, and what is left.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is known of the study.
    pub state: State,
    /// What is left of its budgets.
    pub left: Left,
}

/// The answer: one change to be tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// A value for each active knob.
    pub settings: Settings,
    /// Files that it adds or changes in the workspace beside them, whole.
    pub files: Vec<Output>,
    /// The idea in words.
    pub hypothesis: String,
    /// Past experiments that speak for it.
    pub evidence: Vec<ExperimentId>,
    /// The call that it comes from: no call is answered by two experiments.
    pub call: String,
    /// CPU milliseconds that the agent's own commands used since its last proposal.
    pub cpu_ms: u64,
}

/// The worker's word that the work is done, instead of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandIn {
    /// What it claims.
    pub claim: String,
    /// The call that it comes from.
    pub call: String,
    /// CPU milliseconds that the agent's own commands used since it was last charged.
    pub cpu_ms: u64,
}

/// Why there is no change.
#[derive(Debug, thiserror::Error)]
pub enum NoChange {
    /// The agent has none now: the sampler is asked in its place.
    #[error("no proposal from the agent: {0}")]
    Pass(String),
    /// It hands in what it has: the rubric is evaluated, and it is asked again if that is not enough.
    #[error("the agent hands in")]
    HandsIn(HandIn),
    /// It was told to stop.
    #[error("the agent was told to stop")]
    Cancelled,
    /// The lab failed.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// A researcher that is asked on a thread of its own while the loop goes on. It is not asked again before its last
/// experiment is decided, and it decides nothing: not what is kept, not when the study ends.
pub trait Agent: Send + Sync {
    /// Returns the name that is written beside each proposal.
    fn name(&self) -> &str;

    /// Returns what to try next.
    fn propose(&self, question: &Question) -> Result<Change, NoChange>;

    /// Tells whether it does nothing now but wait for a person's word.
    fn awaits_person(&self) -> bool {
        false
    }

    /// Ends a question that is under way or on its way, from another thread; it then returns soon with
    /// [`NoChange::Cancelled`]. No other question follows.
    fn cancel(&self);

    /// Tells the agent that the study is finished, for its last words.
    fn conclude(&self, state: &State) -> Result<(), Broken>;
}
