//! Why one of the study's programs stopped, and its exit code.

use std::path::{Path, PathBuf};

use lyceum_train::checkpoint::{ReadError, WriteError};
use lyceum_train::transformer::ConfigError;
use thiserror::Error;

use crate::cli::{self, EXIT_BAD_INPUT, EXIT_INVALID_OUTPUT, UsageError};
use crate::files::Refused;

/// Why one of the study's programs stopped.
#[derive(Debug, Error)]
pub enum Failure {
    /// The command line or the environment is wrong.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// A file of the study cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// An output cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A settings file is not the TOML that is expected.
    #[error("cannot understand `{}`", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// The cause, with its line.
        #[source]
        source: Box<toml_edit::de::Error>,
    },
    /// A setting is out of its range.
    #[error("{name} must be {expected}, found {found} in `{}`", path.display())]
    Setting {
        /// The file.
        path: PathBuf,
        /// The key.
        name: &'static str,
        /// The range in words.
        expected: &'static str,
        /// The value.
        found: f64,
    },
    /// The sizes of the network are impossible.
    #[error("the network cannot be built")]
    Config(#[from] ConfigError),
    /// The recipe asks for more memory than a run may take.
    #[error(
        "the recipe needs about {needed_mib} MiB, at most {most_mib} MiB are allowed; \
         hint: lower width, depth, batch or context"
    )]
    Memory {
        /// The estimate.
        needed_mib: u128,
        /// The bound.
        most_mib: u128,
    },
    /// A text is too short.
    #[error("`{}` holds {found} bytes, expected at least {least}", path.display())]
    Short {
        /// The file.
        path: PathBuf,
        /// The bytes it holds.
        found: u64,
        /// What is needed.
        least: u64,
    },
    /// A text is too long.
    #[error("`{}` holds {found} bytes, expected at most {most}", path.display())]
    Long {
        /// The file.
        path: PathBuf,
        /// The bytes it holds.
        found: u64,
        /// The bound.
        most: u64,
    },
    /// The loss is not a number any more.
    #[error(
        "training diverged: loss is {loss} at step {step} of {steps}; \
         hint: lower learning_rate or raise warmup"
    )]
    Diverged {
        /// The loss.
        loss: f64,
        /// The step, from 1.
        step: u64,
        /// The planned steps.
        steps: u64,
    },
    /// A trained model could not be encoded.
    #[error("cannot encode the model")]
    Encode(#[from] WriteError),
    /// The candidate's model file cannot be opened.
    #[error("no model to evaluate")]
    NoModel(#[from] Refused),
    /// The candidate's model file is not a model.
    #[error("`{}` is not a model", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: ReadError,
    },
    /// The candidate's model takes too much memory to evaluate.
    #[error("`{}` needs about {needed_mib} MiB to evaluate, at most {most_mib} are allowed", path.display())]
    ModelMemory {
        /// The file.
        path: PathBuf,
        /// The estimate.
        needed_mib: u128,
        /// The bound.
        most_mib: u128,
    },
    /// The answer could not be given.
    #[error("cannot write the answer to descriptor 3; hint: by hand, add `3>&1`")]
    Answer(#[source] std::io::Error),
}

impl cli::Failure for Failure {
    fn exit_code(&self) -> i32 {
        match self {
            Self::Usage(_)
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Settings { .. }
            | Self::Setting { .. }
            | Self::Config(_)
            | Self::Memory { .. }
            | Self::Short { .. }
            | Self::Long { .. }
            | Self::Encode(_)
            | Self::Answer(_) => EXIT_BAD_INPUT,
            Self::Diverged { .. }
            | Self::NoModel(_)
            | Self::Model { .. }
            | Self::ModelMemory { .. } => EXIT_INVALID_OUTPUT,
        }
    }
}

/// Reads a file of the study of at most `most` bytes.
pub(super) fn read_bytes(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let failed = |source| Failure::Read {
        path: path.to_owned(),
        source,
    };
    let found = std::fs::metadata(path).map_err(failed)?.len();
    if found > most {
        return Err(Failure::Long {
            path: path.to_owned(),
            found,
            most,
        });
    }
    std::fs::read(path).map_err(failed)
}

/// Reads a settings file.
pub(super) fn read_settings<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    /// Settings are a page of text.
    const MOST: u64 = 1 << 20;
    let bytes = read_bytes(path, MOST)?;
    toml_edit::de::from_slice(&bytes).map_err(|source| Failure::Settings {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

/// Writes an output.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|source| Failure::Write {
        path: path.to_owned(),
        source,
    })
}
