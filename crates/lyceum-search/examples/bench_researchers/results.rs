//! Result files.

use std::{collections::BTreeMap, path::Path};

/// A study: its task and its seed.
pub(crate) type Study = (String, u64);
/// Regret of the best so far by study, then by evaluation from 0.
pub(crate) type Studies = BTreeMap<Study, Vec<f64>>;
/// The studies of each researcher.
pub(crate) type Results = BTreeMap<String, Studies>;

/// Resamplings of tasks for an interval.
const RESAMPLINGS: u64 = 4000;

/// Reads files of lines `task, seed, researcher, evaluation, regret`, separated by tabs.
pub(crate) fn read(files: &[impl AsRef<Path>]) -> Result<Results, String> {
    let mut results = Results::new();
    for file in files {
        let path = file.as_ref().display();
        let text = std::fs::read_to_string(file).map_err(|error| format!("`{path}`: {error}"))?;
        for (index, line) in text.lines().enumerate() {
            let bad = |what: &str| format!("`{path}` line {}: {what}", index + 1);
            let fields: Vec<&str> = line.split('\t').collect();
            let [task, seed, name, evaluation, regret] = fields[..] else {
                return Err(bad("expected five fields"));
            };
            let seed = seed.parse().map_err(|_| bad("expected a seed"))?;
            let regret = regret.parse().map_err(|_| bad("expected a regret"))?;
            let of = results.entry(name.to_owned()).or_default();
            let regrets = of.entry((task.to_owned(), seed)).or_default();
            regrets.push(regret);
            if evaluation != regrets.len().to_string() {
                return Err(bad("expected each evaluation once, in order"));
            }
        }
    }
    Ok(results)
}

/// Returns the 95 % interval of a statistic of tasks, by resampling whole tasks.
pub(crate) fn interval<T>(tasks: &[T], statistic: impl Fn(&[&T]) -> f64) -> (f64, f64) {
    let count = tasks.len() as u64;
    let mut found: Vec<f64> = (0..RESAMPLINGS)
        .map(|round| {
            let pick = |slot: u64| {
                let bits = lyceum_types::Seed(round).derive("bootstrap", slot).0;
                &tasks[(bits % count) as usize]
            };
            statistic(&(0..count).map(pick).collect::<Vec<_>>())
        })
        .collect();
    found.sort_by(f64::total_cmp);
    let bound = |share: f64| found[(share * (found.len() - 1) as f64) as usize];
    (bound(0.025), bound(0.975))
}

/// Returns the median; infinite values are the largest.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let (low, high) = (values[(values.len() - 1) / 2], values[middle]);
    if low.total_cmp(&high).is_eq() {
        high
    } else {
        f64::midpoint(low, high)
    }
}
