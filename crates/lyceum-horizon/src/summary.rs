//! What is said about each agent: its curve, its horizons with their intervals, how it does on short and long tasks.

use lyceum_stats::quantile;

use crate::{
    bootstrap::{Draws, rows_of, without_horizon},
    fit::{Curve, Outcome, early_stop_bound, fit},
    runs::{Agent, Runs},
    weights::{self, WeightError, Weighting},
};

/// Bounds of METR's task-length buckets, in minutes: each from one bound to below the next.
pub const BUCKETS: [f64; 7] = [1.0, 4.0, 16.0, 64.0, 256.0, 960.0, 2880.0];

/// How agents are summarised.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Weights of the runs.
    pub weighting: Weighting,
    /// Strength of the penalty on the slope; above zero.
    pub regularisation: f64,
    /// Probabilities of success whose horizons are wanted, between 0 and 1.
    pub quantiles: Vec<f64>,
    /// Coverage of the intervals, between 0 and 1.
    pub confidence: f64,
}

/// A task length at which success has some probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Horizon {
    /// The probability.
    pub quantile: f64,
    /// Minutes; `None` where there is none.
    pub minutes: Option<f64>,
    /// Percentiles of the resamples that have a horizon.
    pub interval: Option<(f64, f64)>,
    /// Resamples that have none, and are left out of the interval.
    pub left_out: usize,
    /// How far the logarithm of a published value may be off because METR's optimiser stops early.
    pub early_stop: Option<f64>,
}

/// How an agent stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    /// Success falls with task length.
    Measured(Curve),
    /// Success does not fall with task length: there is a curve and no horizon.
    NoHorizon(Curve),
    /// It never scored.
    NeverSucceeds,
    /// It always scored all.
    AlwaysSucceeds,
}

/// What is said about one agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Index of the agent in [`Runs::agents`].
    pub agent: usize,
    /// How it stands.
    pub standing: Standing,
    /// One for each wanted probability.
    pub horizons: Vec<Horizon>,
    /// Weighted mean score.
    pub average: f64,
    /// Weighted mean of −ln of the probability that the curve gave to what happened; `None` without a curve.
    pub loss: Option<f64>,
    /// Weighted mean score in each of the [`BUCKETS`]; `None` where the agent ran no task.
    pub buckets: [Option<f64>; 6],
    /// Tasks in each of the buckets.
    pub bucket_tasks: [usize; 6],
    /// Shortest and longest task that it ran, in minutes.
    pub tested: (f64, f64),
}

impl Summary {
    /// Returns the curve, if there is one.
    pub fn curve(&self) -> Option<Curve> {
        match self.standing {
            Standing::Measured(curve) | Standing::NoHorizon(curve) => Some(curve),
            Standing::NeverSucceeds | Standing::AlwaysSucceeds => None,
        }
    }

    /// Returns the horizon at a probability that was asked for.
    pub fn horizon(&self, quantile: f64) -> Option<&Horizon> {
        self.horizons
            .iter()
            .find(|one| (one.quantile - quantile).abs() < 1e-12)
    }
}

/// Returns a summary of each agent, in the order of [`Runs::agents`]; with intervals where there are resamples.
pub fn summarise(
    runs: &Runs,
    settings: &Settings,
    draws: Option<&Draws>,
) -> Result<Vec<Summary>, WeightError> {
    let all = runs.agents.iter().enumerate();
    all.map(|(index, agent)| one(runs, index, agent, settings, draws))
        .collect()
}

fn one(
    runs: &Runs,
    index: usize,
    agent: &Agent,
    settings: &Settings,
    draws: Option<&Draws>,
) -> Result<Summary, WeightError> {
    let weights = weights::of_runs(runs, agent, settings.weighting)?;
    let rows = rows_of(runs, agent, &weights);
    let standing = match fit(&rows, settings.regularisation, None) {
        Outcome::NeverSucceeds => Standing::NeverSucceeds,
        Outcome::AlwaysSucceeds => Standing::AlwaysSucceeds,
        Outcome::Curve(curve) if curve.slope < 0.0 => Standing::Measured(curve),
        Outcome::Curve(curve) => Standing::NoHorizon(curve),
    };
    let curve = match standing {
        Standing::Measured(curve) | Standing::NoHorizon(curve) => Some(curve),
        Standing::NeverSucceeds | Standing::AlwaysSucceeds => None,
    };
    let horizons = settings.quantiles.iter().map(|quantile| Horizon {
        quantile: *quantile,
        minutes: curve.and_then(|curve| curve.horizon(*quantile)),
        interval: draws
            .and_then(|draws| interval(&draws.horizons(index, *quantile), settings.confidence)),
        left_out: draws.map_or(0, |draws| without_horizon(draws, index, *quantile)),
        early_stop: curve
            .and_then(|curve| early_stop_bound(&rows, curve, settings.regularisation, *quantile)),
    });
    let (buckets, bucket_tasks) = buckets(runs, agent, &weights);
    let minutes = || agent.cells.iter().map(|cell| runs.tasks[cell.task].minutes);
    Ok(Summary {
        agent: index,
        standing,
        horizons: horizons.collect(),
        average: rows.successes.iter().sum::<f64>().clamp(0.0, 1.0),
        loss: curve.map(|curve| loss(runs, agent, &weights, curve)),
        buckets,
        bucket_tasks,
        tested: (
            minutes().fold(f64::INFINITY, f64::min),
            minutes().fold(0.0, f64::max),
        ),
    })
}

/// Returns the percentile interval; `None` without values, or where an end is no finite number.
pub(crate) fn interval(values: &[f64], confidence: f64) -> Option<(f64, f64)> {
    let tail = (1.0 - confidence) / 2.0;
    let ends = (quantile(values, tail)?, quantile(values, 1.0 - tail)?);
    (ends.0.is_finite() && ends.1.is_finite()).then_some(ends)
}

fn buckets(runs: &Runs, agent: &Agent, weights: &[f64]) -> ([Option<f64>; 6], [usize; 6]) {
    let (mut scored, mut whole, mut tasks) = ([0.0; 6], [0.0; 6], [0; 6]);
    for (cell, weight) in agent.cells.iter().zip(weights) {
        let minutes = runs.tasks[cell.task].minutes;
        let bucket = BUCKETS
            .windows(2)
            .position(|ends| ends[0] <= minutes && minutes < ends[1]);
        if let Some(bucket) = bucket {
            scored[bucket] += weight * cell.score;
            whole[bucket] += weight * cell.runs as f64;
            tasks[bucket] += 1;
        }
    }
    (
        std::array::from_fn(|at| (whole[at] > 0.0).then(|| scored[at] / whole[at])),
        tasks,
    )
}

/// A probability of 0 or 1 would make one surprise cost everything; METR's bound.
const LEAST_PROBABILITY: f64 = 1e-15;

fn loss(runs: &Runs, agent: &Agent, weights: &[f64], curve: Curve) -> f64 {
    let cells = agent.cells.iter().zip(weights);
    let terms = cells.map(|(cell, weight)| {
        let p = curve.probability(runs.tasks[cell.task].minutes);
        let p = p.clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY);
        -weight * (cell.score * p.ln() + (cell.runs as f64 - cell.score) * (1.0 - p).ln())
    });
    terms.sum()
}
