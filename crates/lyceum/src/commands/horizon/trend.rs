//! `lyceum horizon trend`: the doubling time of a published table, beside the one that was published.

use std::path::PathBuf;

use lyceum_horizon::{
    Point, Table, Trend,
    compare::percent as percent_name,
    published::{Estimate, read_draws, read_table},
    trend,
};
use serde_json::json;

use super::{
    apart,
    arguments::{Trending, days, percent},
    fit::entry_of,
    output, picture, short,
    table::{self, Entry},
    unreadable_beside,
    words::{columns, name, with_interval},
    write_file,
};
use crate::{exit::Exit, failure::Failure, view::visible};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Published horizons: METR's `benchmark_results_*.yaml`, its fits as CSV, or CSV with `model, release_date, p50, …`
    table: PathBuf,
    /// METR's resamples of these agents, CSV with a column `AGENT_p50` each: the interval of the doubling time
    #[arg(long, value_name = "FILE")]
    draws: Option<PathBuf>,
    /// Probability of success, in percent: 50 or 80
    #[arg(long, value_name = "PERCENT", default_value = "50", value_parser = percent)]
    success: f64,
    #[command(flatten)]
    trending: Trending,
    /// A published doubling time in days, for the last trend [default: those in the table]
    #[arg(long, value_name = "DAYS", value_parser = days)]
    against: Option<f64>,
    /// Write the figure of horizons over release dates as SVG
    #[arg(long, value_name = "FILE")]
    figure: Option<PathBuf>,
}

/// Coverage of the intervals that METR publishes.
const CONFIDENCE: f64 = 0.95;
/// A doubling time is a published one within this share: METR prints three decimals.
const SAME: f64 = 1e-5;

/// A published doubling time beside ours.
struct Beside {
    name: String,
    ours: f64,
    published: f64,
}

impl Beside {
    fn relative(&self) -> f64 {
        (self.ours - self.published) / self.published
    }
}

pub(super) fn run(json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let inputs = [Some(&arguments.table), arguments.draws.as_ref()];
    apart(inputs.into_iter().flatten(), arguments.figure.as_ref())?;
    let table = read_table(&arguments.table).map_err(|error| unreadable_beside(&error))?;
    let mut entries: Vec<Entry> = table
        .rows
        .iter()
        .map(|row| entry_of(row, arguments.success))
        .collect();
    table::mark_frontier(&mut entries);
    let trends = trends(arguments, &entries)?;
    let beside = beside(arguments, &table, &trends);
    if let Some(path) = &arguments.figure {
        let about = format!("{} agents of {}", entries.len(), short(&arguments.table));
        let notes = notes();
        let svg = picture::timeline(
            &entries,
            trends.last(),
            arguments.success,
            CONFIDENCE,
            &about,
            notes,
        );
        write_file(path, &svg)?;
    }
    if json {
        print_json(arguments, &entries, &trends, &beside)?;
    } else {
        print(arguments, &entries, &trends, &beside)?;
    }
    let same = beside.iter().all(|one| one.relative().abs() <= SAME);
    Ok(if same { Exit::Done } else { Exit::Unsatisfied })
}

fn trends(arguments: &Arguments, entries: &[Entry]) -> Result<Vec<Trend>, Failure> {
    let points: Vec<Point> = entries.iter().filter_map(table::point).collect();
    let mut draws: Vec<Vec<Option<f64>>> = vec![];
    let mut columns_missing = vec![];
    if let Some(path) = &arguments.draws {
        let known = read_draws(path, &percent_name(arguments.success))
            .map_err(|error| unreadable_beside(&error))?;
        draws = vec![vec![]; known.first().map_or(0, |one| one.1.len())];
        for point in &points {
            let of_point = known.iter().find(|one| one.0 == point.name);
            if of_point.is_none() {
                columns_missing.push(point.name.clone());
            }
            for (index, draw) in draws.iter_mut().enumerate() {
                draw.push(of_point.and_then(|one| one.1.get(index).copied().flatten()));
            }
        }
    }
    let windows = arguments.trending.windows();
    let found: Vec<Trend> = windows
        .iter()
        .filter_map(|window| trend(&points, window, &draws, CONFIDENCE))
        .collect();
    let lost = columns_missing
        .iter()
        .find(|name| found.iter().any(|trend| trend.members.contains(name)));
    if let Some((lost, path)) = lost.zip(arguments.draws.as_ref()) {
        let (path, column) = (path.display(), percent_name(arguments.success));
        return Err(Failure::bad_input(format!(
            "`{path}` has no column `{lost}_{column}`, and `{lost}` is in the trend"
        )));
    }
    if found.is_empty() {
        let message = format!(
            "`{}` has no two agents on different days for a trend",
            arguments.table.display()
        );
        return Err(Failure::bad_input(message).hint("a trend needs agents with a release date and a horizon inside `--since`, `--until` and `--longest`"));
    }
    Ok(found)
}

/// METR's names of its trends say which window they are about.
fn beside(arguments: &Arguments, table: &Table, trends: &[Trend]) -> Vec<Beside> {
    let mut all = vec![];
    if let Some((published, last)) = arguments.against.zip(trends.last()) {
        all.push(Beside {
            name: format!("since {}", last.window.since),
            ours: last.doubling_days,
            published,
        });
    }
    for (name, Estimate { value, .. }) in &table.doubling {
        let year = if name.contains("2023") { 2023 } else { 2019 };
        let ours = trends
            .iter()
            .find(|trend| trend.window.since.year() == year && trend.window.until.is_none());
        all.extend(ours.map(|ours| Beside {
            name: name.clone(),
            ours: ours.doubling_days,
            published: *value,
        }));
    }
    all
}

fn notes() -> Vec<String> {
    vec![
        "· a horizon is a task length for a skilled person, not a working time; the logistic shape and the choice of tasks move it by \
         35 % and more"
            .into(),
        "· the trend is a least-squares line through the state of the art; it says nothing of what comes after".into(),
    ]
}

fn print(
    arguments: &Arguments,
    entries: &[Entry],
    trends: &[Trend],
    beside: &[Beside],
) -> Result<(), Failure> {
    let mut rows = vec![
        [
            "  agent".to_owned(),
            "released".into(),
            format!("{} [95 %]", percent_name(arguments.success)),
        ]
        .to_vec(),
    ];
    let mut order: Vec<&Entry> = entries.iter().collect();
    order.sort_by_key(|entry| entry.released);
    for entry in order {
        let released = entry.released.map_or("—".into(), |day| day.to_string());
        rows.push(vec![
            format!("{} {}", entry.role.sign(), name(&entry.name)),
            released,
            with_interval(entry.minutes, entry.interval),
        ]);
    }
    let mut lines = columns(&rows);
    lines.extend([
        String::new(),
        table::key(entries),
        String::new(),
        "trend of the state of the art".into(),
    ]);
    lines.extend(table::trends(trends, CONFIDENCE));
    lines.extend(table::too_long(entries, trends[0].window.longest));
    for one in beside {
        lines.push(format!(
            "published, {}: {} days; ours {:.4}, difference {:+.1e}{}",
            one.name,
            one.published,
            one.ours,
            one.relative(),
            if one.relative().abs() <= SAME {
                ""
            } else {
                ": DIFFERS"
            }
        ));
    }
    lines.extend([String::new(), "to be read with the numbers".into()]);
    lines.extend(notes());
    output::tell(&lines)
}

fn print_json(
    arguments: &Arguments,
    entries: &[Entry],
    trends: &[Trend],
    beside: &[Beside],
) -> Result<(), Failure> {
    let agent = |entry: &Entry| {
        json!({
            "name": entry.name, "released": entry.released.map(|day| day.to_string()), "role": entry.role.word(),
            "minutes": entry.minutes, "low": entry.interval.map(|ends| ends.0), "high": entry.interval.map(|ends| ends.1),
        })
    };
    let beside = beside.iter().map(|one| {
        json!({ "name": one.name, "ours": one.ours, "published": one.published, "relative": one.relative() })
    });
    let shown = json!({
        "table": arguments.table, "success": arguments.success, "agents": entries.iter().map(agent).collect::<Vec<_>>(),
        "trends": trends.iter().map(output::trend).collect::<Vec<_>>(), "comparison": beside.collect::<Vec<_>>(),
        "caveats": notes(),
    });
    output::tell(&[visible(&shown.to_string())])
}
