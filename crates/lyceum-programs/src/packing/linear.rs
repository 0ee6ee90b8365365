//! Dense symmetric linear systems by Cholesky's method, for the polish.

use super::{Configuration, VARIABLES};

/// Returns a symmetric matrix of zeros; only its lower triangle is read and written.
pub fn zeros() -> Box<[Configuration]> {
    vec![[0.0; VARIABLES]; VARIABLES].into_boxed_slice()
}

/// Replaces the lower triangle by its Cholesky factor; false when not positive definite.
#[must_use]
pub fn factorise(matrix: &mut [Configuration]) -> bool {
    for column in 0..VARIABLES {
        let (above, below) = matrix.split_at_mut(column + 1);
        let pivot_row = &mut above[column];
        let square: f64 = pivot_row[..column].iter().map(|v| v * v).sum();
        let pivot = pivot_row[column] - square;
        if pivot.is_nan() || pivot <= 0.0 {
            return false;
        }
        let root = pivot.sqrt();
        pivot_row[column] = root;
        for row in below {
            let product: f64 = row[..column]
                .iter()
                .zip(&pivot_row[..column])
                .map(|(a, b)| a * b)
                .sum();
            row[column] = (row[column] - product) / root;
        }
    }
    true
}

/// Solves the system whose matrix was factorised, in place.
pub fn solve(factor: &[Configuration], right: &mut Configuration) {
    for i in 0..VARIABLES {
        let known: f64 = (0..i).map(|k| factor[i][k] * right[k]).sum();
        right[i] = (right[i] - known) / factor[i][i];
    }
    for i in (0..VARIABLES).rev() {
        right[i] /= factor[i][i];
        let value = right[i];
        for k in 0..i {
            right[k] -= factor[i][k] * value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn solution_satisfies_the_system() {
        let mut random = Random::new(5);
        let mut matrix = zeros();
        for _ in 0..2 * VARIABLES {
            let row: Configuration = std::array::from_fn(|_| random.normal());
            for i in 0..VARIABLES {
                for k in 0..VARIABLES {
                    matrix[i][k] += row[i] * row[k];
                }
            }
        }
        let wanted: Configuration = std::array::from_fn(|_| random.normal());
        let mut right: Configuration =
            std::array::from_fn(|i| (0..VARIABLES).map(|k| matrix[i][k] * wanted[k]).sum());
        assert!(factorise(&mut matrix));
        solve(&matrix, &mut right);
        for k in 0..VARIABLES {
            assert!(
                (right[k] - wanted[k]).abs() < 1e-8,
                "{k}: {} {}",
                right[k],
                wanted[k]
            );
        }
    }

    #[test]
    fn an_indefinite_matrix_is_refused() {
        let mut matrix = zeros();
        for (i, row) in matrix.iter_mut().enumerate() {
            row[i] = if i == 40 { -1.0 } else { 1.0 };
        }
        assert!(!factorise(&mut matrix));
    }
}
