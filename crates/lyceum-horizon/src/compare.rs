//! Our numbers beside published ones.

use crate::{
    bootstrap::Draws,
    published::{Estimate, Published},
    runs::Runs,
    summary::{Standing, Summary},
};

/// A published horizon of a well-conditioned fit is within this relative distance of the exact optimum.
pub const WELL_CONDITIONED: f64 = 2e-4;
/// Coverage of published intervals, whatever coverage ours are asked to have.
const PUBLISHED_CONFIDENCE: f64 = 0.95;
/// Room for the second order of the bound on early stops, which holds to first order: the loss is not a parabola.
const SECOND_ORDER: f64 = 1.5;
/// Standard deviations that a published percentile may lie from ours, in ranks: one in 16,000 by chance.
const RANK_DEVIATIONS: f64 = 4.0;

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within [`WELL_CONDITIONED`]; for an end of an interval, within Monte-Carlo noise.
    Agrees,
    /// Further away, but no further than an optimiser that stops at scikit-learn's default tolerance may be.
    EarlyStop,
    /// Further away than that.
    Differs,
}

/// One number of ours beside a published one.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The agent.
    pub agent: String,
    /// Which number: `p50`, `p50 low`, `average`, …
    pub what: String,
    /// Ours.
    pub ours: Option<f64>,
    /// The published one.
    pub published: Option<f64>,
    /// (ours − published) / published.
    pub relative: Option<f64>,
    /// Between which values the published one may lie.
    pub allowed: Option<(f64, f64)>,
    /// What that says.
    pub verdict: Verdict,
}

/// Compares what is in both. `published_draws` is how many resamples the published intervals rest on.
///
/// The end of an interval is a sample quantile: of n draws it has the rank q ± √(q (1 − q) / n), whatever the distribution.
/// A published end agrees when it lies between our quantiles at the ranks that are four standard deviations from q, with
/// the variances of both numbers of draws added, and the share of rising curves, which METR's program keeps.
pub fn compare(
    runs: &Runs,
    summaries: &[Summary],
    draws: Option<&Draws>,
    published: &[Published],
    published_draws: usize,
) -> Vec<Comparison> {
    let mut all = Vec::new();
    for summary in summaries {
        let name = &runs.agents[summary.agent].name;
        let Some(row) = published.iter().find(|row| row.name == *name) else {
            continue;
        };
        for horizon in &summary.horizons {
            let what = percent(horizon.quantile);
            let theirs = row.horizon(horizon.quantile);
            if theirs.is_none()
                && !PUBLISHED_QUANTILES
                    .iter()
                    .any(|at| near(*at, horizon.quantile))
            {
                // No table has a place for it, so nothing is absent.
                continue;
            }
            let allowed = horizon.early_stop.unwrap_or(0.0);
            all.push(point(
                name,
                &what,
                horizon.minutes,
                theirs.map(|found| found.value),
                allowed,
            ));
            let Some((
                draws,
                Estimate {
                    interval: Some(ends),
                    ..
                },
            )) = draws.zip(theirs)
            else {
                continue;
            };
            let noise = Noise::of(draws, summary.agent, published_draws);
            let values = draws.horizons(summary.agent, horizon.quantile);
            let tail = (1.0 - PUBLISHED_CONFIDENCE) / 2.0;
            for (side, level, end) in [("low", tail, ends.0), ("high", 1.0 - tail, ends.1)] {
                all.extend(percentile(
                    name,
                    &format!("{what} {side}"),
                    &values,
                    level,
                    end,
                    &noise,
                ));
            }
        }
        let average = match summary.standing {
            // METR writes 0 for all numbers of an agent that never succeeded.
            Standing::NeverSucceeds => Some(0.0),
            _ => Some(summary.average),
        };
        all.push(point(name, "average", average, row.average, 0.0));
    }
    all
}

/// Returns the agents of the runs that the published table lacks.
pub fn not_compared<'a>(runs: &'a Runs, published: &[Published]) -> Vec<&'a str> {
    let names = runs.agents.iter().map(|agent| agent.name.as_str());
    names
        .filter(|name| !published.iter().any(|row| row.name == *name))
        .collect()
}

/// Probabilities whose horizons published tables have.
const PUBLISHED_QUANTILES: [f64; 2] = [0.5, 0.8];

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-12
}

/// How far two sets of resamples of one agent may lie apart.
struct Noise {
    /// Published resamples that have a curve, as far as ours tell.
    published: f64,
    /// Share of the curves that rise. METR's program takes the length where such a curve crosses the wanted probability;
    /// here it is no horizon.
    rising: f64,
}

impl Noise {
    fn of(draws: &Draws, agent: usize, published_draws: usize) -> Noise {
        let curves = draws.of(agent).flatten().count() as f64;
        let rising = draws
            .of(agent)
            .flatten()
            .filter(|curve| curve.slope >= 0.0)
            .count() as f64;
        let share = curves / draws.iterations().max(1) as f64;
        Noise {
            published: (published_draws as f64 * share).max(1.0),
            rising: rising / curves.max(1.0),
        }
    }

    /// The ranks to either side of a level within which the other set's quantile may lie.
    fn ranks(&self, level: f64, ours: usize) -> f64 {
        let draws = 1.0 / ours as f64 + 1.0 / self.published;
        RANK_DEVIATIONS * (level * (1.0 - level) * draws).sqrt() + self.rising
    }
}

/// Writes a probability as METR does: `p50`.
pub fn percent(quantile: f64) -> String {
    let percent = format!("{:.6}", quantile * 100.0);
    format!("p{}", percent.trim_end_matches('0').trim_end_matches('.'))
}

/// A published number has six decimals, which is coarse for a small one.
const DECIMALS: f64 = 5.1e-7;

fn point(
    agent: &str,
    what: &str,
    ours: Option<f64>,
    published: Option<f64>,
    early_stop: f64,
) -> Comparison {
    let relative = ours.zip(published).map(|(ours, published)| {
        let apart = ours - published;
        // Two zeros are equal, whatever one divides by.
        apart / published.abs().max(f64::MIN_POSITIVE)
    });
    let rounding = published.map_or(0.0, |published| DECIMALS / published.abs().max(DECIMALS));
    let verdict = match relative {
        None if ours.is_none() && published.is_none() => Verdict::Agrees,
        Some(found) if found.abs() <= WELL_CONDITIONED.min(early_stop.max(1e-6)) + rounding => {
            Verdict::Agrees
        }
        Some(found) if found.abs() <= WELL_CONDITIONED => Verdict::Agrees,
        // The bound is one of the logarithm.
        Some(found) if found.ln_1p().abs() <= SECOND_ORDER * early_stop + rounding => {
            Verdict::EarlyStop
        }
        _ => Verdict::Differs,
    };
    Comparison {
        agent: agent.to_owned(),
        what: what.to_owned(),
        ours,
        published,
        relative,
        allowed: None,
        verdict,
    }
}

fn percentile(
    agent: &str,
    what: &str,
    values: &[f64],
    level: f64,
    published: f64,
    noise: &Noise,
) -> Option<Comparison> {
    let ours = lyceum_stats::quantile(values, level)?;
    let reach = noise.ranks(level, values.len());
    // No draw bounds a rank beyond the first or the last: so many resamples do not say where the other set's end may lie.
    let low = match level - reach {
        rank if rank < 0.0 => 0.0,
        rank => lyceum_stats::quantile(values, rank)?,
    };
    let high = match level + reach {
        rank if rank > 1.0 => f64::INFINITY,
        rank => lyceum_stats::quantile(values, rank)?,
    };
    // The published ends have six decimals.
    let agrees = (low - DECIMALS..=high + DECIMALS).contains(&published);
    Some(Comparison {
        agent: agent.to_owned(),
        what: what.to_owned(),
        ours: Some(ours),
        published: Some(published),
        relative: Some((ours - published) / published.abs().max(f64::MIN_POSITIVE)),
        allowed: Some((low, high)),
        verdict: if agrees {
            Verdict::Agrees
        } else {
            Verdict::Differs
        },
    })
}
