//! What a report says: plain data, every result a [`Number`] with its evidence.
//!
//! [`fold`](crate::fold) makes it from the events of a study; a test or another program may fill it in by hand.

use std::collections::BTreeMap;

use lyceum_types::{
    Detector, Earlier, EndReason, ExperimentId, Goal, IncidentRaised, Knob, Level, Purpose, RunId,
    Seed, Settings, Split, Trust, Usage, Verdict,
};

use crate::Number;

/// Everything that a report prints.
#[derive(Clone, Debug)]
pub struct Report {
    /// The study as it is named in commands: `lyceum rerun STUDY r12`.
    pub study: String,
    /// The research question.
    pub question: String,
    /// The study's metric.
    pub metric: Metric,
    /// How far the study has come.
    pub stage: Stage,
    /// Value of the unchanged workspace: the mean of its floor runs.
    pub start: Option<Number>,
    /// The best experiment so far, the winner when the study is over; `None` while nothing beat the start.
    pub best: Option<Best>,
    /// Noise on the unchanged workspace.
    pub floor: Option<Floor>,
    /// The best possible value of the metric, where it is known.
    pub limit: Option<Number>,
    /// Experiments in the order in which they were proposed, without experiment 0.
    pub experiments: Vec<Experiment>,
    /// What stopping runs early saved; `None` where none was stopped.
    pub halved: Option<Halved>,
    /// Winner against start on fresh paired seeds.
    pub claim: Option<Claim>,
    /// Winner against winner with one knob put back.
    pub ablations: Vec<Ablation>,
    /// What the sealed split said.
    pub sealed: Option<Sealed>,
    /// The criteria of the rubric.
    pub rubric: Vec<Criterion>,
    /// The evaluations of the rubric that ended, in order; none where the study's measurements decide it all.
    pub evaluations: Vec<Evaluation>,
    /// What each budget went to.
    pub budgets: Vec<Budget>,
    /// A picture of the winner's answer, where the study has one.
    pub drawing: Option<Drawing>,
    /// The knobs in the order of the study file.
    pub knobs: Vec<Knob>,
    /// The knobs' values in the unchanged workspace.
    pub start_settings: Settings,
    /// All runs in the order in which they were started.
    pub runs: Vec<Run>,
    /// What each event is, by its position: `claim.tested`. Needed for events that a number cites.
    pub events: BTreeMap<u64, String>,
    /// Earlier attempts at the study in its lab, oldest first.
    pub earlier: Vec<Earlier>,
    /// What oversight saw and what people said; `None` where it was not in force.
    pub oversight: Option<Oversight>,
    /// What the study was pinned to.
    pub pinned: Pinned,
    /// The end of the ledger that the report was made from.
    pub head: Head,
}

/// What oversight saw of a study, and what people decided about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Oversight {
    /// Sessions that began with planted controls.
    pub sessions: usize,
    /// Detectors that fired on their control in the last of them.
    pub fired: usize,
    /// Detectors that stayed silent in any of them.
    pub silent: Vec<Detector>,
    /// The level of autonomy at the end, where levels were in force.
    pub level: Option<Level>,
    /// What was raised, in the order of events.
    pub incidents: Vec<IncidentRaised>,
    /// What people said: the number of its event, what it is, and their words.
    pub acts: Vec<(u64, &'static str, String)>,
}

/// A study's metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Its direction.
    pub goal: Goal,
    /// Its unit; empty when it has none.
    pub unit: String,
    /// Digits after the point that its values are printed with.
    pub decimals: u8,
    /// How far the search's numbers can be trusted.
    pub trust: Trust,
}

/// How far a study has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not at its end.
    Unfinished {
        /// How the last session ended; `None` while one is at work or after a crash.
        stopped: Option<EndReason>,
    },
    /// At its end.
    Finished {
        /// Whether the rubric is satisfied.
        satisfied: bool,
        /// Whether a budget cut it before its planned end.
        cut_short: bool,
        /// In words.
        why: String,
    },
}

/// The best experiment.
#[derive(Clone, Debug)]
pub struct Best {
    /// Which.
    pub experiment: ExperimentId,
    /// Its value during the search.
    pub value: Number,
}

/// Noise on the unchanged workspace.
#[derive(Clone, Debug)]
pub struct Floor {
    /// One value for each floor run that gave one.
    pub values: Vec<Number>,
    /// Their standard deviation; needs two.
    pub sd: Option<Number>,
}

/// One proposed change.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Which.
    pub id: ExperimentId,
    /// A value for each active knob.
    pub settings: Settings,
    /// The idea in words, as the researcher wrote it.
    pub hypothesis: String,
    /// Who proposed it.
    pub researcher: String,
    /// What the researcher expected: mean and standard deviation, without measurement noise.
    pub prediction: Option<(Number, Number)>,
    /// The verdict; `None` while there is none.
    pub verdict: Option<Verdict>,
    /// Why, in words.
    pub why: String,
    /// Mean measured value over its runs.
    pub value: Option<Number>,
    /// Gain over the best before, positive for better.
    pub gain: Option<Number>,
    /// Its runs during the search.
    pub runs: Vec<RunId>,
}

/// A comparison's result.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The pairs.
    pub pairs: Vec<PairResult>,
    /// Pairs in which the second side was strictly better.
    pub wins: Number,
    /// Pairs that count.
    pub counted: Number,
    /// Anytime-valid evidence against "no better".
    pub e_value: Option<Number>,
    /// Evidence that is needed.
    pub needed: Option<Number>,
    /// Whether the evidence suffices.
    pub confirmed: bool,
    /// Mean gain over the pairs, positive for better.
    pub gain: Option<Number>,
    /// 95 % interval of the mean gain.
    pub interval: Option<(Number, Number)>,
    /// In words.
    pub why: String,
}

/// Two runs with one seed.
#[derive(Clone, Debug)]
pub struct PairResult {
    /// The common seed.
    pub seed: Seed,
    /// Run of the first side.
    pub base_run: RunId,
    /// Run of the second side.
    pub other_run: RunId,
    /// Value of the first side; `None` when that run failed.
    pub base: Option<Number>,
    /// Value of the second side; `None` when that run failed.
    pub other: Option<Number>,
}

/// The winner against the start.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The winner.
    pub winner: ExperimentId,
    /// Start (first side) against winner (second side).
    pub comparison: Comparison,
    /// The gain by the search's own values, of which the luckiest were kept.
    pub searched: Option<Number>,
}

/// The winner with one knob put back (first side) against the winner (second side).
#[derive(Clone, Debug)]
pub struct Ablation {
    /// The knob.
    pub knob: String,
    /// The result; its gain is what keeping the change gives.
    pub comparison: Comparison,
}

/// Values on the sealed split.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Mean over the start's runs.
    pub start: Option<Number>,
    /// Mean over the winner's runs.
    pub winner: Option<Number>,
    /// Which look at these data it was and what it let out, in words; `None` in studies that did not count looks.
    pub look: Option<String>,
}

/// One criterion of the rubric.
#[derive(Clone, Debug)]
pub struct Criterion {
    /// In words.
    pub text: String,
    /// Whether it holds; `None` while it was not checked.
    pub satisfied: Option<bool>,
    /// The number that decided.
    pub value: Option<Number>,
    /// Its interval.
    pub interval: Option<(Number, Number)>,
    /// Why, in words.
    pub why: String,
}

/// One evaluation of the rubric by graders.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Number of its last event.
    pub event: u64,
    /// Its number.
    pub iteration: u32,
    /// How the work went.
    pub execution: String,
    /// What the worker claimed.
    pub claim: Option<String>,
    /// The verified result.
    pub result: String,
    /// The result in words.
    pub explanation: String,
    /// Each criterion with its grade, what that rests on, and why.
    pub grades: Vec<Graded>,
}

/// A criterion as an evaluation graded it.
#[derive(Clone, Debug)]
pub struct Graded {
    /// The criterion in words.
    pub text: String,
    /// Whether the outcome fails without it.
    pub must: bool,
    /// The grade.
    pub grade: String,
    /// What the grade rests on.
    pub witness: String,
    /// The reason.
    pub why: String,
}

/// One budget.
#[derive(Clone, Debug)]
pub struct Budget {
    /// What is limited: `experiments`, `wall`, `CPU`, `disk`.
    pub name: String,
    /// The limit; `None` when there is none.
    pub limit: Option<Number>,
    /// What it went to.
    pub parts: Vec<(Spent, Number)>,
}

/// What a part of a budget went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spent {
    /// The noise floor.
    Floor,
    /// First looks at proposals.
    Search,
    /// Second looks.
    Repeat,
    /// Winner against start.
    Confirm,
    /// Knobs put back.
    Ablation,
    /// The evaluator.
    Evaluation,
    /// Runs that gave no number.
    Failed,
    /// Data, events and logs.
    Records,
}

/// A picture of an answer.
#[derive(Clone, Debug)]
pub enum Drawing {
    /// Circles in the unit square.
    Packing {
        /// Centre and radius of each.
        circles: Vec<(f64, f64, f64)>,
        /// The run that they come from.
        run: RunId,
    },
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Which.
    pub id: RunId,
    /// The experiment that it belongs to.
    pub experiment: ExperimentId,
    /// Its seed.
    pub seed: Seed,
    /// What it was for.
    pub purpose: Purpose,
    /// The knobs' values that it ran with.
    pub settings: Settings,
    /// Threads that it was told to use.
    pub threads: u32,
    /// How it ended.
    pub state: RunState,
    /// What the candidate used.
    pub usage: Option<Usage>,
    /// What the evaluator said.
    pub measurements: Vec<RunMeasurement>,
    /// Numbers that the candidate printed about itself, by name.
    pub reported: Vec<(String, f64)>,
    /// The end of what it printed.
    pub log: String,
}

/// What stopping runs early saved.
#[derive(Clone, Debug, PartialEq)]
pub struct Halved {
    /// Runs that were stopped.
    pub stopped: Number,
    /// Steps that they were not let take, in whole runs.
    pub saved: Number,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Still at work, or without a receipt.
    Open,
    /// Ended well.
    Completed,
    /// Did not.
    Failed {
        /// Why.
        reason: String,
    },
    /// The lab stopped it early, by what it had reported.
    StoppedEarly {
        /// At which step and why.
        why: String,
    },
    /// The lab cut it short.
    Cut {
        /// Why.
        cause: String,
    },
    /// Found dead after a crash, or never began.
    Void {
        /// How that is known.
        why: String,
    },
}

/// The evaluator's answer about a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunMeasurement {
    /// On which data.
    pub split: Split,
    /// How far it can be trusted.
    pub trust: Trust,
    /// The metric's value, or why there is none.
    pub value: Result<f64, String>,
}

/// What a study was pinned to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pinned {
    /// BLAKE3 hashes by what they are of.
    pub hashes: Vec<(String, String)>,
    /// Other facts by name: versions, machine, sandbox, researcher, rule, seed.
    pub facts: Vec<(String, String)>,
}

/// The end of a ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Position of the last event.
    pub position: u64,
    /// The chain's hash there, in hexadecimal.
    pub hash: String,
    /// When the last event was written, in words; the report itself reads no clock.
    pub at: String,
}

impl Report {
    /// Returns the run of this id.
    pub fn run(&self, id: RunId) -> Option<&Run> {
        self.runs.iter().find(|run| run.id == id)
    }

    /// Returns the experiment of this id.
    pub fn experiment(&self, id: ExperimentId) -> Option<&Experiment> {
        self.experiments.iter().find(|one| one.id == id)
    }

    /// Returns the settings of the best experiment.
    pub fn best_settings(&self) -> Option<&Settings> {
        let best = self.best.as_ref()?;
        self.experiment(best.experiment).map(|one| &one.settings)
    }

    /// Returns the confirmation and the ablations.
    pub(crate) fn comparisons(&self) -> impl Iterator<Item = &Comparison> {
        let claim = self.claim.iter().map(|claim| &claim.comparison);
        claim.chain(self.ablations.iter().map(|one| &one.comparison))
    }

    /// Returns every number of the report.
    pub(crate) fn numbers(&self) -> Vec<&Number> {
        let mut all: Vec<&Number> = self.start.iter().chain(&self.limit).collect();
        all.extend(self.best.iter().map(|best| &best.value));
        if let Some(floor) = &self.floor {
            all.extend(floor.values.iter().chain(&floor.sd));
        }
        for one in &self.experiments {
            all.extend(one.value.iter().chain(&one.gain));
            all.extend(one.prediction.iter().flat_map(|(mean, sd)| [mean, sd]));
        }
        for one in self.comparisons() {
            all.extend([&one.wins, &one.counted]);
            all.extend(one.e_value.iter().chain(&one.needed).chain(&one.gain));
            all.extend(one.interval.iter().flat_map(|(low, high)| [low, high]));
            all.extend(
                one.pairs
                    .iter()
                    .flat_map(|pair| pair.base.iter().chain(&pair.other)),
            );
        }
        if let Some(sealed) = &self.sealed {
            all.extend(sealed.start.iter().chain(&sealed.winner));
        }
        if let Some(halved) = &self.halved {
            all.extend([&halved.stopped, &halved.saved]);
        }
        for one in &self.rubric {
            all.extend(one.value.iter());
            all.extend(one.interval.iter().flat_map(|(low, high)| [low, high]));
        }
        for budget in &self.budgets {
            all.extend(
                budget
                    .limit
                    .iter()
                    .chain(budget.parts.iter().map(|(_, part)| part)),
            );
        }
        all
    }
}
