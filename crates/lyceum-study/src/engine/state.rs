//! What is known about a study: a fold over its events.
//!
//! Invariants, checked while folding:
//! - an experiment is proposed once, runs belong to proposed experiments, and ids are contiguous;
//! - a receipt has an intent before it, and no run has two receipts;
//! - a run reports before its receipt, at rising rungs, and not after it was stopped early;
//! - a measurement belongs to a completed run, one per split;
//! - a verdict is given once.

use std::collections::VecDeque;

use lyceum_oversight::autonomy::{self, Cause, Grounds};
use lyceum_types::{
    Ablated, Body, CheckFound, Claimed, Class, DataDrawn, Decided, EvaluationChecked,
    EvaluationStarted, ExperimentId, ExperimentProposed, FoldError, Graded, HandedIn,
    IncidentRaised, Level, MeasureCut, MemoryRecalled, Outcome, OutcomeDefined, Output, Purpose,
    Role, RunFinished, RunId, RunMeasured, RunReported, RunStarted, SealedAnswered, SealedOpened,
    Seed, SessionEnded, SessionStarted, Settings, Split, StudyFinished, StudyOpened, TurnGiven,
    Verdict,
};

use super::{
    outcome::{self, Evaluation},
    oversight,
};

/// A budget that can be spent while a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Wall-clock time.
    Wall,
    /// CPU time.
    Cpu,
    /// Space on the disk.
    Disk,
}

impl Resource {
    const ALL: [Resource; 3] = [Resource::Wall, Resource::Cpu, Resource::Disk];

    /// Returns the cause of a run or measurement that was cut because too little of this budget was left for it.
    pub fn cause(self) -> &'static str {
        match self {
            Resource::Wall => "the wall budget is spent",
            Resource::Cpu => "the cpu budget is spent",
            Resource::Disk => "the disk budget is spent",
        }
    }

    /// Returns the budget that cut a run or measurement; `None` for any other cause.
    pub fn of_cause(cause: &str) -> Option<Resource> {
        Resource::ALL.into_iter().find(|one| one.cause() == cause)
    }
}

/// One run: its intent, its receipt, its measurements.
#[derive(Clone, Debug)]
pub struct Run {
    /// The run.
    pub id: RunId,
    /// Its experiment.
    pub experiment: ExperimentId,
    /// Its seed.
    pub seed: Seed,
    /// What it is for.
    pub purpose: Purpose,
    /// Processors that it was pinned to.
    pub cpus: Vec<usize>,
    /// Threads that it was told to use.
    pub threads: u32,
    /// When the intent was written, in milliseconds since 1970.
    pub started_at: i64,
    /// When the receipt was written.
    pub finished_at: Option<i64>,
    /// What it reported at rungs of the halving, in order.
    pub reports: Vec<RunReported>,
    /// The receipt.
    pub finished: Option<RunFinished>,
    /// Why it has no receipt and never will.
    pub voided: Option<String>,
    /// The answer on the search split.
    pub searched: Option<RunMeasured>,
    /// The answer on the sealed split.
    pub sealed: Option<RunMeasured>,
    /// Why it has no answer on the search split and never will.
    pub unmeasured: Option<String>,
    /// Why it has no answer on the sealed split and never will.
    pub unsealed: Option<String>,
    /// Place of the intent in the stream.
    pub seq: u64,
    /// Place of the receipt in the stream; 0 before it.
    pub finished_seq: u64,
    /// Why oversight lets nothing stand on it.
    pub blocked: Option<String>,
}

impl Run {
    /// Tells whether the run says something about its experiment, or still may.
    pub fn counts(&self) -> bool {
        // What was decided by its reports stands, however the command ended.
        if self.stopped().is_some() {
            return true;
        }
        self.voided.is_none()
            && self.unmeasured.is_none()
            && !matches!(
                self.finished.as_ref().map(|finished| &finished.outcome),
                Some(Outcome::Cut { .. })
            )
    }

    /// Tells whether the command may still run: it has no receipt, is not void and was not stopped early.
    pub fn is_open(&self) -> bool {
        self.finished.is_none() && self.voided.is_none() && self.stopped().is_none()
    }

    /// Returns the report by which the run was stopped early.
    pub fn stopped(&self) -> Option<&RunReported> {
        self.reports.last().filter(|last| last.stopped)
    }

    /// Tells whether the command is done but not yet measured on the search split.
    pub fn needs_measure(&self) -> bool {
        self.completed()
            && self.searched.is_none()
            && self.unmeasured.is_none()
            && self.blocked.is_none()
    }

    /// Tells whether nothing about this run is still to come in the search.
    pub fn is_settled(&self) -> bool {
        if self.stopped().is_some() {
            return self.finished.is_some() || self.voided.is_some();
        }
        match self.finished.as_ref().map(|finished| &finished.outcome) {
            None => false,
            Some(Outcome::Completed) => {
                self.searched.is_some() || self.unmeasured.is_some() || self.blocked.is_some()
            }
            Some(Outcome::Failed(_) | Outcome::Cut { .. }) => true,
        }
    }

    /// Tells whether the command ended well, and was not stopped early.
    pub fn completed(&self) -> bool {
        let receipt = self.finished.as_ref();
        self.stopped().is_none()
            && receipt.is_some_and(|finished| finished.outcome == Outcome::Completed)
    }

    /// Returns the measured value on the search split; `None` for any failure, and where oversight blocked the run.
    pub fn value(&self, metric: &str) -> Option<f64> {
        let stands = self.searched.as_ref().filter(|_| self.blocked.is_none());
        stands.and_then(|measured| measured.measured.value(metric))
    }

    /// Returns the measured value on the sealed split.
    pub fn sealed_value(&self, metric: &str) -> Option<f64> {
        self.sealed
            .as_ref()
            .and_then(|measured| measured.measured.value(metric))
    }

    /// Tells whether the search split gave a number.
    pub fn value_is_there(&self) -> bool {
        self.blocked.is_none()
            && matches!(
                self.searched.as_ref().map(|one| &one.measured),
                Some(lyceum_types::Measured::Values { .. })
            )
    }

    /// Returns why a run that gave a number, or would have, may not stand; `None` for one that failed by itself.
    pub fn void(&self) -> Option<&String> {
        let failed = self
            .searched
            .as_ref()
            .is_some_and(|measured| matches!(measured.measured, lyceum_types::Measured::Failed(_)));
        let blocked = self.blocked.as_ref();
        blocked.filter(|_| self.completed() && !failed)
    }

    /// Returns why the run gave no number, in words; `None` while it runs, when it gave one, and when it was stopped early,
    /// which is no failure.
    pub fn failure(&self) -> Option<String> {
        if self.stopped().is_some() {
            return None;
        }
        if let Some(cause) = &self.unmeasured {
            return Some(format!("measurement cut short: {cause}"));
        }
        if let Some(why) = self.void() {
            return Some(format!("void: {why}"));
        }
        match &self.finished.as_ref()?.outcome {
            Outcome::Failed(reason) => Some(reason.to_string()),
            Outcome::Cut { cause } => Some(format!("cut short: {cause}")),
            Outcome::Completed => match &self.searched.as_ref()?.measured {
                lyceum_types::Measured::Failed(reason) => Some(reason.to_string()),
                lyceum_types::Measured::Values { .. } => None,
            },
        }
    }
}

/// One experiment: the proposal, its runs, the verdict.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// The proposal.
    pub proposed: ExperimentProposed,
    /// Its runs, in order.
    pub runs: Vec<RunId>,
    /// The verdict.
    pub decided: Option<Decided>,
}

/// One process that worked on the study.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its first event.
    pub started: SessionStarted,
    /// When it started, in milliseconds since 1970.
    pub started_at: i64,
    /// When its last event was written.
    pub last_at: i64,
    /// Milliseconds of it in which nothing was done but to wait for a person.
    pub awaited_ms: u64,
    /// Its last event; `None` while it works and after a crash.
    pub ended: Option<SessionEnded>,
}

/// All that is known about a study.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// What the study is pinned to.
    pub opened: Option<StudyOpened>,
    /// Its data.
    pub data: Option<DataDrawn>,
    /// What a memory store suggested at the start.
    pub recalled: Option<MemoryRecalled>,
    /// Its sessions.
    pub sessions: Vec<Session>,
    /// Its experiments; the index is the id.
    pub experiments: Vec<Experiment>,
    /// Its runs; the index is the id less one.
    pub runs: Vec<Run>,
    /// The best experiment so far by the keep rule.
    pub best: ExperimentId,
    /// Why the search ended.
    pub search_ended: Option<String>,
    /// Whether a budget of time or space ended the search.
    pub search_spent: bool,
    /// The confirmation.
    pub claimed: Option<Claimed>,
    /// The ablations.
    pub ablated: Vec<Ablated>,
    /// The opening of the sealed split.
    pub sealed: Option<SealedOpened>,
    /// What the look at the sealed split let out.
    pub answered: Option<SealedAnswered>,
    /// The graded criteria.
    pub graded: Vec<Graded>,
    /// The frozen rubric, where evaluations judge it.
    pub outcome: Option<OutcomeDefined>,
    /// When the worker said that the work is done.
    pub handed_in: Vec<HandedIn>,
    /// The evaluations, in order; only the last one may be under way.
    pub evaluations: Vec<Evaluation>,
    /// The end.
    pub finished: Option<StudyFinished>,
    /// Number of the stream's last event.
    pub last_seq: u64,
    /// CPU time used by runs and measurements, in milliseconds.
    pub cpu_ms: u64,
    /// Bytes that the study takes up: kept outputs, data, and records with their logs as [`Body::disk_bytes`] counts them.
    pub disk_bytes: u64,
    /// The budget of which too little was left for a run or measurement. The next would fare no better, and the budget
    /// need not shrink by trying, so it counts as spent from then on.
    pub spent: Option<Resource>,
    /// Proposals of researchers.
    pub proposals: u32,
    /// Whose turn it is, where samplers and an agent share the study; `None` until it is given for the next proposal.
    pub turn: Option<TurnGiven>,
    /// Turns that the agent let go.
    pub passed: u32,
    /// What oversight has raised, each with its place in the stream.
    pub incidents: Vec<(u64, IncidentRaised)>,
    /// What oversight has to raise next: it follows from the events so far.
    pub to_raise: VecDeque<IncidentRaised>,
    /// What a person said who stopped the study; `None` while it may go on.
    pub stopped: Option<String>,
    /// Accepted changes that nobody has explained back.
    pub debt: u32,
    /// Most of them, where oversight is in force.
    pub debt_max: Option<u32>,
    /// How much the study may do by itself.
    pub level: Level,
    /// Whether the level holds anything back: it does since the first session that wrote it down.
    pub level_holds: bool,
    /// What speaks for a higher level, since it changed last.
    pub grounds: Grounds,
    /// Whether a person let one more session begin than the level does.
    pub session_lent: bool,
    /// Experiments that may run at the lowest level: those that a person had before him when he said so.
    pub experiments_lent: u32,
    /// First values of the newest experiments, for the one rule that looks at a series.
    pub(super) newest_values: VecDeque<f64>,
    /// The best of all first values.
    pub(super) best_value: Option<f64>,
}

impl State {
    /// Takes in one event.
    pub fn apply(&mut self, seq: u64, at: i64, body: Body) -> Result<(), FoldError> {
        let fault = |problem: String| FoldError::new("study", seq, problem);
        if seq != self.last_seq + 1 {
            return Err(fault(format!("expected event {}", self.last_seq + 1)));
        }
        self.last_seq = seq;
        self.disk_bytes += body.disk_bytes();
        // Between the last word of a session that crashed and the first of the next nobody worked.
        if let (Some(session), false) = (
            self.sessions.last_mut(),
            matches!(body, Body::SessionStarted(_)),
        ) {
            session.last_at = at;
        }
        match body {
            Body::StudyOpened(opened) => self.opened = Some(opened),
            Body::DataDrawn(drawn) => self.data = Some(drawn),
            Body::SessionStarted(started) => self.begin_session(started, at),
            Body::SessionEnded(ended) => {
                let session = self.sessions.last_mut();
                session
                    .ok_or_else(|| fault("no session to end".into()))?
                    .ended = Some(ended);
            }
            Body::PersonAwaited(awaited) => self.take_wait(awaited.wall_ms).map_err(fault)?,
            Body::TurnGiven(_) | Body::ExperimentProposed(_) => {
                self.take_next(body).map_err(fault)?;
            }
            Body::RunStarted(started) => self.take_intent(started, seq, at).map_err(fault)?,
            Body::RunFinished(finished) => self.take_receipt(finished, seq, at).map_err(fault)?,
            Body::RunReported(reported) => self.take_report(reported).map_err(fault)?,
            Body::RunVoided(voided) => {
                let run = self.run_mut(voided.run).map_err(fault)?;
                if run.finished.is_some() || run.voided.is_some() {
                    return Err(fault(format!("{} has a receipt", voided.run)));
                }
                run.voided = Some(voided.why);
                self.cpu_ms += voided.cpu_ms;
            }
            Body::RunMeasured(measured) => self.take_measurement(measured, seq).map_err(fault)?,
            Body::MeasureCut(cut) => self.take_cut(cut).map_err(fault)?,
            Body::Decided(decided) => self.take_verdict(decided).map_err(fault)?,
            Body::SearchEnded(ended) => {
                self.search_spent = ended.spent;
                self.search_ended = Some(ended.why);
            }
            Body::Claimed(claimed) => {
                self.to_raise
                    .extend(oversight::of_claim(self, seq, &claimed));
                self.grounds.confirmed += u32::from(claimed.finding.confirmed);
                self.claimed = Some(claimed);
            }
            Body::Ablated(ablated) => self.ablated.push(ablated),
            Body::SealedOpened(_) if self.sealed.is_some() => {
                return Err(fault("the sealed split was opened twice".into()));
            }
            Body::SealedOpened(opened) => self.sealed = Some(opened),
            Body::SealedAnswered(answered) => self.answered = Some(answered),
            Body::Graded(graded) => self.graded.push(graded),
            Body::StudyFinished(finished) => self.finished = Some(finished),
            Body::OversightBegan(began) => {
                self.debt_max = Some(began.debt_max);
                self.level_holds = began.autonomy.is_some();
                self.level = began.autonomy.unwrap_or(self.level);
            }
            Body::AutonomyChanged(changed) => self.take_level(changed.to),
            Body::AutonomyLent(_) => {
                self.session_lent = true;
                self.experiments_lent = self.experiments.len() as u32;
            }
            Body::StudyStopped(stopped) => self.stopped = Some(stopped.why),
            Body::StudyResumed(_) => self.stopped = None,
            Body::ApprovalUsed(_) => {}
            Body::MemoryRecalled(recalled) => self.take_memory(recalled).map_err(fault)?,
            Body::Explained(explained) => {
                self.debt = if explained.passed { 0 } else { self.debt };
            }
            Body::IncidentRaised(raised) => self.take_incident(seq, raised).map_err(fault)?,
            Body::OutcomeDefined(_)
            | Body::HandedIn(_)
            | Body::EvaluationStarted(_)
            | Body::EvaluationOngoing(_)
            | Body::EvaluationChecked(_)
            | Body::EvaluationEnded(_) => self.take_of_outcome(body).map_err(fault)?,
        }
        Ok(())
    }

    fn take_wait(&mut self, wall_ms: u64) -> Result<(), String> {
        let session = self.sessions.last_mut().ok_or("no session that waits")?;
        session.awaited_ms = session.awaited_ms.saturating_add(wall_ms);
        Ok(())
    }

    fn take_proposal(&mut self, proposed: ExperimentProposed) -> Result<(), String> {
        if proposed.experiment.0 as usize != self.experiments.len() {
            return Err(format!(
                "{} is not the next experiment",
                proposed.experiment
            ));
        }
        if proposed.role == Role::Search {
            self.proposals += 1;
            // What comes from an agent names the call that it comes from.
            let passed = |turn: TurnGiven| turn.to_agent && proposed.call.is_none();
            self.passed += u32::from(self.turn.take().is_some_and(passed));
        }
        self.cpu_ms += proposed.cpu_ms;
        self.experiments.push(Experiment {
            proposed,
            runs: Vec::new(),
            decided: None,
        });
        Ok(())
    }

    fn take_memory(&mut self, recalled: MemoryRecalled) -> Result<(), String> {
        if self.recalled.is_some() || !self.experiments.is_empty() {
            return Err("memory was recalled after the study had begun".into());
        }
        self.recalled = Some(recalled);
        Ok(())
    }

    fn take_next(&mut self, body: Body) -> Result<(), String> {
        match body {
            Body::ExperimentProposed(proposed) => self.take_proposal(proposed)?,
            Body::TurnGiven(_) if self.turn.is_some() => {
                return Err("a turn was given before the last one was used".into());
            }
            Body::TurnGiven(given) => self.turn = Some(given),
            _ => {}
        }
        Ok(())
    }

    fn take_intent(&mut self, started: RunStarted, seq: u64, at: i64) -> Result<(), String> {
        if started.run.0 as usize != self.runs.len() + 1 {
            return Err(format!("{} is not the next run", started.run));
        }
        self.experiment_mut(started.experiment)?
            .runs
            .push(started.run);
        self.runs.push(Run {
            id: started.run,
            experiment: started.experiment,
            seed: started.seed,
            purpose: started.purpose,
            cpus: started.cpus,
            threads: started.threads,
            started_at: at,
            finished_at: None,
            reports: vec![],
            finished: None,
            voided: None,
            searched: None,
            sealed: None,
            unmeasured: None,
            unsealed: None,
            seq,
            finished_seq: 0,
            blocked: None,
        });
        Ok(())
    }

    fn take_report(&mut self, reported: RunReported) -> Result<(), String> {
        let id = reported.run;
        let run = self.run_mut(id)?;
        if !run.is_open() {
            return Err(format!("{id} reports after its end"));
        }
        if run
            .reports
            .last()
            .is_some_and(|last| last.rung >= reported.rung)
        {
            return Err(format!("{id} reports at a rung that it has passed"));
        }
        run.reports.push(reported);
        Ok(())
    }

    fn take_incident(&mut self, seq: u64, raised: IncidentRaised) -> Result<(), String> {
        let run = self.run_mut(raised.run)?;
        if raised.class == Class::Block && run.blocked.is_none() {
            run.blocked = Some(format!("{}: {}", raised.detector, raised.what));
        }
        if raised.class == Class::Block {
            let below = autonomy::next(self.level, Cause::Blocked).unwrap_or(Level::L0);
            if below == self.level {
                self.grounds.blocked += 1;
            } else {
                self.take_level(below);
            }
        }
        self.to_raise.retain(|open| *open != raised);
        self.incidents.push((seq, raised));
        Ok(())
    }

    fn take_receipt(&mut self, finished: RunFinished, seq: u64, at: i64) -> Result<(), String> {
        let id = finished.run;
        let raised = oversight::of_receipt(self, seq, &finished);
        let run = self.run_mut(id)?;
        if run.finished.is_some() || run.voided.is_some() {
            return Err(format!("{id} has two receipts"));
        }
        run.finished_at = Some(at);
        run.finished_seq = seq;
        let cpu = finished.usage.cpu_ms;
        let spent = match &finished.outcome {
            Outcome::Cut { cause } => Resource::of_cause(cause),
            Outcome::Completed | Outcome::Failed(_) => None,
        };
        let ran = finished.outcome == Outcome::Completed;
        run.finished = Some(finished);
        self.grounds.ran += u32::from(ran);
        self.cpu_ms += cpu;
        self.spent = self.spent.or(spent);
        self.to_raise.extend(raised);
        Ok(())
    }

    fn take_measurement(&mut self, measured: RunMeasured, seq: u64) -> Result<(), String> {
        let id = measured.run;
        let split = measured.split;
        let raised = oversight::of_measurement(self, seq, &measured);
        let cpu = measured.usage.cpu_ms;
        let run = self.run_mut(id)?;
        if !run.completed() {
            return Err(format!("{id} was measured but did not complete"));
        }
        let place = match measured.split {
            Split::Search => &mut run.searched,
            Split::Sealed => &mut run.sealed,
        };
        if place.is_some() {
            return Err(format!("{id} was measured twice"));
        }
        *place = Some(measured);
        self.cpu_ms += cpu;
        self.to_raise.extend(raised);
        match split {
            Split::Search => oversight::remember(self, id),
            Split::Sealed => self.to_raise.extend(oversight::of_sealed(self)),
        }
        Ok(())
    }

    fn take_cut(&mut self, cut: MeasureCut) -> Result<(), String> {
        let spent = Resource::of_cause(&cut.cause);
        let run = self.run_mut(cut.run)?;
        let (answer, never) = match cut.split {
            Split::Search => (&run.searched, &mut run.unmeasured),
            Split::Sealed => (&run.sealed, &mut run.unsealed),
        };
        if answer.is_some() || never.is_some() {
            return Err(format!("{} was measured before this cut", cut.run));
        }
        if spent.is_some() {
            *never = Some(cut.cause);
        }
        self.cpu_ms += cut.usage.cpu_ms;
        self.spent = self.spent.or(spent);
        Ok(())
    }

    fn begin_session(&mut self, started: SessionStarted, at: i64) {
        if let Some(evaluation) = self.evaluations.last_mut() {
            evaluation.faults.clear();
        }
        self.session_lent = false;
        self.sessions.push(Session {
            started,
            started_at: at,
            last_at: at,
            awaited_ms: 0,
            ended: None,
        });
    }

    /// Takes in an event of the outcome.
    fn take_of_outcome(&mut self, body: Body) -> Result<(), String> {
        match body {
            Body::OutcomeDefined(_) if self.outcome.is_some() || !self.experiments.is_empty() => {
                return Err("the rubric was defined after the study had begun".into());
            }
            Body::OutcomeDefined(defined) => self.outcome = Some(defined),
            Body::HandedIn(handed) => self.take_hand_in(handed)?,
            Body::EvaluationStarted(started) => self.take_evaluation(started)?,
            Body::EvaluationOngoing(ongoing) => {
                let evaluation = self.evaluation_mut(ongoing.iteration)?;
                evaluation
                    .attempts
                    .insert(ongoing.criterion, ongoing.attempt);
            }
            Body::EvaluationChecked(checked) => self.take_check(checked)?,
            Body::EvaluationEnded(ended) => {
                let evaluation = self.evaluation_mut(ended.iteration)?;
                evaluation.ended = Some(ended);
            }
            other => return Err(format!("`{}` is not of the outcome", other.kind())),
        }
        Ok(())
    }

    fn take_hand_in(&mut self, handed: HandedIn) -> Result<(), String> {
        if self.handed_in.iter().any(|one| one.call == handed.call) {
            return Err(format!("`{}` hands in twice", handed.call));
        }
        self.cpu_ms += handed.cpu_ms;
        self.handed_in.push(handed);
        Ok(())
    }

    fn take_evaluation(&mut self, started: EvaluationStarted) -> Result<(), String> {
        let next = outcome::iterations_used(self) + 1;
        if self.outcome.is_none() || outcome::open(self).is_some() || started.iteration != next {
            return Err(format!("evaluation {} is not the next", started.iteration));
        }
        self.evaluations.push(Evaluation::new(started));
        Ok(())
    }

    fn take_check(&mut self, checked: EvaluationChecked) -> Result<(), String> {
        self.cpu_ms += checked.usage.cpu_ms;
        let evaluation = self.evaluation_mut(checked.iteration)?;
        let criterion = checked.criterion;
        if !evaluation.attempts.contains_key(&criterion)
            || evaluation.told(criterion as usize).is_some()
        {
            return Err(format!(
                "the check of criterion {} is not open",
                criterion + 1
            ));
        }
        if checked.found == CheckFound::Infrastructure {
            *evaluation.faults.entry(criterion).or_default() += 1;
        }
        evaluation.checked.insert(criterion, checked);
        Ok(())
    }

    fn evaluation_mut(&mut self, iteration: u32) -> Result<&mut Evaluation, String> {
        let open = self.evaluations.last_mut();
        open.filter(|one| one.ended.is_none() && one.started.iteration == iteration)
            .ok_or_else(|| format!("evaluation {iteration} is not under way"))
    }

    fn take_verdict(&mut self, decided: Decided) -> Result<(), String> {
        let (id, verdict) = (decided.experiment, decided.verdict);
        let experiment = self.experiment_mut(id)?;
        if experiment.decided.is_some() {
            return Err(format!("{id} has two verdicts"));
        }
        experiment.decided = Some(decided);
        if verdict == Verdict::Kept {
            self.debt += 1;
            self.best = id;
        }
        Ok(())
    }

    fn run_mut(&mut self, id: RunId) -> Result<&mut Run, String> {
        let index = (id.0 as usize).wrapping_sub(1);
        self.runs
            .get_mut(index)
            .ok_or_else(|| format!("{id} has no intent"))
    }

    fn experiment_mut(&mut self, id: ExperimentId) -> Result<&mut Experiment, String> {
        self.experiments
            .get_mut(id.0 as usize)
            .ok_or_else(|| format!("{id} was not proposed"))
    }

    /// Returns the hash of all that judges the study's runs: the evaluator with its command and the lab's programs, as pinned,
    /// and each file that it reads. Empty in studies of versions that did not put it into verdicts.
    pub fn grader(&self) -> String {
        let opened = self.opened.as_ref().filter(|opened| opened.level.is_some());
        let Some((opened, data)) = opened.zip(self.data.as_ref()) else {
            return String::new();
        };
        let mut hasher = blake3::Hasher::new_derive_key("lyceum grader v1");
        let mut add = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        add(&opened.evaluator);
        for (side, files) in [
            ("public", &data.public),
            ("private", &data.private),
            ("sealed", &data.sealed),
        ] {
            add(side);
            for file in files {
                add(&file.name);
                add(&file.blob);
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Returns the run of this id.
    pub fn run(&self, id: RunId) -> Option<&Run> {
        self.runs.get((id.0 as usize).checked_sub(1)?)
    }

    /// Returns the experiment of this id.
    pub fn experiment(&self, id: ExperimentId) -> Option<&Experiment> {
        self.experiments.get(id.0 as usize)
    }

    /// Returns the runs of an experiment that count.
    pub fn runs_of(&self, id: ExperimentId) -> impl Iterator<Item = &Run> {
        let ids = self
            .experiment(id)
            .map_or(&[][..], |experiment| &experiment.runs);
        ids.iter()
            .filter_map(|run| self.run(*run))
            .filter(|run| run.counts())
    }

    /// Returns the looks at an experiment: seed and value of each measured run of the search, in order.
    pub fn looks(&self, id: ExperimentId, metric: &str) -> Vec<(Seed, f64)> {
        self.runs_of(id)
            .filter(|run| run.is_look())
            .filter_map(|run| run.value(metric).map(|value| (run.seed, value)))
            .collect()
    }

    /// Returns the settings of an experiment.
    pub fn settings(&self, id: ExperimentId) -> Option<&Settings> {
        self.experiment(id)
            .map(|experiment| &experiment.proposed.settings)
    }

    /// Returns the files that an experiment changes beside its settings.
    pub fn files(&self, id: ExperimentId) -> &[Output] {
        self.experiment(id)
            .map_or(&[], |experiment| &experiment.proposed.files)
    }

    /// Returns the experiment that answers a call of an agent.
    pub fn answer_to(&self, call: &str) -> Option<&Experiment> {
        let mut newest = self.experiments.iter().rev();
        newest.find(|one| one.proposed.call.as_deref() == Some(call))
    }

    /// Returns the experiments of this role that researchers proposed, in order.
    pub fn searched(&self) -> impl Iterator<Item = &Experiment> {
        self.experiments
            .iter()
            .filter(|experiment| experiment.proposed.role == Role::Search)
    }

    /// Returns the wall-clock time of all sessions but the current one, in milliseconds.
    pub fn wall_ms_before(&self, current: Option<usize>) -> u64 {
        let sessions = self.sessions.iter().enumerate();
        sessions
            .filter(|(index, _)| Some(*index) != current)
            .map(|(_, session)| match &session.ended {
                Some(ended) => ended.wall_ms,
                None => u64::try_from(session.last_at - session.started_at)
                    .unwrap_or(0)
                    .saturating_sub(session.awaited_ms),
            })
            .sum()
    }
}

impl Run {
    /// Tells whether the run is one of the search: floor, first look or repeat.
    pub fn is_look(&self) -> bool {
        matches!(
            self.purpose,
            Purpose::Floor | Purpose::Search | Purpose::Repeat
        )
    }
}
