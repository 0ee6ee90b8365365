//! What earlier studies say of good values, as a density over the space.
//!
//! Two samplers take it. For `tpe` it is the prior component of the density of good settings, which the estimator of
//! Bergstra et al. (2011) has from the beginning: here it stands where good values lay in place of everywhere. It weighs as
//! much as one good experiment, so that it is outvoted as they come in. For `gp` the acquisition is multiplied by the
//! density to the power β/n after n experiments (`πBO`, Hvarfner et al. 2022), which forgets it. Both draw the beginning of
//! a study from it, as Souza et al. (2021) do.
//!
//! Each knob has a density of its own, and a part of it is even over the whole knob: no value is ruled out.

use lyceum_types::{GoodValues, KnobPrior};

use crate::{codec::Codec, normal::cumulative, researcher::Ask};

/// The even part of a knob's density.
const EVEN: f64 = 0.2;
/// A knob that explained less of the differences than this has an even density: where its good values lay is chance.
const EXPLAINS_MIN: f64 = 0.05;
/// Least standard deviation of a knob's density, in unit coordinates: studies differ.
const SD_MIN: f64 = 0.05;
/// Greatest: as good as even, and far from where differences of the distribution function are lost in rounding.
const SD_MAX: f64 = 2.0;
/// Halvings in the search for a quantile.
const HALVINGS: u32 = 50;
/// Experiments, as a share of the budget, after which the density counts once: `πBO`'s β.
const BETA_SHARE: f64 = 0.1;

/// A density over the space, knob by knob.
pub(crate) struct Believed<'a> {
    codec: &'a Codec<'a>,
    columns: Vec<Option<Belief>>,
}

/// The density of one knob, without its even part.
enum Belief {
    Normal { mean: f64, sd: f64 },
    Shares(Vec<f64>),
}

impl<'a> Believed<'a> {
    /// Returns what earlier studies say of this space; `None` where that is nothing.
    pub(crate) fn of(codec: &'a Codec<'a>, ask: &Ask<'_>) -> Option<Believed<'a>> {
        let knobs = codec.space().knobs().iter().enumerate();
        let columns: Vec<Option<Belief>> = knobs
            .map(|(column, knob)| {
                let told = ask.priors.iter().find(|one| one.knob == knob.name)?;
                Belief::of(codec, column, told)
            })
            .collect();
        let says = columns.iter().any(Option::is_some);
        says.then_some(Believed { codec, columns })
    }

    /// Tells whether a knob's density is not even.
    pub(crate) fn says(&self, column: usize) -> bool {
        self.columns[column].is_some()
    }

    /// Returns the coordinate below which the density of a knob has this part.
    pub(crate) fn quantile(&self, column: usize, part: f64) -> f64 {
        let Some(belief) = &self.columns[column] else {
            return part;
        };
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if belief.below(middle) < part {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Returns the coordinates below which each knob's density has these parts.
    pub(crate) fn quantiles(&self, parts: &[f64]) -> Vec<f64> {
        let columns = parts.iter().enumerate();
        columns
            .map(|(column, part)| self.quantile(column, *part))
            .collect()
    }

    /// Returns the logarithm of a knob's density at a coordinate, or of the mass of its cell; `None` for an even one.
    pub(crate) fn log(&self, column: usize, unit: f64) -> Option<f64> {
        let cell = self.codec.cell(column);
        let log = match self.columns[column].as_ref()? {
            Belief::Normal { mean, sd } if cell == 0.0 => {
                let inside = normal_between(*mean, *sd, 0.0, 1.0);
                let z = (unit - mean) / sd;
                let density = (-0.5 * z * z).exp() / (sd * std::f64::consts::TAU.sqrt() * inside);
                EVEN + (1.0 - EVEN) * density
            }
            belief => {
                let (low, high) = (unit - cell / 2.0, unit + cell / 2.0);
                belief.below(high.min(1.0)) - belief.below(low.max(0.0))
            }
        };
        // The even part keeps it above 0.
        Some(log.max(EVEN * cell.max(f64::MIN_POSITIVE)).ln())
    }

    /// Returns by how much the logarithm of an acquisition grows at a point when so many experiments of a budget are known.
    pub(crate) fn favours(&self, levels: &[Option<f64>], known: usize, budget: u32) -> f64 {
        let unit = self.codec.unit(levels);
        let active = (0..unit.len()).filter(|column| levels[*column].is_some());
        let logs = active.filter_map(|column| {
            let cell = self.codec.cell(column);
            let even = if cell > 0.0 { cell.ln() } else { 0.0 };
            Some(self.log(column, unit[column])? - even)
        });
        let beta = BETA_SHARE * f64::from(budget);
        logs.sum::<f64>() * beta / known.max(1) as f64
    }
}

impl Belief {
    fn of(codec: &Codec<'_>, column: usize, told: &KnobPrior) -> Option<Belief> {
        // A share that is no number says nothing either.
        if told.explains.is_nan() || told.explains < EXPLAINS_MIN {
            return None;
        }
        match &told.good {
            GoodValues::Between { low, high } if !codec.is_choice(column) => {
                let (low, high) = (codec.place(column, *low)?, codec.place(column, *high)?);
                let (mean, sd) = (f64::midpoint(low, high), (high - low) / 2.0);
                (mean.is_finite() && sd.is_finite() && sd >= 0.0).then(|| Belief::Normal {
                    mean: mean.clamp(0.0, 1.0),
                    sd: sd.clamp(SD_MIN, SD_MAX),
                })
            }
            GoodValues::Shares(shares) if codec.is_choice(column) => {
                let mut parts = vec![0.0; codec.count(column)? as usize];
                for (value, share) in shares {
                    let share = Some(*share).filter(|share| share.is_finite() && *share > 0.0);
                    let at = codec.choice(column, value);
                    if let (Some(share), Some(part)) = (share, at.and_then(|at| parts.get_mut(at)))
                    {
                        *part = share;
                    }
                }
                let sum: f64 = parts.iter().sum();
                (sum.is_finite() && sum > 0.0)
                    .then(|| Belief::Shares(parts.into_iter().map(|part| part / sum).collect()))
            }
            GoodValues::Between { .. } | GoodValues::Shares(_) => None,
        }
    }

    /// Returns the mass below a coordinate, the even part included.
    fn below(&self, unit: f64) -> f64 {
        let own = match self {
            Belief::Normal { mean, sd } => {
                normal_between(*mean, *sd, 0.0, unit) / normal_between(*mean, *sd, 0.0, 1.0)
            }
            Belief::Shares(parts) => {
                let place = unit * parts.len() as f64;
                let whole = (place.floor() as usize).min(parts.len());
                let rest = parts.get(whole).map_or(0.0, |part| part * place.fract());
                parts[..whole].iter().sum::<f64>() + rest
            }
        };
        EVEN * unit + (1.0 - EVEN) * own
    }
}

fn normal_between(mean: f64, sd: f64, low: f64, high: f64) -> f64 {
    cumulative((high - mean) / sd) - cumulative((low - mean) / sd)
}

#[cfg(test)]
mod tests {
    use lyceum_types::{Goal, Knob, KnobKind, Scale, Seed, Setting, Settings, Space};

    use super::*;

    fn knob(name: &str, kind: KnobKind) -> Knob {
        Knob {
            name: name.to_owned(),
            kind,
            condition: None,
        }
    }

    fn space() -> Space {
        let scale = Scale::Log;
        let choices = ["a", "b", "c"].map(|text| Setting::Text(text.to_owned()));
        Space::new(vec![
            knob(
                "x",
                KnobKind::Float {
                    low: 0.01,
                    high: 1.0,
                    scale,
                },
            ),
            knob(
                "n",
                KnobKind::Integer {
                    low: 1,
                    high: 9,
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

    fn told(knob: &str, good: GoodValues) -> KnobPrior {
        KnobPrior {
            knob: knob.to_owned(),
            explains: 0.5,
            good,
        }
    }

    fn believing(then: impl Fn(&Believed<'_>)) {
        let space = space();
        let codec = Codec::new(&space);
        let shares = vec![
            (Setting::Text("c".into()), 0.75),
            (Setting::Text("a".into()), 0.25),
        ];
        let priors = [
            told(
                "x",
                GoodValues::Between {
                    low: 0.05,
                    high: 0.2,
                },
            ),
            // Half of it beyond the bound.
            told(
                "n",
                GoodValues::Between {
                    low: 6.0,
                    high: 13.5,
                },
            ),
            told("c", GoodValues::Shares(shares)),
        ];
        let ask = Ask {
            space: &space,
            goal: Goal::Minimize,
            start: &Settings::new(),
            history: &[],
            pending: &[],
            noise_sd: None,
            priors: &priors,
            rungs: 0,
            seed: Seed(1),
            number: 0,
            budget: 30,
        };
        then(&Believed::of(&codec, &ask).unwrap());
    }

    #[test]
    fn the_density_of_each_knob_adds_up_to_one() {
        believing(|believed| {
            let steps = 2000;
            let x = (0..steps).map(|step| {
                let at = (f64::from(step) + 0.5) / f64::from(steps);
                believed.log(0, at).unwrap().exp() / f64::from(steps)
            });
            assert!((x.sum::<f64>() - 1.0).abs() < 1e-4);
            let c = (0..3).map(|index| (f64::from(index) + 0.5) / 3.0);
            let c: Vec<f64> = c.map(|at| believed.log(2, at).unwrap().exp()).collect();
            let even = EVEN / 3.0;
            let expected = [0.25, 0.0, 0.75].map(|share| even + (1.0 - EVEN) * share);
            assert!(c.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12));
        });
    }

    #[test]
    fn quantiles_turn_the_distribution_round() {
        believing(|believed| {
            for column in 0..3 {
                for part in [0.001, 0.2, 0.5, 0.77, 0.999] {
                    let at = believed.quantile(column, part);
                    let below = believed.columns[column].as_ref().unwrap().below(at);
                    assert!((below - part).abs() < 1e-9, "{column} {part} {below}");
                }
            }
            // The middle on the log scale.
            assert!((believed.quantile(0, 0.5) - 0.5).abs() < 1e-9);
        });
    }

    #[test]
    fn an_acquisition_is_moved_less_and_less() {
        believing(|believed| {
            let (near, far) = (
                [Some(0.1), Some(9.0), Some(2.0)],
                [Some(0.9), Some(1.0), Some(1.0)],
            );
            let favour =
                |known| believed.favours(&near, known, 30) - believed.favours(&far, known, 30);
            assert!(favour(3) > 1.0);
            assert!((favour(30) - favour(3) / 10.0).abs() < 1e-9);
            assert!(believed.favours(&[None, None, None], 3, 30).abs() < 1e-12);
        });
    }
}
