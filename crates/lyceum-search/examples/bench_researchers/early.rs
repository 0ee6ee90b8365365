//! What stopping runs early saves, and what it costs.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    results::{interval, median},
    study::{Found, Terms, study},
    tables::Curves,
    task::{SEEDS, Set, tasks},
};

/// Where runs are compared, in parts of a whole run; `tabulate` measured there.
pub(crate) const RUNGS: [u64; 3] = [1, 3, 9];
/// Parts of a whole run.
pub(crate) const PARTS: u64 = 27;
/// One of this many goes on.
const REDUCTION: usize = 3;
/// Experiments of a study.
const EXPERIMENTS: u32 = 40;
/// Experiments of one that may use as many parts as all those whole runs, at most.
const EXPERIMENTS_MAX: u32 = 100;

/// What was reported at each rung so far.
#[derive(Default)]
pub(crate) struct Rungs {
    reported: [Vec<f64>; RUNGS.len()],
}

impl Rungs {
    /// Returns the rung at which a run with these reports is stopped, by the lab's rule: it goes on only among the best
    /// third of those that reported there by then, itself included, and of fewer than three only as the best.
    pub(crate) fn stop(&mut self, reports: &[f64], first: usize) -> Option<usize> {
        let rungs = reports.iter().zip(&mut self.reported).enumerate();
        for (rung, (own, others)) in rungs.skip(first) {
            let before = others.iter().filter(|other| *other < own).count();
            let go_on = ((others.len() + 1) / REDUCTION).max(1);
            if !own.is_finite() {
                return Some(rung);
            }
            others.push(*own);
            if before >= go_on {
                return Some(rung);
            }
        }
        None
    }
}

/// The studies of one researcher: all runs whole, the same number of experiments with stops, the same training with stops.
struct Three {
    task: &'static str,
    whole: Found,
    same_count: Found,
    same_training: Found,
}

/// Returns the comparison of each researcher with itself, as a Markdown table, where runs are compared from this rung on.
pub(crate) fn compare(names: &[&str], first_rung: usize) -> String {
    let curves = Curves::all();
    let mut text = String::from(
        "| researcher | training used | won in as many experiments | experiments in the same training | won in the same training |\n\
         |---|---|---|---|---|\n",
    );
    let mut regrets = String::from(
        "| median regret | whole runs | stopped, as many experiments | stopped, the same training |\n|---|---|---|---|\n",
    );
    for name in names {
        let stopping = format!("asha:{name}");
        let mut all = Vec::new();
        for seed in 0..SEEDS {
            for (task, curves) in tasks(Set::Tables, seed).iter().zip(&curves) {
                let run = |name, evaluations, curves, parts_max| {
                    let noise_told = false;
                    let terms = Terms {
                        name,
                        evaluations,
                        noise_told,
                        curves,
                        first_rung,
                        parts_max,
                    };
                    study(&terms, task)
                };
                let whole = PARTS * u64::from(EXPERIMENTS);
                all.push(Three {
                    task: task.name,
                    whole: run(name, EXPERIMENTS, None, u64::MAX),
                    same_count: run(&stopping, EXPERIMENTS, Some(curves), u64::MAX),
                    same_training: run(&stopping, EXPERIMENTS_MAX, Some(curves), whole),
                });
            }
        }
        let used = |one: &Three| last(&one.same_count.parts) as f64 / last(&one.whole.parts) as f64;
        let _ = writeln!(
            text,
            "| `{name}` | {} | {} | {:.0} | {} |",
            share(&all, used),
            share(&all, |one| won(&one.same_count, &one.whole)),
            median(
                all.iter()
                    .map(|one| one.same_training.regrets.len() as f64)
                    .collect()
            ),
            share(&all, |one| won(&one.same_training, &one.whole)),
        );
        let mut by_task: BTreeMap<&str, [Vec<f64>; 3]> = BTreeMap::new();
        for one in &all {
            let ends = [&one.whole, &one.same_count, &one.same_training];
            let of = by_task.entry(one.task).or_default();
            for (values, found) in of.iter_mut().zip(ends) {
                values.push(last(&found.regrets));
            }
        }
        for (task, values) in by_task {
            let cells = values.map(|values| format!("{:.2e}", median(values)));
            let _ = writeln!(regrets, "| `{name}`, {task} | {} |", cells.join(" | "));
        }
    }
    format!("{text}\n{regrets}")
}

fn last<T: Copy>(values: &[T]) -> T {
    values[values.len() - 1]
}

/// Returns 1 for a win, one half for a tie.
fn won(ours: &Found, theirs: &Found) -> f64 {
    let (a, b) = (last(&ours.regrets), last(&theirs.regrets));
    if a < b {
        1.0
    } else if a > b {
        0.0
    } else {
        0.5
    }
}

/// Returns a mean over all studies in per cent, with the 95 % interval by resampling whole studies: three tasks are too few
/// to be resampled.
fn share(all: &[Three], of: impl Fn(&Three) -> f64) -> String {
    let each: Vec<f64> = all.iter().map(|one| 100.0 * of(one)).collect();
    let mean = each.iter().sum::<f64>() / each.len() as f64;
    let (low, high) = interval(&each, |some| {
        some.iter().copied().sum::<f64>() / some.len() as f64
    });
    format!("{mean:.0} % [{low:.0}, {high:.0}]")
}
