//! The `tpe` researcher: what good settings have in common.

use lyceum_types::ExperimentId;

use crate::{
    believed::Believed,
    codec::Levels,
    density::Density,
    explain,
    researcher::{Ask, Error, Proposal, Researcher},
    stream::Stream,
    unseen::first_unseen,
    view::{Observed, View},
};

/// Experiments before the densities have a say.
const START: usize = 10;
/// Share of the experiments that counts as good, and the greatest number.
const GOOD_SHARE: f64 = 0.15;
const GOOD_MAX: usize = 25;
/// Points drawn from the density of the good ones, of which the one with the greatest ratio is proposed.
const DRAWN: usize = 64;
/// Past experiments named as evidence.
const EVIDENCE: usize = 3;

/// The tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and Kégl, 2011): proposes where the density of good
/// settings is greatest against that of all others.
///
/// The densities are over all knobs together, as in Falkner, Klein and Hutter (2018), with one kernel a point whose
/// width shrinks with their number. Failures and pending experiments count as others: the one is learnt and never
/// scored, the other keeps parallel asks apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parzen;

impl Researcher for Parzen {
    fn name(&self) -> &'static str {
        "tpe"
    }

    fn propose(&self, ask: &Ask<'_>) -> Result<Proposal, Error> {
        let view = View::new(ask)?;
        let mut stream = Stream::new(ask.seed.derive("tpe", ask.number));
        let prior = Believed::of(&view.codec, ask);
        let known = view.observed.len() + view.failed.len() + view.pending.len();
        let start = START.min((ask.budget as usize / 3).max(3));
        if known < start || view.observed.is_empty() {
            let drawn = |stream: &mut Stream| {
                let parts: Vec<f64> = (0..view.codec.knobs()).map(|_| stream.unit()).collect();
                let bent = prior.as_ref().map(|prior| prior.quantiles(&parts));
                bent.unwrap_or(parts)
            };
            let levels = first_unseen(&view.codec, &view.taken, &mut stream, drawn)
                .ok_or(view.exhausted())?;
            let settings = view.codec.settings(&levels);
            let change = explain::change(&view.codec, &settings, ask.start);
            let how = match prior {
                Some(_) => "drawn where good values lay in earlier studies",
                None => "random start",
            };
            return Ok(Proposal {
                hypothesis: format!("{how}, {} of {start}: {change}", known + 1),
                settings,
                prediction: None,
                evidence: Vec::new(),
                member: None,
            });
        }
        let ranked = view.ranked();
        let count = (GOOD_SHARE * ranked.len() as f64).ceil() as usize;
        let (good, rest) = ranked.split_at(count.clamp(1, GOOD_MAX));
        let levels = view.likeliest(good, rest, prior.as_ref(), &mut stream)?;
        Ok(view.resembling(&levels, good))
    }
}

impl View<'_> {
    /// Returns the free point with the greatest ratio of densities among draws from that of the good ones.
    fn likeliest(
        &self,
        good: &[&Observed],
        rest: &[&Observed],
        prior: Option<&Believed<'_>>,
        stream: &mut Stream,
    ) -> Result<Levels, Error> {
        let good: Vec<&Levels> = good.iter().map(|one| &one.levels).collect();
        let others = rest.iter().map(|one| &one.levels);
        let others: Vec<&Levels> = others.chain(&self.failed).chain(&self.pending).collect();
        let (good, others) = (
            Density::new(&self.codec, &good).with(prior),
            Density::new(&self.codec, &others),
        );
        let mut best: Option<(f64, Levels)> = None;
        for _ in 0..DRAWN {
            let point = self.codec.tidy(&good.draw(stream));
            let ratio = good.log(&point) - others.log(&point);
            if best.as_ref().is_none_or(|(most, _)| ratio > *most) && !self.taken.contains(&point) {
                best = Some((ratio, point));
            }
        }
        if let Some((_, levels)) = best {
            return Ok(levels);
        }
        let uniform =
            |stream: &mut Stream| (0..self.codec.knobs()).map(|_| stream.unit()).collect();
        first_unseen(&self.codec, &self.taken, stream, uniform).ok_or(self.exhausted())
    }

    /// Returns a proposal that resembles the good ones, in words.
    fn resembling(&self, levels: &[Option<f64>], good: &[&Observed]) -> Proposal {
        let settings = self.codec.settings(levels);
        let from = self.codec.settings(&good[0].levels);
        let change = explain::change(&self.codec, &settings, &from);
        let unit = self.codec.unit(levels);
        let mut near: Vec<(f64, ExperimentId)> = good
            .iter()
            .map(|one| {
                let other = self.codec.unit(&one.levels);
                let squares = unit.iter().zip(other).map(|(a, b)| (a - b) * (a - b));
                (squares.sum(), one.experiment)
            })
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let evidence: Vec<ExperimentId> =
            near.into_iter().take(EVIDENCE).map(|one| one.1).collect();
        let known = self.observed.len() + self.failed.len();
        Proposal {
            hypothesis: format!(
                "{change}: like the best {} of {known} more than like the rest{}",
                good.len(),
                explain::nearest(&evidence)
            ),
            settings,
            prediction: None,
            evidence,
            member: None,
        }
    }
}
