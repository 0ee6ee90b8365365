//! Low-discrepancy points: Sobol' sequences with the direction numbers of Joe and Kuo (2008), scrambled after Owen.

use crate::stream::mix;

/// Dimensions of the table below; coordinates beyond it are plain uniform, since with fewer points than dimensions no
/// sequence keeps its promise.
const TABLE_DIMENSIONS: usize = 32;
const BITS: usize = 32;

/// Degree, inner coefficients and first direction numbers of dimensions 2 to 32: the file `new-joe-kuo-6` of
/// Joe and Kuo, "Constructing Sobol sequences with better two-dimensional projections", SIAM J. Sci. Comput. 30 (2008).
const TABLE: [(usize, u32, &[u32]); TABLE_DIMENSIONS - 1] = [
    (1, 0, &[1]),
    (2, 1, &[1, 3]),
    (3, 1, &[1, 3, 1]),
    (3, 2, &[1, 1, 1]),
    (4, 1, &[1, 1, 3, 3]),
    (4, 4, &[1, 3, 5, 13]),
    (5, 2, &[1, 1, 5, 5, 17]),
    (5, 4, &[1, 1, 5, 5, 5]),
    (5, 7, &[1, 1, 7, 11, 19]),
    (5, 11, &[1, 1, 5, 1, 1]),
    (5, 13, &[1, 1, 1, 3, 11]),
    (5, 14, &[1, 3, 5, 5, 31]),
    (6, 1, &[1, 3, 3, 9, 7, 49]),
    (6, 13, &[1, 1, 1, 15, 21, 21]),
    (6, 16, &[1, 3, 1, 13, 27, 49]),
    (6, 19, &[1, 1, 1, 15, 7, 5]),
    (6, 22, &[1, 3, 1, 15, 13, 25]),
    (6, 25, &[1, 1, 5, 5, 19, 61]),
    (7, 1, &[1, 3, 7, 11, 23, 15, 103]),
    (7, 4, &[1, 3, 7, 13, 13, 15, 69]),
    (7, 7, &[1, 1, 3, 13, 7, 35, 63]),
    (7, 8, &[1, 3, 5, 9, 1, 25, 53]),
    (7, 14, &[1, 3, 1, 13, 9, 35, 107]),
    (7, 19, &[1, 3, 1, 5, 27, 61, 31]),
    (7, 21, &[1, 1, 5, 11, 19, 41, 61]),
    (7, 28, &[1, 3, 5, 3, 3, 13, 69]),
    (7, 31, &[1, 1, 7, 13, 1, 19, 1]),
    (7, 32, &[1, 3, 7, 5, 13, 19, 59]),
    (7, 37, &[1, 1, 3, 9, 25, 29, 41]),
    (7, 41, &[1, 3, 5, 13, 23, 1, 55]),
    (7, 42, &[1, 3, 7, 3, 13, 59, 17]),
];

/// A scrambled sequence of points in `[0, 1)^dimensions`.
pub(crate) struct Sobol {
    directions: Vec<[u32; BITS]>,
    keys: Vec<u64>,
}

impl Sobol {
    /// Returns the sequence of this many dimensions, scrambled by this key.
    pub(crate) fn new(dimensions: usize, key: u64) -> Sobol {
        Sobol {
            directions: (0..dimensions.min(TABLE_DIMENSIONS))
                .map(directions)
                .collect(),
            keys: (0..dimensions as u64)
                .map(|dimension| mix(key ^ mix(dimension + 1)))
                .collect(),
        }
    }

    /// Returns point number `index`.
    pub(crate) fn point(&self, index: u32) -> Vec<f64> {
        let coordinates = self.keys.iter().enumerate();
        coordinates
            .map(|(dimension, key)| match self.directions.get(dimension) {
                Some(directions) => unit(scramble(raw(directions, index), *key)),
                None => unit((mix(key ^ u64::from(index)) >> 32) as u32),
            })
            .collect()
    }
}

fn unit(bits: u32) -> f64 {
    // Half a step up: never exactly 0, never 1.
    (f64::from(bits) + 0.5) / 4_294_967_296.0
}

/// Returns the bits of one coordinate, in Gray code order.
fn raw(directions: &[u32; BITS], index: u32) -> u32 {
    let gray = index ^ (index >> 1);
    (0..BITS)
        .filter(|bit| gray >> bit & 1 == 1)
        .fold(0, |sum, bit| sum ^ directions[bit])
}

fn directions(dimension: usize) -> [u32; BITS] {
    let mut v = [0_u32; BITS];
    let Some(&(degree, inner, first)) = dimension.checked_sub(1).and_then(|row| TABLE.get(row))
    else {
        // The first dimension is van der Corput's sequence.
        for (bit, direction) in v.iter_mut().enumerate() {
            *direction = 1 << (BITS - 1 - bit);
        }
        return v;
    };
    for bit in 0..BITS {
        v[bit] = if bit < degree {
            first[bit] << (BITS - 1 - bit)
        } else {
            let mut next = v[bit - degree] ^ (v[bit - degree] >> degree);
            for step in 1..degree {
                if inner >> (degree - 1 - step) & 1 == 1 {
                    next ^= v[bit - step];
                }
            }
            next
        };
    }
    v
}

/// Scrambles the digits of one coordinate, each by a hash of the digits above it (Burley, "Practical hash-based Owen
/// scrambling", JCGT 9 (2020), with Laine and Karras' permutation in Vegdahl's constants).
fn scramble(bits: u32, key: u64) -> u32 {
    let seed = (key >> 32) as u32;
    let mut x = bits.reverse_bits();
    x ^= x.wrapping_mul(0x3d20_adea);
    x = x.wrapping_add(seed);
    x = x.wrapping_mul((seed >> 16) | 1);
    x ^= x.wrapping_mul(0x0552_6c56);
    x ^= x.wrapping_mul(0x53a2_2864);
    x.reverse_bits() ^ (key as u32 & 0x8000_0000)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these fractions are exact")]
mod tests {
    use super::*;

    fn plain(dimension: usize, index: u32) -> f64 {
        f64::from(raw(&directions(dimension), index)) / 4_294_967_296.0
    }

    #[test]
    fn the_first_points_are_the_published_ones() {
        // Printed by scipy.stats.qmc.Sobol(6, scramble=False).random(8), scipy 1.x.
        let published = [
            [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            [0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
            [0.75, 0.25, 0.25, 0.25, 0.75, 0.75],
            [0.25, 0.75, 0.75, 0.75, 0.25, 0.25],
            [0.375, 0.375, 0.625, 0.875, 0.375, 0.125],
            [0.875, 0.875, 0.125, 0.375, 0.875, 0.625],
            [0.625, 0.125, 0.875, 0.625, 0.625, 0.875],
            [0.125, 0.625, 0.375, 0.125, 0.125, 0.375],
        ];
        for (index, row) in published.iter().enumerate() {
            for (dimension, expected) in row.iter().enumerate() {
                assert_eq!(
                    plain(dimension, index as u32),
                    *expected,
                    "{index} {dimension}"
                );
            }
        }
    }

    #[test]
    fn point_37_is_the_published_one_in_all_32_dimensions() {
        let published = [
            0.921_875, 0.640_625, 0.578_125, 0.921_875, 0.765_625, 0.296_875, 0.171_875, 0.796_875,
            0.609_375, 0.171_875, 0.015_625, 0.078_125, 0.578_125, 0.859_375, 0.109_375, 0.484_375,
            0.796_875, 0.421_875, 0.046_875, 0.140_625, 0.953_125, 0.078_125, 0.546_875, 0.640_625,
            0.296_875, 0.359_375, 0.796_875, 0.390_625, 0.515_625, 0.109_375, 0.359_375, 0.140_625,
        ];
        for (dimension, expected) in published.iter().enumerate() {
            assert_eq!(plain(dimension, 37), *expected, "dimension {dimension}");
        }
    }

    #[test]
    fn scrambled_points_still_fill_every_cell_once() {
        for key in [1, 99, 0xdead_beef_0bad_cafe] {
            let sobol = Sobol::new(TABLE_DIMENSIONS, mix(key));
            for dimension in 0..TABLE_DIMENSIONS {
                let mut cells = [0; 64];
                for index in 0..64 {
                    cells[(sobol.point(index)[dimension] * 64.0) as usize] += 1;
                }
                assert_eq!(cells, [1; 64], "key {key} dimension {dimension}");
            }
        }
    }

    #[test]
    fn keys_give_different_points_and_high_dimensions_stay_inside() {
        let (one, two) = (Sobol::new(200, 1), Sobol::new(200, 2));
        assert_ne!(one.point(0), two.point(0));
        for index in 0..50 {
            assert!(one.point(index).iter().all(|x| (0.0..1.0).contains(x)));
        }
    }
}
