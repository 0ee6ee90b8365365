//! A linear layer with bias.

use crate::kernels::vector;
use crate::matrix::{Matrix, MatrixMut, multiply};
use crate::parameters::{Initial, Layout, Slot};

/// `y = x Wᵀ + b`, with `W` stored as outputs × inputs, as in `PyTorch`.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    weight: Slot,
    bias: Slot,
    inputs: usize,
    outputs: usize,
}

impl Linear {
    /// Appends the layer's tensors `{name}.weight` and `{name}.bias` to `layout`; the bias starts at
    /// zero.
    pub fn new(
        layout: &mut Layout,
        name: &str,
        inputs: usize,
        outputs: usize,
        initial: Initial,
    ) -> Self {
        let weight = layout.add(format!("{name}.weight"), &[outputs, inputs], initial, true);
        let bias = layout.add(format!("{name}.bias"), &[outputs], Initial::Zero, false);
        Self {
            weight,
            bias,
            inputs,
            outputs,
        }
    }

    /// Writes the layer's output for every row of `input`.
    pub fn forward(&self, parameters: &[f32], input: &[f32], output: &mut [f32]) {
        vector::fill_rows(self.bias.of(parameters), output);
        self.multiply_add(parameters, input, output);
    }

    /// Adds the layer's output to `output`, for a residual connection.
    pub fn forward_add(&self, parameters: &[f32], input: &[f32], output: &mut [f32]) {
        vector::add_row(self.bias.of(parameters), output);
        self.multiply_add(parameters, input, output);
    }

    fn multiply_add(&self, parameters: &[f32], input: &[f32], output: &mut [f32]) {
        let rows = self.rows(input, output);
        let weight = Matrix::new(self.weight.of(parameters), self.outputs, self.inputs);
        multiply(
            1.0,
            Matrix::new(input, rows, self.inputs),
            weight.transposed(),
            true,
            MatrixMut::new(output, rows, self.outputs),
        );
    }

    /// Adds to the gradients of weight and bias, and writes that of the input.
    pub fn backward(
        &self,
        parameters: &[f32],
        gradients: &mut [f32],
        input: &[f32],
        output_gradient: &[f32],
        input_gradient: &mut [f32],
    ) {
        let rows = self.rows(input, output_gradient);
        let slope = Matrix::new(output_gradient, rows, self.outputs);
        vector::add_column_sums(output_gradient, self.bias.of_mut(gradients));
        multiply(
            1.0,
            slope.transposed(),
            Matrix::new(input, rows, self.inputs),
            true,
            MatrixMut::new(self.weight.of_mut(gradients), self.outputs, self.inputs),
        );
        multiply(
            1.0,
            slope,
            Matrix::new(self.weight.of(parameters), self.outputs, self.inputs),
            false,
            MatrixMut::new(input_gradient, rows, self.inputs),
        );
    }

    fn rows(&self, input: &[f32], output: &[f32]) -> usize {
        let rows = input.len() / self.inputs;
        assert_eq!(
            rows * self.inputs,
            input.len(),
            "input is whole rows of {}",
            self.inputs
        );
        assert_eq!(
            rows * self.outputs,
            output.len(),
            "output is {rows} rows of {}",
            self.outputs
        );
        rows
    }
}
