//! Basin hopping: disturb, descend, accept or go back, begin again when nothing improves.

use std::time::Duration;

use super::descent::descend;
use super::energy::predicted_sum;
use super::exact::Packing;
use super::moves::disturb;
use super::polish::Polisher;
use super::settings::Settings;
use super::starts::start;
use super::{Configuration, exact, sum_of_radii};
use crate::random::Random;

/// Penalty weights of the successive descents: soft enough to flow, then stiff enough to predict.
const WEIGHTS: [f64; 2] = [30.0, 1000.0];

/// Slope at which a descent stops; the multipliers are of order 1.
const SLOPE: f64 = 1e-3;

/// A packing predicted to be this much worse than the best is not polished.
const SCREEN: f64 = 2e-4;

/// Evaluations that cost as much time as one Newton step of the polish (measured: 22).
const STEP_PRICE: u64 = 22;

/// Sums closer than this are the same packing, polished to another last digit.
const SAME: f64 = 1e-9;

/// When a search ends. The last descent is always finished.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// After this much CPU time of the whole process, counted from the call.
    CpuTime(Duration),
    /// After this much work in evaluations: a seed then gives the same packing every time.
    Evaluations(u64),
}

/// What a search found and did.
#[derive(Clone, Debug)]
pub struct Found {
    /// The best packing, exactly feasible.
    pub best: Packing,
    /// Descents made, fresh starts among them.
    pub hops: u64,
    /// Fresh starts made.
    pub starts: u64,
    /// Polishes made.
    pub polishes: u64,
    /// Evaluations after which the best packing was there, but for its last digits.
    pub evaluations_to_best: u64,
    /// Work done: evaluations of the penalty function, and polishing steps at their price.
    pub evaluations: u64,
}

/// Returns the best packing found within the limit. The settings must be checked ones.
///
/// At least one start is polished whatever the limit, so there always is a packing.
pub fn search(settings: &Settings, limit: Limit, seed: u64) -> Found {
    let mut search = Search {
        settings,
        began: cpu_time(),
        random: Random::for_purpose(seed, "circle packing"),
        polisher: Polisher::default(),
        best_sum: 0.0,
        found: Found {
            best: fallback(),
            hops: 0,
            starts: 0,
            polishes: 0,
            evaluations: 0,
            evaluations_to_best: 0,
        },
    };
    search.best_sum = search.found.best.sum_rounded_down();
    while !search.ended(limit) {
        search.one_start(limit);
    }
    search.found
}

struct Search<'a> {
    settings: &'a Settings,
    began: Duration,
    random: Random,
    polisher: Polisher,
    found: Found,
    best_sum: f64,
}

impl Search<'_> {
    /// Hops from one fresh start until patience or the limit is exhausted.
    fn one_start(&mut self, limit: Limit) {
        self.found.starts += 1;
        let mut current = start(
            self.settings.start,
            self.settings.strength,
            &mut self.random,
        );
        let mut current_sum = self.settle(&mut current);
        let mut record = current_sum;
        let mut temperature = self.settings.temperature;
        let mut stale = 0;
        while stale < self.settings.patience && !self.ended(limit) {
            let mut next = disturb(&current, self.settings, &mut self.random);
            let next_sum = self.settle(&mut next);
            // Metropolis with an exponential draw; at temperature 0 only what is not worse.
            let forgiven = -temperature * (1.0 - self.random.uniform()).ln();
            if next_sum >= current_sum - forgiven {
                (current, current_sum) = (next, next_sum);
            }
            temperature *= self.settings.cooling;
            stale += 1;
            if next_sum > record + 1e-6 {
                (record, stale) = (next_sum, 0);
            }
        }
    }

    /// Descends from `at`, keeps the packing if it is the best, and returns its sum of radii.
    fn settle(&mut self, at: &mut Configuration) -> f64 {
        self.found.hops += 1;
        let mut value = 0.0;
        for weight in WEIGHTS {
            let descent = descend(at, weight, SLOPE, self.settings.iterations);
            self.found.evaluations += descent.evaluations;
            value = descent.value;
        }
        let predicted = predicted_sum(at, value);
        if predicted < self.best_sum - SCREEN {
            return predicted;
        }
        self.found.polishes += 1;
        let before = self.polisher.steps();
        let polished = self.polisher.polish(at);
        self.found.evaluations += STEP_PRICE * (self.polisher.steps() - before);
        let Some(polished) = polished else {
            return predicted;
        };
        let sum = sum_of_radii(&polished);
        if sum > self.best_sum
            && let Ok(packing) = Packing::from_configuration(&polished)
            && packing.sum_rounded_down() > self.best_sum
        {
            if packing.sum_rounded_down() > self.best_sum + SAME {
                self.found.evaluations_to_best = self.found.evaluations;
            }
            self.best_sum = packing.sum_rounded_down();
            self.found.best = packing;
        }
        *at = polished;
        sum
    }

    fn ended(&self, limit: Limit) -> bool {
        // The first start always runs, so that there is a packing to write.
        self.found.hops > 0
            && match limit {
                Limit::CpuTime(most) => cpu_time().saturating_sub(self.began) >= most,
                Limit::Evaluations(most) => self.found.evaluations >= most,
            }
    }
}

/// Returns the CPU time that this process has used, user and system, all threads.
pub fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}

/// Returns 26 equal circles on a 6 × 6 grid, which any descent beats.
fn fallback() -> Packing {
    const RADIUS: i128 = exact::ONE / 12;
    let circles = std::array::from_fn(|i| exact::Circle {
        x: RADIUS * (1 + 2 * (i % 6) as i128),
        y: RADIUS * (1 + 2 * (i / 6) as i128),
        r: RADIUS,
    });
    match Packing::new(circles) {
        Ok(packing) => packing,
        Err(invalid) => unreachable!("the grid is a packing: {invalid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_move_and_every_start_beats_the_grid() {
        use crate::packing::settings::{Move, Start};
        for kind in [Move::Jiggle, Move::Relocate, Move::Swap, Move::Mixed] {
            for start in [Start::Random, Start::Hexagonal, Start::Grid] {
                let settings = Settings {
                    start,
                    kind,
                    ..Settings::default()
                };
                let found = search(&settings, Limit::Evaluations(10_000), 3);
                let sum = found.best.sum_rounded_down();
                assert!(
                    (2.55..2.636).contains(&sum),
                    "{kind:?} from {start:?}: {sum}"
                );
                assert!(found.starts >= 1 && found.hops >= found.starts && found.polishes >= 1);
            }
        }
    }

    #[test]
    fn the_default_search_finds_the_best_known_packing_again() {
        // Every one of twenty seeds gets there within 600,000 evaluations.
        let found = search(&Settings::default(), Limit::Evaluations(1_000_000), 1);
        let sum = found.best.sum_rounded_down();
        assert!((2.635_983..2.635_984).contains(&sum), "{sum}");
    }
}
