//! Agents with dates and horizons, whether they were fitted here or published: their table and their trends.

use std::fmt::Write as _;

use jiff::civil::{Date, date};
use lyceum_horizon::{Point, Trend, Window, trend::state_of_the_art};

use super::words::{columns, length, three};
use crate::view::words::clean;

/// What an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// No agent was better when it was released.
    Frontier,
    Other,
    /// The user's own.
    Ours,
    /// People, or an agent without a release date.
    Undated,
}

impl Role {
    /// A sign, so that meaning never hangs on colour.
    pub(super) fn sign(self) -> char {
        match self {
            Role::Frontier => '●',
            Role::Other => '○',
            Role::Ours => '◆',
            Role::Undated => '·',
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Role::Frontier => "state of the art at its release",
            Role::Other => "other",
            Role::Ours => "ours",
            Role::Undated => "without a release date",
        }
    }
}

/// An agent in a figure or table.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) released: Option<Date>,
    pub(super) minutes: Option<f64>,
    pub(super) interval: Option<(f64, f64)>,
    pub(super) role: Role,
}

/// Tells who was the state of the art; who is ours or undated stays so.
pub(super) fn mark_frontier(entries: &mut [Entry]) {
    let dated: Vec<usize> = (0..entries.len())
        .filter(|index| entries[*index].role == Role::Other && entries[*index].released.is_some())
        .filter(|index| entries[*index].minutes.is_some())
        .collect();
    let points: Vec<Point> = dated
        .iter()
        .filter_map(|index| point(&entries[*index]))
        .collect();
    let always = Window {
        since: date(1, 1, 1),
        until: None,
        longest: f64::INFINITY,
    };
    for place in state_of_the_art(&points, &always) {
        entries[dated[place]].role = Role::Frontier;
    }
}

pub(super) fn point(entry: &Entry) -> Option<Point> {
    Some(Point {
        name: entry.name.clone(),
        released: entry.released?,
        minutes: entry.minutes?,
    })
}

/// Returns the key of the signs that occur.
pub(super) fn key(entries: &[Entry]) -> String {
    let roles = [Role::Frontier, Role::Other, Role::Ours, Role::Undated];
    let known = roles
        .iter()
        .filter(|role| entries.iter().any(|entry| entry.role == **role));
    let words: Vec<String> = known
        .map(|role| format!("{} {}", role.sign(), role.word()))
        .collect();
    words.join("   ")
}

/// Returns the trends as lines; windows with the same members once.
pub(super) fn trends(trends: &[Trend], confidence: f64) -> Vec<String> {
    let mut rows = vec![];
    let mut told: Vec<&[String]> = vec![];
    for trend in trends {
        if told.contains(&trend.members.as_slice()) {
            continue;
        }
        told.push(&trend.members);
        rows.push(vec![
            format!("since {}", trend.window.since),
            doubling(trend, confidence, exact),
            format!("{} agents", trend.members.len()),
            format!("R² {:.3}", trend.r_squared),
        ]);
    }
    columns(&rows)
}

/// Returns the doubling time in words.
pub(super) fn doubling(trend: &Trend, confidence: f64, number: impl Fn(f64) -> String) -> String {
    let days = trend.doubling_days;
    if !days.is_finite() {
        return "the horizon neither doubles nor halves".into();
    }
    let word = if days > 0.0 { "doubles" } else { "halves" };
    let mut text = format!("the horizon {word} every {} days", number(days.abs()));
    if let Some(((low, high), _)) = trend.interval {
        let _ = write!(
            text,
            " ({:.0} %: {} to {})",
            confidence * 100.0,
            three(low),
            three(high)
        );
    }
    text
}

fn exact(days: f64) -> String {
    format!("{days:.3}")
}

/// Returns the agents that take no part in the trend because their horizon is too long.
pub(super) fn too_long(entries: &[Entry], longest: f64) -> Option<String> {
    let found = entries.iter().filter(|entry| {
        entry.released.is_some() && entry.minutes.is_some_and(|minutes| minutes > longest)
    });
    let names: Vec<String> = found.map(|entry| clean(&entry.name)).collect();
    (!names.is_empty()).then(|| {
        format!(
            "not in the trend, with a horizon above {}: {}",
            length(longest),
            names.join(", ")
        )
    })
}
