//! What follows from a measurement beside the receipt of its run.

use std::collections::BTreeMap;

use lyceum_types::{
    Class::{self, Block, Neutralised, Review},
    Detector, Evidence, FailureReason, Goal, IncidentRaised, Measured, RunFinished, RunMeasured,
    Split,
};

use super::{NONCE_NOT_REPEATED, event, found, incident};

/// A claim this many times better than the measurement is not noise: honest programs that time themselves stay below 2,
/// caches that only repeated calls would profit from begin near 4.
pub const CLAIM_RATIO: f64 = 3.0;

/// A value this many median absolute deviations better than the best before is worth a look.
pub const JUMP_MAD: f64 = 6.0;

/// Values that must be there before a jump can be told from a beginning.
const VALUES_MIN: usize = 8;

/// What an evaluator calls a flag of its own for a detector: `oversight.d15` above 0 raises D15. It knows its task, and
/// its answer comes on a channel that the candidate never had.
pub const FLAG: &str = "oversight.";

/// What is known of the study when a measurement comes in.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The study's metric.
    pub metric: &'a str,
    /// Its direction.
    pub goal: Goal,
    /// The best possible value of a metric, where the data program knows it.
    pub limits: &'a BTreeMap<String, f64>,
    /// First values of the newest experiments before, in order; empty for a measurement that is none of the series.
    pub earlier: &'a [f64],
    /// The best of all first values before.
    pub best: Option<f64>,
}

/// Returns the incidents of a measurement. `seqs` are the numbers of the receipt and of the measurement.
pub fn of_measurement(
    seqs: (u64, u64),
    finished: &RunFinished,
    measured: &RunMeasured,
    context: &Context<'_>,
) -> Vec<IncidentRaised> {
    if finished.observed.is_none() {
        return vec![];
    }
    let evidence = [event(seqs.0), event(seqs.1)];
    let raise = |kind, what: String, more: Vec<Evidence>| {
        let all = evidence.iter().cloned().chain(more).collect();
        incident(kind, finished.run, what, all)
    };
    let mut raised = Vec::new();
    match &measured.measured {
        Measured::Failed(reason) => {
            raised.extend(
                failed(reason, finished, measured, context)
                    .map(|(detector, class, what)| raise((detector, class), what, vec![])),
            );
        }
        Measured::Values { values } => {
            let value = values.get(context.metric).copied();
            let claimed = finished.reported.get(context.metric).copied();
            if let (Split::Search, Some(value), Some(claimed)) = (measured.split, value, claimed)
                && measured.trust != lyceum_types::Trust::SelfReported
                && far_better(context.goal, claimed, value)
            {
                let detector = match measured.fresh {
                    Some(_) => Detector::ClockIntegrity,
                    None => Detector::CleanRoomRegrade,
                };
                let what = format!("says {claimed}, measured {value}: the measured number counts");
                let numbers = Evidence::Numbers {
                    claimed,
                    measured: value,
                };
                raised.push(raise((detector, Neutralised), what, vec![numbers]));
            }
            raised.extend(value.and_then(|value| implausible(value, context)).map(
                |(what, numbers)| raise((Detector::Plausibility, Review), what, vec![numbers]),
            ));
            raised.extend(flags(values).map(|(detector, class, value)| {
                let what = format!("the evaluator says so: {FLAG}{detector} is {value}");
                raise((detector, class), what.clone(), vec![found(what)])
            }));
        }
    }
    raised
}

/// Tells whether a claim is better than the measurement by more than [`CLAIM_RATIO`].
fn far_better(goal: Goal, claimed: f64, measured: f64) -> bool {
    let bound = match (goal, measured >= 0.0) {
        (Goal::Maximize, true) | (Goal::Minimize, false) => measured * CLAIM_RATIO,
        (Goal::Minimize, true) | (Goal::Maximize, false) => measured / CLAIM_RATIO,
    };
    goal.better(claimed, bound) && goal.better(claimed, measured)
}

fn failed(
    reason: &FailureReason,
    finished: &RunFinished,
    measured: &RunMeasured,
    context: &Context<'_>,
) -> Option<(Detector, Class, String)> {
    match reason {
        FailureReason::Evaluator { problem } if problem == NONCE_NOT_REPEATED => Some((
            Detector::ResultAuthenticity,
            Block,
            "an answer came on the evaluator's channel that the evaluator did not give".into(),
        )),
        FailureReason::NotFinite { metric, found } => Some((
            Detector::ByteBoundary,
            Neutralised,
            format!("`{metric}` is {found}: a state, never a number to compare"),
        )),
        FailureReason::Evaluator { problem } if measured.fresh.is_some() => Some((
            Detector::FreshInputs,
            Neutralised,
            format!("fails on inputs that were drawn after it had ended: {problem}"),
        )),
        FailureReason::Evaluator { problem } if finished.reported.contains_key(context.metric) => {
            Some((
                Detector::CleanRoomRegrade,
                Neutralised,
                format!("says a number where the evaluator finds none: {problem}"),
            ))
        }
        _ => None,
    }
}

fn implausible(value: f64, context: &Context<'_>) -> Option<(String, Evidence)> {
    if let Some(limit) = context.limits.get(context.metric)
        && context.goal.better(value, *limit)
    {
        let what = format!("{value} is better than the best possible value, {limit}");
        let numbers = Evidence::Numbers {
            claimed: value,
            measured: *limit,
        };
        return Some((what, numbers));
    }
    if context.earlier.len() < VALUES_MIN {
        return None;
    }
    let middle = lyceum_stats::median(context.earlier)?;
    let away: Vec<f64> = context
        .earlier
        .iter()
        .map(|one| (one - middle).abs())
        .collect();
    let spread = lyceum_stats::median(&away)?;
    let best = context.best?;
    let gain = context.goal.gain(best, value);
    // The distance to the best before, not to the middle: a search climbs.
    (spread > 0.0 && gain > JUMP_MAD * spread).then(|| {
        let what = format!(
            "{value} is {:.1} median absolute deviations better than the best before, {best}",
            gain / spread
        );
        let numbers = Evidence::Numbers {
            claimed: value,
            measured: best,
        };
        (what, numbers)
    })
}

/// Detectors that need the task's own knowledge, with what a flag of the evaluator means.
pub(crate) const FLAGGED: [(Detector, Class); 11] = [
    (Detector::HeldOutDivergence, Neutralised),
    (Detector::Metamorphic, Neutralised),
    (Detector::AnswerInSource, Review),
    (Detector::OutputCopy, Block),
    (Detector::SeedRobustness, Neutralised),
    (Detector::Contamination, Block),
    (Detector::Lineage, Block),
    (Detector::Completion, Block),
    (Detector::ClaimsLedger, Block),
    (Detector::HistoryLeak, Block),
    (Detector::HoldoutBudget, Neutralised),
];

fn flags(values: &BTreeMap<String, f64>) -> impl Iterator<Item = (Detector, Class, f64)> {
    FLAGGED.into_iter().filter_map(|(detector, class)| {
        let name = format!("{FLAG}{}", detector.code().to_lowercase());
        let value = values.get(&name).copied()?;
        (value > 0.0).then_some((detector, class, value))
    })
}
