//! `lyceum session list`: the lab's sessions and how far they are.

use std::error::Error as _;

use lyceum_agents::{
    Fold as _,
    session::{Request, State, Status, event::StopReason},
};
use lyceum_models::{Arguments as Called, Money};
use lyceum_study::engine::JournalError;

use crate::{context::LabPlace, exit::Exit, failure::Failure, view::words};

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    for name in State::names(&reader)? {
        let mut waiting = Vec::new();
        let (object, line) = match State::load(&reader, &name) {
            Ok(state) => {
                waiting.extend(state.awaited().map(|(used, asked)| {
                    format!("waits: {} {}: {}", used.call, used.name, asked.words())
                }));
                (object(&name, &state), overview(&name, &state))
            }
            Err(error) => unreadable(&name, &error),
        };
        if json {
            println!("{}", crate::view::visible(&object.to_string()));
        } else {
            println!("{}", words::clean(&line));
            for line in waiting {
                println!("  {}", words::clean(&line));
            }
        }
    }
    Ok(Exit::Done)
}

/// Returns a session that cannot be read, as it is told: the others are listed all the same.
fn unreadable(name: &str, error: &JournalError) -> (serde_json::Value, String) {
    let why = error
        .source()
        .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    let object = serde_json::json!({ "session": name, "status": "unreadable", "error": why });
    (object, format!("{name}: cannot be read: {why}"))
}

/// Returns what a session does, with the word of its stop reason.
pub(super) fn status(state: &State) -> (&'static str, String) {
    match &state.status {
        Status::New => ("new", String::new()),
        Status::Running => ("running", String::new()),
        Status::Idle(why) => ("idle", reason(why)),
        Status::Terminated(why) => ("terminated", why.clone()),
    }
}

/// Returns a stop reason with what is waited for.
pub(super) fn reason(why: &StopReason) -> String {
    match why {
        StopReason::RequiresAction { ids } => format!("{} {}", word(why), ids.join(", ")),
        _ => word(why).to_owned(),
    }
}

pub(crate) fn word(why: &StopReason) -> &'static str {
    match why {
        StopReason::EndTurn => "end_turn",
        StopReason::AwaitsExperiment => "awaits_experiment",
        StopReason::AwaitsOutcome => "awaits_outcome",
        StopReason::RetriesExhausted => "retries_exhausted",
        StopReason::BudgetReached => "budget_reached",
        StopReason::Refusal => "refusal",
        StopReason::NoProgress => "no_progress",
        StopReason::Interrupted => "interrupted",
        StopReason::RequiresAction { .. } => "requires_action",
        StopReason::LabFailed => "lab_failed",
    }
}

pub(super) fn object(name: &str, state: &State) -> serde_json::Value {
    let (status, why) = status(state);
    let created = state.created.as_ref();
    serde_json::json!({
        "session": name,
        "status": status,
        "stop_reason": why,
        "awaited": awaited(state),
        "study": created.map(|created| &created.study),
        "objective": created.map(|created| &created.objective),
        "constraints": created.map(|created| &created.constraints),
        "mounts": created.map(|created| &created.mounts),
        "asks": created.map(|created| serde_json::json!({
            "tools": created.policy.tools,
            "outside": created.policy.outside,
            "experiments_after": created.policy.after,
        })),
        "model": created.map(|created| &created.model),
        "requests": state.requests,
        "calls": state.calls_made,
        "findings": state.findings.len(),
        "compactions": state.compactions,
        "tokens": state.tokens,
        "money": (!state.unpriced).then_some(state.money),
        "questions": state.questions.iter().map(|one| &one.question).collect::<Vec<_>>(),
    })
}

/// Returns the calls that wait for a person's word, each with its exact arguments.
pub(super) fn awaited(state: &State) -> Vec<serde_json::Value> {
    let all = state.awaited().map(|(used, asked)| {
        let question = match &asked.request {
            Request::Approval { .. } => None,
            Request::Question { question, choices } => {
                Some(serde_json::json!({ "question": question, "choices": choices }))
            }
        };
        // What is no JSON stands as the text that it is.
        let arguments = match &used.arguments {
            Called::Object { value } => value.clone(),
            Called::Malformed { text, .. } => serde_json::Value::String(text.clone()),
        };
        serde_json::json!({
            "call": used.call,
            "tool": used.name,
            "arguments": arguments,
            "why": asked.words(),
            "question": question,
            "digest": asked.digest,
        })
    });
    all.collect()
}

pub(super) fn overview(name: &str, state: &State) -> String {
    let (status, why) = status(state);
    let model = state
        .created
        .as_ref()
        .map_or("", |created| created.model.as_str());
    let why = if why.is_empty() {
        why
    } else {
        format!(" ({why})")
    };
    let money = if state.unpriced {
        "cost unknown".to_owned()
    } else {
        Money(state.money).to_string()
    };
    format!(
        "{name}: {status}{why}, {model}, {} requests, {} calls, {} findings, {} tokens, {money}",
        state.requests,
        state.calls_made,
        state.findings.len(),
        state.tokens,
    )
}
