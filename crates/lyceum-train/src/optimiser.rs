//! Optimisers: how a gradient becomes a step.

use crate::kernels::{update, vector};
use crate::parameters::Layout;

/// The rule of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// `AdamW` (Loshchilov and Hutter 2019, arXiv:1711.05101).
    AdamW {
        /// Decay of the mean of gradients.
        beta1: f32,
        /// Decay of the mean of squared gradients.
        beta2: f32,
        /// Added to the root of the mean of squares.
        epsilon: f32,
    },
    /// Stochastic gradient descent with momentum and decoupled weight decay.
    Sgd {
        /// Decay of the velocity; zero for none.
        momentum: f32,
    },
}

/// A rule with its moments.
#[derive(Clone, Debug)]
pub struct Optimiser {
    rule: Rule,
    weight_decay: f32,
    first: Vec<f32>,
    second: Vec<f32>,
    steps: u32,
}

impl Optimiser {
    /// Returns an optimiser for a network; `weight_decay` shrinks the tensors that decay by
    /// `rate · weight_decay` a step.
    pub fn new(rule: Rule, weight_decay: f32, layout: &Layout) -> Self {
        let second = match rule {
            Rule::AdamW { .. } => vec![0.0; layout.len()],
            Rule::Sgd { .. } => Vec::new(),
        };
        Self {
            rule,
            weight_decay,
            first: vec![0.0; layout.len()],
            second,
            steps: 0,
        }
    }

    /// Returns the moments, the second empty where the rule has none, and how many steps were made.
    pub(crate) fn moments(&self) -> (&[f32], &[f32], u32) {
        (&self.first, &self.second, self.steps)
    }

    /// Returns an optimiser that goes on from these moments, which belong to this rule and layout.
    pub(crate) fn resumed(
        rule: Rule,
        weight_decay: f32,
        first: Vec<f32>,
        second: Vec<f32>,
        steps: u32,
    ) -> Self {
        Self {
            rule,
            weight_decay,
            first,
            second,
            steps,
        }
    }

    /// Moves `parameters` one step at learning rate `rate`.
    pub fn step(&mut self, layout: &Layout, parameters: &mut [f32], gradients: &[f32], rate: f64) {
        self.steps = self.steps.saturating_add(1);
        let rate = rate as f32;
        for tensor in layout.tensors() {
            let decay = if tensor.decays {
                self.weight_decay
            } else {
                0.0
            };
            let slot = tensor.slot;
            let (values, slope) = (slot.of_mut(parameters), slot.of(gradients));
            let first = slot.of_mut(&mut self.first);
            match self.rule {
                Rule::AdamW {
                    beta1,
                    beta2,
                    epsilon,
                } => {
                    let second = slot.of_mut(&mut self.second);
                    let constants =
                        update::AdamStep::new(rate, beta1, beta2, epsilon, self.steps, decay);
                    update::adam(values, slope, first, second, constants);
                }
                Rule::Sgd { momentum } => {
                    update::momentum(values, slope, first, rate, momentum, 1.0 - rate * decay);
                }
            }
        }
    }
}

/// Scales `gradients` so that their norm is at most `most`, and returns the norm they had.
pub fn clip(gradients: &mut [f32], most: f64) -> f64 {
    let norm = vector::square_sum(gradients).sqrt();
    if norm > most {
        vector::scale(gradients, (most / norm) as f32);
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Initial;

    fn layout() -> Layout {
        let mut layout = Layout::default();
        layout.add("weight", &[2], Initial::Zero, true);
        layout.add("bias", &[1], Initial::Zero, false);
        layout
    }

    /// Two steps by the formulas of the papers, in double precision.
    fn adam_oracle(gradients: [f64; 2], start: f64, rate: f64, decay: f64) -> f64 {
        let (mut p, mut m, mut v) = (start, 0.0, 0.0);
        for (t, g) in (1..).zip(gradients) {
            m = 0.9 * m + 0.1 * g;
            v = 0.99 * v + 0.01 * g * g;
            let (mean, square) = (m / (1.0 - 0.9_f64.powi(t)), v / (1.0 - 0.99_f64.powi(t)));
            p -= rate * decay * p;
            p -= rate * mean / (square.sqrt() + 1e-8);
        }
        p
    }

    #[test]
    fn adamw_follows_the_paper_and_decays_weights_only() {
        let layout = layout();
        let rule = Rule::AdamW {
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
        };
        let mut optimiser = Optimiser::new(rule, 0.5, &layout);
        let mut parameters = [1.0, -2.0, 3.0];
        optimiser.step(&layout, &mut parameters, &[0.1, -0.2, 0.3], 0.01);
        optimiser.step(&layout, &mut parameters, &[-0.4, 0.1, 0.2], 0.01);
        let expected = [
            adam_oracle([0.1, -0.4], 1.0, 0.01, 0.5),
            adam_oracle([-0.2, 0.1], -2.0, 0.01, 0.5),
            adam_oracle([0.3, 0.2], 3.0, 0.01, 0.0),
        ];
        for (found, expected) in parameters.into_iter().zip(expected) {
            assert!(
                (f64::from(found) - expected).abs() < 1e-6,
                "{found} against {expected}"
            );
        }
    }

    #[test]
    fn momentum_gathers_speed() {
        let layout = layout();
        let mut optimiser = Optimiser::new(Rule::Sgd { momentum: 0.5 }, 0.0, &layout);
        let mut parameters = [0.0; 3];
        optimiser.step(&layout, &mut parameters, &[1.0, 2.0, 4.0], 0.5);
        optimiser.step(&layout, &mut parameters, &[1.0, 2.0, 4.0], 0.5);
        let exact = [-1.25_f32, -2.5, -5.0];
        assert_eq!(parameters.map(f32::to_bits), exact.map(f32::to_bits));
    }

    #[test]
    fn clipping_keeps_the_direction_and_bounds_the_norm() {
        let mut gradients = [3.0, 4.0];
        assert!((clip(&mut gradients, 1.0) - 5.0).abs() < 1e-6);
        assert!((gradients[0] - 0.6).abs() < 1e-6 && (gradients[1] - 0.8).abs() < 1e-6);
        assert!((clip(&mut gradients, 2.0) - 1.0).abs() < 1e-6);
        assert!((gradients[0] - 0.6).abs() < 1e-6);
    }
}
