//! Attention over a data set whose metric was inferred from it.

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
            for (sum, value) in kept.kernel.iter_mut().zip(square) {
                *sum -= weight * value;
            }
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
        let both = kept
            .weights
            .chunks_exact_mut(known)
            .zip(kept.kernel.chunks_exact_mut(known));
        for (row, (weights, kernel)) in both.enumerate() {
            let greatest = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for one in weights.iter_mut() {
                *one = (*one - greatest).exp();
            }
            let inverse = 1.0 / weights.iter().sum::<f32>();
            for one in weights.iter_mut() {
                *one *= inverse;
            }
            for one in kernel.iter_mut() {
                *one = one.exp();
            }
            let density = kernel.iter().sum::<f32>() + DENSITY_MIN;
            kept.density.push(density);
            densities[row * density_stride] = density.ln();
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
        let both = scratch
            .chunks_exact_mut(known)
            .zip(kept.weights.chunks_exact(known));
        for (slopes, weights) in both {
            let mean: f32 = slopes.iter().zip(weights).map(|(a, b)| a * b).sum();
            for (slope, weight) in slopes.iter_mut().zip(weights) {
                *slope = weight * (*slope - mean);
            }
        }
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
            for (slope, kernel) in slopes.iter_mut().zip(kernel) {
                *slope += factor * kernel;
            }
        }
        let cells = rows * known;
        for (slope, square) in metric_slope
            .iter_mut()
            .zip(self.squares.chunks_exact(cells))
        {
            *slope -= scratch.iter().zip(square).map(|(a, b)| a * b).sum::<f32>();
        }
    }
}
