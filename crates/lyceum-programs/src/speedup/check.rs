//! `step-check BASELINE CANDIDATE`: do two steps compute the same weights?

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::format::{OUTPUT_BYTES, TENSORS};
use crate::cli::{self, EXIT_BAD_INPUT, EXIT_INVALID_OUTPUT, Failure, UsageError};
use crate::{answer, files};

/// Largest difference of one weight, as a share of the root mean square of its tensor.
///
/// Another order of summation and fused multiply-add give about 1e-6 after all steps; leaving out the
/// last step gives at least 1e-2 (a test measures both).
pub const TOLERANCE: f64 = 1e-4;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error("the baseline's output cannot be used")]
    Baseline(#[source] Unusable),
    #[error("the candidate's output is not valid")]
    Candidate(#[source] Unusable),
    #[error("the candidate computes something else")]
    Differs(#[source] Differs),
    #[error("cannot write the answer to descriptor 3; hint: by hand, run with `3>&1`")]
    Answer(#[source] std::io::Error),
}

impl Failure for Error {
    fn exit_code(&self) -> i32 {
        match self {
            Self::Usage(_) | Self::Baseline(_) | Self::Answer(_) => EXIT_BAD_INPUT,
            Self::Candidate(_) | Self::Differs(_) => EXIT_INVALID_OUTPUT,
        }
    }
}

/// Why a file is not the output of a step.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be opened.
    #[error(transparent)]
    File(#[from] files::Refused),
    /// It cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Its size is wrong.
    #[error("`{}` must have exactly {OUTPUT_BYTES} bytes, found: {found}", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size, or one byte more than expected when it is larger.
        found: usize,
    },
    /// It holds a value that is no number.
    #[error("weight {index} of `{}` is not finite: {found}", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Which value, from 0.
        index: usize,
        /// The value.
        found: f32,
    },
}

/// Where two outputs differ most.
#[derive(Debug, thiserror::Error)]
#[error(
    "{tensor}: the largest difference is {found:.3e} of the root mean square, allowed: {TOLERANCE:e}"
)]
pub struct Differs {
    /// The tensor.
    pub tensor: &'static str,
    /// The difference as a share of the tensor's root mean square.
    pub found: f64,
}

/// Runs the program and returns its exit code.
pub fn main(arguments: &[String]) -> i32 {
    cli::conclude("step-check", run(arguments))
}

fn run(arguments: &[String]) -> Result<(), Error> {
    let [baseline, candidate] = cli::exactly::<2>(arguments, "step-check BASELINE CANDIDATE")?;
    let baseline = read(Path::new(baseline)).map_err(Error::Baseline)?;
    let candidate = read(Path::new(candidate)).map_err(Error::Candidate)?;
    let worst = difference(&baseline, &candidate);
    if worst.found > TOLERANCE {
        return Err(Error::Differs(worst));
    }
    answer::write_answer(&[("agree", 1.0), ("difference", worst.found)]).map_err(Error::Answer)
}

/// Reads the weights of an output: exactly as many as a step writes, all finite.
pub fn read(path: &Path) -> Result<Vec<f32>, Unusable> {
    let mut bytes = Vec::new();
    files::open_regular(path)?
        .take(OUTPUT_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Unusable::Read {
            path: path.to_owned(),
            source,
        })?;
    if bytes.len() != OUTPUT_BYTES {
        return Err(Unusable::Size {
            path: path.to_owned(),
            found: bytes.len(),
        });
    }
    let (words, _) = bytes.as_chunks::<4>();
    let weights: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    match weights.iter().position(|weight| !weight.is_finite()) {
        Some(index) => {
            let found = weights[index];
            Err(Unusable::NotFinite {
                path: path.to_owned(),
                index,
                found,
            })
        }
        None => Ok(weights),
    }
}

/// Returns the tensor with the largest relative difference. Both must come from [`read`].
pub fn difference(baseline: &[f32], candidate: &[f32]) -> Differs {
    let mut worst = Differs {
        tensor: TENSORS[0].0,
        found: 0.0,
    };
    let mut offset = 0;
    for (tensor, length) in TENSORS {
        let (a, b) = (
            &baseline[offset..offset + length],
            &candidate[offset..offset + length],
        );
        offset += length;
        let mean_square = a.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / length as f64;
        let largest = a
            .iter()
            .zip(b)
            .map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs())
            .fold(0.0, f64::max);
        // An all-zero baseline allows no difference at all.
        let found = if largest == 0.0 {
            0.0
        } else {
            largest / mean_square.sqrt()
        };
        if found > worst.found {
            worst = Differs { tensor, found };
        }
    }
    worst
}
