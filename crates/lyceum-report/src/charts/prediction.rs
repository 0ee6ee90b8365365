//! Predicted against realised values.

use super::parts::{Cell, Figure, HALF, Key, Layout, Range, Table, experiment_mark, verdict_keys};
use crate::{
    Number, Report,
    figure::{Axis, Layer, Plot, Shape},
    model::Experiment,
};

/// Returns the scatter of predicted against realised values; `None` when no predicted experiment has a value.
pub(crate) fn prediction(report: &Report) -> Option<Figure> {
    let shown: Vec<(&Experiment, f64, f64, f64)> = report
        .experiments
        .iter()
        .filter_map(|one| {
            let (mean, sd) = one.prediction.as_ref()?;
            Some((one, mean.value(), sd.value(), one.value.as_ref()?.value()))
        })
        .collect();
    if shown.is_empty() {
        return None;
    }
    let values: Vec<f64> = shown
        .iter()
        .flat_map(|(_, mean, _, value)| [*mean, *value])
        .collect();
    let range = Range::around(&values, &[]);
    let marks = shown.iter().map(|(one, mean, sd, value)| {
        let mut mark = experiment_mark(report, one, (*mean, *value), range);
        mark.title = format!(
            "{} · predicted {} ± {} · measured {}",
            one.id,
            report.metric.text(*mean),
            report.metric.text(*sd),
            report.metric.text(*value)
        );
        mark.interval = Some((mean - sd, mean + sd));
        if range.shape(*mean, Shape::Disc) != Shape::Disc {
            mark.shape = range.shape(*mean, Shape::Disc);
        }
        mark
    });
    let noise = report
        .floor
        .as_ref()
        .and_then(|floor| floor.sd.as_ref())
        .map_or(0.0, Number::value);
    let inside = shown
        .iter()
        .filter(|(_, mean, sd, value)| (value - mean).abs() <= sd.hypot(noise))
        .count();
    let calibration = format!(
        "{inside} of {} values lie within one standard deviation of their prediction (about {:.0} are expected of a calibrated researcher; the deviation joins the prediction's own with the noise floor).",
        shown.len(),
        0.683 * shown.len() as f64
    );
    let low = range.scale().low();
    let high = range.scale().high();
    let plot = Plot {
        id: "prediction-plot".into(),
        title: "Predicted against realised".into(),
        description: calibration.clone(),
        width: HALF,
        height: 372.0,
        x: Axis::round(range.scale(), format!("predicted {}", report.metric.axis())),
        y: Axis::round(range.scale(), format!("measured {}", report.metric.axis())),
        layers: vec![
            Layer::Line {
                points: vec![(low, low), (high, high)],
                step: false,
                class: "diagonal",
            },
            Layer::Marks(marks.collect()),
        ],
        ends: vec![],
        rail: None,
    };
    let mut keys = verdict_keys(report);
    keys.retain(|key| matches!(key, Key::Shape(shape, ..) if matches!(shape, Shape::Disc | Shape::Ring | Shape::Half)));
    keys.push(Key::Line("diagonal", "predicted = measured".into()));
    Some(Figure {
        slug: "prediction",
        title: "Predicted against realised",
        caption: format!(
            "{calibration} Bars: ± one predicted standard deviation.{}",
            range.note(&values)
        ),
        keys,
        layout: Layout::Half(plot.svg()),
        table: table(report),
    })
}

fn table(report: &Report) -> Table {
    let row = |one: &Experiment| {
        let (mean, sd) = one.prediction.as_ref()?;
        Some(vec![
            Cell::Experiment(one.id),
            Cell::Number(mean.clone()),
            Cell::Number(sd.clone()),
            Cell::from(&one.value),
        ])
    };
    Table {
        head: vec![
            "experiment".into(),
            "predicted".into(),
            "± sd".into(),
            "measured".into(),
        ],
        rows: report.experiments.iter().filter_map(row).collect(),
    }
}
