//! The `gp` researcher.

use lyceum_types::{ExperimentId, Prediction};

use crate::{
    believed::Believed,
    codec::Levels,
    explain,
    feasible::Feasible,
    models::Models,
    region::{Look, stalled},
    researcher::{Ask, Error, Proposal, Researcher},
    stream::Stream,
    view::View,
};

/// Observations before the model has a say.
const MEASURED_MIN: usize = 3;
/// Past experiments named as evidence.
const EVIDENCE: usize = 3;
/// An experiment less correlated with a proposal than this says nothing about it.
const CORRELATION_MIN: f64 = 0.05;
/// Models the metric as a Gaussian process and proposes where the expected improvement is greatest.
///
/// Starts with a low-discrepancy design of as many points as there are knobs plus two. Where nothing was gained for a
/// while, every second proposal stays in a box around the best that shrinks, and a box worn out makes it begin again
/// elsewhere. Pending experiments are believed to come out at their posterior mean ("kriging believer", Ginsbourger,
/// Le Riche and Carraro, 2010): this leaves the mean as it is and only takes away the variance, so that parallel asks
/// spread out without anything good or bad being made up about them.
#[derive(Clone, Copy, Debug, Default)]
pub struct GaussianProcess;

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
            let prior = Believed::of(&view.codec, ask);
            let levels = view.spread_over(prior.as_ref(), &mut stream)?;
            let place = match prior {
                Some(_) => " where good values lay in earlier studies",
                None => "",
            };
            let reason = format!("start design{place}, {} of {design}", known + 1);
            return Ok(view.first(&levels, &reason, models.as_ref()));
        }
        let Some(models) = models else {
            let levels = view.away_from_failures(&mut stream)?;
            return Ok(view.first(&levels, "too few numbers for a model yet", None));
        };
        let look = Look::after(stalled(ask, &view.codec), view.codec.knobs());
        let levels = models.propose(&view, look, &mut stream)?;
        Ok(view.reasoned(&levels, &models, look))
    }
}

impl View<'_> {
    /// Returns the size of the start design, the start point included where it is known.
    pub(crate) fn design(&self) -> usize {
        let start = self
            .codec
            .levels(&self.codec.space().active_only(self.ask.start));
        let start_known = start.is_some_and(|start| self.taken.contains(&start));
        // With a small budget a third of it buys the first picture.
        let affordable = (self.ask.budget as usize / 3).max(MEASURED_MIN);
        (self.codec.knobs() + 2).min(affordable) + usize::from(start_known)
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
        let best = candidates.best(stream, |_, features| feasible.log_probability(features));
        best.map_or_else(|| self.spread(stream), Ok)
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
            member: None,
        }
    }

    /// Returns a proposal with the model's reasons.
    fn reasoned(&self, levels: &[Option<f64>], models: &Models, look: Look) -> Proposal {
        let settings = self.codec.settings(levels);
        let features = self.features(levels);
        let prediction = models.predict(&features);
        let best = &self.observed[models.best];
        let change = explain::change(&self.codec, &settings, &self.codec.settings(&best.levels));
        let evidence = self.evidence(models, &features);
        let place = look
            .words()
            .map_or_else(String::new, |words| format!("{words}: "));
        let hypothesis = format!(
            "{place}{change}: expected {}, {}; {}{}",
            explain::prediction(prediction),
            self.best_so_far(models, prediction),
            models.motive(&features),
            explain::nearest(&evidence),
        );
        Proposal {
            settings,
            hypothesis,
            prediction: Some(prediction),
            evidence,
            member: None,
        }
    }

    /// Returns the best measured value in words, and what the model holds for best where that is another experiment.
    fn best_so_far(&self, models: &Models, prediction: Prediction) -> String {
        let believed = &self.observed[models.best];
        let measured = self.observed.iter().fold(believed, |best, next| {
            let gain = self.ask.goal.gain(best.value, next.value);
            if gain > 0.0 { next } else { best }
        });
        let value = explain::beside(measured.value, prediction);
        let best = format!("best so far {value} ({})", measured.experiment);
        if measured.experiment == believed.experiment {
            return best;
        }
        let expected = models.predict(&self.features(&believed.levels));
        let number = explain::beside(expected.mean, prediction);
        format!("{best}, believed best {} ({number})", believed.experiment)
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
