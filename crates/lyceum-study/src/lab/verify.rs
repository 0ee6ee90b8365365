//! Checking a study against its own record: every verdict is computed again from the events before it.

use lyceum_ledger::Reader;
use lyceum_oversight::{
    approval::{Request, Subject},
    autonomy::{self, Cause},
    digest::Numbered,
    explain,
};
use lyceum_search::Mixed;
use lyceum_types::{
    AutonomyChanged, Body, DecodeError, Explained, OutcomeResult, Role, RunReported, TurnGiven,
};

use super::{adopted, record};
use crate::engine::{JournalError, Protocol, Report, State, judge, settle, turn};

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
    let mut approved: Option<(u64, String)> = None;
    // Whose word a rise needs is the rule of the lab in which it happened.
    let imported = reader.imported()?.contains(&record::stream_of(study));
    let read = record::read_events(reader, study, 0, |seq, at, body| {
        checked.events += 1;
        let again = match &body {
            Body::Explained(explained) => Some(explain_again(reader, study, seq, explained)?),
            Body::ApprovalUsed(used) => Some(
                adopted::check(reader, study, used, at)
                    .map_err(|why| format!("the approval does not hold: {why}")),
            ),
            Body::AutonomyChanged(changed) => {
                let before = approved.as_ref().filter(|(by, _)| by + 1 == seq);
                let request = before.map(|(_, request)| request.as_str());
                let mut again = level_again(&state, changed);
                if !imported {
                    again = again.and_then(|()| promoted(reader, changed, request, at));
                }
                Some(again)
            }
            Body::RunStarted(started) if !state.may_run(started.experiment) => Some(Err(format!(
                "{} began at autonomy level {}, which lets {} not run",
                started.run, state.level, started.experiment
            ))),
            Body::OversightBegan(began)
                if state.sessions.len() > 1
                    && state.level_holds
                    && began.autonomy != Some(state.level) =>
            {
                Some(Err(format!(
                    "the session begins at another level of autonomy than {}",
                    state.level
                )))
            }
            body => compute_again(&state, protocol, body),
        };
        if let Body::ApprovalUsed(used) = &body {
            approved = Some((seq, used.request.clone()));
        }
        if let Some(again) = again {
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

/// Returns a study's events before one, with their numbers.
pub fn events_before(
    reader: &Reader,
    study: &str,
    end: u64,
) -> Result<Vec<Numbered>, JournalError> {
    let mut events = Vec::new();
    record::read_events(reader, study, 0, |seq, _, body| {
        if seq < end {
            events.push((seq, body));
        }
        Ok(())
    })?;
    Ok(events)
}

/// Grades answers again on the events before them.
fn explain_again(
    reader: &Reader,
    study: &str,
    seq: u64,
    explained: &Explained,
) -> Result<Result<(), String>, JournalError> {
    let before = events_before(reader, study, seq)?;
    let items = explain::items(&before, explained.tries).unwrap_or_default();
    let right = explain::right(&items, &explained.answers) as u32;
    let passed = right as usize >= explain::PASS;
    if (right, passed) == (explained.right, explained.passed) {
        return Ok(Ok(()));
    }
    Ok(Err(format!(
        "the answers do not follow from the events before them: graded again, {right} are right"
    )))
}

/// Asks for the signatures of a rise where the rules of its time did: recorded just before it, and of this very rise.
fn promoted(
    reader: &Reader,
    changed: &AutonomyChanged,
    request: Option<&str>,
    at: i64,
) -> Result<(), String> {
    if changed.to < changed.from || !adopted::demanded(reader, Subject::Promotion, at)? {
        return Ok(());
    }
    let request: Option<Request> = request.and_then(|text| serde_json::from_str(text).ok());
    let rise = (changed.from.to_string(), changed.to.to_string());
    let signed = request.is_some_and(|request| {
        request.subject == Subject::Promotion && (request.from, request.to) == rise
    });
    if signed {
        return Ok(());
    }
    Err(format!(
        "nobody signed the rise of the level from {} to {}",
        rise.0, rise.1
    ))
}

/// Moves the level again, on what spoke for it.
fn level_again(state: &State, changed: &AutonomyChanged) -> Result<(), String> {
    let grounds = state.grounds;
    let cause = if changed.to > changed.from {
        Cause::Approved(grounds)
    } else {
        Cause::Lowered(changed.to)
    };
    let again = autonomy::next(state.level, cause);
    let told = (
        changed.from,
        changed.confirmed,
        changed.blocked,
        changed.ran,
    );
    let found = (state.level, grounds.confirmed, grounds.blocked, grounds.ran);
    if told == found && again == Ok(changed.to) {
        return Ok(());
    }
    Err(format!(
        "the level of autonomy does not follow from the events before it: it was {}, with {} confirmed claims and {} \
         blocked runs since it changed",
        state.level, grounds.confirmed, grounds.blocked
    ))
}

/// Judges a report again on the events before it.
fn reported_again(
    state: &State,
    protocol: &Protocol,
    reported: &RunReported,
) -> Result<(), String> {
    let report = Report {
        step: reported.step,
        value: reported.value.unwrap_or(f64::NAN),
    };
    let again = judge(state, protocol, reported.run, report);
    if again.as_ref() == Some(reported) {
        return Ok(());
    }
    let instead = again.map_or_else(|| "it is not heard".to_owned(), |again| again.why);
    Err(format!(
        "what follows from a report of {} is not what follows from the events before it: computed again, {instead}",
        reported.run
    ))
}

/// Gives a turn again.
fn turn_again(state: &State, protocol: &Protocol, given: &TurnGiven) -> Result<(), String> {
    let mixed = Mixed::named(&given.researcher).ok_or_else(|| {
        let found = &given.researcher;
        format!("a turn was given by `{found}`, which is no mix of samplers and an agent")
    })?;
    match turn(state, protocol, &mixed) {
        Some(again) if again == *given => Ok(()),
        again => {
            let instead = again.map_or_else(|| "nobody's".to_owned(), |again| again.to);
            Err(format!(
                "the turn of `{}` does not follow from the events before it: computed again, it is {instead}",
                given.to
            ))
        }
    }
}

/// Computes an event that follows from those before it again, by the function that the loop itself uses; `None` for an
/// event that reports something new.
fn compute_again(state: &State, protocol: &Protocol, body: &Body) -> Option<Result<(), String>> {
    if let Body::StudyOpened(opened) = body {
        let spent = opened.level?;
        if spent.to_bits() == protocol.alpha.to_bits() {
            return None;
        }
        return Some(Err(format!(
            "the claim's level is {spent}; after {} earlier attempts it is {}",
            opened.earlier.len(),
            protocol.alpha
        )));
    }
    if let Body::RunReported(reported) = body {
        return Some(reported_again(state, protocol, reported));
    }
    if let Body::TurnGiven(given) = body {
        return Some(turn_again(state, protocol, given));
    }
    let what = match body {
        Body::Decided(decided) => format!("the verdict on {}", decided.experiment),
        Body::Claimed(claimed) => format!("the claim about {}", claimed.winner),
        Body::Ablated(ablated) => format!("the ablation of `{}`", ablated.knob),
        Body::SealedOpened(_) => "the opening of the sealed split".into(),
        Body::SealedAnswered(_) => "what the look at the sealed split lets out".into(),
        Body::Graded(graded) => format!("the grade of criterion {}", graded.criterion + 1),
        Body::StudyFinished(_) => "the end of the study".into(),
        Body::EvaluationStarted(started) => {
            format!("the beginning of evaluation {}", started.iteration)
        }
        // A person stopped the lab: that is new.
        Body::EvaluationEnded(ended) if ended.result == OutcomeResult::Interrupted => return None,
        Body::EvaluationEnded(ended) => format!("the end of evaluation {}", ended.iteration),
        Body::IncidentRaised(raised) => format!("{} on {}", raised.detector, raised.run),
        Body::ExperimentProposed(proposed) if proposed.role != Role::Search => {
            format!("{}, which the lab itself proposes,", proposed.experiment)
        }
        Body::StudyOpened(_)
        | Body::DataDrawn(_)
        | Body::SessionStarted(_)
        | Body::SessionEnded(_)
        | Body::PersonAwaited(_)
        | Body::ExperimentProposed(_)
        | Body::TurnGiven(_)
        | Body::RunStarted(_)
        | Body::RunFinished(_)
        | Body::RunReported(_)
        | Body::RunVoided(_)
        | Body::RunMeasured(_)
        | Body::MeasureCut(_)
        | Body::SearchEnded(_)
        | Body::OversightBegan(_)
        | Body::StudyStopped(_)
        | Body::StudyResumed(_)
        | Body::Explained(_)
        | Body::ApprovalUsed(_)
        | Body::MemoryRecalled(_)
        | Body::AutonomyChanged(_)
        | Body::AutonomyLent(_)
        | Body::OutcomeDefined(_)
        | Body::HandedIn(_)
        | Body::EvaluationOngoing(_)
        | Body::EvaluationChecked(_) => return None,
    };
    // Whether a budget was left to go on is not in the events before; both answers are computed.
    let again = [false, true].map(|exhausted| settle(state, protocol, exhausted));
    if again.iter().any(|one| one.as_ref() == Some(body)) {
        return Some(Ok(()));
    }
    let instead = match again.into_iter().flatten().next() {
        Some(Body::Decided(again)) => {
            let gain = again
                .gain
                .map_or(String::new(), |gain| format!(" with gain {gain}"));
            format!(
                "computed again, {} is {}{gain}",
                again.experiment, again.verdict
            )
        }
        Some(other) => format!(
            "computed again, the next event is another `{}`",
            other.kind()
        ),
        None => "computed again, nothing follows yet".into(),
    };
    Some(Err(format!(
        "{what} does not follow from the events before it: {instead}"
    )))
}
