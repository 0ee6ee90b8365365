//! Eigenvectors of a small symmetric matrix.

/// Sweeps over all pairs; six to ten are enough for any matrix of the sizes here.
const SWEEPS: usize = 60;
/// Off-diagonal weight, relative to the diagonal's, below which a matrix is diagonal.
const PRECISION: f64 = 1e-24;

/// Eigenvalues with their eigenvectors, one vector a row, in no order.
pub(crate) struct Eigen {
    pub(crate) values: Vec<f64>,
    pub(crate) vectors: Vec<Vec<f64>>,
}

impl Eigen {
    /// Returns the eigenvalues and eigenvectors of a symmetric matrix, row after row, by cyclic Jacobi rotations (Golub
    /// and Van Loan, "Matrix Computations", algorithm 8.5.3).
    pub(crate) fn of(matrix: &[Vec<f64>]) -> Eigen {
        let size = matrix.len();
        let mut a = matrix.to_vec();
        let mut vectors: Vec<Vec<f64>> = (0..size)
            .map(|row| (0..size).map(|column| f64::from(row == column)).collect())
            .collect();
        for _ in 0..SWEEPS {
            let off: f64 = pairs(size).map(|(p, q)| a[p][q] * a[p][q]).sum();
            let diagonal: f64 = (0..size).map(|i| a[i][i] * a[i][i]).sum();
            if off <= PRECISION * diagonal {
                break;
            }
            for (p, q) in pairs(size) {
                rotate(&mut a, &mut vectors, p, q);
            }
        }
        Eigen {
            values: (0..size).map(|i| a[i][i]).collect(),
            vectors,
        }
    }
}

fn pairs(size: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..size).flat_map(move |p| (p + 1..size).map(move |q| (p, q)))
}

/// Makes one off-diagonal element zero.
fn rotate(a: &mut [Vec<f64>], vectors: &mut [Vec<f64>], p: usize, q: usize) {
    if a[p][q] == 0.0 {
        return;
    }
    let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for row in a.iter_mut() {
        let (kp, kq) = (row[p], row[q]);
        row[p] = c * kp - s * kq;
        row[q] = s * kp + c * kq;
    }
    turn(a, p, q, c, s);
    turn(vectors, p, q, c, s);
}

/// Turns two rows into each other by the angle with this cosine and sine.
fn turn(rows: &mut [Vec<f64>], p: usize, q: usize, c: f64, s: f64) {
    // The first of a pair stands before the second.
    let (above, below) = rows.split_at_mut(q);
    for (one, other) in above[p].iter_mut().zip(&mut below[0]) {
        let (pk, qk) = (*one, *other);
        *one = c * pk - s * qk;
        *other = s * pk + c * qk;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Stream;
    use lyceum_types::Seed;

    #[test]
    fn the_matrix_comes_back_from_its_parts() {
        let mut stream = Stream::new(Seed(3));
        for size in [1, 2, 5, 12] {
            let mut matrix = vec![vec![0.0; size]; size];
            for (p, q) in pairs(size).chain((0..size).map(|i| (i, i))) {
                matrix[p][q] = stream.normal();
                matrix[q][p] = matrix[p][q];
            }
            let eigen = Eigen::of(&matrix);
            for (i, row) in matrix.iter().enumerate() {
                for (j, value) in row.iter().enumerate() {
                    let again: f64 = (0..size)
                        .map(|k| eigen.values[k] * eigen.vectors[k][i] * eigen.vectors[k][j])
                        .sum();
                    let dot: f64 = (0..size)
                        .map(|k| eigen.vectors[i][k] * eigen.vectors[j][k])
                        .sum();
                    assert!((again - value).abs() < 1e-12, "{size} {i} {j}");
                    assert!((dot - f64::from(i == j)).abs() < 1e-12, "{size} {i} {j}");
                }
            }
        }
    }

    #[test]
    fn a_known_matrix_has_its_known_eigenvalues() {
        let matrix = vec![
            vec![2.0, 1.0, 0.0],
            vec![1.0, 2.0, 1.0],
            vec![0.0, 1.0, 2.0],
        ];
        let mut values = Eigen::of(&matrix).values;
        values.sort_by(f64::total_cmp);
        let root = 2.0_f64.sqrt();
        for (found, expected) in values.into_iter().zip([2.0 - root, 2.0, 2.0 + root]) {
            assert!((found - expected).abs() < 1e-14, "{found} {expected}");
        }
    }
}
