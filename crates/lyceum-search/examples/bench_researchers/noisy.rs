//! Researchers under noise that they are told, as a lab measures it before it asks.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    results::{Studies, median},
    study::{Terms, study},
    table::won,
    task::{SEEDS, Set, Task, drawn, tasks},
};

/// Standard deviation of one run, in units of the usual difference between settings.
const LEVELS: [f64; 4] = [0.0, 0.3, 1.0, 3.0];
/// Evaluations of a study.
const EVALUATIONS: u32 = 40;
/// Random points by which the usual difference is measured.
const POINTS: u64 = 101;

/// Returns the share of pairs that each wins against the first, at each level of noise.
pub(crate) fn compare(names: &[&str]) -> String {
    let heads = LEVELS.map(|level| format!("noise {level}"));
    let lines = "---|".repeat(LEVELS.len());
    let mut text = format!(
        "| against `{}` | {} |\n|---|{lines}\n",
        names[0],
        heads.join(" | ")
    );
    let mut all: BTreeMap<&str, Vec<Studies>> = BTreeMap::new();
    for name in names {
        let studies = LEVELS.map(|level| at(name, level));
        all.insert(name, studies.into());
    }
    for name in &names[1..] {
        let both = all[name].iter().zip(&all[names[0]]);
        let cells: Vec<String> = both
            .map(|(ours, theirs)| won(ours, theirs, EVALUATIONS as usize))
            .collect();
        let _ = writeln!(text, "| `{name}` | {} |", cells.join(" | "));
    }
    text
}

/// Returns the studies of one researcher at one level.
fn at(name: &str, level: f64) -> Studies {
    let mut studies = Studies::new();
    for seed in 0..SEEDS {
        for mut task in tasks(Set::Development, seed) {
            task.noise_sd = level * difference(&task);
            let terms = Terms {
                name,
                evaluations: EVALUATIONS,
                noise_told: true,
                curves: None,
                first_rung: 0,
                parts_max: u64::MAX,
            };
            let found = study(&terms, &task);
            studies.insert((task.name.to_owned(), seed), found.regrets);
        }
    }
    studies
}

/// Returns half of what lies between the quartiles of values at random settings.
fn difference(task: &Task) -> f64 {
    let mut values: Vec<f64> = (0..POINTS)
        .filter_map(|point| (task.value)(&drawn(task, "usual difference", point)))
        .collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let (low, high) = values.split_at(middle);
    0.5 * (median(high.to_vec()) - median(low.to_vec()))
}
