//! A study as the lab works with it: checked, with nothing left to interpret.

use std::collections::{BTreeMap, BTreeSet};

use lyceum_types::{Bytes, Goal, Knob, Money, Setting, Space, Span, Trust};

use super::command::Command;
use crate::{engine::Halving, knobs::Family, lint::Check, workspace::Globs};

pub use super::table::{AskedTool, Clock, DrawKind, Toolchain};

/// One research question with all that it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// Its name: 1 to 64 of `a`–`z`, `0`–`9` and `-`.
    pub name: String,
    /// The research question.
    pub question: String,
    /// The researcher to use when the command line names none.
    pub researcher: Option<String>,
    /// The number that decides.
    pub metric: Metric,
    /// The files that the candidate works in.
    pub workspace: Workspace,
    /// How the study's data is drawn, where it is.
    pub data: Option<Data>,
    /// What every experiment runs.
    pub run: Run,
    /// How the metric comes about.
    pub measure: Measure,
    /// The evaluation that is opened once, at the end.
    pub sealed: Option<Sealed>,
    /// Most looks at the sealed data over all attempts in a lab.
    pub sealed_looks: u32,
    /// What a researcher may turn, in the order of the file.
    pub space: Space,
    /// Where each knob of the space is written, in the same order.
    pub writings: Vec<Writing>,
    /// How runs report as they go, and when halving compares them.
    pub progress: Option<Progress>,
    /// What may be spent.
    pub budget: Budget,
    /// How the noise floor is found.
    pub noise: Noise,
    /// How the winner is confirmed.
    pub confirm: Confirm,
    /// What success looks like; at least one criterion.
    pub rubric: Vec<Criterion>,
    /// How it is judged; `None` where the study's own measurements decide it all.
    pub outcome: Option<Outcome>,
    /// What a language model at work on it may not do without a person's word.
    pub session: Session,
    /// A drawing for the report.
    pub draw: Option<Draw>,
    /// Checks of `lyceum lint` whose findings are meant to be so.
    pub accepted: Vec<Check>,
}

impl Study {
    /// Returns the models that the rubric asks for judgements, in the order of its criteria.
    pub fn judges(&self) -> impl Iterator<Item = &str> {
        self.rubric.iter().filter_map(|one| match one {
            Criterion::Judgement { model, .. } => Some(model.as_str()),
            Criterion::Metric { .. }
            | Criterion::Improvement { .. }
            | Criterion::Command { .. }
            | Criterion::File { .. }
            | Criterion::Diff { .. }
            | Criterion::Finding { .. }
            | Criterion::Replication { .. } => None,
        })
    }

    /// Returns how far the numbers of the search can be trusted.
    pub fn trust(&self) -> Trust {
        match self.measure {
            Measure::Evaluator(_) | Measure::Executed(_) | Measure::Timed(_) => Trust::Measured,
            Measure::SelfReported => Trust::SelfReported,
        }
    }

    /// Returns where the knob of this name is written.
    pub fn writing(&self, knob: &str) -> Option<&Writing> {
        self.writings.iter().find(|writing| writing.knob == knob)
    }

    /// Returns each knob with the place where it is written, in order.
    pub fn knobs(&self) -> impl Iterator<Item = (&Knob, &Writing)> {
        self.space.knobs().iter().zip(&self.writings)
    }

    /// Returns the files with schemas of the rubric, relative to the study's directory.
    pub fn schemas(&self) -> Vec<&str> {
        let schemas = self.rubric.iter().filter_map(|one| match one {
            Criterion::File { schema, .. } => schema.as_deref(),
            _ => None,
        });
        schemas.collect()
    }

    /// Returns the globs of the evaluator's private files.
    pub fn measure_private(&self) -> &[String] {
        match &self.measure {
            Measure::Evaluator(evaluator) => evaluator.private.patterns(),
            Measure::Executed(executed) => executed.private.patterns(),
            Measure::Timed(timed) => timed.private.patterns(),
            Measure::SelfReported => &[],
        }
    }
}

/// What a language model at work on a study may not do without a person's word.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Session {
    /// Tools of which each call needs one.
    pub ask: BTreeSet<AskedTool>,
    /// The files that may be changed without one; `None` where all may.
    pub ask_outside: Option<Globs>,
    /// Experiments of the model that need none; `None` where none does.
    pub ask_after: Option<u32>,
    /// Whether a person is there to be asked; `None` where whoever starts the lab decides.
    pub person: Option<bool>,
}

/// The number that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name in the evaluator's answer.
    pub name: String,
    /// Which direction is better.
    pub goal: Goal,
    /// Its unit; empty when it has none.
    pub unit: String,
}

/// The files that the candidate works in.
#[derive(Clone, Debug, PartialEq)]
pub struct Workspace {
    /// Directory, relative to the study's directory, at least one component.
    pub path: String,
    /// What an experiment may change.
    pub editable: Globs,
    /// What an experiment must not change.
    pub protected: Globs,
}

/// What one command may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest wall-clock time.
    pub timeout: Span,
    /// Most memory of all its processes together.
    pub memory: Bytes,
}

/// How the study's data is drawn, once, in a sandbox of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// The program.
    pub command: Command,
    /// Where the program runs: a directory relative to the study's directory.
    pub path: String,
    /// Names of files that a user may give.
    pub inputs: Vec<String>,
    /// Names of files for the candidate.
    pub public: Vec<String>,
    /// Names of files for the evaluator.
    pub private: Vec<String>,
    /// Names of files for the sealed evaluation.
    pub sealed: Vec<String>,
    /// What it may use.
    pub limits: Limits,
}

/// The candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its command.
    pub command: Command,
    /// Names of its declared outputs: plain file names.
    pub outputs: Vec<String>,
    /// Name of the output with which a run can be repeated exactly; it may be missing after a run.
    pub replay: Option<String>,
    /// Threads that it is told to use and processors that it is pinned to.
    pub threads: u32,
    /// What it may use.
    pub limits: Limits,
    /// Tools that it sees, without doubles.
    pub toolchain: Vec<Toolchain>,
    /// Its environment variables.
    pub environment: BTreeMap<String, String>,
}

/// How the metric comes about.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    /// An evaluator reads the outputs and answers on file descriptor 3.
    Evaluator(Evaluator),
    /// The candidate's program runs on a fresh input; an evaluator judges what it wrote.
    Executed(Executed),
    /// The lab takes the time of baseline and candidate.
    Timed(Timed),
    /// The candidate prints `METRIC name=value` about itself.
    SelfReported,
}

/// A separate program in a clean sandbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluator {
    /// Its command.
    pub command: Command,
    /// Files below the study's directory that only it sees.
    pub private: Globs,
    /// What it may use.
    pub limits: Limits,
}

/// The last evaluation.
pub type Sealed = Evaluator;

/// A measurement of what the candidate's program makes of a fresh input.
#[derive(Clone, Debug, PartialEq)]
pub struct Executed {
    /// The candidate's program, in a sandbox of its own.
    pub command: Command,
    /// Writes a fresh input.
    pub input: Command,
    /// Reads input and output and answers with the metrics.
    pub check: Command,
    /// Files below the study's directory that only `input` and `check` see.
    pub private: Globs,
    /// What each command may use.
    pub limits: Limits,
}

/// A measurement of time in interleaved pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// What stands under the clock.
    pub command: Command,
    /// Writes a fresh input.
    pub input: Command,
    /// Compares the two sides' outputs.
    pub check: Command,
    /// Pairs of baseline and candidate.
    pub pairs: u32,
    /// What is counted.
    pub clock: Clock,
    /// Files below the study's directory that only `input` and `check` see.
    pub private: Globs,
    /// What each command may use.
    pub limits: Limits,
}

/// Where a knob is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Writing {
    /// The knob.
    pub knob: String,
    /// The place.
    pub place: Place,
}

/// The place of a knob's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// A value in a TOML, JSON or source file of the workspace, which also says its start value.
    File {
        /// The file, relative to the workspace.
        file: String,
        /// How the file is written.
        syntax: Syntax,
        /// The path of the value, as written in the study file.
        key: String,
    },
    /// A placeholder `{{NAME}}` in a template, rendered into a file.
    Template {
        /// The template, relative to the workspace.
        template: String,
        /// The rendered file, relative to the workspace.
        file: String,
        /// Value in the unchanged workspace.
        start: Setting,
    },
    /// An environment variable of the candidate.
    Environment {
        /// Its name.
        variable: String,
        /// Value in the unchanged workspace.
        start: Setting,
    },
    /// An option with a value, appended to the run's command as two arguments.
    Argument {
        /// The option: `--lr`.
        option: String,
        /// Value in the unchanged workspace.
        start: Setting,
    },
}

/// How a file with values is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// TOML.
    Toml,
    /// JSON.
    Json,
    /// The source of a program; a key is `LINE:NUMBER`, the number of a value among those of the line.
    Source(Family),
}

impl Syntax {
    /// Returns the syntax of a file by its extension.
    pub fn of(file: &str) -> Option<Syntax> {
        let extension = std::path::Path::new(file).extension()?.to_str()?;
        match extension {
            "toml" => Some(Syntax::Toml),
            "json" => Some(Syntax::Json),
            other => Family::of(other).map(Syntax::Source),
        }
    }
}

/// What the study may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Proposals that may be tried, at least 1; the unchanged workspace does not count.
    pub experiments: u32,
    /// Wall-clock time of all sessions together.
    pub wall: Option<Span>,
    /// CPU time of all runs and measurements together.
    pub cpu: Option<Span>,
    /// Disk space of the study's records and outputs.
    pub disk: Option<Bytes>,
    /// Tokens of the language models that work on it and judge it, over all their requests.
    pub tokens: Option<u64>,
    /// What these may cost.
    pub money: Option<Money>,
}

/// How a run says how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Name of the file among its outputs to which it appends lines.
    pub file: String,
    /// When runs are compared, where the researcher is one that stops runs.
    pub halving: Halving,
}

/// How the noise floor is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    /// Most runs of the unchanged workspace, at least 3.
    pub repeats: u32,
    /// Most runs of one experiment near the noise, at least 1.
    pub most_repeats: u32,
}

/// How the winner is confirmed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confirm {
    /// Most pairs of runs; enough to reach `1 / alpha` when all are won.
    pub pairs: u32,
    /// Accepted probability of a false claim, above 0 and below 1.
    pub alpha: f64,
}

/// One criterion of success.
#[derive(Clone, Debug, PartialEq)]
pub enum Criterion {
    /// The winner's metric is within bounds; at least one bound is given.
    Metric {
        /// Greatest value.
        at_most: Option<f64>,
        /// Least value.
        at_least: Option<f64>,
        /// Where the number must come from.
        trust: Trust,
        /// How sure the lab must be, from 0.5 up, below 1.
        confidence: f64,
    },
    /// The winner is confirmed to be better than the start.
    Improvement {
        /// Least gain, where any confirmed gain is not enough.
        at_least: Option<f64>,
        /// How sure the lab must be, from 0.5 up, below 1.
        confidence: f64,
    },
    /// A program ends with status 0, in a grader's sandbox.
    Command {
        /// The program.
        command: Command,
        /// What it may use.
        limits: Limits,
    },
    /// A file is there.
    File {
        /// One of the run's outputs, or a path in the winner's workspace.
        file: String,
        /// BLAKE3 of its bytes, in lower-case hexadecimal.
        hash: Option<String>,
        /// File below the study's directory with the schema that it must fit.
        schema: Option<String>,
    },
    /// The winner differs from the start in no other files.
    Diff {
        /// The files that it may differ in.
        allow: Globs,
    },
    /// There are findings that the lab's runs support.
    Finding {
        /// Least number of them.
        least: u32,
        /// Confidence of the interval that must lie above no gain.
        confidence: f64,
    },
    /// The winner, run again, gives the same within its interval.
    Replication {
        /// Runs.
        runs: u32,
        /// Confidence of the interval.
        confidence: f64,
    },
    /// A language model says so.
    Judgement {
        /// The model, as a person names it.
        model: String,
        /// What it is asked.
        question: String,
        /// What it is shown: one of the run's outputs, or a path in the winner's workspace.
        file: Option<String>,
    },
}

/// How success is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Most evaluations of the whole rubric, at least 1.
    pub iterations: u32,
    /// Least share of all weights whose criteria hold.
    pub at_least: f64,
    /// Files below the study's directory that only graders see.
    pub private: Globs,
    /// What is said of each criterion beside what it judges, in the order of the rubric.
    pub clauses: Vec<Clause>,
}

/// What is said of a criterion beside what it judges.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// The criterion in words, where its author gave some.
    pub description: Option<String>,
    /// Whether the outcome fails without it.
    pub must: bool,
    /// Its weight, 0 or more.
    pub weight: f64,
}

/// A drawing of one output of the winner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    /// What the file holds.
    pub kind: DrawKind,
    /// One of the run's outputs.
    pub file: String,
}
