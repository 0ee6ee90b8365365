//! Successive halving: a run that reports worse than others at the same step is stopped before its end. Pure.
//!
//! This is asynchronous successive halving (ASHA: Li et al. 2018, arXiv:1810.05934) in the form that stops runs in place of
//! setting them aside: each report at a rung is judged once, against what others had reported there by then. What is
//! decided stands in the report's own event, so that a crash cannot come between, and follows from the events before it,
//! so that `verify` decides it again.
//!
//! Reports are a candidate's own words. They end runs and order proposals; no verdict but "stopped early" rests on them,
//! and a run that was stopped has no value.

use lyceum_types::{ExperimentId, Purpose, RunId, RunReported};

use super::{
    protocol::Protocol,
    state::{Run, State},
};

/// Cause in the receipt of a run that was stopped early.
pub const CAUSE: &str = "stopped early";

/// When runs are compared, and how many of them go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halving {
    /// One of this many goes on from each rung; at least 2.
    pub reduction: u32,
    /// The first rung: the step at which runs are first compared; at least 1.
    pub min: u64,
    /// The last step of a whole run.
    pub max: u64,
    /// What a step is.
    pub unit: String,
}

/// What a run says of itself while it goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// How far it is.
    pub step: u64,
    /// What it says of itself there; may be no finite number.
    pub value: f64,
}

impl Halving {
    /// Returns the steps at which runs are compared: `min`, and each `reduction` times the one before, below `max`.
    pub fn rungs(&self) -> impl Iterator<Item = u64> + use<> {
        let (reduction, max) = (u64::from(self.reduction.max(2)), self.max);
        let next = move |step: &u64| step.checked_mul(reduction);
        std::iter::successors(Some(self.min.max(1)), next).take_while(move |step| *step < max)
    }

    /// Returns the rung to which a report belongs: the last one that is not above it. A step before the first rung or after
    /// the end belongs to none.
    pub fn rung_of(&self, step: u64) -> Option<u32> {
        let below = self.rungs().take_while(|rung| *rung <= step).count() as u32;
        below.checked_sub(1).filter(|_| step < self.max)
    }
}

/// Tells whether halving compares a run: the first look at an experiment. All of these have one seed.
pub(super) fn is_compared(
    protocol: &Protocol,
    purpose: &Purpose,
    seed: lyceum_types::Seed,
) -> bool {
    let first = match purpose {
        Purpose::Search => true,
        Purpose::Floor => seed == protocol.look_seed(0),
        Purpose::Repeat
        | Purpose::Confirm { .. }
        | Purpose::Ablate { .. }
        | Purpose::Replicate { .. } => false,
    };
    protocol.halving.is_some() && first
}

/// Returns the report with what follows from it; `None` for one that is not heard: without halving, from a run that ended
/// or is not compared, below a rung that the run has passed.
pub fn judge(state: &State, protocol: &Protocol, id: RunId, report: Report) -> Option<RunReported> {
    let halving = protocol.halving.as_ref()?;
    let run = state.run(id).filter(|run| run.is_open())?;
    let rung = halving.rung_of(report.step)?;
    let passed = run.reports.last().is_some_and(|last| last.rung >= rung);
    if passed || !is_compared(protocol, &run.purpose, run.seed) {
        return None;
    }
    let value = Some(report.value).filter(|value| value.is_finite());
    let others: Vec<Option<f64>> = compared(state, protocol, rung)
        .filter(|(other, _)| other.id != id)
        .map(|(_, value)| value)
        .collect();
    let better = |other: &&Option<f64>| match (other, value) {
        (Some(other), Some(own)) => protocol.goal.better(*other, own),
        (Some(_), None) => true,
        (None, _) => false,
    };
    let place = others.iter().filter(better).count() as u32 + 1;
    let among = others.len() as u32 + 1;
    let go_on = (among / halving.reduction.max(2)).max(1);
    // Everything is compared with the start, which therefore always runs to its end.
    let stopped = run.experiment != ExperimentId(0) && (value.is_none() || place > go_on);
    let at = format!("{} of {} {}", report.step, halving.max, halving.unit);
    let said = match value {
        Some(_) => format!("place {place} of {among}, of which {go_on} may go on"),
        None => "what it reports is no finite number".to_owned(),
    };
    Some(RunReported {
        run: id,
        rung,
        step: report.step,
        end: halving.max,
        value,
        place,
        among,
        stopped,
        why: if stopped {
            format!("stopped early at {at}: {said}")
        } else {
            format!("goes on at {at}: {said}")
        },
    })
}

/// Returns the runs that reported at a rung, each with what it said there. A run that says nothing, as one that died with
/// the lab, or on which nothing may stand, is none of them.
fn compared<'s>(
    state: &'s State,
    protocol: &'s Protocol,
    rung: u32,
) -> impl Iterator<Item = (&'s Run, Option<f64>)> {
    let runs = state.runs.iter();
    let stand = runs.filter(|run| run.counts() && run.blocked.is_none());
    let looks = stand.filter(|run| is_compared(protocol, &run.purpose, run.seed));
    looks.filter_map(move |run| {
        let at = run.reports.iter().find(|one| one.rung == rung)?;
        Some((run, at.value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halving(reduction: u32, min: u64, max: u64) -> Halving {
        Halving {
            reduction,
            min,
            max,
            unit: "steps".into(),
        }
    }

    #[test]
    fn rungs_grow_by_the_reduction_and_stay_below_the_end() {
        let rungs = |reduction, min, max| {
            let all: Vec<u64> = halving(reduction, min, max).rungs().collect();
            all
        };
        assert_eq!(rungs(3, 1, 27), [1, 3, 9]);
        assert_eq!(rungs(3, 1, 28), [1, 3, 9, 27]);
        assert_eq!(rungs(2, 5, 6), [5]);
        assert_eq!(rungs(4, 9, 9), [0_u64; 0]);
        let most = rungs(2, 1, u64::MAX);
        assert_eq!(
            (most.len(), most[63]),
            (64, 1 << 63),
            "it ends without a wrap"
        );
    }

    #[test]
    fn a_step_belongs_to_the_last_rung_that_it_reached() {
        let halving = halving(3, 3, 27);
        let rungs = [0, 2, 3, 8, 9, 26, 27, u64::MAX].map(|step| halving.rung_of(step));
        let expected = [None, None, Some(0), Some(0), Some(1), Some(1), None, None];
        assert_eq!(rungs, expected);
    }
}
