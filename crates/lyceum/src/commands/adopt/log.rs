//! Reading the table that an autoresearch session keeps: a line for each experiment, columns parted by tabs.

use std::{fs, path::Path};

use crate::failure::Failure;

/// A log larger than this is not the log of a session.
const BYTES_MAX: u64 = 64 << 20;

/// A session's log.
#[derive(Debug)]
pub(super) struct Log {
    /// Name of the metric's column.
    pub(super) metric: String,
    /// Its experiments, in order.
    pub(super) rows: Vec<Row>,
}

/// One experiment.
#[derive(Debug)]
pub(super) struct Row {
    /// Line in the file, from 1.
    pub(super) line: usize,
    /// Short name of the commit.
    pub(super) commit: String,
    /// The metric; `None` for a crash, whatever number the log holds.
    pub(super) value: Option<f64>,
    /// What the session did with it.
    pub(super) status: Status,
    /// The change in words.
    pub(super) description: String,
}

/// What a session did with an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// The next one builds on it.
    Keep,
    /// It was put back.
    Discard,
    /// It gave no number.
    Crash,
}

impl Row {
    /// Tells whether by its own words the change is a change of seed and nothing else.
    pub(super) fn changes_the_seed(&self) -> bool {
        let text = self.description.to_lowercase();
        let about = [
            "random",
            "seed",
            "to",
            "from",
            "change",
            "changed",
            "new",
            "different",
            "the",
        ];
        let mut words = text.split_whitespace().peekable();
        let known = |word: &str| about.contains(&word) || word.parse::<u64>().is_ok();
        text.split_whitespace().any(|word| word == "seed") && words.all(known)
    }
}

/// Columns by place.
struct Columns {
    commit: usize,
    metric: usize,
    status: usize,
    description: usize,
    count: usize,
}

/// Reads a log; every line is understood or refused.
pub(super) fn read(path: &Path, metric: Option<&str>) -> Result<Log, Failure> {
    let shown = path.display();
    let cannot =
        |error: std::io::Error| Failure::bad_input(format!("cannot read `{shown}`: {error}"));
    let found = fs::metadata(path).map_err(cannot)?;
    if !found.is_file() {
        let problem = format!(
            "`{shown}` is not a file; expected the table of a session, such as `results.tsv`"
        );
        return Err(Failure::bad_input(problem));
    }
    if found.len() > BYTES_MAX {
        let problem = format!(
            "`{shown}` has {} bytes; expected at most {BYTES_MAX}",
            found.len()
        );
        return Err(Failure::bad_input(problem));
    }
    let text = fs::read_to_string(path).map_err(cannot)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let Some((_, head)) = lines.next() else {
        return Err(Failure::bad_input(format!(
            "`{shown}` is empty; expected a line with the columns' names"
        )));
    };
    let (columns, metric) = columns(head, metric).map_err(|problem| at(path, 1, &problem))?;
    let rows = lines.map(|(index, line)| {
        row(line, index + 1, &columns).map_err(|problem| at(path, index + 1, &problem))
    });
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    if rows.is_empty() {
        return Err(Failure::bad_input(format!("`{shown}` holds no experiment")));
    }
    Ok(Log { metric, rows })
}

fn at(path: &Path, line: usize, problem: &str) -> Failure {
    Failure::bad_input(format!("{}:{line}: {problem}", path.display()))
}

fn columns(head: &str, metric: Option<&str>) -> Result<(Columns, String), String> {
    let names: Vec<&str> = head.split('\t').map(str::trim).collect();
    let place = |name: &str| {
        let found = names.iter().position(|one| *one == name);
        found.ok_or_else(|| format!("no column `{name}`; found {}", names.join(", ")))
    };
    let columns = Columns {
        commit: place("commit")?,
        metric: metric.map_or(Ok(1), place)?,
        status: place("status")?,
        description: place("description")?,
        count: names.len(),
    };
    let metric = names.get(columns.metric).copied().unwrap_or_default();
    if ["", "commit", "status", "description"].contains(&metric) {
        return Err(format!(
            "the second column is `{metric}`; name the metric's column with `--metric`"
        ));
    }
    Ok((columns, metric.to_owned()))
}

fn row(line: &str, number: usize, columns: &Columns) -> Result<Row, String> {
    let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
    if cells.len() != columns.count {
        return Err(format!(
            "{} columns; the first line has {}",
            cells.len(),
            columns.count
        ));
    }
    let status = match cells[columns.status] {
        "keep" => Status::Keep,
        "discard" => Status::Discard,
        "crash" => Status::Crash,
        other => return Err(format!("status `{other}`; expected keep, discard or crash")),
    };
    let value = match (status, cells[columns.metric].parse::<f64>()) {
        (Status::Crash, _) => None,
        (_, Ok(value)) if value.is_finite() => Some(value),
        _ => {
            return Err(format!(
                "the metric is `{}`; expected a number",
                cells[columns.metric]
            ));
        }
    };
    Ok(Row {
        line: number,
        commit: cells[columns.commit].to_owned(),
        value,
        status,
        description: cells[columns.description].to_owned(),
    })
}
