//! What each budget went to.

use super::parts::{Cell, Figure, Key, Layout, NARROW, Table, WIDE};
use crate::{
    Report,
    figure::{Axis, Bar, EndLabel, Layer, Plot, Scale, Tick, Ticks},
    format,
    model::{Budget, Spent},
    number::Form,
};

const ALL: [Spent; 8] = [
    Spent::Floor,
    Spent::Search,
    Spent::Repeat,
    Spent::Confirm,
    Spent::Ablation,
    Spent::Evaluation,
    Spent::Failed,
    Spent::Records,
];

impl Spent {
    fn look(self) -> (&'static str, &'static str) {
        match self {
            Spent::Floor => ("s-floor", "floor"),
            Spent::Search => ("s-search", "search"),
            Spent::Repeat => ("s-repeat", "repeat"),
            Spent::Confirm => ("s-confirm", "confirm"),
            Spent::Ablation => ("s-ablation", "ablation"),
            Spent::Evaluation => ("s-evaluation", "evaluation"),
            Spent::Failed => ("s-failed", "failed"),
            Spent::Records => ("s-records", "records"),
        }
    }
}

impl Budget {
    /// Returns how much of the budget is spent.
    pub(crate) fn spent(&self) -> f64 {
        self.parts.iter().map(|(_, part)| part.value()).sum()
    }
}

/// Returns one bar for each budget; `None` when nothing is spent.
pub(crate) fn budgets(report: &Report) -> Option<Figure> {
    let shown: Vec<&Budget> = report
        .budgets
        .iter()
        .rev()
        .filter(|budget| budget.spent() > 0.0)
        .collect();
    if shown.is_empty() {
        return None;
    }
    let most = shown
        .iter()
        .map(|budget| share(budget, budget.spent()))
        .fold(1.0, f64::max);
    let draw = |width, size| plot(&shown, most, width, size).svg();
    let occurs = |spent: &Spent| {
        shown.iter().any(|budget| {
            budget
                .parts
                .iter()
                .any(|(of, part)| of == spent && part.value() > 0.0)
        })
    };
    let keys = ALL.into_iter().filter(occurs).map(|spent| {
        let (class, word) = spent.look();
        Key::Area(class, word.into())
    });
    Some(Figure {
        slug: "budgets",
        title: "What each budget went to",
        caption: "In the order of the key, from left to right. The line marks the whole budget; a bar without a \
                  budget ends at what was used. Wall-clock time is that of the sessions, divided in proportion to the runs' own.".into(),
        keys: keys.collect(),
        layout: Layout::Full { wide: draw(WIDE, "wide"), narrow: draw(NARROW, "narrow") },
        table: table(&report.budgets),
    })
}

fn share(budget: &Budget, value: f64) -> f64 {
    let whole = budget
        .limit
        .as_ref()
        .map_or_else(|| budget.spent(), crate::Number::value);
    if whole > 0.0 { value / whole } else { 0.0 }
}

fn plot(shown: &[&Budget], most: f64, width: f64, size: &str) -> Plot {
    let names: Vec<String> = shown.iter().map(|budget| budget.name.clone()).collect();
    let ticks = [0.0, 0.25, 0.5, 0.75, 1.0].map(|value| Tick {
        value,
        label: format::number(value, Form::Percent),
    });
    let wide = width > 500.0;
    let ends = shown.iter().enumerate().map(|(row, budget)| EndLabel {
        y: row as f64,
        text: if wide {
            amount(budget)
        } else {
            spent_text(budget)
        },
        class: "quiet",
    });
    Plot {
        id: format!("budgets-{size}"),
        title: "What each budget went to".into(),
        description: shown
            .iter()
            .rev()
            .map(|budget| format!("{}: {}.", budget.name, amount(budget)))
            .collect::<Vec<_>>()
            .join(" "),
        width,
        height: 56.0 + 36.0 * names.len() as f64,
        x: Axis {
            scale: Scale::linear(0.0, most.max(1.0)),
            title: "share of the budget".into(),
            ticks: Ticks::At(
                ticks
                    .into_iter()
                    .step_by(if wide { 1 } else { 2 })
                    .collect(),
            ),
            grid: true,
        },
        y: Axis::named(&names, 0.5),
        layers: vec![
            Layer::Bars(bars(shown)),
            Layer::Upright {
                at: 1.0,
                class: "whole",
            },
        ],
        ends: ends.collect(),
        rail: None,
    }
}

fn bars(shown: &[&Budget]) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (row, budget) in shown.iter().enumerate() {
        let mut from = 0.0;
        for spent in ALL {
            for (_, part) in budget
                .parts
                .iter()
                .filter(|(of, part)| *of == spent && part.value() > 0.0)
            {
                let to = from + share(budget, part.value());
                let (class, word) = spent.look();
                bars.push(Bar {
                    row: row as f64,
                    from,
                    to,
                    class,
                    title: format!("{} · {word} · {}", budget.name, part.text_with_unit()),
                    label: word.into(),
                });
                from = to;
            }
        }
    }
    bars
}

fn spent_text(budget: &Budget) -> String {
    let form = budget.parts.first().map(|(_, part)| part.clone());
    form.map_or_else(String::new, |part| {
        let evidence = part.evidence().clone();
        crate::Number::new(budget.spent(), part.form(), evidence)
            .map_or_else(|_| String::new(), |sum| sum.text())
    })
}

fn amount(budget: &Budget) -> String {
    match &budget.limit {
        Some(limit) => format!("{} of {}", spent_text(budget), limit.text()),
        None => format!("{}, no limit", spent_text(budget)),
    }
}

fn table(budgets: &[Budget]) -> Table {
    let mut head = vec!["went to".to_owned()];
    head.extend(budgets.iter().map(|budget| budget.name.clone()));
    let mut rows: Vec<Vec<Cell>> = ALL
        .into_iter()
        .map(|spent| {
            let part = |budget: &Budget| {
                budget
                    .parts
                    .iter()
                    .find(|(of, _)| *of == spent)
                    .map_or(Cell::Empty, |(_, part)| Cell::Number(part.clone()))
            };
            [Cell::Text(spent.look().1.into())]
                .into_iter()
                .chain(budgets.iter().map(part))
                .collect()
        })
        .collect();
    rows.retain(|row: &Vec<Cell>| row[1..].iter().any(|cell| !matches!(cell, Cell::Empty)));
    rows.push(
        [Cell::Text("budget".into())]
            .into_iter()
            .chain(budgets.iter().map(|budget| Cell::from(&budget.limit)))
            .collect(),
    );
    Table { head, rows }
}
