//! The activation between the two linear layers of a block.

use crate::kernels::activation;

/// The Gaussian error linear unit in its tanh form (arXiv:1606.08415), as `PyTorch`'s
/// `gelu(approximate="tanh")`.
#[derive(Clone, Copy, Debug)]
pub struct Gelu;

impl Gelu {
    /// Writes the activation of `input` to `output`.
    ///
    /// # Panics
    ///
    /// Where their lengths differ.
    pub fn forward(self, input: &[f32], output: &mut [f32]) {
        assert_eq!(
            input.len(),
            output.len(),
            "input and output have one length"
        );
        activation::gelu(input, output);
    }

    /// Turns the gradient of the output, in place, into that of the input.
    ///
    /// # Panics
    ///
    /// Where their lengths differ.
    pub fn backward(self, input: &[f32], gradient: &mut [f32]) {
        assert_eq!(
            input.len(),
            gradient.len(),
            "input and gradient have one length"
        );
        activation::gelu_backward(input, gradient);
    }
}
