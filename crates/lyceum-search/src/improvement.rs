//! What a candidate promises: log expected improvement of the function itself, times the probability of success.

use crate::{
    feasible::Feasible,
    gaussian::{Gaussian, Latent},
    normal::{cumulative, log_improvement},
};

/// A point less likely than this to give a number at all is proposed only where there is no other.
const SUCCESS_MIN: f64 = 0.3;
/// How steeply the score falls below that.
const RISK_AVERSION: f64 = 20.0;

/// Scores candidates.
///
/// Two choices matter more than any other here. The variance is that of the *function*, not of a noisy measurement,
/// and the value to improve on is the least posterior *mean* among the points tried, not the luckiest observation:
/// with the noisy variance or the best observation, expected improvement keeps measuring what it knows.
pub(crate) struct Improvement<'a> {
    pub(crate) model: &'a Gaussian,
    pub(crate) feasible: &'a Feasible,
    /// Least posterior mean among the points tried.
    pub(crate) incumbent: f64,
}

impl Improvement<'_> {
    /// Returns the logarithm of the expected improvement times the probability of success.
    pub(crate) fn score(&self, features: &[f64]) -> f64 {
        let latent = self.model.latent(features);
        let sd = latent.variance.sqrt();
        log_improvement((self.incumbent - latent.mean) / sd)
            + sd.ln()
            + risk(self.feasible.log_probability(features))
    }

    /// Returns how little is known of a point that is likely to run at all.
    pub(crate) fn unknown(&self, features: &[f64]) -> f64 {
        let latent = self.model.latent(features);
        latent.variance.ln() + risk(self.feasible.log_probability(features))
    }

    /// Returns the probability that the function is better there than the incumbent.
    pub(crate) fn chance(&self, latent: Latent) -> f64 {
        cumulative((self.incumbent - latent.mean) / latent.variance.sqrt())
    }
}

/// Returns what the probability of success adds to a score.
///
/// The plain product of the two would send late proposals into regions that are known to crash: near the best point the
/// expected improvement has fallen by many orders of magnitude, far more than the probability of success anywhere.
fn risk(log_probability: f64) -> f64 {
    log_probability + RISK_AVERSION * (log_probability - SUCCESS_MIN.ln()).min(0.0)
}
