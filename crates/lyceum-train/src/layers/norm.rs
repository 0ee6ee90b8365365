//! Layer norm.

use crate::kernels::norm;
use crate::parameters::{Initial, Layout, Slot};

/// Layer norm with gain and bias (arXiv:1607.06450).
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm {
    gain: Slot,
    bias: Slot,
    width: usize,
}

impl LayerNorm {
    /// Appends the tensors `{name}.weight` (ones) and `{name}.bias` (zeros) to `layout`.
    pub fn new(layout: &mut Layout, name: &str, width: usize) -> Self {
        let gain = layout.add(format!("{name}.weight"), &[width], Initial::One, false);
        let bias = layout.add(format!("{name}.bias"), &[width], Initial::Zero, false);
        Self { gain, bias, width }
    }

    /// Normalises every row; `statistics` gets two numbers a row, which `backward_add` needs.
    pub fn forward(
        &self,
        parameters: &[f32],
        input: &[f32],
        output: &mut [f32],
        statistics: &mut [f32],
    ) {
        self.check(input, output, statistics);
        norm::forward(
            input,
            self.gain.of(parameters),
            self.bias.of(parameters),
            output,
            statistics,
        );
    }

    /// Adds to the gradients of gain and bias, and *adds* to that of the input.
    pub fn backward_add(
        &self,
        parameters: &[f32],
        gradients: &mut [f32],
        input: &[f32],
        statistics: &[f32],
        output_gradient: &[f32],
        input_gradient: &mut [f32],
    ) {
        self.check(input, output_gradient, statistics);
        let gain = self.gain.of(parameters);
        // The bias lies right after the gain in the layout.
        let both = &mut gradients[self.gain.range().start..self.bias.range().end];
        let (gain_gradient, bias_gradient) = both.split_at_mut(self.width);
        norm::parameter_gradient(
            input,
            statistics,
            output_gradient,
            gain_gradient,
            bias_gradient,
        );
        norm::input_gradient(input, gain, statistics, output_gradient, input_gradient);
    }

    fn check(&self, input: &[f32], output: &[f32], statistics: &[f32]) {
        assert_eq!(
            input.len(),
            output.len(),
            "input and output have one length"
        );
        assert_eq!(
            statistics.len() * self.width,
            2 * input.len(),
            "two statistics a row"
        );
    }
}
