//! What was measured, how far it can be trusted, and what was decided.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which direction is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// Lower is better.
    Minimize,
    /// Higher is better.
    Maximize,
}

impl Goal {
    /// Tells whether `a` is strictly better than `b`.
    pub fn better(self, a: f64, b: f64) -> bool {
        self.gain(b, a) > 0.0
    }

    /// Returns by how much `to` is better than `from`: positive for an improvement under either goal, and 0 where the
    /// two differ by no more than the last digits of a computation.
    ///
    /// One optimum reached on two ways differs in its last digits. Taken for a gain, that would replace an incumbent by
    /// a candidate that is no better.
    pub fn gain(self, from: f64, to: f64) -> f64 {
        if (from - to).abs() <= ROUNDING * from.abs().max(to.abs()) {
            return 0.0;
        }
        match self {
            Goal::Minimize => from - to,
            Goal::Maximize => to - from,
        }
    }
}

/// Values whose distance is at most this share of the larger are equal: some 4,500 units in the last place.
const ROUNDING: f64 = 1e-12;

/// How far a number can be trusted.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Printed by the candidate itself.
    SelfReported,
    /// Measured by a separate, pinned evaluator in a clean sandbox.
    Measured,
    /// Measured on data that no researcher and no candidate can reach, opened once.
    Sealed,
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trust::SelfReported => "self-reported",
            Trust::Measured => "measured",
            Trust::Sealed => "sealed",
        })
    }
}

/// Which private data the evaluator sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The split that search decisions are made on.
    Search,
    /// The split that is opened once, at the end.
    Sealed,
}

/// Why a run gave no number. Never a number itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum FailureReason {
    /// The command ended with a non-zero status.
    Exit {
        /// The status.
        code: i32,
    },
    /// The command was ended by a signal.
    Signal {
        /// The signal's number.
        signal: i32,
    },
    /// It ran past its wall-clock limit.
    Timeout,
    /// It used more CPU time than allowed.
    CpuLimit,
    /// It used more memory than allowed.
    MemoryLimit,
    /// It wrote more to disk than allowed.
    DiskLimit,
    /// It printed more than allowed.
    OutputLimit,
    /// It started more processes than allowed.
    ProcessLimit,
    /// A declared output is missing, or is not a plain file within its limits.
    Output {
        /// The declared name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It changed a file that the study protects.
    Protected {
        /// The file, with control characters escaped.
        path: String,
    },
    /// The command could not be started: it is not there, or not executable.
    NotStarted {
        /// What the system said.
        problem: String,
    },
    /// The settings could not be written into the workspace.
    Settings {
        /// What is wrong.
        problem: String,
    },
    /// The evaluator refused the outputs or failed on them.
    Evaluator {
        /// What it said.
        problem: String,
    },
    /// The evaluator's answer is not a finite number.
    NotFinite {
        /// The metric.
        metric: String,
        /// What was found: `nan`, `inf` or `-inf`.
        found: String,
    },
    /// No metric of the study's name in the answer.
    NoMetric {
        /// The metric.
        metric: String,
    },
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureReason::Exit { code } => write!(f, "exit status {code}"),
            FailureReason::Signal { signal } => write!(f, "killed by signal {signal}"),
            FailureReason::Timeout => f.write_str("ran past its time limit"),
            FailureReason::CpuLimit => f.write_str("used more CPU time than allowed"),
            FailureReason::MemoryLimit => f.write_str("used more memory than allowed"),
            FailureReason::DiskLimit => f.write_str("wrote more to disk than allowed"),
            FailureReason::OutputLimit => f.write_str("printed more than allowed"),
            FailureReason::ProcessLimit => f.write_str("started more processes than allowed"),
            FailureReason::Output { name, problem } => write!(f, "output `{name}`: {problem}"),
            FailureReason::Protected { path } => write!(f, "changed protected file `{path}`"),
            FailureReason::NotStarted { problem } => write!(f, "not started: {problem}"),
            FailureReason::Settings { problem } => write!(f, "settings not written: {problem}"),
            FailureReason::Evaluator { problem } => write!(f, "evaluator: {problem}"),
            FailureReason::NotFinite { metric, found } => write!(f, "`{metric}` is {found}"),
            FailureReason::NoMetric { metric } => write!(f, "no metric `{metric}` in the answer"),
        }
    }
}

/// How a run of the candidate ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Outcome {
    /// It ended well and left its declared outputs.
    Completed,
    /// It did not.
    Failed(FailureReason),
    /// The lab itself cut it short (a person stopped it, the budget ran out): says nothing about the candidate.
    Cut {
        /// Why.
        cause: String,
    },
}

/// What a measurement gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Measured {
    /// Finite numbers by name; the study's own metric is among them.
    Values {
        /// Metric name to value.
        values: BTreeMap<String, f64>,
    },
    /// No number.
    Failed(FailureReason),
}

impl Measured {
    /// Returns the value of this metric.
    pub fn value(&self, metric: &str) -> Option<f64> {
        match self {
            Measured::Values { values } => values.get(metric).copied(),
            Measured::Failed(_) => None,
        }
    }
}

/// A declared output of a run, kept as a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The declared name.
    pub name: String,
    /// Where its bytes are: the blob's BLAKE3 name in hexadecimal.
    pub blob: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether it was an executable file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

/// What a run used, read by the supervisor's side of the sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Wall-clock time in milliseconds.
    pub wall_ms: u64,
    /// CPU time of the whole process tree in milliseconds.
    pub cpu_ms: u64,
    /// Peak memory of the whole process tree in bytes.
    pub peak_memory_bytes: u64,
    /// Bytes printed, whether kept or not.
    pub printed_bytes: u64,
}

/// What a researcher expects of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Expected value of the metric.
    pub mean: f64,
    /// Standard deviation of that expectation, without measurement noise.
    pub sd: f64,
}

/// What an experiment is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "role")]
pub enum Role {
    /// The unchanged workspace: experiment 0.
    Start,
    /// A researcher's proposal.
    Search,
    /// The winner with one knob put back.
    Ablation {
        /// The knob.
        knob: String,
    },
}

/// What a run is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "for")]
pub enum Purpose {
    /// How much the metric spreads on the unchanged workspace.
    Floor,
    /// First look at a proposal.
    Search,
    /// One more look, at a seed that the other side has too.
    Repeat,
    /// Winner against start on a fresh paired seed.
    Confirm {
        /// Number of the pair, from 0.
        pair: u32,
        /// Which of the two.
        side: Side,
    },
    /// The winner with one kept change put back, against the winner, on a paired seed.
    Ablate {
        /// Number of the pair, from 0.
        pair: u32,
    },
    /// The winner once more, for a criterion of the rubric.
    Replicate {
        /// Number of the run, from 0.
        number: u32,
    },
}

/// The two sides of a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The unchanged workspace.
    Start,
    /// The best experiment of the search.
    Winner,
}

/// What was decided about an experiment. A failure is a state, never a number.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Better than the best so far by the keep rule: the new best.
    Kept,
    /// Not better.
    Discarded,
    /// Too near to the noise to tell within the repeats that it was worth.
    Inconclusive,
    /// Its runs gave no number.
    Failed,
    /// Its run was stopped early, since others had reported better by then: not measured, and no failure.
    #[serde(rename = "stopped-early")]
    StoppedEarly,
    /// Cut short by the lab: says nothing about the change.
    Void,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Kept => "kept",
            Verdict::Discarded => "discarded",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Failed => "failed",
            Verdict::StoppedEarly => "stopped early",
            Verdict::Void => "void",
        })
    }
}

/// Why a working session of the lab ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndReason {
    /// The study came to its end.
    Finished,
    /// A person stopped it.
    Interrupted,
    /// Something outside the study failed, for example the disk was full.
    Broken,
    /// Its level of autonomy lets it do nothing more by itself: a person is waited for.
    Held,
}

#[cfg(test)]
mod tests {
    use super::Goal;

    #[test]
    fn values_that_differ_in_their_last_digits_are_equal_and_the_next_larger_difference_is_not() {
        let one: f64 = 2.635_983_084_917_529;
        let other = one.next_up();
        assert!(one < other, "two different numbers");
        for goal in [Goal::Minimize, Goal::Maximize] {
            assert!(goal.gain(one, other) == 0.0 && goal.gain(other, one) == 0.0);
            assert!(!goal.better(one, other) && !goal.better(other, one));
        }
        assert!(Goal::Maximize.better(2.635_983_084_93, one));
        assert!(
            Goal::Minimize.better(1e-300, 2e-300),
            "relative, not absolute"
        );
        assert!(!Goal::Minimize.better(0.0, 0.0));
    }
}
