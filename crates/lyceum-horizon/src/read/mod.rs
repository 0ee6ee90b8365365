//! Runs, counts and dates from files that somebody else wrote: every line is checked, and what is wrong is named with
//! its line.

mod attempts;
mod counts;
mod dates;
mod lines;
mod metr_runs;
mod problem;
mod yaml;

use std::{
    fs::File,
    io::{BufReader, IsTerminal as _, Read},
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
};

pub use dates::{parse_date, read_dates};
pub use problem::{Dropped, Problem, ReadError};

pub(crate) use lines::Lines;
pub(crate) use yaml::{Node, parse as parse_yaml};

use crate::runs::{Collector, Form, Runs, Scoring};

/// Largest file that is read as a whole (YAML, tables), in bytes: METR's counts of 26 agents take one megabyte.
pub(crate) const WHOLE_FILE_MAX: u64 = 256 << 20;
/// Buffer of a file that is read line by line.
const BUFFER: usize = 1 << 20;

/// How to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The form; `None` to tell it from the file.
    pub form: Option<Form>,
    /// What counts as success.
    pub scoring: Scoring,
    /// Whether lines with a fault are counted and left out, instead of ending everything.
    pub lenient: bool,
}

/// Reads runs from a file, or from standard input for `-`.
///
/// `progress` is told the number of lines read now and then.
pub fn read(
    path: &Path,
    options: &Options,
    progress: &mut dyn FnMut(u64),
) -> Result<Runs, ReadError> {
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(open(path)?)
    };
    let mut lines = Lines::new(BufReader::with_capacity(BUFFER, source), path);
    let form = match options.form {
        Some(form) => form,
        None => form_of(path, &mut lines)?,
    };
    let mut reading = Reading {
        path,
        lenient: options.lenient,
        collector: Collector::new(options.scoring),
        dropped: Dropped::default(),
    };
    match form {
        Form::MetrRuns => metr_runs::read(&mut lines, options.scoring, &mut reading, progress)?,
        Form::Attempts => attempts::read(&mut lines, options.scoring, &mut reading, progress)?,
        Form::MetrCounts => {
            if options.scoring == Scoring::Partial {
                return Err(ReadError::NoParts {
                    path: path.to_owned(),
                });
            }
            counts::read(&lines.rest()?, &mut reading)?;
        }
    }
    let runs = reading.collector.finish(form, reading.dropped);
    if runs.agents.is_empty() {
        return Err(ReadError::Nothing {
            path: path.to_owned(),
            void: runs.void,
            dropped: runs.dropped,
        });
    }
    Ok(runs)
}

/// A file being read.
pub(crate) struct Reading<'a> {
    path: &'a Path,
    lenient: bool,
    collector: Collector,
    dropped: Dropped,
}

impl Reading<'_> {
    /// Takes what reading a line gave: a fault ends everything, or is counted.
    fn take(&mut self, line: u64, result: Result<(), Problem>) -> Result<(), ReadError> {
        match result {
            Ok(()) => Ok(()),
            Err(problem) if self.lenient => {
                self.dropped.add(line, &problem);
                Ok(())
            }
            Err(problem) => Err(ReadError::line(self.path, line, problem)),
        }
    }
}

/// Tells the form from the name of the file, else from its first character, and from the keys of the first line.
fn form_of(path: &Path, lines: &mut Lines<impl Read>) -> Result<Form, ReadError> {
    let end = path
        .extension()
        .and_then(|end| end.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    if matches!(end.as_str(), "yaml" | "yml") {
        return Ok(Form::MetrCounts);
    }
    let Some(first) = lines.peek()? else {
        return Err(ReadError::Empty {
            path: path.to_owned(),
        });
    };
    let is_json = first.trim_ascii_start().starts_with(b"{")
        || matches!(end.as_str(), "json" | "jsonl" | "ndjson");
    if !is_json {
        return Ok(Form::MetrCounts);
    }
    let object: Option<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_slice(first).ok();
    let own = object.is_some_and(|object| object.contains_key("attempt"));
    Ok(if own { Form::Attempts } else { Form::MetrRuns })
}

fn open(path: &Path) -> Result<File, ReadError> {
    let failed = |source| ReadError::File {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let kind = file.metadata().map_err(failed)?.file_type();
    if kind.is_dir() {
        return Err(ReadError::Directory {
            path: path.to_owned(),
        });
    }
    let terminal = kind.is_char_device() && file.is_terminal();
    if (kind.is_char_device() || kind.is_block_device()) && !terminal {
        return Err(ReadError::Device {
            path: path.to_owned(),
        });
    }
    Ok(file)
}

/// Reads a whole file as text, without a byte-order mark.
pub(crate) fn whole(path: &Path) -> Result<String, ReadError> {
    let mut lines = Lines::new(BufReader::new(open(path)?), path);
    lines.rest()
}

/// Returns the text of bytes, or where it stops being text.
pub(crate) fn text(path: &Path, bytes: Vec<u8>) -> Result<String, ReadError> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good]
            .split(|byte| *byte == b'\n')
            .count();
        ReadError::line(path, line as u64, Problem::NotText)
    })
}

/// Refuses a name that is empty.
pub(crate) fn named<'a>(field: &'static str, value: Option<&'a str>) -> Result<&'a str, Problem> {
    match value {
        None => Err(Problem::Missing { field }),
        Some(text) if text.trim().is_empty() => Err(Problem::Value {
            field,
            found: "an empty text".into(),
            expected: "a name",
        }),
        Some(text) => Ok(text),
    }
}

/// Longest and shortest task that is believed, in minutes: a microminute, and nineteen hundred years.
const MINUTES: std::ops::RangeInclusive<f64> = 1e-6..=1e9;

/// Refuses minutes that no task takes.
pub(crate) fn minutes(field: &'static str, value: Option<f64>) -> Result<f64, Problem> {
    match value {
        None => Err(Problem::Missing { field }),
        Some(minutes) if MINUTES.contains(&minutes) => Ok(minutes),
        Some(minutes) => Err(Problem::Value {
            field,
            found: minutes.to_string(),
            expected: "minutes between 0.000001 and 1000000000",
        }),
    }
}

/// Refuses a weight below zero.
pub(crate) fn weight(field: &'static str, value: Option<f64>) -> Result<Option<f64>, Problem> {
    match value {
        Some(weight) if !(weight >= 0.0 && weight.is_finite()) => Err(Problem::Value {
            field,
            found: weight.to_string(),
            expected: "a weight of 0 or more",
        }),
        value => Ok(value),
    }
}

/// Refuses a score outside 0 to 1.
pub(crate) fn score(field: &'static str, value: Option<f64>) -> Result<f64, Problem> {
    match value {
        None => Err(Problem::Missing { field }),
        Some(score) if (0.0..=1.0).contains(&score) => Ok(score),
        Some(score) => Err(Problem::Value {
            field,
            found: score.to_string(),
            expected: "a score from 0 to 1",
        }),
    }
}

/// The family of a task that says none: what stands before the first `/` of its name.
pub(crate) fn family_of(task: &str) -> &str {
    task.split_once('/').map_or(task, |(family, _)| family)
}

/// A path for a message.
pub(crate) fn shown(path: &Path) -> PathBuf {
    if path == Path::new("-") {
        "standard input".into()
    } else {
        path.to_owned()
    }
}
