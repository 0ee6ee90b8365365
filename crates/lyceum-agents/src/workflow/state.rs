//! What is known about a run: a fold over its events.
//!
//! Invariants, checked while folding:
//! - the first event is the creation, and there is one; after the end nothing follows;
//! - a phase begins and ends once, and ends when all its steps have;
//! - one attempt at a step is open at a time, attempts are numbered without gaps, each ends once;
//! - a step that is done or failed is never begun again.

use lyceum_ledger::BlobId;
use lyceum_types::FoldError;

use super::{
    event::{
        Body, Created, Item, PhaseEnded, PhaseStarted, Reserved, RunResult, Spent, StepEnd,
        StepEnded, StepStarted, StopReason,
    },
    format::Budget,
};
use crate::stream::Fold;

/// Whether a run works.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Status {
    /// It was made and has not begun.
    #[default]
    New,
    /// A process works on it, or died while it did.
    Running,
    /// It waits.
    Idle(StopReason),
    /// It is over.
    Ended(RunResult),
}

/// An attempt that has no end yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its number.
    pub attempt: u32,
    /// The step's key.
    pub key: String,
    /// The most that it may use.
    pub reserved: Reserved,
}

/// What is known of a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// What it is about.
    pub item: Item,
    /// Attempts that were begun.
    pub attempts: u32,
    /// The one that is open.
    pub open: Option<Open>,
    /// Answers of the model that were not taken, each with the reason.
    pub refused: Vec<(String, String)>,
    /// Attempts during which the lab died.
    pub unknown: u32,
    /// Attempts at which the lab failed, since a process last took up the run.
    pub faults: u32,
    /// What was charged for its attempts, with all that was reserved for those during which the lab died.
    pub charged: Spent,
    /// How it ended, when it did.
    pub end: Option<StepEnd>,
    /// Its key, once it was begun.
    pub key: String,
}

/// What is known of a phase.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PhaseState {
    /// Its name.
    pub name: String,
    /// Its steps.
    pub steps: Vec<Step>,
    /// Whether all of them have their end on record.
    pub ended: bool,
    /// What it used, with what is reserved for open attempts.
    pub used: Used,
}

/// What was used, with what is reserved for open attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Attempts that were begun.
    pub steps: u64,
    /// Tokens.
    pub tokens: u64,
    /// Billionths of a US dollar.
    pub money: u64,
    /// Whether that is not all that it cost.
    pub unpriced: bool,
    /// CPU milliseconds.
    pub cpu_ms: u64,
    /// Milliseconds during which a process worked on it, up to its last event.
    pub wall_ms: u64,
}

/// All that is known about a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// How it was made.
    pub created: Option<Created>,
    /// What it may use now.
    pub budget: Budget,
    /// Whether it works.
    pub status: Status,
    /// The process that took it up last.
    pub pid: Option<u32>,
    /// Phases that have begun, in order.
    pub phases: Vec<PhaseState>,
    /// What it used.
    pub used: Used,
    /// Number of the stream's last event.
    pub last_seq: u64,
    /// When the last event was written, in milliseconds.
    pub last_at: i64,
}

impl Used {
    fn reserve(&mut self, reserved: Reserved) {
        self.steps += 1;
        self.tokens = self.tokens.saturating_add(reserved.tokens);
        self.money = self.money.saturating_add(reserved.money.unwrap_or(0));
        self.cpu_ms = self.cpu_ms.saturating_add(reserved.cpu_ms);
    }

    fn settle(&mut self, reserved: Reserved, spent: Spent) {
        let put = |used: &mut u64, reserved: u64, spent: u64| {
            *used = used.saturating_sub(reserved).saturating_add(spent);
        };
        put(&mut self.tokens, reserved.tokens, spent.tokens);
        put(&mut self.money, reserved.money.unwrap_or(0), spent.money);
        put(&mut self.cpu_ms, reserved.cpu_ms, spent.cpu_ms);
        self.unpriced |= spent.unpriced;
    }
}

impl PhaseState {
    /// Returns how many steps are done and how many failed.
    pub fn counts(&self) -> (u32, u32) {
        let count = |wanted: fn(&StepEnd) -> bool| {
            let ends = self.steps.iter().filter_map(|step| step.end.as_ref());
            ends.filter(|end| wanted(end)).count() as u32
        };
        (
            count(|end| matches!(end, StepEnd::Done { .. })),
            count(|end| matches!(end, StepEnd::Failed { .. })),
        )
    }

    /// Returns the results of the steps that gave one, with the steps' numbers.
    pub fn results(&self) -> impl Iterator<Item = (u32, &str)> {
        self.steps
            .iter()
            .zip(1..)
            .filter_map(|(step, number)| match &step.end {
                Some(StepEnd::Done { result, .. }) => Some((number, result.as_str())),
                _ => None,
            })
    }
}

impl Fold for State {
    type Body = Body;
    const PREFIX: &'static str = "workflow/";

    fn fold(&mut self, seq: u64, at: i64, body: Body) -> Result<(), FoldError> {
        self.apply(seq, at, body)
    }

    fn last_seq(&self) -> u64 {
        self.last_seq
    }

    fn blobs(_body: &Body) -> Vec<BlobId> {
        vec![]
    }
}

impl State {
    /// Returns the phase of this name, if it has begun.
    pub fn phase(&self, name: &str) -> Option<&PhaseState> {
        self.phases.iter().find(|one| one.name == name)
    }

    /// Whether the run is over.
    pub fn is_over(&self) -> bool {
        matches!(self.status, Status::Ended(_))
    }

    /// Takes in one event, written at a time in milliseconds.
    pub fn apply(&mut self, seq: u64, at: i64, body: Body) -> Result<(), FoldError> {
        let fault = |problem: String| FoldError::new("workflow", seq, problem);
        if seq != self.last_seq + 1 {
            return Err(fault(format!("expected event {}", self.last_seq + 1)));
        }
        if self.created.is_some() == matches!(body, Body::Created(_)) {
            return Err(fault("a run is created once, and first".into()));
        }
        if self.is_over() {
            return Err(fault("the run is over".into()));
        }
        self.pass(at, &body);
        self.last_seq = seq;
        self.last_at = at;
        self.take(body).map_err(fault)
    }

    /// Counts the time since the last event, if a process worked then.
    fn pass(&mut self, at: i64, next: &Body) {
        // Between the last event of a process that died and the first of the next nobody worked.
        if self.status != Status::Running || matches!(next, Body::Running(_)) {
            return;
        }
        let passed = u64::try_from(at.saturating_sub(self.last_at)).unwrap_or(0);
        self.used.wall_ms += passed;
        if let Some(phase) = self.phases.last_mut().filter(|phase| !phase.ended) {
            phase.used.wall_ms += passed;
        }
    }

    fn take(&mut self, body: Body) -> Result<(), String> {
        match body {
            Body::Created(created) => {
                self.budget = created.budget;
                self.created = Some(created);
            }
            Body::Running(running) => self.run(running.pid),
            Body::Updated(updated) => {
                self.budget = updated.budget;
                if let Some(created) = &mut self.created {
                    created.definition = updated.definition;
                }
            }
            Body::Idle(idle) => self.status = Status::Idle(idle.stop_reason),
            Body::PhaseStarted(started) => self.begin(started)?,
            Body::PhaseEnded(ended) => self.end(&ended)?,
            Body::StepStarted(started) => self.start(started)?,
            Body::StepEnded(ended) => self.finish(ended)?,
            Body::Ended(ended) => self.status = Status::Ended(ended.result),
        }
        Ok(())
    }

    fn run(&mut self, pid: u32) {
        self.status = Status::Running;
        self.pid = Some(pid);
        let steps = self.phases.iter_mut().flat_map(|phase| &mut phase.steps);
        steps.for_each(|step| step.faults = 0);
    }

    fn begin(&mut self, started: PhaseStarted) -> Result<(), String> {
        let open = self.phases.last().is_some_and(|phase| !phase.ended);
        if open || self.phase(&started.phase).is_some() {
            return Err(format!(
                "phase `{}` begins again, or before another ended",
                started.phase
            ));
        }
        let step = |item| Step {
            item,
            ..Step::default()
        };
        self.phases.push(PhaseState {
            name: started.phase,
            steps: started.items.into_iter().map(step).collect(),
            ..PhaseState::default()
        });
        Ok(())
    }

    fn end(&mut self, ended: &PhaseEnded) -> Result<(), String> {
        let last = self
            .phases
            .last_mut()
            .filter(|one| one.name == ended.phase && !one.ended);
        let phase = last.ok_or("the end of a phase that is not open")?;
        if phase.steps.iter().any(|step| step.end.is_none()) {
            return Err("a phase ends before its steps".into());
        }
        phase.ended = true;
        Ok(())
    }

    fn step(&mut self, phase: &str, step: u32) -> Result<(&mut PhaseState, usize), String> {
        let last = self
            .phases
            .last_mut()
            .filter(|one| one.name == phase && !one.ended);
        let phase = last.ok_or("a step of a phase that is not open")?;
        let at = (step as usize)
            .checked_sub(1)
            .filter(|at| *at < phase.steps.len());
        Ok((phase, at.ok_or("a step that its phase does not have")?))
    }

    fn start(&mut self, started: StepStarted) -> Result<(), String> {
        let (phase, at) = self.step(&started.phase, started.step)?;
        let step = &mut phase.steps[at];
        if step.open.is_some() || step.end.is_some() || started.attempt != step.attempts + 1 {
            return Err(format!(
                "attempt {} at a step cannot follow",
                started.attempt
            ));
        }
        step.attempts = started.attempt;
        step.key.clone_from(&started.key);
        phase.used.reserve(started.reserved);
        step.open = Some(Open {
            attempt: started.attempt,
            key: started.key,
            reserved: started.reserved,
        });
        self.used.reserve(started.reserved);
        Ok(())
    }

    fn finish(&mut self, ended: StepEnded) -> Result<(), String> {
        let (phase, at) = self.step(&ended.phase, ended.step)?;
        let step = &mut phase.steps[at];
        if step.end.is_some() {
            return Err("a step ends twice".into());
        }
        let reserved = match (step.open.take(), ended.attempt) {
            (Some(open), attempt) if open.attempt == attempt => open.reserved,
            // What is reused, and what cannot even be begun, has no intent.
            (None, 0) => Reserved::default(),
            _ => return Err("the end of an attempt that is not open".into()),
        };
        match ended.end {
            StepEnd::Refused { answer, why } => step.refused.push((answer, why)),
            StepEnd::Unknown => step.unknown += 1,
            StepEnd::Fault { .. } => step.faults += 1,
            StepEnd::Cut { .. } => {}
            end @ (StepEnd::Done { .. } | StepEnd::Failed { .. }) => {
                step.key = ended.key;
                step.end = Some(end);
            }
        }
        let put = |sum: &mut u64, spent: u64| *sum = sum.saturating_add(spent);
        put(&mut step.charged.tokens, ended.spent.tokens);
        put(&mut step.charged.money, ended.spent.money);
        put(&mut step.charged.cpu_ms, ended.spent.cpu_ms);
        phase.used.settle(reserved, ended.spent);
        self.used.settle(reserved, ended.spent);
        Ok(())
    }
}
