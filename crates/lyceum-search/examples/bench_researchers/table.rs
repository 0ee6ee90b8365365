//! Result files compared pair by pair.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

/// Evaluations at which researchers are compared.
const AT: [usize; 2] = [20, 40];
/// Resamplings of tasks for an interval.
const RESAMPLINGS: u64 = 4000;

/// Regret of the best so far by researcher, then by task and seed, then by evaluation from 0.
type Results = BTreeMap<String, BTreeMap<(String, u64), Vec<f64>>>;

/// Returns the tables of these files as Markdown.
pub(crate) fn print(files: &[impl AsRef<Path>]) -> Result<String, String> {
    let results = read(files)?;
    let mut text = String::new();
    for other in ["random", "optuna-tpe"] {
        let Some(theirs) = results.get(other) else {
            continue;
        };
        let _ = writeln!(
            text,
            "| against `{other}` | won at 20 | won at 40 |\n|---|---|---|"
        );
        for (name, ours) in results.iter().filter(|(name, _)| *name != other) {
            let cells = AT.map(|at| cell(ours, theirs, at));
            let _ = writeln!(text, "| `{name}` | {} |", cells.join(" | "));
        }
        text.push('\n');
    }
    let names: Vec<&String> = results.keys().collect();
    let _ = writeln!(
        text,
        "| median regret at 40 | {} |",
        join(&names, |name| format!("`{name}`"))
    );
    let _ = writeln!(text, "|---|{}", "---|".repeat(names.len()));
    let first = results.values().next().ok_or("no results")?;
    let mut tasks: Vec<&String> = first.keys().map(|(task, _)| task).collect();
    tasks.dedup();
    for task in tasks {
        let _ = writeln!(
            text,
            "| {task} | {} |",
            join(&names, |name| format!(
                "{:.2e}",
                median(&results[*name], task)
            ))
        );
    }
    let _ = writeln!(
        text,
        "| mean log10 regret | {} |",
        join(&names, |name| format!("{:.2}", mean_log(&results[*name])))
    );
    Ok(text)
}

fn join<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(" | ")
}

fn read(files: &[impl AsRef<Path>]) -> Result<Results, String> {
    let mut results = Results::new();
    for file in files {
        let path = file.as_ref().display();
        let text = std::fs::read_to_string(file).map_err(|error| format!("`{path}`: {error}"))?;
        for (index, line) in text.lines().enumerate() {
            let bad = || format!("`{path}` line {}: expected five fields", index + 1);
            let fields: Vec<&str> = line.split('\t').collect();
            let [task, seed, name, _, regret] = fields[..] else {
                return Err(bad());
            };
            let seed = seed.parse().map_err(|_| bad())?;
            let regret = regret.parse().map_err(|_| bad())?;
            let of = results.entry(name.to_owned()).or_default();
            of.entry((task.to_owned(), seed)).or_default().push(regret);
        }
    }
    Ok(results)
}

type Studies = BTreeMap<(String, u64), Vec<f64>>;

/// Returns the share of pairs won in per cent, ties by halves, with the 95 % interval over tasks.
fn cell(ours: &Studies, theirs: &Studies, at: usize) -> String {
    let mut tasks: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (key, regrets) in ours {
        let Some(other) = theirs.get(key) else {
            continue;
        };
        let (a, b) = (regrets[at - 1], other[at - 1]);
        let won = if a < b {
            1.0
        } else if a > b {
            0.0
        } else {
            0.5
        };
        tasks.entry(&key.0).or_default().push(won);
    }
    let shares: Vec<f64> = tasks
        .values()
        .map(|won| won.iter().sum::<f64>() / won.len() as f64)
        .collect();
    let count = shares.len();
    let mut means: Vec<f64> = (0..RESAMPLINGS)
        .map(|round| {
            let pick = |slot: u64| {
                let bits = lyceum_types::Seed(round).derive("bootstrap", slot).0;
                shares[(bits % count as u64) as usize]
            };
            (0..count as u64).map(pick).sum::<f64>() / count as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let bound = |share: f64| 100.0 * means[(share * (means.len() - 1) as f64) as usize];
    let mean = 100.0 * shares.iter().sum::<f64>() / count as f64;
    format!("{mean:.0} % [{:.0}, {:.0}]", bound(0.025), bound(0.975))
}

fn median(studies: &Studies, task: &str) -> f64 {
    let of_task = studies.iter().filter(|((name, _), _)| name == task);
    let mut regrets: Vec<f64> = of_task.map(|(_, regrets)| regrets[AT[1] - 1]).collect();
    regrets.sort_by(f64::total_cmp);
    let middle = regrets.len() / 2;
    f64::midpoint(regrets[middle], regrets[(regrets.len() - 1) / 2])
}

/// Returns the mean over all studies of `log10(regret + 1e-6)` at the last comparison.
fn mean_log(studies: &Studies) -> f64 {
    let logs = studies
        .values()
        .map(|regrets| (regrets[AT[1] - 1] + 1e-6).log10());
    logs.sum::<f64>() / studies.len() as f64
}
