//! The posterior of a Gaussian process (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006,
//! algorithm 2.1).

use crate::{
    kernel::{CONSTANT, Data, Hyper, correlation, correlation_slope, scaled, squared_distance},
    matrix::{Cholesky, dot},
};

/// Added to the diagonal as a share of the signal, so that equal rows do not make the matrix singular.
const JITTER: f64 = 1e-9;

/// A conditioned process.
pub(crate) struct Gaussian {
    hyper: Hyper,
    signal: f64,
    width: usize,
    rows: Vec<f64>,
    factor: Cholesky,
    weights: Vec<f64>,
    log_likelihood: f64,
}

/// Mean and variance of the function itself, without the noise of a measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Latent {
    pub(crate) mean: f64,
    pub(crate) variance: f64,
}

impl Gaussian {
    /// Conditions the process on data; `None` when the covariance is not positive definite to working precision.
    pub(crate) fn new(data: &Data, hyper: &Hyper) -> Option<Gaussian> {
        let n = data.count();
        let width = data.width;
        let rows = scaled(&data.features, &hyper.lengths);
        let (signal, noise) = (hyper.signal.exp(), hyper.noise.exp());
        let mut covariance = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..i {
                let squared = squared_distance(row(&rows, width, i), row(&rows, width, j));
                covariance[i * n + j] = CONSTANT + signal * correlation(squared);
            }
            covariance[i * n + i] =
                CONSTANT + signal * (1.0 + JITTER) + noise * data.noise_shares[i];
        }
        let factor = Cholesky::new(covariance, n)?;
        let mut weights = data.values.clone();
        factor.solve(&mut weights);
        let log_likelihood = -0.5
            * (dot(&data.values, &weights)
                + factor.log_determinant()
                + n as f64 * std::f64::consts::TAU.ln());
        log_likelihood.is_finite().then(|| Gaussian {
            hyper: hyper.clone(),
            signal,
            width,
            rows,
            factor,
            weights,
            log_likelihood,
        })
    }

    /// Returns the hyper-parameters.
    pub(crate) fn hyper(&self) -> &Hyper {
        &self.hyper
    }

    /// Returns the logarithm of the marginal likelihood.
    pub(crate) fn log_likelihood(&self) -> f64 {
        self.log_likelihood
    }

    /// Returns the gradient of the log marginal likelihood by the hyper-parameters, in the order of [`Hyper::from_list`]:
    /// `½ tr((ααᵀ - K⁻¹) ∂K/∂θ)` (Rasmussen and Williams, 2006, equation 5.9).
    pub(crate) fn gradient(&self, data: &Data) -> Vec<f64> {
        let n = data.count();
        let inverse = self.factor.inverse();
        let mut gradient = vec![0.0; self.width + 2];
        let (lengths, tail) = gradient.split_at_mut(self.width);
        for i in 0..n {
            let left = row(&self.rows, self.width, i);
            for j in 0..i {
                let right = row(&self.rows, self.width, j);
                let weight = self.weights[i] * self.weights[j] - inverse[i * n + j];
                let squared = squared_distance(left, right);
                // The matrix is symmetric, so that each pair counts twice and the half falls away.
                let factor = weight * self.signal * correlation_slope(squared);
                for (slope, (a, b)) in lengths.iter_mut().zip(left.iter().zip(right)) {
                    *slope += factor * (a - b) * (a - b);
                }
                tail[0] += weight * self.signal * correlation(squared);
            }
            let weight = self.weights[i] * self.weights[i] - inverse[i * n + i];
            tail[0] += 0.5 * weight * self.signal * (1.0 + JITTER);
            tail[1] += 0.5 * weight * self.hyper.noise.exp() * data.noise_shares[i];
        }
        gradient
    }

    /// Returns what is known of the function at one row of features.
    pub(crate) fn latent(&self, features: &[f64]) -> Latent {
        let (mut covariances, mean) = self.covariances(features);
        self.factor.solve_lower(&mut covariances);
        let explained = dot(&covariances, &covariances);
        Latent {
            mean,
            variance: (CONSTANT + self.signal - explained).max(1e-12 * self.signal),
        }
    }

    /// Returns the expected function value at one row of features.
    pub(crate) fn mean(&self, features: &[f64]) -> f64 {
        self.covariances(features).1
    }

    /// Returns the correlation of one row of features with each observation.
    pub(crate) fn correlations(&self, features: &[f64]) -> Vec<f64> {
        let point = scaled(features, &self.hyper.lengths);
        self.rows
            .chunks_exact(self.width)
            .map(|row| correlation(squared_distance(row, &point)))
            .collect()
    }

    fn covariances(&self, features: &[f64]) -> (Vec<f64>, f64) {
        let mut covariances = self.correlations(features);
        for value in &mut covariances {
            *value = CONSTANT + self.signal * *value;
        }
        let mean = dot(&covariances, &self.weights);
        (covariances, mean)
    }
}

fn row(rows: &[f64], width: usize, index: usize) -> &[f64] {
    &rows[index * width..(index + 1) * width]
}
