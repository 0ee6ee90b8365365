//! Exit codes. They are an interface: scripts branch on them.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command did what was asked; for `run`: the rubric is satisfied.
    Done = 0,
    /// For `run`: the study is finished and its rubric is not satisfied. For `verify` and `rerun`: something differs.
    Unsatisfied = 1,
    /// The command line, a study or a file is not right.
    BadInput = 2,
    /// A budget was spent before the study came to its planned end.
    BudgetSpent = 3,
    /// The lab itself failed: a full disk, a fault in the program.
    Internal = 70,
    /// Another process works in the lab.
    Busy = 75,
    /// Commands cannot be isolated here, so none was run.
    Refused = 78,
    /// A person stopped it; the same command goes on.
    Interrupted = 130,
}

impl Exit {
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}
