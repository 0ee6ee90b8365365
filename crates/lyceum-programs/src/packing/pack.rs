//! `pack SETTINGS.toml [--cpu-seconds S | --evaluations N]`: searches and writes `packing.txt`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::search::{Found, Limit, search};
use super::settings::{Settings, SettingsError};
use crate::cli::{self, EXIT_BAD_INPUT, Failure, UsageError};

const USAGE: &str = "pack SETTINGS.toml [--cpu-seconds SECONDS | --evaluations COUNT]";

/// The file that is written into the outputs directory.
pub const OUTPUT: &str = "packing.txt";

/// CPU seconds without an option.
const CPU_SECONDS: f64 = 5.0;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("`{option}` must be {expected}, found: {found}")]
    Limit {
        option: &'static str,
        expected: &'static str,
        found: String,
    },
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
    cli::conclude("pack", run(arguments))
}

fn run(arguments: &[String]) -> Result<(), Error> {
    let (file, limit) = parse(arguments)?;
    let settings = Settings::read(Path::new(file))?;
    let (seed, outputs) = (cli::seed()?, cli::outputs()?);
    let found = search(&settings, limit, seed);
    let path = outputs.join(OUTPUT);
    std::fs::write(&path, found.best.to_string())
        .map_err(|source| Error::Write { path, source })?;
    log(&found);
    Ok(())
}

fn parse(arguments: &[String]) -> Result<(&str, Limit), Error> {
    match arguments {
        [file] => Ok((file, Limit::CpuTime(Duration::from_secs_f64(CPU_SECONDS)))),
        [file, option, value] if option == "--cpu-seconds" => match value.parse::<f64>() {
            Ok(seconds) if (0.0..=1e6).contains(&seconds) => {
                Ok((file, Limit::CpuTime(Duration::from_secs_f64(seconds))))
            }
            _ => Err(Error::Limit {
                option: "--cpu-seconds",
                expected: "a number from 0 to 1000000",
                found: value.clone(),
            }),
        },
        [file, option, value] if option == "--evaluations" => match value.parse() {
            Ok(count) => Ok((file, Limit::Evaluations(count))),
            Err(_) => Err(Error::Limit {
                option: "--evaluations",
                expected: "a whole number",
                found: value.clone(),
            }),
        },
        other => Err(UsageError::Arguments {
            expected: USAGE,
            found: other.to_vec(),
        }
        .into()),
    }
}

/// Tells what the search did; the number is for the reader, the verifier measures its own.
fn log(found: &Found) {
    let mut stdout = std::io::stdout().lock();
    // A closed stdout is no reason to fail: the packing is written.
    let _ = writeln!(
        stdout,
        "{} starts, {} hops, {} polishes, {} evaluations; sum of radii {:.10}",
        found.starts,
        found.hops,
        found.polishes,
        found.evaluations,
        found.best.sum_rounded_down()
    );
}
