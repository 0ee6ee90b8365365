//! From numbers to the figures of `lyceum-report`.

use jiff::civil::{Date, date};
use lyceum_horizon::{BUCKETS, Runs, Standing, Summary, Trend, trend::day};
use lyceum_report::horizon::{
    AgentCurve, Role as Look, TaskDot, Timeline, TimelinePoint, TimelineTrend,
};

use super::{
    table::{Entry, Role, doubling},
    words::{length, three, with_interval},
};

/// Most January firsts on an axis.
const YEARS_MAX: usize = 60;

/// Returns the figure of horizons over release dates.
pub(super) fn timeline(
    entries: &[Entry],
    trend: Option<&Trend>,
    quantile: f64,
    confidence: f64,
    about: &str,
    notes: Vec<String>,
) -> String {
    let percent = quantile * 100.0;
    let points = entries.iter().filter_map(|entry| {
        Some(TimelinePoint {
            name: entry.name.clone(),
            day: day(entry.released?),
            minutes: entry.minutes?,
            interval: entry.interval,
            role: match entry.role {
                Role::Frontier => Look::Frontier,
                Role::Ours => Look::Ours,
                Role::Other | Role::Undated => Look::Other,
            },
            details: format!(
                "{} · {} · {}",
                entry.name,
                entry.released?,
                with_interval(entry.minutes, entry.interval)
            ),
        })
    });
    let points: Vec<TimelinePoint> = points.collect();
    let shown = Timeline {
        title: format!("Length of tasks that agents complete with {percent} % success"),
        subtitle: format!("{about}; bars are {:.0} % intervals", confidence * 100.0),
        axis: format!("task length for a skilled person, at {percent} % success"),
        days: years(&points),
        points,
        trend: trend.map(|trend| line(trend, entries, confidence)),
        notes,
    };
    lyceum_report::horizon::timeline(&shown)
}

fn line(trend: &Trend, entries: &[Entry], confidence: f64) -> TimelineTrend {
    let members = entries
        .iter()
        .filter(|entry| trend.members.contains(&entry.name));
    let days: Vec<f64> = members
        .filter_map(|entry| entry.released.map(day))
        .collect();
    let fitted = (
        days.iter().copied().fold(f64::INFINITY, f64::min),
        days.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    );
    let ends = [fitted.0, fitted.1];
    TimelineTrend {
        line: ends.map(|day| (day, trend.line.minutes(day))).to_vec(),
        fitted,
        band: trend.band.clone(),
        text: format!(
            "since {}: {}",
            trend.window.since.year(),
            doubling(trend, confidence, three)
        ),
    }
}

fn years(points: &[TimelinePoint]) -> Vec<(f64, String)> {
    let days = || points.iter().map(|point| point.day);
    let year = |day: f64| 1970 + (day / 365.25).floor() as i16;
    if points.is_empty() {
        return vec![];
    }
    let first = year(days().fold(f64::INFINITY, f64::min));
    let last = year(days().fold(f64::NEG_INFINITY, f64::max)).saturating_add(1);
    let first_day = |year: i16| {
        (Date::MIN.year()..=Date::MAX.year())
            .contains(&year)
            .then(|| day(date(year, 1, 1)))
    };
    let step = (usize::try_from(i32::from(last) - i32::from(first)).unwrap_or(0) / YEARS_MAX) + 1;
    (first..=last)
        .step_by(step)
        .filter_map(|year| Some((first_day(year)?, year.to_string())))
        .collect()
}

/// Returns the figure of all curves.
pub(super) fn curves(runs: &Runs, summaries: &[&Summary], about: &str, notes: &[String]) -> String {
    let all: Vec<AgentCurve> = summaries
        .iter()
        .map(|summary| curve(runs, summary))
        .collect();
    lyceum_report::horizon::curves("Success over task length", about, &all, notes)
}

fn curve(runs: &Runs, summary: &Summary) -> AgentCurve {
    let agent = &runs.agents[summary.agent];
    let half = summary.horizon(0.5).and_then(|horizon| horizon.minutes);
    let words = match summary.standing {
        Standing::NeverSucceeds => "never succeeds".into(),
        Standing::AlwaysSucceeds => "always succeeds".into(),
        Standing::NoHorizon(_) => "does not fall with length".into(),
        Standing::Measured(_) => half.map_or(String::new(), |minutes| {
            format!("50 % at {}", length(minutes))
        }),
    };
    let mut in_family = vec![0.0_f64; runs.families.len()];
    for cell in &agent.cells {
        in_family[runs.tasks[cell.task].family] += 1.0;
    }
    let weight = |task: usize| 1.0 / in_family[runs.tasks[task].family].sqrt();
    let whole: f64 = agent.cells.iter().map(|cell| weight(cell.task)).sum();
    let dot = |cell: &lyceum_horizon::Cell| {
        let task = &runs.tasks[cell.task];
        TaskDot {
            minutes: task.minutes,
            score: cell.score / cell.runs as f64,
            weight: weight(cell.task) / whole,
            details: format!(
                "{} · {} · {} of {}",
                task.id,
                length(task.minutes),
                cell.score,
                cell.runs
            ),
        }
    };
    let buckets = BUCKETS.windows(2).zip(summary.buckets);
    AgentCurve {
        name: agent.name.clone(),
        curve: summary.curve().map(|curve| (curve.slope, curve.intercept)),
        horizon: half,
        words,
        tasks: agent.cells.iter().map(dot).collect(),
        buckets: buckets
            .filter_map(|(ends, score)| Some((ends[0], ends[1], score?)))
            .collect(),
    }
}
