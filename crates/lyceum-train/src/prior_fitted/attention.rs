//! Attention over a data set whose metric was inferred from it.

use crate::kernels::{softmax, vector};
use crate::matrix::{Matrix, MatrixMut, multiply};

/// Kernel weight at which the logarithm of the density of neighbours ends: nothing is nearer than that.
const DENSITY_MIN: f32 = 3.354_626e-4; // e⁻⁸

/// One data set's part of the rows of a batch: first the known points, then the questions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Known points and questions.
    pub(super) rows: usize,
    /// Known points.
    pub(super) known: usize,
    /// Columns of the inputs.
    pub(super) columns: usize,
}

/// What the backward pass needs of one head.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// Attention weights, rows × known.
    weights: Vec<f32>,
    /// `exp(−distance)`, rows × known.
    kernel: Vec<f32>,
    /// Sums of the kernel, one a row.
    density: Vec<f32>,
}

/// Writes one head: `Σⱼ softmax(qᵢkⱼ/√e − Σ_c w_c (x_ic − x_jc)²) vⱼ`, and the logarithm of `Σⱼ exp(−Σ_c w_c (x_ic −
/// x_jc)²)`, which tells how near the known points are.
///
/// `queries`, `keys` and `values` are views into one row-major matrix with `stride` numbers a row; `squares` holds
/// `(x_ic − x_jc)²` by column, row and known point. Known points see each other and themselves.
pub(super) struct Head<'a> {
    pub(super) shape: Shape,
    /// Numbers of a head.
    pub(super) each: usize,
    pub(super) squares: &'a [f32],
    /// Weight of each column.
    pub(super) metric: &'a [f32],
    pub(super) inputs: &'a [f32],
    /// Numbers from one row of `inputs` to the next; the queries come first, then keys, then values, `width` apart.
    pub(super) stride: usize,
    pub(super) width: usize,
}

impl Head<'_> {
    fn factor(&self) -> f32 {
        1.0 / (self.each as f32).sqrt()
    }

    fn part(&self, index: usize, rows: usize) -> Matrix<'_> {
        Matrix::strided(
            &self.inputs[index * self.width..],
            rows,
            self.each,
            self.stride,
        )
    }

    /// Writes attended values to `out` (`out_stride` numbers a row) and the log density to `densities` (one in every
    /// `density_stride`).
    pub(super) fn forward(
        &self,
        kept: &mut Kept,
        out: &mut [f32],
        out_stride: usize,
        densities: &mut [f32],
        density_stride: usize,
    ) {
        let Shape { rows, known, .. } = self.shape;
        let cells = rows * known;
        kept.kernel.clear();
        kept.kernel.resize(cells, 0.0);
        for (square, weight) in self.squares.chunks_exact(cells).zip(self.metric) {
            vector::add_scaled(-weight, square, &mut kept.kernel);
        }
        kept.weights.clear();
        kept.weights.extend_from_slice(&kept.kernel);
        multiply(
            self.factor(),
            self.part(0, rows),
            self.part(1, known).transposed(),
            true,
            MatrixMut::new(&mut kept.weights, rows, known),
        );
        kept.density.clear();
        kept.density.resize(rows, 0.0);
        softmax::kernel_softmax(
            &mut kept.weights,
            &mut kept.kernel,
            known,
            DENSITY_MIN,
            &mut kept.density,
        );
        let places = densities.iter_mut().step_by(density_stride);
        for (place, density) in places.zip(&kept.density) {
            *place = density.ln();
        }
        multiply(
            1.0,
            Matrix::new(&kept.weights, rows, known),
            self.part(2, known),
            false,
            MatrixMut::strided(out, rows, self.each, out_stride),
        );
    }

    /// Adds the gradients of queries, keys and values to `input_slope`, and that of the metric to `metric_slope`.
    #[expect(
        clippy::too_many_arguments,
        reason = "two outputs, each with its stride"
    )]
    pub(super) fn backward(
        &self,
        kept: &Kept,
        slope: &[f32],
        slope_stride: usize,
        density_slope: &[f32],
        density_stride: usize,
        input_slope: &mut [f32],
        metric_slope: &mut [f32],
        scratch: &mut Vec<f32>,
    ) {
        let Shape { rows, known, .. } = self.shape;
        let slope = Matrix::strided(slope, rows, self.each, slope_stride);
        let weights = Matrix::new(&kept.weights, rows, known);
        let (stride, width) = (self.stride, self.width);
        let mut add = |index: usize, factor, count, left: Matrix<'_>, right: Matrix<'_>| {
            let out =
                MatrixMut::strided(&mut input_slope[index * width..], count, self.each, stride);
            multiply(factor, left, right, true, out);
        };
        add(2, 1.0, known, weights.transposed(), slope);
        scratch.clear();
        scratch.resize(rows * known, 0.0);
        multiply(
            1.0,
            slope,
            self.part(2, known).transposed(),
            false,
            MatrixMut::new(scratch, rows, known),
        );
        // From the gradient of the weights to that of the scores.
        softmax::softmax_backward(&kept.weights, scratch, known);
        let scores = Matrix::new(scratch, rows, known);
        add(0, self.factor(), rows, scores, self.part(1, known));
        add(
            1,
            self.factor(),
            known,
            scores.transposed(),
            self.part(0, rows),
        );
        // The distance is in the scores and in the density.
        for (row, (slopes, kernel)) in scratch
            .chunks_exact_mut(known)
            .zip(kept.kernel.chunks_exact(known))
            .enumerate()
        {
            let factor = density_slope[row * density_stride] / kept.density[row];
            vector::add_scaled(factor, kernel, slopes);
        }
        let cells = rows * known;
        for (slope, square) in metric_slope
            .iter_mut()
            .zip(self.squares.chunks_exact(cells))
        {
            *slope -= vector::product_sum(scratch, square);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn values_and_gradients_are_those_of_pytorch() {
        let golden: Value =
            serde_json::from_str(include_str!("../../tests/goldens/kernel_attention.json"))
                .unwrap();
        let numbers = |name: &str| -> Vec<f32> {
            let all = golden[name].as_array().unwrap().iter();
            all.map(|one| one.as_f64().unwrap() as f32).collect()
        };
        let size = |name: &str| golden["sizes"][name].as_u64().unwrap() as usize;
        let (each, rows) = (size("each"), size("rows"));
        let (squares, metric, inputs) = (numbers("squares"), numbers("metric"), numbers("input"));
        let head = Head {
            shape: Shape {
                rows,
                known: size("known"),
                columns: size("columns"),
            },
            each,
            squares: &squares,
            metric: &metric,
            inputs: &inputs,
            stride: 3 * each,
            width: each,
        };
        let mut kept = Kept::default();
        let (mut out, mut densities) = (vec![0.0; rows * each], vec![0.0; rows]);
        head.forward(&mut kept, &mut out, each, &mut densities, 1);
        let (mut slopes, mut metric_slopes) = (vec![0.0; inputs.len()], vec![0.0; metric.len()]);
        head.backward(
            &kept,
            &numbers("slope"),
            each,
            &numbers("density_slope"),
            1,
            &mut slopes,
            &mut metric_slopes,
            &mut Vec::new(),
        );
        for (name, found) in [
            ("output", out),
            ("density", densities),
            ("input_gradient", slopes),
            ("metric_gradient", metric_slopes),
        ] {
            let expected = numbers(name);
            assert_eq!(found.len(), expected.len(), "{name}");
            for (found, expected) in found.iter().zip(&expected) {
                let error = (found - expected).abs() / expected.abs().max(1.0);
                assert!(error < 5e-6, "{name}: {found} against {expected}");
            }
        }
    }
}
