//! Making a network from nothing, on functions that are made up on the way.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::batch::Batch;
use super::file;
use super::network::{Network, Workspace};
use super::prior::{PRIOR_VERSION, Sample, sample};
use super::record::{Point, Record, made_by};
use crate::optimiser::{Optimiser, Rule, clip};
use crate::random::Random;
use crate::schedule::{Schedule, Shape};

/// Streams of the seed: functions to learn from, and functions to judge by.
const TRAIN_STREAM: u64 = 2;
const JUDGE_STREAM: u64 = 3;
/// Data sets that a network is judged by.
const JUDGED: usize = 200;
/// Times that a training judges its network.
const JUDGEMENTS: u64 = 20;
/// Norm to which gradients are clipped.
const NORM_MAX: f64 = 1.0;
/// Bounds of a recipe: far beyond what a processor does in a week.
const STEPS_MAX: u64 = 100_000_000;
const BATCH_MAX: usize = 4096;
/// The rule of a step.
pub(super) const RULE: Rule = Rule::AdamW {
    beta1: 0.9,
    beta2: 0.98,
    epsilon: 1e-8,
};

/// How a network is trained. Its length is in steps: the same recipe and seed give the same weights, on any machine
/// with the same instructions, however busy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Seed of the weights and of the functions.
    pub seed: u64,
    /// Steps of the optimiser.
    pub steps: u64,
    /// Data sets of a step.
    pub batch: usize,
    /// Greatest learning rate.
    pub rate: f64,
    /// Share of the steps over which the rate rises.
    pub warmup: f64,
    /// Weight decay.
    pub weight_decay: f32,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            seed: 1,
            steps: 28_000,
            batch: 16,
            rate: 2e-3,
            warmup: 0.05,
            weight_decay: 0.01,
        }
    }
}

/// A number of a recipe that no training can have.
#[derive(Debug, Error, PartialEq)]
#[error("{name} {found}, expected {expected}")]
pub struct RecipeError {
    /// The number.
    pub name: &'static str,
    /// What it is.
    pub found: f64,
    /// What it may be.
    pub expected: &'static str,
}

impl Recipe {
    /// Checks the numbers.
    pub fn validate(&self) -> Result<(), RecipeError> {
        let Self {
            steps,
            batch,
            rate,
            warmup,
            weight_decay,
            ..
        } = *self;
        let decay = f64::from(weight_decay);
        let (steps_fit, batch_fits) = (1..=STEPS_MAX, 1..=BATCH_MAX);
        let all = [
            (
                steps_fit.contains(&steps),
                "steps",
                steps as f64,
                "1 to 1e8",
            ),
            (
                batch_fits.contains(&batch),
                "batch",
                batch as f64,
                "1 to 4096",
            ),
            (
                rate > 0.0 && rate <= 1.0,
                "rate",
                rate,
                "above 0, at most 1",
            ),
            ((0.0..=1.0).contains(&warmup), "warmup", warmup, "0 to 1"),
            (
                (0.0..=1.0).contains(&decay),
                "weight decay",
                decay,
                "0 to 1",
            ),
        ];
        match all.into_iter().find(|(fits, ..)| !fits) {
            None => Ok(()),
            Some((_, name, found, expected)) => Err(RecipeError {
                name,
                found,
                expected,
            }),
        }
    }
}

/// A training under way: network, weights and optimiser.
#[derive(Clone, Debug)]
pub struct Training {
    pub(super) network: Network,
    pub(super) recipe: Recipe,
    pub(super) parameters: Vec<f32>,
    pub(super) optimiser: Optimiser,
    pub(super) random: Random,
    pub(super) step: u64,
    /// Sum of the losses since the last point of the curve, and how many.
    pub(super) losses: (f64, u64),
    pub(super) untrained: f64,
    pub(super) curve: Vec<Point>,
    workspace: Workspace,
    gradients: Vec<f32>,
}

/// What of a training is not a pure function of its network and recipe.
pub(super) struct Progress {
    pub(super) parameters: Vec<f32>,
    pub(super) optimiser: Optimiser,
    pub(super) random: Random,
    pub(super) step: u64,
    pub(super) losses: (f64, u64),
    pub(super) untrained: f64,
    pub(super) curve: Vec<Point>,
}

impl Training {
    /// Begins with fresh weights.
    pub fn new(network: Network, recipe: Recipe) -> Result<Self, RecipeError> {
        recipe.validate()?;
        let parameters = network.initialise(recipe.seed);
        let progress = Progress {
            untrained: judge(&network, &parameters),
            parameters,
            optimiser: Optimiser::new(RULE, recipe.weight_decay, network.layout()),
            random: Random::stream(recipe.seed, TRAIN_STREAM),
            step: 0,
            losses: (0.0, 0),
            curve: Vec::new(),
        };
        Ok(Self::at(network, recipe, progress))
    }

    /// Goes on from somewhere.
    pub(super) fn at(network: Network, recipe: Recipe, progress: Progress) -> Self {
        Self {
            gradients: vec![0.0; network.layout().len()],
            workspace: Workspace::default(),
            network,
            recipe,
            parameters: progress.parameters,
            optimiser: progress.optimiser,
            random: progress.random,
            step: progress.step,
            losses: progress.losses,
            untrained: progress.untrained,
            curve: progress.curve,
        }
    }

    /// Makes one step; returns the mean negative log density of the answers before it, in nats, or nothing when all
    /// steps are done. Now and then, and after the last step, the network is judged: see [`curve`](Self::curve).
    pub fn step(&mut self) -> Option<f64> {
        if self.step >= self.recipe.steps {
            return None;
        }
        let samples: Vec<Sample> = (0..self.recipe.batch)
            .map(|_| sample(&mut self.random))
            .collect();
        let (batch, answers) = together(samples);
        let loss = self.network.loss_and_gradients(
            &self.parameters,
            &batch,
            &answers,
            &mut self.workspace,
            &mut self.gradients,
        );
        clip(&mut self.gradients, NORM_MAX);
        let schedule = Schedule {
            shape: Shape::Cosine,
            peak: self.recipe.rate,
            warmup: self.recipe.warmup,
            steps: self.recipe.steps,
        };
        let rate = schedule.rate(self.step);
        self.optimiser.step(
            self.network.layout(),
            &mut self.parameters,
            &self.gradients,
            rate,
        );
        self.step += 1;
        self.losses = (self.losses.0 + loss, self.losses.1 + 1);
        let every = self.recipe.steps.div_ceil(JUDGEMENTS);
        if self.step.is_multiple_of(every) || self.step == self.recipe.steps {
            let (sum, count) = std::mem::take(&mut self.losses);
            self.curve.push(Point {
                step: self.step,
                loss: sum / count as f64,
                judged: judge(&self.network, &self.parameters),
            });
        }
        Some(loss)
    }

    /// Returns how many steps are done.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// Returns the recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Returns the network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Returns the weights as they are now.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// Returns what the network scored before the first step.
    pub fn untrained(&self) -> f64 {
        self.untrained
    }

    /// Returns how it came on, some twenty points over the whole training.
    pub fn curve(&self) -> &[Point] {
        &self.curve
    }

    /// Returns the record of the training as far as it went.
    pub fn record(&self) -> Record {
        Record {
            made_by: made_by(),
            prior: PRIOR_VERSION,
            recipe: self.recipe,
            marginal: marginal(),
            untrained: self.untrained,
            curve: self.curve.clone(),
            weights: file::hash(&self.parameters),
        }
    }
}

/// Returns the mean negative log density in nats that these weights give to functions that no training sees.
pub fn judge(network: &Network, parameters: &[f32]) -> f64 {
    let mut workspace = Workspace::default();
    let (mut sum, mut count) = (0.0, 0.0);
    for sample in judged() {
        let (batch, answers) = together(vec![sample]);
        let loss = network.loss(parameters, &batch, &answers, &mut workspace);
        sum += loss * answers.len() as f64;
        count += answers.len() as f64;
    }
    sum / count
}

/// Returns what the same functions cost who predicts the mean and variance of the known values everywhere.
pub fn marginal() -> f64 {
    let answers: Vec<f64> = judged()
        .flat_map(|sample| sample.answers)
        .map(f64::from)
        .collect();
    let squares: f64 = answers.iter().map(|answer| answer * answer).sum();
    0.5 * (squares / answers.len() as f64 + std::f64::consts::TAU.ln())
}

fn judged() -> impl Iterator<Item = Sample> {
    let mut random = Random::stream(0, JUDGE_STREAM);
    (0..JUDGED).map(move |_| sample(&mut random))
}

fn together(samples: Vec<Sample>) -> (Batch, Vec<f32>) {
    let mut answers = Vec::new();
    let sets: Vec<_> = samples
        .into_iter()
        .map(|sample| {
            answers.extend(sample.answers);
            sample.set
        })
        .collect();
    (Batch::new(&sets), answers)
}
