//! A holdout that may be asked more than once: the Ladder.

use crate::{mean, sd};

/// What a look at a holdout lets out.
#[derive(Clone, Debug, PartialEq)]
pub struct Rung {
    /// Whether the look is clearly better than the best before: the only thing that it tells about a worse one.
    pub higher: bool,
    /// What is let out: the new value, rounded, or once more the best before.
    pub released: f64,
}

/// Answers looks at one holdout, so that many of them do not fit it.
///
/// A look gives the loss of each part of the holdout, lower for better, always the same parts in the same order. Its mean
/// is let out only when it is below the best so far by more than the standard error of the difference, and is then
/// rounded to that error (to its own for the first look); any other look is answered with the best so far.
///
/// This is the parameter-free Ladder (Blum and Hardt, 2015, figure 3), which rounds losses from 0 to 1 to 1/n of n parts: the
/// standard error is coarser there, and has the loss's own unit. Whoever asks k times, each time with what the answers before
/// suggest, gains by overfitting on the order of (log k)^(1/3) / n^(1/3) for losses from 0 to 1 in the form with a fixed step
/// (their theorem 3.1), and not the √(k/n) of full answers.
///
/// Losses must be finite; debug builds assert it.
#[derive(Clone, Debug, Default)]
pub struct Ladder {
    best: Option<(Vec<f64>, f64)>,
    looks: u64,
}

impl Ladder {
    /// Returns how many looks were answered.
    pub fn looks(&self) -> u64 {
        self.looks
    }

    /// Returns what was let out last; `None` before the first look.
    pub fn released(&self) -> Option<f64> {
        self.best.as_ref().map(|(_, released)| *released)
    }

    /// Answers one look with these losses; `None` without a loss, or with another number of parts than before. Such a look
    /// counts and tells nothing.
    pub fn look(&mut self, losses: &[f64]) -> Option<Rung> {
        debug_assert!(
            losses.iter().all(|loss| loss.is_finite()),
            "a failed part has no loss"
        );
        self.looks += 1;
        let value = mean(losses)?;
        let (error, higher) = match &self.best {
            None => (error(losses), true),
            Some((best, _)) if best.len() != losses.len() => return None,
            Some((best, released)) => {
                let apart: Vec<f64> = losses
                    .iter()
                    .zip(best)
                    .map(|(new, old)| new - old)
                    .collect();
                let error = error(&apart);
                (error, value < released - error)
            }
        };
        if higher {
            self.best = Some((losses.to_vec(), rounded(value, error)));
        }
        let released = self.released()?;
        Some(Rung { higher, released })
    }
}

/// Returns the standard error of a mean; infinite for fewer than two values.
fn error(values: &[f64]) -> f64 {
    sd(values).map_or(f64::INFINITY, |sd| sd / (values.len() as f64).sqrt())
}

fn rounded(value: f64, grain: f64) -> f64 {
    if grain > 0.0 && grain.is_finite() {
        (value / grain).round() * grain
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clearly_better_look_moves_it() {
        let mut ladder = Ladder::default();
        // Ten parts, half of them lower by `apart`: the standard error is a sixth of it.
        let parts = |loss: f64, apart: f64| {
            let mut parts = vec![loss; 10];
            parts[..5].fill(loss - apart);
            parts
        };
        let rung = ladder.look(&parts(0.5, 0.06)).unwrap();
        assert!((rung.released - 0.47).abs() <= 0.005, "{rung:?}");
        // Better by a hair in the mean and by much in single parts: within the error.
        let rung = ladder.look(&parts(0.75, 0.6)).unwrap();
        assert!(
            !rung.higher && (rung.released - 0.47).abs() <= 0.005,
            "{rung:?}"
        );
        let rung = ladder.look(&parts(0.3, 0.06)).unwrap();
        assert!(
            rung.higher && (rung.released - 0.27).abs() <= 1e-12,
            "{rung:?}"
        );
        assert!(!ladder.look(&parts(0.4, 0.06)).unwrap().higher);
        assert_eq!(ladder.looks(), 4);
    }

    #[test]
    fn other_parts_or_none_tell_nothing_and_count() {
        let mut ladder = Ladder::default();
        assert_eq!(ladder.look(&[]), None);
        ladder.look(&[0.5, 0.5]).unwrap();
        assert_eq!(ladder.look(&[0.1]), None);
        assert_eq!((ladder.looks(), ladder.released()), (3, Some(0.5)));
    }
}
