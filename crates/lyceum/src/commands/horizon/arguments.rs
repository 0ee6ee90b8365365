//! Values on the command line that more than one command understands.

use std::{fmt, path::PathBuf};

use jiff::civil::{Date, date};
use lyceum_horizon::{Form, Weighting, Window};

/// The strength of the penalty on the slope.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Regularisation(pub(super) f64);

/// METR's presets: their names and values.
const PRESETS: [(&str, f64); 2] = [("metr-2026", 1e-5), ("metr-2025", 0.1)];
/// Below this rounding decides the curve where outcomes are separate; above, every curve is flat.
const STRENGTHS: std::ops::RangeInclusive<f64> = 1e-9..=1e6;

impl Regularisation {
    pub(super) fn parse(text: &str) -> Result<Regularisation, String> {
        if let Some((_, value)) = PRESETS.iter().find(|(name, _)| *name == text) {
            return Ok(Regularisation(*value));
        }
        let number = text
            .parse::<f64>()
            .ok()
            .filter(|number| STRENGTHS.contains(number));
        let expected =
            "expected `metr-2026` (1e-5), `metr-2025` (0.1) or a number from 1e-9 to 1e6";
        number
            .map(Regularisation)
            .ok_or_else(|| expected.to_owned())
    }
}

impl fmt::Display for Regularisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::float_cmp, reason = "the very value of a preset")]
        let preset = PRESETS.iter().find(|(_, value)| *value == self.0);
        let value = if self.0 < 1e-3 {
            format!("{:e}", self.0)
        } else {
            self.0.to_string()
        };
        match preset {
            Some((name, _)) => write!(f, "{value} ({name})"),
            None => f.write_str(&value),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum FormName {
    /// METR's runs, one JSON object a line
    MetrRuns,
    /// METR's counts for each task, YAML
    MetrCounts,
    /// The lab's attempts, one JSON object a line
    Attempts,
}

impl From<FormName> for Form {
    fn from(name: FormName) -> Form {
        match name {
            FormName::MetrRuns => Form::MetrRuns,
            FormName::MetrCounts => Form::MetrCounts,
            FormName::Attempts => Form::Attempts,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum WeightsName {
    /// 1 / (runs of the task · √(tasks of the family)), METR's headline
    RootOfFamily,
    /// 1 / runs of the task
    EveryTask,
    /// As the file records them
    Recorded,
}

impl From<WeightsName> for Weighting {
    fn from(name: WeightsName) -> Weighting {
        match name {
            WeightsName::RootOfFamily => Weighting::RootOfFamily,
            WeightsName::EveryTask => Weighting::EveryTask,
            WeightsName::Recorded => Weighting::Recorded,
        }
    }
}

/// A percentage between 0 and 100, as a share.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim().parse::<f64>().ok();
    let inside = number.filter(|number| (0.1..=99.9).contains(number));
    inside
        .map(|number| number / 100.0)
        .ok_or_else(|| "expected a percentage from 0.1 to 99.9".into())
}

pub(super) fn day(text: &str) -> Result<Date, String> {
    text.parse()
        .map_err(|_| "expected a day like 2026-02-05".into())
}

/// A doubling time; below zero where the horizon halves.
pub(super) fn days(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    number
        .filter(|number| number.is_finite() && *number != 0.0)
        .ok_or_else(|| "expected a number of days".into())
}

/// A name and a day: `NAME=2026-02-05`.
pub(super) fn named_day(text: &str) -> Result<(String, Date), String> {
    let (name, value) = text.rsplit_once('=').ok_or("expected NAME=2026-02-05")?;
    Ok((name.to_owned(), day(value)?))
}

fn minutes(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| *number > 0.0);
    number.ok_or_else(|| "expected minutes above 0, or `inf`".into())
}

/// Which agents the trend is about.
#[derive(Debug, clap::Args)]
pub(super) struct Trending {
    /// Fit the trend to agents released on this day or later [default: both 2019-01-01 and 2023-01-01]
    #[arg(long, value_name = "DAY", value_parser = day)]
    since: Option<Date>,
    /// Fit the trend to agents released before this day
    #[arg(long, value_name = "DAY", value_parser = day)]
    until: Option<Date>,
    /// Leave longer horizons out of the trend: too few tasks are that long
    #[arg(long, value_name = "MINUTES", value_parser = minutes, default_value = "960")]
    longest: f64,
}

impl Trending {
    /// The windows, the widest first.
    pub(super) fn windows(&self) -> Vec<Window> {
        let window = |since| Window {
            since,
            until: self.until,
            longest: self.longest,
        };
        match self.since {
            Some(since) => vec![window(since)],
            None => vec![window(date(2019, 1, 1)), window(date(2023, 1, 1))],
        }
    }
}

/// Release dates from beside the runs.
#[derive(Debug, clap::Args)]
pub(super) struct Dates {
    /// Release dates: YAML with a mapping `date` from agents to days
    #[arg(long, value_name = "FILE")]
    pub(super) dates: Option<PathBuf>,
    /// Release date of one agent; may be given often
    #[arg(long, value_name = "AGENT=DAY", value_parser = named_day)]
    pub(super) date: Vec<(String, Date)>,
}
