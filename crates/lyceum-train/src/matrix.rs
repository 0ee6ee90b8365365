//! The one entry to the matrix product.

pub use crate::kernels::product::Known;
use crate::kernels::product::{self, Product};

/// A view of a matrix in a slice; rows and columns may be strided.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    data: &'a [f32],
    shape: Shape,
}

/// A view of a matrix in a slice that is written to.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    data: &'a mut [f32],
    shape: Shape,
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl Shape {
    fn checked(self, length: usize) -> Self {
        if self.rows > 0 && self.columns > 0 {
            let last = (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride;
            assert!(
                last < length,
                "matrix {self:?} reaches past its slice of {length} numbers"
            );
        }
        self
    }
}

impl<'a> Matrix<'a> {
    /// Returns a view of `rows` × `columns` numbers stored row after row.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// Returns a view whose rows start `row_stride` numbers apart.
    pub fn strided(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        let shape = Shape {
            rows,
            columns,
            row_stride,
            column_stride: 1,
        }
        .checked(data.len());
        Self { data, shape }
    }

    /// Returns the same numbers with rows and columns exchanged.
    #[must_use]
    pub fn transposed(self) -> Self {
        let Shape {
            rows,
            columns,
            row_stride,
            column_stride,
        } = self.shape;
        let shape = Shape {
            rows: columns,
            columns: rows,
            row_stride: column_stride,
            column_stride: row_stride,
        };
        Self {
            data: self.data,
            shape,
        }
    }
}

impl<'a> MatrixMut<'a> {
    /// Returns a view of `rows` × `columns` numbers stored row after row.
    pub fn new(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// Returns a view whose rows start `row_stride` numbers apart.
    ///
    /// # Panics
    ///
    /// Where rows overlap or the view reaches past its slice.
    pub fn strided(data: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(
            row_stride >= columns || rows <= 1,
            "rows that are written to may not overlap"
        );
        let shape = Shape {
            rows,
            columns,
            row_stride,
            column_stride: 1,
        }
        .checked(data.len());
        Self { data, shape }
    }
}

/// Computes `c = alpha · a b`, or adds it to `c` where `adds` is true.
///
/// Where `adds` is false the old content of `c` is not read.
///
/// # Panics
///
/// Where the shapes do not fit each other, a bug of the caller.
pub fn multiply(alpha: f32, a: Matrix<'_>, b: Matrix<'_>, adds: bool, c: MatrixMut<'_>) {
    multiply_known(alpha, a, b, adds, c, Known::Nothing);
}

/// Computes the same as [`multiply`], leaving out what is known of a square factor.
///
/// # Panics
///
/// Where the shapes do not fit each other, a bug of the caller.
pub fn multiply_known(
    alpha: f32,
    a: Matrix<'_>,
    b: Matrix<'_>,
    adds: bool,
    c: MatrixMut<'_>,
    known: Known,
) {
    let (left, right, out) = (a.shape, b.shape, c.shape);
    assert!(
        left.columns == right.rows && left.rows == out.rows && right.columns == out.columns,
        "shapes do not fit: {left:?} times {right:?} into {out:?}"
    );
    if right.rows * right.columns > SMALL && known == Known::Nothing {
        return multiply_large(alpha, a, b, adds, c);
    }
    product::multiply(&mut Product {
        rows: left.rows,
        inner: left.columns,
        columns: right.columns,
        alpha,
        a: a.data,
        a_strides: [left.row_stride, left.column_stride],
        b: b.data,
        b_strides: [right.row_stride, right.column_stride],
        c: c.data,
        c_stride: out.row_stride,
        adds,
        known,
    });
}

/// Numbers in a right factor up to which the kernel for small networks is used.
const SMALL: usize = 1 << 16;

#[expect(
    clippy::needless_pass_by_value,
    reason = "the output is a borrow that ends here"
)]
fn multiply_large(alpha: f32, a: Matrix<'_>, b: Matrix<'_>, adds: bool, c: MatrixMut<'_>) {
    let (left, right, out) = (a.shape, b.shape, c.shape);
    #[expect(unsafe_code, reason = "matrixmultiply takes raw pointers")]
    // SAFETY: every view was checked against its slice when it was made, `multiply` checked that the
    // shapes fit each other, and the output is borrowed exclusively with rows that do not overlap.
    unsafe {
        matrixmultiply::sgemm(
            left.rows,
            left.columns,
            right.columns,
            alpha,
            a.data.as_ptr(),
            left.row_stride as isize,
            left.column_stride as isize,
            b.data.as_ptr(),
            right.row_stride as isize,
            right.column_stride as isize,
            f32::from(adds),
            c.data.as_mut_ptr(),
            out.row_stride as isize,
            out.column_stride as isize,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strided_and_transposed_views_multiply() {
        // a = [1 2; 3 4] inside rows of three numbers, b = aᵀ.
        let a = [1.0, 2.0, 9.0, 3.0, 4.0];
        let a = Matrix::strided(&a, 2, 2, 3);
        let mut c = [1.0; 6];
        multiply(
            2.0,
            a,
            a.transposed(),
            true,
            MatrixMut::strided(&mut c, 2, 2, 3),
        );
        let exact = [11.0_f32, 23.0, 1.0, 23.0, 51.0, 1.0];
        assert_eq!(c.map(f32::to_bits), exact.map(f32::to_bits));
    }

    #[test]
    fn a_view_that_reaches_past_its_slice_is_refused() {
        let data = [0.0; 5];
        assert!(std::panic::catch_unwind(|| Matrix::new(&data, 2, 3)).is_err());
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let refused = std::panic::catch_unwind(|| {
            let (a, mut c) = ([0.0; 6], [0.0; 4]);
            multiply(
                1.0,
                Matrix::new(&a, 2, 3),
                Matrix::new(&a, 2, 3),
                false,
                MatrixMut::new(&mut c, 2, 2),
            );
        });
        assert!(refused.is_err());
    }
}
