//! Predictions: mixtures of normal distributions.

/// Bounds of the logarithm of a component's standard deviation.
const LOG_SD: (f32, f32) = (-6.0, 2.0);

/// Numbers of a prediction for each component: weight, mean, logarithm of the standard deviation.
pub(super) const PARTS: usize = 3;

/// A weighted normal distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Component {
    /// Its weight; those of a mixture add up to 1.
    pub weight: f32,
    /// Its mean.
    pub mean: f32,
    /// Its standard deviation.
    pub sd: f32,
}

/// Returns the mixture that an output row of the network stands for.
pub(super) fn mixture(row: &[f32]) -> Vec<Component> {
    let count = row.len() / PARTS;
    let weights = softmax(&row[..count]);
    (0..count)
        .map(|index| Component {
            weight: weights[index],
            mean: row[count + index],
            sd: log_sd(row[2 * count + index]).exp(),
        })
        .collect()
}

/// Returns the negative logarithm of the density at `target`, and turns the row into its gradient times `scale`.
pub(super) fn loss_and_gradient(row: &mut [f32], target: f32, scale: f32) -> f32 {
    let count = row.len() / PARTS;
    let weights = softmax(&row[..count]);
    let mut logs = Vec::with_capacity(count);
    for index in 0..count {
        let log_sd = log_sd(row[2 * count + index]);
        let z = (target - row[count + index]) / log_sd.exp();
        let log = weights[index].max(1e-30).ln() - 0.5 * z * z - log_sd - HALF_LOG_TAU;
        logs.push((log, z, log_sd));
    }
    let greatest = logs
        .iter()
        .fold(f32::NEG_INFINITY, |most, one| most.max(one.0));
    let sum: f32 = logs.iter().map(|one| (one.0 - greatest).exp()).sum();
    for (index, (log, z, log_sd)) in logs.iter().enumerate() {
        let share = (log - greatest).exp() / sum;
        row[index] = scale * (weights[index] - share);
        row[count + index] = -scale * share * z / log_sd.exp();
        let raw = row[2 * count + index];
        let inside = raw > LOG_SD.0 && raw < LOG_SD.1;
        row[2 * count + index] = if inside {
            scale * share * (1.0 - z * z)
        } else {
            0.0
        };
    }
    -(greatest + sum.ln())
}

/// `ln √(2π)`.
const HALF_LOG_TAU: f32 = 0.918_938_5;

fn log_sd(raw: f32) -> f32 {
    raw.clamp(LOG_SD.0, LOG_SD.1)
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut weights: Vec<f32> = logits
        .iter()
        .map(|logit| (logit - greatest).exp())
        .collect();
    let sum: f32 = weights.iter().sum();
    for weight in &mut weights {
        *weight /= sum;
    }
    weights
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn losses_and_gradients_are_those_of_pytorch() {
        let golden: Value =
            serde_json::from_str(include_str!("../../tests/goldens/mixture.json")).unwrap();
        let numbers = |name: &str| -> Vec<f32> {
            let all = golden[name].as_array().unwrap().iter();
            all.map(|one| one.as_f64().unwrap() as f32).collect()
        };
        let (mut rows, targets) = (numbers("input"), numbers("targets"));
        let (losses, gradients) = (numbers("output"), numbers("input_gradient"));
        let scale = golden["sizes"]["scale"].as_f64().unwrap() as f32;
        let each = rows.len() / targets.len();
        for ((row, target), expected) in rows.chunks_exact_mut(each).zip(targets).zip(losses) {
            let loss = loss_and_gradient(row, target, scale);
            let error = (loss - expected).abs() / expected.abs().max(1.0);
            assert!(error < 5e-6, "{loss} against {expected}");
        }
        for (found, expected) in rows.iter().zip(gradients) {
            let error = (found - expected).abs() / expected.abs().max(1.0);
            assert!(error < 5e-6, "{found} against {expected}");
        }
    }
}
