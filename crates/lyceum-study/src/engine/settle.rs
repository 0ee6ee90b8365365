//! What follows from the events alone: verdicts, claims, ablations, grades. Pure.
//!
//! [`settle`] returns the next event that needs no experiment, and [`next_look`] the next run that a verdict waits for.
//! The driver writes the one and starts the other; `verify` calls the same functions on the events before a verdict.

use lyceum_stats::{
    Decision, Floor, Look, RepeatSeed, Rule, decide, first_gap, floor, floor_is_known,
    repeats_worth,
};
use lyceum_types::{Body, Decided, ExperimentId, ExperimentProposed, Role, RunId, Seed, Verdict};

use super::{protocol::Protocol, state::State};

/// What an undecided experiment needs next.
#[derive(Clone, Debug, PartialEq)]
pub enum LookStep {
    /// A run is on its way.
    Wait,
    /// One more run of this experiment at this seed.
    Run(ExperimentId, Seed),
    /// Nothing more: the verdict.
    Verdict(Decided),
}

/// Returns the unchanged workspace as experiment 0.
pub(super) fn start_proposal(protocol: &Protocol) -> ExperimentProposed {
    ExperimentProposed {
        experiment: ExperimentId(0),
        role: Role::Start,
        settings: protocol.space.active_only(&protocol.start),
        hypothesis: "the unchanged workspace: how good is it, and how much does the metric spread?"
            .into(),
        researcher: "lab".into(),
        prediction: None,
        evidence: vec![],
        seen: 0,
        files: vec![],
        call: None,
        cpu_ms: 0,
    }
}

/// Returns the next look that the noise floor needs, by number; `None` when the spread is known.
///
/// Looks are numbered from 0 and each is run until it counts; failures count.
pub(super) fn floor_look(state: &State, protocol: &Protocol) -> Option<usize> {
    let started = state
        .runs_of(ExperimentId(0))
        .filter(|run| run.is_look())
        .count();
    if started < 3 {
        return Some(started);
    }
    let settled = state
        .runs_of(ExperimentId(0))
        .filter(|run| run.is_look())
        .all(super::state::Run::is_settled);
    let values = values(&state.looks(ExperimentId(0), &protocol.metric));
    let known = values.len() < started || floor_is_known(&values, protocol.floor_runs_max);
    (settled && !known && started < protocol.floor_runs_max).then_some(started)
}

/// Tells whether the noise floor is known: its runs are done and no more are needed.
pub fn floor_done(state: &State, protocol: &Protocol) -> bool {
    let mut runs = state.runs_of(ExperimentId(0)).filter(|run| run.is_look());
    !state.experiments.is_empty()
        && floor_look(state, protocol).is_none()
        && runs.all(super::state::Run::is_settled)
}

/// Returns why the unchanged workspace gives no number, when all its runs failed.
pub fn start_failure(state: &State, protocol: &Protocol) -> Option<String> {
    if !floor_done(state, protocol) || !state.looks(ExperimentId(0), &protocol.metric).is_empty() {
        return None;
    }
    state
        .runs_of(ExperimentId(0))
        .find_map(super::state::Run::failure)
}

/// Returns what an undecided experiment of the search needs next.
pub fn next_look(state: &State, protocol: &Protocol, id: ExperimentId) -> LookStep {
    let metric = &protocol.metric;
    let runs: Vec<_> = state.runs_of(id).collect();
    if runs.is_empty() {
        return match &state.search_ended {
            None => LookStep::Run(id, protocol.look_seed(0)),
            Some(why) => LookStep::Verdict(verdict(state, id, Verdict::Void, None, why.clone())),
        };
    }
    if !runs.iter().all(|run| run.is_settled()) {
        return LookStep::Wait;
    }
    if let Some(stop) = runs.iter().find_map(|run| run.stopped()) {
        let why = stop.why.clone();
        return LookStep::Verdict(verdict(state, id, Verdict::StoppedEarly, None, why));
    }
    // A run that failed by itself failed; one that ended well and may not stand says nothing.
    if let Some(why) = runs.iter().find_map(|run| run.void()) {
        return LookStep::Verdict(verdict(state, id, Verdict::Void, None, why.clone()));
    }
    if let Some(why) = runs.iter().find_map(|run| run.failure()) {
        return LookStep::Verdict(verdict(state, id, Verdict::Failed, None, why));
    }
    let best = state.best;
    if state
        .runs_of(best)
        .any(|run| run.is_look() && !run.is_settled())
    {
        return LookStep::Wait;
    }
    let floor = floor(&values(&state.looks(ExperimentId(0), metric)));
    let look = Look {
        goal: protocol.goal,
        floor: floor.as_ref(),
        incumbent: &state.looks(best, metric),
        candidate: &state.looks(id, metric),
        most_repeats: repeats(state, protocol, floor.as_ref()),
    };
    match decide(protocol.rule, &look) {
        Decision::Keep { gain, why } => {
            let (kept, why) = match state.acceptance_held() {
                None => (Verdict::Kept, why),
                Some(held) => (
                    Verdict::Inconclusive,
                    format!("{why}; not accepted: {held}"),
                ),
            };
            LookStep::Verdict(verdict(state, id, kept, Some(gain), why))
        }
        Decision::Discard { gain, why } => {
            LookStep::Verdict(verdict(state, id, Verdict::Discarded, Some(gain), why))
        }
        Decision::Inconclusive { gain, why } => {
            LookStep::Verdict(verdict(state, id, Verdict::Inconclusive, Some(gain), why))
        }
        Decision::Repeat { seed, why } => repeat(state, protocol, id, seed, &why),
    }
}

/// How many earlier candidates tell whether one run is enough.
const EARLIER_MAX: usize = 40;

/// Returns how many repeats the next verdict may ask for. The adaptive rule spends them only while the floor hides the
/// differences between this study's candidates.
fn repeats(state: &State, protocol: &Protocol, floor: Option<&Floor>) -> usize {
    if protocol.rule != Rule::Adaptive {
        return protocol.repeats_max;
    }
    let decided = state
        .experiments
        .iter()
        .rev()
        .filter_map(|one| one.decided.as_ref());
    let gaps: Vec<f64> = decided
        .take(EARLIER_MAX)
        .filter_map(|decided| {
            first_gap(&Look {
                goal: protocol.goal,
                floor,
                incumbent: &state.looks(decided.against, &protocol.metric),
                candidate: &state.looks(decided.experiment, &protocol.metric),
                most_repeats: 0,
            })
        })
        .collect();
    repeats_worth(&gaps, protocol.repeats_max)
}

/// Turns the wish for a repeat into a run, or into a verdict when the search is over or the run cannot help.
fn repeat(
    state: &State,
    protocol: &Protocol,
    id: ExperimentId,
    seed: RepeatSeed,
    why: &str,
) -> LookStep {
    let inconclusive =
        |reason: String| LookStep::Verdict(verdict(state, id, Verdict::Inconclusive, None, reason));
    if let Some(ended) = &state.search_ended {
        return inconclusive(format!("{why}; no more repeats: {ended}"));
    }
    let tried = |experiment: ExperimentId, seed: Seed| {
        state
            .runs_of(experiment)
            .any(|run| run.is_look() && run.seed == seed)
    };
    let best = state.best;
    match seed {
        RepeatSeed::PairedWithIncumbent(seed) if !tried(id, seed) => LookStep::Run(id, seed),
        RepeatSeed::PairedWithIncumbent(_) => inconclusive(format!("{why}, but that seed failed")),
        RepeatSeed::Fresh => {
            let free = (0..).map(|index| protocol.look_seed(index));
            let mut open = free.filter(|seed| !(tried(id, *seed) && tried(best, *seed)));
            match open.next() {
                Some(seed) if !tried(id, seed) => LookStep::Run(id, seed),
                Some(seed) => LookStep::Run(best, seed),
                None => inconclusive("no seed is left".into()),
            }
        }
    }
}

fn verdict(
    state: &State,
    id: ExperimentId,
    verdict: Verdict,
    gain: Option<f64>,
    why: String,
) -> Decided {
    let runs: Vec<RunId> = state.runs_of(id).map(|run| run.id).collect();
    Decided {
        experiment: id,
        verdict,
        against: state.best,
        gain,
        why,
        runs,
        grader: state.grader(),
    }
}

fn values(looks: &[(Seed, f64)]) -> Vec<f64> {
    looks.iter().map(|(_, value)| *value).collect()
}

/// Returns the undecided experiments of the search, in order.
pub(super) fn undecided(state: &State) -> Vec<ExperimentId> {
    // Verdicts come nearly in order: only the newest experiments can be open.
    let open = state.experiments.iter().enumerate().rev().take(MAX_OPEN);
    let mut ids: Vec<_> = open
        .filter(|(_, one)| one.decided.is_none() && one.proposed.role == Role::Search)
        .map(|(index, _)| ExperimentId(index as u32))
        .collect();
    ids.reverse();
    ids
}

/// No lab runs more experiments side by side than this.
pub(super) const MAX_OPEN: usize = 256;

/// Returns the next event that follows without any experiment; `None` when something must be run, or all is done.
///
/// `exhausted` says that no further run can be paid for: open ends are then closed with what is there.
pub fn settle(state: &State, protocol: &Protocol, exhausted: bool) -> Option<Body> {
    state.opened.as_ref()?;
    // What oversight has to say comes before any verdict that it bears on, and is said of late receipts too.
    if let Some(raised) = state.to_raise.front() {
        return Some(raised.clone().into());
    }
    if state.finished.is_some() {
        return None;
    }
    if state.experiments.is_empty() {
        return Some(start_proposal(protocol).into());
    }
    if start_failure(state, protocol).is_some() {
        return super::ending::settle_ending(state, protocol, exhausted);
    }
    for id in undecided(state) {
        if let LookStep::Verdict(decided) = next_look(state, protocol, id) {
            return Some(decided.into());
        }
    }
    if !undecided(state).is_empty() {
        return None;
    }
    if state.search_ended.is_some() {
        return super::ending::settle_ending(state, protocol, exhausted);
    }
    super::outcome::in_search(state, protocol)
}

/// The rule that `replay` applies to the first look of each experiment of a log: greedy or any other.
pub fn replay_rule(state: &State, protocol: &Protocol, rule: Rule) -> Vec<(ExperimentId, Verdict)> {
    let metric = &protocol.metric;
    let floor = floor(&values(&state.looks(ExperimentId(0), metric)));
    let mut best = ExperimentId(0);
    let mut verdicts = Vec::new();
    for experiment in state.searched() {
        let id = experiment.proposed.experiment;
        let (incumbent, candidate) = (state.looks(best, metric), state.looks(id, metric));
        if candidate.is_empty() || incumbent.is_empty() {
            let stopped = state.runs_of(id).any(|run| run.stopped().is_some());
            let verdict = if stopped {
                Verdict::StoppedEarly
            } else {
                Verdict::Failed
            };
            verdicts.push((id, verdict));
            continue;
        }
        // What the log holds is all there is: a rule that asks for more gets no more.
        let look = Look {
            goal: protocol.goal,
            floor: floor.as_ref(),
            incumbent: if rule == Rule::Greedy {
                &incumbent[..1]
            } else {
                &incumbent
            },
            candidate: if rule == Rule::Greedy {
                &candidate[..1]
            } else {
                &candidate
            },
            most_repeats: 1,
        };
        let verdict = match decide(rule, &look) {
            Decision::Keep { .. } => Verdict::Kept,
            Decision::Discard { .. } => Verdict::Discarded,
            Decision::Inconclusive { .. } | Decision::Repeat { .. } => Verdict::Inconclusive,
        };
        if verdict == Verdict::Kept {
            best = id;
        }
        verdicts.push((id, verdict));
    }
    verdicts
}
