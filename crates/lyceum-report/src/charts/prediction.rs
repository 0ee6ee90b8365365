//! Predicted against realised values.

use super::parts::{Cell, Figure, HALF, Key, Layout, Range, Table, experiment_mark, verdict_keys};
use crate::{
    Number, Report,
    figure::{Axis, Layer, Mark, Plot, Shape},
    model::Experiment,
};

/// Returns the scatter of predicted against realised values; `None` when no predicted experiment has a value.
pub(crate) fn prediction(report: &Report) -> Option<Figure> {
    let shown: Vec<Point<'_>> = report.experiments.iter().filter_map(Point::of).collect();
    if shown.is_empty() {
        return None;
    }
    let values: Vec<f64> = shown
        .iter()
        .flat_map(|point| [point.mean, point.value])
        .collect();
    let range = Range::around(&values, &[]);
    let words = calibration(report, &shown);
    let mut keys = verdict_keys(report);
    keys.retain(|key| matches!(key, Key::Shape(Shape::Disc | Shape::Ring | Shape::Half, ..)));
    keys.push(Key::Line("diagonal", "predicted = measured".into()));
    Some(Figure {
        slug: "prediction",
        title: "Predicted against realised",
        caption: format!(
            "{words} Bars: ± one predicted standard deviation.{}",
            range.note(&values)
        ),
        keys,
        layout: Layout::Half(plot(report, &shown, range, words).svg()),
        table: table(report),
    })
}

/// An experiment that has both a prediction and a value.
struct Point<'a> {
    experiment: &'a Experiment,
    mean: f64,
    sd: f64,
    value: f64,
}

impl Point<'_> {
    fn of(experiment: &Experiment) -> Option<Point<'_>> {
        let (mean, sd) = experiment.prediction.as_ref()?;
        Some(Point {
            experiment,
            mean: mean.value(),
            sd: sd.value(),
            value: experiment.value.as_ref()?.value(),
        })
    }

    fn mark(&self, report: &Report, range: Range) -> Mark {
        let metric = &report.metric;
        let mut mark = experiment_mark(report, self.experiment, (self.mean, self.value), range);
        mark.title = format!(
            "{} · predicted {} ± {} · measured {}",
            self.experiment.id,
            metric.text(self.mean),
            metric.text(self.sd),
            metric.text(self.value)
        );
        mark.interval = Some((self.mean - self.sd, self.mean + self.sd));
        mark.shape = range.shape(self.mean, mark.shape);
        mark
    }
}

fn calibration(report: &Report, shown: &[Point<'_>]) -> String {
    let floor = report.floor.as_ref().and_then(|floor| floor.sd.as_ref());
    let noise = floor.map_or(0.0, Number::value);
    let within = |point: &&Point<'_>| (point.value - point.mean).abs() <= point.sd.hypot(noise);
    format!(
        "{} of {} values lie within one standard deviation of their prediction (about {:.0} are expected of a calibrated \
         researcher; the deviation joins the prediction's own with the noise floor).",
        shown.iter().filter(within).count(),
        shown.len(),
        0.683 * shown.len() as f64
    )
}

fn plot(report: &Report, shown: &[Point<'_>], range: Range, description: String) -> Plot {
    let scale = range.scale();
    let (low, high) = (scale.low(), scale.high());
    let marks = shown.iter().map(|point| point.mark(report, range));
    Plot {
        id: "prediction-plot".into(),
        title: "Predicted against realised".into(),
        description,
        width: HALF,
        height: 372.0,
        x: Axis::round(scale.clone(), format!("predicted {}", report.metric.axis())),
        y: Axis::round(scale, format!("measured {}", report.metric.axis())),
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
    }
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
