//! The posterior of a Gaussian process (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006,
//! algorithm 2.1).

use crate::{
    kernel::{CONSTANT, Data, Hyper, correlation, correlation_and_slope, scaled, squared_distance},
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
    /// Correlation of each row with each row before it, and its slope: what the gradient needs again.
    pairs: Vec<(f64, f64)>,
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
        let mut pairs = Vec::with_capacity(n * n.saturating_sub(1) / 2);
        for i in 0..n {
            for j in 0..i {
                let squared = squared_distance(row(&rows, width, i), row(&rows, width, j));
                let pair = correlation_and_slope(squared);
                covariance[i * n + j] = CONSTANT + signal * pair.0;
                pairs.push(pair);
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
            pairs,
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
        let mut pairs = self.pairs.iter();
        for i in 0..n {
            let left = row(&self.rows, self.width, i);
            for (j, (correlation, slope)) in pairs.by_ref().take(i).enumerate() {
                let right = row(&self.rows, self.width, j);
                let weight = self.weights[i] * self.weights[j] - inverse[i * n + j];
                // The matrix is symmetric, so that each pair counts twice and the half falls away.
                let factor = weight * self.signal * slope;
                for (slope, (a, b)) in lengths.iter_mut().zip(left.iter().zip(right)) {
                    *slope += factor * (a - b) * (a - b);
                }
                tail[0] += weight * self.signal * correlation;
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

#[cfg(test)]
mod tests {
    use lyceum_types::Seed;

    use super::*;
    use crate::{
        fit::{Prior, Priors, fit},
        stream::Stream,
    };

    const GOLDENS: &str = include_str!("../tests/goldens/posterior.tsv");

    fn lines(word: &str) -> Vec<Vec<f64>> {
        let wanted = GOLDENS.lines().filter_map(|line| line.strip_prefix(word));
        wanted
            .map(|line| {
                line.split_whitespace()
                    .map(|number| number.parse().unwrap())
                    .collect()
            })
            .collect()
    }

    fn golden() -> (Data, Hyper) {
        let mut data = Data {
            width: 3,
            ..Data::default()
        };
        for row in lines("train") {
            data.push(&row[..3], row[3], row[4]);
        }
        (data, Hyper::from_list(&lines("hyper")[0]))
    }

    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 1e-7 * expected.abs().max(1.0),
            "{found} {expected}"
        );
    }

    #[test]
    fn the_posterior_is_that_of_scikit_learn() {
        let (data, hyper) = golden();
        let model = Gaussian::new(&data, &hyper).unwrap();
        close(model.log_likelihood(), lines("likelihood")[0][0]);
        let rows = lines("latent");
        assert_eq!(rows.len(), 8);
        for row in rows {
            let latent = model.latent(&row[..3]);
            close(latent.mean, row[3]);
            close(latent.variance, row[4]);
            close(model.mean(&row[..3]), row[3]);
        }
    }

    #[test]
    fn the_gradient_is_that_of_scikit_learn() {
        let (data, hyper) = golden();
        let found = Gaussian::new(&data, &hyper).unwrap().gradient(&data);
        let expected = &lines("gradient")[0];
        assert_eq!(expected.len(), 4);
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }

    #[test]
    fn the_gradient_matches_finite_differences() {
        let (data, _) = golden();
        let list = [-0.7, 0.2, 1.1, 0.4, -3.0];
        let found = Gaussian::new(&data, &Hyper::from_list(&list))
            .unwrap()
            .gradient(&data);
        let value = |list: &[f64]| {
            Gaussian::new(&data, &Hyper::from_list(list))
                .unwrap()
                .log_likelihood()
        };
        for index in 0..list.len() {
            let step = 1e-5;
            let (mut up, mut down) = (list, list);
            up[index] += step;
            down[index] -= step;
            let expected = (value(&up) - value(&down)) / (2.0 * step);
            assert!(
                (found[index] - expected).abs() < 1e-5,
                "{index}: {} {expected}",
                found[index]
            );
        }
    }

    /// Returns a function drawn from a process with these lengths at random points, and noisy observations of it.
    fn drawn(stream: &mut Stream, count: usize, noise: f64) -> (Data, Vec<f64>) {
        let features: Vec<f64> = (0..2 * count).map(|_| stream.unit()).collect();
        let rows = scaled(&features, &[0.3_f64.ln(), 0.8_f64.ln()]);
        let mut covariance = vec![0.0; count * count];
        for i in 0..count {
            for j in 0..=i {
                let squared = squared_distance(row(&rows, 2, i), row(&rows, 2, j));
                covariance[i * count + j] = correlation(squared) + if i == j { 1e-9 } else { 0.0 };
            }
        }
        let factor = Cholesky::new(covariance, count).unwrap();
        let normals: Vec<f64> = (0..count).map(|_| stream.normal()).collect();
        let truth = factor.times(&normals);
        let mut data = Data {
            width: 2,
            ..Data::default()
        };
        for (index, truth) in truth.iter().enumerate() {
            let observed = truth + noise * stream.normal();
            data.push(&features[2 * index..2 * index + 2], observed, 1.0);
        }
        (data, truth)
    }

    #[test]
    fn intervals_hold_the_function_as_often_as_they_say() {
        let mut stream = Stream::new(Seed(42));
        let noise = Prior {
            mean: 0.01_f64.ln(),
            sd: 0.7,
        };
        let (mut total, mut within) = (0.0, [0.0; 2]);
        for _ in 0..60 {
            let (all, truth) = drawn(&mut stream, 50, 0.1);
            let model = fit(
                &all.subset(&(0..20).collect::<Vec<_>>()),
                &Priors::new(2, noise),
            );
            let model = model.unwrap();
            for (index, truth) in truth.iter().enumerate().skip(20) {
                let latent = model.latent(row(&all.features, 2, index));
                let z = (truth - latent.mean).abs() / latent.variance.sqrt();
                total += 1.0;
                within[0] += f64::from(z < 1.0);
                within[1] += f64::from(z < 1.959_964);
            }
        }
        let (one, two) = (within[0] / total, within[1] / total);
        // Nominal 68 % and 95 %; hyper-parameters are fitted to 20 noisy points, so a little less is expected.
        assert!((0.60..0.78).contains(&one), "within one deviation: {one}");
        assert!(
            (0.89..0.99).contains(&two),
            "within the 95 % interval: {two}"
        );
    }
}
