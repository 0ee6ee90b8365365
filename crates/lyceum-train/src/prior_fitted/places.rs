//! Where a made-up function is looked at: as a search looks, or not.

use super::function::{Knob, between};
use crate::random::Random;

/// A point as unit coordinates, one a knob.
pub(super) type Point = Vec<f64>;

/// A point that was looked at, and the value there.
pub(super) type Look = (Point, f64);

/// Points among which the place of a next look is the best.
const RIVALS: usize = 3;

/// How points are chosen.
pub(super) enum Places {
    /// All over the space.
    Anywhere,
    /// A share crowds around one place, wherever that is.
    Crowd {
        centre: Point,
        size: f64,
        share: f64,
    },
    /// A share lies near points whose values are low, as the proposals of a search do.
    Search { share: f64 },
}

impl Places {
    /// Draws how the known points of a data set are chosen.
    pub(super) fn draw(knobs: &[Knob], random: &mut Random) -> Self {
        let kind = random.uniform();
        if kind < 0.25 {
            Places::Anywhere
        } else if kind < 0.5 {
            Places::Crowd {
                centre: knobs.iter().map(|_| random.uniform()).collect(),
                size: between(random, 0.02_f64.ln(), 0.4_f64.ln()).exp(),
                share: between(random, 0.2, 0.8),
            }
        } else {
            Places::Search {
                share: between(random, 0.2, 0.8),
            }
        }
    }

    /// Returns how the questions are chosen: a researcher asks all over the space and around what is good.
    pub(super) fn of_questions(self) -> Self {
        match self {
            crowd @ Places::Crowd { .. } => crowd,
            Places::Anywhere | Places::Search { .. } => Places::Search { share: 0.5 },
        }
    }

    /// Draws the next point, given the known ones with their values.
    pub(super) fn next(&self, knobs: &[Knob], known: &[Look], random: &mut Random) -> Point {
        match self {
            Places::Crowd {
                centre,
                size,
                share,
            } if random.uniform() < *share => {
                let both = knobs.iter().zip(centre);
                both.map(|(knob, centre)| {
                    let moved = match knob {
                        Knob::Choice { .. } => *centre,
                        _ => (centre + size * random.normal()).clamp(0.0, 1.0),
                    };
                    knob.coordinate(moved)
                })
                .collect()
            }
            Places::Search { share } if random.uniform() < *share && !known.is_empty() => {
                let centre = good(known, random).clone();
                near(knobs, centre, random)
            }
            _ => knobs
                .iter()
                .map(|knob| knob.coordinate(random.uniform()))
                .collect(),
        }
    }
}

/// Returns the best point in half of the cases, else the best of a few.
fn good<'p>(known: &'p [Look], random: &mut Random) -> &'p Point {
    let best = |one: &'p Look, other: &'p Look| {
        if other.1 < one.1 { other } else { one }
    };
    let mut chosen = &known[random.below(known.len())];
    if random.uniform() < 0.5 {
        chosen = known.iter().fold(chosen, best);
    } else {
        for _ in 1..RIVALS {
            chosen = best(chosen, &known[random.below(known.len())]);
        }
    }
    &chosen.0
}

/// Returns a point near another: some knobs moved by a size between half a per cent and a third of the range.
fn near(knobs: &[Knob], mut point: Point, random: &mut Random) -> Point {
    let size = 0.3 * (-4.0 * random.uniform()).exp();
    let share = (3.0 / knobs.len() as f64).min(1.0);
    let sure = random.below(knobs.len());
    for (index, (knob, unit)) in knobs.iter().zip(&mut point).enumerate() {
        if index != sure && random.uniform() >= share {
            continue;
        }
        let moved = match knob {
            Knob::Choice { .. } if index == sure || random.uniform() < 0.3 => random.uniform(),
            Knob::Choice { .. } => *unit,
            Knob::Whole { values } => {
                *unit + random.normal() * f64::max(size, 0.7 / *values as f64)
            }
            Knob::Float { .. } => *unit + random.normal() * size,
        };
        *unit = knob.coordinate(moved.clamp(0.0, 1.0));
    }
    point
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_gathers_where_values_are_low() {
        let knobs = [Knob::Float { bend: None }, Knob::Float { bend: None }];
        let mut random = Random::new(1);
        let known: Vec<Look> = (0..20)
            .map(|_| vec![random.uniform(), random.uniform()])
            .map(|point| (point.clone(), (point[0] - 0.2).abs() + point[1]))
            .collect();
        let mut mean = |places: Places| {
            let points = (0..200).map(|_| places.next(&knobs, &known, &mut random));
            points
                .map(|point| (point[0] - 0.2).abs() + point[1])
                .sum::<f64>()
                / 200.0
        };
        let (search, anywhere) = (mean(Places::Search { share: 0.8 }), mean(Places::Anywhere));
        assert!(search < 0.7 * anywhere, "{search} {anywhere}");
    }
}
