//! Why a study cannot be used.

use std::{fmt, io, path::PathBuf};

use super::problem::Problem;
use crate::workspace::shown;

/// Most problems that one report shows in full.
const SHOWN_MAX: usize = 12;

/// Everything that is wrong in a study file, at least one problem, in the order of the file. `Display` writes the whole
/// report, beginning with `error: `.
#[derive(Clone, Debug, PartialEq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Returns the problems, sorted by their places; `None` when there are none.
    pub(crate) fn new(mut problems: Vec<Problem>) -> Option<Problems> {
        problems.sort_by_key(|problem| {
            problem
                .place
                .as_ref()
                .map_or((0, 0), |place| (place.line, place.column))
        });
        problems.dedup();
        (!problems.is_empty()).then_some(Problems(problems))
    }

    /// Returns them in order.
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().take(SHOWN_MAX).enumerate() {
            let gap = if index == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{problem}")?;
        }
        match self.0.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, "\n\n… and {more} more"),
        }
    }
}

impl std::error::Error for Problems {}

/// Why a study directory cannot be used. `Display` writes the whole report, beginning with `error: ` and with a hint where
/// there is one.
#[derive(Debug)]
pub enum Error {
    /// There is no such directory.
    Missing {
        /// The directory.
        directory: PathBuf,
    },
    /// It is something else than a directory.
    NotADirectory {
        /// The path.
        directory: PathBuf,
    },
    /// The directory has no `study.toml`.
    NoStudyFile {
        /// The directory.
        directory: PathBuf,
    },
    /// `study.toml` is a link, a directory or something special.
    NotPlain {
        /// The file.
        file: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// `study.toml` is too large.
    TooBig {
        /// The file.
        file: PathBuf,
        /// Its size in bytes.
        found: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// `study.toml` is not UTF-8.
    NotUtf8 {
        /// The file.
        file: PathBuf,
        /// Line of the first bad byte, from 1.
        line: usize,
        /// The bad byte.
        byte: u8,
    },
    /// The system refused.
    Unreadable {
        /// What could not be read.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The study file is wrong, or does not fit its directory.
    Invalid(Problems),
}

impl Error {
    /// Returns what to do about it; problems inside the file carry their own hints.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Missing { directory } => {
                let directory = shown(directory.as_os_str());
                Some(format!(
                    "`lyceum new {directory}` writes a small study there that runs"
                ))
            }
            Error::NotADirectory { .. } => {
                Some("give the directory that holds study.toml".to_owned())
            }
            Error::NoStudyFile { .. } => {
                Some("`lyceum new DIR` writes a small study into a new directory".to_owned())
            }
            Error::NotPlain { .. } => Some("replace it by a plain file".to_owned()),
            Error::TooBig { .. } => Some("large data belongs into files beside it".to_owned()),
            Error::NotUtf8 { .. } => Some("save the file as UTF-8".to_owned()),
            Error::Unreadable { .. } => {
                Some("check the permissions of the path and of the directories above it".to_owned())
            }
            Error::Invalid(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Missing { directory } => {
                write!(
                    f,
                    "error: study directory `{}` does not exist",
                    shown(directory.as_os_str())
                )
            }
            Error::NotADirectory { directory } => {
                write!(
                    f,
                    "error: `{}` is not a directory",
                    shown(directory.as_os_str())
                )
            }
            Error::NoStudyFile { directory } => {
                write!(
                    f,
                    "error: no study.toml in `{}`",
                    shown(directory.as_os_str())
                )
            }
            Error::NotPlain { file, found } => {
                let file = shown(file.as_os_str());
                write!(f, "error: `{file}` is a {found}, expected a plain file")
            }
            Error::TooBig { file, found, limit } => {
                let file = shown(file.as_os_str());
                write!(
                    f,
                    "error: `{file}` has {found} bytes, expected at most {limit}"
                )
            }
            Error::NotUtf8 { file, line, byte } => {
                let file = shown(file.as_os_str());
                write!(
                    f,
                    "error: `{file}` is not UTF-8: byte 0x{byte:02x} in line {line}"
                )
            }
            Error::Unreadable { path, source } => {
                write!(
                    f,
                    "error: cannot read `{}`: {source}",
                    shown(path.as_os_str())
                )
            }
            Error::Invalid(problems) => problems.fmt(f),
        }?;
        match self.hint() {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Unreadable { source, .. } => Some(source),
            Error::Missing { .. }
            | Error::NotADirectory { .. }
            | Error::NoStudyFile { .. }
            | Error::NotPlain { .. }
            | Error::TooBig { .. }
            | Error::NotUtf8 { .. }
            | Error::Invalid(_) => None,
        }
    }
}
