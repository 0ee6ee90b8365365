//! Exit codes. They are an interface: scripts branch on them.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command did what was asked; for `run`: the rubric is satisfied.
    Done,
    /// For `run`: the study is finished and its rubric is not satisfied. For `verify` and `rerun`: something differs.
    /// For `lint`: something was found.
    Unsatisfied,
    /// The command line, a study or a file is not right.
    BadInput,
    /// A budget was spent before the study came to its planned end.
    BudgetSpent,
    /// The study's level of autonomy lets it do nothing more without a person.
    Waits,
    /// The lab itself failed: a full disk, a fault in the program.
    Internal,
    /// Another process works in the lab.
    Busy,
    /// Commands cannot be isolated here, so none was run.
    Refused,
    /// A person stopped it; the same command goes on.
    Interrupted,
    /// For `sandbox run`: what the command returned, or why it returned nothing.
    Command(u8),
}

impl Exit {
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(self.number())
    }

    pub(crate) fn number(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Unsatisfied => 1,
            Exit::BadInput => 2,
            Exit::BudgetSpent => 3,
            Exit::Waits => 4,
            Exit::Internal => 70,
            Exit::Busy => 75,
            Exit::Refused => 78,
            Exit::Interrupted => 130,
            Exit::Command(code) => code,
        }
    }
}
