//! What success looks like and who judged it: a frozen rubric, its evaluations, a grade for each criterion.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ExperimentId, Output, RunId, Usage};

/// The rubric of a study is frozen, before anything is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeDefined {
    /// BLAKE3 over the criteria, their weights and the graders' files.
    pub rubric: String,
    /// The criteria in words, in order.
    pub criteria: Vec<String>,
    /// Most evaluations.
    pub iterations_max: u32,
    /// Most experiments: evaluations before the end are spread over them.
    pub experiments: u32,
    /// Files that graders alone see.
    pub private: Vec<Output>,
}

/// The worker says that the work is done. That is a claim, and changes no grade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedIn {
    /// Who says so.
    pub by: String,
    /// The claim, in the worker's words.
    pub claim: String,
    /// The call that it comes from, as `SESSION#CALL`: no call is answered twice.
    pub call: String,
    /// CPU milliseconds that the worker's own commands used since it was last charged.
    pub cpu_ms: u64,
}

/// An evaluation begins: all criteria are checked anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationStarted {
    /// Its number, from 1. One that was interrupted is begun again under its number.
    pub iteration: u32,
    /// What is judged: the best experiment by the lab's verdicts.
    pub experiment: ExperimentId,
    /// The call of the hand-in that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
}

/// Intent: a grader is about to check a criterion, in a sandbox of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationOngoing {
    /// The evaluation.
    pub iteration: u32,
    /// Place of the criterion in the rubric, from 0.
    pub criterion: u32,
    /// Which try it is, from 1.
    pub attempt: u32,
}

/// Receipt: what a grader found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationChecked {
    /// The evaluation.
    pub iteration: u32,
    /// Place of the criterion in the rubric, from 0.
    pub criterion: u32,
    /// What was found.
    pub found: CheckFound,
    /// In words. What a candidate or a model said stands in it escaped.
    pub why: String,
    /// The runs whose outputs were looked at.
    pub runs: Vec<RunId>,
    /// What the check used.
    pub usage: Usage,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CheckFound {
    /// The criterion holds.
    Met,
    /// It does not.
    Unmet,
    /// What workers recorded as findings, for the lab to compare with its runs.
    Findings {
        /// Each as it stands in its session.
        cited: Vec<Cited>,
    },
    /// A budget or the lab's end cut it.
    Cut,
    /// The lab, its machine or a model's server failed: nothing is said about the work.
    Infrastructure,
}

/// A finding of a session, without its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cited {
    /// Number of the event in the session's stream.
    pub seq: u64,
    /// Number of the finding.
    pub finding: u32,
    /// The experiment that it is about.
    pub experiment: ExperimentId,
    /// The experiment that it is compared with.
    pub against: ExperimentId,
    /// The runs that it names.
    pub runs: Vec<RunId>,
}

/// An evaluation ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationEnded {
    /// Its number.
    pub iteration: u32,
    /// How the work went, whatever it is worth.
    pub execution: Execution,
    /// What the worker claims; `None` where it claimed nothing, as samplers do.
    pub claim: Option<String>,
    /// What was verified.
    pub result: OutcomeResult,
    /// A grade for each criterion, in order; none where the evaluation was interrupted.
    pub grades: Vec<CriterionGrade>,
    /// In words.
    pub explanation: String,
}

/// How the work of a study went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Execution {
    /// It goes on.
    Running,
    /// The search came to its planned end.
    Completed,
    /// A budget ended it before.
    BudgetReached,
    /// The unchanged workspace gives no measurement: there was nothing to work on.
    StartFailed,
}

/// The verified result of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeResult {
    /// All that must hold holds.
    Satisfied,
    /// Not yet, and the work goes on.
    NeedsRevision,
    /// Not, and nothing more is tried.
    MaxIterationsReached,
    /// There is nothing that the rubric could be applied to.
    Failed,
    /// A person stopped the lab meanwhile; the evaluation is begun again when it goes on.
    Interrupted,
}

impl fmt::Display for OutcomeResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OutcomeResult::Satisfied => "satisfied",
            OutcomeResult::NeedsRevision => "needs_revision",
            OutcomeResult::MaxIterationsReached => "max_iterations_reached",
            OutcomeResult::Failed => "failed",
            OutcomeResult::Interrupted => "interrupted",
        })
    }
}

impl fmt::Display for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Execution::Running => "running",
            Execution::Completed => "completed",
            Execution::BudgetReached => "budget_reached",
            Execution::StartFailed => "start_failed",
        })
    }
}

/// The grade of one criterion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CriterionGrade {
    /// Place of the criterion in the rubric, from 0.
    pub criterion: u32,
    /// The criterion in words.
    pub text: String,
    /// The grade.
    pub grade: Grade,
    /// What the grade rests on.
    pub witness: Witness,
    /// The reason in words.
    pub why: String,
    /// Whether the outcome fails without it.
    pub must: bool,
    /// Its share of the whole, beside the others' weights.
    pub weight: f64,
    /// The number that decided, where there is one.
    pub value: Option<f64>,
    /// Its interval at the criterion's confidence.
    pub interval: Option<(f64, f64)>,
    /// The runs that it rests on.
    pub runs: Vec<RunId>,
}

/// Whether a criterion holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// It holds.
    Met,
    /// It does not.
    Unmet,
    /// The end of the study decides it.
    Open,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Grade::Met => "met",
            Grade::Unmet => "not met",
            Grade::Open => "open",
        })
    }
}

/// What a grade rests on, from the weakest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// A language model's word.
    Judgement,
    /// A grader's command, or its look at a file.
    Grader,
    /// The lab's own record: events, runs, measurements.
    Record,
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Witness::Judgement => "a model's judgement, the weakest evidence",
            Witness::Grader => "a grader in a sandbox of its own",
            Witness::Record => "the lab's record",
        })
    }
}
