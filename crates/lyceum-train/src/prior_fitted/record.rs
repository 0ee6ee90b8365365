//! What is known of how weights were made.

use serde::{Deserialize, Serialize};

use super::training::Recipe;

/// How a network came on: its loss when so many steps were done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Steps done.
    pub step: u64,
    /// Mean negative log density in nats of the answers that it learnt from, since the point before.
    pub loss: f64,
    /// The same of answers that no training sees: [`judge`](super::judge).
    pub judged: f64,
}

/// The record of a training: with its seed in the recipe it says all that is needed to make the weights again.
///
/// Nothing in it depends on the machine's speed or on when it was made, so that equal trainings give equal files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The crate and its version.
    pub made_by: String,
    /// Version of the functions that it learnt from: [`PRIOR_VERSION`](super::PRIOR_VERSION).
    pub prior: u32,
    /// How it was trained.
    pub recipe: Recipe,
    /// What a normal distribution of the known values' mean and variance scores: who has learnt nothing from the order
    /// of the points gets no better than that.
    pub marginal: f64,
    /// What the network scores before the first step.
    pub untrained: f64,
    /// How it came on.
    pub curve: Vec<Point>,
    /// BLAKE3 of the weights, in the order of the layout, as little-endian `f32`.
    pub weights: String,
}

/// Returns the name under which this crate signs a record.
pub(super) fn made_by() -> String {
    format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}
