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
/// rounded to 1/n of n parts; any other look is answered with the best so far. This is the parameter-free Ladder (Blum
/// and Hardt, 2015, figure 3). Whoever asks k times, each time with what the answers before suggest, gains by overfitting
/// on the order of (log k)^(1/3) / n^(1/3) for losses from 0 to 1 in the form with a fixed step (their theorem 3.1), and
/// not the √(k/n) of full answers.
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
        let parts = losses.len() as f64;
        let higher = match &self.best {
            None => true,
            Some((best, _)) if best.len() != losses.len() => return None,
            Some((best, released)) => {
                let apart: Vec<f64> = losses
                    .iter()
                    .zip(best)
                    .map(|(new, old)| new - old)
                    .collect();
                value < released - sd(&apart).unwrap_or(f64::INFINITY) / parts.sqrt()
            }
        };
        if higher {
            self.best = Some((losses.to_vec(), (value * parts).round() / parts));
        }
        let released = self.released()?;
        Some(Rung { higher, released })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clearly_better_look_moves_it() {
        let mut ladder = Ladder::default();
        let flat = |loss: f64| vec![loss; 10];
        assert_eq!(ladder.look(&flat(0.52)).unwrap().released, 0.5);
        // Better by a hair in the mean and by much in single parts: within the error.
        let mut mixed = flat(0.1);
        mixed[..5].fill(0.89);
        let rung = ladder.look(&mixed).unwrap();
        assert_eq!((rung.higher, rung.released), (false, 0.5));
        let rung = ladder.look(&flat(0.3)).unwrap();
        assert_eq!((rung.higher, rung.released), (true, 0.3));
        assert!(!ladder.look(&flat(0.4)).unwrap().higher);
        assert_eq!((ladder.looks(), ladder.released()), (4, Some(0.3)));
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
