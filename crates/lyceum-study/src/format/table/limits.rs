//! Tables about how much and how sure: budget, noise, confirm, rubric, report.

use lyceum_types::{Bytes, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{format::defaults, lint::Check};

/// What the study may spend over all its sessions. What does not fit in what is left is not started, and a run or
/// measurement that overruns is killed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Budget {
    /// Proposals that may be tried; the unchanged workspace does not count. Without it, 40.
    #[schemars(range(min = 1))]
    pub(crate) experiments: Option<u32>,
    /// Wall-clock time of all sessions together.
    pub(crate) wall: Option<Span>,
    /// CPU time of all runs and measurements together.
    pub(crate) cpu: Option<Span>,
    /// Disk space of what the lab keeps of this study: outputs, data, records and logs.
    pub(crate) disk: Option<Bytes>,
    /// Reserved for researchers that use a language model; refused while no researcher of this version does.
    pub(crate) tokens: Option<u64>,
    /// Reserved for researchers that cost money; refused while no researcher of this version does.
    pub(crate) money: Option<String>,
}

/// How the spread of the metric on the unchanged workspace is found.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Noise {
    /// Most runs of the unchanged workspace, at least 3; fewer when the spread is known sooner.
    #[schemars(range(min = 3, max = 1000))]
    pub(crate) repeats: u32,
    /// Most runs of one experiment whose first result is near the noise.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) most_repeats: u32,
}

impl Default for Noise {
    fn default() -> Self {
        Noise {
            repeats: 5,
            most_repeats: 3,
        }
    }
}

/// How the winner is confirmed against the start, on fresh paired seeds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Confirm {
    /// Most pairs of runs in the first attempt; a later one has as many more as its stricter level needs.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) pairs: u32,
    /// Accepted probability of a false claim, over all attempts at the study in one lab: attempt t spends 6/(π² t²) of it.
    #[schemars(range(min = 0, max = 1))]
    pub(crate) alpha: f64,
}

impl Default for Confirm {
    fn default() -> Self {
        Confirm {
            pairs: 10,
            alpha: 0.05,
        }
    }
}

/// One criterion of success.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Criterion {
    /// What is judged.
    pub(crate) kind: CriterionKind,
    /// Kind `metric`: the metric's greatest value.
    pub(crate) at_most: Option<f64>,
    /// Kind `metric`: the metric's least value. Kind `improvement`: the least gain over the start.
    pub(crate) at_least: Option<f64>,
    /// Kind `metric`: where the number must come from. Without it, `"measured"`, or `"self-reported"` where there is no evaluator.
    pub(crate) trust: Option<CriterionTrust>,
    /// How sure the lab must be, between 0.5 and 1.
    #[serde(default = "defaults::confidence")]
    #[schemars(range(min = 0, max = 1))]
    pub(crate) confidence: f64,
}

/// What a criterion judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CriterionKind {
    /// The winner's metric is within bounds.
    Metric,
    /// The winner is confirmed to be better than the start.
    Improvement,
}

/// Where a criterion's number must come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CriterionTrust {
    /// From the evaluator.
    Measured,
    /// From the sealed evaluation.
    Sealed,
    /// From the candidate itself; only where there is no evaluator.
    SelfReported,
}

/// What `lyceum lint` need not tell.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Lint {
    /// Checks whose findings are meant to be so; they are still told, and do not count. Say why in a comment.
    pub(crate) accept: Vec<Check>,
}

/// What the report shows beyond the numbers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Report {
    /// A drawing of the winner's output: `{ kind = "circles", file = "packing.txt" }`.
    pub(crate) draw: Option<Draw>,
}

/// A drawing of one output.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draw {
    /// What the file holds.
    pub(crate) kind: DrawKind,
    /// One of `run.outputs`.
    pub(crate) file: String,
}

/// What a drawn file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DrawKind {
    /// One circle per line: `x y radius`, in the unit square.
    Circles,
}
