//! The table about language models at work on the study.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a language model at work on the study may not do without a person's word.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Session {
    /// Tools of which each call needs a person's word.
    pub(crate) ask: Vec<AskedTool>,
    /// Globs of the files that may be changed without one. Other files need a person's word where `write` and `edit` change
    /// them, and again where `run_experiment` proposes them, however they were changed.
    pub(crate) ask_outside: Option<Vec<String>>,
    /// Experiments of the model that need no word; each further one does.
    pub(crate) ask_after: Option<u32>,
    /// Whether a person is there to be asked. Without it: where this table asks for anything, or `lyceum` has a terminal.
    pub(crate) person: Option<bool>,
}

/// A tool of a session that changes something or spends.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AskedTool {
    /// A shell's command in the sandbox.
    Bash,
    /// A whole file of the workspace.
    Write,
    /// A text in a file of the workspace.
    Edit,
    /// The workspace's files are put back.
    ResetWorkspace,
    /// An experiment.
    RunExperiment,
    /// The model hands in.
    SubmitOutcome,
    /// A finding.
    RecordFinding,
    /// An entry of a memory store.
    MemoryWrite,
    /// A text in an entry of a memory store.
    MemoryEdit,
}

impl AskedTool {
    /// Every tool that can be asked for.
    pub const ALL: [AskedTool; 9] = [
        AskedTool::Bash,
        AskedTool::Write,
        AskedTool::Edit,
        AskedTool::ResetWorkspace,
        AskedTool::RunExperiment,
        AskedTool::SubmitOutcome,
        AskedTool::RecordFinding,
        AskedTool::MemoryWrite,
        AskedTool::MemoryEdit,
    ];

    /// Returns the name by which a model calls it.
    pub fn name(self) -> &'static str {
        match self {
            AskedTool::Bash => "bash",
            AskedTool::Write => "write",
            AskedTool::Edit => "edit",
            AskedTool::ResetWorkspace => "reset_workspace",
            AskedTool::RunExperiment => "run_experiment",
            AskedTool::SubmitOutcome => "submit_outcome",
            AskedTool::RecordFinding => "record_finding",
            AskedTool::MemoryWrite => "memory_write",
            AskedTool::MemoryEdit => "memory_edit",
        }
    }
}
