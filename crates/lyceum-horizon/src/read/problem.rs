//! What can be wrong with a file, and with one line of it.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use jiff::civil::Date;

use super::shown;

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    /// It is no JSON object with the expected fields.
    #[error("not a run: {message}")]
    Json {
        /// What the parser says.
        message: String,
    },
    /// It is not UTF-8.
    #[error("not text: the file may be binary or compressed")]
    NotText,
    /// It is too long to be a run.
    #[error("longer than {most} bytes, which no run is")]
    TooLong {
        /// The longest line that is read.
        most: usize,
    },
    /// It is no YAML.
    #[error("not YAML: {message}")]
    Yaml {
        /// What the parser says.
        message: String,
    },
    /// A field is absent or null.
    #[error("no `{field}`")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field holds what it must not hold.
    #[error("`{field}` is {found}, expected {expected}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it holds.
        found: String,
        /// What it may hold.
        expected: &'static str,
    },
    /// A name stands in two lines.
    #[error("{what} `{id}` is already in line {first}")]
    Duplicate {
        /// What the name is of.
        what: &'static str,
        /// The name.
        id: String,
        /// The earlier line.
        first: u64,
    },
    /// Counts of one task and agent stand in two places.
    #[error("task `{task}` of agent `{agent}` was counted before")]
    Twice {
        /// The agent.
        agent: String,
        /// The task.
        task: String,
    },
    /// Two lines tell different things about a task.
    #[error("{what} of task `{task}` is {now}, but {before} in line {first}")]
    Disagree {
        /// The task.
        task: String,
        /// What they differ in.
        what: &'static str,
        /// What this line says.
        now: String,
        /// What the earlier line says.
        before: String,
        /// The earlier line.
        first: u64,
    },
    /// Two runs of one task by one agent have different weights.
    #[error(
        "runs of task `{task}` by one agent weigh {} here and {} before, expected one weight",
        said(*now),
        said(*before)
    )]
    Weights {
        /// The task.
        task: String,
        /// The weight in this line.
        now: Option<f64>,
        /// The weight in an earlier line.
        before: Option<f64>,
    },
    /// Two lines tell different release dates of an agent.
    #[error("agent `{agent}` is released on {now}, but on {before} before")]
    Release {
        /// The agent.
        agent: String,
        /// What this line says.
        now: Date,
        /// What an earlier line says.
        before: Date,
    },
}

/// A weight for a message.
fn said(weight: Option<f64>) -> String {
    weight.map_or("nothing".into(), |weight| weight.to_string())
}

impl Problem {
    /// Returns the kind of fault in a few words.
    fn kind(&self) -> &'static str {
        match self {
            Problem::Json { .. }
            | Problem::NotText
            | Problem::TooLong { .. }
            | Problem::Yaml { .. } => "malformed",
            Problem::Missing { .. } => "with a missing field",
            Problem::Value { .. } => "with an impossible value",
            Problem::Duplicate { .. } | Problem::Twice { .. } => "duplicated",
            Problem::Disagree { .. } | Problem::Weights { .. } | Problem::Release { .. } => {
                "contradicting others"
            }
        }
    }
}

/// Lines that were left out, by kind of fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    kinds: Vec<(&'static str, u64, u64)>,
}

impl Dropped {
    pub(crate) fn add(&mut self, line: u64, problem: &Problem) {
        let kind = problem.kind();
        match self.kinds.iter_mut().find(|known| known.0 == kind) {
            Some(known) => known.1 += 1,
            None => self.kinds.push((kind, 1, line)),
        }
    }

    /// Returns how many lines were left out.
    pub fn count(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.1).sum()
    }

    /// Returns each kind of fault, how many lines have it, and the first of them.
    pub fn kinds(&self) -> &[(&'static str, u64, u64)] {
        &self.kinds
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, count, first)) in self.kinds.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{count} {kind} (first in line {first})")?;
        }
        Ok(())
    }
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It could not be opened or read.
    #[error("cannot read `{}`", shown(path).display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is a directory.
    #[error("`{}` is a directory, expected a file of runs", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// It is a device, which may never end.
    #[error("`{}` is a device, expected a file, a pipe or `-`", path.display())]
    Device {
        /// The device.
        path: PathBuf,
    },
    /// A line of it is wrong.
    #[error("`{}`, line {line}: {problem}", shown(path).display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        problem: Box<Problem>,
    },
    /// It is empty.
    #[error("`{}` is empty, expected runs", shown(path).display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Nothing of it was left.
    #[error("`{}` holds no run that counts: {} lines were left out, {void} attempts are void", shown(path).display(), dropped.count())]
    Nothing {
        /// The file.
        path: PathBuf,
        /// Attempts that measured nothing.
        void: u64,
        /// Lines that were left out.
        dropped: Dropped,
    },
    /// It is too large to be read as a whole.
    #[error("`{}` is larger than {most} bytes", shown(path).display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest that is read.
        most: u64,
    },
    /// Partial scores were asked of counts.
    #[error("`{}` holds counts of successes, expected runs with partial scores", shown(path).display())]
    NoParts {
        /// The file.
        path: PathBuf,
    },
}

impl ReadError {
    /// Returns the error of a line.
    pub(crate) fn line(path: &Path, line: u64, problem: Problem) -> ReadError {
        ReadError::Line {
            path: path.to_owned(),
            line,
            problem: Box::new(problem),
        }
    }

    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            ReadError::Line { problem, .. } => Some(match &**problem {
                Problem::NotText => "give the file as plain text".into(),
                Problem::Duplicate { .. } => {
                    "each run counts once; `--lenient` keeps the first and counts the others".into()
                }
                Problem::Yaml { .. } => {
                    "runs are JSON, one object a line; `--form` says which form a file has".into()
                }
                _ => "`--lenient` leaves such lines out and counts them".into(),
            }),
            ReadError::Directory { .. } => Some("name the file in it".into()),
            ReadError::NoParts { .. } => Some("leave `--partial` out".into()),
            ReadError::Nothing { dropped, .. } if dropped.count() > 0 => {
                Some(format!("left out: {dropped}"))
            }
            ReadError::File { .. }
            | ReadError::Device { .. }
            | ReadError::Empty { .. }
            | ReadError::Nothing { .. }
            | ReadError::TooLarge { .. } => None,
        }
    }
}
