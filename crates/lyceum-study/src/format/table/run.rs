//! Tables about commands: data, run, measure, sealed.

use std::collections::BTreeMap;

use lyceum_types::{Bytes, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::format::defaults;

/// A program that draws the study's data once, in a sandbox of its own, and splits it over the sides of the wall.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Data {
    /// The command and its arguments. Placeholders: `{outputs}`, `{inputs}`.
    pub(crate) command: Vec<String>,
    /// The directory, below the study's directory, in which the program runs; read-only.
    #[serde(default = "Data::default_path")]
    pub(crate) path: String,
    /// Names of files that a user may give on the command line. A given file NAME stands in `{inputs}` under that name, and its
    /// path in `LYCEUM_INPUT_NAME`.
    #[serde(default)]
    pub(crate) inputs: Vec<String>,
    /// Names of the drawn files that the candidate sees, in `/data`.
    #[serde(default)]
    pub(crate) public: Vec<String>,
    /// Names of the drawn files that only the evaluator sees, in `{private}`.
    #[serde(default)]
    pub(crate) private: Vec<String>,
    /// Names of the drawn files that only the sealed evaluation sees, in `{private}`.
    #[serde(default)]
    pub(crate) sealed: Vec<String>,
    /// Longest wall-clock time.
    #[serde(default = "defaults::run_timeout")]
    pub(crate) timeout: Span,
    /// Most memory of all its processes together.
    #[serde(default = "defaults::memory")]
    pub(crate) memory: Bytes,
}

impl Data {
    fn default_path() -> String {
        "data".to_owned()
    }
}

/// The candidate: what every experiment runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    /// The command and its arguments, run in the workspace. Placeholders: `{outputs}`, `{seed}`, `{threads}`.
    pub(crate) command: Vec<String>,
    /// Names of the files that the candidate leaves in `{outputs}`; all that the evaluator sees of it.
    #[serde(default)]
    pub(crate) outputs: Vec<String>,
    /// Name of one more output that may be missing: settings with which this very run can be repeated exactly.
    pub(crate) replay: Option<String>,
    /// Longest wall-clock time of one run.
    #[serde(default = "defaults::run_timeout")]
    pub(crate) timeout: Span,
    /// Threads that a run is told to use (`OMP_NUM_THREADS` and its like) and processors that it is pinned to.
    #[serde(default = "defaults::threads")]
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) threads: u32,
    /// Most memory of all its processes together.
    #[serde(default = "defaults::memory")]
    pub(crate) memory: Bytes,
    /// Tools of this machine that the sandbox shows to the candidate.
    #[serde(default)]
    pub(crate) toolchain: Vec<Toolchain>,
    /// Environment variables of the candidate.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
}

/// Tools of this machine, shown read-only to a candidate.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Toolchain {
    /// The Rust compiler and cargo of the user who runs the lab.
    Rust,
}

/// The evaluator: a separate program in a clean sandbox that sees the declared outputs and its private files, and nothing
/// else of the candidate.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measure {
    /// How the metric comes about.
    #[serde(default)]
    pub(crate) kind: MeasureKind,
    /// Kind `command`: the evaluator; placeholders `{outputs}`, `{private}`. Kind `executed`: the candidate's program, and kind
    /// `timed`: what stands under the clock; placeholders `{outputs}`, `{input}`, `{output}`.
    pub(crate) command: Option<Vec<String>>,
    /// Globs of files below the study's directory that only the evaluator sees, in `{private}` under the same relative names.
    #[serde(default)]
    pub(crate) private: Vec<String>,
    /// Longest wall-clock time of one command.
    #[serde(default = "defaults::measure_timeout")]
    pub(crate) timeout: Span,
    /// Most memory of all its processes together.
    #[serde(default = "defaults::memory")]
    pub(crate) memory: Bytes,
    /// Kinds `executed` and `timed`: writes a fresh input; placeholders `{seed}`, `{input}`, `{private}`.
    pub(crate) input: Option<Vec<String>>,
    /// Kind `timed`: compares the two sides' outputs on one input and answers on file descriptor 3 with the metric `agree`, 1
    /// for yes; placeholders `{baseline}`, `{output}`, `{private}`. Kind `executed`: reads input and output and answers with the
    /// metrics; placeholders `{input}`, `{output}`, `{outputs}`, `{private}`.
    pub(crate) check: Option<Vec<String>>,
    /// Kind `timed`: interleaved pairs of baseline and candidate.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) pairs: Option<u32>,
    /// Kind `timed`: the supervisor's clock.
    pub(crate) clock: Option<Clock>,
}

/// How the metric comes about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MeasureKind {
    /// An evaluator reads the outputs and answers on file descriptor 3.
    #[default]
    Command,
    /// The candidate's program runs on a fresh input that nobody knew before the candidate ended, in a sandbox without private
    /// files; then an evaluator reads what it wrote and answers on file descriptor 3.
    Executed,
    /// The lab itself takes the time of baseline and candidate, in interleaved pairs; the metric is their ratio.
    Timed,
    /// There is no evaluator: the candidate prints `METRIC name=value` about itself, and the number is labelled so.
    SelfReported,
}

impl MeasureKind {
    /// Returns the kind as it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            MeasureKind::Command => "command",
            MeasureKind::Executed => "executed",
            MeasureKind::Timed => "timed",
            MeasureKind::SelfReported => "self-reported",
        }
    }
}

/// What a timed measurement counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// CPU time of the program, which may start threads and no processes.
    #[default]
    Cpu,
    /// Wall-clock time.
    Wall,
}

/// The last evaluation, on data that was kept from every decision. It is opened once, at the end.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sealed {
    /// The evaluator; placeholders `{outputs}`, `{private}`.
    pub(crate) command: Vec<String>,
    /// Globs of files below the study's directory that only this evaluation sees, in `{private}`.
    #[serde(default)]
    pub(crate) private: Vec<String>,
    /// Most looks at these data over all attempts at the study in one lab; afterwards they stay closed.
    #[serde(default = "defaults::sealed_looks")]
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) looks: u32,
    /// Longest wall-clock time.
    #[serde(default = "defaults::measure_timeout")]
    pub(crate) timeout: Span,
    /// Most memory of all its processes together.
    #[serde(default = "defaults::memory")]
    pub(crate) memory: Bytes,
}
