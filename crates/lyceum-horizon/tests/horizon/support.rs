//! METR's files where they are at hand, and a reader of runs that shares nothing with the crate's.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
};

use lyceum_horizon::Rows;
use serde_json::Value;

/// Returns one of METR's files; without it says that the test is skipped.
pub(crate) fn metr(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared =
        std::env::var_os("LYCEUM_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let path = shared.join("data/metr").join(name);
    if path.is_file() {
        return Some(path);
    }
    println!(
        "SKIPPED: METR's file {name} is not below LYCEUM_SHARED ({})",
        shared.display()
    );
    None
}

/// Runs as they stand in the file.
pub(crate) struct Raw(Vec<Value>);

/// Successes and runs of each task.
type Counts = BTreeMap<String, (f64, f64)>;

impl Raw {
    pub(crate) fn read(path: &Path) -> Raw {
        let text = std::fs::read_to_string(path).unwrap();
        Raw(text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect())
    }

    fn counts(&self) -> BTreeMap<String, Counts> {
        let mut agents: BTreeMap<String, Counts> = BTreeMap::new();
        for run in &self.0 {
            let word = |key: &str| run[key].as_str().unwrap().to_owned();
            let cell = agents
                .entry(word("alias"))
                .or_default()
                .entry(word("task_id"))
                .or_default();
            cell.0 += run["score_binarized"].as_f64().unwrap();
            cell.1 += 1.0;
        }
        agents
    }

    fn minutes(&self) -> BTreeMap<&str, f64> {
        let pair = |run: &'_ Value| {
            (
                run["task_id"].as_str().unwrap().to_owned(),
                run["human_minutes"].as_f64().unwrap(),
            )
        };
        let all: BTreeMap<String, f64> = self.0.iter().map(pair).collect();
        self.0
            .iter()
            .map(|run| run["task_id"].as_str().unwrap())
            .map(|id| (id, all[id]))
            .collect()
    }

    /// The weighted rows of each agent with both outcomes.
    pub(crate) fn rows_of_all(&self) -> Vec<(String, Rows)> {
        let minutes = self.minutes();
        let mut all = Vec::new();
        for (agent, counts) in self.counts() {
            if counts.values().all(|(successes, _)| *successes == 0.0) {
                continue;
            }
            let family = |task: &str| task.split('/').next().unwrap().to_owned();
            let in_family = |task: &str| {
                counts
                    .keys()
                    .filter(|other| family(other) == family(task))
                    .count() as f64
            };
            let whole: f64 = counts.keys().map(|task| 1.0 / in_family(task).sqrt()).sum();
            let mut rows = Rows::default();
            for (task, (successes, runs)) in &counts {
                let weight = 1.0 / (in_family(task).sqrt() * whole * runs);
                rows.push(
                    minutes[task.as_str()].log2(),
                    weight * successes,
                    weight * (runs - successes),
                );
            }
            all.push((agent, rows));
        }
        all
    }

    /// The same runs as METR's counts.
    pub(crate) fn as_counts_yaml(&self) -> String {
        let minutes = self.minutes();
        let mut text = "benchmark_name: made of runs\nagents:\n".to_owned();
        for (agent, counts) in self.counts() {
            let _ = write!(
                text,
                "  {agent}:\n    coefficient: -0.5\n    release_date: 2024-01-0{}\n    tasks:\n",
                1 + agent.len() % 9
            );
            for (task, (successes, runs)) in counts {
                let minutes = minutes[task.as_str()];
                let _ = write!(
                    text,
                    "    - task_id: {task}\n      human_minutes: {minutes}\n      n_successes: {successes}\n      n_runs: {runs}\n      \
                     task_weight: 0.5\n"
                );
            }
        }
        text
    }

    /// The same runs as the lab's attempts.
    pub(crate) fn as_attempts(&self) -> String {
        let line = |run: &Value| {
            let attempt = serde_json::json!({
                "attempt": run["run_id"], "agent": run["alias"], "task": run["task_id"], "family": run["task_family"],
                "human_minutes": run["human_minutes"], "success": run["score_binarized"] == 1, "score": run["score"],
            });
            attempt.to_string() + "\n"
        };
        self.0.iter().map(line).collect()
    }

    /// The same runs with the fields that METR uses since 2026.
    pub(crate) fn as_newer_runs(&self) -> String {
        let line = |run: &Value| {
            let mut run = run.clone();
            let fields = run.as_object_mut().unwrap();
            let score = fields.remove("score").unwrap();
            for gone in [
                "dollar_equivalent",
                "total_tokens",
                "equal_task_weight",
                "invsqrt_task_weight",
            ] {
                fields.remove(gone);
            }
            fields.insert("score_cont".into(), score);
            for (key, value) in [
                ("task_source", "HCAST"),
                ("scaffold", "metr_agents/react"),
                ("task_version", "1.2.0"),
            ] {
                fields.insert(key.into(), value.into());
            }
            run.to_string() + "\n"
        };
        self.0.iter().map(line).collect()
    }

    /// All tasks.
    pub(crate) fn tasks(&self) -> BTreeSet<&str> {
        self.0
            .iter()
            .map(|run| run["task_id"].as_str().unwrap())
            .collect()
    }
}

/// The greatest distance between the distributions of two samples (Kolmogorov and Smirnov).
pub(crate) fn distance(one: &[f64], other: &[f64]) -> f64 {
    let sorted = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values
    };
    let (one, other) = (sorted(one), sorted(other));
    let share = |values: &[f64], at: f64| {
        values.partition_point(|value| *value <= at) as f64 / values.len() as f64
    };
    one.iter()
        .chain(&other)
        .map(|at| (share(&one, *at) - share(&other, *at)).abs())
        .fold(0.0, f64::max)
}

/// A distance that two samples of one distribution exceed with a probability of 1e-5: √(ln(2/1e-5)/2 · (n + m)/(n m)).
pub(crate) fn distance_by_chance(one: usize, other: usize) -> f64 {
    let (n, m) = (one as f64, other as f64);
    ((2.0_f64 / 1e-5).ln() / 2.0 * (n + m) / (n * m)).sqrt()
}
