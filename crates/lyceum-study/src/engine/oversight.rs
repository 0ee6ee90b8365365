//! What oversight says, from what the state holds: the seam to the detectors, which know nothing of a study.

use lyceum_oversight::{
    autonomy::{self, Grounds},
    detect::{self, Context, Sides},
};
use lyceum_types::{
    Claimed, ExperimentId, IncidentRaised, Level, Output, RunFinished, RunId, RunMeasured, Split,
};

use super::state::{Run, State};

/// Values that the rule about a series looks back on.
const SERIES_MAX: usize = 40;

/// Returns the outputs of a run.
fn outputs(state: &State, run: RunId) -> &[Output] {
    let finished = state.run(run).and_then(|run| run.finished.as_ref());
    finished.map_or(&[], |finished| &finished.outputs)
}

/// Returns the incidents of a receipt.
pub(super) fn of_receipt(state: &State, seq: u64, finished: &RunFinished) -> Vec<IncidentRaised> {
    let of_start = state
        .run(finished.run)
        .is_some_and(|run| run.experiment == ExperimentId(0));
    let mut start = state.runs_of(ExperimentId(0)).filter(|run| run.completed());
    let start = match start.next() {
        Some(run) if !of_start => outputs(state, run.id),
        _ => &[],
    };
    detect::of_receipt(seq, finished, start)
}

/// Returns the incidents of a measurement.
pub(super) fn of_measurement(
    state: &State,
    seq: u64,
    measured: &RunMeasured,
) -> Vec<IncidentRaised> {
    let run = state.run(measured.run);
    let (Some(opened), Some(run)) = (&state.opened, run) else {
        return vec![];
    };
    let Some(finished) = &run.finished else {
        return vec![];
    };
    let none = std::collections::BTreeMap::new();
    let limits = state.data.as_ref().map_or(&none, |data| &data.limits);
    // Only a first look belongs to the series.
    let first = measured.split == Split::Search && is_first(state, run);
    let earlier: Vec<f64> = state
        .newest_values
        .iter()
        .copied()
        .filter(|_| first)
        .collect();
    let context = Context {
        metric: &opened.metric,
        goal: opened.goal,
        limits,
        earlier: &earlier,
        best: state.best_value,
    };
    detect::of_measurement((run.finished_seq, seq), finished, measured, &context)
}

fn is_first(state: &State, run: &Run) -> bool {
    let first = state
        .experiment(run.experiment)
        .and_then(|one| one.runs.first());
    run.is_look() && first == Some(&run.id)
}

/// Takes the first value of an experiment into the series.
pub(super) fn remember(state: &mut State, run: RunId) {
    let (Some(opened), Some(run)) = (&state.opened, state.run(run)) else {
        return;
    };
    let (goal, value) = (opened.goal, run.value(&opened.metric));
    let Some(value) = value.filter(|_| is_first(state, run)) else {
        return;
    };
    if state.newest_values.len() == SERIES_MAX {
        state.newest_values.pop_front();
    }
    state.newest_values.push_back(value);
    state.best_value = Some(match state.best_value {
        Some(best) if !goal.better(value, best) => best,
        _ => value,
    });
}

/// Tells whether the facts of a run were taken down.
fn observed(state: &State, run: RunId) -> bool {
    let finished = state.run(run).and_then(|run| run.finished.as_ref());
    finished.is_some_and(|finished| finished.observed.is_some())
}

/// Returns what a claim raises.
pub(super) fn of_claim(state: &State, seq: u64, claimed: &Claimed) -> Option<IncidentRaised> {
    let pairs = &claimed.pairs;
    if !pairs.iter().all(|pair| observed(state, pair.other_run)) {
        return None;
    }
    let sides: Vec<Sides<'_>> = pairs
        .iter()
        .map(|pair| Sides {
            base: outputs(state, pair.base_run),
            other: outputs(state, pair.other_run),
        })
        .collect();
    detect::of_claim(seq, pairs, &sides)
}

/// Returns what the sealed split raises, once all of it was measured.
pub(super) fn of_sealed(state: &State) -> Option<IncidentRaised> {
    let (opened, sealed, claimed) = (
        state.opened.as_ref()?,
        state.sealed.as_ref()?,
        state.claimed.as_ref()?,
    );
    let done = |run: &RunId| {
        let run = state.run(*run);
        run.is_some_and(|run| run.sealed.is_some() || run.unsealed.is_some())
    };
    let last = sealed.winner.last().copied()?;
    let all = sealed.start.iter().chain(&sealed.winner).all(done);
    if !all || !observed(state, last) {
        return None;
    }
    let values = |run: RunId| {
        let run = state.run(run)?;
        let sealed = run.sealed_value(&opened.metric)?;
        Some((run.value(&opened.metric)?, sealed))
    };
    let pairs: Vec<_> = claimed
        .pairs
        .iter()
        .filter_map(|pair| {
            let (base, other) = (values(pair.base_run)?, values(pair.other_run)?);
            Some(((base.0, other.0), (base.1, other.1)))
        })
        .collect();
    let seq = state.run(last)?.finished_seq;
    detect::of_sealed(seq, last, opened.goal, &pairs)
}

/// Returns why no claim may stand on an experiment.
pub(super) fn blocked(state: &State, id: ExperimentId) -> Option<String> {
    state.runs_of(id).find_map(|run| run.blocked.clone())
}

/// What oversight lets a study do.
impl State {
    /// Returns how many accepted changes wait to be explained back, when they are so many that no more are accepted.
    pub fn acceptance_halts(&self) -> Option<u32> {
        self.debt_max.filter(|most| self.debt >= *most)
    }

    /// Returns why nothing is accepted now, when that is so.
    pub fn acceptance_held(&self) -> Option<String> {
        if self.level_holds && !autonomy::accepts(self.level) {
            let level = self.level;
            return Some(format!("at autonomy level {level} nothing is accepted"));
        }
        let debt = self.debt;
        let halts = self.acceptance_halts();
        halts.map(|_| format!("{debt} accepted changes wait to be explained back"))
    }

    /// Tells whether the level of autonomy lets an experiment run.
    pub fn may_run(&self, experiment: ExperimentId) -> bool {
        let lent = experiment.0 < self.experiments_lent;
        !self.level_holds || lent || autonomy::runs(self.level)
    }

    /// Tells whether the level of autonomy keeps a session from beginning after an earlier one.
    pub fn waits_for_a_person(&self) -> bool {
        self.finished.is_none() && self.another_waits()
    }

    /// Tells whether the level of autonomy keeps another session from beginning, of this attempt or of the next.
    pub fn another_waits(&self) -> bool {
        let again = !self.sessions.is_empty() && !self.session_lent;
        // At the lowest level a session proposes and runs nothing.
        let bound = autonomy::runs(self.level) && !autonomy::goes_on(self.level);
        self.level_holds && again && bound
    }

    pub(super) fn take_level(&mut self, to: Level) {
        self.level = to;
        self.grounds = Grounds::default();
        // A word that was given at another level is not one about this.
        self.session_lent = false;
        self.experiments_lent = 0;
    }
}
