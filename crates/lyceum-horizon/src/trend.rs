//! The trend of horizons over release dates, and how long it takes to double.

use std::f64::consts::LN_2;

use jiff::civil::Date;

use crate::summary::interval;

/// A shorter horizon, in minutes, is no measurement of anything (METR's bound).
pub const SHORTEST: f64 = 1e-3;

/// An agent in the trend.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its name.
    pub name: String,
    /// When it was released.
    pub released: Date,
    /// Its horizon in minutes.
    pub minutes: f64,
}

/// Which agents the trend is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Released on this day or later.
    pub since: Date,
    /// Released before this day.
    pub until: Option<Date>,
    /// Horizons above so many minutes take no part in the line: too few tasks are that long.
    pub longest: f64,
}

/// A trend.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// Which agents it is about.
    pub window: Window,
    /// Agents on the line: state of the art when they were released, and within the bounds.
    pub members: Vec<String>,
    /// Days in which the horizon doubles; negative where it halves.
    pub doubling_days: f64,
    /// Percentiles of the doubling time over resamples, and how many resamples they rest on.
    pub interval: Option<((f64, f64), usize)>,
    /// Share of the variance of ln(horizon) that the line explains.
    pub r_squared: f64,
    /// The line.
    pub line: Line,
    /// For days along the line: the percentiles of the lines of all resamples, in minutes.
    pub band: Vec<(f64, f64, f64)>,
}

/// ln(minutes) = `level` + `slope` · (day − `middle`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Change for a day.
    pub slope: f64,
    /// ln(minutes) at the middle.
    pub level: f64,
    /// Mean day, counted from 1 January 1970.
    pub middle: f64,
}

impl Line {
    /// Returns the minutes at a day, counted from 1 January 1970.
    pub fn minutes(&self, day: f64) -> f64 {
        (self.level + self.slope * (day - self.middle)).exp()
    }
}

/// Returns the days from 1 January 1970 to a date.
pub fn day(date: Date) -> f64 {
    f64::from((date - Date::constant(1970, 1, 1)).get_days())
}

/// Returns the indices of the points in the window that no point released on the same day or earlier in it exceeds.
pub fn state_of_the_art(points: &[Point], window: &Window) -> Vec<usize> {
    let inside = |point: &Point| {
        point.released >= window.since && window.until.is_none_or(|until| point.released < until)
    };
    let beaten = |point: &Point| {
        points.iter().any(|other| {
            inside(other) && other.released <= point.released && other.minutes > point.minutes
        })
    };
    let all = points.iter().enumerate();
    all.filter(|(_, point)| inside(point) && !beaten(point))
        .map(|(index, _)| index)
        .collect()
}

/// Returns the unweighted least-squares line; `None` for fewer than two different days.
pub fn line(points: &[(f64, f64)]) -> Option<Line> {
    let n = points.len() as f64;
    let middle = points.iter().map(|point| point.0).sum::<f64>() / n;
    let level = points.iter().map(|point| point.1.ln()).sum::<f64>() / n;
    let spread: f64 = points.iter().map(|point| (point.0 - middle).powi(2)).sum();
    let along: f64 = points
        .iter()
        .map(|point| (point.0 - middle) * (point.1.ln() - level))
        .sum();
    (points.len() >= 2 && spread > 0.0).then(|| Line {
        slope: along / spread,
        level,
        middle,
    })
}

/// Returns the trend of the state of the art; `None` for fewer than two points on different days.
///
/// `draws` are the horizons of all points in each resample, `None` where a resample has none. The members are the same in
/// each; the interval rests on resamples whose trend rises, as METR's does.
pub fn trend(
    points: &[Point],
    window: &Window,
    draws: &[Vec<Option<f64>>],
    confidence: f64,
) -> Option<Trend> {
    let fits = |minutes: f64| minutes.is_finite() && minutes >= SHORTEST;
    let mut members = state_of_the_art(points, window);
    members
        .retain(|index| fits(points[*index].minutes) && points[*index].minutes <= window.longest);
    let on = |index: usize, minutes: f64| (day(points[index].released), minutes);
    let placed: Vec<(f64, f64)> = members
        .iter()
        .map(|index| on(*index, points[*index].minutes))
        .collect();
    let best = line(&placed)?;
    let lines: Vec<Line> = draws
        .iter()
        .filter_map(|draw| {
            let drawn = members.iter().filter_map(|index| {
                let minutes = draw.get(*index).copied().flatten()?;
                fits(minutes).then(|| on(*index, minutes))
            });
            line(&drawn.collect::<Vec<_>>())
        })
        .collect();
    let rising: Vec<f64> = lines
        .iter()
        .map(|line| LN_2 / line.slope)
        .filter(|days| *days > 0.0 && days.is_finite())
        .collect();
    Some(Trend {
        window: *window,
        doubling_days: LN_2 / best.slope,
        interval: interval(&rising, confidence).map(|ends| (ends, rising.len())),
        r_squared: r_squared(&placed, best),
        band: band(&placed, &lines, confidence),
        members: members
            .into_iter()
            .map(|index| points[index].name.clone())
            .collect(),
        line: best,
    })
}

fn r_squared(points: &[(f64, f64)], line: Line) -> f64 {
    let (mut left, mut whole) = (0.0, 0.0);
    for (day, minutes) in points {
        left += (minutes / line.minutes(*day)).ln().powi(2);
        whole += (minutes.ln() - line.level).powi(2);
    }
    if whole > 0.0 { 1.0 - left / whole } else { 1.0 }
}

/// Places along the line at which the band is computed.
const BAND_PLACES: usize = 25;

fn band(points: &[(f64, f64)], lines: &[Line], confidence: f64) -> Vec<(f64, f64, f64)> {
    let days = || points.iter().map(|point| point.0);
    let (first, last) = (
        days().fold(f64::INFINITY, f64::min),
        days().fold(f64::NEG_INFINITY, f64::max),
    );
    let at = |place: usize| first + (last - first) * place as f64 / (BAND_PLACES - 1) as f64;
    let places = (0..BAND_PLACES).map(at);
    let ends = places.filter_map(|day| {
        let there: Vec<f64> = lines.iter().map(|line| line.minutes(day)).collect();
        interval(&there, confidence).map(|(low, high)| (day, low, high))
    });
    ends.collect()
}
