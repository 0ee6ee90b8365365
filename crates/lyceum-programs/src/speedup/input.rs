//! `step-input SEED FILE`: writes a fresh network, batch and targets.

use std::path::{Path, PathBuf};

use super::format::{BATCH, HIDDEN, INPUTS, MAGIC, OUTPUTS, RATE, STEPS};
use crate::cli::{self, EXIT_BAD_INPUT, Failure, UsageError};
use crate::random::Random;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error("cannot write `{}`", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl Failure for Error {
    fn exit_code(&self) -> i32 {
        EXIT_BAD_INPUT
    }
}

/// Runs the program and returns its exit code.
pub fn main(arguments: &[String]) -> i32 {
    cli::conclude("step-input", run(arguments))
}

fn run(arguments: &[String]) -> Result<(), Error> {
    let [seed, file] = cli::exactly::<2>(arguments, "step-input SEED FILE")?;
    let seed = cli::parse_seed("SEED", seed)?;
    let path = Path::new(file);
    std::fs::write(path, draw(seed, STEPS)).map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

/// Returns the input of `seed`: weights scaled by the fan-in, standard normal data, and targets that a
/// random linear teacher gives, so that there is something to learn.
pub fn draw(seed: u64, steps: usize) -> Vec<u8> {
    let mut random = Random::for_purpose(seed, "step input");
    let mut bytes = MAGIC.to_vec();
    for size in [INPUTS, HIDDEN, OUTPUTS, BATCH, steps] {
        bytes.extend((size as u32).to_le_bytes());
    }
    bytes.extend(RATE.to_le_bytes());
    let scale = |fan_in: usize| (2.0 / fan_in as f64).sqrt();
    let mut normals = |count: usize, scale: f64| -> Vec<f64> {
        (0..count).map(|_| scale * random.normal()).collect()
    };
    let tensors = [
        normals(HIDDEN * INPUTS, scale(INPUTS)),
        normals(HIDDEN, 0.1),
        normals(OUTPUTS * HIDDEN, scale(HIDDEN)),
        normals(OUTPUTS, 0.1),
    ];
    let data = normals(BATCH * INPUTS, 1.0);
    let teacher = normals(OUTPUTS * INPUTS, scale(INPUTS));
    let targets = data.chunks_exact(INPUTS).flat_map(|example| {
        teacher
            .chunks_exact(INPUTS)
            .map(move |row| row.iter().zip(example).map(|(w, x)| w * x).sum::<f64>())
    });
    let all = tensors
        .iter()
        .flatten()
        .copied()
        .chain(data.iter().copied())
        .chain(targets);
    bytes.extend(all.flat_map(|value| (value as f32).to_le_bytes()));
    bytes
}
