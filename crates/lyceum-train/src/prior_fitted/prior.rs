//! Functions that the lab makes up, to learn from.

use super::batch::DataSet;
use crate::random::Random;

/// Known points of a data set.
const KNOWN: (usize, usize) = (2, 60);
/// Questions of a data set.
const QUESTIONS: usize = 24;
/// Knobs of a function.
const KNOBS_MAX: usize = 8;
/// Answers further from the known values than this many of their standard deviations say nothing that can be learnt.
const ANSWER_MAX: f32 = 10.0;
/// Added to the diagonal of a covariance, so that it can be factored.
const JITTER: f64 = 1e-6;

/// A made-up data set and the noise-free answers to its questions.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What the network sees.
    pub set: DataSet,
    /// The value of the function at each question, in the same units.
    pub answers: Vec<f32>,
}

/// A knob of a made-up function.
enum Knob {
    /// A number, bent by Kumaraswamy's distribution function with these parameters.
    Float { bend: Option<(f64, f64)> },
    /// A whole number with this many values.
    Whole { values: usize },
    /// A choice with this many values, one-hot where there are more than two.
    Choice { values: usize },
}

/// How the covariance falls with the distance.
#[derive(Clone, Copy)]
enum Family {
    SquaredExponential,
    MaternFive,
    MaternThree,
}

/// Draws a data set: a function of one to eight knobs, some of them whole numbers, choices or without effect, from a
/// Gaussian process with its own length scales and smoothness; with or without a trend, bends and plateaus of the
/// values, and noise. Points are spread over the space or crowd around a place, as those of a search do.
pub fn sample(random: &mut Random) -> Sample {
    loop {
        let sample = draw(random);
        if sample
            .answers
            .iter()
            .all(|answer| answer.abs() <= ANSWER_MAX)
        {
            return sample;
        }
    }
}

fn draw(random: &mut Random) -> Sample {
    let knobs = draw_knobs(random);
    let known = KNOWN.0 + random.below(KNOWN.1 - KNOWN.0 + 1);
    let points = draw_points(&knobs, known + QUESTIONS, random);
    let features: Vec<Vec<f64>> = points.iter().map(|point| bent(&knobs, point)).collect();
    let scales = draw_scales(&knobs, random);
    let mut values = draw_process(&features, &scales, random);
    shape_values(&mut values, &points, random);
    let columns = encoded(&knobs, &points[0]).len();
    let spread = deviation(&values[..known]).1.max(1e-9);
    let noise = if random.uniform() < 0.4 {
        0.0
    } else {
        spread * between(random, 0.01_f64.ln(), 0.6_f64.ln()).exp()
    };
    let noisy: Vec<f64> = values[..known]
        .iter()
        .map(|value| value + noise * random.normal())
        .collect();
    let (mean, sd) = deviation(&noisy);
    let sd = if sd > 1e-9 { sd } else { 1.0 };
    let encode = |points: &[Vec<f64>]| {
        points
            .iter()
            .flat_map(|point| encoded(&knobs, point))
            .collect()
    };
    let scaled = |values: &[f64]| {
        values
            .iter()
            .map(|value| ((value - mean) / sd) as f32)
            .collect()
    };
    Sample {
        answers: scaled(&values[known..]),
        set: DataSet {
            columns,
            inputs: encode(&points[..known]),
            values: scaled(&noisy),
            noise: (random.uniform() < 0.6).then_some((noise / sd) as f32),
            questions: encode(&points[known..]),
        },
    }
}

fn between(random: &mut Random, low: f64, high: f64) -> f64 {
    low + (high - low) * random.uniform()
}

fn draw_knobs(random: &mut Random) -> Vec<Knob> {
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

/// Draws points as unit coordinates, one a knob.
fn draw_points(knobs: &[Knob], count: usize, random: &mut Random) -> Vec<Vec<f64>> {
    let centre: Vec<f64> = knobs.iter().map(|_| random.uniform()).collect();
    let crowd = if random.uniform() < 0.5 {
        between(random, 0.2, 0.8)
    } else {
        0.0
    };
    let size = between(random, 0.02_f64.ln(), 0.4_f64.ln()).exp();
    (0..count)
        .map(|_| {
            let near = random.uniform() < crowd;
            let both = knobs.iter().zip(&centre);
            both.map(|(knob, centre)| {
                let mut unit = random.uniform();
                if near {
                    let moved = centre + size * random.normal();
                    unit = if matches!(knob, Knob::Choice { .. }) {
                        *centre
                    } else {
                        moved.clamp(0.0, 1.0)
                    };
                }
                match knob {
                    Knob::Float { .. } => unit,
                    Knob::Whole { values } | Knob::Choice { values } => {
                        let count = *values as f64;
                        ((unit * count).floor().min(count - 1.0) + 0.5) / count
                    }
                }
            })
            .collect()
        })
        .collect()
}

/// Returns the coordinates in which the function is stationary.
fn bent(knobs: &[Knob], point: &[f64]) -> Vec<f64> {
    let both = knobs.iter().zip(point);
    both.map(|(knob, unit)| match knob {
        Knob::Float { bend: Some((a, b)) } => 1.0 - (1.0 - unit.powf(*a)).powf(*b),
        _ => *unit,
    })
    .collect()
}

/// Returns what the network sees of a point: numbers as they are, choices of more than two one-hot.
fn encoded(knobs: &[Knob], point: &[f64]) -> Vec<f32> {
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

/// Draws a length scale for each knob; infinite where it has no effect. The second number tells a choice.
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

/// Draws the values of a Gaussian process at these points.
fn draw_process(features: &[Vec<f64>], scales: &[(f64, bool)], random: &mut Random) -> Vec<f64> {
    let families = [
        Family::SquaredExponential,
        Family::MaternFive,
        Family::MaternThree,
    ];
    let family = families[random.below(families.len())];
    let count = features.len();
    let mut lower = vec![0.0; count * count];
    for i in 0..count {
        for j in 0..=i {
            lower[i * count + j] = covariance(family, scales, &features[i], &features[j]);
        }
        lower[i * count + i] += JITTER;
    }
    cholesky(&mut lower, count);
    let normal: Vec<f64> = (0..count).map(|_| random.normal()).collect();
    (0..count)
        .map(|i| (0..=i).map(|j| lower[i * count + j] * normal[j]).sum())
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

/// Replaces a lower triangle, row after row, by its Cholesky factor; a pivot that rounding made negative becomes tiny.
fn cholesky(lower: &mut [f64], size: usize) {
    for i in 0..size {
        for j in 0..=i {
            let dot: f64 = (0..j)
                .map(|k| lower[i * size + k] * lower[j * size + k])
                .sum();
            let rest = lower[i * size + j] - dot;
            lower[i * size + j] = if i == j {
                rest.max(JITTER * 0.1).sqrt()
            } else {
                rest / lower[j * size + j]
            };
        }
    }
}

/// Adds a bowl around a place, and bends the values: skew, plateaus.
fn shape_values(values: &mut [f64], points: &[Vec<f64>], random: &mut Random) {
    if random.uniform() < 0.5 {
        let strength = between(random, 0.3_f64.ln(), 6.0_f64.ln()).exp();
        let centre: Vec<f64> = points[0]
            .iter()
            .map(|_| between(random, 0.1, 0.9))
            .collect();
        let weights: Vec<f64> = centre.iter().map(|_| random.uniform()).collect();
        for (value, point) in values.iter_mut().zip(points) {
            let squares = point.iter().zip(&centre).zip(&weights);
            *value += strength
                * squares
                    .map(|((x, c), w)| w * (x - c) * (x - c))
                    .sum::<f64>();
        }
    }
    let (mean, sd) = deviation(values);
    let sd = sd.max(1e-9);
    let kind = random.uniform();
    if kind < 0.2 {
        let skew = between(random, 0.2, 1.0);
        for value in values.iter_mut() {
            *value = (skew * (*value - mean) / sd).clamp(-6.0, 6.0).exp();
        }
    } else if kind < 0.3 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let flat = sorted[(between(random, 0.5, 0.9) * (sorted.len() - 1) as f64) as usize];
        for value in values.iter_mut() {
            *value = value.min(flat);
        }
    }
}

/// Returns mean and standard deviation.
fn deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values
        .iter()
        .map(|value| (value - mean) * (value - mean))
        .sum();
    (mean, (squares / count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_data_sets() {
        let mut random = Random::new(1);
        let mut columns = Vec::new();
        for _ in 0..200 {
            let Sample { set, answers } = sample(&mut random);
            assert_eq!(set.inputs.len(), set.columns * set.values.len());
            assert_eq!(set.questions.len(), set.columns * answers.len());
            let inside = |numbers: &[f32]| numbers.iter().all(|x| (0.0..=1.0).contains(x));
            assert!(inside(&set.inputs) && inside(&set.questions));
            assert!(
                set.values
                    .iter()
                    .chain(&answers)
                    .all(|value| value.is_finite())
            );
            let count = set.values.len() as f32;
            let mean = set.values.iter().sum::<f32>() / count;
            assert!(mean.abs() < 1e-3, "{mean}");
            columns.push(set.columns);
        }
        assert!(columns.iter().min() == Some(&1) && columns.iter().max() > Some(&8));
    }

    #[test]
    fn a_seed_names_a_sample() {
        assert_eq!(sample(&mut Random::new(7)), sample(&mut Random::new(7)));
        assert_ne!(sample(&mut Random::new(7)), sample(&mut Random::new(8)));
    }

    #[test]
    fn near_points_have_near_values() {
        let mut random = Random::new(3);
        let features: Vec<Vec<f64>> = (0..60).map(|i| vec![f64::from(i) / 59.0]).collect();
        let values = draw_process(&features, &[(0.3, false)], &mut random);
        let step = values
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f64::max);
        let (_, sd) = deviation(&values);
        assert!(step < 0.5 && sd > 0.1, "{step} {sd}");
    }
}
