//! The models of one ask: the metric, and where experiments fail.

use lyceum_types::Prediction;

use crate::{
    believed::Believed,
    codec::Levels,
    feasible::Feasible,
    fit::{Prior, Priors, fit},
    gaussian::Gaussian,
    improvement::Improvement,
    region::{Look, Region},
    researcher::Error,
    stream::Stream,
    view::{MODELLED_MAX, View},
    warp::Warp,
};

/// Noise of one run in squared model units where no floor was measured: small, but nobody knows.
const NOISE_UNKNOWN: Prior = Prior {
    mean: -11.5,
    sd: 2.5,
};
/// Least noise variance in squared model units; keeps the covariance well conditioned.
const NOISE_MIN: f64 = 1e-8;
/// Noise of observations on the compressed part of the warp, as a share, is no smaller than this.
const SHARE_MIN: f64 = 0.01;

/// The models fitted to a view.
pub(crate) struct Models {
    pub(crate) warp: Warp,
    pub(crate) model: Gaussian,
    pub(crate) feasible: Feasible,
    /// Index of the observation with the least posterior mean.
    pub(crate) best: usize,
    /// The least posterior mean, over pending points too.
    pub(crate) incumbent: f64,
}

impl Models {
    /// Fits the models; `None` when the numbers are beyond working precision.
    pub(crate) fn new(view: &View<'_>) -> Option<Models> {
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
            mean: (sd * warp.unit()).powi(2).max(NOISE_MIN).ln(),
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

    /// Returns the free point of greatest expected improvement there; where least is known for a new beginning.
    pub(crate) fn propose(
        &self,
        view: &View<'_>,
        look: Look,
        stream: &mut Stream,
    ) -> Result<Levels, Error> {
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
        let prior = Believed::of(&view.codec, view.ask);
        let known = view.observed.len() + view.failed.len();
        let score = |levels: &[Option<f64>], features: &[f64]| {
            let own = |prior: &Believed<'_>| prior.favours(levels, known, view.ask.budget);
            improvement.score(features) + prior.as_ref().map_or(0.0, own)
        };
        let mut candidates = view.candidates(&centres);
        let best = match look {
            Look::Anew => candidates.best(stream, |_, features| improvement.unknown(features)),
            Look::Everywhere => candidates.best(stream, score),
            Look::Near(side) => {
                let (centre, hyper) = (&view.observed[self.best].levels, self.model.hyper());
                candidates.region = Some(Region::around(&view.codec, centre, side, hyper));
                candidates.best(stream, score)
            }
        };
        best.map_or_else(|| view.spread(stream), Ok)
    }

    /// Returns what the metric is expected to be at these features.
    pub(crate) fn predict(&self, features: &[f64]) -> Prediction {
        let latent = self.model.latent(features);
        self.warp.prediction(latent.mean, latent.variance)
    }

    /// Returns why a point is worth an experiment.
    pub(crate) fn motive(&self, features: &[f64]) -> String {
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
