//! Tables about how much and how sure: budget, noise, confirm, rubric, report.

use lyceum_types::{Bytes, Money, Span};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

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
    /// Tokens that language models may read and write, over all requests of the study's session and of its judgements.
    #[schemars(range(min = 1))]
    pub(crate) tokens: Option<u64>,
    /// US dollars that language models may cost, over the same requests: `"2.50"`. Each model must be one whose price is
    /// known.
    pub(crate) money: Option<Dollars>,
}

/// An amount of money as people write it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dollars(pub(crate) Money);

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Dollars).map_err(D::Error::custom)
    }
}

impl JsonSchema for Dollars {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Dollars".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "US dollars: \"2.50\".",
            "type": "string",
            "pattern": r"^\$?[0-9]+(\.[0-9]{1,9})?$"
        })
    }
}

/// How a run says how far it is while it goes on, so that a researcher `asha:NAME` can stop what falls behind. At `min`
/// steps, and at each `reduction` times as many below `max`, a run goes on only if what it reports is among the best
/// `1/reduction` of what first looks had reported there by then. What a run reports ends runs and orders proposals; it is
/// never a measurement.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Progress {
    /// Name of a file among the outputs, its path in `LYCEUM_PROGRESS`. The run appends a line for each report: the step that
    /// it is at, a space, and a value of which the metric's better direction is better.
    pub(crate) file: String,
    /// What a step is, for people: `"epochs"`.
    #[serde(default = "defaults::step_unit")]
    pub(crate) unit: String,
    /// The step at which runs are first compared.
    #[serde(default = "defaults::first_step")]
    #[schemars(range(min = 1))]
    pub(crate) min: u64,
    /// The last step of a whole run.
    #[schemars(range(min = 2))]
    pub(crate) max: u64,
    /// One of this many goes on.
    #[serde(default = "defaults::reduction")]
    #[schemars(range(min = 2, max = 64))]
    pub(crate) reduction: u32,
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
    /// Kinds `metric`, `improvement` and `finding`: how sure the lab must be, between 0.5 and 1. Kind `replication`: how much the
    /// interval holds of what the same thing gives; less asks for closer agreement.
    #[serde(default = "defaults::confidence")]
    #[schemars(range(min = 0, max = 1))]
    pub(crate) confidence: f64,
    /// The criterion in words, for people and for the worker. Without it, the lab's own words.
    pub(crate) description: Option<String>,
    /// Whether the outcome fails without it.
    #[serde(default = "defaults::must")]
    pub(crate) must: bool,
    /// Its weight beside the others', for `outcome.at_least`.
    #[serde(default = "defaults::weight")]
    #[schemars(range(min = 0))]
    pub(crate) weight: f64,
    /// Kind `command`: a program that ends with status 0 where the criterion holds. Placeholders: `{outputs}`, `{private}`. The
    /// winner's files, laid out anew, are in `/workspace`.
    pub(crate) command: Option<Vec<String>>,
    /// Kind `command`: longest wall-clock time. Without it, 1 minute.
    pub(crate) timeout: Option<Span>,
    /// Kind `command`: most memory of all its processes together. Without it, 1 GiB.
    pub(crate) memory: Option<Bytes>,
    /// Kind `file`: one of `run.outputs`, or a file of the winner's workspace. Kind `judgement`: the same, shown to the model.
    pub(crate) file: Option<String>,
    /// Kind `file`: the BLAKE3 of its bytes, in hexadecimal.
    pub(crate) hash: Option<String>,
    /// Kind `file`: a file below the study's directory with the JSON Schema that it must fit.
    pub(crate) schema: Option<String>,
    /// Kind `diff`: globs of the files that the winner may differ in from the start.
    pub(crate) allow: Option<Vec<String>>,
    /// Kind `finding`: least number of findings whose runs support them. Without it, 1.
    #[schemars(range(min = 1, max = 24))]
    pub(crate) findings: Option<u32>,
    /// Kind `replication`: runs of the winner from a clean copy, with fresh seeds. Without it, 2.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) runs: Option<u32>,
    /// Kind `judgement`: the language model that is asked, as in `anthropic:MODEL`.
    pub(crate) model: Option<String>,
    /// Kind `judgement`: what it is asked; a yes is wanted.
    pub(crate) question: Option<String>,
}

/// What a criterion judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CriterionKind {
    /// The winner's metric is within bounds.
    Metric,
    /// The winner is confirmed to be better than the start.
    Improvement,
    /// A program of the study's author ends with status 0, in a sandbox of its own.
    Command,
    /// A file is there, with this hash or of this form.
    File,
    /// The winner differs from the start in no other files.
    Diff,
    /// There are findings that the lab's own runs support.
    Finding,
    /// The winner, run again from a clean copy, gives the same within its interval.
    Replication,
    /// A language model says so: the last resort, and marked as the weakest evidence.
    Judgement,
}

impl CriterionKind {
    /// Returns the kind as it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            CriterionKind::Metric => "metric",
            CriterionKind::Improvement => "improvement",
            CriterionKind::Command => "command",
            CriterionKind::File => "file",
            CriterionKind::Diff => "diff",
            CriterionKind::Finding => "finding",
            CriterionKind::Replication => "replication",
            CriterionKind::Judgement => "judgement",
        }
    }
}

/// How success is judged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Outcome {
    /// Most evaluations of the whole rubric: the last at the end, the others while the search goes on.
    #[schemars(range(min = 1, max = 20))]
    pub(crate) iterations: u32,
    /// Least share of all weights whose criteria hold, beside every `must`.
    #[schemars(range(min = 0, max = 1))]
    pub(crate) at_least: f64,
    /// Globs of files below the study's directory that only graders see, in `{private}` beside the evaluator's.
    pub(crate) private: Vec<String>,
}

impl Default for Outcome {
    fn default() -> Self {
        Outcome {
            iterations: defaults::ITERATIONS,
            at_least: 0.0,
            private: Vec::new(),
        }
    }
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
