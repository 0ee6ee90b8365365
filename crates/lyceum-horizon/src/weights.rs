//! How much each run counts.

use crate::runs::{Agent, Runs};

/// How runs are weighed. The weights of an agent's runs always sum to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighting {
    /// 1 / (runs of the task · √(tasks of the family)): METR's headline. A family of many similar tasks counts more than
    /// a single task, but less than as many different ones. Only tasks that the agent ran are counted.
    RootOfFamily,
    /// 1 / runs of the task: every task counts the same.
    EveryTask,
    /// As each line records it (`invsqrt_task_weight`; in METR's counts `task_weight` divided by the runs).
    Recorded,
}

/// Why an agent's runs cannot be weighed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightError {
    /// A weight was to be taken from the file, which has none.
    #[error("agent `{agent}` has runs of `{task}` without a recorded weight")]
    Absent {
        /// The agent.
        agent: String,
        /// The task.
        task: String,
    },
    /// All weights are zero.
    #[error("all recorded weights of agent `{agent}` are zero")]
    Zero {
        /// The agent.
        agent: String,
    },
}

/// Returns the weight of one run of each of the agent's cells.
pub(crate) fn of_runs(
    runs: &Runs,
    agent: &Agent,
    weighting: Weighting,
) -> Result<Vec<f64>, WeightError> {
    let mut in_family = vec![0_u32; runs.families.len()];
    for cell in &agent.cells {
        in_family[runs.tasks[cell.task].family] += 1;
    }
    let raw = agent.cells.iter().map(|cell| match weighting {
        Weighting::RootOfFamily => {
            let tasks = f64::from(in_family[runs.tasks[cell.task].family]);
            Ok(1.0 / (cell.runs as f64 * tasks.sqrt()))
        }
        Weighting::EveryTask => Ok(1.0 / cell.runs as f64),
        Weighting::Recorded => cell.weight.ok_or_else(|| WeightError::Absent {
            agent: agent.name.clone(),
            task: runs.tasks[cell.task].id.clone(),
        }),
    });
    let raw = raw.collect::<Result<Vec<f64>, WeightError>>()?;
    let whole: f64 = raw
        .iter()
        .zip(&agent.cells)
        .map(|(weight, cell)| weight * cell.runs as f64)
        .sum();
    if whole <= 0.0 {
        return Err(WeightError::Zero {
            agent: agent.name.clone(),
        });
    }
    Ok(raw.into_iter().map(|weight| weight / whole).collect())
}
