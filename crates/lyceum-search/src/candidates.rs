//! The search for the candidate with the greatest score.

use crate::{
    codec::{Codec, Levels},
    region::Region,
    sobol::Sobol,
    stream::Stream,
    unseen::all_points,
};

/// Spaces up to this size are scored point by point.
const ENUMERATED_MAX: u64 = 1500;
/// Candidates spread over the whole space.
const SPREAD: u32 = 512;
/// Good points that candidates are also drawn around, and candidates around each.
const CENTRES: usize = 5;
const AROUND: usize = 64;
/// Candidates that are refined, rounds of refinement, and tries in each round.
const REFINED: usize = 4;
const ROUNDS: usize = 30;
const TRIES: usize = 20;
/// Steps smaller than this are lost when settings are rounded: refinement ends.
const SIZE_MIN: f64 = 1e-6;
/// Rounds where many points are scored at once.
const BATCH_ROUNDS: usize = 10;

/// A candidate and its score.
struct Scored {
    levels: Levels,
    score: f64,
}

/// Where and how to look.
pub(crate) struct Candidates<'a> {
    pub(crate) codec: &'a Codec<'a>,
    /// Points that may not be proposed again.
    pub(crate) taken: &'a [Levels],
    /// Good points so far, the best first.
    pub(crate) centres: &'a [Levels],
    /// The box to stay in; `None` for the whole space.
    pub(crate) region: Option<Region>,
}

impl Candidates<'_> {
    /// Returns the free point with the greatest score that was found; `None` when every candidate was taken.
    pub(crate) fn best(
        &self,
        stream: &mut Stream,
        score: impl Fn(&[Option<f64>], &[f64]) -> f64,
    ) -> Option<Levels> {
        let mut buffer = Vec::with_capacity(self.codec.features());
        let mut rate = |levels: Levels| {
            let free = !self.taken.contains(&levels);
            buffer.clear();
            self.codec.push_features(&levels, &mut buffer);
            let score = if free {
                score(&levels, &buffer)
            } else {
                f64::NEG_INFINITY
            };
            Scored { levels, score }
        };
        if let Some(mut points) = all_points(self.codec, ENUMERATED_MAX) {
            // Equal scores go to the first, so start anywhere.
            let place = stream.below(points.len() as u64) as usize;
            points.rotate_left(place);
            let scored = points.into_iter().map(rate).collect();
            return best_first(scored)
                .into_iter()
                .find_map(|one| self.free(&one));
        }
        let sobol = Sobol::new(self.codec.knobs(), stream.bits());
        let mut scored: Vec<Scored> = (0..SPREAD)
            .map(|index| rate(self.spread(&sobol, index, stream)))
            .collect();
        for centre in self.centres.iter().take(CENTRES) {
            for _ in 0..AROUND {
                let size = 0.3 * (-4.0 * stream.unit()).exp();
                scored.push(rate(self.near(centre, size, stream)));
            }
        }
        let mut finalists = best_first(scored);
        finalists.truncate(REFINED);
        let refined = finalists.into_iter().map(|mut best| {
            let mut size = 0.1;
            for _ in 0..ROUNDS {
                let before = best.score;
                for _ in 0..TRIES {
                    let next = rate(self.near(&best.levels, size, stream));
                    if next.score > best.score {
                        best = next;
                    }
                }
                if best.score <= before {
                    size *= 0.4;
                }
                if size < SIZE_MIN {
                    break;
                }
            }
            best
        });
        let refined = refined.collect();
        best_first(refined)
            .into_iter()
            .find_map(|one| self.free(&one))
    }

    /// Returns the free point with the greatest score that was found, where a score of many points at once is cheaper
    /// than one by one; `None` when every candidate was taken.
    pub(crate) fn best_of_batches(
        &self,
        stream: &mut Stream,
        score: impl Fn(&[Levels]) -> Vec<f64>,
    ) -> Option<Levels> {
        let rate = |points: Vec<Levels>| -> Vec<Scored> {
            let points: Vec<Levels> = points
                .into_iter()
                .filter(|levels| !self.taken.contains(levels))
                .collect();
            let scores = score(&points);
            let both = points.into_iter().zip(scores);
            best_first(
                both.map(|(levels, score)| Scored { levels, score })
                    .collect(),
            )
        };
        if let Some(points) = all_points(self.codec, ENUMERATED_MAX) {
            return rate(points).into_iter().find_map(|one| self.free(&one));
        }
        let sobol = Sobol::new(self.codec.knobs(), stream.bits());
        let mut points: Vec<Levels> = (0..SPREAD)
            .map(|index| self.codec.point(&sobol.point(index)))
            .collect();
        for centre in self.centres.iter().take(CENTRES) {
            for _ in 0..AROUND {
                let size = 0.3 * (-4.0 * stream.unit()).exp();
                points.push(self.near(centre, size, stream));
            }
        }
        let mut best = rate(points);
        let mut size = 0.1;
        for _ in 0..BATCH_ROUNDS {
            best.truncate(REFINED);
            let around = best
                .iter()
                .flat_map(|one| std::iter::repeat_n(&one.levels, TRIES));
            let tries: Vec<Levels> = around
                .map(|levels| self.near(levels, size, stream))
                .collect();
            best = best_first(best.into_iter().chain(rate(tries)).collect());
            size *= 0.6;
        }
        best.into_iter().find_map(|one| self.free(&one))
    }

    /// Returns a point of the even spread, within the box where there is one.
    fn spread(&self, sobol: &Sobol, index: u32, stream: &mut Stream) -> Levels {
        let unit = sobol.point(index);
        match &self.region {
            Some(region) => self.codec.point(&region.within(&unit, stream)),
            None => self.codec.point(&unit),
        }
    }

    /// Returns the rounded point unless it is taken.
    fn free(&self, scored: &Scored) -> Option<Levels> {
        let levels = self.codec.tidy(&scored.levels);
        (scored.score > f64::NEG_INFINITY && !self.taken.contains(&levels)).then_some(levels)
    }

    /// Returns a point near another: some knobs moved by about `size`, choices drawn again.
    fn near(&self, centre: &[Option<f64>], size: f64, stream: &mut Stream) -> Levels {
        let mut unit = self.codec.unit(centre);
        let share = (3.0 / unit.len() as f64).clamp(0.1_f64.min(1.0), 1.0);
        let sure = stream.below(unit.len() as u64) as usize;
        for (index, value) in unit.iter_mut().enumerate() {
            if index != sure && stream.unit() >= share {
                continue;
            }
            *value = if self.codec.is_choice(index) {
                // A small step keeps most choices: one drawn again is a large step.
                if index == sure || stream.unit() < 0.3 {
                    stream.unit()
                } else {
                    *value
                }
            } else {
                let step = stream.normal() * size.max(self.codec.cell(index) * 0.7);
                (*value + step).clamp(0.0, 1.0)
            };
        }
        if let Some(region) = &self.region {
            region.clamp(&mut unit);
        }
        self.codec.point(&unit)
    }
}

fn best_first(mut scored: Vec<Scored>) -> Vec<Scored> {
    scored.sort_by(|a, b| b.score.total_cmp(&a.score));
    scored
}
