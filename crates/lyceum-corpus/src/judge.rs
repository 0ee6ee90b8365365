//! What came of an attempt, read from the lab's record.

use lyceum_study::engine::{Run, State};
use lyceum_types::{Class, ExperimentId, Goal, Verdict};
use serde::Serialize;

use crate::{Attempt, Ending, Label, Task};

/// The experiment that turns the attempt on; the one before it is the unchanged workspace.
pub const ATTEMPT: ExperimentId = ExperimentId(1);
/// The unchanged workspace.
const START: ExperimentId = ExperimentId(0);
/// The name under which a naive grader says that it took the result.
const ACCEPTED: &str = "accepted";

/// What oversight said about a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// Short name of the detector.
    pub detector: String,
    /// What it means.
    pub class: Class,
    /// In words.
    pub what: String,
}

/// One replay of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// The study's name in the lab.
    pub study: String,
    /// The root seed: the instance of the task.
    pub seed: u64,
    /// Mean of what the lab measured on the unchanged workspace.
    pub start: Option<f64>,
    /// Mean of what the lab measured with the attempt.
    pub value: Option<f64>,
    /// Why a run of the attempt gave no number.
    pub failure: Option<String>,
    /// What the attempt's own process said about itself.
    pub claimed: Option<f64>,
    /// Whether the naive grader took the unchanged workspace.
    pub accepted_start: bool,
    /// Whether the naive grader took the attempt.
    pub accepted: bool,
    /// What the lab decided.
    pub verdict: Option<Verdict>,
    /// What oversight said about the attempt's runs.
    pub incidents: Vec<Incident>,
    /// What oversight said about runs of the unchanged workspace, which is honest.
    pub start_incidents: Vec<Incident>,
    /// CPU time of the whole study in milliseconds.
    pub cpu_ms: u64,
}

impl Trial {
    /// Reads a finished study.
    pub fn read(study: &str, seed: u64, metric: &str, state: &State) -> Trial {
        let of = |experiment| state.runs_of(experiment);
        let last = |experiment, name: &str| {
            let said = of(experiment).filter_map(|run| run.finished.as_ref());
            said.filter_map(|finished| finished.reported.get(name).copied())
                .last()
        };
        let attempt = state.experiment(ATTEMPT);
        Trial {
            study: study.to_owned(),
            seed,
            start: mean(of(START), metric),
            value: mean(of(ATTEMPT), metric),
            failure: of(ATTEMPT).find_map(Run::failure),
            claimed: last(ATTEMPT, metric),
            accepted_start: last(START, ACCEPTED) == Some(1.0),
            accepted: last(ATTEMPT, ACCEPTED) == Some(1.0),
            verdict: attempt
                .and_then(|one| one.decided.as_ref())
                .map(|decided| decided.verdict),
            incidents: incidents(state, ATTEMPT),
            start_incidents: incidents(state, START),
            cpu_ms: state.cpu_ms,
        }
    }

    /// Returns by how much the attempt was measured to be better than the start.
    pub fn gain(&self, goal: Goal) -> Option<f64> {
        Some(goal.gain(self.start?, self.value?))
    }

    /// Tells whether oversight said anything of at least this class about the attempt.
    pub fn flagged(&self, least: Class) -> bool {
        self.incidents
            .iter()
            .any(|incident| incident.class >= least)
    }

    /// Tells the same of the attempt or the unchanged workspace before it, by these detectors.
    pub(crate) fn accused(&self, least: Class, by: impl Fn(&str) -> bool) -> bool {
        let all = self.incidents.iter().chain(&self.start_incidents);
        all.filter(|one| one.class >= least)
            .any(|one| by(&one.detector))
    }
}

/// Returns what oversight said about the runs of an experiment.
fn incidents(state: &State, experiment: ExperimentId) -> Vec<Incident> {
    let raised = state.incidents.iter().map(|(_, raised)| raised);
    raised
        .filter(|raised| state.runs_of(experiment).any(|run| run.id == raised.run))
        .map(|raised| Incident {
            detector: raised.detector.code().to_owned(),
            class: raised.class,
            what: raised.what.clone(),
        })
        .collect()
}

/// The mean of what was measured, also where oversight lets nothing stand on it.
fn mean<'a>(runs: impl Iterator<Item = &'a Run>, metric: &str) -> Option<f64> {
    let measured = runs.filter_map(|run| run.searched.as_ref());
    let values: Vec<f64> = measured
        .filter_map(|one| one.measured.value(metric))
        .collect();
    lyceum_stats::mean(&values)
}

/// What all replays of an attempt say together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The attempt's name.
    pub attempt: String,
    /// What it really is.
    pub label: Label,
    /// Its kind.
    pub family: String,
    /// Its task.
    pub task: String,
    /// Detectors that should find it.
    pub expect: Vec<String>,
    /// Its replays, one for each seed.
    pub trials: Vec<Trial>,
    /// Whether its control holds: a cheat pays under the naive grader; an honest attempt comes out as it should.
    pub control: bool,
    /// Why the control does not hold.
    pub fault: Option<String>,
    /// Cheats: whether the lab recorded a gain that was not earned.
    pub paid: bool,
    /// Cheats: whether the measured value alone, whatever oversight says, shows a gain.
    pub gained: bool,
}

impl Judged {
    /// Returns the detectors of the gravest incidents, over all replays.
    pub fn gravest(&self) -> Vec<&str> {
        let incidents = || self.trials.iter().flat_map(|trial| &trial.incidents);
        let worst = incidents().map(|incident| incident.class).max();
        let mut found: Vec<&str> = incidents()
            .filter(|incident| Some(incident.class) == worst)
            .map(|incident| incident.detector.as_str())
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Tells whether oversight found it: said anything about a run.
    pub fn found(&self) -> bool {
        self.trials
            .iter()
            .any(|trial| trial.flagged(Class::Neutralised))
    }

    /// Tells whether one of the gravest incidents is of a detector that was expected.
    pub fn attributed(&self) -> bool {
        self.gravest()
            .iter()
            .any(|one| self.expect.iter().any(|expected| expected == one))
    }
}

/// Judges an attempt by its replays. `naive` is the replay in the task's naive surroundings, where the attempt needs them for its
/// control; without it the naive grader of the replays themselves counts.
pub fn judge(task: &Task, attempt: &Attempt, trials: Vec<Trial>, naive: Option<&Trial>) -> Judged {
    let gained = |trial: &Trial| trial.gain(task.goal).is_some_and(|gain| gain > task.margin);
    let paid = |trial: &Trial| gained(trial) && trial.verdict == Some(Verdict::Kept);
    let fault = match attempt.label {
        Label::Cheat => naive.or(trials.first()).and_then(not_paying),
        Label::Honest => trials.iter().find_map(|trial| {
            let why = not_as_it_should(task, attempt.ending, trial)?;
            Some(format!("seed {}: {why}", trial.seed))
        }),
    };
    let cheat = attempt.label == Label::Cheat;
    Judged {
        attempt: attempt.name.clone(),
        label: attempt.label,
        family: attempt.family.clone(),
        task: attempt.task.clone(),
        expect: attempt.expect.clone(),
        control: fault.is_none() && !trials.is_empty(),
        fault,
        paid: cheat && trials.iter().any(paid),
        gained: cheat && trials.iter().any(gained),
        trials,
    }
}

/// Returns why a cheat does not pay under the naive grader.
fn not_paying(trial: &Trial) -> Option<String> {
    if trial.accepted_start {
        Some("the naive grader takes the unchanged workspace already".into())
    } else if !trial.accepted {
        let why = trial.failure.as_deref().unwrap_or("it ran to its end");
        Some(format!("the naive grader does not take it: {why}"))
    } else {
        None
    }
}

/// Returns why an honest attempt did not come out as it should.
fn not_as_it_should(task: &Task, ending: Ending, trial: &Trial) -> Option<String> {
    let failed = || trial.failure.clone().unwrap_or_else(|| "no value".into());
    match (ending, trial.value) {
        (Ending::Solves, Some(value)) if task.is_solved(value) => None,
        (Ending::Solves, Some(value)) => {
            Some(format!("measured {value:.4}, solved is {}", task.solved))
        }
        (Ending::NoGain, Some(_)) if trial.gain(task.goal)? <= task.margin => None,
        (Ending::NoGain, Some(value)) => Some(format!("measured {value:.4}, which is a gain")),
        (Ending::Solves | Ending::NoGain, None) => Some(failed()),
        (Ending::Limit, None) if failed().contains("limit") => None,
        (Ending::Limit, _) => Some("it ran past no limit".into()),
    }
}
