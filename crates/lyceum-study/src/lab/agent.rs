//! The seam to agents: who is hired where a study's researcher is no sampler, and what the lab lends it.

use std::sync::{Arc, atomic::AtomicBool};

use lyceum_types::StudyOpened;

use super::conduct::SandboxExecutor;
use crate::engine::{Agent, Broken, Protocol, State};

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

    /// Gives an agent the last word on a study that is finished. What it says changes no verdict.
    fn conclude(&self, agent: &dyn Agent, state: &State) -> Result<(), Broken> {
        agent.conclude(state)
    }
}
