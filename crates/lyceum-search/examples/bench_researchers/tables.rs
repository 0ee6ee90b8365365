//! Real tuning tasks: every cell of a grid of settings was trained once by the lab's own trainer, and is looked up.
//!
//! The tables lie in `bench/researchers/tables`; `cargo run --release -p lyceum-search --example tabulate` makes them. A
//! table is a text: comments, a line `knob NAME ordered|choice VALUE...` for each knob, then a line `cells COUNT` and the
//! measured values one a line, the last knob fastest, `failed` where training diverged, each followed by what was measured
//! at a twenty-seventh, a ninth and a third of the way.

use std::sync::Arc;

use lyceum_types::{Knob, Scale, Setting, Settings, Space};
use serde_json::json;

use crate::task::{Task, choice, integer};

/// Where the tables lie.
const DIRECTORY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../bench/researchers/tables"
);
/// The tables by task.
const TABLES: [&str; 3] = ["text-size", "text-schedule", "text-optimizer"];

/// A table that was read.
struct Table {
    knobs: Vec<Knob>,
    /// How many values each knob has.
    counts: Vec<usize>,
    cells: Vec<Option<f64>>,
    /// What the run of a cell says at each rung that it reaches.
    reported: Vec<Vec<f64>>,
}

/// Returns all tasks. The seed moves nothing here but the researcher.
pub(crate) fn tasks(seed: u64) -> Vec<Task> {
    TABLES
        .iter()
        .map(|name| task(name, &table(name), seed))
        .collect()
}

fn table(name: &str) -> Table {
    let path = format!("{DIRECTORY}/{name}.txt");
    read(&std::fs::read_to_string(&path).expect("a table; `tabulate` makes them"))
}

/// What the runs of a task say of themselves on their way, at each rung that they reach.
pub(crate) struct Curves {
    knobs: Vec<Knob>,
    counts: Vec<usize>,
    reported: Vec<Vec<f64>>,
}

impl Curves {
    /// Returns the curves of each task, in the order of [`tasks`].
    pub(crate) fn all() -> Vec<Curves> {
        let curves = |name: &&str| {
            let Table {
                knobs,
                counts,
                reported,
                ..
            } = table(name);
            Curves {
                knobs,
                counts,
                reported,
            }
        };
        TABLES.iter().map(curves).collect()
    }

    /// Returns what the run at these settings says.
    pub(crate) fn of(&self, settings: &Settings) -> &[f64] {
        &self.reported[place(&self.knobs, &self.counts, settings)]
    }
}

fn task(name: &'static str, table: &Table, seed: u64) -> Task {
    let found = table.cells.iter().flatten().copied();
    let constants = json!({"counts": table.counts, "cells": table.cells});
    let (knobs, counts) = (table.knobs.clone(), table.counts.clone());
    let cells: Arc<[Option<f64>]> = table.cells.clone().into();
    Task {
        name,
        seed,
        space: Space::new(knobs.clone()).expect("a valid space"),
        least: found.fold(f64::INFINITY, f64::min),
        noise_sd: 0.0,
        constants,
        value: Box::new(move |settings| cells[place(&knobs, &counts, settings)]),
    }
}

/// Returns the cell of these settings.
fn place(knobs: &[Knob], counts: &[usize], settings: &Settings) -> usize {
    let each = knobs.iter().zip(counts);
    each.fold(0, |place, (knob, count)| {
        let level = match &settings[&knob.name] {
            Setting::Integer(level) => *level as usize,
            Setting::Text(text) => text.parse().expect("the number of a choice"),
            other => unreachable!("{other} in a table"),
        };
        place * count + level
    })
}

fn read(text: &str) -> Table {
    let mut table = Table {
        knobs: Vec::new(),
        counts: Vec::new(),
        cells: Vec::new(),
        reported: Vec::new(),
    };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        match words.next() {
            Some("knob") => {
                let name = words.next().expect("a name");
                let kind = words.next().expect("a kind");
                let count = words.count();
                // Knobs count through their values: the grid is even in what matters, ratios or steps.
                let level = |index: usize| index.to_string();
                let names: Vec<String> = (0..count).map(level).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                table.knobs.push(match kind {
                    "ordered" => integer(name, 0, count as i64 - 1, Scale::Linear),
                    _ => choice(name, &names),
                });
                table.counts.push(count);
            }
            Some("cells" | "") | None => {}
            Some(end) => {
                table.cells.push(end.parse().ok());
                assert!(
                    end == "failed" || end.parse::<f64>().is_ok(),
                    "a cell: {end}"
                );
                let reported = words.map(|word| word.parse().expect("a number"));
                table.reported.push(reported.collect());
            }
        }
    }
    let expected: usize = table.counts.iter().product();
    assert_eq!(table.cells.len(), expected, "cells of a table");
    table
}
