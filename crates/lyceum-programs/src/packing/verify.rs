//! `verify-packing FILE`: answers the sum of radii of an exactly feasible packing.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::exact::{Invalid, Packing, TEXT_BYTES_MAX};
use crate::cli::{self, EXIT_BAD_INPUT, EXIT_INVALID_OUTPUT, Failure, UsageError};
use crate::{answer, files};

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
    #[error("`{}` is not a packing", path.display())]
    Packing { path: PathBuf, source: Invalid },
    #[error("cannot write the answer to descriptor 3; hint: by hand, run with `3>&1`")]
    Answer(#[source] std::io::Error),
}

impl Failure for Error {
    fn exit_code(&self) -> i32 {
        match self {
            Self::Usage(_) | Self::Read { .. } | Self::Answer(_) => EXIT_BAD_INPUT,
            Self::File(_) | Self::Packing { .. } => EXIT_INVALID_OUTPUT,
        }
    }
}

/// Runs the program and returns its exit code.
pub fn main(arguments: &[String]) -> i32 {
    cli::conclude("verify-packing", run(arguments))
}

fn run(arguments: &[String]) -> Result<(), Error> {
    let [file] = cli::exactly::<1>(arguments, "verify-packing FILE")?;
    let path = Path::new(file);
    let text = read_bounded(files::open_regular(path)?, path)?;
    let packing = Packing::parse(&text).map_err(|source| Error::Packing {
        path: path.to_owned(),
        source,
    })?;
    answer::write_answer(&[("sum_radii", packing.sum_rounded_down())]).map_err(Error::Answer)
}

/// Reads at most one byte more than a packing can have, whatever the size of the file.
fn read_bounded(file: File, path: &Path) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    file.take(TEXT_BYTES_MAX as u64 + 1)
        .read_to_end(&mut text)
        .map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
    Ok(text)
}
