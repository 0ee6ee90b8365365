//! `null-evaluate FILE`: answers the candidate's number.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::cli::{self, EXIT_BAD_INPUT, EXIT_INVALID_OUTPUT, Failure, UsageError};
use crate::{answer, files};

/// Longest text of a number, generously.
const TEXT_BYTES_MAX: usize = 64;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error(transparent)]
    File(#[from] files::Refused),
    #[error("cannot read `{}`", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("`{}` must hold one finite number, found: {found:?}", path.display())]
    Number { path: PathBuf, found: String },
    #[error("cannot write the answer to descriptor 3; hint: by hand, run with `3>&1`")]
    Answer(#[source] std::io::Error),
}

impl Failure for Error {
    fn exit_code(&self) -> i32 {
        match self {
            Self::Usage(_) | Self::Read { .. } | Self::Answer(_) => EXIT_BAD_INPUT,
            Self::File(_) | Self::Number { .. } => EXIT_INVALID_OUTPUT,
        }
    }
}

/// Runs the program and returns its exit code.
pub fn main(arguments: &[String]) -> i32 {
    cli::conclude("null-evaluate", run(arguments))
}

fn run(arguments: &[String]) -> Result<(), Error> {
    let [file] = cli::exactly::<1>(arguments, "null-evaluate FILE")?;
    let path = Path::new(file);
    let mut bytes = Vec::new();
    files::open_regular(path)?
        .take(TEXT_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
    let text = String::from_utf8_lossy(&bytes);
    let number = text
        .trim_ascii()
        .parse::<f64>()
        .ok()
        .filter(|number| number.is_finite());
    let number = match number {
        Some(number) if bytes.len() <= TEXT_BYTES_MAX => number,
        _ => {
            return Err(Error::Number {
                path: path.to_owned(),
                found: text.into_owned(),
            });
        }
    };
    answer::write_answer(&[("value", number)]).map_err(Error::Answer)
}
