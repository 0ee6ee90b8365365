//! A made-up function of knobs, and its values one after the other.

use super::places::Point;
use crate::random::Random;

/// Knobs of a function.
const KNOBS_MAX: usize = 8;
/// Added to the diagonal of a covariance, so that it can be factored.
const JITTER: f64 = 1e-6;

/// A knob of a made-up function.
pub(super) enum Knob {
    /// A number, bent by Kumaraswamy's distribution function with these parameters.
    Float { bend: Option<(f64, f64)> },
    /// A whole number with this many values.
    Whole { values: usize },
    /// A choice with this many values, one-hot where there are more than two.
    Choice { values: usize },
}

impl Knob {
    /// Returns the coordinate nearest to `unit` that this knob can have.
    pub(super) fn coordinate(&self, unit: f64) -> f64 {
        match self {
            Knob::Float { .. } => unit,
            Knob::Whole { values } | Knob::Choice { values } => {
                let count = *values as f64;
                ((unit * count).floor().min(count - 1.0) + 0.5) / count
            }
        }
    }
}

/// Draws one to eight knobs; in half of the functions some are whole numbers and choices.
pub(super) fn draw_knobs(random: &mut Random) -> Vec<Knob> {
    let count = 1 + random.below(KNOBS_MAX);
    let mixed = random.uniform() < 0.5;
    (0..count)
        .map(|_| {
            let kind = random.uniform();
            if mixed && kind < 0.2 {
                Knob::Choice {
                    values: 2 + random.below(3),
                }
            } else if mixed && kind < 0.4 {
                Knob::Whole {
                    values: 2 + random.below(11),
                }
            } else {
                let bend = (random.uniform() < 0.3).then(|| {
                    let each = |random: &mut Random| (0.5 * random.normal()).exp();
                    (each(random), each(random))
                });
                Knob::Float { bend }
            }
        })
        .collect()
}

/// Returns what the network sees of a point: numbers as they are, choices of more than two one-hot.
pub(super) fn encoded(knobs: &[Knob], point: &[f64]) -> Vec<f32> {
    let mut out = Vec::new();
    for (knob, unit) in knobs.iter().zip(point) {
        match knob {
            Knob::Choice { values } if *values > 2 => {
                let chosen = (unit * *values as f64) as usize;
                out.extend((0..*values).map(|index| f32::from(index == chosen)));
            }
            Knob::Choice { .. } => out.push(f32::from(*unit > 0.5)),
            _ => out.push(*unit as f32),
        }
    }
    out
}

/// How the covariance falls with the distance.
#[derive(Clone, Copy)]
enum Family {
    SquaredExponential,
    MaternFive,
    MaternThree,
}

/// A bowl around a place: strength, and a weight and the bottom for each knob.
struct Bowl {
    strength: f64,
    weights: Vec<f64>,
    bottom: Point,
}

/// A draw from a Gaussian process with a length scale for each knob, with or without a bowl.
///
/// It is drawn as far as it was looked at: a value follows from all values before it, and so may the place that is looked
/// at next.
pub(super) struct Function<'k> {
    knobs: &'k [Knob],
    family: Family,
    /// Length scale of each knob, infinite where it has no effect, and whether it is a choice.
    scales: Vec<(f64, bool)>,
    bowl: Option<Bowl>,
    /// Where it was looked at, in the coordinates in which it is stationary.
    places: Vec<Point>,
    /// Rows of the covariance's Cholesky factor, and the normal variables that it turns into values.
    factor: Vec<Vec<f64>>,
    normal: Vec<f64>,
}

impl<'k> Function<'k> {
    /// Draws a function of these knobs.
    pub(super) fn draw(knobs: &'k [Knob], random: &mut Random) -> Self {
        let families = [
            Family::SquaredExponential,
            Family::MaternFive,
            Family::MaternThree,
        ];
        Self {
            knobs,
            family: families[random.below(families.len())],
            scales: draw_scales(knobs, random),
            bowl: (random.uniform() < 0.5).then(|| Bowl {
                strength: between(random, 0.3_f64.ln(), 6.0_f64.ln()).exp(),
                bottom: knobs.iter().map(|_| between(random, 0.1, 0.9)).collect(),
                weights: knobs.iter().map(|_| random.uniform()).collect(),
            }),
            places: Vec::new(),
            factor: Vec::new(),
            normal: Vec::new(),
        }
    }

    /// Returns the value at a point.
    pub(super) fn value(&mut self, point: &[f64], random: &mut Random) -> f64 {
        let place = bent(self.knobs, point);
        let mut row = Vec::with_capacity(self.places.len() + 1);
        for (other, factor) in self.places.iter().zip(&self.factor) {
            let dot: f64 = row
                .iter()
                .zip(factor)
                .map(|(a, b): (&f64, &f64)| a * b)
                .sum();
            let covariance = covariance(self.family, &self.scales, &place, other);
            row.push((covariance - dot) / factor[row.len()]);
        }
        let squares: f64 = row.iter().map(|a| a * a).sum();
        // A pivot that rounding made negative becomes tiny.
        row.push((1.0 + JITTER - squares).max(JITTER * 0.1).sqrt());
        self.normal.push(random.normal());
        let value: f64 = row.iter().zip(&self.normal).map(|(a, b)| a * b).sum();
        self.places.push(place);
        self.factor.push(row);
        value + self.bowl.as_ref().map_or(0.0, |bowl| bowl.height(point))
    }
}

impl Bowl {
    fn height(&self, point: &[f64]) -> f64 {
        let squares = point.iter().zip(&self.bottom).zip(&self.weights);
        let sum: f64 = squares.map(|((x, c), w)| w * (x - c) * (x - c)).sum();
        self.strength * sum
    }
}

/// Returns a number drawn evenly between two.
pub(super) fn between(random: &mut Random, low: f64, high: f64) -> f64 {
    low + (high - low) * random.uniform()
}

/// Returns the coordinates in which the function is stationary.
fn bent(knobs: &[Knob], point: &[f64]) -> Point {
    let both = knobs.iter().zip(point);
    both.map(|(knob, unit)| match knob {
        Knob::Float { bend: Some((a, b)) } => 1.0 - (1.0 - unit.powf(*a)).powf(*b),
        _ => *unit,
    })
    .collect()
}

fn draw_scales(knobs: &[Knob], random: &mut Random) -> Vec<(f64, bool)> {
    let usual = 0.35 * (knobs.len() as f64).sqrt();
    let idle = if random.uniform() < 0.5 { 0.3 } else { 0.0 };
    knobs
        .iter()
        .map(|knob| {
            let length = usual * (0.7 * random.normal()).exp();
            let length = if random.uniform() < idle {
                f64::INFINITY
            } else {
                length
            };
            (length, matches!(knob, Knob::Choice { .. }))
        })
        .collect()
}

#[expect(
    clippy::float_cmp,
    reason = "values of a choice are the same number or another"
)]
fn covariance(family: Family, scales: &[(f64, bool)], a: &[f64], b: &[f64]) -> f64 {
    let squares = scales
        .iter()
        .zip(a.iter().zip(b))
        .map(|((length, is_choice), (a, b))| {
            // Values of a choice are all equally far apart.
            let apart = if *is_choice { f64::from(a != b) } else { a - b };
            (apart / length).powi(2)
        });
    let r = squares.sum::<f64>().sqrt();
    match family {
        Family::SquaredExponential => (-0.5 * r * r).exp(),
        Family::MaternFive => {
            let s = 5.0_f64.sqrt() * r;
            (1.0 + s + s * s / 3.0) * (-s).exp()
        }
        Family::MaternThree => {
            let s = 3.0_f64.sqrt() * r;
            (1.0 + s) * (-s).exp()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_points_have_near_values() {
        let knobs = [Knob::Float { bend: None }];
        let (mut steps, mut spreads) = (0.0_f64, 0.0_f64);
        for seed in 0..20 {
            let mut random = Random::new(seed);
            let mut function = Function::draw(&knobs, &mut random);
            function.scales = vec![(0.3, false)];
            function.bowl = None;
            let values: Vec<f64> = (0..60)
                .map(|i| function.value(&[f64::from(i) / 59.0], &mut random))
                .collect();
            let apart = |pair: &[f64]| (pair[1] - pair[0]).abs();
            steps = values.windows(2).map(apart).fold(steps, f64::max);
            spreads += values.iter().map(|value| value * value).sum::<f64>() / 60.0;
        }
        // Unit variance, and steps of a sixtieth of the range that are far below it.
        assert!(steps < 0.7, "{steps}");
        assert!((spreads / 20.0 - 1.0).abs() < 0.5, "{}", spreads / 20.0);
    }

    #[test]
    fn a_point_asked_again_has_the_same_value() {
        let knobs = [Knob::Float { bend: None }, Knob::Choice { values: 3 }];
        let mut random = Random::new(4);
        let mut function = Function::draw(&knobs, &mut random);
        let first = function.value(&[0.3, 0.5], &mut random);
        let other = function.value(&[0.9, 1.0 / 6.0], &mut random);
        let again = function.value(&[0.3, 0.5], &mut random);
        assert!((first - again).abs() < 0.02, "{first} {again}");
        assert!((first - other).abs() > 0.05, "{first} {other}");
    }
}
