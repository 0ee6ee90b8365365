//! Causal multi-head attention between the linear layers around it.

use crate::kernels::softmax;
use crate::matrix::{Known, Matrix, MatrixMut, multiply_known};

/// `softmax(q kᵀ / √d) v` in each head, where a position sees itself and what is before it
/// (Vaswani et al. 2017, arXiv:1706.03762, §3.2.1).
///
/// A row of the input holds queries, keys and values one after the other, each `width` wide and split
/// into heads. The layer has no parameters.
#[derive(Clone, Copy, Debug)]
pub struct CausalAttention {
    width: usize,
    heads: usize,
}

/// The three parts of an input row.
const PARTS: usize = 3;

impl CausalAttention {
    /// Returns attention over `heads` heads.
    ///
    /// # Panics
    ///
    /// Where `heads` does not divide `width`.
    pub fn new(width: usize, heads: usize) -> Self {
        assert!(
            heads > 0 && width.is_multiple_of(heads),
            "heads divide the width"
        );
        Self { width, heads }
    }

    /// Returns how many numbers `weights` holds for `rows` positions in sequences of `length`.
    pub fn weights_len(&self, rows: usize, length: usize) -> usize {
        rows * self.heads * length
    }

    /// Writes the output for sequences of `length` rows; `weights` gets the attention weights, which
    /// `backward` needs.
    pub fn forward(&self, input: &[f32], length: usize, weights: &mut [f32], output: &mut [f32]) {
        let each = self.head_width();
        let wide = PARTS * self.width;
        let factor = 1.0 / (each as f32).sqrt();
        for (head, weights) in weights.chunks_exact_mut(length * length).enumerate() {
            let (from, to) = self.offsets(head, length);
            let part =
                |index| Matrix::strided(&input[from + index * self.width..], length, each, wide);
            let scores = MatrixMut::new(weights, length, length);
            multiply_known(
                1.0,
                part(0),
                part(1).transposed(),
                false,
                scores,
                Known::LowerProduct,
            );
            softmax::causal_softmax(weights, length, factor);
            let out = MatrixMut::strided(&mut output[to..], length, each, self.width);
            let lower = Known::LowerLeft;
            multiply_known(
                1.0,
                Matrix::new(weights, length, length),
                part(2),
                false,
                out,
                lower,
            );
        }
    }

    /// Writes the gradient of the input; `scratch` holds `length · length` numbers.
    pub fn backward(
        &self,
        input: &[f32],
        length: usize,
        weights: &[f32],
        output_gradient: &[f32],
        input_gradient: &mut [f32],
        scratch: &mut [f32],
    ) {
        let each = self.head_width();
        let wide = PARTS * self.width;
        let factor = 1.0 / (each as f32).sqrt();
        for (head, weights) in weights.chunks_exact(length * length).enumerate() {
            let (from, to) = self.offsets(head, length);
            let part =
                |index| Matrix::strided(&input[from + index * self.width..], length, each, wide);
            let slope = Matrix::strided(&output_gradient[to..], length, each, self.width);
            multiply_known(
                1.0,
                slope,
                part(2).transposed(),
                false,
                MatrixMut::new(scratch, length, length),
                Known::LowerProduct,
            );
            softmax::causal_softmax_backward(weights, scratch, length);
            let weights = Matrix::new(weights, length, length);
            let scores = Matrix::new(scratch, length, length);
            let mut write = |index, factor, left: Matrix<'_>, right: Matrix<'_>, known| {
                let start = from + index * self.width;
                let out = MatrixMut::strided(&mut input_gradient[start..], length, each, wide);
                multiply_known(factor, left, right, false, out, known);
            };
            write(0, factor, scores, part(1), Known::LowerLeft);
            write(1, factor, scores.transposed(), part(0), Known::UpperLeft);
            write(2, 1.0, weights.transposed(), slope, Known::UpperLeft);
        }
    }

    fn head_width(&self) -> usize {
        self.width / self.heads
    }

    /// Returns where head `head` (counted through all sequences) starts in input and output.
    fn offsets(&self, head: usize, length: usize) -> (usize, usize) {
        let (sequence, within) = (head / self.heads, head % self.heads * self.head_width());
        let row = sequence * length;
        (row * PARTS * self.width + within, row * self.width + within)
    }
}
