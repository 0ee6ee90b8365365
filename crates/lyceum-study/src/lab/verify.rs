//! Checking a study against its own record: every verdict is computed again from the events before it.

use lyceum_ledger::Reader;
use lyceum_types::{Body, DecodeError, Verdict};

use super::record;
use crate::engine::{
    JournalError, LookStep, Protocol, State, ablation, finding, grade_again, next_look,
};

/// What a check of a study found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Events read.
    pub events: u64,
    /// Verdicts, claims, ablations and grades computed again.
    pub verdicts: u64,
    /// What does not agree, each with the number of its event.
    pub differences: Vec<Difference>,
}

/// A verdict that does not follow from the events before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Number of the event in the study's stream.
    pub seq: u64,
    /// What differs.
    pub what: String,
}

/// Reads a study from its first event to its last and computes each verdict again.
pub fn check(reader: &Reader, study: &str, protocol: &Protocol) -> Result<Checked, JournalError> {
    let mut state = State::default();
    let mut checked = Checked::default();
    let read = record::read_events(reader, study, 0, |seq, at, body| {
        checked.events += 1;
        if let Some(again) = compute_again(&state, protocol, &body) {
            checked.verdicts += 1;
            if let Err(what) = again {
                checked.differences.push(Difference { seq, what });
            }
        }
        state.apply(seq, at, body).map_err(JournalError::Fold)
    });
    match read {
        Ok(()) => Ok(checked),
        Err(JournalError::Fold(fault)) => {
            checked.differences.push(Difference {
                seq: fault.seq,
                what: fault.problem,
            });
            Ok(checked)
        }
        Err(JournalError::Decode(error @ DecodeError::Body { .. })) => {
            let what = format!("cannot be read: {error}");
            checked.differences.push(Difference {
                seq: checked.events + 1,
                what,
            });
            Ok(checked)
        }
        Err(error) => Err(error),
    }
}

/// Computes a verdict again; `None` for an event that is none.
fn compute_again(state: &State, protocol: &Protocol, body: &Body) -> Option<Result<(), String>> {
    let agree = |same: bool, what: String| if same { Ok(()) } else { Err(what) };
    Some(match body {
        Body::Decided(decided) => {
            let again = next_look(state, protocol, decided.experiment);
            let LookStep::Verdict(again) = again else {
                return Some(Err(format!(
                    "{} was decided before it could be",
                    decided.experiment
                )));
            };
            let same = again.verdict == decided.verdict
                && again.gain == decided.gain
                && again.runs == decided.runs
                && again.against == decided.against;
            let shown = |verdict: Verdict, gain: Option<f64>| {
                gain.map_or_else(
                    || verdict.to_string(),
                    |gain| format!("{verdict} with gain {gain}"),
                )
            };
            agree(
                same,
                format!(
                    "{} is recorded as {}, computed again it is {}",
                    decided.experiment,
                    shown(decided.verdict, decided.gain),
                    shown(again.verdict, again.gain)
                ),
            )
        }
        Body::Claimed(claimed) => {
            let values_agree = claimed.pairs.iter().all(|pair| {
                let value = |run| state.run(run).and_then(|run| run.value(&protocol.metric));
                value(pair.base_run) == pair.base && value(pair.other_run) == pair.other
            });
            let again = finding(protocol, &claimed.pairs, false);
            let same = values_agree
                && again.confirmed == claimed.finding.confirmed
                && again.e_value.to_bits() == claimed.finding.e_value.to_bits()
                && again.gain == claimed.finding.gain;
            agree(
                same,
                format!(
                    "the claim about {} does not follow from its runs",
                    claimed.winner
                ),
            )
        }
        Body::Ablated(ablated) => {
            let (id, knob) = (ablated.experiment, ablated.knob.clone());
            let same = ablation(protocol, id, knob, ablated.pairs.clone()) == *ablated;
            agree(
                same,
                format!(
                    "the ablation of `{}` does not follow from its runs",
                    ablated.knob
                ),
            )
        }
        Body::Graded(graded) => match grade_again(state, protocol, graded.criterion) {
            Some(again) => agree(
                again == *graded,
                format!(
                    "criterion {} is not what its runs give",
                    graded.criterion + 1
                ),
            ),
            None => Err(format!(
                "criterion {} is not in the rubric",
                graded.criterion + 1
            )),
        },
        Body::StudyOpened(_)
        | Body::DataDrawn(_)
        | Body::SessionStarted(_)
        | Body::SessionEnded(_)
        | Body::ExperimentProposed(_)
        | Body::RunStarted(_)
        | Body::RunFinished(_)
        | Body::RunVoided(_)
        | Body::RunMeasured(_)
        | Body::SearchEnded(_)
        | Body::SealedOpened(_)
        | Body::StudyFinished(_) => return None,
    })
}
