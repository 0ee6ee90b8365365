//! The seam to agents: who is hired where a study's researcher is no sampler, and what the lab lends it.

use std::sync::{Arc, atomic::AtomicBool};

use lyceum_ledger::Ledger;
use lyceum_types::StudyOpened;

use super::conduct::SandboxExecutor;
use crate::{
    engine::{Agent, Broken, Cut, Protocol, State},
    format::Budget,
};

/// What an agent gets of the lab: the same ledger, sandbox and study as the loop itself.
pub struct Desk<'a> {
    /// The study's name in the lab.
    pub study: &'a str,
    /// What the study is pinned to.
    pub opened: &'a StudyOpened,
    /// The rules of the study.
    pub protocol: &'a Protocol,
    /// Runs commands, and has the ledger.
    pub executor: Arc<SandboxExecutor>,
    /// Set by a person's wish to stop.
    pub stop: Arc<AtomicBool>,
}

/// Hires agents by the names that a study gives its researcher.
pub trait Staff {
    /// Tells whether this names an agent, whether or not it can be reached.
    fn knows(&self, name: &str) -> bool;

    /// Returns the agent of this name.
    fn hire(&self, name: &str, desk: &Desk<'_>) -> Result<Box<dyn Agent>, Broken>;

    /// Returns who asks language models for judgements; `None` where nobody can.
    fn judge(&self) -> Option<Arc<dyn Judge>> {
        None
    }

    /// Gives an agent the last word on a study that is finished. What it says changes no verdict.
    fn conclude(&self, agent: &dyn Agent, state: &State) -> Result<(), Broken> {
        agent.conclude(state)
    }
}

/// What a language model is asked to judge. All of it but the question is data that others wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// What is to be answered with yes or no.
    pub question: String,
    /// What the worker claims.
    pub claim: Option<String>,
    /// A file of the work: its name and what is in it.
    pub file: Option<(String, Vec<u8>)>,
}

/// A language model's judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it says yes.
    pub yes: bool,
    /// Its reason, as it wrote it.
    pub why: String,
}

/// What comes of asking for a judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It was given.
    Given(Judgement),
    /// Nobody was asked: the study's budget does not pay for it, as said here.
    Unpaid(String),
}

/// Whose work is judged, and what the study may spend on that.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The study's name in the lab.
    pub study: &'a str,
    /// Where the cost is written down.
    pub ledger: &'a Ledger,
    /// What the study may spend.
    pub budget: &'a Budget,
}

/// Asks language models for judgements: the weakest evidence there is.
pub trait Judge: Send + Sync {
    /// Asks the model of this name. An error says nothing about the work: no server, no key, an answer that is none.
    fn judge(
        &self,
        case: Case<'_>,
        model: &str,
        doubt: &Doubt,
        cut: &Cut,
    ) -> Result<Judged, Broken>;
}
