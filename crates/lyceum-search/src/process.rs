//! The `gp` researcher.

use lyceum_types::{ExperimentId, Prediction};

use crate::{
    candidates::Candidates,
    codec::{Codec, Levels},
    explain,
    feasible::Feasible,
    fit::{Prior, Priors, fit},
    gaussian::Gaussian,
    improvement::Improvement,
    kernel::Data,
    researcher::{Ask, Error, Proposal, Researcher, TrialResult},
    sobol::Sobol,
    stream::Stream,
    unseen::first_unseen,
    warp::Warp,
};

/// Observations that the model holds: the best half of these and the latest half.
const MODELLED_MAX: usize = 400;
/// Observations before the model has a say.
const MEASURED_MIN: usize = 3;
/// Past experiments named as evidence.
const EVIDENCE: usize = 3;
/// An experiment less correlated with a proposal than this says nothing about it.
const CORRELATION_MIN: f64 = 0.05;
/// Noise of one run in squared model units where no floor was measured: small, but nobody knows.
const NOISE_UNKNOWN: Prior = Prior {
    mean: -11.5,
    sd: 2.5,
};
/// Least noise variance in squared model units; keeps the covariance well conditioned.
const NOISE_MIN: f64 = 1e-8;
/// Greatest noise variance that is believed before any data, in the same units.
const NOISE_MAX: f64 = 1e4;
/// Noise of observations on the compressed part of the warp, as a share, is no smaller than this.
const SHARE_MIN: f64 = 0.01;

/// Models the metric as a Gaussian process and proposes where the expected improvement is greatest.
///
/// Starts with a low-discrepancy design of as many points as there are knobs plus two. Pending experiments are believed
/// to come out at their posterior mean ("kriging believer", Ginsbourger, Le Riche and Carraro, 2010): this leaves the mean
/// as it is and only takes away the variance, so that parallel asks spread out without anything good or bad being made
/// up about them.
#[derive(Clone, Copy, Debug, Default)]
pub struct GaussianProcess;

/// An experiment that gave a number.
struct Observed {
    experiment: ExperimentId,
    levels: Levels,
    value: f64,
    repeats: f64,
}

/// The ask, translated.
struct View<'a> {
    ask: &'a Ask<'a>,
    codec: Codec<'a>,
    observed: Vec<Observed>,
    failed: Vec<Levels>,
    pending: Vec<Levels>,
    taken: Vec<Levels>,
    noise_sd: Option<f64>,
}

/// The models fitted to a view.
struct Models {
    warp: Warp,
    model: Gaussian,
    feasible: Feasible,
    /// Index of the observation with the least posterior mean.
    best: usize,
    /// The least posterior mean, over pending points too.
    incumbent: f64,
}

impl Researcher for GaussianProcess {
    fn name(&self) -> &'static str {
        "gp"
    }

    fn propose(&self, ask: &Ask<'_>) -> Result<Proposal, Error> {
        let view = View::new(ask)?;
        let mut stream = Stream::new(ask.seed.derive("gp", ask.number));
        let models = (view.observed.len() >= MEASURED_MIN)
            .then(|| Models::new(&view))
            .flatten();
        let known = view.observed.len() + view.failed.len() + view.pending.len();
        let design = view.design();
        if known < design {
            let levels = view.spread(&mut stream)?;
            let reason = format!("start design, {} of {design}", known + 1);
            return Ok(view.first(&levels, &reason, models.as_ref()));
        }
        let Some(models) = models else {
            let levels = view.away_from_failures(&mut stream)?;
            return Ok(view.first(&levels, "too few numbers for a model yet", None));
        };
        let levels = models.propose(&view, &mut stream)?;
        Ok(view.reasoned(&levels, &models))
    }
}

impl<'a> View<'a> {
    fn new(ask: &'a Ask<'a>) -> Result<View<'a>, Error> {
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
                        value: mean,
                        repeats: f64::from(repeats.max(1)),
                    });
                }
                TrialResult::Measured { .. } | TrialResult::Failed => failed.push(levels),
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
            noise_sd: floor.or(spread.sd()),
            codec,
            ask,
        })
    }

    /// Returns the size of the start design, the start point included where it is known.
    fn design(&self) -> usize {
        let start = self
            .codec
            .levels(&self.codec.space().active_only(self.ask.start));
        let start_known = start.is_some_and(|start| self.taken.contains(&start));
        // With a small budget a third of it buys the first picture.
        let affordable = (self.ask.budget as usize / 3).max(MEASURED_MIN);
        (self.codec.knobs() + 2).min(affordable) + usize::from(start_known)
    }

    /// Returns the next free point of the low-discrepancy sequence.
    fn spread(&self, stream: &mut Stream) -> Result<Levels, Error> {
        let sobol = Sobol::new(self.codec.knobs(), self.ask.seed.derive("gp design", 0).0);
        let mut next = Some(sobol.point(self.ask.number as u32));
        let coordinates = |stream: &mut Stream| {
            let uniform = |_| stream.unit();
            next.take()
                .unwrap_or_else(|| (0..self.codec.knobs()).map(uniform).collect())
        };
        first_unseen(&self.codec, &self.taken, stream, coordinates).ok_or(self.exhausted())
    }

    /// Returns the free point that is most likely to give a number at all.
    fn away_from_failures(&self, stream: &mut Stream) -> Result<Levels, Error> {
        if self.failed.is_empty() {
            return self.spread(stream);
        }
        let mut measured = self.empty();
        for observed in &self.observed {
            measured.push(&self.features(&observed.levels), 0.0, 1.0);
        }
        let feasible = Feasible::new(&measured, &self.failed_features());
        let candidates = self.candidates(&[]);
        let best = candidates.best(stream, |features| feasible.log_probability(features));
        best.map_or_else(|| self.spread(stream), Ok)
    }

    fn candidates(&'a self, centres: &'a [Levels]) -> Candidates<'a> {
        Candidates {
            codec: &self.codec,
            taken: &self.taken,
            centres,
        }
    }

    fn exhausted(&self) -> Error {
        Error::Exhausted {
            tried: self.taken.len(),
        }
    }

    fn empty(&self) -> Data {
        Data {
            width: self.codec.features(),
            ..Data::default()
        }
    }

    fn features(&self, levels: &[Option<f64>]) -> Vec<f64> {
        let mut features = Vec::with_capacity(self.codec.features());
        self.codec.push_features(levels, &mut features);
        features
    }

    fn failed_features(&self) -> Vec<f64> {
        let mut features = Vec::new();
        for levels in &self.failed {
            self.codec.push_features(levels, &mut features);
        }
        features
    }

    /// Returns a proposal that no model chose.
    fn first(&self, levels: &[Option<f64>], reason: &str, models: Option<&Models>) -> Proposal {
        let settings = self.codec.settings(levels);
        let change = explain::change(&self.codec, &settings, self.ask.start);
        let prediction = models.map(|models| models.predict(&self.features(levels)));
        let expected = prediction
            .map(|prediction| format!("; expected {}", explain::prediction(prediction)))
            .unwrap_or_default();
        Proposal {
            hypothesis: format!("{reason}: {change}{expected}"),
            settings,
            prediction,
            evidence: Vec::new(),
        }
    }

    /// Returns a proposal with the model's reasons.
    fn reasoned(&self, levels: &[Option<f64>], models: &Models) -> Proposal {
        let settings = self.codec.settings(levels);
        let features = self.features(levels);
        let prediction = models.predict(&features);
        let best = &self.observed[models.best];
        let change = explain::change(&self.codec, &settings, &self.codec.settings(&best.levels));
        let evidence = self.evidence(models, &features);
        let hypothesis = format!(
            "{change}: expected {}, best so far {} ({}); {}{}",
            explain::prediction(prediction),
            explain::beside(best.value, prediction),
            best.experiment,
            models.motive(&features),
            explain::nearest(&evidence),
        );
        Proposal {
            settings,
            hypothesis,
            prediction: Some(prediction),
            evidence,
        }
    }

    /// Returns the experiments that are most correlated with a point under the model, the nearest first.
    fn evidence(&self, models: &Models, features: &[f64]) -> Vec<ExperimentId> {
        let correlations = models.model.correlations(features);
        let mut near: Vec<(f64, ExperimentId)> = correlations
            .into_iter()
            .zip(&self.observed)
            .map(|(correlation, observed)| (correlation, observed.experiment))
            .filter(|(correlation, _)| *correlation >= CORRELATION_MIN)
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        near.into_iter()
            .take(EVIDENCE)
            .map(|(_, experiment)| experiment)
            .collect()
    }
}

impl Models {
    /// Fits the models; `None` when the numbers are beyond working precision.
    fn new(view: &View<'_>) -> Option<Models> {
        let values: Vec<f64> = view
            .observed
            .iter()
            .map(|observed| observed.value)
            .collect();
        let warp = Warp::new(view.ask.goal, &values, view.noise_sd);
        let mut data = view.empty();
        for observed in &view.observed {
            let bend = warp.slope(observed.value) / warp.unit();
            data.push(
                &view.features(&observed.levels),
                warp.forward(observed.value),
                (bend * bend).max(SHARE_MIN) / observed.repeats,
            );
        }
        let noise = view.noise_sd.map_or(NOISE_UNKNOWN, |sd| Prior {
            mean: (sd * warp.unit()).powi(2).clamp(NOISE_MIN, NOISE_MAX).ln(),
            sd: 0.7,
        });
        let feasible = Feasible::new(&data, &view.failed_features());
        let model = fit(&data, &Priors::new(data.width, noise))?;
        let means: Vec<f64> = data
            .features
            .chunks_exact(data.width)
            .map(|row| model.mean(row))
            .collect();
        let best = (0..means.len()).min_by(|a, b| means[*a].total_cmp(&means[*b]))?;
        let mut incumbent = means[best];
        if view.pending.is_empty() {
            return Some(Models {
                warp,
                model,
                feasible,
                best,
                incumbent,
            });
        }
        for levels in view.pending.iter().take(MODELLED_MAX) {
            let features = view.features(levels);
            let believed = model.mean(&features);
            incumbent = incumbent.min(believed);
            data.push(&features, believed, 1.0);
        }
        let model = Gaussian::new(&data, model.hyper())?;
        Some(Models {
            warp,
            model,
            feasible,
            best,
            incumbent,
        })
    }

    fn improvement(&self) -> Improvement<'_> {
        Improvement {
            model: &self.model,
            feasible: &self.feasible,
            incumbent: self.incumbent,
        }
    }

    /// Returns the free point of greatest expected improvement.
    fn propose(&self, view: &View<'_>, stream: &mut Stream) -> Result<Levels, Error> {
        let mut ranked: Vec<(f64, &Levels)> = view
            .observed
            .iter()
            .map(|observed| {
                (
                    self.model.mean(&view.features(&observed.levels)),
                    &observed.levels,
                )
            })
            .collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        let centres: Vec<Levels> = ranked
            .into_iter()
            .map(|(_, levels)| levels.clone())
            .collect();
        let improvement = self.improvement();
        let best = view
            .candidates(&centres)
            .best(stream, |features| improvement.score(features));
        best.map_or_else(|| view.spread(stream), Ok)
    }

    fn predict(&self, features: &[f64]) -> Prediction {
        let latent = self.model.latent(features);
        self.warp.prediction(latent.mean, latent.variance)
    }

    /// Returns why a point is worth an experiment.
    fn motive(&self, features: &[f64]) -> String {
        let latent = self.model.latent(features);
        let chance = 100.0 * self.improvement().chance(latent);
        let success = 100.0 * self.feasible.log_probability(features).exp();
        let kind = if latent.mean < self.incumbent {
            "exploits"
        } else {
            "explores"
        };
        let risk = if success < 99.5 {
            format!(", {success:.0} % to run at all")
        } else {
            String::new()
        };
        format!("{kind}, {chance:.0} % chance of a gain{risk}")
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

/// Returns at most [`MODELLED_MAX`] observations: the best half first, then the latest of the rest.
fn bounded(mut observed: Vec<Observed>, ask: &Ask<'_>) -> Vec<Observed> {
    if observed.len() <= MODELLED_MAX {
        return observed;
    }
    observed.reverse();
    let mut order: Vec<usize> = (0..observed.len()).collect();
    order.sort_by(|a, b| {
        ask.goal
            .gain(observed[*a].value, observed[*b].value)
            .total_cmp(&0.0)
    });
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
