//! A run in words, and as JSON.

use std::fmt::Write as _;

use lyceum_agents::workflow::{PhaseState, RunResult, State, Status, StepEnd};
use lyceum_models::Money;
use serde_json::{Value, json};

use crate::view::words;

/// Returns what a run does, in the vocabulary of the events, and why.
pub(super) fn status(state: &State) -> (&'static str, String) {
    match &state.status {
        Status::New => ("new", String::new()),
        Status::Running => ("running", String::new()),
        Status::Idle(reason) => ("idle", reason.to_string()),
        Status::Ended(RunResult::Completed) => ("completed", String::new()),
        Status::Ended(RunResult::Stopped { why }) => ("stopped", why.clone()),
        Status::Ended(RunResult::Failed { why }) => ("failed", why.clone()),
    }
}

/// Returns what was used.
pub(super) fn used(state: &State) -> String {
    let used = &state.used;
    let money = if used.unpriced {
        "cost unknown".to_owned()
    } else {
        Money(used.money).to_string()
    };
    format!(
        "{} attempts, {} tokens, {money}, {} CPU",
        used.steps,
        used.tokens,
        words::duration(used.cpu_ms)
    )
}

/// Returns how far a phase is.
pub(super) fn phase(phase: &PhaseState) -> String {
    let (done, failed) = phase.counts();
    let reused = phase.steps.iter().filter(|step| {
        matches!(
            &step.end,
            Some(StepEnd::Done {
                reused: Some(_),
                ..
            })
        )
    });
    let of = phase.steps.len();
    let mut text = format!("{}: {done} of {of} done", phase.name);
    let reused = reused.count();
    if reused > 0 {
        let _ = write!(text, " ({reused} of them before)");
    }
    if failed > 0 {
        let _ = write!(text, ", {failed} failed");
    }
    text
}

/// Returns a whole run; with `steps` all of its steps too.
pub(super) fn object(name: &str, state: &State, steps: bool) -> Value {
    let (status, why) = status(state);
    let phases = state.phases.iter().map(|one| {
        let (done, failed) = one.counts();
        let mut object = json!({
            "phase": one.name,
            "steps": one.steps.len(),
            "done": done,
            "failed": failed,
            "ended": one.ended,
        });
        if steps {
            object["results"] = one
                .steps
                .iter()
                .zip(1..)
                .map(|(step, number)| {
                    json!({
                        "step": number,
                        "item": step.item,
                        "key": step.key,
                        "attempts": step.attempts,
                        "refused": step.refused.len(),
                        "end": step.end,
                    })
                })
                .collect();
        }
        object
    });
    let created = state.created.as_ref();
    json!({
        "run": name,
        "workflow": created.map(|one| &one.workflow),
        "model": created.map(|one| &one.model),
        "status": status,
        "why": why,
        "phases": phases.collect::<Vec<_>>(),
        "attempts": state.used.steps,
        "tokens": state.used.tokens,
        "money": (!state.used.unpriced).then_some(state.used.money),
        "cpu_ms": state.used.cpu_ms,
        "wall_ms": state.used.wall_ms,
    })
}
