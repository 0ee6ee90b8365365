//! Errors as people read them: what failed, why, what to do.

use std::{error::Error, fmt::Write as _};

use lyceum_agents::TapeError;
use lyceum_ledger::{BundleError, Error as LedgerError};
use lyceum_sandbox::Refusal;
use lyceum_study::{
    engine::{Broken, Error as DriveError, JournalError},
    format,
    lab::{ConductError, OpenError},
    workspace::Changed,
};

use crate::{
    exit::Exit,
    view::{self, words},
};

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the program ends.
    pub(crate) exit: Exit,
    /// The whole message, without `error: `.
    message: String,
    /// What to do.
    hint: Option<String>,
}

impl Failure {
    /// Returns a failure that the user can mend.
    pub(crate) fn bad_input(message: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::BadInput,
            message: message.into(),
            hint: None,
        }
    }

    /// Returns a failure of what is recorded or replayed.
    pub(crate) fn taped(error: &TapeError) -> Failure {
        let failure = Failure::bad_input(error.to_string());
        match error {
            TapeError::Fault(_) => failure.hint(
                "a replay needs the same words, files and lab as the recording; nothing that was recorded is lost",
            ),
            TapeError::Foreign(_) => failure.hint("record it into a new file"),
            TapeError::Behind { .. } => failure.hint("a session that went on without its recording goes on without it"),
        }
    }

    /// Returns a failure of the lab or its machine.
    pub(crate) fn internal(error: &dyn Error) -> Failure {
        Failure {
            exit: Exit::Internal,
            message: chain(error),
            hint: None,
        }
    }

    /// Returns what failed and why.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Returns the same failure with an advice.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Prints it to standard error; with `json` as one object on one line.
    #[expect(clippy::print_stderr, reason = "this is where errors are printed")]
    pub(crate) fn print(&self, json: bool) {
        if json {
            let shown = serde_json::json!({
                "error": self.message,
                "hint": self.hint,
                "exit": self.exit.number(),
            });
            eprintln!("{}", view::visible(&shown.to_string()));
            return;
        }
        // Names of files, studies and researchers in it are what somebody else wrote.
        let message = words::clean(&self.message);
        let known = message.starts_with("error: ");
        eprintln!("{}{message}", if known { "" } else { "error: " });
        if let Some(hint) = &self.hint {
            eprintln!("hint: {}", words::clean(hint));
        }
    }
}

/// The message of an error and of all that caused it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            let _ = write!(text, "\n  because: {said}");
        }
        cause = error.source();
    }
    text
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Failure {
        // That a write failed says little to who lost the lab to another process.
        let error = match error.first_cause() {
            first @ LedgerError::Fenced { .. } => first,
            _ => &error,
        };
        let exit = match error {
            LedgerError::Locked { .. } | LedgerError::Fenced { .. } => Exit::Busy,
            LedgerError::NotIntact { .. } => Exit::Unsatisfied,
            LedgerError::Absent { .. }
            | LedgerError::EventsGone { .. }
            | LedgerError::Newer { .. }
            | LedgerError::NotALedger { .. }
            | LedgerError::ReadOnly { .. }
            | LedgerError::KeyMissing { .. }
            | LedgerError::OtherKey { .. }
            | LedgerError::KeyExposed { .. }
            | LedgerError::NotAKey { .. }
            | LedgerError::OtherLab { .. }
            | LedgerError::CheckpointDamaged
            | LedgerError::NoWriteAheadLog { .. } => Exit::BadInput,
            _ => Exit::Internal,
        };
        let hint = error.hint().map(str::to_owned);
        let mut message = chain(error);
        if let LedgerError::Locked {
            holder: Some(holder),
            ..
        }
        | LedgerError::Fenced {
            holder: Some(holder),
            ..
        } = error
        {
            let since = words::moment(holder.since.unix_ms());
            let _ = write!(message, ", since {since}");
        }
        Failure {
            exit,
            message,
            hint,
        }
    }
}

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Failure {
        match error {
            BundleError::Ledger(error) => error.into(),
            error => Failure {
                exit: Exit::BadInput,
                message: chain(&error),
                hint: error.hint().map(str::to_owned),
            },
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Failure {
        match error {
            JournalError::Ledger(error) => error.into(),
            JournalError::Decode(error) => Failure::bad_input(chain(&error))
                .hint("use the version of lyceum that wrote this lab, or a newer one"),
            JournalError::Encode(_) | JournalError::Fold(_) => Failure::internal(&error)
                .hint("`lyceum verify` tells whether the ledger was changed by someone else"),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Failure {
        let hint = error.hint();
        match error {
            OpenError::Journal(error) => error.into(),
            OpenError::Broken(error) => Failure::internal(&error),
            error => Failure {
                exit: Exit::BadInput,
                message: chain(&error),
                hint,
            },
        }
    }
}

/// Whether a session of the study's name was begun for something else.
fn is_foreign(broken: &Broken) -> bool {
    let error = broken.source.downcast_ref::<lyceum_agents::Error>();
    error.is_some_and(|error| matches!(error, lyceum_agents::Error::Foreign { .. }))
}

/// Returns what a recording does not serve for, wherever that was noticed.
fn tape_error(broken: &Broken) -> Option<TapeError> {
    if let Some(error) = broken.source.downcast_ref::<TapeError>() {
        return Some(error.clone());
    }
    match broken.source.downcast_ref::<lyceum_agents::Error>() {
        Some(lyceum_agents::Error::Tape(error)) => Some(error.clone()),
        _ => None,
    }
}

/// Whether a person wants of a session what it was not begun with.
fn is_begun(broken: &Broken) -> bool {
    let error = broken.source.downcast_ref::<lyceum_agents::Error>();
    error.is_some_and(|error| matches!(error, lyceum_agents::Error::Begun { .. }))
}

impl From<ConductError> for Failure {
    fn from(error: ConductError) -> Failure {
        match error {
            ConductError::Open(error) => error.into(),
            ConductError::Drive(DriveError::Journal(error)) => error.into(),
            ConductError::Drive(DriveError::Broken(broken)) if broken.source.is::<Changed>() => {
                Failure::bad_input(chain(&broken)).hint(
                    "put the file back and the same command goes on; `--again` starts anew with the workspace as it is",
                )
            }
            ConductError::Drive(DriveError::Broken(broken)) if is_begun(&broken) => {
                Failure::bad_input(broken.source.to_string()).hint(
                    "leave it out and the session goes on as it was begun; `--again` begins a new one",
                )
            }
            ConductError::Drive(DriveError::Broken(broken)) if is_foreign(&broken) => {
                Failure::bad_input(broken.source.to_string())
                    .hint("give the study another name: copy its directory, or begin it in another lab")
            }
            ConductError::Drive(DriveError::Broken(broken)) if tape_error(&broken).is_some() => {
                tape_error(&broken).map_or_else(|| Failure::internal(&broken), |error| Failure::taped(&error))
            }
            ConductError::Unapproved(error) => {
                let name = error.request.file_stem().unwrap_or_default();
                let name = name.to_string_lossy().into_owned();
                Failure::bad_input(chain(&error)).hint(format!(
                    "each approver signs with `lyceum approve {name} --key FILE`; then the same command goes on"
                ))
            }
            ConductError::Stopped { ref study, .. } => {
                let hint = format!(
                    "`lyceum stop {study} --lift` lets it go on; a file `stop` in the lab stops every study while it is there"
                );
                Failure::bad_input(chain(&error)).hint(hint)
            }
            ConductError::Waits { ref study, .. } => {
                let hint = format!("`lyceum autonomy {study} --lend --why TEXT` lets one more begin");
                Failure {
                    exit: Exit::Waits,
                    message: chain(&error),
                    hint: Some(hint),
                }
            }
            ConductError::Silent { .. } => Failure {
                exit: Exit::Refused,
                message: chain(&error),
                hint: Some(
                    "nothing was run: each session first shows that its detectors see; docs/oversight.md tells what each needs"
                        .into(),
                ),
            },
            ConductError::Drive(error) => Failure::internal(&error)
                .hint("nothing that was recorded is lost: the same command goes on"),
        }
    }
}

impl From<lyceum_memory::Error> for Failure {
    fn from(error: lyceum_memory::Error) -> Failure {
        match error {
            lyceum_memory::Error::Ledger(error) => error.into(),
            error @ lyceum_memory::Error::Io { .. } => Failure::internal(&error),
            error => Failure::bad_input(chain(&error)),
        }
    }
}

impl From<format::Error> for Failure {
    fn from(error: format::Error) -> Failure {
        Failure::bad_input(error.to_string())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let hint = Some(format!(
            "{}; `lyceum doctor` shows each part",
            refusal.remedy
        ));
        Failure {
            exit: Exit::Refused,
            message: refusal.to_string(),
            hint,
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::internal(&error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Failure {
        Failure::internal(&error)
    }
}
