//! Sums and products over whole slices.

use super::dispatched;

/// The number of partial sums: a fixed order of addition, wide enough for two AVX-512 registers.
pub(crate) const LANES: usize = 16;

/// Returns the sum of `a[i] · b[i]`, in [`LANES`] partial sums.
#[expect(clippy::inline_always, reason = "part of the bodies of other kernels")]
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail: f32 = a_chunks
        .remainder()
        .iter()
        .zip(b_chunks.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    fold(lanes) + tail
}

/// Returns the sum of `a`, in [`LANES`] partial sums.
#[expect(clippy::inline_always, reason = "part of the bodies of other kernels")]
#[inline(always)]
pub(crate) fn sum(a: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let chunks = a.chunks_exact(LANES);
    let tail: f32 = chunks.remainder().iter().sum();
    for x in chunks {
        for lane in 0..LANES {
            lanes[lane] += x[lane];
        }
    }
    fold(lanes) + tail
}

/// Returns the largest number of `a`, or negative infinity where it is empty.
#[expect(clippy::inline_always, reason = "part of the bodies of other kernels")]
#[inline(always)]
pub(crate) fn maximum(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = a.chunks_exact(LANES);
    let mut largest = f32::NEG_INFINITY;
    for &x in chunks.remainder() {
        largest = if x > largest { x } else { largest };
    }
    for x in chunks {
        for lane in 0..LANES {
            lanes[lane] = if x[lane] > lanes[lane] {
                x[lane]
            } else {
                lanes[lane]
            };
        }
    }
    for x in lanes {
        largest = if x > largest { x } else { largest };
    }
    largest
}

/// Adds the lanes pairwise, in one fixed order.
#[expect(clippy::inline_always, reason = "part of the bodies of other kernels")]
#[inline(always)]
fn fold(lanes: [f32; LANES]) -> f32 {
    let mut half: [f32; LANES / 2] = std::array::from_fn(|lane| lanes[lane] + lanes[lane + 8]);
    for width in [4, 2, 1] {
        for lane in 0..width {
            half[lane] += half[lane + width];
        }
    }
    half[0]
}

dispatched! {
    /// Writes `row` to every row of `output`.
    fn fill_rows(row: &[f32], output: &mut [f32]) {
        for out in output.chunks_exact_mut(row.len()) {
            out.copy_from_slice(row);
        }
    }
}

dispatched! {
    /// Adds `row` to every row of `output`.
    fn add_row(row: &[f32], output: &mut [f32]) {
        for out in output.chunks_exact_mut(row.len()) {
            for (y, x) in out.iter_mut().zip(row) {
                *y += x;
            }
        }
    }
}

dispatched! {
    /// Adds the sum of the rows of `input` to `total`.
    fn add_column_sums(input: &[f32], total: &mut [f32]) {
        let width = total.len();
        for row in input.chunks_exact(width) {
            for (sum, x) in total.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }
}

dispatched! {
    /// Adds `input` to `output`.
    fn add(input: &[f32], output: &mut [f32]) {
        for (y, x) in output.iter_mut().zip(input) {
            *y += x;
        }
    }
}

dispatched! {
    /// Multiplies every number by `factor`.
    fn scale(values: &mut [f32], factor: f32) {
        for value in values {
            *value *= factor;
        }
    }
}

dispatched! {
    /// Adds `factor` times `input` to `output`.
    fn add_scaled(factor: f32, input: &[f32], output: &mut [f32]) {
        for (y, x) in output.iter_mut().zip(input) {
            *y += factor * x;
        }
    }
}

dispatched! {
    /// Returns the sum of products of two slices of one length, in [`LANES`] partial sums.
    fn product_sum(a: &[f32], b: &[f32]) -> f32 {
        dot(a, b)
    }
}

dispatched! {
    /// Returns the sum of squares; blocks of 4,096 numbers are added up in double precision.
    fn square_sum(values: &[f32]) -> f64 {
        values.chunks(4096).map(|block| f64::from(dot(block, block))).sum()
    }
}
