//! What can be wrong with a knob's value or with the file that holds it.

use std::{fmt, io};

use lyceum_types::SpaceError;

use crate::format::{did_you_mean, escaped, one_of};

/// Why a file of a knob cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileProblem {
    /// There is none.
    Missing,
    /// It is a directory, a link or something special.
    NotPlain,
    /// It is larger than the limit in bytes.
    TooBig(u64),
    /// It is not UTF-8.
    NotUtf8,
    /// It is not valid TOML or JSON.
    Syntax(String),
    /// The system refused.
    Unreadable(io::ErrorKind),
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileProblem::Missing => f.write_str("it does not exist in the workspace"),
            FileProblem::NotPlain => f.write_str("it is not a plain file"),
            FileProblem::TooBig(limit) => write!(f, "it is larger than {limit} bytes"),
            FileProblem::NotUtf8 => f.write_str("it is not UTF-8 text"),
            FileProblem::Syntax(message) => f.write_str(&escaped(message)),
            FileProblem::Unreadable(kind) => write!(f, "{kind}"),
        }
    }
}

impl From<io::Error> for FileProblem {
    fn from(error: io::Error) -> FileProblem {
        match error.kind() {
            io::ErrorKind::NotFound => FileProblem::Missing,
            kind => FileProblem::Unreadable(kind),
        }
    }
}

/// Why a knob's value cannot be read or written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the message of each variant says what its fields hold"
)]
pub enum Error {
    #[error("knob `{knob}`: file \"{}\" cannot be used: {problem}", escaped(.file))]
    File {
        knob: String,
        file: String,
        problem: FileProblem,
    },
    #[error("knob `{knob}`: file \"{}\" has no key `{}`", escaped(.file), escaped(.key))]
    NoKey {
        knob: String,
        file: String,
        key: String,
        known: Vec<String>,
    },
    #[error("knob `{knob}`: file \"{}\" has key `{}` more than once", escaped(.file), escaped(.key))]
    KeyTwice {
        knob: String,
        file: String,
        key: String,
    },
    #[error("knob `{knob}`: \"{}\" is not a key path: {message}", escaped(.key))]
    KeyPath {
        knob: String,
        key: String,
        message: String,
    },
    #[error("knob `{knob}`: {place} is {found}")]
    Type {
        knob: String,
        place: String,
        found: String,
        expected: String,
    },
    #[error("knob `{knob}`: its start value is outside its values: {place} is {found}")]
    Start {
        knob: String,
        place: String,
        found: String,
        expected: String,
    },
    #[error("knob `{knob}`: template \"{}\" has no `{{{{{knob}}}}}`", escaped(.template))]
    NotInTemplate { knob: String, template: String },
    #[error("template \"{}\" has `{{{{{}}}}}`, which is not a knob written with it", escaped(.template), escaped(.found))]
    TemplateUnknown {
        template: String,
        found: String,
        known: Vec<String>,
    },
    #[error(transparent)]
    Space(SpaceError),
    #[error("knob `{knob}`: the value {value} written to file \"{}\" does not read back", escaped(.file))]
    NotReadBack {
        knob: String,
        file: String,
        value: String,
    },
}

impl Error {
    /// Returns what would be right.
    pub fn expected(&self) -> Option<String> {
        match self {
            Error::NoKey { known, .. } | Error::TemplateUnknown { known, .. } => {
                (!known.is_empty()).then(|| one_of(known, "`"))
            }
            Error::Type { expected, .. } | Error::Start { expected, .. } => Some(expected.clone()),
            Error::File { .. }
            | Error::KeyTwice { .. }
            | Error::KeyPath { .. }
            | Error::NotInTemplate { .. }
            | Error::Space(_)
            | Error::NotReadBack { .. } => None,
        }
    }

    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::NoKey { key, known, .. } => {
                let leaf = key.rsplit('.').next().unwrap_or(key);
                did_you_mean(leaf, known).or_else(|| {
                    Some("the key must stand in the file before it can be turned".to_owned())
                })
            }
            Error::TemplateUnknown { found, known, .. } => did_you_mean(found, known),
            Error::File {
                problem: FileProblem::Missing,
                ..
            } => Some("paths are relative to the workspace".to_owned()),
            Error::Start { .. } => Some("widen the knob, or begin with another value".to_owned()),
            Error::File { .. }
            | Error::KeyTwice { .. }
            | Error::KeyPath { .. }
            | Error::Type { .. }
            | Error::NotInTemplate { .. }
            | Error::Space(_)
            | Error::NotReadBack { .. } => None,
        }
    }
}
