//! One step of an optimiser over a slice of parameters.

use super::dispatched;

/// What an `AdamW` step needs beside the buffers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamStep {
    rate: f32,
    first: f32,
    second: f32,
    epsilon: f32,
    first_correction: f32,
    second_correction: f32,
    decay: f32,
}

impl AdamStep {
    /// Returns the constants of step `step` (from 1), with decoupled weight decay `decay`.
    pub(crate) fn new(
        rate: f32,
        first: f32,
        second: f32,
        epsilon: f32,
        step: u32,
        decay: f32,
    ) -> Self {
        let correction = |beta: f32| {
            let power = f64::from(beta).powi(i32::try_from(step).unwrap_or(i32::MAX));
            (1.0 / (1.0 - power)) as f32
        };
        Self {
            rate,
            first,
            second,
            epsilon,
            first_correction: correction(first),
            second_correction: correction(second),
            decay: 1.0 - rate * decay,
        }
    }
}

dispatched! {
    /// `AdamW` (Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2) in `PyTorch`'s order.
    fn adam(
        parameters: &mut [f32],
        gradients: &[f32],
        first: &mut [f32],
        second: &mut [f32],
        step: AdamStep,
    ) {
        let moments = first.iter_mut().zip(second);
        for ((p, &g), (m, v)) in parameters.iter_mut().zip(gradients).zip(moments) {
            *m = step.first * *m + (1.0 - step.first) * g;
            *v = step.second * *v + (1.0 - step.second) * (g * g);
            let slope = *m * step.first_correction;
            let size = (*v * step.second_correction).sqrt() + step.epsilon;
            *p = *p * step.decay - step.rate * (slope / size);
        }
    }
}

dispatched! {
    /// Stochastic gradient descent with momentum; `decay` is the factor that the parameters shrink by.
    fn momentum(
        parameters: &mut [f32],
        gradients: &[f32],
        velocity: &mut [f32],
        rate: f32,
        momentum: f32,
        decay: f32,
    ) {
        for ((p, &g), v) in parameters.iter_mut().zip(gradients).zip(velocity) {
            *v = momentum * *v + g;
            *p = *p * decay - rate * *v;
        }
    }
}
