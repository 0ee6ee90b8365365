//! Where to look when nothing has been gained for a while.
//!
//! Expected improvement looks everywhere, and with many knobs everywhere is mostly the edge of the space. A box around
//! the best point that shrinks while it gives nothing makes the search local (Eriksson, Pearce, Gardner, Turner and
//! Poloczek, "Scalable global optimization via local Bayesian optimization", 2019); when the box is worn out, the search
//! begins again where least is known. All of it follows from the history: no state is kept.

use crate::{
    codec::{Codec, Levels},
    kernel::Hyper,
    researcher::{Ask, TrialResult},
    stream::Stream,
    view::better_first,
};

/// Experiments without a gain before the search turns local; more where there are more knobs.
///
/// Ten were tried on the development sets of the bench: worse at 40 experiments (45 % of pairs), no better at 100 (52 %).
const PATIENCE: usize = 20;
/// First side of the box as a share of each range, and the share of it that each further `PATIENCE` leaves.
const SIDE: f64 = 0.4;
const SHRINK: f64 = 0.5;
/// Boxes that are tried, each smaller than the one before, until the search begins again elsewhere.
const BOXES: usize = 4;
/// A side is at most this many times as long, or as short, as one for a knob of the usual length scale.
const STRETCH: f64 = 3.0;
/// How often a choice is drawn again within a box.
const REDRAWN: f64 = 0.2;

/// Where the next experiment is looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Look {
    /// In the whole space.
    Everywhere,
    /// In a box around the best point with sides of about this share of each range.
    Near(f64),
    /// Where least is known.
    Anew,
}

impl Look {
    /// Returns where to look, after this many experiments without a gain.
    pub(crate) fn after(stalled: usize, knobs: usize) -> Look {
        let patience = PATIENCE.max(knobs);
        // Rounds of the whole: waiting, the boxes, a new beginning.
        let round = stalled % ((BOXES + 2) * patience) / patience;
        match round {
            0 => Look::Everywhere,
            // Every second look stays global: the box may be in the wrong place.
            _ if round <= BOXES && stalled % 2 == 1 => Look::Everywhere,
            _ if round <= BOXES => Look::Near(SIDE * SHRINK.powi(round as i32 - 1)),
            _ => Look::Anew,
        }
    }

    /// Returns it in words, nothing for the usual.
    pub(crate) fn words(self) -> Option<String> {
        match self {
            Look::Everywhere => None,
            Look::Near(side) => Some(format!(
                "no gain for a while, so within {:.0} % of the ranges around the best",
                100.0 * side
            )),
            Look::Anew => Some("no gain for long, so begun again where least is known".to_owned()),
        }
    }
}

/// Returns how many experiments in the space ended since the best so far was found.
pub(crate) fn stalled(ask: &Ask<'_>, codec: &Codec<'_>) -> usize {
    let mut best: Option<f64> = None;
    let mut since = 0;
    for trial in ask.history {
        if codec.levels(&trial.settings).is_none() {
            continue;
        }
        since += 1;
        if let TrialResult::Measured { mean, .. } = trial.result
            && mean.is_finite()
            && best.is_none_or(|best| better_first(ask.goal, mean, best).is_lt())
        {
            best = Some(mean);
            since = 0;
        }
    }
    since
}

/// A box around a point.
pub(crate) struct Region {
    /// Unit coordinates of the middle.
    centre: Vec<f64>,
    /// Half a side of each knob; `None` for a choice.
    halves: Vec<Option<f64>>,
}

impl Region {
    /// Returns the box around a point, longer along knobs that the model takes for smooth.
    pub(crate) fn around(codec: &Codec<'_>, centre: &Levels, side: f64, hyper: &Hyper) -> Region {
        let mut features = hyper.lengths.iter();
        let lengths: Vec<Option<f64>> = (0..codec.knobs())
            .map(|column| {
                let own: Vec<&f64> = features.by_ref().take(codec.width(column)).collect();
                (!codec.is_choice(column)).then(|| *own[0])
            })
            .collect();
        let numeric: Vec<f64> = lengths.iter().flatten().copied().collect();
        let usual = numeric.iter().sum::<f64>() / numeric.len().max(1) as f64;
        let half = |length: f64| {
            let stretch = (length - usual).exp().clamp(1.0 / STRETCH, STRETCH);
            0.5 * side * stretch
        };
        Region {
            centre: codec.unit(centre),
            halves: lengths.into_iter().map(|length| length.map(half)).collect(),
        }
    }

    /// Maps unit coordinates of the whole space into the box.
    pub(crate) fn within(&self, unit: &[f64], stream: &mut Stream) -> Vec<f64> {
        let sides = self.centre.iter().zip(&self.halves);
        let both = unit.iter().zip(sides);
        both.map(|(unit, (centre, half))| match half {
            Some(half) => {
                let (low, high) = ((centre - half).max(0.0), (centre + half).min(1.0));
                low + unit * (high - low)
            }
            None if stream.unit() < REDRAWN => *unit,
            None => *centre,
        })
        .collect()
    }

    /// Takes unit coordinates that left the box back to its side.
    pub(crate) fn clamp(&self, unit: &mut [f64]) {
        let sides = self.centre.iter().zip(&self.halves);
        for (value, (centre, half)) in unit.iter_mut().zip(sides) {
            if let Some(half) = half {
                *value = value.clamp((centre - half).max(0.0), (centre + half).min(1.0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lyceum_types::{ExperimentId, Goal, Knob, KnobKind, Scale, Seed, Setting, Settings, Space};

    use super::*;
    use crate::researcher::Trial;

    fn space() -> Space {
        let knob = |name: &str, kind| Knob {
            name: name.to_owned(),
            kind,
            condition: None,
        };
        let float = KnobKind::Float {
            low: 0.0,
            high: 1.0,
            scale: Scale::Linear,
        };
        let choices = ["a", "b", "c"].map(|text| Setting::Text(text.to_owned()));
        let choice = KnobKind::Categorical {
            choices: choices.to_vec(),
        };
        Space::new(vec![
            knob("x", float.clone()),
            knob("c", choice),
            knob("y", float),
        ])
        .unwrap()
    }

    #[test]
    fn the_search_waits_then_narrows_then_begins_again() {
        assert_eq!(Look::after(19, 3), Look::Everywhere);
        assert_eq!(Look::after(20, 3), Look::Near(0.4));
        assert_eq!(Look::after(21, 3), Look::Everywhere);
        assert_eq!(Look::after(40, 3), Look::Near(0.2));
        assert_eq!(Look::after(98, 3), Look::Near(0.05));
        assert_eq!(Look::after(100, 3), Look::Anew);
        assert_eq!(Look::after(120, 3), Look::Everywhere);
        // Many knobs need more patience.
        assert_eq!(Look::after(28, 30), Look::Everywhere);
    }

    #[test]
    fn a_stall_ends_with_a_gain_and_counts_failures() {
        let (space, start) = (space(), Settings::new());
        let codec = Codec::new(&space);
        let trial = |value: Option<f64>| Trial {
            experiment: ExperimentId(0),
            settings: codec.settings(&[Some(0.5), Some(0.0), Some(0.5)]),
            researcher: String::new(),
            prediction: None,
            result: value.map_or(TrialResult::Failed, |mean| TrialResult::Measured {
                mean,
                sd: None,
                repeats: 1,
            }),
        };
        let count = |goal, values: &[Option<f64>]| {
            let history: Vec<Trial> = values.iter().map(|value| trial(*value)).collect();
            let ask = Ask {
                space: &space,
                goal,
                start: &start,
                history: &history,
                pending: &[],
                noise_sd: None,
                priors: &[],
                rungs: 0,
                seed: Seed(1),
                number: 0,
                budget: 40,
            };
            stalled(&ask, &codec)
        };
        let values = [Some(3.0), Some(1.0), None, Some(f64::NAN), Some(2.0)];
        assert_eq!(count(Goal::Minimize, &values), 3);
        assert_eq!(count(Goal::Maximize, &values), 4);
        assert_eq!(count(Goal::Minimize, &[]), 0);
    }

    #[test]
    fn a_box_keeps_to_the_space_and_follows_the_length_scales() {
        let space = space();
        let codec = Codec::new(&space);
        let hyper = Hyper {
            // x, three values of c, y: y is the smoother knob.
            lengths: vec![0.0, 1.0, 1.0, 1.0, 1.0],
            signal: 0.0,
            noise: 0.0,
        };
        let centre = vec![Some(0.05), Some(2.0), Some(0.5)];
        let region = Region::around(&codec, &centre, 0.2, &hyper);
        let mut stream = Stream::new(Seed(1));
        let low = region.within(&[0.0, 0.1, 0.0], &mut stream);
        let high = region.within(&[1.0, 0.1, 1.0], &mut stream);
        assert!(low[0] >= 0.0 && high[0] < 0.15, "{low:?} {high:?}");
        assert!(high[2] - low[2] > high[0] - low[0], "{low:?} {high:?}");
        let mut far = vec![0.9, 0.1, 0.0];
        region.clamp(&mut far);
        assert!((far[0] - high[0]).abs() < 1e-12 && (far[2] - low[2]).abs() < 1e-12);
        assert_eq!(far[1].to_bits(), 0.1_f64.to_bits());
    }
}
