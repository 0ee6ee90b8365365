//! `lyceum memory dreams`: dreams by models, schedules, and what came of them.

use lyceum_agents::{Fold as _, dream::State};
use lyceum_memory::{DreamVerdict, Happened, Schedule, Why};

use crate::{
    commands::memory::shown,
    context::LabPlace,
    exit::Exit,
    failure::Failure,
    view::{visible, words::moment},
};

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(in crate::commands) fn run(place: &LabPlace, json: bool) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    for name in State::names(&reader)? {
        let state = State::load(&reader, &name)?;
        let (status, why) = status(&state);
        let Some(created) = &state.created else {
            continue;
        };
        let sessions: Vec<&str> = created
            .sessions
            .iter()
            .map(|one| one.session.as_str())
            .collect();
        if json {
            let told = serde_json::json!({
                "dream": name,
                "status": status,
                "reason": why,
                "store": created.store,
                "sessions": sessions,
                "dreamer": created.dreamer,
                "firing": created.firing,
                "requests": state.requests,
                "tokens": state.tokens,
            });
            println!("{}", visible(&told.to_string()));
        } else {
            let of = sessions.len();
            let (store, by) = (&created.store, shown(&created.dreamer));
            let (requests, tokens) = (state.requests, state.tokens);
            let why = match why {
                "" => String::new(),
                why => format!(": {}", shown(why)),
            };
            println!(
                "{name}: {status}; {of} sessions and store {store} by {by}, {requests} requests, {tokens} tokens{why}"
            );
        }
    }
    for name in Schedule::names(&reader)? {
        tell(json, &name, &Schedule::load(&reader, &name)?);
    }
    Ok(Exit::Done)
}

/// Returns how a dream stands, and why.
fn status(state: &State) -> (&'static str, &str) {
    match &state.ended {
        None => ("not over", ""),
        Some(Err(failed)) => ("failed", &failed.why),
        Some(Ok(completed)) => match completed.verdict {
            DreamVerdict::Accepted => ("accepted", ""),
            DreamVerdict::Review if completed.store.is_none() => ("nothing changed", ""),
            DreamVerdict::Review => ("kept for review", ""),
        },
    }
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn tell(json: bool, name: &str, schedule: &Schedule) {
    if json {
        let told = serde_json::json!({
            "schedule": name,
            "created": schedule.created,
            "open": schedule.open,
            "happened": schedule.happened.iter().map(in_words).collect::<Vec<_>>(),
        });
        println!("{}", visible(&told.to_string()));
        return;
    }
    if let Some(created) = &schedule.created {
        println!(
            "{name}: {} at {}",
            shown(&created.work),
            shown(&created.times)
        );
    }
    for happened in &schedule.happened {
        if !matches!(happened, Happened::Scheduled(_)) {
            println!("  {}", shown(&in_words(happened)));
        }
    }
}

fn in_words(happened: &Happened) -> String {
    match happened {
        Happened::Scheduled(made) => format!("{} begins", moment(made.since)),
        Happened::Fired(fired) => format!("{} fired", moment(fired.at)),
        Happened::Ended(ended) => format!("{} ended: {}", moment(ended.at), ended.outcome),
        Happened::Skipped(skipped) => {
            let why = match skipped.why {
                Why::Missed => "nobody waited for them",
                Why::Overlapped => "another firing was under way",
            };
            let least = if skipped.more { "at least " } else { "" };
            format!(
                "{} skipped, {least}{} times until then: {why}",
                moment(skipped.last),
                skipped.count
            )
        }
    }
}
