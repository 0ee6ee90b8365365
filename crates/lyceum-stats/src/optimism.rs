//! Regression to the mean: what the best of many noisy measurements loses when it is measured again.

use crate::special::normal_cdf;

/// Points of the integral. The trapezoid rule converges faster than any power of the step on such an integrand.
const POINTS: u32 = 2_000;
/// The integral ends here on both sides: beyond, the standard normal density is below 1e-31.
const REACH: f64 = 12.0;

/// Returns the expected largest of `n` independent standard normal values: 0 for n ≤ 1, 0.564 for 2, 2.508 for 100.
///
/// E = ∫ z · n φ(z) Φ(z)^(n − 1) dz (David and Nagaraja, Order Statistics, §3.1).
pub fn expected_best_of(n: u64) -> f64 {
    if n <= 1 {
        return 0.0;
    }
    let (step, n) = (2.0 * REACH / f64::from(POINTS), n as f64);
    let weighted = |point: u32| {
        let z = -REACH + step * f64::from(point);
        let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
        z * n * density * normal_cdf(z).powf(n - 1.0)
    };
    step * (0..=POINTS).map(weighted).sum::<f64>()
}

/// Returns by how much the best of `candidates` measurements is expected to look better than it is when no candidate
/// differs from the others and each is measured once with standard deviation `floor_sd`.
///
/// This is the fake gain of a search that keeps whatever measures best, in the metric's unit. Real differences between
/// candidates make it smaller, so that it is an upper figure for what a searched gain loses on confirmation.
pub fn optimism(candidates: u64, floor_sd: f64) -> f64 {
    expected_best_of(candidates) * floor_sd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_best_agrees_with_known_order_statistics() {
        // Exact: 1/√π, 3/(2√π). The others by mpmath 1.4 (`quad` with `npdf` and `ncdf`).
        let pi = std::f64::consts::PI;
        let known = [
            (1, 0.0),
            (2, 1.0 / pi.sqrt()),
            (3, 1.5 / pi.sqrt()),
            (10, 1.538_752_730_835_17),
            (100, 2.507_593_636_441_68),
            (1_000, 3.241_435_769_133_44),
        ];
        for (n, value) in known {
            assert!(
                (expected_best_of(n) - value).abs() < 1e-6,
                "{n}: {}",
                expected_best_of(n)
            );
        }
        assert!((optimism(2, 3.0) - 3.0 / pi.sqrt()).abs() < 1e-6);
    }
}
