//! The matrix product for the shapes of small networks: many rows, few columns, short inner sums.
//!
//! `matrixmultiply` copies both factors into the order of its kernel before it multiplies. With inner
//! sums of 8 to 128 terms that copying took as long as the product (29 % of a training step at width
//! 32). Here only the right factor, the small one, is copied; the left is read in place. Products that
//! outgrow the second-level cache go to `matrixmultiply`.
//!
//! Sums run in order of the inner index, one lane for each output, in blocks of [`BLOCK`]; with fused
//! multiply-add where the processor has it.

use std::cell::RefCell;

/// One product `c = alpha · a b`, or `c += alpha · a b`; the caller has checked that every index is
/// within its slice.
#[derive(Debug)]
pub(crate) struct Product<'a> {
    pub(crate) rows: usize,
    pub(crate) inner: usize,
    pub(crate) columns: usize,
    pub(crate) alpha: f32,
    pub(crate) a: &'a [f32],
    pub(crate) a_strides: [usize; 2],
    pub(crate) b: &'a [f32],
    pub(crate) b_strides: [usize; 2],
    pub(crate) c: &'a mut [f32],
    pub(crate) c_stride: usize,
    pub(crate) adds: bool,
    pub(crate) known: Known,
}

/// What is known of a square factor, so that half the work can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    Nothing,
    /// The product is wanted on and below its diagonal; above, it may hold anything.
    LowerProduct,
    /// The left factor is zero above its diagonal.
    LowerLeft,
    /// The left factor is zero below its diagonal.
    UpperLeft,
}

/// Terms of a sum that are added before the sum goes to memory; a panel of this many rows stays in the
/// first-level cache.
const BLOCK: usize = 256;

thread_local! {
    /// The copied part of the right factor.
    static PANEL: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Computes the product with the widest build that this processor runs.
pub(crate) fn multiply(product: &mut Product<'_>) {
    PANEL.with_borrow_mut(|panel| {
        panel.resize(BLOCK * 32, 0.0);
        #[cfg(target_arch = "x86_64")]
        {
            use super::{Width, width};

            #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,fma")]
            fn avx512(product: &mut Product<'_>, panel: &mut [f32]) {
                blocks::<true, 8, 32>(product, panel);
            }
            #[target_feature(enable = "avx2,fma")]
            fn avx2(product: &mut Product<'_>, panel: &mut [f32]) {
                blocks::<true, 4, 16>(product, panel);
            }
            // Every processor with AVX2 that this code has met has fused multiply-add; it is a
            // feature of its own all the same.
            let fused = std::arch::is_x86_feature_detected!("fma");
            match width() {
                Width::Avx512 if fused => {
                    #[expect(unsafe_code, reason = "calls a build for a detected processor")]
                    // SAFETY: `width` and the line above found these instructions.
                    return unsafe { avx512(product, panel) };
                }
                Width::Avx2 if fused => {
                    #[expect(unsafe_code, reason = "calls a build for a detected processor")]
                    // SAFETY: `width` and the line above found these instructions.
                    return unsafe { avx2(product, panel) };
                }
                Width::Avx512 | Width::Avx2 | Width::Baseline => {}
            }
        }
        blocks::<false, 4, 8>(product, panel);
    });
}

/// Goes through blocks of the inner index and panels of columns.
#[expect(clippy::inline_always, reason = "each build compiles its own copy")]
#[inline(always)]
fn blocks<const FUSED: bool, const ROWS: usize, const WIDE: usize>(
    product: &mut Product<'_>,
    panel: &mut [f32],
) {
    if product.inner == 0 && !product.adds {
        for row in product.c.chunks_mut(product.c_stride) {
            row[..product.columns].fill(0.0);
        }
    }
    for from in (0..product.inner).step_by(BLOCK) {
        let terms = from..product.inner.min(from + BLOCK);
        let mut column = 0;
        while column < product.columns {
            let left = product.columns - column;
            if WIDE >= 32 && left > 16 {
                strip::<FUSED, ROWS, 32>(product, panel, terms.clone(), column);
                column += 32;
            } else if WIDE >= 16 && left > 8 {
                strip::<FUSED, ROWS, 16>(product, panel, terms.clone(), column);
                column += 16;
            } else {
                strip::<FUSED, ROWS, 8>(product, panel, terms.clone(), column);
                column += 8;
            }
        }
    }
}

/// Computes `WIDE` columns from `column` on: copies the right factor's part, then goes down the rows.
#[expect(clippy::inline_always, reason = "each build compiles its own copy")]
#[inline(always)]
fn strip<const FUSED: bool, const ROWS: usize, const WIDE: usize>(
    product: &mut Product<'_>,
    panel: &mut [f32],
    terms: std::ops::Range<usize>,
    column: usize,
) {
    let panel = &mut panel.as_chunks_mut::<WIDE>().0[..terms.len()];
    pack(product, panel, terms.start, column);
    let mut row = match product.known {
        Known::LowerProduct => column / ROWS * ROWS,
        Known::Nothing | Known::LowerLeft | Known::UpperLeft => 0,
    };
    while row + ROWS <= product.rows {
        tile::<FUSED, ROWS, WIDE>(product, panel, terms.start, row, column);
        row += ROWS;
    }
    while row < product.rows {
        tile::<FUSED, 1, WIDE>(product, panel, terms.start, row, column);
        row += 1;
    }
}

/// Copies a part of the right factor, with zeros beyond its last column.
#[expect(clippy::inline_always, reason = "each build compiles its own copy")]
#[inline(always)]
fn pack<const WIDE: usize>(
    product: &Product<'_>,
    panel: &mut [[f32; WIDE]],
    from: usize,
    column: usize,
) {
    let [down, across] = product.b_strides;
    let width = WIDE.min(product.columns - column);
    if across == 1 {
        for (index, out) in panel.iter_mut().enumerate() {
            let start = (from + index) * down + column;
            if width == WIDE {
                out.copy_from_slice(&product.b[start..start + WIDE]);
            } else {
                out[..width].copy_from_slice(&product.b[start..start + width]);
                out[width..].fill(0.0);
            }
        }
        return;
    }
    for lane in 0..width {
        let source = product.b[(column + lane) * across + from * down..]
            .iter()
            .step_by(down);
        for (out, value) in panel.iter_mut().zip(source) {
            out[lane] = *value;
        }
    }
    for out in panel {
        out[width..].fill(0.0);
    }
}

/// Computes `ROWS` × `WIDE` outputs over the terms of the panel.
#[expect(clippy::inline_always, reason = "each build compiles its own copy")]
#[inline(always)]
fn tile<const FUSED: bool, const ROWS: usize, const WIDE: usize>(
    product: &mut Product<'_>,
    panel: &[[f32; WIDE]],
    from: usize,
    row: usize,
    column: usize,
) {
    // Terms that are known to be zero for all rows of the tile are left out.
    let (first, last) = match product.known {
        Known::Nothing | Known::LowerProduct => (0, panel.len()),
        Known::LowerLeft => (0, (row + ROWS).saturating_sub(from).min(panel.len())),
        Known::UpperLeft => (row.saturating_sub(from).min(panel.len()), panel.len()),
    };
    let [down, across] = product.a_strides;
    let start = row * down + (from + first) * across;
    let part = &panel[first..last];
    assert!(
        part.is_empty() || start + (ROWS - 1) * down + (part.len() - 1) * across < product.a.len(),
        "the left factor is within its slice"
    );
    let mut sums = [[0.0_f32; WIDE]; ROWS];
    accumulate::<FUSED, ROWS, WIDE>(&product.a[start..], product.a_strides, part, &mut sums);
    store(product, &sums, row, column, from > 0);
}

/// Sums the products of `ROWS` left rows with the panel.
///
/// The sums live in registers only as long as nothing indexes them by a variable: hence the copy.
#[expect(
    clippy::inline_always,
    clippy::needless_range_loop,
    reason = "each build compiles its own copy; constant indices keep the sums in registers"
)]
#[inline(always)]
fn accumulate<const FUSED: bool, const ROWS: usize, const WIDE: usize>(
    left: &[f32],
    [down, across]: [usize; 2],
    panel: &[[f32; WIDE]],
    out: &mut [[f32; WIDE]; ROWS],
) {
    let mut sums = [[0.0_f32; WIDE]; ROWS];
    for (index, right) in panel.iter().enumerate() {
        for offset in 0..ROWS {
            let at = offset * down + index * across;
            #[expect(unsafe_code, reason = "a check for each term costs more than the term")]
            // SAFETY: `tile` checked the largest index, that of the last row and term.
            let value = unsafe { *left.get_unchecked(at) };
            for lane in 0..WIDE {
                let sum = &mut sums[offset][lane];
                *sum = if FUSED {
                    value.mul_add(right[lane], *sum)
                } else {
                    value * right[lane] + *sum
                };
            }
        }
    }
    *out = sums;
}

/// Writes or adds a tile of sums.
#[expect(clippy::inline_always, reason = "each build compiles its own copy")]
#[inline(always)]
fn store<const ROWS: usize, const WIDE: usize>(
    product: &mut Product<'_>,
    sums: &[[f32; WIDE]; ROWS],
    row: usize,
    column: usize,
    continues: bool,
) {
    let width = WIDE.min(product.columns - column);
    let (adds, alpha) = (product.adds || continues, product.alpha);
    for (offset, sum) in sums.iter().enumerate() {
        let start = (row + offset) * product.c_stride + column;
        let out = &mut product.c[start..start + width];
        if let Ok(out) = <&mut [f32; WIDE]>::try_from(&mut *out) {
            put(out, sum, adds, alpha);
        } else {
            put(out, &sum[..width], adds, alpha);
        }
    }
}

#[expect(clippy::inline_always, reason = "each build compiles its own copy")]
#[inline(always)]
fn put(out: &mut [f32], sum: &[f32], adds: bool, alpha: f32) {
    if adds {
        for (c, s) in out.iter_mut().zip(sum) {
            *c += alpha * s;
        }
    } else {
        for (c, s) in out.iter_mut().zip(sum) {
            *c = alpha * s;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Compares every build with sums in double precision.
    fn check(rows: usize, inner: usize, columns: usize, transposed: [bool; 2], known: Known) {
        crate::kernels::in_every_build(|| check_one(rows, inner, columns, transposed, known));
    }

    fn check_one(rows: usize, inner: usize, columns: usize, transposed: [bool; 2], known: Known) {
        let mut random = Random::new((rows * 31 + inner * 7 + columns) as u64);
        let mut matrix = |m: usize, n: usize| -> Vec<f32> {
            (0..m * n).map(|_| random.normal() as f32).collect()
        };
        let (mut a, b) = (matrix(rows, inner), matrix(inner, columns));
        let strides = |m: usize, n: usize, turned: bool| if turned { [1, m] } else { [n, 1] };
        let a_strides = strides(rows, inner, transposed[0]);
        let b_strides = strides(inner, columns, transposed[1]);
        for i in 0..rows {
            for k in 0..inner {
                let zero = match known {
                    Known::LowerLeft => k > i,
                    Known::UpperLeft => k < i,
                    Known::Nothing | Known::LowerProduct => false,
                };
                if zero {
                    a[i * a_strides[0] + k * a_strides[1]] = 0.0;
                }
            }
        }
        for adds in [false, true] {
            let mut c = vec![0.5; rows * (columns + 3)];
            let mut product = Product {
                rows,
                inner,
                columns,
                alpha: 0.7,
                a: &a,
                a_strides,
                b: &b,
                b_strides,
                c: &mut c,
                c_stride: columns + 3,
                adds,
                known,
            };
            multiply(&mut product);
            for i in 0..rows {
                for j in 0..columns {
                    if known == Known::LowerProduct && j > i {
                        continue;
                    }
                    let sum: f64 = (0..inner)
                        .map(|k| {
                            f64::from(a[i * a_strides[0] + k * a_strides[1]])
                                * f64::from(b[k * b_strides[0] + j * b_strides[1]])
                        })
                        .sum();
                    let expected = 0.7 * sum + if adds { 0.5 } else { 0.0 };
                    let found = f64::from(c[i * (columns + 3) + j]);
                    let error = (found - expected).abs();
                    assert!(
                        error < 1e-4,
                        "{rows} {inner} {columns} {known:?}: {i} {j} {error}"
                    );
                }
                assert!(
                    c[i * (columns + 3) + columns..][..3]
                        .iter()
                        .all(|x| x.to_bits() == 0.5_f32.to_bits())
                );
            }
        }
    }

    #[test]
    fn products_of_every_shape_agree_with_double_precision() {
        for (rows, inner, columns) in [
            (1, 1, 1),
            (8, 8, 8),
            (9, 5, 33),
            (64, 8, 64),
            (17, 300, 29),
            (30, 513, 50),
            (3, 0, 4),
        ] {
            for transposed in [[false, false], [false, true], [true, false], [true, true]] {
                check(rows, inner, columns, transposed, Known::Nothing);
            }
        }
    }

    #[test]
    fn what_is_left_out_changes_nothing() {
        for side in [1, 7, 8, 33, 64, 300] {
            check(side, 8, side, [false, true], Known::LowerProduct);
            check(side, side, 8, [false, false], Known::LowerLeft);
            check(side, side, 8, [true, false], Known::UpperLeft);
        }
    }
}
