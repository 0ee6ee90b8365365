//! Where experiments fail: a model of its own, so that a failure never enters the scores as a number.

use crate::{
    fit::{Prior, Priors, fit},
    gaussian::Gaussian,
    kernel::Data,
    normal::log_cumulative,
};

/// What success and failure are to the model.
const SUCCESS: f64 = 1.0;
const FAILURE: f64 = -1.0;
/// What is believed of settings that nothing is known of: rather a success.
const UNKNOWN: f64 = 0.5;
/// Regions that crash are wide: "too large a step", "too little memory". Added to the logarithm of length scales.
const WIDE: f64 = 0.7;
/// Variance of a label at fixed settings: some crashes are bad luck.
const LUCK: f64 = 0.04;

/// The probability of success, by least-squares classification with a Gaussian process (Rasmussen and Williams, 2006,
/// section 6.5).
pub(crate) struct Feasible {
    model: Option<Gaussian>,
}

impl Feasible {
    /// Learns from the features of experiments that gave a number and of those that failed.
    pub(crate) fn new(measured: &Data, failed: &[f64]) -> Feasible {
        if failed.is_empty() {
            return Feasible { model: None };
        }
        let mut labels = Data {
            width: measured.width,
            ..Data::default()
        };
        for row in failed.chunks_exact(measured.width) {
            labels.push(row, FAILURE - UNKNOWN, 1.0);
        }
        for row in measured.features.chunks_exact(measured.width) {
            labels.push(row, SUCCESS - UNKNOWN, 1.0);
        }
        let luck = Prior {
            mean: LUCK.ln(),
            sd: 0.5,
        };
        let mut priors = Priors::new(measured.width, luck);
        priors.length.mean += WIDE;
        Feasible {
            model: fit(&labels, &priors),
        }
    }

    /// Returns the logarithm of the probability that an experiment at these features gives a number.
    pub(crate) fn log_probability(&self, features: &[f64]) -> f64 {
        self.model.as_ref().map_or(0.0, |model| {
            let latent = model.latent(features);
            log_cumulative((latent.mean + UNKNOWN) / (latent.variance + LUCK).sqrt())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crashing_region_is_learnt_with_its_border() {
        let mut measured = Data {
            width: 2,
            ..Data::default()
        };
        let mut failed = Vec::new();
        for step in 0..20 {
            // A low-discrepancy scatter; the right third of the first feature crashes.
            let x = (f64::from(step) * 0.618_034).fract();
            let y = (f64::from(step) * 0.754_878).fract();
            if x > 0.67 {
                failed.extend([x, y]);
            } else {
                measured.push(&[x, y], 1e9, 1.0);
            }
        }
        let feasible = Feasible::new(&measured, &failed);
        let at = |x: f64, y: f64| feasible.log_probability(&[x, y]).exp();
        assert!(at(0.9, 0.5) < 0.1, "{}", at(0.9, 0.5));
        assert!(at(0.3, 0.5) > 0.95, "{}", at(0.3, 0.5));
        assert!(at(0.3, 0.1) > 0.9 && at(0.95, 0.95) < 0.2);
    }

    #[test]
    fn without_failures_everything_is_feasible() {
        let measured = Data {
            width: 1,
            ..Data::default()
        };
        let found = Feasible::new(&measured, &[]).log_probability(&[0.3]);
        assert_eq!(found.to_bits(), 0.0_f64.to_bits());
    }
}
