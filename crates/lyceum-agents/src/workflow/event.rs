//! What happened in a run of a workflow, as event bodies.
//!
//! Names follow the vocabulary of managed agents where it has one. Kinds and versions, once written, stay readable.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::format::Budget;

/// A run begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Created {
    /// The run's name in the lab.
    pub run: String,
    /// The workflow.
    pub workflow: String,
    /// What it is for, in its author's words.
    pub description: String,
    /// The workflow's file, byte for byte.
    pub definition: String,
    /// BLAKE3 of what decides what is done.
    pub digest: String,
    /// The model of steps that name none, as a person names it.
    pub model: Option<String>,
    /// What the run may use.
    pub budget: Budget,
    /// Whether it takes no result of an earlier run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
    /// Version of the lab.
    pub lyceum: String,
}

/// A process works on the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Which.
    pub pid: u32,
}

/// The workflow's file says other budgets than before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Updated {
    /// The file as it is now.
    pub definition: String,
    /// What the run may use from now on.
    pub budget: Budget,
}

/// The run waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idle {
    /// Why.
    pub stop_reason: StopReason,
}

/// Why a run waits. All of them go on with the same command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StopReason {
    /// What is left of a budget does not hold another step.
    BudgetReached {
        /// The phase whose budget it is; the run's own where there is none.
        phase: Option<String>,
        /// Which budget: steps, tokens, money or wall.
        budget: String,
    },
    /// The model cannot be asked now, and every other step would fail alike.
    RetriesExhausted {
        /// Why, in words.
        error: String,
    },
    /// A person interrupted the process.
    Interrupted,
    /// A person stopped all that works in the lab, by a file in it.
    LabStopped {
        /// Why.
        why: String,
    },
    /// A step goes on by a person's word alone.
    RequiresAction {
        /// Who is waited for, and what lets it go on.
        action: String,
    },
    /// The lab failed, again and again. That says nothing about the step.
    LabFailed {
        /// At what.
        error: String,
    },
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::BudgetReached { phase, budget } => match phase {
                Some(phase) => write!(f, "budget reached: {budget} of phase `{phase}`"),
                None => write!(f, "budget reached: {budget} of the run"),
            },
            StopReason::RetriesExhausted { error } => write!(f, "retries exhausted: {error}"),
            StopReason::Interrupted => write!(f, "interrupted"),
            StopReason::LabStopped { why } => write!(f, "the lab was stopped: {why}"),
            StopReason::RequiresAction { action } => write!(f, "a person is waited for: {action}"),
            StopReason::LabFailed { error } => write!(f, "the lab failed: {error}"),
        }
    }
}

/// What one step is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The item in words.
    pub text: String,
    /// Its files, relative to the workflow's directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

/// A phase begins. What it goes over is fixed here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseStarted {
    /// The phase.
    pub phase: String,
    /// One item for each step.
    pub items: Vec<Item>,
}

/// Every step of a phase has its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseEnded {
    /// The phase.
    pub phase: String,
    /// Steps that gave a result.
    pub done: u32,
    /// Steps that failed.
    pub failed: u32,
}

/// The most that a step may use of what is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// Tokens.
    #[serde(default)]
    pub tokens: u64,
    /// Billionths of a US dollar; `None` where the model has no known price.
    #[serde(default)]
    pub money: Option<u64>,
    /// CPU milliseconds.
    #[serde(default)]
    pub cpu_ms: u64,
}

/// Intent: a step is about to be carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepStarted {
    /// The phase.
    pub phase: String,
    /// Number of the step in its phase, from 1.
    pub step: u32,
    /// The how manieth time it is begun, from 1.
    pub attempt: u32,
    /// BLAKE3 of all that the step is made of: the same key is the same step.
    pub key: String,
    /// The most that it may use.
    pub reserved: Reserved,
}

/// Receipt: how an attempt at a step ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepEnded {
    /// The phase.
    pub phase: String,
    /// The step.
    pub step: u32,
    /// The attempt; 0 where none was needed.
    pub attempt: u32,
    /// The step's key; empty where it came to none.
    pub key: String,
    /// How it ended.
    pub end: StepEnd,
    /// What is charged.
    #[serde(default)]
    pub spent: Spent,
}

/// What is charged for an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Tokens.
    #[serde(default)]
    pub tokens: u64,
    /// Billionths of a US dollar.
    #[serde(default)]
    pub money: u64,
    /// Whether tokens were used that nobody knows the price of.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unpriced: bool,
    /// CPU milliseconds.
    #[serde(default)]
    pub cpu_ms: u64,
}

/// How an attempt at a step ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StepEnd {
    /// It gave a result.
    Done {
        /// What.
        result: String,
        /// Citations in it that the lab found right.
        #[serde(default)]
        citations: u32,
        /// The step that had done the same before; nothing was done anew.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reused: Option<Reused>,
    },
    /// The model's answer was not taken. It is asked again, and told why, while tries are left.
    Refused {
        /// What it said.
        answer: String,
        /// Why that was not taken.
        why: String,
    },
    /// It failed, and would fail again.
    Failed {
        /// Why.
        why: String,
    },
    /// The lab died meanwhile. What was reserved is charged, and the step is begun again.
    Unknown,
    /// It was ended by the lab, and says nothing: it is begun again.
    Cut {
        /// Why.
        why: String,
    },
    /// The lab failed at it, and that says nothing about it: it is begun again.
    Fault {
        /// What failed.
        why: String,
    },
}

/// A step that was done before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reused {
    /// Its run.
    pub run: String,
    /// Its phase.
    pub phase: String,
    /// Its number.
    pub step: u32,
}

/// The run is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnded {
    /// How.
    pub result: RunResult,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RunResult {
    /// Every phase had its steps. That does not say that all of them gave a result.
    Completed,
    /// A person stopped it.
    Stopped {
        /// Why.
        why: String,
    },
    /// A phase gave nothing to go on with.
    Failed {
        /// Why.
        why: String,
    },
}

lyceum_types::bodies! {
    /// What happened in a run: one event's content.
    "workflow":
    Created(Created) = "workflow_run.created" 1,
    Running(Running) = "workflow_run.status_running" 1,
    Updated(Updated) = "workflow_run.updated" 1,
    Idle(Idle) = "workflow_run.status_idle" 1,
    PhaseStarted(PhaseStarted) = "workflow_run.phase_started" 1,
    PhaseEnded(PhaseEnded) = "workflow_run.phase_ended" 1,
    StepStarted(StepStarted) = "workflow_run.step_started" 1,
    StepEnded(StepEnded) = "workflow_run.step_ended" 1,
    Ended(RunEnded) = "workflow_run.status_ended" 1,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body of each kind as version 1 wrote it: what was written stays readable.
    #[test]
    fn what_was_written_is_read() {
        for (kind, json) in [
            (
                "workflow_run.created",
                r#"{"run":"r","workflow":"w","description":"","definition":"t","digest":"00","model":null,"budget":{"steps":1,"tokens":null,"money":"$1.50","wall":"2m"},"lyceum":"0.1.0"}"#,
            ),
            ("workflow_run.status_running", r#"{"pid":1}"#),
            (
                "workflow_run.updated",
                r#"{"definition":"t","budget":{"steps":null,"tokens":2,"money":null,"wall":null}}"#,
            ),
            (
                "workflow_run.status_idle",
                r#"{"stop_reason":{"type":"budget_reached","phase":"p","budget":"steps"}}"#,
            ),
            (
                "workflow_run.status_idle",
                r#"{"stop_reason":{"type":"requires_action","action":"a"}}"#,
            ),
            (
                "workflow_run.status_idle",
                r#"{"stop_reason":{"type":"lab_stopped","why":"w"}}"#,
            ),
            (
                "workflow_run.status_idle",
                r#"{"stop_reason":{"type":"lab_failed","error":"e"}}"#,
            ),
            (
                "workflow_run.step_ended",
                r#"{"phase":"p","step":1,"attempt":1,"key":"00","end":{"type":"fault","why":"w"},"spent":{"tokens":0,"money":0,"cpu_ms":0}}"#,
            ),
            (
                "workflow_run.phase_started",
                r#"{"phase":"p","items":[{"text":"a"},{"text":"b","files":["b"]}]}"#,
            ),
            (
                "workflow_run.phase_ended",
                r#"{"phase":"p","done":1,"failed":1}"#,
            ),
            (
                "workflow_run.step_started",
                r#"{"phase":"p","step":1,"attempt":1,"key":"00","reserved":{"tokens":1,"money":null,"cpu_ms":0}}"#,
            ),
            (
                "workflow_run.step_ended",
                r#"{"phase":"p","step":1,"attempt":0,"key":"00","end":{"type":"done","result":"x","citations":0,"reused":{"run":"r","phase":"p","step":1}},"spent":{"tokens":0,"money":0,"cpu_ms":0}}"#,
            ),
            (
                "workflow_run.step_ended",
                r#"{"phase":"p","step":1,"attempt":1,"key":"00","end":{"type":"unknown"},"spent":{"tokens":1,"money":0,"unpriced":true,"cpu_ms":0}}"#,
            ),
            (
                "workflow_run.status_ended",
                r#"{"result":{"type":"stopped","why":"w"}}"#,
            ),
        ] {
            let body = Body::decode(kind, 1, json).unwrap();
            assert_eq!(body.kind(), kind);
            assert_eq!(body.encode().unwrap(), json);
        }
        let newer = Body::decode("workflow_run.updated", 2, "{}").unwrap_err();
        assert!(newer.to_string().contains("a newer one wrote it"));
    }
}
