//! What is known of a team: a fold over its events.
//!
//! Invariants, checked while folding:
//! - the first event is the creation, and there is one;
//! - threads, messages and versions are numbered without gaps;
//! - nobody is deeper than the limit, and no version is taken that there is not.

use std::collections::BTreeMap;

use lyceum_ledger::BlobId;
use lyceum_types::{FoldError, Output};

use super::event::{Body, Created, Delegated, HandedOff, MessageSent};
use crate::{session::event::StopReason, stream::Fold};

/// Threads below one another, the lead not counted.
pub(super) const DEPTH_MAX: u32 = 3;

/// Whether a team works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// A process works with it, or died while it did.
    #[default]
    Running,
    /// It waits.
    Idle(StopReason),
    /// It is done: the lead's last words.
    Ended(String),
}

/// What is known of a thread beside its session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// How it began; nothing for the lead.
    pub delegated: Option<Delegated>,
    /// Threads above it.
    pub depth: u32,
    /// Version of the shared files that it has.
    pub version: u32,
    /// Why it waits and what it said at last; nothing while it works.
    pub idle: Option<(StopReason, String)>,
}

/// All that is known of a team.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// How it was made.
    pub created: Option<Created>,
    /// Whether it works.
    pub status: Status,
    /// Its threads; the lead is the first.
    pub threads: Vec<Thread>,
    /// What was said between them.
    pub messages: Vec<MessageSent>,
    /// Handoffs, in order: version n is made by the n-th.
    pub handoffs: Vec<HandedOff>,
    /// What was taken, by thread and call, with the version.
    pub taken: BTreeMap<(u32, String), u32>,
    /// Number of the stream's last event.
    pub last_seq: u64,
}

/// Whether a thread that waits for this reason is at work again when the team goes on.
fn goes_on(why: &StopReason) -> bool {
    match why {
        // A budget may be larger then, a server may answer, and the lab may be mended.
        StopReason::BudgetReached
        | StopReason::RetriesExhausted
        | StopReason::Interrupted
        | StopReason::LabFailed => true,
        StopReason::EndTurn
        | StopReason::AwaitsExperiment
        | StopReason::AwaitsOutcome
        | StopReason::Refusal
        | StopReason::NoProgress
        | StopReason::RequiresAction { .. } => false,
    }
}

impl Fold for State {
    type Body = Body;
    const PREFIX: &'static str = "team/";

    fn fold(&mut self, seq: u64, _at: i64, body: Body) -> Result<(), FoldError> {
        self.apply(seq, body)
    }

    fn last_seq(&self) -> u64 {
        self.last_seq
    }

    fn blobs(body: &Body) -> Vec<BlobId> {
        let files = body.files().iter();
        files.filter_map(|file| file.blob.parse().ok()).collect()
    }
}

impl State {
    /// Takes in one event.
    pub fn apply(&mut self, seq: u64, body: Body) -> Result<(), FoldError> {
        let fault = |problem: &str| FoldError::new("team", seq, problem);
        if seq != self.last_seq + 1 {
            return Err(fault("a number is missing"));
        }
        if self.created.is_some() == matches!(body, Body::Created(_)) {
            return Err(fault("a team is created once, and first"));
        }
        self.last_seq = seq;
        self.take(body).map_err(fault)
    }

    fn take(&mut self, body: Body) -> Result<(), &'static str> {
        match body {
            Body::Created(created) => {
                self.created = Some(created);
                self.threads.push(Thread::default());
            }
            Body::Running(_) => {
                self.status = Status::Running;
                for thread in &mut self.threads {
                    if thread.idle.as_ref().is_some_and(|(why, _)| goes_on(why)) {
                        thread.idle = None;
                    }
                }
            }
            Body::Delegated(delegated) => {
                let parent = self.threads.get(delegated.parent as usize);
                let depth = parent.ok_or("nobody delegates")?.depth + 1;
                if delegated.thread as usize != self.threads.len() || depth > DEPTH_MAX {
                    return Err("a thread is not the next, or too deep");
                }
                self.check_version(delegated.version)?;
                self.threads.push(Thread {
                    depth,
                    version: delegated.version,
                    delegated: Some(delegated),
                    idle: None,
                });
            }
            Body::MessageSent(sent) => {
                if sent.message as usize != self.messages.len() + 1 {
                    return Err("a message is not the next");
                }
                self.thread(sent.to)?.idle = None;
                self.messages.push(sent);
            }
            Body::HandedOff(handed) => {
                if handed.version as usize != self.handoffs.len() + 1 {
                    return Err("a handoff is not the next");
                }
                // What it handed off is what it has.
                let version = handed.version;
                self.thread(handed.thread)?.version = version;
                self.handoffs.push(handed);
            }
            Body::Taken(taken) => {
                self.check_version(taken.version)?;
                self.thread(taken.thread)?.version = taken.version;
                self.taken.insert((taken.thread, taken.call), taken.version);
            }
            Body::ThreadIdle(idle) => {
                self.thread(idle.thread)?.idle = Some((idle.stop_reason, idle.report));
            }
            Body::Idle(idle) => self.status = Status::Idle(idle.stop_reason),
            Body::Ended(ended) => self.status = Status::Ended(ended.report),
        }
        Ok(())
    }

    fn check_version(&self, version: u32) -> Result<(), &'static str> {
        let known = version as usize <= self.handoffs.len();
        known.then_some(()).ok_or("a version that there is not")
    }

    fn thread(&mut self, number: u32) -> Result<&mut Thread, &'static str> {
        self.threads
            .get_mut(number as usize)
            .ok_or("a thread that there is not")
    }

    /// Returns the newest version of the shared files.
    pub fn version(&self) -> u32 {
        self.handoffs.len() as u32
    }

    /// Returns the shared files of a version, by name.
    pub fn files(&self, version: u32) -> BTreeMap<&str, &Output> {
        let first = self.created.iter().flat_map(|created| &created.files);
        let later = self.handoffs.iter().take(version as usize);
        let all = first.chain(later.flat_map(|handed| &handed.files));
        all.map(|file| (file.name.as_str(), file)).collect()
    }

    /// Returns the threads from one up to the lead, itself first.
    pub fn line_of(&self, thread: u32) -> Vec<u32> {
        let mut line = vec![thread];
        let mut at = thread;
        while let Some(parent) = self
            .threads
            .get(at as usize)
            .and_then(|one| one.delegated.as_ref())
        {
            at = parent.parent;
            line.push(at);
        }
        line
    }

    /// Returns the threads that a thread delegated to.
    pub fn children(&self, thread: u32) -> Vec<u32> {
        let numbered = self.threads.iter().zip(0..);
        let own = numbered.filter(|(one, _)| {
            one.delegated
                .as_ref()
                .is_some_and(|delegated| delegated.parent == thread)
        });
        own.map(|(_, number)| number).collect()
    }

    /// Whether a thread is at work.
    pub fn works(&self, thread: u32) -> bool {
        self.threads
            .get(thread as usize)
            .is_some_and(|one| one.idle.is_none())
    }
}
