//! The standard normal distribution, accurate far into its tails.

use std::f64::consts::TAU;

/// Terms of the continued fraction; at `x ≥ 2` its error is below 1e-17.
const TERMS: u32 = 70;

pub(crate) fn density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / TAU.sqrt()
}

fn log_density(z: f64) -> f64 {
    -0.5 * z * z - 0.5 * TAU.ln()
}

/// Returns `c(x) = 1/(x + 2/(x + 3/(x + …)))`, so that Mills' ratio `(1 - Φ(x)) / φ(x)` is `1/(x + c(x))` (Laplace).
fn tail_fraction(x: f64) -> f64 {
    let mut below = x;
    for term in (2..=TERMS).rev() {
        below = x + f64::from(term) / below;
    }
    1.0 / below
}

/// Returns `Φ(z)`.
pub(crate) fn cumulative(z: f64) -> f64 {
    if z > 2.0 {
        1.0 - cumulative(-z)
    } else if z < -2.0 {
        density(z) / (-z + tail_fraction(-z))
    } else {
        // Φ(z) = 1/2 + φ(z) (z + z³/3 + z⁵/(3·5) + …).
        let mut term = z;
        let mut sum = z;
        for step in 1..40 {
            term *= z * z / f64::from(2 * step + 1);
            sum += term;
        }
        0.5 + density(z) * sum
    }
}

/// Returns the `z` with `Φ(z) = probability`, by halving the bracket to the last bit; the ends of the bracket for 0 and 1.
pub(crate) fn quantile(probability: f64) -> f64 {
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        if cumulative(middle) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Returns `ln Φ(z)`.
pub(crate) fn log_cumulative(z: f64) -> f64 {
    if z < -2.0 {
        log_density(z) - (-z + tail_fraction(-z)).ln()
    } else {
        cumulative(z).ln()
    }
}

/// Returns `ln(φ(z) + z Φ(z))`, the logarithm of expected improvement in standard units.
///
/// In the lower tail `φ + zΦ = φ c/(x + c)` with `x = -z` and `c` the continued fraction above: no cancellation. The
/// reason for the logarithm is in Ament et al., "Unexpected improvements to expected improvement" (2023).
pub(crate) fn log_improvement(z: f64) -> f64 {
    if z < -2.0 {
        let fraction = tail_fraction(-z);
        log_density(z) + fraction.ln() - (-z + fraction).ln()
    } else {
        (density(z) + z * cumulative(z)).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cumulative_matches_published_digits() {
        // DLMF 7.12 and scipy.special.ndtr / log_ndtr.
        for (z, expected) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_542_9),
            (-1.0, 0.158_655_253_931_457_05),
            (-2.0, 0.022_750_131_948_179_21),
            (-2.5, 0.006_209_665_325_776_132),
            (3.0, 0.998_650_101_968_369_9),
            (-8.0, 6.220_960_574_271_785e-16),
        ] {
            let found = cumulative(z);
            assert!(
                (found / expected - 1.0_f64).abs() < 1e-13,
                "{z}: {found} {expected}"
            );
            assert!((log_cumulative(z) - f64::ln(expected)).abs() < 1e-13, "{z}");
        }
        assert!((log_cumulative(-40.0) + 804.608_442_013_754).abs() < 1e-9);
    }

    #[test]
    fn log_improvement_matches_integration() {
        // E[max(Z + z, 0)] by Simpson's rule over the part that counts.
        for z in [-6.0, -3.0, -2.0, -1.999, -1.0, -0.1, 0.0, 0.7, 2.5, 5.0] {
            let (steps, from, to) = (200_000, -z, 12.0_f64.max(-z + 12.0));
            let width = (to - from) / f64::from(steps);
            let total: f64 = (0..=steps)
                .map(|step| {
                    let x = from + width * f64::from(step);
                    let weight = match step {
                        0 => 1.0,
                        _ if step == steps => 1.0,
                        _ if step % 2 == 1 => 4.0,
                        _ => 2.0,
                    };
                    weight * (x + z) * density(x)
                })
                .sum();
            let expected = (total * width / 3.0).ln();
            let found = log_improvement(z);
            assert!((found - expected).abs() < 1e-8, "{z}: {found} {expected}");
        }
    }

    #[test]
    fn log_improvement_stays_finite_and_rises() {
        let mut last = f64::NEG_INFINITY;
        for step in 0..=4000 {
            let z = -1e6_f64 * (1.0 - f64::from(step) / 4000.0).powi(5);
            let found = log_improvement(z);
            assert!(
                found.is_finite() && found > last,
                "{z}: {found} after {last}"
            );
            last = found;
        }
    }
}
