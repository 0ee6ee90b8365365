//! Hyper-parameters by maximum a posteriori: the log marginal likelihood plus priors, climbed from several starts.

use std::borrow::Cow;

use crate::{
    descent::{Slope, minimise},
    gaussian::Gaussian,
    kernel::{Data, Hyper},
};

/// Steps of one climb.
const STEPS: usize = 40;
/// A smaller gain in the log posterior ends a climb.
const FALL_MIN: f64 = 1e-5;
/// Observations that hyper-parameters are fitted to; more say little more and cost the cube.
const FITTED_MAX: usize = 100;

/// A normal prior on a logarithm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prior {
    pub(crate) mean: f64,
    pub(crate) sd: f64,
}

impl Prior {
    fn log_density(self, value: f64) -> f64 {
        let z = (value - self.mean) / self.sd;
        -0.5 * z * z
    }

    fn slope(self, value: f64) -> f64 {
        -(value - self.mean) / (self.sd * self.sd)
    }
}

/// Priors on all hyper-parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Priors {
    pub(crate) length: Prior,
    pub(crate) signal: Prior,
    pub(crate) noise: Prior,
}

impl Priors {
    /// Returns priors for this many features. Length scales grow with the square root of the dimension, as distances
    /// do (Hvarfner, Hellsten and Nardi, "Vanilla Bayesian optimization performs great in high dimensions", 2024).
    pub(crate) fn new(features: usize, noise: Prior) -> Priors {
        Priors {
            length: Prior {
                mean: 0.5_f64.ln() + 0.5 * (features as f64 / 3.0).max(1.0).ln(),
                sd: 0.9,
            },
            signal: Prior { mean: 0.0, sd: 1.0 },
            noise,
        }
    }

    fn each<'a>(&'a self, list: &'a [f64]) -> impl Iterator<Item = (Prior, f64)> + 'a {
        let lengths = list.len() - 2;
        list.iter().enumerate().map(move |(index, value)| {
            let prior = match index.checked_sub(lengths) {
                None => self.length,
                Some(0) => self.signal,
                Some(_) => self.noise,
            };
            (prior, *value)
        })
    }
}

/// Returns minus the log posterior of the hyper-parameters, and its gradient.
fn objective(data: &Data, priors: &Priors, list: &[f64]) -> Slope {
    let model = Gaussian::new(data, &Hyper::from_list(list))?;
    let density: f64 = priors
        .each(list)
        .map(|(prior, value)| prior.log_density(value))
        .sum();
    let gradient = model.gradient(data).into_iter().zip(priors.each(list));
    let gradient = gradient.map(|(slope, (prior, value))| -slope - prior.slope(value));
    Some((-model.log_likelihood() - density, gradient.collect()))
}

/// Returns the process with the most probable hyper-parameters; `None` when no start gave one.
pub(crate) fn fit(data: &Data, priors: &Priors) -> Option<Gaussian> {
    let list = climbed(&spread(data, FITTED_MAX), priors)?;
    Gaussian::new(data, &Hyper::from_list(&list))
}

/// Returns at most this many of the observations, evenly over the rows: where there are more than the model holds they
/// come best first and then latest first, and both ends stay in.
fn spread(data: &Data, most: usize) -> Cow<'_, Data> {
    if data.count() <= most {
        return Cow::Borrowed(data);
    }
    let pick = |index: usize| index * (data.count() - 1) / (most - 1);
    Cow::Owned(data.subset(&(0..most).map(pick).collect::<Vec<_>>()))
}

/// Returns the most probable hyper-parameters that a climb from one of the starts finds.
fn climbed(data: &Data, priors: &Priors) -> Option<Vec<f64>> {
    let mode = |length: f64, noise: f64| {
        let mut list = vec![priors.length.mean + length * priors.length.sd; data.width];
        list.extend([
            priors.signal.mean,
            priors.noise.mean + noise * priors.noise.sd,
        ]);
        list
    };
    let starts = [mode(0.0, 0.0), mode(-1.0, -0.5), mode(0.7, 1.0)];
    let mut best: Option<(Vec<f64>, f64)> = None;
    for start in starts {
        let Some((list, value)) =
            minimise(start, STEPS, FALL_MIN, |list| objective(data, priors, list))
        else {
            continue;
        };
        if best.as_ref().is_none_or(|(_, lowest)| value < *lowest) {
            best = Some((list, value));
        }
    }
    Some(best?.0)
}
