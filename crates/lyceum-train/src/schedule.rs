//! How the learning rate moves over a run of known length.

/// The shape of the learning rate after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Stays at its peak.
    Constant,
    /// Falls in a straight line to zero.
    Linear,
    /// Falls along half a cosine to zero (Loshchilov and Hutter 2017, arXiv:1608.03983, no restarts).
    Cosine,
}

/// A learning rate for each of a known number of steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The shape after warm-up.
    pub shape: Shape,
    /// The largest learning rate.
    pub peak: f64,
    /// The part of the steps, 0 to 1, over which the rate first rises in a straight line.
    pub warmup: f64,
    /// The number of steps.
    pub steps: u64,
}

impl Schedule {
    /// Returns the learning rate of step `step`, counted from 0; never zero before the last step.
    pub fn rate(&self, step: u64) -> f64 {
        let warm = (self.warmup * self.steps as f64).floor();
        let at = step as f64;
        if at < warm {
            return self.peak * (at + 1.0) / (warm + 1.0);
        }
        let progress = ((at - warm) / (self.steps as f64 - warm).max(1.0)).clamp(0.0, 1.0);
        match self.shape {
            Shape::Constant => self.peak,
            Shape::Linear => self.peak * (1.0 - progress),
            Shape::Cosine => self.peak * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(shape: Shape) -> Vec<f64> {
        let schedule = Schedule {
            shape,
            peak: 1.0,
            warmup: 0.4,
            steps: 10,
        };
        (0..10).map(|step| schedule.rate(step)).collect()
    }

    #[test]
    fn the_rate_rises_to_its_peak_and_then_takes_its_shape() {
        for shape in [Shape::Constant, Shape::Linear, Shape::Cosine] {
            let rates = rates(shape);
            for (rate, expected) in rates.iter().zip([0.2, 0.4, 0.6, 0.8]) {
                assert!((rate - expected).abs() < 1e-12);
            }
            assert!((rates[4] - 1.0).abs() < 1e-12);
            assert!(rates.iter().all(|&rate| rate > 0.0));
        }
        assert!((rates(Shape::Constant)[9] - 1.0).abs() < 1e-12);
        assert!((rates(Shape::Linear)[7] - 0.5).abs() < 1e-12);
        assert!((rates(Shape::Cosine)[7] - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_run_of_one_step_has_a_rate() {
        let schedule = Schedule {
            shape: Shape::Cosine,
            peak: 0.1,
            warmup: 0.9,
            steps: 1,
        };
        assert!((schedule.rate(0) - 0.1).abs() < 1e-12);
    }
}
