//! What a column of the inputs looks like against the values: the features from which its metric is inferred.

/// Features of a column.
pub(super) const COLUMN_FEATURES: usize = 16;

/// Upper edges of the distances that are told apart, in units of the column's range.
const EDGES: [f32; 5] = [0.05, 0.1, 0.2, 0.4, f32::INFINITY];
/// Pairs whose difference is believed to be that of unrelated values, added to each bin.
const BELIEVED: f32 = 2.0;
/// Distance in the other columns, for each of them, at which a pair counts less by a factor of e.
const NEAR: f32 = 0.25;

/// Appends the features of each column: semivariograms over all pairs and over pairs that are near in the other
/// columns, correlations, and the sizes of the question.
///
/// `inputs` holds `values.len()` rows of `columns` numbers in `[0, 1]`; `values` have mean 0 and variance 1.
pub(super) fn describe(inputs: &[f32], columns: usize, values: &[f32], out: &mut Vec<f32>) {
    let count = values.len();
    let mut bins = vec![[Bin::default(); 2 * EDGES.len()]; columns];
    for i in 0..count {
        let here = &inputs[i * columns..][..columns];
        for j in 0..i {
            let there = &inputs[j * columns..][..columns];
            let difference = values[i] - values[j];
            let half = 0.5 * difference * difference;
            let squares = here.iter().zip(there).map(|(a, b)| (a - b) * (a - b));
            let all: f32 = squares.sum();
            for (column, bins) in bins.iter_mut().enumerate() {
                let distance = (here[column] - there[column]).abs();
                let bin = EDGES.iter().position(|edge| distance < *edge);
                let bin = bin.unwrap_or(EDGES.len() - 1);
                let others = (all - distance * distance).max(0.0);
                let near = (-others / (NEAR * NEAR * columns as f32)).exp();
                bins[bin].add(half, 1.0);
                bins[EDGES.len() + bin].add(half, near);
            }
        }
    }
    let best = (0..count).min_by(|a, b| values[*a].total_cmp(&values[*b]));
    for (column, bins) in bins.iter().enumerate() {
        out.extend(bins.iter().map(|bin| bin.mean()));
        let at = |row: usize| inputs[row * columns + column];
        out.push(correlation(count, at, values));
        let centre = best.map_or(0.5, at);
        out.push(correlation(count, |row| (at(row) - centre).abs(), values));
        let mut distinct: Vec<u32> = (0..count).map(|row| at(row).to_bits()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        out.push(distinct.len() as f32 / count.max(1) as f32);
        out.push(if distinct.len() == 2 { 1.0 } else { 0.0 });
        out.push((count as f32 + 1.0).ln() / 4.0);
        out.push((columns as f32).ln() / 2.0);
    }
}

/// A weighted mean of semivariances.
#[derive(Clone, Copy, Default)]
struct Bin {
    sum: f32,
    weight: f32,
}

impl Bin {
    fn add(&mut self, half: f32, weight: f32) {
        self.sum += weight * half;
        self.weight += weight;
    }

    fn mean(self) -> f32 {
        (self.sum + BELIEVED) / (self.weight + BELIEVED) - 1.0
    }
}

fn correlation(count: usize, at: impl Fn(usize) -> f32, values: &[f32]) -> f32 {
    let n = count.max(1) as f32;
    let mean = (0..count).map(&at).sum::<f32>() / n;
    let value = values.iter().sum::<f32>() / n;
    let (mut both, mut own, mut other) = (0.0, 0.0, 0.0);
    for (row, y) in values.iter().enumerate() {
        let (a, b) = (at(row) - mean, y - value);
        both += a * b;
        own += a * a;
        other += b * b;
    }
    let spread = (own * other).sqrt();
    if spread > 1e-9 { both / spread } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn a_column_that_matters_differs_from_one_that_does_not() {
        let mut random = Random::new(4);
        let inputs: Vec<f32> = (0..80).map(|_| random.uniform() as f32).collect();
        let values: Vec<f32> = (0..40)
            .map(|row| (6.0 * inputs[2 * row]).sin() * 1.4)
            .collect();
        let mut out = Vec::new();
        describe(&inputs, 2, &values, &mut out);
        assert_eq!(out.len(), 2 * COLUMN_FEATURES);
        assert!(out[0] < -0.5, "near in the column that matters: {}", out[0]);
        assert!(
            out[COLUMN_FEATURES] > -0.5,
            "near in the other: {}",
            out[COLUMN_FEATURES]
        );
        assert!(out.iter().all(|feature| feature.is_finite()));
    }

    #[test]
    fn one_point_and_constant_values_have_finite_features() {
        for (inputs, values) in [
            (vec![0.5, 0.1], vec![0.0]),
            (vec![0.2; 6], vec![0.0; 3]),
            (vec![], vec![]),
        ] {
            let mut out = Vec::new();
            describe(&inputs, 2, &values, &mut out);
            assert!(
                out.len() == 2 * COLUMN_FEATURES && out.iter().all(|one| one.is_finite()),
                "{out:?}"
            );
        }
    }
}
