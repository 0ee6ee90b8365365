//! Horizons over release dates: what METR's readers know.

use super::{
    length_ticks,
    sheet::{Key, MARGIN, Sheet},
};
use crate::{
    figure::{
        Axis, Callout, Frame, Label, Layer, Mark, Obstacle, Plot, Scale, Shape, Tick, Ticks,
        Wanted, place, text_width,
    },
    text::line,
};

/// Width of the file.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 600.0;
/// Names that are written at most; more could not be read.
const NAMES_MAX: usize = 80;

/// What an agent is in the figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It was the state of the art when it was released.
    Frontier,
    /// It was not.
    Other,
    /// It is the reader's own.
    Ours,
}

/// An agent.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelinePoint {
    /// Its name.
    pub name: String,
    /// Release date, in days from any fixed day.
    pub day: f64,
    /// Horizon in minutes, above zero.
    pub minutes: f64,
    /// Its interval.
    pub interval: Option<(f64, f64)>,
    /// What it is.
    pub role: Role,
    /// Shown when the pointer rests on it.
    pub details: String,
}

/// The trend line.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineTrend {
    /// Points of the line: day and minutes. Two suffice.
    pub line: Vec<(f64, f64)>,
    /// First and last day that it was fitted on; beyond them it is dotted.
    pub fitted: (f64, f64),
    /// Day, low and high end of the line's interval.
    pub band: Vec<(f64, f64, f64)>,
    /// What it says.
    pub text: String,
}

/// A figure of horizons over release dates.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// What it shows.
    pub title: String,
    /// What it rests on.
    pub subtitle: String,
    /// What the vertical axis means.
    pub axis: String,
    /// Agents.
    pub points: Vec<TimelinePoint>,
    /// Their trend.
    pub trend: Option<TimelineTrend>,
    /// Days with the names that stand below them.
    pub days: Vec<(f64, String)>,
    /// What must be said beside it.
    pub notes: Vec<String>,
}

/// Returns the figure as an SVG file: the same bytes for the same data. Points that are not above zero are left out.
pub fn timeline(timeline: &Timeline) -> String {
    let mut plot = plot(timeline);
    let callouts = callouts(timeline, &plot);
    plot.layers.push(callouts);
    let mut sheet = Sheet::new(WIDTH);
    sheet.heading(&timeline.title, &timeline.subtitle);
    sheet.plot(MARGIN, &plot.svg());
    sheet.down(HEIGHT + 4.0);
    let has = |role| timeline.points.iter().any(|point| point.role == role);
    let mut keys = vec![];
    if has(Role::Frontier) {
        keys.push(Key::Shape(
            Shape::Disc,
            "frontier",
            "state of the art at its release",
        ));
    }
    if has(Role::Other) {
        keys.push(Key::Shape(Shape::Ring, "other", "other"));
    }
    if has(Role::Ours) {
        keys.push(Key::Shape(Shape::Diamond, "ours", "ours"));
    }
    if timeline.trend.is_some() {
        keys.push(Key::Line("trend", "trend"));
    }
    if timeline
        .trend
        .as_ref()
        .is_some_and(|trend| !trend.band.is_empty())
    {
        keys.push(Key::Area("band", "its band"));
    }
    sheet.keys(&keys);
    sheet.notes(&timeline.notes);
    sheet.finish(&timeline.title)
}

fn look(role: Role) -> (Shape, f64, &'static str) {
    match role {
        Role::Frontier => (Shape::Disc, 5.5, "frontier"),
        Role::Other => (Shape::Ring, 4.2, "other"),
        Role::Ours => (Shape::Diamond, 7.5, "ours"),
    }
}

fn drawn(timeline: &Timeline) -> impl Iterator<Item = &TimelinePoint> {
    let good = |point: &&TimelinePoint| {
        point.minutes > 0.0 && point.minutes.is_finite() && point.day.is_finite()
    };
    timeline.points.iter().filter(good)
}

/// Ends of the vertical axis: all horizons with room, and intervals as far as they leave the horizons readable.
fn lengths(timeline: &Timeline) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
    for point in drawn(timeline) {
        let ends = point.interval.unwrap_or((point.minutes, point.minutes));
        low = low.min(ends.0.clamp(point.minutes / 8.0, point.minutes));
        high = high.max(ends.1.clamp(point.minutes, point.minutes * 8.0));
    }
    if low.is_finite() {
        (low / 1.6, high * 1.8)
    } else {
        (1.0, 60.0)
    }
}

fn plot(timeline: &Timeline) -> Plot {
    let (low, high) = lengths(timeline);
    let days = || drawn(timeline).map(|point| point.day);
    let (first, last) = (
        days().fold(f64::INFINITY, f64::min),
        days().fold(f64::NEG_INFINITY, f64::max),
    );
    let (first, last) = if first.is_finite() {
        (first, last)
    } else {
        (0.0, 365.0)
    };
    let pad = ((last - first) * 0.06).max(40.0);
    let (first, last) = (first - pad, last + pad * 1.6);
    let ticks = timeline
        .days
        .iter()
        .filter(|(day, _)| (first..=last).contains(day));
    let ticks = ticks.map(|(day, label)| Tick {
        value: *day,
        label: label.clone(),
    });
    let mut lengths = length_ticks(low, high, 1);
    if lengths.len() > 20 {
        lengths = length_ticks(low, high, 2);
    }
    let (x, y) = (Scale::linear(first, last), Scale::log(low, high));
    Plot {
        id: "horizon-timeline".into(),
        title: timeline.title.clone(),
        description: format!(
            "{} {}",
            timeline.subtitle,
            timeline
                .trend
                .as_ref()
                .map_or("", |trend| trend.text.as_str())
        ),
        width: WIDTH - 2.0 * MARGIN,
        height: HEIGHT,
        layers: layers(timeline, (&x, &y)),
        x: Axis {
            scale: x,
            title: "release date".into(),
            ticks: Ticks::At(ticks.collect()),
            grid: true,
        },
        y: Axis {
            scale: y,
            title: timeline.axis.clone(),
            ticks: Ticks::At(lengths),
            grid: true,
        },
        ends: vec![],
        rail: None,
    }
}

fn layers(timeline: &Timeline, scales: (&Scale, &Scale)) -> Vec<Layer> {
    let (first, last) = (scales.0.low(), scales.0.high());
    let mut layers = vec![];
    if let Some(trend) = &timeline.trend {
        if !trend.band.is_empty() {
            layers.push(Layer::Area {
                points: trend.band.clone(),
                class: "band",
            });
        }
        let between = |from: f64, to: f64, class| Layer::Line {
            points: clipped(&trend.line, (from, to), scales.1),
            step: false,
            class,
        };
        let (from, to) = trend.fitted;
        layers.push(between(first, from, "trend beyond"));
        layers.push(between(to, last, "trend beyond"));
        layers.push(between(from, to, "trend"));
    }
    for (role, class) in [
        (Role::Other, "whiskers quiet"),
        (Role::Frontier, "whiskers"),
        (Role::Ours, "whiskers own"),
    ] {
        let ends = drawn(timeline).filter(|point| point.role == role);
        let ends: Vec<_> = ends
            .filter_map(|point| point.interval.map(|ends| (point.day, ends.0, ends.1)))
            .collect();
        if !ends.is_empty() {
            layers.push(Layer::Whiskers { ends, class });
        }
    }
    for role in [Role::Other, Role::Frontier, Role::Ours] {
        let (shape, size, class) = look(role);
        let mark = |point: &TimelinePoint| Mark {
            x: point.day,
            y: point.minutes,
            shape,
            size,
            class,
            title: line(&point.details),
            link: None,
            interval: None,
        };
        layers.push(Layer::Marks(
            drawn(timeline)
                .filter(|point| point.role == role)
                .map(mark)
                .collect(),
        ));
    }
    if let Some(trend) = &timeline.trend {
        layers.push(words(trend, scales));
    }
    layers
}

/// The line at a day: straight in the logarithm.
fn at(line: &[(f64, f64)], day: f64) -> Option<f64> {
    let ((x0, y0), (x1, y1)) = (line.first()?, line.last()?);
    let slope = (y1 / y0).ln() / (x1 - x0);
    let minutes = y0 * (slope * (day - x0)).exp();
    minutes.is_finite().then_some(minutes)
}

/// The ends of the part of the line between two days that lies inside the plot.
fn clipped(line: &[(f64, f64)], (from, to): (f64, f64), lengths: &Scale) -> Vec<(f64, f64)> {
    let (Some((x0, y0)), Some((x1, y1))) = (line.first(), line.last()) else {
        return vec![];
    };
    let slope = (y1 / y0).ln() / (x1 - x0);
    let day_of = |minutes: f64| x0 + (minutes / y0).ln() / slope;
    let (mut from, mut to) = (from, to);
    if slope != 0.0 {
        let (one, other) = (day_of(lengths.low()), day_of(lengths.high()));
        from = from.max(one.min(other));
        to = to.min(one.max(other));
    }
    let ends = [from, to]
        .into_iter()
        .filter_map(|day| Some((day, at(line, day)?)));
    if from < to { ends.collect() } else { vec![] }
}

fn callouts(timeline: &Timeline, plot: &Plot) -> Layer {
    let frame = Frame::of(plot);
    let mut points: Vec<&TimelinePoint> = drawn(timeline).collect();
    let rank = |role| match role {
        Role::Ours => 0,
        Role::Frontier => 1,
        Role::Other => 2,
    };
    points.sort_by(|one, other| {
        rank(one.role)
            .cmp(&rank(other.role))
            .then(other.day.total_cmp(&one.day))
    });
    let names: Vec<String> = points.iter().map(|point| line(&point.name)).collect();
    let wanted: Vec<Wanted<'_>> = points
        .iter()
        .zip(&names)
        .take(NAMES_MAX)
        .map(|(point, name)| Wanted {
            x: frame.at_x(point.day),
            y: frame.at_y(point.minutes),
            text: name,
            bold: point.role == Role::Ours,
        })
        .collect();
    let bounds = Obstacle {
        left: frame.left + 2.0,
        top: frame.top,
        right: frame.right + 14.0,
        bottom: frame.bottom,
        cost: 0.0,
    };
    let places = place(&wanted, &obstacles(timeline, &frame), bounds);
    let placed = points.iter().zip(&names).zip(places);
    let callouts = placed.filter_map(|((point, name), found)| {
        Some(Callout {
            x: point.day,
            y: point.minutes,
            place: found?,
            text: name.clone(),
            class: match point.role {
                Role::Ours => "strong",
                Role::Frontier => "",
                Role::Other => "quiet",
            },
        })
    });
    Layer::Callouts(callouts.collect())
}

/// Space between the trend's words and the corner.
const CORNER: f64 = 10.0;

fn words(trend: &TimelineTrend, scale: (&Scale, &Scale)) -> Layer {
    Layer::Labels(vec![Label {
        x: scale.0.high(),
        y: scale.1.low(),
        shift: (-CORNER, -CORNER),
        anchor: "end",
        text: trend.text.clone(),
        class: "said",
    }])
}

/// What names should not cover: marks, intervals, the line, the trend's words.
fn obstacles(timeline: &Timeline, frame: &Frame) -> Vec<Obstacle> {
    let around = |x: f64, top: f64, bottom: f64, half: f64, cost: f64| Obstacle {
        left: x - half,
        right: x + half,
        top,
        bottom,
        cost,
    };
    let mut all = vec![];
    for point in drawn(timeline) {
        let (x, y) = (frame.at_x(point.day), frame.at_y(point.minutes));
        let half = look(point.role).1 + 1.0;
        all.push(around(x, y - half, y + half, half, 20.0));
        if let Some((low, high)) = point.interval {
            all.push(around(x, frame.at_y(high), frame.at_y(low), 1.5, 0.7));
        }
    }
    let Some(trend) = &timeline.trend else {
        return all;
    };
    let steps = (0..=STEPS).map(|step| {
        frame.x.low() + (frame.x.high() - frame.x.low()) * f64::from(step) / f64::from(STEPS)
    });
    for day in steps {
        if let Some(minutes) = at(&trend.line, day) {
            let (x, y) = (frame.at_x(day), frame.at_y(minutes));
            all.push(around(x, y - 3.0, y + 3.0, 3.0, 0.8));
        }
    }
    all.push(Obstacle {
        left: frame.right - CORNER - text_width(&trend.text, 12.0),
        right: frame.right,
        top: frame.bottom - CORNER - 16.0,
        bottom: frame.bottom,
        cost: 40.0,
    });
    all
}

/// Pieces of the trend line that names avoid.
const STEPS: u32 = 150;

#[cfg(test)]
mod tests {
    use super::*;

    fn point(name: &str, day: f64, minutes: f64, role: Role) -> TimelinePoint {
        let interval = Some((minutes / 2.0, minutes * 3.0));
        TimelinePoint {
            name: name.into(),
            day,
            minutes,
            interval,
            role,
            details: format!("{name}: {minutes}"),
        }
    }

    fn example() -> Timeline {
        Timeline {
            title: "Lengths <of> tasks".into(),
            subtitle: "of nobody".into(),
            axis: "task length".into(),
            points: vec![
                point("old", 100.0, 0.5, Role::Frontier),
                point("new\u{202e}", 900.0, 120.0, Role::Frontier),
                point("worse", 905.0, 110.0, Role::Other),
                point("mine", 910.0, 115.0, Role::Ours),
                point("none", 500.0, 0.0, Role::Other),
            ],
            trend: Some(TimelineTrend {
                line: vec![(100.0, 0.5), (900.0, 120.0)],
                fitted: (100.0, 900.0),
                band: vec![(100.0, 0.3, 0.8), (900.0, 80.0, 200.0)],
                text: "doubles every 101 days".into(),
            }),
            days: vec![(365.0, "2025".into())],
            notes: vec!["a note that says what the figure does not".into()],
        }
    }

    #[test]
    fn a_figure_names_every_agent_once_and_shows_no_foreign_character() {
        let svg = timeline(&example());
        assert_eq!(svg, timeline(&example()));
        for name in [
            ">old<",
            ">worse<",
            ">mine<",
            "new\\u{202e}",
            "Lengths &lt;of&gt; tasks",
            "doubles every 101 days",
        ] {
            assert!(svg.contains(name), "{name}");
        }
        assert!(!svg.contains(">none<") && !svg.contains('\u{202e}') && !svg.contains("NaN"));
        assert!(
            svg.contains("prefers-color-scheme: dark") && svg.contains("--paper"),
            "the report's colours are not in it"
        );
    }

    #[test]
    fn no_points_and_many_points_are_drawn() {
        let mut many = example();
        many.points = (0..1000)
            .map(|i| point("agent", f64::from(i), 1.0 + f64::from(i % 97), Role::Other))
            .collect();
        assert!(timeline(&many).matches(">agent<").count() <= NAMES_MAX);
        many.points.clear();
        many.trend = None;
        assert!(timeline(&many).ends_with("</svg>\n"));
    }
}
