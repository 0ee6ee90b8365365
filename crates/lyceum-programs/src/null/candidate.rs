//! `null-candidate SETTINGS.toml`: writes a number whose distribution no setting changes.
//!
//! The noise is drawn anew for each seed *and* each settings, as a real training run is chaotic in both: settings differ
//! from run to run, and a lab that believes one lucky draw finds an "improvement" that is not there.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::cli::{self, EXIT_BAD_INPUT, Failure, UsageError};
use crate::random::Random;

/// The file that is written into the outputs directory.
pub const OUTPUT: &str = "number.txt";

/// Mean of the number.
pub const MEAN: f64 = 10.0;

/// Standard deviation of the number over seeds.
pub const DEVIATION: f64 = 1.0;

/// Three knobs. They are read and checked like real ones, and move nothing but the draw.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// From 0 to 1; without effect.
    pub first: f64,
    /// From 0 to 1; without effect.
    pub second: f64,
    /// From 0 to 1; without effect.
    pub third: f64,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error("cannot read settings file `{}`", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("settings file `{}` is not valid", path.display())]
    Parse {
        path: PathBuf,
        source: Box<toml_edit::de::Error>,
    },
    #[error("setting `{key}` must be from 0 to 1, found: {found}")]
    Range { key: &'static str, found: f64 },
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
    cli::conclude("null-candidate", run(arguments))
}

fn run(arguments: &[String]) -> Result<(), Error> {
    let [file] = cli::exactly::<1>(arguments, "null-candidate SETTINGS.toml")?;
    let settings = read(Path::new(file))?;
    let (seed, path) = (cli::seed()?, cli::outputs()?.join(OUTPUT));
    std::fs::write(&path, format!("{:?}\n", number(seed, settings)))
        .map_err(|source| Error::Write { path, source })
}

/// Returns the number of a seed and settings: normal, with one mean and one deviation whatever the settings are.
pub fn number(seed: u64, settings: Settings) -> f64 {
    let Settings {
        first,
        second,
        third,
    } = settings;
    let stream = format!("null {first:?} {second:?} {third:?}");
    MEAN + DEVIATION * Random::for_purpose(seed, &stream).normal()
}

fn read(path: &Path) -> Result<Settings, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    let settings: Settings = toml_edit::de::from_str(&text).map_err(|source| Error::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    let Settings {
        first,
        second,
        third,
    } = settings;
    for (key, found) in [("first", first), ("second", second), ("third", third)] {
        if !(0.0..=1.0).contains(&found) {
            return Err(Error::Range { key, found });
        }
    }
    Ok(settings)
}
