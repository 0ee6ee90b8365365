//! The lab's own exam results: one JSON object an attempt. The form is documented in `docs/time-horizon.md`.

use std::io::Read;

use serde::Deserialize;

use super::{
    Lines, Problem, ReadError, Reading, family_of,
    metr_runs::{Name, PROGRESS_EVERY, parse},
    minutes, named, parse_date, score,
};
use crate::runs::{Entry, Scoring};

/// An attempt. A key that is not here is a fault: the lab writes these files itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    attempt: Option<Name>,
    agent: Option<String>,
    task: Option<String>,
    family: Option<String>,
    human_minutes: Option<f64>,
    success: Option<bool>,
    score: Option<f64>,
    void: Option<String>,
    released: Option<String>,
}

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
    let task = named("task", row.task.as_deref())?;
    let family = match row.family.as_deref() {
        None => family_of(task),
        given => named("family", given)?,
    };
    let released = match row.released.as_deref() {
        None => None,
        Some(text) => Some(parse_date("released", text)?),
    };
    let void = row.void.is_some();
    if void && (row.success.is_some() || row.score.is_some()) {
        return Err(Problem::Value {
            field: "void",
            found: "given beside a result".into(),
            expected: "either a reason why the attempt measured nothing, or `success` and `score`",
        });
    }
    if let Some(reason) = row.void.as_deref()
        && reason.trim().is_empty()
    {
        return Err(Problem::Value {
            field: "void",
            found: "an empty text".into(),
            expected: "a reason why the attempt measured nothing",
        });
    }
    if row.score.is_some() {
        score("score", row.score)?;
    }
    let score = match (void, scoring) {
        (true, _) => 0.0,
        (false, Scoring::Binary) => match row.success {
            Some(success) => f64::from(u8::from(success)),
            None => return Err(Problem::Missing { field: "success" }),
        },
        (false, Scoring::Partial) => score("score", row.score)?,
    };
    let entry = Entry {
        agent: named("agent", row.agent.as_deref())?,
        task,
        family,
        minutes: minutes("human_minutes", row.human_minutes)?,
        runs: 1,
        score,
        weight: None,
        released,
    };
    let id = named("attempt", row.attempt.as_ref().map(Name::text))?;
    if void {
        reading.collector.void(line, ("attempt", id), &entry)
    } else {
        reading.collector.add_named(line, ("attempt", id), &entry)
    }
}
