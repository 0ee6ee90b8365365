//! METR's runs: one JSON object a line.
//!
//! Fields as of January 2025 (`score`) and since (`score_cont`, `task_source`, `scaffold`) differ; what the horizon needs
//! is in both: `run_id`, `alias`, `task_id`, `task_family`, `human_minutes`, `score_binarized`.

use std::{fmt, io::Read};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

use super::{Lines, Problem, ReadError, Reading, family_of, minutes, named, score, weight};
use crate::runs::{Entry, Scoring};

/// The fields that are read; others are METR's own affair.
#[derive(Deserialize)]
struct Row {
    run_id: Option<Name>,
    alias: Option<String>,
    task_id: Option<String>,
    task_family: Option<String>,
    human_minutes: Option<f64>,
    score_binarized: Option<f64>,
    score_cont: Option<f64>,
    score: Option<f64>,
    equal_task_weight: Option<f64>,
    invsqrt_task_weight: Option<f64>,
}

/// Lines between two words on the progress.
pub(super) const PROGRESS_EVERY: u64 = 1 << 16;

pub(super) fn read(
    lines: &mut Lines<impl Read>,
    scoring: Scoring,
    reading: &mut Reading<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), ReadError> {
    while let Some(line) = lines.next()? {
        let number = line.number;
        let result = line
            .bytes
            .and_then(|bytes| row(bytes, number, scoring, reading));
        reading.take(number, result)?;
        if number.is_multiple_of(PROGRESS_EVERY) {
            progress(number);
        }
    }
    Ok(())
}

fn row(
    bytes: &[u8],
    line: u64,
    scoring: Scoring,
    reading: &mut Reading<'_>,
) -> Result<(), Problem> {
    let row: Row = parse(bytes)?;
    let task = named("task_id", row.task_id.as_deref())?;
    let family = match row.task_family.as_deref() {
        None => family_of(task),
        given => named("task_family", given)?,
    };
    let binary = binary(row.score_binarized);
    let entry = Entry {
        agent: named("alias", row.alias.as_deref())?,
        task,
        family,
        minutes: minutes("human_minutes", row.human_minutes)?,
        runs: 1,
        score: match scoring {
            Scoring::Binary => binary?,
            Scoring::Partial => score("score_cont", row.score_cont.or(row.score))?,
        },
        weight: weight("invsqrt_task_weight", row.invsqrt_task_weight)?,
        released: None,
    };
    weight("equal_task_weight", row.equal_task_weight)?;
    let id = named("run_id", row.run_id.as_ref().map(Name::text))?;
    reading.collector.add_named(line, ("run id", id), &entry)
}

fn binary(value: Option<f64>) -> Result<f64, Problem> {
    match score("score_binarized", value)? {
        whole if whole.fract() == 0.0 => Ok(whole),
        part => Err(Problem::Value {
            field: "score_binarized",
            found: part.to_string(),
            expected: "0 or 1",
        }),
    }
}

/// Parses a line as one JSON object.
pub(super) fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::NotText)?;
    if !text.trim_start().starts_with('{') {
        // Structures can be read from arrays too, whose fields have no names.
        return Err(Problem::Json {
            message: "expected a JSON object, `{ … }`".into(),
        });
    }
    serde_json::from_str(text).map_err(|error| {
        let said = error.to_string();
        let message = said.split(" at line ").next().unwrap_or(&said);
        Problem::Json {
            message: format!("{message}, column {}", error.column()),
        }
    })
}

/// A name that may be written as a whole number: METR's runs of short tasks have such.
pub(super) struct Name(String);

impl Name {
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Name, E> {
                Ok(Name(text.to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Name, E> {
                Ok(Name(number.to_string()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Name, E> {
                Ok(Name(number.to_string()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
