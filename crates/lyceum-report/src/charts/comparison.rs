//! Confirmation and ablation: what was tested on paired seeds.

use lyceum_types::RunId;

use super::parts::{Cell, Figure, HALF, Key, Layout, Table, with_unit};
use crate::{
    Number, Report,
    figure::{Axis, Label, Layer, Mark, Plot, Scale, Shape},
    model::{Ablation, Comparison, PairResult},
    text,
};

/// Returns the slopes from start to winner, one for each seed; `None` before the confirmation.
pub(crate) fn confirmation(report: &Report) -> Option<Figure> {
    let claim = report.claim.as_ref()?;
    let pairs = complete(&claim.comparison);
    if pairs.is_empty() {
        return None;
    }
    let goal = report.metric.goal;
    let wins = pairs
        .iter()
        .filter(|(_, base, other)| goal.better(*other, *base))
        .count();
    let mut keys = vec![
        Key::Shape(Shape::Ring, "v-start", "start".into()),
        Key::Shape(Shape::Disc, "v-kept", format!("winner ({})", claim.winner)),
        Key::Line("slope", "one seed, winner better".into()),
    ];
    if wins < pairs.len() {
        keys.push(Key::Line(
            "slope worse",
            "one seed, winner not better".into(),
        ));
    }
    let words = format!(
        "{wins} of {} fresh paired seeds are better with the winner.",
        pairs.len()
    );
    Some(Figure {
        slug: "confirmation",
        title: "Confirmation on fresh seeds",
        caption: format!(
            "Start and winner, each run once more with {} new seeds that neither had seen. Beside the dots: the means. {}",
            claim.comparison.pairs.len(),
            failed_note(&claim.comparison)
        ),
        keys,
        layout: Layout::Half(slopes(report, &pairs, &claim.winner.to_string(), words).svg()),
        table: pair_table(&claim.comparison, "start", "winner"),
    })
}

/// Both values of a pair in which neither run failed.
type Slope<'a> = (&'a PairResult, f64, f64);

fn slopes(report: &Report, pairs: &[Slope<'_>], winner: &str, description: String) -> Plot {
    let all = || pairs.iter().flat_map(|(_, base, other)| [*base, *other]);
    let scale = Scale::linear(
        all().fold(f64::INFINITY, f64::min),
        all().fold(f64::NEG_INFINITY, f64::max),
    );
    let line = |(_, base, other): &Slope<'_>| Layer::Line {
        points: vec![(0.0, *base), (1.0, *other)],
        step: false,
        class: if report.metric.goal.better(*other, *base) {
            "slope"
        } else {
            "slope worse"
        },
    };
    let mean =
        |side: fn(&Slope<'_>) -> f64| pairs.iter().map(side).sum::<f64>() / pairs.len() as f64;
    let mut layers: Vec<Layer> = pairs.iter().map(line).collect();
    layers.push(Layer::Marks(
        pairs.iter().flat_map(|pair| dots(report, pair)).collect(),
    ));
    layers.push(Layer::Labels(vec![
        mean_label(report, 0.0, mean(|pair| pair.1)),
        mean_label(report, 1.0, mean(|pair| pair.2)),
    ]));
    Plot {
        id: "confirmation-plot".into(),
        title: "Confirmation".into(),
        description,
        width: HALF,
        height: 330.0,
        x: Axis::named(&["start".to_owned(), format!("winner {winner}")], 0.42),
        y: Axis::round(scale.padded(0.08), report.metric.axis_with_goal()),
        layers,
        ends: vec![],
        rail: None,
    }
}

/// The two ends of a slope.
fn dots(report: &Report, (pair, base, other): &Slope<'_>) -> [Mark; 2] {
    let title = format!(
        "seed {} · {} {} → {} {}",
        pair.seed,
        pair.base_run,
        report.metric.text(*base),
        pair.other_run,
        report.metric.text(*other)
    );
    let dot = |x: f64, y: f64, shape, class, run: RunId| Mark {
        x,
        y,
        shape,
        size: 4.2,
        class,
        title: title.clone(),
        link: Some(format!("#{run}")),
        interval: None,
    };
    [
        dot(0.0, *base, Shape::Ring, "v-start", pair.base_run),
        dot(1.0, *other, Shape::Disc, "v-kept", pair.other_run),
    ]
}

/// The mean of one side, written outside its dots.
fn mean_label(report: &Report, x: f64, mean: f64) -> Label {
    let start = x == 0.0;
    Label {
        x,
        y: mean,
        shift: (if start { -12.0 } else { 12.0 }, 4.0),
        anchor: if start { "end" } else { "start" },
        text: report.metric.text(mean),
        class: if start { "" } else { "strong" },
    }
}

/// Returns what each change is worth: one interval for each knob put back; `None` without ablations.
pub(crate) fn ablation(report: &Report) -> Option<Figure> {
    let mut shown: Vec<(&Ablation, &Number)> = report
        .ablations
        .iter()
        .filter_map(|one| Some((one, one.comparison.gain.as_ref()?)))
        .collect();
    if shown.is_empty() {
        return None;
    }
    // The largest gain stands at the top; rows count from the bottom.
    shown.sort_by(|a, b| {
        a.1.value()
            .total_cmp(&b.1.value())
            .then_with(|| a.0.knob.cmp(&b.0.knob))
    });
    Some(Figure {
        slug: "ablation",
        title: "What each change is worth",
        caption: "The winner against the winner with one knob put back to its start value, on paired seeds: mean and 95 % interval.".into(),
        keys: vec![
            Key::Shape(Shape::Disc, "v-kept", "confirmed".into()),
            Key::Shape(Shape::Ring, "v-discarded", "not confirmed".into()),
        ],
        layout: Layout::Half(gains(report, &shown).svg()),
        table: ablation_table(report),
    })
}

/// One row for each knob, the first at the bottom.
fn gains(report: &Report, shown: &[(&Ablation, &Number)]) -> Plot {
    let bounds = shown.iter().flat_map(|(one, gain)| {
        let (low, high) = one
            .comparison
            .interval
            .as_ref()
            .map_or((gain.value(), gain.value()), |(low, high)| {
                (low.value(), high.value())
            });
        [low, high]
    });
    let (low, high) = bounds.fold((0.0_f64, 0.0_f64), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let scale = Scale::linear(low, high).padded(0.07);
    let marks = shown
        .iter()
        .enumerate()
        .map(|(row, (one, gain))| ablation_mark(one, gain, row as f64));
    let names: Vec<String> = shown
        .iter()
        .map(|(one, _)| text::shorten(&text::line(&one.knob), 16))
        .collect();
    let zero = Label {
        x: 0.0,
        y: names.len() as f64 - 0.5,
        shift: (5.0, 2.0),
        anchor: "start",
        text: "no effect".into(),
        class: "quiet",
    };
    Plot {
        id: "ablation-plot".into(),
        title: "Ablation".into(),
        description: describe(shown),
        width: HALF,
        height: 78.0 + 34.0 * names.len() as f64,
        x: Axis::round(scale, with_unit("worth of the change", &report.metric.unit)),
        y: Axis::named(&names, 0.7),
        layers: vec![
            Layer::Upright {
                at: 0.0,
                class: "zero",
            },
            Layer::Marks(marks.collect()),
            Layer::Labels(vec![zero]),
        ],
        ends: vec![],
        rail: None,
    }
}

fn ablation_mark(one: &Ablation, gain: &Number, row: f64) -> Mark {
    let confirmed = one.comparison.confirmed;
    let interval = one.comparison.interval.as_ref();
    Mark {
        x: gain.value(),
        y: row,
        shape: if confirmed { Shape::Disc } else { Shape::Ring },
        size: 5.0,
        class: if confirmed { "v-kept" } else { "v-discarded" },
        title: format!(
            "{}: {} {}",
            text::line(&one.knob),
            gain.text_with_unit(),
            if confirmed {
                "confirmed"
            } else {
                "not confirmed"
            }
        ),
        link: None,
        interval: interval.map(|(low, high)| (low.value(), high.value())),
    }
}

fn describe(shown: &[(&Ablation, &Number)]) -> String {
    let parts: Vec<String> = shown
        .iter()
        .rev()
        .map(|(one, gain)| format!("{} {}", text::line(&one.knob), gain.text_with_unit()))
        .collect();
    format!(
        "Gain that is lost when a knob is put back: {}.",
        parts.join(", ")
    )
}

fn complete(comparison: &Comparison) -> Vec<(&PairResult, f64, f64)> {
    let both =
        |pair: &'_ PairResult| Some((pair.base.as_ref()?.value(), pair.other.as_ref()?.value()));
    comparison
        .pairs
        .iter()
        .filter_map(|pair| both(pair).map(|(base, other)| (pair, base, other)))
        .collect()
}

fn failed_note(comparison: &Comparison) -> String {
    match comparison.pairs.len() - complete(comparison).len() {
        0 => String::new(),
        1 => "One pair has a failed run and is not drawn.".into(),
        n => format!("{n} pairs have a failed run and are not drawn."),
    }
}

fn pair_table(comparison: &Comparison, base: &str, other: &str) -> Table {
    let row = |pair: &PairResult| {
        vec![
            Cell::Text(pair.seed.to_string()),
            Cell::Run(pair.base_run),
            Cell::from(&pair.base),
            Cell::Run(pair.other_run),
            Cell::from(&pair.other),
        ]
    };
    Table {
        head: ["seed", "run", base, "run", other]
            .map(str::to_owned)
            .to_vec(),
        rows: comparison.pairs.iter().map(row).collect(),
    }
}

fn ablation_table(report: &Report) -> Table {
    let row = |one: &Ablation| {
        let comparison = &one.comparison;
        vec![
            Cell::Text(text::line(&one.knob)),
            Cell::from(&comparison.gain),
            comparison
                .interval
                .clone()
                .map_or(Cell::Empty, |(low, high)| Cell::Interval(low, high)),
            Cell::Number(comparison.wins.clone()),
            Cell::Number(comparison.counted.clone()),
            Cell::from(&comparison.e_value),
            Cell::Text(
                if comparison.confirmed {
                    "confirmed"
                } else {
                    "not confirmed"
                }
                .into(),
            ),
        ]
    };
    Table {
        head: [
            "knob put back",
            "gain of the change",
            "95 % interval",
            "wins",
            "pairs",
            "E",
            "claim",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows: report.ablations.iter().map(row).collect(),
    }
}
