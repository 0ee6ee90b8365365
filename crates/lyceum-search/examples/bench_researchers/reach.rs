//! Experiments that a researcher needs for what the peer reaches at the end.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::results::{Results, Studies, interval, median};

/// The peer whose end is the target.
pub(crate) const PEER: &str = "optuna-tpe";

/// Returns the table of experiments needed until the median regret that the peer has at the end.
pub(crate) fn table(results: &Results) -> Option<String> {
    let peer = results.get(PEER)?;
    let end = peer.values().map(Vec::len).max()?;
    let targets = targets(peer, end);
    let mut text = format!(
        "| until what `{PEER}` has at {end} | experiments, median | studies that got there |\n|---|---|---|\n"
    );
    for (name, studies) in results {
        let tasks = needed(studies, &targets);
        if tasks.is_empty() {
            continue;
        }
        let of = |tasks: &[&Vec<f64>]| median(tasks.iter().copied().flatten().copied().collect());
        let all: Vec<&Vec<f64>> = tasks.iter().collect();
        let (low, high) = interval(&tasks, of);
        let reached = tasks.iter().flatten().filter(|count| count.is_finite());
        let share = 100.0 * reached.count() as f64 / tasks.iter().flatten().count() as f64;
        let ran = studies.values().map(Vec::len).max().unwrap_or(0);
        let word = |count: f64| {
            if count.is_finite() {
                format!("{count:.0}")
            } else {
                format!("> {ran}")
            }
        };
        let (middle, low, high) = (word(of(&all)), word(low), word(high));
        let _ = writeln!(
            text,
            "| `{name}` | {middle} [{low}, {high}] | {share:.0} % |"
        );
    }
    Some(text)
}

/// Returns the peer's median regret at the end, by task.
fn targets(peer: &Studies, end: usize) -> BTreeMap<String, f64> {
    let mut tasks: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for ((task, _), regrets) in peer {
        if let Some(last) = regrets.get(end - 1) {
            tasks.entry(task.clone()).or_default().push(*last);
        }
    }
    tasks
        .into_iter()
        .map(|(task, regrets)| (task, median(regrets)))
        .collect()
}

/// Returns by task how many experiments each study took to the target; infinite where it never got there.
fn needed(studies: &Studies, targets: &BTreeMap<String, f64>) -> Vec<Vec<f64>> {
    let mut tasks: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for ((task, _), regrets) in studies {
        if let Some(target) = targets.get(task) {
            let first = regrets.iter().position(|regret| regret <= target);
            let count = first.map_or(f64::INFINITY, |index| (index + 1) as f64);
            tasks.entry(task).or_default().push(count);
        }
    }
    tasks.into_values().collect()
}
