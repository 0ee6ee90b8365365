//! What all figures share: their frame in the page, marks by verdict, ranges that outliers do not squash.

use lyceum_types::{ExperimentId, Goal, RunId, Verdict};

use crate::{
    Number, Report,
    figure::{Mark, Scale, Shape},
    model::Metric,
};

/// Width of a figure over the whole column.
pub(crate) const WIDE: f64 = 860.0;
/// Width of the same figure on a small screen.
pub(crate) const NARROW: f64 = 360.0;
/// Width of a figure over half the column.
pub(crate) const HALF: f64 = 400.0;
/// Width of one of many small figures.
pub(crate) const SMALL: f64 = 270.0;

/// A figure with its words and its numbers.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// Unique in the page.
    pub(crate) slug: &'static str,
    pub(crate) title: &'static str,
    /// What to see in it.
    pub(crate) caption: String,
    pub(crate) keys: Vec<Key>,
    pub(crate) layout: Layout,
    pub(crate) table: Table,
}

/// The drawings of a figure.
#[derive(Clone, Debug)]
pub(crate) enum Layout {
    /// One drawing for wide and one for small screens.
    Full { wide: String, narrow: String },
    /// One drawing that fits half the column.
    Half(String),
    /// Many small drawings beside one another.
    Many(Vec<String>),
}

/// One entry of a figure's key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Key {
    Shape(Shape, &'static str, String),
    /// A line or an area by its class.
    Line(&'static str, String),
    Area(&'static str, String),
}

/// The numbers of a figure.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// A cell of a table.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    Empty,
    Text(String),
    Number(Number),
    Experiment(ExperimentId),
    Run(RunId),
    Runs(Vec<RunId>),
    Interval(Number, Number),
}

impl From<&Option<Number>> for Cell {
    fn from(number: &Option<Number>) -> Cell {
        number.clone().map_or(Cell::Empty, Cell::Number)
    }
}

impl Metric {
    /// Returns the metric's name with its unit, as the title of an axis.
    pub(crate) fn axis(&self) -> String {
        with_unit(&crate::text::line(&self.name), &self.unit)
    }

    /// Returns the metric's name, its unit and its direction.
    pub(crate) fn axis_with_goal(&self) -> String {
        let better = match self.goal {
            Goal::Minimize => "lower is better",
            Goal::Maximize => "higher is better",
        };
        format!("{} · {better}", self.axis())
    }

    /// Returns a value of the metric as text.
    pub(crate) fn text(&self, value: f64) -> String {
        crate::format::decimals(value, self.decimals)
    }
}

/// Returns a name with its unit in parentheses.
pub(crate) fn with_unit(name: &str, unit: &str) -> String {
    if unit.is_empty() {
        name.to_owned()
    } else {
        format!("{name} ({})", crate::text::line(unit))
    }
}

/// Returns the shape, class and word of a verdict; `None` stands for an experiment without a verdict.
pub(crate) fn verdict_look(verdict: Option<Verdict>) -> (Shape, &'static str, &'static str) {
    match verdict {
        Some(Verdict::Kept) => (Shape::Disc, "v-kept", "kept"),
        Some(Verdict::Discarded) => (Shape::Ring, "v-discarded", "discarded"),
        Some(Verdict::Inconclusive) => (Shape::Half, "v-inconclusive", "inconclusive"),
        Some(Verdict::Failed) => (Shape::Cross, "v-failed", "failed"),
        Some(Verdict::StoppedEarly) => (Shape::Stopped, "v-stopped", "stopped early"),
        Some(Verdict::Void) => (Shape::Square, "v-void", "void"),
        None => (Shape::Diamond, "v-open", "undecided"),
    }
}

/// All verdicts in the order in which they are listed.
pub(crate) const VERDICTS: [Option<Verdict>; 7] = [
    Some(Verdict::Kept),
    Some(Verdict::Discarded),
    Some(Verdict::Inconclusive),
    Some(Verdict::Failed),
    Some(Verdict::StoppedEarly),
    Some(Verdict::Void),
    None,
];

/// Returns the keys of the verdicts that occur.
pub(crate) fn verdict_keys(report: &Report) -> Vec<Key> {
    let occurs =
        |verdict: &Option<Verdict>| report.experiments.iter().any(|one| one.verdict == *verdict);
    VERDICTS
        .into_iter()
        .filter(occurs)
        .map(|verdict| {
            let (shape, class, word) = verdict_look(verdict);
            Key::Shape(shape, class, word.to_owned())
        })
        .collect()
}

/// A range of values that a few outliers do not squash.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Range {
    /// Returns a range with all that must be seen and most of the values. What lies outside is drawn at the edge.
    pub(crate) fn around(values: &[f64], must: &[f64]) -> Range {
        let mut sorted: Vec<f64> = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let last = sorted.len().checked_sub(1)?;
            sorted.get((share * last as f64).round() as usize).copied()
        };
        let core: Vec<f64> = must.iter().copied().chain(at(0.1)).chain(at(0.9)).collect();
        let low = core.iter().copied().fold(f64::INFINITY, f64::min);
        let high = core.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if low > high {
            return Range {
                low: 0.0,
                high: 1.0,
            };
        }
        let room = (high - low) * 0.35;
        let clamp =
            |value: Option<f64>, inner: f64| value.unwrap_or(inner).clamp(low - room, high + room);
        Range {
            low: clamp(at(0.0), low).min(low),
            high: clamp(at(1.0), high).max(high),
        }
    }

    /// Returns the range as an axis with some room.
    pub(crate) fn scale(self) -> Scale {
        Scale::linear(self.low, self.high).padded(0.06)
    }

    /// Returns the shape of a value: its own inside the range, a triangle at the edge outside.
    pub(crate) fn shape(self, value: f64, shape: Shape) -> Shape {
        let slack = (self.high - self.low) * 1e-9;
        if value > self.high + slack {
            Shape::Above
        } else if value < self.low - slack {
            Shape::Below
        } else {
            shape
        }
    }

    /// Returns a sentence about the values outside, or nothing.
    pub(crate) fn note(self, values: &[f64]) -> String {
        let outside = values
            .iter()
            .filter(|value| self.shape(**value, Shape::Disc) != Shape::Disc);
        match outside.count() {
            0 => String::new(),
            1 => " One value lies outside the axis and is drawn as a triangle at its edge."
                .to_owned(),
            n => {
                format!(" {n} values lie outside the axis and are drawn as triangles at its edge.")
            }
        }
    }
}

/// Returns the mark of an experiment.
pub(crate) fn experiment_mark(
    report: &Report,
    experiment: &crate::model::Experiment,
    at: (f64, f64),
    range: Range,
) -> Mark {
    let (shape, class, word) = verdict_look(experiment.verdict);
    let value = experiment.value.as_ref().map_or_else(
        || crate::text::line(&experiment.why),
        |value| {
            format!(
                "{} {}",
                crate::text::line(&report.metric.name),
                value.text_with_unit()
            )
        },
    );
    let winner = report
        .best
        .as_ref()
        .is_some_and(|best| best.experiment == experiment.id);
    let shape = if experiment.value.is_some() {
        range.shape(at.1, shape)
    } else {
        shape
    };
    Mark {
        x: at.0,
        y: at.1,
        shape,
        size: match (winner, experiment.verdict) {
            (true, _) => 6.0,
            (false, Some(Verdict::Kept)) => 4.6,
            (false, _) => 3.8,
        },
        class,
        title: format!("{} · {word} · {value}", experiment.id),
        link: Some(format!("#{}", experiment.id)),
        interval: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_outlier_does_not_squash_the_range() {
        let mut values: Vec<f64> = (0..40).map(|i| 2.0 + f64::from(i) * 0.01).collect();
        values.push(90.0);
        let range = Range::around(&values, &[2.4, 1.9]);
        assert!(range.high < 3.0, "{range:?}");
        assert_eq!(range.shape(90.0, Shape::Ring), Shape::Above);
        assert_eq!(range.shape(2.1, Shape::Ring), Shape::Ring);
        assert!(range.note(&values).starts_with(" One value"));
    }

    #[test]
    fn an_empty_range_is_still_a_range() {
        assert_eq!(
            Range::around(&[], &[]),
            Range {
                low: 0.0,
                high: 1.0
            }
        );
        assert!(Range::around(&[2.0], &[]).scale().high() > 2.0);
    }
}
