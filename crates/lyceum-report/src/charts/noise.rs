//! The noise floor: how far the unchanged workspace spreads.

use super::parts::{Cell, Figure, HALF, Key, Layout, Table};
use crate::{
    Report,
    figure::{Axis, Label, Layer, Mark, Plot, Scale, Shape},
    number::Source,
};

/// Returns the strip of all values of the unchanged workspace; `None` before the first.
pub(crate) fn noise_floor(report: &Report) -> Option<Figure> {
    let floor = report
        .floor
        .as_ref()
        .filter(|floor| !floor.values.is_empty())?;
    let start = report.start.as_ref()?;
    let sd = floor.sd.as_ref().map_or(0.0, crate::Number::value);
    let values: Vec<f64> = floor.values.iter().map(crate::Number::value).collect();
    let low = values
        .iter()
        .copied()
        .fold(start.value() - 2.0 * sd, f64::min);
    let high = values
        .iter()
        .copied()
        .fold(start.value() + 2.0 * sd, f64::max);
    let heights = beeswarm(&values, high - low);
    let marks = floor.values.iter().zip(&heights).map(|(value, height)| {
        let source = value.evidence().sources().first();
        let run = source.and_then(|source| match source {
            Source::Run(run) => Some(*run),
            Source::Event(_) => None,
        });
        Mark {
            x: value.value(),
            y: *height,
            shape: Shape::Ring,
            size: 5.0,
            class: "v-floor",
            title: format!(
                "{} {}",
                run.map_or_else(String::new, |run| run.to_string()),
                value.text_with_unit()
            ),
            link: run.map(|run| format!("#{run}")),
            interval: None,
        }
    });
    let mut layers = Vec::new();
    if sd > 0.0 {
        layers.push(Layer::Bars(vec![crate::figure::Bar {
            row: -0.62,
            from: start.value() - 2.0 * sd,
            to: start.value() + 2.0 * sd,
            class: "floor-bar",
            title: "mean ± 2 sd".into(),
            label: "mean ± 2 sd".into(),
        }]));
    }
    layers.push(Layer::Upright {
        at: start.value(),
        class: "mean",
    });
    layers.push(Layer::Marks(marks.collect()));
    layers.push(Layer::Labels(vec![Label {
        x: start.value(),
        y: 1.0,
        shift: (6.0, 10.0),
        anchor: "start",
        text: format!("mean {}", start.text()),
        class: "quiet",
    }]));
    let spread = floor.sd.as_ref().map_or_else(String::new, |sd| {
        format!(", standard deviation {}", sd.text())
    });
    let plot = Plot {
        id: "noise-floor-plot".into(),
        title: "Noise floor".into(),
        description: format!(
            "{} runs of the unchanged workspace: mean {}{spread}.",
            values.len(),
            start.text_with_unit()
        ),
        width: HALF,
        height: 190.0,
        x: Axis::round(Scale::linear(low, high).padded(0.08), report.metric.axis()),
        y: Axis::bare(Scale::linear(-1.0, 1.0)),
        layers,
        ends: vec![],
        rail: None,
    };
    let rows = floor.values.iter().enumerate();
    Some(Figure {
        slug: "noise-floor",
        title: "Noise floor",
        caption: format!(
            "The unchanged workspace, run {} times with different seeds{spread}. A difference within this spread says nothing.",
            values.len()
        ),
        keys: vec![Key::Shape(
            Shape::Ring,
            "v-floor",
            "one run of the start".into(),
        )],
        layout: Layout::Half(plot.svg()),
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

/// Returns a height for each value so that equal values do not cover each other.
fn beeswarm(values: &[f64], span: f64) -> Vec<f64> {
    let near = if span > 0.0 { span * 0.035 } else { 1.0 };
    let mut heights: Vec<f64> = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let taken = |height: f64| {
            values[..index]
                .iter()
                .zip(&heights)
                .any(|(other, at)| (other - value).abs() < near && (at - height).abs() < 0.15)
        };
        // 0, 0.17, -0.17, 0.34, …
        let free = (0..12)
            .map(|step: i32| f64::from((step + 1) / 2) * if step % 2 == 1 { 0.17 } else { -0.17 });
        heights.push(
            free.into_iter()
                .find(|height| !taken(*height))
                .unwrap_or(0.0)
                .clamp(-0.3, 0.9),
        );
    }
    heights
}
