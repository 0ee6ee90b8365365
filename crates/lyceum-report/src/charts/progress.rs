//! Best so far over the experiments.

use lyceum_types::Verdict;

use super::parts::{
    Cell, Figure, Key, Layout, NARROW, Range, Table, WIDE, experiment_mark, verdict_keys,
    verdict_look,
};
use crate::{
    Report,
    figure::{Axis, EndLabel, Layer, Mark, Plot, Rail, Scale, Ticks},
};

/// Returns the figure of all experiments and of the best value so far; `None` before the first value.
pub(crate) fn best_so_far(report: &Report) -> Option<Figure> {
    let values: Vec<f64> = report
        .experiments
        .iter()
        .filter_map(|one| one.value.as_ref())
        .map(crate::Number::value)
        .collect();
    if report.experiments.is_empty() || (values.is_empty() && report.start.is_none()) {
        return None;
    }
    let band = floor_band(report);
    let limit = visible_limit(report, &values);
    let mut must: Vec<f64> = band
        .into_iter()
        .flat_map(|(low, high)| [low, high])
        .collect();
    must.extend(report.start.iter().map(crate::Number::value));
    must.extend(report.best.iter().map(|best| best.value.value()));
    must.extend(limit);
    let range = Range::around(&values, &must);
    let draw = |width, height, size| plot(report, range, limit, width, height, size).svg();

    let mut keys = verdict_keys(report);
    keys.push(Key::Line("best", "best so far".into()));
    if band.is_some() {
        keys.push(Key::Area("floor", "noise floor: start ± 2 sd".into()));
    }
    if limit.is_some() {
        keys.push(Key::Line("limit", "best possible".into()));
    }
    Some(Figure {
        slug: "best-so-far",
        title: "Best so far",
        caption: format!(
            "Each mark is one experiment; failed ones have no value and stand on the rail below.{}",
            range.note(&values)
        ),
        keys,
        layout: Layout::Full {
            wide: draw(WIDE, 360.0, "wide"),
            narrow: draw(NARROW, 300.0, "narrow"),
        },
        table: table(report),
    })
}

fn floor_band(report: &Report) -> Option<(f64, f64)> {
    let start = report.start.as_ref()?.value();
    let sd = report.floor.as_ref()?.sd.as_ref()?.value();
    Some((start - 2.0 * sd, start + 2.0 * sd))
}

/// The limit is drawn unless it lies so far away that it would squash everything else.
fn visible_limit(report: &Report, values: &[f64]) -> Option<f64> {
    let limit = report.limit.as_ref()?.value();
    let seen = values
        .iter()
        .copied()
        .chain(report.start.as_ref().map(crate::Number::value));
    let (low, high) = seen.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    let away = (low - limit).max(limit - high).max(0.0);
    (away <= 2.0 * (high - low)).then_some(limit)
}

fn plot(
    report: &Report,
    range: Range,
    limit: Option<f64>,
    width: f64,
    height: f64,
    size: &str,
) -> Plot {
    let last = report
        .experiments
        .iter()
        .map(|one| one.id.0)
        .max()
        .unwrap_or(1)
        .max(1);
    let scale = Scale::linear(0.0, f64::from(last)).padded(0.015);
    let mut layers = Vec::new();
    if let Some((low, high)) = floor_band(report) {
        layers.push(Layer::Band {
            low,
            high,
            class: "floor",
        });
    }
    if let Some(limit) = limit {
        layers.push(Layer::Level {
            at: limit,
            class: "limit",
        });
    }
    layers.push(Layer::Line {
        points: best_line(report, f64::from(last)),
        step: true,
        class: "best",
    });
    layers.push(Layer::Marks(marks(report, range)));
    Plot {
        id: format!("best-so-far-{size}"),
        title: "Best so far".into(),
        description: describe(report),
        width,
        height,
        x: Axis {
            ticks: Ticks::Whole,
            grid: false,
            ..Axis::round(scale, "experiment")
        },
        y: Axis::round(range.scale(), report.metric.axis_with_goal()),
        layers,
        ends: ends(report, limit),
        rail: rail(report),
    }
}

/// The best value so far: from the start down (or up) one step for each kept experiment.
fn best_line(report: &Report, last: f64) -> Vec<(f64, f64)> {
    let start = report.start.iter().map(|start| (0.0, start.value()));
    let kept = report
        .experiments
        .iter()
        .filter(|one| one.verdict == Some(Verdict::Kept));
    let steps = kept.filter_map(|one| Some((f64::from(one.id.0), one.value.as_ref()?.value())));
    let mut points: Vec<(f64, f64)> = start.chain(steps).collect();
    if let Some((_, value)) = points.last().copied() {
        points.push((last, value));
    }
    points
}

fn marks(report: &Report, range: Range) -> Vec<Mark> {
    let weight = |verdict| match verdict {
        Some(Verdict::Kept) => 1,
        _ => 0,
    };
    let mut shown: Vec<_> = report
        .experiments
        .iter()
        .filter(|one| one.value.is_some())
        .collect();
    shown.sort_by_key(|one| (weight(one.verdict), one.id));
    shown
        .into_iter()
        .filter_map(|one| {
            let at = (f64::from(one.id.0), one.value.as_ref()?.value());
            Some(experiment_mark(report, one, at, range))
        })
        .collect()
}

fn rail(report: &Report) -> Option<Rail> {
    let without: Vec<_> = report
        .experiments
        .iter()
        .filter(|one| one.value.is_none())
        .collect();
    let all_failed = without
        .iter()
        .all(|one| one.verdict == Some(Verdict::Failed));
    let range = Range {
        low: 0.0,
        high: 0.0,
    };
    let marks = without
        .iter()
        .map(|one| experiment_mark(report, one, (f64::from(one.id.0), 0.0), range));
    (!without.is_empty()).then(|| Rail {
        label: if all_failed { "failed" } else { "no value" }.into(),
        marks: marks.collect(),
    })
}

fn ends(report: &Report, limit: Option<f64>) -> Vec<EndLabel> {
    let mut ends = Vec::new();
    if let Some(start) = &report.start {
        ends.push(EndLabel {
            y: start.value(),
            text: format!("start {}", start.text()),
            class: "quiet",
        });
    }
    if let Some(best) = &report.best {
        ends.push(EndLabel {
            y: best.value.value(),
            text: format!("best {}", best.value.text()),
            class: "strong",
        });
    }
    if let Some(limit) = limit {
        ends.push(EndLabel {
            y: limit,
            text: format!("limit {}", report.metric.text(limit)),
            class: "quiet",
        });
    }
    ends
}

fn describe(report: &Report) -> String {
    let count = |verdict| {
        report
            .experiments
            .iter()
            .filter(|one| one.verdict == Some(verdict))
            .count()
    };
    let stopped = match count(Verdict::StoppedEarly) {
        0 => String::new(),
        some => format!(", {some} stopped early"),
    };
    let start = report.start.as_ref().map_or_else(String::new, |start| {
        format!(" The start is at {}.", start.text_with_unit())
    });
    let best = report.best.as_ref().map_or_else(
        || " Nothing was kept.".to_owned(),
        |best| {
            format!(
                " The best is {} at {}.",
                best.experiment,
                best.value.text_with_unit()
            )
        },
    );
    format!(
        "{} over {} experiments: {} kept, {} discarded, {} inconclusive, {} failed{stopped}.{start}{best}",
        crate::text::line(&report.metric.name),
        report.experiments.len(),
        count(Verdict::Kept),
        count(Verdict::Discarded),
        count(Verdict::Inconclusive),
        count(Verdict::Failed),
    )
}

fn table(report: &Report) -> Table {
    let row = |one: &crate::model::Experiment| {
        vec![
            Cell::Experiment(one.id),
            Cell::Text(verdict_look(one.verdict).2.to_owned()),
            Cell::from(&one.value),
            Cell::Runs(one.runs.clone()),
        ]
    };
    Table {
        head: vec![
            "experiment".into(),
            "verdict".into(),
            report.metric.axis(),
            "runs".into(),
        ],
        rows: report.experiments.iter().map(row).collect(),
    }
}
