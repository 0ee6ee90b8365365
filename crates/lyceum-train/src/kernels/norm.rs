//! Layer norm (Ba, Kiros and Hinton 2016, arXiv:1607.06450), row by row.

use super::dispatched;
use super::vector::{dot, sum};

/// Added to the variance, as in `PyTorch`.
pub(crate) const EPSILON: f32 = 1e-5;

dispatched! {
    /// Writes `gain · (x − mean) / deviation + bias` for every row; `statistics` gets the mean and the
    /// inverse deviation of each row, one after the other.
    fn forward(
        input: &[f32],
        gain: &[f32],
        bias: &[f32],
        output: &mut [f32],
        statistics: &mut [f32],
    ) {
        let width = gain.len();
        let scale = 1.0 / width as f32;
        let rows = input.chunks_exact(width).zip(output.chunks_exact_mut(width));
        for ((x, y), statistic) in rows.zip(statistics.chunks_exact_mut(2)) {
            let mean = sum(x) * scale;
            // The output holds the differences first: one pass less over the input.
            for (out, value) in y.iter_mut().zip(x) {
                *out = value - mean;
            }
            let inverse = 1.0 / (dot(y, y) * scale + EPSILON).sqrt();
            for ((out, g), b) in y.iter_mut().zip(gain).zip(bias) {
                *out = *out * inverse * g + b;
            }
            statistic[0] = mean;
            statistic[1] = inverse;
        }
    }
}

dispatched! {
    /// Adds to the gradients of gain and bias.
    fn parameter_gradient(
        input: &[f32],
        statistics: &[f32],
        output_gradient: &[f32],
        gain_gradient: &mut [f32],
        bias_gradient: &mut [f32],
    ) {
        let width = gain_gradient.len();
        let rows = input.chunks_exact(width).zip(output_gradient.chunks_exact(width));
        for ((x, dy), statistic) in rows.zip(statistics.chunks_exact(2)) {
            let (mean, inverse) = (statistic[0], statistic[1]);
            for (((gain, bias), value), slope) in
                gain_gradient.iter_mut().zip(bias_gradient.iter_mut()).zip(x).zip(dy)
            {
                *gain += slope * ((value - mean) * inverse);
                *bias += slope;
            }
        }
    }
}

dispatched! {
    /// Adds the gradient of the input to `input_gradient`.
    fn input_gradient(
        input: &[f32],
        gain: &[f32],
        statistics: &[f32],
        output_gradient: &[f32],
        input_gradient: &mut [f32],
    ) {
        let width = gain.len();
        let scale = 1.0 / width as f32;
        let rows = input.chunks_exact(width).zip(output_gradient.chunks_exact(width));
        let rows = rows.zip(statistics.chunks_exact(2));
        for (((x, dy), statistic), dx) in rows.zip(input_gradient.chunks_exact_mut(width)) {
            let (mean, inverse) = (statistic[0], statistic[1]);
            // Σ g·dy and Σ g·dy·x̂, the two directions that the norm takes out; Σ g·dy·x̂ is had from
            // Σ g·dy·(x − mean).
            let total = dot(gain, dy) * scale;
            let along = along(x, gain, dy, mean) * (inverse * inverse * scale);
            for (((d, value), g), slope) in dx.iter_mut().zip(x).zip(gain).zip(dy) {
                *d += inverse * (g * slope - total - (value - mean) * along);
            }
        }
    }
}

/// Returns Σ (x − mean) · gain · slope, in sixteen partial sums.
#[inline(always)]
fn along(x: &[f32], gain: &[f32], slope: &[f32], mean: f32) -> f32 {
    const BLOCK: usize = 64;
    let mut products = [0.0; BLOCK];
    let mut total = 0.0;
    for ((x, gain), slope) in x
        .chunks(BLOCK)
        .zip(gain.chunks(BLOCK))
        .zip(slope.chunks(BLOCK))
    {
        let part = &mut products[..x.len()];
        for (((p, value), g), s) in part.iter_mut().zip(x).zip(gain).zip(slope) {
            *p = (value - mean) * g * s;
        }
        total += sum(part);
    }
    total
}
