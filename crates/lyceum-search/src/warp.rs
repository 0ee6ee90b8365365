//! Observations as the model sees them: lower is better, outliers tamed, scaled to mean 0 and variance 1.

use lyceum_types::{Goal, Prediction};

/// Nodes and weights of the seven-point Gauss-Hermite rule for a standard normal variable.
const NODES: [(f64, f64); 7] = [
    (-3.750_439_717_725_742, 0.000_548_268_855_972_218),
    (-2.366_759_410_734_541, 0.030_757_123_967_586_51),
    (-1.154_405_394_739_968, 0.240_123_178_605_012_7),
    (0.0, 0.457_142_857_142_857_1),
    (1.154_405_394_739_968, 0.240_123_178_605_012_7),
    (2.366_759_410_734_541, 0.030_757_123_967_586_51),
    (3.750_439_717_725_742, 0.000_548_268_855_972_218),
];
/// Predictions lie no further beyond what was observed than this many times the observed range plus the noise. The
/// process would go on for ever on the compressed side, where a step of the model is a factor of the metric.
const REACH: f64 = 3.0;
/// Observations that differ by less than this share of their size are equal but for rounding.
const ROUNDING: f64 = 1e-12;
/// What a difference would look like where none was ever seen, as a share of the value.
const UNSEEN: f64 = 1e-3;

/// A rising function from observations to model values and back.
///
/// First the sign is turned so that lower is better. Then values are linear up to the median plus `spread`, which is no
/// less than the noise, and logarithmic beyond: a diverged run says "bad", and by how much no longer bends the model. The
/// good side is never compressed. One unit of the model is the deviation of the observations, or the noise of one run
/// where that is more.
#[derive(Clone, Debug)]
pub(crate) struct Warp {
    sign: f64,
    median: f64,
    spread: f64,
    shift: f64,
    scale: f64,
    /// Least and greatest prediction, lower is better.
    bounds: (f64, f64),
}

impl Warp {
    /// Returns the warp of these observations, at least one, all finite.
    pub(crate) fn new(goal: Goal, observed: &[f64], noise_sd: Option<f64>) -> Warp {
        let sign = match goal {
            Goal::Minimize => 1.0,
            Goal::Maximize => -1.0,
        };
        let mut sorted: Vec<f64> = observed.iter().map(|value| sign * value).collect();
        sorted.sort_by(f64::total_cmp);
        let (least, greatest) = (sorted[0], sorted[sorted.len() - 1]);
        let median = quantile(&sorted, 0.5);
        let noise = noise(&sorted, noise_sd);
        let reach = REACH * (greatest - least + noise);
        let mut warp = Warp {
            sign,
            median,
            spread: spread(&sorted, median).max(noise),
            shift: 0.0,
            scale: 1.0,
            bounds: (least - reach, greatest + reach),
        };
        let warped: Vec<f64> = sorted.iter().map(|value| warp.bend(*value)).collect();
        let mean = warped.iter().sum::<f64>() / warped.len() as f64;
        let squares = warped.iter().map(|value| (value - mean) * (value - mean));
        let sd = (squares.sum::<f64>() / warped.len() as f64).sqrt();
        warp.shift = mean;
        warp.scale = sd.max(noise / warp.spread);
        warp
    }

    /// Returns the model's value of an observation.
    pub(crate) fn forward(&self, value: f64) -> f64 {
        (self.bend(self.sign * value) - self.shift) / self.scale
    }

    /// Returns how many model units one unit of the metric is, at an observation.
    pub(crate) fn slope(&self, value: f64) -> f64 {
        let t = (self.sign * value - self.median) / self.spread;
        1.0 / (t.max(1.0) * self.spread * self.scale)
    }

    /// Returns how many model units one unit of the metric is on the linear part.
    pub(crate) fn unit(&self) -> f64 {
        1.0 / (self.spread * self.scale)
    }

    /// Returns the observation that has this model value, or the end of what is predicted at all.
    pub(crate) fn backward(&self, value: f64) -> f64 {
        let t = value * self.scale + self.shift;
        let t = if t <= 1.0 { t } else { (t - 1.0).exp() };
        let (least, greatest) = self.bounds;
        self.sign * (self.median + t * self.spread).max(least).min(greatest)
    }

    /// Returns mean and standard deviation, in units of the metric, of a normal variable of the model.
    pub(crate) fn prediction(&self, mean: f64, variance: f64) -> Prediction {
        let sd = variance.sqrt();
        let values = NODES.map(|(node, weight)| (self.backward(mean + sd * node), weight));
        let mean: f64 = values.iter().map(|(value, weight)| value * weight).sum();
        // Divided by the largest first, so that squares of extreme metrics do not overflow.
        let largest = values
            .iter()
            .fold(0.0_f64, |most, (value, _)| most.max((value - mean).abs()));
        let share = |value: f64| {
            if largest > 0.0 {
                (value - mean) / largest
            } else {
                0.0
            }
        };
        let squares = values
            .iter()
            .map(|(value, weight)| weight * share(*value).powi(2));
        Prediction {
            mean,
            sd: largest * squares.sum::<f64>().sqrt(),
        }
    }

    /// Maps to a unitless value: linear to 1 spread above the median, logarithmic beyond.
    fn bend(&self, value: f64) -> f64 {
        let t = (value - self.median) / self.spread;
        if t <= 1.0 { t } else { 1.0 + t.ln() }
    }
}

/// Returns the least difference that means anything: the noise of one run, 0 where it is not known.
///
/// When the observations are all equal too, there is nothing to go by, and a share of their size has to serve.
fn noise(sorted: &[f64], noise_sd: Option<f64>) -> f64 {
    let (least, greatest) = (sorted[0], sorted[sorted.len() - 1]);
    let size = least.abs().max(greatest.abs());
    match noise_sd {
        Some(noise) if noise > f64::MIN_POSITIVE && noise > ROUNDING * size => noise,
        _ if differ(sorted) => 0.0,
        _ if UNSEEN * size > f64::MIN_POSITIVE => UNSEEN * size,
        _ => 1.0,
    }
}

/// Tells whether observations differ by more than rounding.
fn differ(sorted: &[f64]) -> bool {
    let (least, greatest) = (sorted[0], sorted[sorted.len() - 1]);
    let range = greatest - least;
    range > ROUNDING * least.abs().max(greatest.abs()) && range > f64::MIN_POSITIVE
}

/// Returns a robust spread of the better half: the distance from the median to the lower decile, or what is there; 0
/// when all are equal.
fn spread(sorted: &[f64], median: f64) -> f64 {
    if !differ(sorted) {
        return 0.0;
    }
    let (least, greatest) = (sorted[0], sorted[sorted.len() - 1]);
    let tiny = ROUNDING * least.abs().max(greatest.abs());
    let better = [median - quantile(sorted, 0.1), median - least];
    let found = better
        .into_iter()
        .find(|spread| *spread > tiny.max(f64::MIN_POSITIVE));
    found.unwrap_or(greatest - least)
}

/// Returns a quantile of sorted values by linear interpolation.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warp_rises_turns_back_and_tames_outliers() {
        for goal in [Goal::Minimize, Goal::Maximize] {
            let observed = [1.0, 1.2, 1.5, 2.0, 2.1, 2.2, 9.0, 1e6];
            let observed = observed.map(|value| {
                if goal == Goal::Minimize {
                    value
                } else {
                    -value
                }
            });
            let warp = Warp::new(goal, &observed, None);
            let warped = observed.map(|value| warp.forward(value));
            assert!(warped.is_sorted(), "{warped:?}");
            assert!(warped[7] < 5.0, "{warped:?}");
            for (value, warped) in observed.iter().zip(warped) {
                let back = warp.backward(warped);
                assert!((back / value - 1.0).abs() < 1e-9, "{value} {back}");
                let step = 1e-6 * value.abs();
                let slope =
                    (warp.forward(value + step) - warp.forward(value - step)) / (2.0 * step);
                assert!(
                    (slope.abs() / warp.slope(*value) - 1.0).abs() < 1e-4,
                    "{value}"
                );
            }
        }
    }

    #[test]
    fn predictions_in_the_linear_part_keep_mean_and_deviation() {
        let observed: Vec<f64> = (0..20).map(f64::from).collect();
        let warp = Warp::new(Goal::Minimize, &observed, None);
        let centre = warp.forward(5.0);
        let prediction = warp.prediction(centre, (0.5 * warp.unit()).powi(2));
        assert!((prediction.mean - 5.0).abs() < 1e-9, "{prediction:?}");
        assert!((prediction.sd - 0.5).abs() < 1e-9, "{prediction:?}");
    }

    #[test]
    fn equal_observations_have_a_scale_all_the_same() {
        for value in [0.0, 3.0, -1e300, 1e-300] {
            let warp = Warp::new(Goal::Minimize, &[value; 5], None);
            assert!(warp.forward(value).abs() < 1e-12);
            assert!(warp.prediction(0.0, 1.0).sd.is_finite());
        }
    }
}
