//! The Gaussian error linear unit in its tanh form (Hendrycks and Gimpel 2016, arXiv:1606.08415).
//!
//! `0.5 x (1 + tanh(u))` is `x · sigmoid(2u)`, which needs one exponential.

use super::dispatched;
use super::exponential::exp;

/// Twice √(2/π).
const SLOPE: f32 = 1.595_769;
const CUBIC: f32 = 0.044_715;

dispatched! {
    /// Writes `gelu(input)` to `output`.
    fn gelu(input: &[f32], output: &mut [f32]) {
        for (&x, y) in input.iter().zip(output) {
            *y = x / (1.0 + exp(-SLOPE * (x + CUBIC * x * x * x)));
        }
    }
}

dispatched! {
    /// Turns the gradient of the output, in place, into that of the input.
    fn gelu_backward(input: &[f32], gradient: &mut [f32]) {
        for (&x, g) in input.iter().zip(gradient) {
            let gate = 1.0 / (1.0 + exp(-SLOPE * (x + CUBIC * x * x * x)));
            let slope = SLOPE * (1.0 + 3.0 * CUBIC * x * x);
            *g *= gate * (1.0 + x * (1.0 - gate) * slope);
        }
    }
}
