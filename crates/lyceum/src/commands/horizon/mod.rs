//! `lyceum horizon`: the task length at which agents succeed half of the time, its intervals and its trend.

mod arguments;
mod fit;
mod output;
mod picture;
mod table;
mod trend;
mod words;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use lyceum_horizon::{ReadError, WeightError};

use crate::{exit::Exit, failure::Failure, view};

/// Compute time horizons: the length of task that agents complete with some probability
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A horizon is the length of task, in minutes of a skilled person, at which an agent succeeds half of the time \
(Kwa et al., arXiv 2503.14499)"
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Fit horizons to runs: table, intervals, trend, figures
    Fit(Box<fit::Arguments>),
    /// Fit the doubling time to a table of horizons that somebody published
    Trend(Box<trend::Arguments>),
}

pub(super) fn run(json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    match &arguments.what {
        What::Fit(arguments) => fit::run(json, arguments),
        What::Trend(arguments) => trend::run(json, arguments),
    }
}

fn unreadable(error: &ReadError) -> Failure {
    let mut message = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        let _ = write!(message, ": {cause}");
    }
    let failure = Failure::bad_input(words::name(&message));
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// As [`unreadable`], of a file whose lines cannot be left out.
fn unreadable_beside(error: &ReadError) -> Failure {
    let failure = unreadable(error);
    match error.hint() {
        Some(hint) if hint.contains("`--") => Failure::bad_input(failure.message()),
        _ => failure,
    }
}

fn unweighable(error: &WeightError) -> Failure {
    Failure::bad_input(error.to_string())
        .hint("`--weights root-of-family` computes the weights as METR does")
}

/// Names that are listed in a hint at most.
const LISTED_MAX: usize = 12;

fn unknown(what: &str, name: &str, place: &str, known: &[&str]) -> Failure {
    let mut listed = known[..known.len().min(LISTED_MAX)].join(", ");
    if known.len() > LISTED_MAX {
        let _ = write!(listed, " and {} more", known.len() - LISTED_MAX);
    }
    let name = words::name(name);
    Failure::bad_input(format!("{what} `{name}` is not in {place}"))
        .hint(format!("there are: {}", words::name(&listed)))
}

/// The name of a file, without the directories that only its owner knows.
fn short(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// Refuses to write over what is read, or twice to one file.
fn apart<'a>(
    inputs: impl IntoIterator<Item = &'a PathBuf>,
    outputs: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<(), Failure> {
    // A file that is not there yet has no other name; its directory may have.
    let whole = |path: &PathBuf| {
        let in_place = || {
            let parent = path.parent()?;
            let parent = if parent == Path::new("") {
                Path::new(".")
            } else {
                parent
            };
            Some(parent.canonicalize().ok()?.join(path.file_name()?))
        };
        path.canonicalize()
            .ok()
            .or_else(in_place)
            .unwrap_or_else(|| path.clone())
    };
    let mut taken: Vec<PathBuf> = inputs.into_iter().map(whole).collect();
    for path in outputs {
        let place = whole(path);
        // Devices such as /dev/null and pipes keep nothing that could be lost.
        let keeps = place.metadata().map_or(true, |found| found.is_file());
        if keeps && taken.contains(&place) {
            let path = path.display();
            let message =
                format!("`{path}` is named twice: to be written, and to be read or written");
            return Err(Failure::bad_input(message).hint("give every output a file of its own"));
        }
        taken.push(place);
    }
    Ok(())
}

fn write_file(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text)
        .map_err(|error| Failure::bad_input(format!("cannot write `{}`: {error}", path.display())))
}

/// Says how far long work is, on standard error: nothing in the first two seconds, then every two.
struct Progress {
    spoken: Instant,
}

const SPEAK_EVERY: Duration = Duration::from_secs(2);

impl Progress {
    fn new() -> Progress {
        Progress {
            spoken: Instant::now(),
        }
    }

    fn say(&mut self, text: impl FnOnce() -> String) {
        if self.spoken.elapsed() >= SPEAK_EVERY {
            self.spoken = Instant::now();
            view::note(&text());
        }
    }
}
