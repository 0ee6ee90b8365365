//! The noise floor: how much a measurement of the unchanged workspace varies by itself.

use crate::{mean, sd, special::chi_square_quantile};

/// Fewest measurements from which a floor is taken as known.
const LEAST: usize = 3;
/// Relative standard error of the spread that is small enough. Under normal noise it is 1/√(2(n − 1)), so this stops
/// at 4 measurements. On the synthetic campaign of `bench/noise` 3, 4 and 5 search equally well; a fifth takes the error
/// from 41 % to 35 % for the price of an experiment.
const RELATIVE_ERROR_MOST: f64 = 0.41;
/// Confidence of the upper bound of the spread.
const UPPER_CONFIDENCE: f64 = 0.95;

/// The spread of a metric over seeds with nothing changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// Measurements that it rests on.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their sample standard deviation (divisor n − 1); 0 when `deterministic`.
    pub sd: f64,
    /// Upper end of the one-sided 95 % interval of the standard deviation under normal noise:
    /// `sd`·√((n − 1)/χ²), with χ² the 5 % quantile of the chi-square distribution with n − 1 degrees of freedom.
    pub sd_upper: f64,
    /// Whether all measurements are equal to the last bit, so that a repeat teaches nothing.
    pub deterministic: bool,
}

/// Returns the floor of these measurements; `None` for fewer than two.
pub fn floor(values: &[f64]) -> Option<Floor> {
    debug_assert!(
        values.iter().all(|value| value.is_finite()),
        "a failed run has no value"
    );
    let (mean, sd) = (mean(values)?, sd(values)?);
    let degrees = (values.len() - 1) as f64;
    let chi_square = chi_square_quantile(1.0 - UPPER_CONFIDENCE, degrees);
    Some(Floor {
        n: values.len(),
        mean,
        sd,
        sd_upper: sd * (degrees / chi_square).sqrt(),
        deterministic: all_equal(values),
    })
}

/// Tells whether the floor needs no further measurement: `most` are taken, or at least three are taken and either all
/// are equal to the last bit or the relative standard error of their spread is at most 41 %.
pub fn floor_is_known(values: &[f64], most: usize) -> bool {
    if values.len() >= most {
        return true;
    }
    if values.len() < LEAST {
        return false;
    }
    let relative_error = 1.0 / (2.0 * (values.len() - 1) as f64).sqrt();
    all_equal(values) || relative_error <= RELATIVE_ERROR_MOST
}

fn all_equal(values: &[f64]) -> bool {
    values
        .windows(2)
        .all(|two| two[0].to_bits() == two[1].to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_needs_two_measurements() {
        assert_eq!(floor(&[]), None);
        assert_eq!(floor(&[1.0]), None);
    }

    #[test]
    fn equal_bits_are_deterministic_and_close_values_are_not() {
        let same = floor(&[0.3; 3]).unwrap();
        assert!(same.deterministic);
        assert_eq!((same.mean, same.sd, same.sd_upper), (0.3, 0.0, 0.0));
        assert!(!floor(&[0.3, 0.3, 0.3 + 1e-16]).unwrap().deterministic);
        assert!(!floor(&[0.0, -0.0, 0.0]).unwrap().deterministic);
    }

    #[test]
    fn the_upper_bound_is_the_chi_square_one() {
        // SciPy 1.17: sqrt(2/chi2.ppf(0.05, 2)) = 4.415...
        let found = floor(&[1.0, 2.0, 3.0]).unwrap();
        assert!((found.sd - 1.0).abs() < 1e-15);
        assert!((found.sd_upper - (2.0_f64 / 0.102_586_588_775_101_1).sqrt()).abs() < 1e-9);
    }

    #[test]
    fn a_floor_is_known_after_three_equal_or_four_different_or_at_the_limit() {
        assert!(!floor_is_known(&[1.0, 1.0], 8));
        assert!(floor_is_known(&[1.0, 1.0, 1.0], 8));
        assert!(!floor_is_known(&[1.0, 1.0, 1.1], 8));
        assert!(floor_is_known(&[1.0, 1.0, 1.1, 1.2], 8));
        assert!(floor_is_known(&[1.0, 1.1], 2));
    }
}
