//! The tables of `study.toml` as they are written. The JSON Schema and the reference page are generated from these
//! types, and the reader walks that schema, so that the three cannot drift apart.

mod knob;
mod limits;
mod run;
mod session;

use std::collections::BTreeMap;

use lyceum_types::Goal;
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use knob::{Knob, KnobType, When};
pub use limits::DrawKind;
pub(crate) use limits::{
    Budget, Confirm, Criterion, CriterionKind, CriterionTrust, Lint, Noise, Outcome, Progress,
    Report,
};
pub use run::{Clock, Toolchain};
pub(crate) use run::{Data, Measure, MeasureKind, Run, Sealed};
pub use session::AskedTool;
pub(crate) use session::Session;

/// A study: one research question with its workspace, its metric, how to run, how to measure, a budget and a rubric.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Study {
    /// The research question, in words.
    pub(crate) question: String,
    /// The study's name: lower-case letters, digits and `-`, at most 64. Without it, the directory's name.
    pub(crate) name: Option<String>,
    /// The researcher to use when the command line names none.
    pub(crate) researcher: Option<String>,
    pub(crate) metric: Metric,
    pub(crate) workspace: Workspace,
    pub(crate) data: Option<Data>,
    pub(crate) run: Run,
    pub(crate) measure: Option<Measure>,
    pub(crate) sealed: Option<Sealed>,
    /// What a researcher may turn. Each knob is a table `[knobs.NAME]`; they keep their order.
    #[serde(default)]
    pub(crate) knobs: BTreeMap<String, Knob>,
    pub(crate) progress: Option<Progress>,
    #[serde(default)]
    pub(crate) budget: Budget,
    #[serde(default)]
    pub(crate) noise: Noise,
    #[serde(default)]
    pub(crate) confirm: Confirm,
    /// What success looks like: every criterion must hold. Without any, one of kind `improvement`.
    #[serde(default)]
    pub(crate) rubric: Vec<Criterion>,
    pub(crate) outcome: Option<Outcome>,
    #[serde(default)]
    pub(crate) session: Session,
    #[serde(default)]
    pub(crate) report: Report,
    #[serde(default)]
    pub(crate) lint: Lint,
}

/// The number that decides.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metric {
    /// Its name in the evaluator's answer: letters, digits, `_`, `-`, `.` and `/`.
    pub(crate) name: String,
    /// Which direction is better.
    pub(crate) goal: Goal,
    /// Its unit, for people: `"bits/byte"`.
    #[serde(default)]
    pub(crate) unit: String,
}

/// The files that the candidate works in. Each run gets its own copy-on-write copy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Workspace {
    /// A directory below the study's directory.
    #[serde(default = "Workspace::default_path")]
    pub(crate) path: String,
    /// Globs of the files that an experiment may change, relative to the workspace.
    #[serde(default)]
    pub(crate) editable: Vec<String>,
    /// Globs of the files that an experiment must not change. A file may not match both lists; a file that matches
    /// neither is not changed either.
    #[serde(default)]
    pub(crate) protected: Vec<String>,
}

impl Workspace {
    fn default_path() -> String {
        "workspace".to_owned()
    }
}
