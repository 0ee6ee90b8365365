//! The effect of each knob: its value against the metric, one small figure for each.

use lyceum_types::{Knob, KnobKind, Setting, Settings};

use super::parts::{
    Cell, Figure, Key, Layout, Range, SMALL, Table, experiment_mark, verdict_keys, verdict_look,
};
use crate::{
    Number, Report,
    figure::{Axis, Layer, Mark, Plot, Rail, Scale, Shape},
    model::Experiment,
    text,
};

/// Returns one small figure for each knob that an experiment turned; `None` when there is none.
pub(crate) fn knob_effects(report: &Report) -> Option<Figure> {
    let values: Vec<f64> = report
        .experiments
        .iter()
        .filter_map(|one| one.value.as_ref())
        .map(Number::value)
        .collect();
    let must: Vec<f64> = report.best.iter().map(|best| best.value.value()).collect();
    let turned = |knob: &&Knob| {
        report
            .experiments
            .iter()
            .any(|one| one.settings.contains_key(&knob.name))
    };
    let knobs: Vec<&Knob> = report.knobs.iter().filter(turned).collect();
    if knobs.is_empty() || values.is_empty() {
        return None;
    }
    let range = Range::around(&values, &must);
    let mut keys = verdict_keys(report);
    if let Some(start) = &report.start {
        if range.shape(start.value(), Shape::Diamond) == Shape::Diamond {
            keys.push(Key::Line("level", "value of the start".into()));
        }
        keys.push(Key::Shape(
            range.shape(start.value(), Shape::Diamond),
            "v-start",
            format!("start, {}", start.text()),
        ));
    }
    Some(Figure {
        slug: "knobs",
        title: "Effect of each knob",
        caption: format!(
            "Every experiment, once for each knob that was active in it. All panels share one vertical axis: {}.{}",
            report.metric.axis_with_goal(),
            range.note(&values)
        ),
        keys,
        layout: Layout::Many(
            knobs
                .iter()
                .map(|knob| plot(report, knob, range).svg())
                .collect(),
        ),
        table: table(report, &knobs),
    })
}

fn plot(report: &Report, knob: &Knob, range: Range) -> Plot {
    let axis = Places::of(knob);
    let name = text::line(&knob.name);
    let marks = |with_value: bool| -> Vec<Mark> {
        let shown = report
            .experiments
            .iter()
            .filter(move |one| one.value.is_some() == with_value);
        shown
            .filter_map(|one| mark(report, one, knob, &axis, range))
            .collect()
    };
    let mut layers = Vec::new();
    let inside = |start: &&Number| range.shape(start.value(), Shape::Diamond) == Shape::Diamond;
    if let Some(start) = report.start.as_ref().filter(inside) {
        layers.push(Layer::Level {
            at: start.value(),
            class: "level",
        });
    }
    let mut shown = marks(true);
    // Kept marks in front; the sort is stable.
    shown.sort_by_key(|mark| mark.class == "v-kept");
    layers.push(Layer::Marks(shown));
    if let (Some(start), Some(x)) = (&report.start, axis.at(&report.start_settings, knob)) {
        layers.push(Layer::Marks(vec![Mark {
            x,
            y: start.value(),
            shape: range.shape(start.value(), Shape::Diamond),
            size: 5.0,
            class: "v-start",
            title: format!("start · {}", start.text_with_unit()),
            link: None,
            interval: None,
        }]));
    }
    let lost = marks(false);
    Plot {
        id: format!("knob-{}", text::slug(&knob.name)),
        title: format!("Effect of {name}"),
        description: format!(
            "{name} against {}, one mark for each experiment.",
            report.metric.axis()
        ),
        width: SMALL,
        height: 210.0,
        x: Axis {
            title: text::shorten(&name, 34),
            ..axis.axis
        },
        y: Axis::round(range.scale(), ""),
        layers,
        ends: vec![],
        rail: (!lost.is_empty()).then(|| Rail {
            label: "×".into(),
            marks: lost,
        }),
    }
}

fn mark(
    report: &Report,
    one: &Experiment,
    knob: &Knob,
    axis: &Places,
    range: Range,
) -> Option<Mark> {
    let x = axis.at(&one.settings, knob)? + axis.sideways(one.id.0);
    let y = one.value.as_ref().map_or(0.0, Number::value);
    let mut mark = experiment_mark(report, one, (x, y), range);
    let value = one.settings.get(&knob.name)?.to_string();
    mark.title = format!(
        "{} · {} = {}",
        mark.title,
        text::line(&knob.name),
        text::line(&value)
    );
    mark.size = mark.size.min(4.6) * 0.85;
    Some(mark)
}

/// Where the values of a knob stand on its axis.
struct Places {
    axis: Axis,
    choices: Option<Vec<Setting>>,
}

impl Places {
    fn of(knob: &Knob) -> Places {
        let choices = match &knob.kind {
            KnobKind::Categorical { choices } => Some(choices.clone()),
            KnobKind::Boolean => Some(vec![Setting::Boolean(false), Setting::Boolean(true)]),
            KnobKind::Float { .. } | KnobKind::Integer { .. } => None,
        };
        let spread = |low: f64, high: f64, scale: lyceum_types::Scale| match scale {
            lyceum_types::Scale::Linear => Scale::linear(low, high),
            lyceum_types::Scale::Log => Scale::log(low, high),
        };
        let axis = match &knob.kind {
            KnobKind::Float { low, high, scale } => {
                Axis::round(spread(*low, *high, *scale).padded(0.05), "")
            }
            KnobKind::Integer { low, high, scale } => {
                let few = high.abs_diff(*low) <= 6;
                let axis = Axis::round(spread(*low as f64, *high as f64, *scale).padded(0.05), "");
                if few { whole(axis, *low, *high) } else { axis }
            }
            KnobKind::Categorical { .. } | KnobKind::Boolean => {
                let names: Vec<String> = choices
                    .iter()
                    .flatten()
                    .map(|choice| text::line(&choice.to_string()))
                    .collect();
                Axis {
                    ticks: Axis::named(&names, 0.5).ticks,
                    ..Axis::named(&names, 0.5)
                }
            }
        };
        Places {
            axis: Axis {
                grid: false,
                ..axis
            },
            choices,
        }
    }

    fn at(&self, settings: &Settings, knob: &Knob) -> Option<f64> {
        let value = settings.get(&knob.name)?;
        match &self.choices {
            Some(choices) => choices
                .iter()
                .position(|choice| choice == value)
                .map(|index| index as f64),
            None => value.number(),
        }
    }

    /// Moves marks of a choice apart by the experiment's number, so that they do not cover each other.
    fn sideways(&self, experiment: u32) -> f64 {
        if self.choices.is_some() {
            ((f64::from(experiment) * 0.618_034).fract() - 0.5) * 0.5
        } else {
            0.0
        }
    }
}

/// An axis with a tick at every whole number.
fn whole(axis: Axis, low: i64, high: i64) -> Axis {
    let ticks = (low..=high).map(|value| crate::figure::Tick {
        value: value as f64,
        label: value.to_string(),
    });
    Axis {
        ticks: crate::figure::Ticks::At(ticks.collect()),
        ..axis
    }
}

fn table(report: &Report, knobs: &[&Knob]) -> Table {
    let mut head = vec![
        "experiment".to_owned(),
        "verdict".to_owned(),
        report.metric.axis(),
    ];
    head.extend(knobs.iter().map(|knob| text::line(&knob.name)));
    let row = |one: &Experiment| {
        let mut row = vec![
            Cell::Experiment(one.id),
            Cell::Text(verdict_look(one.verdict).2.to_owned()),
            Cell::from(&one.value),
        ];
        row.extend(knobs.iter().map(|knob| {
            one.settings.get(&knob.name).map_or(Cell::Empty, |value| {
                Cell::Text(text::line(&value.to_string()))
            })
        }));
        row
    };
    Table {
        head,
        rows: report.experiments.iter().map(row).collect(),
    }
}
