//! The covariance of the model: Matérn 5/2 with one length scale per feature, plus an unknown constant, plus noise.

/// Prior variance of the unknown constant that the function wanders about, in units of the scaled observations. It
/// integrates the mean out instead of fitting it (Rasmussen and Williams, 2006, section 2.7).
pub(crate) const CONSTANT: f64 = 1.0;

/// Hyper-parameters, all as natural logarithms.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hyper {
    /// Length scale of each feature.
    pub(crate) lengths: Vec<f64>,
    /// Variance of the function about its constant.
    pub(crate) signal: f64,
    /// Variance of one run at fixed settings.
    pub(crate) noise: f64,
}

impl Hyper {
    /// Reads the hyper-parameters from one list: length scales, signal, noise.
    pub(crate) fn from_list(list: &[f64]) -> Hyper {
        let (tail, lengths) = (&list[list.len() - 2..], &list[..list.len() - 2]);
        Hyper {
            lengths: lengths.to_vec(),
            signal: tail[0],
            noise: tail[1],
        }
    }
}

/// What the model is fitted to. Rows of `features` belong to entries of `values` and `noise_shares`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Data {
    /// Features of all observations, row after row.
    pub(crate) features: Vec<f64>,
    /// Features in one row.
    pub(crate) width: usize,
    /// Observed values.
    pub(crate) values: Vec<f64>,
    /// Variance of each observation's noise as a share of one run's.
    pub(crate) noise_shares: Vec<f64>,
}

impl Data {
    pub(crate) fn count(&self) -> usize {
        self.values.len()
    }

    /// Returns the rows at these indices.
    pub(crate) fn subset(&self, indices: &[usize]) -> Data {
        let mut part = Data {
            width: self.width,
            ..Data::default()
        };
        for &index in indices {
            part.push(
                &self.features[index * self.width..(index + 1) * self.width],
                self.values[index],
                self.noise_shares[index],
            );
        }
        part
    }

    pub(crate) fn push(&mut self, features: &[f64], value: f64, noise_share: f64) {
        self.features.extend_from_slice(features);
        self.values.push(value);
        self.noise_shares.push(noise_share);
    }
}

/// Returns features divided by their length scales.
pub(crate) fn scaled(features: &[f64], lengths: &[f64]) -> Vec<f64> {
    let inverse: Vec<f64> = lengths.iter().map(|length| (-length).exp()).collect();
    let rows = features.chunks_exact(inverse.len());
    rows.flat_map(|row| row.iter().zip(&inverse).map(|(x, inverse)| x * inverse))
        .collect()
}

/// Returns the squared distance of two scaled rows; four running sums, since one would wait for itself at each feature.
pub(crate) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a_chunks, b_chunks) = (a.chunks_exact(4), b.chunks_exact(4));
    let (a_rest, b_rest) = (a_chunks.remainder(), b_chunks.remainder());
    for (a, b) in a_chunks.zip(b_chunks) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += (a - b) * (a - b);
        }
    }
    let rest: f64 = a_rest
        .iter()
        .zip(b_rest)
        .map(|(a, b)| (a - b) * (a - b))
        .sum();
    rest + sums.iter().sum::<f64>()
}

/// Returns the Matérn 5/2 correlation at this squared distance: `(1 + √5 r + 5/3 r²) exp(-√5 r)`.
pub(crate) fn correlation(squared: f64) -> f64 {
    let root = (5.0 * squared).sqrt();
    (1.0 + root + root * root / 3.0) * (-root).exp()
}

/// Returns the correlation and `5/3 (1 + √5 r) exp(-√5 r)`: times the squared scaled difference in one feature that is the
/// derivative of the correlation by the logarithm of that feature's length scale.
pub(crate) fn correlation_and_slope(squared: f64) -> (f64, f64) {
    let root = (5.0 * squared).sqrt();
    let falling = (-root).exp();
    let correlation = (1.0 + root + root * root / 3.0) * falling;
    (correlation, 5.0 / 3.0 * (1.0 + root) * falling)
}
