//! The outcome: which evaluation is due, what its grades are, what follows from them. Pure.
//!
//! ```text
//!   search ── checkpoint, or the worker hands in ──▶ evaluation ──▶ needs_revision ──▶ search goes on
//!     │                                                   └─ nothing speaks against it ─┐
//!     └── ends by itself ───────────────────────────────────────────────────────────────┴▶ confirmation, ablation,
//!                       satisfied │ max_iterations_reached │ failed ◀── the last evaluation ◀── sealed split
//! ```
//!
//! Each evaluation checks every criterion anew. What a grader has to look at is intent and receipt; everything else is
//! computed from the events, and `verify` computes it again.

use std::{collections::BTreeMap, error::Error as _};

use lyceum_sandbox::show_untrusted;
use lyceum_types::{
    Body, CheckFound, CriterionGrade, EvaluationChecked, EvaluationEnded, EvaluationOngoing,
    EvaluationStarted, Execution, ExperimentId, Grade, HandedIn, OutcomeResult, Purpose,
    SearchEnded, Usage,
};

use super::{
    ending::Want,
    execute::{Allowance, Broken, CheckTask},
    judge, oversight,
    protocol::{Criterion, OutcomeRules, Protocol},
    settle::start_failure,
    state::State,
};

/// Tries of one check in a session of the lab that the lab itself failed, before the session gives up.
pub const FAULTS_MAX: u32 = 3;

/// One evaluation of the rubric.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Its first event.
    pub started: EvaluationStarted,
    /// Tries of each check so far.
    pub attempts: BTreeMap<u32, u32>,
    /// Those of this session of the lab that the lab failed.
    pub faults: BTreeMap<u32, u32>,
    /// The newest receipt of each check.
    pub checked: BTreeMap<u32, EvaluationChecked>,
    /// Its last event.
    pub ended: Option<EvaluationEnded>,
}

impl Evaluation {
    /// Returns the evaluation that begins.
    pub(super) fn new(started: EvaluationStarted) -> Evaluation {
        Evaluation {
            started,
            attempts: BTreeMap::new(),
            faults: BTreeMap::new(),
            checked: BTreeMap::new(),
            ended: None,
        }
    }

    /// Returns the receipt of a check that told something.
    pub fn told(&self, criterion: usize) -> Option<&EvaluationChecked> {
        let checked = self.checked.get(&(criterion as u32));
        checked.filter(|one| one.found != CheckFound::Infrastructure)
    }

    fn result(&self) -> Option<OutcomeResult> {
        self.ended.as_ref().map(|ended| ended.result)
    }
}

/// Returns the evaluation that is under way.
pub(super) fn open(state: &State) -> Option<&Evaluation> {
    state.evaluations.last().filter(|one| one.ended.is_none())
}

/// Returns how many evaluations came to their end.
pub fn iterations_used(state: &State) -> u32 {
    let ended = state.evaluations.iter().filter_map(Evaluation::result);
    ended
        .filter(|result| *result != OutcomeResult::Interrupted)
        .count() as u32
}

/// Returns the hand-in that no evaluation has answered yet.
fn handed_in(state: &State) -> Option<&HandedIn> {
    let newest = state.handed_in.last()?;
    let answered = state.evaluations.iter().any(|one| {
        one.started.call.as_ref() == Some(&newest.call)
            && one.result() != Some(OutcomeResult::Interrupted)
    });
    (!answered).then_some(newest)
}

/// Returns the evaluation that is to begin while the search goes on: one that a hand-in asks for, or that of a checkpoint.
fn due(state: &State, protocol: &Protocol) -> Option<EvaluationStarted> {
    let (rules, defined) = (protocol.outcome.as_ref()?, state.outcome.as_ref()?);
    let used = iterations_used(state);
    // The last one is for the end of the study.
    if open(state).is_some() || used + 1 >= rules.iterations_max {
        return None;
    }
    let started = EvaluationStarted {
        iteration: used + 1,
        experiment: state.best,
        call: None,
    };
    if let Some(handed) = handed_in(state) {
        let call = Some(handed.call.clone());
        return Some(EvaluationStarted { call, ..started });
    }
    let all = u64::from(defined.experiments);
    let at = (all * u64::from(used + 1)).div_ceil(u64::from(rules.iterations_max));
    let proposals = u64::from(state.proposals);
    (proposals >= at && proposals < all).then_some(started)
}

/// Tells whether no proposal is wanted for now: the work is being judged, or is to be when what runs is decided.
pub(super) fn holds(state: &State, protocol: &Protocol) -> bool {
    open(state).is_some() || due(state, protocol).is_some()
}

/// Returns the next event of an evaluation while the search goes on.
pub(super) fn in_search(state: &State, protocol: &Protocol) -> Option<Body> {
    if let Some(started) = due(state, protocol) {
        return Some(started.into());
    }
    let rules = protocol.outcome.as_ref()?;
    let evaluation = open(state)?;
    if check_wanted(state, protocol).is_some() {
        return None;
    }
    let grades = grades(state, protocol, false);
    let satisfied = enough(rules, &grades, |grade| grade == Grade::Met);
    let possible = enough(rules, &grades, |grade| grade != Grade::Unmet);
    if satisfied || (possible && evaluation.started.call.is_some()) {
        // The same evaluation ends after the confirmation, which decides what is open.
        let why = if satisfied {
            "all that the rubric asks for holds"
        } else {
            "handed in, and nothing that can be told now speaks against it"
        };
        let (why, spent) = (why.to_owned(), false);
        return Some(SearchEnded { why, spent }.into());
    }
    Some(
        ended(
            state,
            Execution::Running,
            OutcomeResult::NeedsRevision,
            grades,
        )
        .into(),
    )
}

/// What the end of a study waits for.
pub(super) enum AtTheEnd {
    /// This event comes next.
    Event(Box<Body>),
    /// Something must be run or checked first.
    Wait,
    /// The criteria are to be graded.
    Grade,
    /// Nothing: the outcome is known.
    Known,
}

/// Returns what comes next of the last evaluation.
pub(super) fn at_the_end(state: &State, protocol: &Protocol, exhausted: bool) -> AtTheEnd {
    if result(state).is_some() {
        return AtTheEnd::Known;
    }
    if open(state).is_none() {
        let started = EvaluationStarted {
            iteration: iterations_used(state) + 1,
            experiment: state.best,
            call: handed_in(state).map(|handed| handed.call.clone()),
        };
        return AtTheEnd::Event(Box::new(started.into()));
    }
    let failed = start_failure(state, protocol).is_some();
    let waits = check_wanted(state, protocol).is_some()
        || (!exhausted && judge::replications_open(state, protocol));
    if !failed && waits {
        return AtTheEnd::Wait;
    }
    AtTheEnd::Grade
}

/// Tells whether a budget cut one of the last evaluation's checks.
fn a_check_was_cut(state: &State) -> bool {
    let evaluation = state.evaluations.last();
    evaluation.is_some_and(|one| {
        one.checked
            .values()
            .any(|check| check.found == CheckFound::Cut)
    })
}

/// Returns the last event of the last evaluation.
pub(super) fn last_end(state: &State, protocol: &Protocol, exhausted: bool) -> Option<Body> {
    let rules = protocol.outcome.as_ref()?;
    let grades = grades(state, protocol, true);
    let failed = start_failure(state, protocol).is_some();
    let execution = if failed {
        Execution::StartFailed
    } else if exhausted || state.search_spent || a_check_was_cut(state) {
        Execution::BudgetReached
    } else {
        Execution::Completed
    };
    let result = if failed || oversight::blocked(state, state.best).is_some() {
        OutcomeResult::Failed
    } else if enough(rules, &grades, |grade| grade == Grade::Met) {
        OutcomeResult::Satisfied
    } else {
        OutcomeResult::MaxIterationsReached
    };
    Some(ended(state, execution, result, grades).into())
}

/// Returns the end of an evaluation that a person's wish to stop interrupts; `None` where none is under way.
pub(super) fn interrupted(state: &State) -> Option<Body> {
    open(state)?;
    let result = OutcomeResult::Interrupted;
    Some(ended(state, Execution::Running, result, vec![]).into())
}

/// Returns the verified result of a study whose last evaluation ended.
pub(super) fn result(state: &State) -> Option<OutcomeResult> {
    match state.evaluations.last()?.result()? {
        OutcomeResult::NeedsRevision | OutcomeResult::Interrupted => None,
        last => Some(last),
    }
}

fn ended(
    state: &State,
    execution: Execution,
    result: OutcomeResult,
    grades: Vec<CriterionGrade>,
) -> EvaluationEnded {
    let count = |grade: Grade| grades.iter().filter(|one| one.grade == grade).count();
    let counted = format!(
        "{} of {} criteria met, {} not met, {} open",
        count(Grade::Met),
        grades.len(),
        count(Grade::Unmet),
        count(Grade::Open)
    );
    let explanation = match result {
        OutcomeResult::Satisfied => format!("{counted}: all that must hold holds"),
        OutcomeResult::NeedsRevision => format!("{counted}: the search goes on"),
        OutcomeResult::MaxIterationsReached => format!("{counted}, and nothing more is tried"),
        OutcomeResult::Failed => format!("{counted}: there is nothing to apply the rubric to"),
        OutcomeResult::Interrupted => {
            "stopped by a person; begun again when the study goes on".to_owned()
        }
    };
    EvaluationEnded {
        iteration: open(state).map_or(0, |one| one.started.iteration),
        execution,
        claim: state.handed_in.last().map(|handed| handed.claim.clone()),
        result,
        grades,
        explanation,
    }
}

/// Returns the grade of each criterion.
fn grades(state: &State, protocol: &Protocol, last: bool) -> Vec<CriterionGrade> {
    let all = 0..protocol.rubric.len();
    all.map(|index| judge::judge(state, protocol, index, last))
        .collect()
}

/// Whether grades that `counts` accepts satisfy the outcome: every `must`, and the share of weights.
fn enough(rules: &OutcomeRules, grades: &[CriterionGrade], counts: impl Fn(Grade) -> bool) -> bool {
    let musts = grades.iter().filter(|one| one.must);
    let whole: f64 = grades.iter().map(|one| one.weight).sum();
    let held = grades.iter().filter(|one| counts(one.grade));
    let held: f64 = held.map(|one| one.weight).sum();
    // Sums of decimal fractions differ in their last digits.
    let share = held >= rules.at_least * whole - 1e-9;
    musts.into_iter().all(|one| counts(one.grade)) && share
}

/// Whether a grader has to look at something for this criterion.
fn is_checked(criterion: &Criterion) -> bool {
    match criterion {
        Criterion::Command { .. }
        | Criterion::File { .. }
        | Criterion::Finding { .. }
        | Criterion::Judgement { .. } => true,
        Criterion::Metric { .. }
        | Criterion::Improvement { .. }
        | Criterion::Diff { .. }
        | Criterion::Replication { .. } => false,
    }
}

/// Returns the next criterion that a grader has to check.
pub(super) fn check_wanted(state: &State, protocol: &Protocol) -> Option<u32> {
    let evaluation = open(state)?;
    if start_failure(state, protocol).is_some() {
        return None;
    }
    let mut wanted = protocol.rubric.iter().enumerate();
    let found = wanted.find(|(index, one)| is_checked(one) && evaluation.told(*index).is_none());
    found.map(|(index, _)| index as u32)
}

/// Returns the runs of the winner that the rubric still needs.
pub(super) fn wants(state: &State, protocol: &Protocol) -> Vec<Want> {
    if open(state).is_none() || state.search_ended.is_none() {
        return vec![];
    }
    let missing = judge::replications_missing(state, protocol);
    missing
        .map(|number| {
            let purpose = Purpose::Replicate { number };
            Want::Run(
                state.best,
                protocol.replication_seed(number as usize),
                purpose,
            )
        })
        .collect()
}

/// Returns the experiment that an evaluation judges, while one is under way.
pub(super) fn judged(state: &State) -> ExperimentId {
    open(state).map_or(state.best, |one| one.started.experiment)
}

/// Returns what a grader is sent with: the judged experiment as the record has it, and nothing that its worker could touch.
pub(super) fn task(
    state: &State,
    protocol: &Protocol,
    ongoing: &EvaluationOngoing,
    cpus: Vec<usize>,
    allowance: Allowance,
) -> CheckTask {
    let experiment = judged(state);
    let mut finished = state.runs_of(experiment).filter(|run| run.value_is_there());
    let finished = finished
        .by_ref()
        .last()
        .and_then(|run| run.finished.clone());
    let number = u64::from(ongoing.iteration) << 32 | u64::from(ongoing.criterion);
    let drawn = state.data.iter().flat_map(|one| one.private.clone());
    let own = state.outcome.iter().flat_map(|one| one.private.clone());
    let private = drawn.chain(own);
    CheckTask {
        iteration: ongoing.iteration,
        criterion: ongoing.criterion,
        experiment,
        settings: state.settings(experiment).cloned().unwrap_or_default(),
        files: state.files(experiment).to_vec(),
        finished,
        claim: state.handed_in.last().map(|handed| handed.claim.clone()),
        private: private.collect(),
        seed: protocol.seed.derive("check", number),
        cpus,
        allowance,
    }
}

/// Returns the receipt of a check that the lab itself failed.
pub(super) fn failed(ongoing: &EvaluationOngoing, broken: &Broken) -> EvaluationChecked {
    let mut why = broken.to_string();
    let mut cause = broken.source();
    while let Some(error) = cause {
        why = format!("{why}: {error}");
        cause = error.source();
    }
    EvaluationChecked {
        iteration: ongoing.iteration,
        criterion: ongoing.criterion,
        found: CheckFound::Infrastructure,
        why: show_untrusted(why.as_bytes()),
        runs: vec![],
        usage: Usage::default(),
    }
}
