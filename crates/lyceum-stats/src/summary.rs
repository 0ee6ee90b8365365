//! Means, spreads and quantiles of a few numbers.

/// Returns the arithmetic mean; `None` for no values.
///
/// The deviations from the first value are summed, so that equal values have exactly that value as their mean.
pub fn mean(values: &[f64]) -> Option<f64> {
    let (&first, rest) = values.split_first()?;
    let sum: f64 = rest.iter().map(|value| value - first).sum();
    Some(first + sum / values.len() as f64)
}

/// Returns the sample standard deviation (divisor n − 1); `None` for fewer than two values.
pub fn sd(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let centre = mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// Returns the median; `None` for no values.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// Returns the quantile at `level`, linear between order statistics (type 7 of Hyndman and Fan, 1996, which is the
/// default of R and `NumPy`); `None` for no values.
///
/// A level below 0 or above 1 is taken as 0 or 1.
pub fn quantile(values: &[f64], level: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted_quantile(&sorted, level)
}

/// Returns the quantile of values that are sorted already.
pub(crate) fn sorted_quantile(sorted: &[f64], level: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = level.clamp(0.0, 1.0) * last as f64;
    let below = (place.floor() as usize).min(last);
    let above = (below + 1).min(last);
    Some(sorted[below] + (place - below as f64) * (sorted[above] - sorted[below]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_summary() {
        assert_eq!(mean(&[]), None);
        assert_eq!(median(&[]), None);
        assert_eq!(sd(&[1.0]), None);
    }

    #[test]
    fn equal_values_have_exactly_that_mean_and_no_spread() {
        let values = [0.1; 7];
        assert_eq!(mean(&values), Some(0.1));
        assert_eq!(sd(&values), Some(0.0));
        assert_eq!(quantile(&values, 0.3), Some(0.1));
    }

    #[test]
    fn a_small_sample_by_hand() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(mean(&values), Some(2.5));
        assert_eq!(median(&values), Some(2.5));
        assert_eq!(quantile(&values, 0.25), Some(1.75));
        assert_eq!(quantile(&values, 1.5), Some(4.0));
        assert!((sd(&values).unwrap() - (5.0_f64 / 3.0).sqrt()).abs() < 1e-15);
    }
}
