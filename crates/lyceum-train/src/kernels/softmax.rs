//! Softmax over rows, causal or whole, and the cross-entropy made of it.

use super::dispatched;
use super::exponential::exp;
use super::vector::{dot, maximum, sum};

/// Replaces a row by `exp(factor · (x − max))` and returns the sum and the maximum.
#[expect(clippy::inline_always, reason = "part of the bodies of other kernels")]
#[inline(always)]
fn exponentials(row: &mut [f32], factor: f32) -> (f32, f32) {
    let largest = maximum(row);
    for x in row.iter_mut() {
        *x = exp(factor * (*x - largest));
    }
    (sum(row), largest)
}

dispatched! {
    /// Replaces a square matrix of scores by attention weights: row `i` becomes
    /// `softmax(factor · row[..=i])`, and zero after its diagonal. `factor` is positive.
    fn causal_softmax(scores: &mut [f32], side: usize, factor: f32) {
        for (index, row) in scores.chunks_exact_mut(side).enumerate() {
            let (past, future) = row.split_at_mut(index + 1);
            let (total, _) = exponentials(past, factor);
            let inverse = 1.0 / total;
            for x in past {
                *x *= inverse;
            }
            future.fill(0.0);
        }
    }
}

dispatched! {
    /// Turns the gradient of the weights, in place, into that of `factor · scores`; zero after the
    /// diagonal.
    fn causal_softmax_backward(weights: &[f32], gradient: &mut [f32], side: usize) {
        let rows = weights.chunks_exact(side).zip(gradient.chunks_exact_mut(side));
        for (index, (weight, slope)) in rows.enumerate() {
            let (past, future) = slope.split_at_mut(index + 1);
            let weight = &weight[..=index];
            let mean = dot(weight, past);
            for (g, p) in past.iter_mut().zip(weight) {
                *g = p * (*g - mean);
            }
            future.fill(0.0);
        }
    }
}

dispatched! {
    /// Replaces rows of scores by attention weights, and rows of negative distances by their exponentials; writes the
    /// sum of each row of these plus `least` to `densities`.
    fn kernel_softmax(scores: &mut [f32], kernel: &mut [f32], width: usize, least: f32, densities: &mut [f32]) {
        let rows = scores.chunks_exact_mut(width).zip(kernel.chunks_exact_mut(width));
        for ((weights, near), density) in rows.zip(densities) {
            let (total, _) = exponentials(weights, 1.0);
            let inverse = 1.0 / total;
            for x in weights {
                *x *= inverse;
            }
            for x in near.iter_mut() {
                *x = exp(*x);
            }
            *density = sum(near) + least;
        }
    }
}

dispatched! {
    /// Turns the gradient of attention weights, in place, into that of their scores, row by row.
    fn softmax_backward(weights: &[f32], gradient: &mut [f32], width: usize) {
        let rows = weights.chunks_exact(width).zip(gradient.chunks_exact_mut(width));
        for (weight, slope) in rows {
            let mean = dot(weight, slope);
            for (g, p) in slope.iter_mut().zip(weight) {
                *g = p * (*g - mean);
            }
        }
    }
}

dispatched! {
    /// Writes the cross-entropy of each row in nats, and turns the logits into
    /// `scale · (softmax − one-hot target)`.
    fn cross_entropy(logits: &mut [f32], targets: &[u16], scale: f32, losses: &mut [f32]) {
        let width = logits.len() / targets.len().max(1);
        let rows = logits.chunks_exact_mut(width.max(1)).zip(targets).zip(losses);
        for ((row, &target), loss) in rows {
            let chosen = row[usize::from(target)];
            let (total, largest) = exponentials(row, 1.0);
            *loss = total.ln() - (chosen - largest);
            let factor = scale / total;
            for x in row.iter_mut() {
                *x *= factor;
            }
            row[usize::from(target)] -= scale;
        }
    }
}
