//! An ask as the model sees it.

use std::cmp::Ordering;

use lyceum_types::{ExperimentId, Goal};

use crate::{
    believed::Believed,
    candidates::Candidates,
    codec::{Codec, Levels},
    explain,
    kernel::Data,
    researcher::{Ask, Error, Proposal, TrialResult},
    sobol::Sobol,
    stream::Stream,
    unseen::first_unseen,
};

/// Observations that the model holds: the best half of these and the latest half. Time grows with the square.
pub(crate) const MODELLED_MAX: usize = 400;

/// Greatest size of a number that is modelled; squares of greater ones are beyond what a double holds.
const SIZE_MAX: f64 = 1e150;

/// An experiment that gave a number.
pub(crate) struct Observed {
    pub(crate) experiment: ExperimentId,
    pub(crate) levels: Levels,
    pub(crate) value: f64,
    /// How many runs the value is the mean of.
    pub(crate) repeats: f64,
}

/// The ask, translated.
pub(crate) struct View<'a> {
    pub(crate) ask: &'a Ask<'a>,
    pub(crate) codec: Codec<'a>,
    pub(crate) observed: Vec<Observed>,
    pub(crate) failed: Vec<Levels>,
    pub(crate) pending: Vec<Levels>,
    pub(crate) taken: Vec<Levels>,
    pub(crate) noise_sd: Option<f64>,
}

impl<'a> View<'a> {
    /// Translates the ask; refuses a space without knobs.
    pub(crate) fn new(ask: &'a Ask<'a>) -> Result<View<'a>, Error> {
        let codec = Codec::new(ask.space);
        if codec.knobs() == 0 {
            return Err(Error::NoKnobs);
        }
        let (mut observed, mut failed) = (Vec::new(), Vec::new());
        let mut spread = Pooled::default();
        for trial in ask.history {
            let Some(levels) = codec.levels(&trial.settings) else {
                continue;
            };
            match trial.result {
                TrialResult::Measured { mean, sd, repeats } if mean.is_finite() => {
                    spread.add(sd, repeats);
                    observed.push(Observed {
                        experiment: trial.experiment,
                        levels,
                        value: mean.clamp(-SIZE_MAX, SIZE_MAX),
                        repeats: f64::from(repeats.max(1)),
                    });
                }
                TrialResult::Measured { .. } | TrialResult::Failed => failed.push(levels),
                TrialResult::StoppedEarly { .. } => {}
            }
        }
        let floor = ask.noise_sd.filter(|sd| sd.is_finite() && *sd >= 0.0);
        Ok(View {
            observed: bounded(observed, ask),
            failed: failed.split_off(failed.len().saturating_sub(MODELLED_MAX)),
            pending: ask
                .pending
                .iter()
                .filter_map(|settings| codec.levels(settings))
                .collect(),
            taken: ask.taken(&codec),
            noise_sd: floor.or(spread.sd()).map(|sd| sd.min(SIZE_MAX)),
            codec,
            ask,
        })
    }

    /// Returns the next free point of the low-discrepancy sequence.
    pub(crate) fn spread(&self, stream: &mut Stream) -> Result<Levels, Error> {
        self.spread_over(None, stream)
    }

    /// Returns the next free point of the low-discrepancy sequence, bent to where good values lay.
    pub(crate) fn spread_over(
        &self,
        prior: Option<&Believed<'_>>,
        stream: &mut Stream,
    ) -> Result<Levels, Error> {
        let sobol = Sobol::new(self.codec.knobs(), self.ask.seed.derive("gp design", 0).0);
        let mut next = Some(sobol.point(self.ask.number as u32));
        let coordinates = |stream: &mut Stream| {
            let uniform = |_| stream.unit();
            let parts = next
                .take()
                .unwrap_or_else(|| (0..self.codec.knobs()).map(uniform).collect::<Vec<_>>());
            let bent = prior.map(|prior| prior.quantiles(&parts));
            bent.unwrap_or(parts)
        };
        first_unseen(&self.codec, &self.taken, stream, coordinates).ok_or(self.exhausted())
    }

    /// Returns the best observation by its measured value, the earliest of equals.
    pub(crate) fn best(&self) -> Option<&Observed> {
        self.ranked().into_iter().next()
    }

    /// Returns the observations by their measured values, the best first, the earlier of equals first.
    pub(crate) fn ranked(&self) -> Vec<&Observed> {
        let mut ranked: Vec<&Observed> = self.observed.iter().collect();
        ranked.sort_by(|a, b| {
            better_first(self.ask.goal, a.value, b.value).then(a.experiment.cmp(&b.experiment))
        });
        ranked
    }

    /// Returns the start point; the middle of the space where the start is not in it.
    pub(crate) fn start(&self) -> Levels {
        let start = self.codec.space().active_only(self.ask.start);
        self.codec
            .levels(&start)
            .unwrap_or_else(|| self.codec.point(&vec![0.5; self.codec.knobs()]))
    }

    /// Returns a proposal that no model chose.
    pub(crate) fn unmodelled(&self, levels: &[Option<f64>], reason: &str) -> Proposal {
        let settings = self.codec.settings(levels);
        let change = explain::change(&self.codec, &settings, self.ask.start);
        Proposal {
            hypothesis: format!("{reason}: {change}"),
            settings,
            prediction: None,
            evidence: Vec::new(),
            member: None,
        }
    }

    /// Returns a search for the best free point, also around these.
    pub(crate) fn candidates(&'a self, centres: &'a [Levels]) -> Candidates<'a> {
        Candidates {
            codec: &self.codec,
            taken: &self.taken,
            centres,
            region: None,
        }
    }

    /// Returns the error that nothing is left.
    pub(crate) fn exhausted(&self) -> Error {
        Error::Exhausted {
            tried: self.taken.len(),
        }
    }

    /// Returns data of the right width with nothing in it.
    pub(crate) fn empty(&self) -> Data {
        Data {
            width: self.codec.features(),
            ..Data::default()
        }
    }

    /// Returns the features of a point.
    pub(crate) fn features(&self, levels: &[Option<f64>]) -> Vec<f64> {
        let mut features = Vec::with_capacity(self.codec.features());
        self.codec.push_features(levels, &mut features);
        features
    }

    /// Returns the features of all failed points, row after row.
    pub(crate) fn failed_features(&self) -> Vec<f64> {
        let mut features = Vec::new();
        for levels in &self.failed {
            self.codec.push_features(levels, &mut features);
        }
        features
    }
}

/// Pools the spread between repeats over experiments.
#[derive(Default)]
struct Pooled {
    squares: f64,
    degrees: f64,
}

impl Pooled {
    fn add(&mut self, sd: Option<f64>, repeats: u32) {
        if let Some(sd) = sd.filter(|sd| sd.is_finite() && repeats > 1) {
            self.degrees += f64::from(repeats - 1);
            self.squares += f64::from(repeats - 1) * sd * sd;
        }
    }

    fn sd(&self) -> Option<f64> {
        (self.degrees > 0.0).then(|| (self.squares / self.degrees).sqrt())
    }
}

/// Orders values, the better first. [`Goal::gain`] takes nearly equal values for equal, which is no order to sort by.
pub(crate) fn better_first(goal: Goal, a: f64, b: f64) -> Ordering {
    match goal {
        Goal::Minimize => a.total_cmp(&b),
        Goal::Maximize => b.total_cmp(&a),
    }
}

/// Returns at most [`MODELLED_MAX`] observations: the best half first, then the latest of the rest.
fn bounded(mut observed: Vec<Observed>, ask: &Ask<'_>) -> Vec<Observed> {
    if observed.len() <= MODELLED_MAX {
        return observed;
    }
    observed.reverse();
    let mut order: Vec<usize> = (0..observed.len()).collect();
    order.sort_by(|a, b| better_first(ask.goal, observed[*a].value, observed[*b].value));
    let good = &order[..MODELLED_MAX / 2];
    let latest = (0..observed.len()).filter(|index| !good.contains(index));
    let keep: Vec<usize> = good
        .iter()
        .copied()
        .chain(latest.take(MODELLED_MAX - MODELLED_MAX / 2))
        .collect();
    let mut slots: Vec<Option<Observed>> = observed.into_iter().map(Some).collect();
    keep.into_iter()
        .filter_map(|index| slots[index].take())
        .collect()
}
