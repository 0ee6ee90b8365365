//! Densities over a mixed space: one kernel a point, and a wide one for what nobody knows.

use crate::{
    believed::Believed,
    codec::{Codec, Levels},
    normal::cumulative,
    stream::Stream,
};

/// Width of a kernel in unit coordinates for one point in no dimension (Optuna's magnitude for joint kernels).
const WIDTH: f64 = 0.2;
/// Width of the kernel that stands for no knowledge, at the middle of the space.
const WIDTH_UNKNOWN: f64 = 1.0;
/// Least width: that of a hundred kernels side by side.
const WIDTH_MIN: f64 = 0.01;
/// Draws from a normal distribution before the nearest bound is taken.
const DRAWS: usize = 32;

/// A mixture of equal weights over the points, and one kernel for what is believed beforehand: nothing, or what earlier
/// studies say.
///
/// Numbers have normal kernels cut off at the bounds of the space, whole numbers the mass of their cell, choices keep
/// their value but for a share (Aitchison and Aitken, 1976). A knob that is off says nothing.
pub(crate) struct Density<'a> {
    codec: &'a Codec<'a>,
    points: Vec<(Vec<f64>, &'a Levels)>,
    width: f64,
    prior: Option<&'a Believed<'a>>,
}

impl<'a> Density<'a> {
    pub(crate) fn new(codec: &'a Codec<'a>, points: &[&'a Levels]) -> Density<'a> {
        let count = points.len().max(1) as f64;
        // Scott's rule for a joint density.
        let scott = WIDTH * count.powf(-1.0 / (codec.knobs() as f64 + 4.0));
        Density {
            codec,
            points: points
                .iter()
                .map(|point| (codec.unit(point), *point))
                .collect(),
            width: scott.max(WIDTH_MIN),
            prior: None,
        }
    }

    /// Returns the density with what earlier studies say in place of knowing nothing.
    pub(crate) fn with(self, prior: Option<&'a Believed<'a>>) -> Density<'a> {
        Density { prior, ..self }
    }

    /// Returns the logarithm of the density at a point, up to a constant that is the same for all densities here.
    pub(crate) fn log(&self, point: &[Option<f64>]) -> f64 {
        let unit = self.codec.unit(point);
        let mut logs: Vec<f64> = self
            .points
            .iter()
            .map(|(centre, levels)| self.log_kernel(&unit, point, centre, levels))
            .collect();
        logs.push(self.log_unknown(&unit, point));
        let greatest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logs.iter().map(|log| (log - greatest).exp()).sum();
        greatest + sum.ln() - (logs.len() as f64).ln()
    }

    /// Draws a point.
    pub(crate) fn draw(&self, stream: &mut Stream) -> Levels {
        let chosen = self
            .points
            .get(stream.below(self.points.len() as u64 + 1) as usize);
        let unit: Vec<f64> = (0..self.codec.knobs())
            .map(|column| {
                let own = chosen.filter(|(_, levels)| levels[column].is_some());
                match own {
                    Some((centre, _)) if self.codec.is_choice(column) => {
                        let keep = stream.unit() >= self.share();
                        let other = stream.unit();
                        if keep { centre[column] } else { other }
                    }
                    Some((centre, _)) => normal_within(centre[column], self.width, stream),
                    None => self.draw_unknown(column, stream),
                }
            })
            .collect();
        self.codec.point(&unit)
    }

    fn draw_unknown(&self, column: usize, stream: &mut Stream) -> f64 {
        match self.prior {
            Some(prior) if prior.says(column) => prior.quantile(column, stream.unit()),
            Some(_) | None if self.codec.is_choice(column) => stream.unit(),
            Some(_) | None => normal_within(0.5, WIDTH_UNKNOWN, stream),
        }
    }

    /// Returns the share of a choice's kernel that is spread over all values.
    fn share(&self) -> f64 {
        1.0 / (1.0 + self.points.len() as f64).sqrt()
    }

    fn log_kernel(
        &self,
        unit: &[f64],
        point: &[Option<f64>],
        centre: &[f64],
        levels: &[Option<f64>],
    ) -> f64 {
        let columns = 0..self.codec.knobs();
        columns
            .filter(|column| point[*column].is_some())
            .map(|column| {
                if levels[column].is_none() {
                    return self.log_uninformed(column, unit[column]);
                }
                if self.codec.is_choice(column) {
                    let same = f64::from(levels[column] == point[column]);
                    let share = self.share();
                    return ((1.0 - share) * same + share * self.codec.cell(column)).ln();
                }
                let cell = self.codec.cell(column);
                log_normal_within(unit[column], cell, centre[column], self.width)
            })
            .sum()
    }

    fn log_unknown(&self, unit: &[f64], point: &[Option<f64>]) -> f64 {
        let columns = 0..self.codec.knobs();
        columns
            .filter(|column| point[*column].is_some())
            .map(|column| self.log_uninformed(column, unit[column]))
            .sum()
    }

    fn log_uninformed(&self, column: usize, unit: f64) -> f64 {
        if let Some(log) = self.prior.and_then(|prior| prior.log(column, unit)) {
            return log;
        }
        let cell = self.codec.cell(column);
        if self.codec.is_choice(column) {
            cell.ln()
        } else {
            log_normal_within(unit, cell, 0.5, WIDTH_UNKNOWN)
        }
    }
}

/// Draws from a normal distribution that is cut off at 0 and 1.
fn normal_within(mean: f64, sd: f64, stream: &mut Stream) -> f64 {
    for _ in 0..DRAWS {
        let drawn = mean + sd * stream.normal();
        if (0.0..=1.0).contains(&drawn) {
            return drawn;
        }
    }
    mean.clamp(0.0, 1.0)
}

/// Returns the logarithm of the density, or of the mass of a cell of this width, under a normal distribution that is cut
/// off at 0 and 1.
fn log_normal_within(x: f64, cell: f64, mean: f64, sd: f64) -> f64 {
    let inside = cumulative((1.0 - mean) / sd) - cumulative(-mean / sd);
    let z = (x - mean) / sd;
    let log = if cell > 0.0 {
        let mass = cumulative(z + cell / (2.0 * sd)) - cumulative(z - cell / (2.0 * sd));
        // Beyond some eight widths the difference of two ones is 0: the density stands in for it.
        if mass > 0.0 {
            mass.ln()
        } else {
            log_density(z, sd) + cell.ln()
        }
    } else {
        log_density(z, sd)
    };
    log - inside.ln()
}

fn log_density(z: f64, sd: f64) -> f64 {
    -0.5 * z * z - (sd * std::f64::consts::TAU.sqrt()).ln()
}

#[cfg(test)]
mod tests {
    use lyceum_types::{Knob, KnobKind, Scale, Setting, Space};

    use super::*;
    use lyceum_types::Seed;

    fn space() -> Space {
        let knob = |name: &str, kind| Knob {
            name: name.to_owned(),
            kind,
            condition: None,
        };
        let scale = Scale::Linear;
        let choices = ["a", "b", "c"].map(|text| Setting::Text(text.to_owned()));
        Space::new(vec![
            knob(
                "x",
                KnobKind::Float {
                    low: 0.0,
                    high: 1.0,
                    scale,
                },
            ),
            knob(
                "n",
                KnobKind::Integer {
                    low: 0,
                    high: 4,
                    scale,
                },
            ),
            knob(
                "c",
                KnobKind::Categorical {
                    choices: choices.to_vec(),
                },
            ),
        ])
        .unwrap()
    }

    #[test]
    fn a_density_adds_up_to_one() {
        let space = space();
        let codec = Codec::new(&space);
        let points = [
            vec![Some(0.02), Some(0.0), Some(2.0)],
            vec![Some(0.7), Some(3.0), Some(0.0)],
        ];
        let density = Density::new(&codec, &points.iter().collect::<Vec<_>>());
        let steps = 400;
        let mut sum = 0.0;
        for x in 0..steps {
            for n in 0..5 {
                for c in 0..3 {
                    let x = (f64::from(x) + 0.5) / f64::from(steps);
                    let point = vec![Some(x), Some(f64::from(n)), Some(f64::from(c))];
                    sum += density.log(&point).exp() / f64::from(steps);
                }
            }
        }
        assert!((sum - 1.0).abs() < 1e-3, "{sum}");
    }

    #[test]
    fn draws_follow_the_density() {
        let space = space();
        let codec = Codec::new(&space);
        let points: Vec<Levels> = vec![vec![Some(0.1), Some(4.0), Some(1.0)]; 9];
        let density = Density::new(&codec, &points.iter().collect::<Vec<_>>());
        let mut stream = Stream::new(Seed(5));
        let drawn: Vec<Levels> = (0..4000).map(|_| density.draw(&mut stream)).collect();
        let share = |keep: &dyn Fn(&Levels) -> bool| {
            drawn.iter().filter(|one| keep(one)).count() as f64 / 4000.0
        };
        let mut expected = [0.0; 3];
        for (c, sum) in expected.iter_mut().enumerate() {
            for n in 0..5 {
                for x in 0..200 {
                    let x = (f64::from(x) + 0.5) / 200.0;
                    let point = vec![Some(x), Some(f64::from(n)), Some(c as f64)];
                    *sum += density.log(&point).exp() / 200.0;
                }
            }
        }
        for (c, expected) in expected.into_iter().enumerate() {
            let found = share(&|one| one[2] == Some(c as f64));
            // Four standard errors of 4,000 draws.
            assert!((found - expected).abs() < 0.032, "{c}: {found} {expected}");
        }
        assert!(share(&|one| one[0].is_some_and(|x| x < 0.5)) > 0.85);
    }
}
