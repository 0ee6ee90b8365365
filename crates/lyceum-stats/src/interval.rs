//! Confidence intervals.

use lyceum_types::Seed;

use crate::{
    mean, sd,
    special::{beta_quantile, t_two_sided},
    summary::sorted_quantile,
};

/// Returns Student's interval of the mean; `None` for fewer than two values or a confidence outside 0 .. 1.
pub fn t_interval(values: &[f64], confidence: f64) -> Option<(f64, f64)> {
    if !is_level(confidence) {
        return None;
    }
    t_interval_of(mean(values)?, sd(values)?, values.len(), confidence)
}

/// Returns Student's interval of a mean of `count` values with this standard deviation; `None` for fewer than two values
/// or a confidence outside 0 .. 1.
pub fn t_interval_of(mean: f64, sd: f64, count: usize, confidence: f64) -> Option<(f64, f64)> {
    if count < 2 || !is_level(confidence) {
        return None;
    }
    let n = count as f64;
    let reach = t_two_sided(1.0 - confidence, n - 1.0) * sd / n.sqrt();
    Some((mean - reach, mean + reach))
}

/// Returns the exact interval of a probability after `successes` in `trials` (Clopper and Pearson, 1934); `None` for
/// more successes than trials or a confidence outside 0 .. 1.
///
/// No trials give 0 ..= 1. The coverage is at least `confidence` for every true probability.
pub fn clopper_pearson(successes: u64, trials: u64, confidence: f64) -> Option<(f64, f64)> {
    if successes > trials || !is_level(confidence) {
        return None;
    }
    let tail = (1.0 - confidence) / 2.0;
    let (k, n) = (successes as f64, trials as f64);
    let low = if successes == 0 {
        0.0
    } else {
        beta_quantile(tail, k, n - k + 1.0)
    };
    let high = if successes == trials {
        1.0
    } else {
        beta_quantile(1.0 - tail, k + 1.0, n - k)
    };
    Some((low, high))
}

/// Returns the percentile bootstrap interval of `statistic` (Efron, 1979): quantiles of its value on `resamples`
/// samples drawn with replacement. `None` for no values, no resamples or a confidence outside 0 .. 1.
///
/// Random numbers follow from `seed` alone. With few values the interval is too short; below about ten values
/// prefer [`t_interval`].
pub fn bootstrap_interval(
    values: &[f64],
    statistic: impl Fn(&[f64]) -> f64,
    confidence: f64,
    resamples: u64,
    seed: Seed,
) -> Option<(f64, f64)> {
    if values.is_empty() || resamples == 0 || !is_level(confidence) {
        return None;
    }
    let n = values.len() as u64;
    let mut sample = vec![0.0; values.len()];
    let mut found: Vec<f64> = (0..resamples)
        .map(|resample| {
            for (place, slot) in sample.iter_mut().enumerate() {
                let draw = seed.derive("bootstrap", resample * n + place as u64).0;
                *slot = values[(draw % n) as usize];
            }
            statistic(&sample)
        })
        .collect();
    found.sort_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    Some((
        sorted_quantile(&found, tail)?,
        sorted_quantile(&found, 1.0 - tail)?,
    ))
}

fn is_level(confidence: f64) -> bool {
    confidence > 0.0 && confidence < 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_refuse_what_has_no_answer() {
        assert_eq!(t_interval(&[1.0], 0.95), None);
        assert_eq!(t_interval(&[1.0, 2.0], 1.0), None);
        assert_eq!(clopper_pearson(2, 1, 0.95), None);
        assert_eq!(clopper_pearson(0, 0, 0.95), Some((0.0, 1.0)));
        let first = |values: &[f64]| values[0];
        assert_eq!(bootstrap_interval(&[], first, 0.9, 10, Seed(1)), None);
        assert_eq!(bootstrap_interval(&[1.0], first, 0.9, 0, Seed(1)), None);
    }

    #[test]
    fn the_bootstrap_of_a_mean_agrees_with_its_standard_error_and_repeats() {
        let values: Vec<f64> = (0..200).map(f64::from).collect();
        let centre = |sample: &[f64]| mean(sample).unwrap_or(0.0);
        let interval = bootstrap_interval(&values, centre, 0.95, 2_000, Seed(7)).unwrap();
        let again = bootstrap_interval(&values, centre, 0.95, 2_000, Seed(7)).unwrap();
        assert_eq!(interval, again);
        let reach = 1.96 * sd(&values).unwrap() / 200.0_f64.sqrt();
        assert!(
            (interval.0 - (99.5 - reach)).abs() < 0.08 * reach,
            "{interval:?}"
        );
        assert!(
            (interval.1 - (99.5 + reach)).abs() < 0.08 * reach,
            "{interval:?}"
        );
    }
}
