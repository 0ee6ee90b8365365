//! What the looks can find, and what to change about it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A way in which a study can fool its author.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The candidate prints its own score.
    SelfReported,
    /// Files of the evaluator can be read by the candidate.
    AnswersReadable,
    /// A file in the workspace is named like an answer.
    ReferenceReachable,
    /// The workspace has a version history, which may hold the answer.
    HistoryReachable,
    /// The evaluator runs, evaluates or unpickles what the candidate wrote.
    RunsOutputs,
    /// The evaluator looks for a part of a text.
    SubstringMatch,
    /// A check that fails is passed over.
    HiddenFailure,
    /// The candidate does not follow the lab's seed.
    ConstantSeed,
    /// A timed measurement has the same input each time.
    ConstantInput,
    /// Name and goal of the metric contradict each other.
    AmbiguousGoal,
    /// A criterion that no result can satisfy.
    UnreachableCriterion,
    /// The unchanged workspace gives no number.
    StartFails,
    /// The same outputs get different numbers.
    EvaluatorVaries,
    /// The evaluator repeats a number that the candidate wrote.
    ClaimedNumber,
    /// The evaluator's number does not depend on the outputs.
    OutputsWithoutEffect,
    /// Outputs that hold nothing are as good as the start's.
    DegenerateOutputs,
    /// Every value is within 0.01 of zero.
    NearZero,
    /// Every value is the same, whatever the seed and the settings.
    NoSpread,
    /// No knob changes anything.
    SettingsWithoutEffect,
}

impl Check {
    /// Returns the name under which it is printed and accepted.
    pub fn name(self) -> &'static str {
        match self {
            Check::SelfReported => "self-reported",
            Check::AnswersReadable => "answers-readable",
            Check::ReferenceReachable => "reference-reachable",
            Check::HistoryReachable => "history-reachable",
            Check::RunsOutputs => "runs-outputs",
            Check::SubstringMatch => "substring-match",
            Check::HiddenFailure => "hidden-failure",
            Check::ConstantSeed => "constant-seed",
            Check::ConstantInput => "constant-input",
            Check::AmbiguousGoal => "ambiguous-goal",
            Check::UnreachableCriterion => "unreachable-criterion",
            Check::StartFails => "start-fails",
            Check::EvaluatorVaries => "evaluator-varies",
            Check::ClaimedNumber => "claimed-number",
            Check::OutputsWithoutEffect => "outputs-without-effect",
            Check::DegenerateOutputs => "degenerate-outputs",
            Check::NearZero => "near-zero",
            Check::NoSpread => "no-spread",
            Check::SettingsWithoutEffect => "settings-without-effect",
        }
    }

    /// Returns what to change.
    pub fn change(self) -> &'static str {
        match self {
            Check::SelfReported => {
                "let the candidate leave its result in `run.outputs` and compute the number from it in `[measure]`"
            }
            Check::AnswersReadable => {
                "keep what decides out of the workspace and of `data.public`; draw the two sides from different seeds"
            }
            Check::ReferenceReachable => {
                "move the file beside the workspace and list it in `measure.private`, or rename it if it is no answer"
            }
            Check::HistoryReachable => "copy the files into the workspace without their history",
            Check::RunsOutputs => {
                "read the outputs as data: a format that holds numbers only, or `kind = \"timed\"` for programs"
            }
            Check::SubstringMatch => "compare whole values, parsed into the type that is expected",
            Check::HiddenFailure => {
                "let the evaluator end with a status other than 0 when a check fails: the lab records a failed run"
            }
            Check::ConstantSeed => {
                "let everything random follow from `LYCEUM_SEED` (or `{seed}`): fresh seeds are what confirms a claim"
            }
            Check::ConstantInput => {
                "make the input from `{seed}`, which the lab draws after the candidate ended"
            }
            Check::AmbiguousGoal => {
                "correct `metric.goal`, or give the metric a name that agrees with it"
            }
            Check::UnreachableCriterion => "raise `confirm.pairs`, or ask for less confidence",
            Check::StartFails => {
                "make the unchanged workspace run and be measured before anything is compared with it"
            }
            Check::EvaluatorVaries => {
                "take chance out of the evaluator: noise belongs to the candidate's seed, where it is measured"
            }
            Check::ClaimedNumber => {
                "compute the number from the result itself, not from what the candidate says it is"
            }
            Check::OutputsWithoutEffect => {
                "make the evaluator read every file of `run.outputs` that it needs, and refuse without"
            }
            Check::DegenerateOutputs => {
                "refuse outputs of the wrong size or form, and values that are no numbers"
            }
            Check::NearZero => "state the metric in a unit in which its values are well above 0.01",
            Check::NoSpread => {
                "measure something that varies: with one value, no change can be better"
            }
            Check::SettingsWithoutEffect => {
                "check that the run reads the places that the knobs are written to"
            }
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// By which check.
    pub check: Check,
    /// What was found, in words.
    pub what: String,
}

impl Finding {
    /// Returns a finding.
    pub(super) fn new(check: Check, what: impl Into<String>) -> Finding {
        Finding {
            check,
            what: what.into(),
        }
    }
}
