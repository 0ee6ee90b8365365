//! The noise floor: how far the unchanged workspace spreads.

use lyceum_types::RunId;

use super::parts::{Cell, Figure, HALF, Key, Layout, Table};
use crate::{
    Number, Report,
    figure::{Axis, Label, Layer, Mark, Plot, Scale, Shape, Tick, Ticks},
    model::Floor,
    number::Source,
};

/// Most repeats that get a tick each.
const TICKS_MAX: usize = 16;

/// Returns the strip of all values of the unchanged workspace, in the order of the runs; `None` before the first.
pub(crate) fn noise_floor(report: &Report) -> Option<Figure> {
    let floor = report
        .floor
        .as_ref()
        .filter(|floor| !floor.values.is_empty())?;
    let start = report.start.as_ref()?;
    let count = floor.values.len();
    let spread = floor.sd.as_ref().map_or_else(String::new, |sd| {
        format!(", standard deviation {}", sd.text())
    });
    let mut keys = vec![Key::Shape(
        Shape::Ring,
        "v-floor",
        "one run of the start".into(),
    )];
    if floor.sd.is_some() {
        keys.push(Key::Area("floor", "mean ± 2 sd".into()));
    }
    let rows = floor.values.iter().enumerate();
    Some(Figure {
        slug: "noise-floor",
        title: "Noise floor",
        caption: format!(
            "The unchanged workspace, run {count} times with different seeds{spread}. A difference within this spread says nothing."
        ),
        keys,
        layout: Layout::Half(plot(report, floor, start, &spread).svg()),
        table: Table {
            head: vec!["repeat".into(), report.metric.axis()],
            rows: rows
                .map(|(index, value)| {
                    vec![
                        Cell::Text((index + 1).to_string()),
                        Cell::Number(value.clone()),
                    ]
                })
                .collect(),
        },
    })
}

fn plot(report: &Report, floor: &Floor, start: &Number, spread: &str) -> Plot {
    let count = floor.values.len();
    let mean = start.value();
    let sd = floor.sd.as_ref().map_or(0.0, Number::value);
    let values = floor.values.iter().map(Number::value);
    let low = values.clone().fold(mean - 2.0 * sd, f64::min);
    let high = values.fold(mean + 2.0 * sd, f64::max);
    // The first run stands at the top.
    let row = |index: usize| (count - 1 - index) as f64;
    let every = count.div_ceil(TICKS_MAX);
    let ticks = (0..count).step_by(every).map(|index| Tick {
        value: row(index),
        label: (index + 1).to_string(),
    });
    let mut layers = Vec::new();
    if sd > 0.0 {
        layers.push(Layer::Column {
            low: mean - 2.0 * sd,
            high: mean + 2.0 * sd,
            class: "floor",
        });
    }
    layers.push(Layer::Upright {
        at: mean,
        class: "mean",
    });
    let marks = floor.values.iter().enumerate();
    layers.push(Layer::Marks(
        marks
            .map(|(index, value)| mark(value, row(index)))
            .collect(),
    ));
    layers.push(Layer::Labels(vec![Label {
        x: mean,
        y: row(0) + 0.8,
        shift: (6.0, 11.0),
        anchor: "start",
        text: format!("mean {}", start.text()),
        class: "quiet",
    }]));
    Plot {
        id: "noise-floor-plot".into(),
        title: "Noise floor".into(),
        description: format!(
            "{count} runs of the unchanged workspace: mean {}{spread}.",
            start.text_with_unit()
        ),
        width: HALF,
        height: (96.0 + 34.0 * count as f64).clamp(180.0, 372.0),
        x: Axis::round(Scale::linear(low, high).padded(0.08), report.metric.axis()),
        y: Axis {
            scale: Scale::linear(-0.7, row(0) + 0.8),
            title: "repeat".into(),
            ticks: Ticks::At(ticks.collect()),
            grid: false,
        },
        layers,
        ends: vec![],
        rail: None,
    }
}

fn mark(value: &Number, row: f64) -> Mark {
    let run: Option<RunId> = value
        .evidence()
        .sources()
        .iter()
        .find_map(|source| match source {
            Source::Run(run) => Some(*run),
            Source::Event(_) => None,
        });
    let name = run.map_or_else(String::new, |run| format!("{run} · "));
    Mark {
        x: value.value(),
        y: row,
        shape: Shape::Ring,
        size: 4.6,
        class: "v-floor",
        title: format!("{name}{}", value.text_with_unit()),
        link: run.map(|run| format!("#{run}")),
        interval: None,
    }
}
