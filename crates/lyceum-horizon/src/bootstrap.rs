//! Resampling families, tasks and runs, jointly for all agents (METR's `wrangle/bootstrap.py`, categories f, t, r).
//!
//! One resample draws as many families as there are, with replacement; in each drawn family as many of its tasks as it
//! has; and for each agent as many runs of a drawn task as it has, from all copies of the task together. Weights go with
//! the runs and are not made to sum to 1 again. Every agent sees the same families and tasks, so that differences between
//! agents and the trend through them have intervals too.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use lyceum_types::Seed;

use crate::{
    binomial::Shelf,
    fit::{Curve, Outcome, Rows, fit},
    random::Stream,
    runs::{Agent, Runs},
    weights::{self, WeightError, Weighting},
};

/// How to resample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resampling {
    /// How many resamples.
    pub iterations: usize,
    /// What the random numbers follow from.
    pub seed: Seed,
    /// Threads to work on; the result does not depend on it.
    pub threads: usize,
    /// Weights of the runs.
    pub weighting: Weighting,
    /// Strength of the penalty on the slope; above zero.
    pub regularisation: f64,
}

/// The curves of all resamples. A resample in which an agent only fails or only succeeds has none.
#[derive(Clone, Debug, PartialEq)]
pub struct Draws {
    agents: usize,
    curves: Vec<Option<Curve>>,
}

impl Draws {
    /// Returns the number of resamples.
    pub fn iterations(&self) -> usize {
        self.curves.len() / self.agents.max(1)
    }

    /// Returns the agent's curve in each resample.
    pub fn of(&self, agent: usize) -> impl Iterator<Item = Option<Curve>> {
        self.curves
            .iter()
            .skip(agent)
            .step_by(self.agents.max(1))
            .copied()
    }

    /// Returns the agent's horizons in minutes, without the resamples that have none.
    pub fn horizons(&self, agent: usize, quantile: f64) -> Vec<f64> {
        self.of(agent)
            .filter_map(|curve| curve?.horizon(quantile))
            .collect()
    }
}

/// What one agent's runs of a task give when they are drawn again.
enum Again {
    /// The same outcome always.
    Fails,
    Succeeds,
    /// Two outcomes; the place of their tables.
    Counts(usize),
    /// Each run's score.
    Parts(Vec<f64>),
}

/// One agent's runs of one task, ready to be drawn.
struct Item {
    task: u32,
    x: f64,
    runs: f64,
    weight: f64,
    again: Again,
}

struct Plan {
    items: Vec<Vec<Item>>,
    starts: Vec<Option<Curve>>,
    shelf: Shelf,
}

/// Returns the curves of all agents in each resample.
///
/// `done` is told the number of finished resamples now and then, from any thread. The result depends on the runs and on
/// `resampling`, and not on its number of threads.
pub fn bootstrap(
    runs: &Runs,
    resampling: &Resampling,
    done: &(dyn Fn(u64) + Sync),
) -> Result<Draws, WeightError> {
    let plan = plan(runs, resampling)?;
    let agents = runs.agents.len();
    let mut curves = vec![None; agents * resampling.iterations];
    let finished = AtomicU64::new(0);
    let rest = Mutex::new(curves.chunks_mut(agents.max(1)).enumerate());
    std::thread::scope(|scope| {
        for _ in 0..resampling.threads.clamp(1, resampling.iterations.max(1)) {
            scope.spawn(|| {
                let mut rows = Rows::default();
                let mut times = vec![0_u32; runs.tasks.len()];
                loop {
                    let next = rest.lock().map_or(None, |mut rest| rest.next());
                    let Some((iteration, slots)) = next else {
                        break;
                    };
                    let mut stream =
                        Stream::new(resampling.seed.derive("horizon", iteration as u64));
                    draw_tasks(runs, &mut times, &mut stream);
                    for (agent, slot) in slots.iter_mut().enumerate() {
                        draw_runs(&plan, agent, &times, &mut stream, &mut rows);
                        *slot = match fit(&rows, resampling.regularisation, plan.starts[agent]) {
                            Outcome::Curve(curve) => Some(curve),
                            Outcome::NeverSucceeds | Outcome::AlwaysSucceeds => None,
                        };
                    }
                    done(finished.fetch_add(1, Ordering::Relaxed) + 1);
                }
            });
        }
    });
    Ok(Draws { agents, curves })
}

fn plan(runs: &Runs, resampling: &Resampling) -> Result<Plan, WeightError> {
    let mut plan = Plan {
        items: vec![],
        starts: vec![],
        shelf: Shelf::default(),
    };
    for agent in &runs.agents {
        let weights = weights::of_runs(runs, agent, resampling.weighting)?;
        let start = match fit(
            &rows_of(runs, agent, &weights),
            resampling.regularisation,
            None,
        ) {
            Outcome::Curve(curve) => Some(curve),
            Outcome::NeverSucceeds | Outcome::AlwaysSucceeds => None,
        };
        plan.starts.push(start);
        let cells = agent.cells.iter().zip(weights);
        let items = cells.map(|(cell, weight)| Item {
            task: cell.task as u32,
            x: runs.tasks[cell.task].minutes.log2(),
            runs: cell.runs as f64,
            weight,
            again: match &cell.parts {
                Some(parts) => Again::Parts(parts.clone()),
                None if cell.score <= 0.0 => Again::Fails,
                None if cell.score >= cell.runs as f64 => Again::Succeeds,
                None => Again::Counts(plan.shelf.place(cell.score as u64, cell.runs)),
            },
        });
        plan.items.push(items.collect());
    }
    Ok(plan)
}

/// Returns an agent's rows for [`fit()`].
pub(crate) fn rows_of(runs: &Runs, agent: &Agent, weights: &[f64]) -> Rows {
    let mut rows = Rows::default();
    for (cell, weight) in agent.cells.iter().zip(weights) {
        let failures = cell.runs as f64 - cell.score;
        rows.push(
            runs.tasks[cell.task].minutes.log2(),
            weight * cell.score,
            weight * failures,
        );
    }
    rows
}

/// Draws how many times each task occurs.
fn draw_tasks(runs: &Runs, times: &mut [u32], stream: &mut Stream) {
    times.fill(0);
    for _ in 0..runs.families.len() {
        let tasks = &runs.families[stream.below(runs.families.len())].tasks;
        for _ in 0..tasks.len() {
            times[tasks[stream.below(tasks.len())]] += 1;
        }
    }
}

/// Draws the agent's runs of the drawn tasks.
fn draw_runs(plan: &Plan, agent: usize, times: &[u32], stream: &mut Stream, rows: &mut Rows) {
    rows.clear();
    for item in &plan.items[agent] {
        let times = times[item.task as usize];
        if times == 0 {
            continue;
        }
        let runs = item.runs * f64::from(times);
        let score = match &item.again {
            Again::Fails => 0.0,
            Again::Succeeds => runs,
            Again::Counts(place) => plan.shelf.at(*place).draw(times, stream),
            Again::Parts(parts) => (0..parts.len() * times as usize)
                .map(|_| parts[stream.below(parts.len())])
                .sum::<f64>()
                .min(runs),
        };
        rows.push(item.x, item.weight * score, item.weight * (runs - score));
    }
}

/// Returns how many resamples of `all` left an agent without a horizon.
pub(crate) fn without_horizon(draws: &Draws, agent: usize, quantile: f64) -> usize {
    draws.iterations() - draws.horizons(agent, quantile).len()
}
