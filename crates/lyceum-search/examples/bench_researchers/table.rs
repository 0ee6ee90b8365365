//! Results compared pair by pair.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};

use crate::{
    reach::{self, PEER},
    results::{Results, Studies, interval, median, read},
    task::{SETS, Set, set_of},
};

/// Evaluations at which researchers are compared.
const AT: [usize; 3] = [20, 40, 100];

/// Returns the tables of these files as Markdown, set by set.
pub(crate) fn print(files: &[impl AsRef<Path>]) -> Result<String, String> {
    let results = read(files)?;
    let mut names: Vec<&String> = results
        .values()
        .flatten()
        .map(|(study, _)| &study.0)
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut sets: BTreeMap<&String, Set> = BTreeMap::new();
    for name in names {
        sets.insert(name, set_of(name).ok_or(format!("no task `{name}`"))?);
    }
    let mut text = String::new();
    for (set, set_name) in SETS {
        let part = only(&results, |task| sets[task] == set);
        if !part.is_empty() {
            let _ = writeln!(text, "### Set `{set_name}`\n");
            text.push_str(&of_set(&part));
        }
    }
    Ok(text)
}

/// Returns the results of the tasks that are wanted.
fn only(results: &Results, wanted: impl Fn(&String) -> bool) -> Results {
    let mut part = Results::new();
    for (name, studies) in results {
        let of = studies.iter().filter(|((task, _), _)| wanted(task));
        let of: Studies = of
            .map(|(study, all)| (study.clone(), all.clone()))
            .collect();
        if !of.is_empty() {
            part.insert(name.clone(), of);
        }
    }
    part
}

fn of_set(results: &Results) -> String {
    let mut text = String::new();
    for other in ["random", PEER, "gp"] {
        let Some(theirs) = results.get(other) else {
            continue;
        };
        let heads = AT.map(|at| format!("won at {at}")).join(" | ");
        let lines = "---|".repeat(AT.len());
        let _ = writeln!(
            text,
            "| against `{other}` | pairs | {heads} |\n|---|---|{lines}"
        );
        for (name, ours) in results.iter().filter(|(name, _)| *name != other) {
            let pairs = ours
                .keys()
                .filter(|study| theirs.contains_key(*study))
                .count();
            let cells = AT.map(|at| won(ours, theirs, at));
            let _ = writeln!(text, "| `{name}` | {pairs} | {} |", cells.join(" | "));
        }
        text.push('\n');
    }
    if let Some(table) = reach::table(results) {
        let _ = writeln!(text, "{table}");
    }
    for at in [40, 100] {
        let _ = writeln!(text, "{}", regrets(results, at));
    }
    text
}

/// Returns the share of pairs won in per cent, ties by halves, with the 95 % interval over tasks.
pub(crate) fn won(ours: &Studies, theirs: &Studies, at: usize) -> String {
    let mut tasks: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (key, regrets) in ours {
        let other = theirs.get(key).and_then(|other| other.get(at - 1));
        let (Some(a), Some(b)) = (regrets.get(at - 1), other) else {
            continue;
        };
        let won = if a < b {
            1.0
        } else if a > b {
            0.0
        } else {
            0.5
        };
        tasks.entry(&key.0).or_default().push(won);
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let shares: Vec<f64> = tasks.values().map(|won| 100.0 * mean(won)).collect();
    if shares.is_empty() {
        return "–".to_owned();
    }
    let (low, high) = interval(&shares, |tasks| {
        tasks.iter().copied().sum::<f64>() / tasks.len() as f64
    });
    format!("{:.0} % [{low:.0}, {high:.0}]", mean(&shares))
}

/// Returns the table of median regrets, with the mean rank over all studies that every researcher here ran.
fn regrets(results: &Results, at: usize) -> String {
    let reached = |studies: &Studies| studies.values().all(|regrets| regrets.len() >= at);
    let results: Vec<(&String, &Studies)> = results
        .iter()
        .filter(|(_, studies)| reached(studies))
        .collect();
    let names: Vec<String> = results
        .iter()
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    let mut text = format!("| median regret at {at} | {} |\n", names.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(names.len()));
    let mut tasks: Vec<&String> = results
        .iter()
        .flat_map(|(_, studies)| studies.keys().map(|(task, _)| task))
        .collect();
    tasks.sort_unstable();
    tasks.dedup();
    for task in tasks {
        let cell = |(_, studies): &(&String, &Studies)| {
            let of_task = studies.iter().filter(|((name, _), _)| name == task);
            let regrets: Vec<f64> = of_task.map(|(_, regrets)| regrets[at - 1]).collect();
            if regrets.is_empty() {
                "–".to_owned()
            } else {
                format!("{:.2e}", median(regrets))
            }
        };
        let cells: Vec<String> = results.iter().map(cell).collect();
        let _ = writeln!(text, "| {task} | {} |", cells.join(" | "));
    }
    let (ranks, count) = ranks(&results, at);
    let ranks = ranks
        .into_iter()
        .map(|rank| rank.map_or_else(|| "–".to_owned(), |rank| format!("{rank:.2}")));
    let ranks: Vec<String> = ranks.collect();
    let _ = writeln!(
        text,
        "| mean rank in {count} studies | {} |",
        ranks.join(" | ")
    );
    text
}

/// Returns the mean rank of each, 1 for the best, equals sharing theirs, over the studies that all of them ran, and how
/// many these are. Who ran less than a third of the studies has no rank.
fn ranks(results: &[(&String, &Studies)], at: usize) -> (Vec<Option<f64>>, usize) {
    let most = results.iter().map(|(_, studies)| studies.len()).max();
    let ranked = |studies: &Studies| 3 * studies.len() >= most.unwrap_or(0);
    let whole: Vec<&Studies> = results
        .iter()
        .map(|(_, studies)| *studies)
        .filter(|studies| ranked(studies))
        .collect();
    let mut sums = vec![0.0; whole.len()];
    let mut count = 0_u32;
    for study in whole
        .iter()
        .flat_map(|studies| studies.keys())
        .collect::<BTreeSet<_>>()
    {
        let each = whole.iter().map(|studies| studies.get(study));
        let Some(each) = each.collect::<Option<Vec<&Vec<f64>>>>() else {
            continue;
        };
        count += 1;
        for (sum, one) in sums.iter_mut().zip(&each) {
            let mine = one[at - 1];
            let better = each.iter().filter(|other| other[at - 1] < mine).count();
            let equal = each
                .iter()
                .filter(|other| other[at - 1].total_cmp(&mine).is_eq());
            *sum += better as f64 + f64::midpoint(equal.count() as f64, 1.0);
        }
    }
    let mut means = sums.into_iter().map(|sum| sum / f64::from(count));
    let of = results
        .iter()
        .map(|(_, studies)| if ranked(studies) { means.next() } else { None });
    (of.collect(), count as usize)
}
