//! `lyceum session list`: the lab's sessions and how far they are.

use lyceum_agents::session::{State, Status, event::StopReason, load, sessions};
use lyceum_models::Money;

use crate::{context::LabPlace, exit::Exit, failure::Failure, view::words};

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let failed = |error| Failure::internal(&error);
    for name in sessions(&reader).map_err(failed)? {
        let state = load(&reader, &name).map_err(|error| Failure::internal(&error))?;
        if json {
            println!(
                "{}",
                crate::view::visible(&object(&name, &state).to_string())
            );
        } else {
            println!("{}", words::clean(&line(&name, &state)));
        }
    }
    Ok(Exit::Done)
}

/// Returns what a session does, with the word of its stop reason.
pub(super) fn status(state: &State) -> (&'static str, String) {
    match &state.status {
        Status::New => ("new", String::new()),
        Status::Running => ("running", String::new()),
        Status::Idle(why) => ("idle", word(why).to_owned()),
        Status::Terminated(why) => ("terminated", why.clone()),
    }
}

pub(super) fn word(why: &StopReason) -> &'static str {
    match why {
        StopReason::EndTurn => "end_turn",
        StopReason::AwaitsExperiment => "awaits_experiment",
        StopReason::RetriesExhausted => "retries_exhausted",
        StopReason::BudgetReached => "budget_reached",
        StopReason::Refusal => "refusal",
        StopReason::NoProgress => "no_progress",
        StopReason::Interrupted => "interrupted",
    }
}

fn object(name: &str, state: &State) -> serde_json::Value {
    let (status, why) = status(state);
    let created = state.created.as_ref();
    serde_json::json!({
        "session": name,
        "status": status,
        "stop_reason": why,
        "study": created.map(|created| &created.study),
        "model": created.map(|created| &created.model),
        "requests": state.requests,
        "calls": state.calls_made,
        "findings": state.findings.len(),
        "compactions": state.compactions,
        "tokens": state.tokens,
        "money": state.money,
        "questions": state.questions.iter().map(|one| &one.question).collect::<Vec<_>>(),
    })
}

fn line(name: &str, state: &State) -> String {
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
    format!(
        "{name}: {status}{why}, {model}, {} requests, {} calls, {} findings, {} tokens, {}",
        state.requests,
        state.calls_made,
        state.findings.len(),
        state.tokens,
        Money(state.money)
    )
}
