//! Data sets that the lab makes up, to learn from.

use super::batch::DataSet;
use super::function::{Function, Knob, between, draw_knobs, encoded};
use super::places::{Look, Places};
use crate::random::Random;

/// Version of what is drawn: another one is another lesson, and a seed names another data set.
pub const PRIOR_VERSION: u32 = 2;

/// Known points of a data set.
const KNOWN: (usize, usize) = (2, 60);
/// Questions of a data set.
const QUESTIONS: usize = 24;
/// Answers further from the known values than this many of their standard deviations say nothing that can be learnt.
const ANSWER_MAX: f32 = 10.0;

/// A made-up data set and the noise-free answers to its questions.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What the network sees.
    pub set: DataSet,
    /// The value of the function at each question, in the same units.
    pub answers: Vec<f32>,
}

/// Draws a data set: a function of one to eight knobs, some of them whole numbers, choices or without effect, from a
/// Gaussian process with its own length scales and smoothness; with or without a bowl, bent values, plateaus and noise.
/// Points are spread over the space, crowd around a place, or follow the low values as those of a search do.
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
    let count = KNOWN.0 + random.below(KNOWN.1 - KNOWN.0 + 1);
    let mut function = Function::draw(&knobs, random);
    let mut places = Places::draw(&knobs, random);
    let mut known: Vec<Look> = Vec::with_capacity(count);
    for _ in 0..count {
        let point = places.next(&knobs, &known, random);
        let value = function.value(&point, random);
        known.push((point, value));
    }
    places = places.of_questions();
    let mut asked: Vec<Look> = Vec::with_capacity(QUESTIONS);
    for _ in 0..QUESTIONS {
        let point = places.next(&knobs, &known, random);
        let value = function.value(&point, random);
        asked.push((point, value));
    }
    let both = known.iter().chain(&asked);
    let mut values: Vec<f64> = both.map(|(_, value)| *value).collect();
    bend_values(&mut values, random);
    seen(&knobs, (&known, &asked), &values, random)
}

/// Adds noise to the known values, and shows everything as a researcher shows it.
fn seen(
    knobs: &[Knob],
    (known, asked): (&[Look], &[Look]),
    values: &[f64],
    random: &mut Random,
) -> Sample {
    let (values, answers) = values.split_at(known.len());
    let noise = if random.uniform() < 0.4 {
        0.0
    } else {
        let spread = deviation(values).1.max(1e-9);
        spread * between(random, 0.01_f64.ln(), 0.6_f64.ln()).exp()
    };
    let told = random.uniform() < 0.6;
    let noisy: Vec<f64> = values
        .iter()
        .map(|value| value + noise * random.normal())
        .collect();
    let scale = Scale::new(&noisy, if told { noise } else { 0.0 });
    let scaled = |values: &[f64]| values.iter().map(|value| scale.of(*value)).collect();
    let encode = |points: &[Look]| -> Vec<f32> {
        let rows = points.iter().flat_map(|(point, _)| encoded(knobs, point));
        rows.collect()
    };
    let inputs = encode(known);
    Sample {
        answers: scaled(answers),
        set: DataSet {
            columns: inputs.len() / known.len(),
            inputs,
            values: scaled(&noisy),
            noise: told.then_some((noise * scale.unit()) as f32),
            questions: encode(asked),
        },
    }
}

/// Bends the values, in a rising way: skew, plateaus.
fn bend_values(values: &mut [f64], random: &mut Random) {
    let (mean, sd) = deviation(values);
    let sd = sd.max(1e-9);
    let kind = random.uniform();
    if kind < 0.2 {
        let skew = between(random, 0.2, 1.0);
        for value in values.iter_mut() {
            *value = (skew * (*value - mean) / sd).clamp(-6.0, 6.0).exp();
        }
    } else if kind < 0.3 {
        let flat = quantile(&sorted(values), between(random, 0.5, 0.9));
        for value in values.iter_mut() {
            *value = value.min(flat);
        }
    }
}

/// Values as a researcher shows them: linear up to the median and the spread of the better half above it, logarithmic
/// beyond, of mean 0 and variance 1.
struct Scale {
    median: f64,
    spread: f64,
    mean: f64,
    sd: f64,
}

impl Scale {
    /// Returns the scale of these known values, with noise of this size where it is told.
    fn new(values: &[f64], noise: f64) -> Self {
        let sorted = sorted(values);
        let median = quantile(&sorted, 0.5);
        let better = [median - quantile(&sorted, 0.1), median - sorted[0]];
        let range = sorted[sorted.len() - 1] - sorted[0];
        let found = better.into_iter().chain([range]).find(|one| *one > 1e-9);
        let mut scale = Self {
            median,
            spread: found.unwrap_or(1.0).max(noise),
            mean: 0.0,
            sd: 1.0,
        };
        let bent: Vec<f64> = values.iter().map(|value| scale.bend(*value)).collect();
        let (mean, sd) = deviation(&bent);
        scale.mean = mean;
        scale.sd = sd.max(noise / scale.spread);
        if scale.sd < 1e-9 {
            scale.sd = 1.0;
        }
        scale
    }

    fn bend(&self, value: f64) -> f64 {
        let t = (value - self.median) / self.spread;
        if t <= 1.0 { t } else { 1.0 + t.ln() }
    }

    fn of(&self, value: f64) -> f32 {
        ((self.bend(value) - self.mean) / self.sd) as f32
    }

    /// Returns what one unit of the values is on the linear part.
    fn unit(&self) -> f64 {
        1.0 / (self.spread * self.sd)
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Returns a quantile of sorted values by linear interpolation.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
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
    fn the_scale_tames_what_is_bad_and_rises() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 1e6];
        let scale = Scale::new(&values, 0.0);
        let shown: Vec<f32> = values.iter().map(|value| scale.of(*value)).collect();
        assert!(shown.windows(2).all(|pair| pair[0] < pair[1]), "{shown:?}");
        let (mean, sd) = deviation(&shown.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
        assert!(mean.abs() < 1e-6 && (sd - 1.0).abs() < 1e-6, "{shown:?}");
        assert!(shown[5] < 3.0, "{shown:?}");
        assert_eq!(
            Scale::new(&[2.0; 4], 0.0).of(2.0).to_bits(),
            0.0_f32.to_bits()
        );
    }
}
