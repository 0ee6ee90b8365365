//! Making a network from nothing, on functions that are made up on the way.

use super::batch::Batch;
use super::network::{Network, Workspace};
use super::prior::{Sample, sample};
use crate::optimiser::{Optimiser, Rule, clip};
use crate::random::Random;
use crate::schedule::{Schedule, Shape};

/// Streams of the seed: functions to learn from, and functions to judge by.
const TRAIN_STREAM: u64 = 2;
const JUDGE_STREAM: u64 = 3;
/// Data sets that a network is judged by.
const JUDGED: usize = 200;
/// Norm to which gradients are clipped.
const NORM_MAX: f64 = 1.0;

/// How a network is trained. Its length is in steps: the same recipe and seed give the same weights, on any machine
/// with the same instructions, however busy.
#[derive(Clone, Copy, Debug, PartialEq)]
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
            steps: 8000,
            batch: 16,
            rate: 2e-3,
            warmup: 0.05,
            weight_decay: 0.01,
        }
    }
}

/// A training under way: network, weights and optimiser.
#[derive(Clone, Debug)]
pub struct Training<'n> {
    network: &'n Network,
    recipe: Recipe,
    parameters: Vec<f32>,
    optimiser: Optimiser,
    random: Random,
    step: u64,
    workspace: Workspace,
    gradients: Vec<f32>,
}

impl<'n> Training<'n> {
    /// Begins with fresh weights.
    pub fn new(network: &'n Network, recipe: Recipe) -> Self {
        let rule = Rule::AdamW {
            beta1: 0.9,
            beta2: 0.98,
            epsilon: 1e-8,
        };
        Self {
            network,
            recipe,
            parameters: network.initialise(recipe.seed),
            optimiser: Optimiser::new(rule, recipe.weight_decay, network.layout()),
            random: Random::stream(recipe.seed, TRAIN_STREAM),
            step: 0,
            workspace: Workspace::default(),
            gradients: vec![0.0; network.layout().len()],
        }
    }

    /// Makes one step; returns the mean negative log density of the answers before it, in nats, or nothing when all
    /// steps are done.
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
        Some(loss)
    }

    /// Returns how many steps are done.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// Returns the weights as they are now.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }
}

/// Returns the mean negative log density in nats that these weights give to functions that no training sees.
pub fn judge(network: &Network, parameters: &[f32]) -> f64 {
    let mut random = Random::stream(0, JUDGE_STREAM);
    let mut workspace = Workspace::default();
    let mut gradients = vec![0.0; network.layout().len()];
    let (mut sum, mut count) = (0.0, 0.0);
    for _ in 0..JUDGED {
        let (batch, answers) = together(vec![sample(&mut random)]);
        let loss = network.loss_and_gradients(
            parameters,
            &batch,
            &answers,
            &mut workspace,
            &mut gradients,
        );
        sum += loss * answers.len() as f64;
        count += answers.len() as f64;
    }
    sum / count
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
