//! `exp` without a call and without a branch, so that loops over it become vector code.

/// Returns `exp(x)` within 2 units in the last place for `x` in [-87, 88]; beyond, the value at the
/// nearer end.
///
/// Range reduction to |r| ≤ ln 2 / 2 (Cody and Waite) and the polynomial of Cephes `expf`; the
/// rounding to an integer and the power of two are made by adding 1.5 · 2^23, because `floor` and
/// float-to-integer casts have no vector form in the x86-64 baseline.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // Written as comparisons, because `clamp` keeps NaN by a branch.
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let power = shifted - ROUND;
    let r = x - power * LN_2_HIGH - power * LN_2_LOW;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let mantissa = p * r * r + r + 1.0;
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    mantissa * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_the_library_over_its_range() {
        let mut worst = 0.0_f64;
        for step in 0..=1_750_000 {
            let x = -87.0 + f64::from(step) * 1e-4;
            let x = x as f32;
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) / exact - 1.0).abs());
        }
        assert!(
            worst < 2.0 * f64::from(f32::EPSILON),
            "worst relative error {worst:e}"
        );
    }

    #[test]
    fn beyond_its_range_it_stays_at_the_ends_and_keeps_not_a_number() {
        assert_eq!(exp(-1e30).to_bits(), exp(-87.0).to_bits());
        assert_eq!(exp(1e30).to_bits(), exp(88.0).to_bits());
        assert!(exp(f32::NAN).is_nan());
    }
}
