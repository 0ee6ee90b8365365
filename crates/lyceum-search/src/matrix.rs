//! Dense symmetric systems: Cholesky and what follows from it.

/// A lower triangle in full row-major storage.
pub(crate) struct Cholesky {
    size: usize,
    lower: Vec<f64>,
}

impl Cholesky {
    /// Factors a symmetric matrix in row-major storage, of which only the lower triangle is read; `None` when it is
    /// not positive definite to working precision.
    pub(crate) fn new(mut matrix: Vec<f64>, size: usize) -> Option<Cholesky> {
        for i in 0..size {
            let (above, rest) = matrix.split_at_mut(i * size);
            let row = &mut rest[..=i];
            for j in 0..i {
                let other = &above[j * size..=j * size + j];
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            let pivot = row[i] - dot(&row[..i], &row[..i]);
            if pivot.is_nan() || pivot <= 0.0 {
                return None;
            }
            row[i] = pivot.sqrt();
        }
        Some(Cholesky {
            size,
            lower: matrix,
        })
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.lower[i * self.size..=i * self.size + i]
    }

    /// Returns `ln det` of the matrix.
    pub(crate) fn log_determinant(&self) -> f64 {
        (0..self.size).map(|i| 2.0 * self.row(i)[i].ln()).sum()
    }

    /// Solves `L x = b` in place.
    pub(crate) fn solve_lower(&self, b: &mut [f64]) {
        for i in 0..self.size {
            let row = self.row(i);
            b[i] = (b[i] - dot(&row[..i], &b[..i])) / row[i];
        }
    }

    /// Solves `L Lᵀ x = b` in place.
    pub(crate) fn solve(&self, b: &mut [f64]) {
        self.solve_lower(b);
        for i in (0..self.size).rev() {
            let row = self.row(i);
            b[i] /= row[i];
            let solved = b[i];
            for (value, factor) in b[..i].iter_mut().zip(row) {
                *value -= factor * solved;
            }
        }
    }

    /// Returns `L x`.
    #[cfg(test)]
    pub(crate) fn times(&self, x: &[f64]) -> Vec<f64> {
        (0..self.size).map(|i| dot(self.row(i), &x[..=i])).collect()
    }

    /// Returns the inverse of the matrix, row-major, both triangles.
    pub(crate) fn inverse(&self) -> Vec<f64> {
        let n = self.size;
        // Row j holds column j of L⁻¹, from its diagonal on.
        let mut columns = vec![0.0; n * n];
        for (j, column) in columns.chunks_exact_mut(n).enumerate() {
            column[j] = 1.0 / self.row(j)[j];
            for i in j + 1..n {
                let row = self.row(i);
                column[i] = -dot(&row[j..i], &column[j..i]) / row[i];
            }
        }
        let mut inverse = vec![0.0; n * n];
        for a in 0..n {
            for b in 0..=a {
                let value = dot(
                    &columns[a * n + a..(a + 1) * n],
                    &columns[b * n + a..(b + 1) * n],
                );
                inverse[a * n + b] = value;
                inverse[b * n + a] = value;
            }
        }
        inverse
    }
}

/// Returns the inner product; eight running sums let the compiler use vector instructions, in a fixed order.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let (a_rest, b_rest) = (a_chunks.remainder(), b_chunks.remainder());
    for (a, b) in a_chunks.zip(b_chunks) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    rest + sums.iter().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Stream;
    use lyceum_types::Seed;

    fn positive_definite(n: usize) -> Vec<f64> {
        let mut stream = Stream::new(Seed(5));
        let root: Vec<f64> = (0..n * n).map(|_| stream.normal()).collect();
        let mut matrix = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                matrix[i * n + j] = dot(&root[i * n..(i + 1) * n], &root[j * n..(j + 1) * n]);
            }
            matrix[i * n + i] += 0.5;
        }
        matrix
    }

    #[test]
    fn solving_and_inverting_undo_the_matrix() {
        let n = 19;
        let matrix = positive_definite(n);
        let factor = Cholesky::new(matrix.clone(), n).unwrap();
        let b: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
        let mut x = b.clone();
        factor.solve(&mut x);
        let inverse = factor.inverse();
        for i in 0..n {
            let row = &matrix[i * n..(i + 1) * n];
            assert!((dot(row, &x) - b[i]).abs() < 1e-9);
            for j in 0..n {
                let product = dot(row, &inverse[j * n..(j + 1) * n]);
                assert!(
                    (product - f64::from(i == j)).abs() < 1e-9,
                    "{i} {j} {product}"
                );
            }
        }
    }

    #[test]
    fn the_determinant_of_a_small_matrix_is_right() {
        let factor = Cholesky::new(vec![4.0, 0.0, 2.0, 3.0], 2).unwrap();
        assert!((factor.log_determinant() - 8.0_f64.ln()).abs() < 1e-14);
    }

    #[test]
    fn an_indefinite_matrix_is_refused() {
        assert!(Cholesky::new(vec![1.0, 0.0, 2.0, 1.0], 2).is_none());
        assert!(Cholesky::new(vec![f64::NAN], 1).is_none());
    }
}
