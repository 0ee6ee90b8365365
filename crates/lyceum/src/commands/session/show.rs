//! `lyceum session show`: how a session stands, and in full what waits for a person's word.

use std::fmt::Write as _;

use lyceum_agents::{
    Fold as _,
    session::{Request, Requested, State, event::ToolUsed},
};
use lyceum_models::Arguments as Called;
use serde_json::Value;

use super::{
    list::{object, overview},
    named,
};
use crate::{context::LabPlace, exit::Exit, failure::Failure, view::words};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The session [default: the only one]
    session: Option<String>,
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let name = named(&reader, arguments.session.as_deref())?;
    let state = State::load(&reader, &name)?;
    if json {
        println!(
            "{}",
            crate::view::visible(&object(&name, &state).to_string())
        );
        return Ok(Exit::Done);
    }
    println!("{}", words::clean(&overview(&name, &state)));
    print!("{}", standing(&state));
    for (used, asked) in state.awaited() {
        println!("{}", described(used, asked));
        let verbs = match asked.request {
            Request::Approval { .. } => format!(
                "approve {name} {0}` or `lyceum session deny {name} {0} --why TEXT",
                used.call
            ),
            Request::Question { .. } => format!("answer {name} {} TEXT", used.call),
        };
        println!("  `lyceum session {verbs}`");
    }
    Ok(Exit::Done)
}

/// Returns what was asked of the session, and what it found.
fn standing(state: &State) -> String {
    let mut text = String::new();
    let mut line = |what: &str, said: &str| {
        let said: Vec<&str> = said.split_whitespace().collect();
        let _ = writeln!(text, "  {what}: {}", words::clean(&said.join(" ")));
    };
    if let Some(created) = &state.created {
        line("objective", &created.objective);
        for constraint in &created.constraints {
            line("constraint", constraint);
        }
        for mount in &created.mounts {
            let access = if mount.write {
                "read and write"
            } else {
                "read"
            };
            line("memory store", &format!("{}, {access}", mount.store));
        }
        let policy = &created.policy;
        if !policy.tools.is_empty() {
            line("asks for each", &policy.tools.join(", "));
        }
        if let Some(outside) = &policy.outside {
            line("asks for files outside of", &outside.join(", "));
        }
        if let Some(after) = policy.after {
            line("asks for experiments after", &after.to_string());
        }
    }
    for (number, found) in &state.findings {
        line(
            &format!("finding {number} on {}", found.experiment),
            &found.claim,
        );
    }
    text
}

/// Returns a call that waits, with its exact arguments, one on a line: what models wrote is escaped.
pub(super) fn described(used: &ToolUsed, asked: &Requested) -> String {
    let mut text = format!("{} {}: {}", used.call, used.name, asked.words());
    if let Request::Question { .. } = asked.request {
        return words::clean(&text);
    }
    text = words::clean(&text);
    let mut line = |name: &str, value: &str| {
        let value = if value.is_empty() { "(empty)" } else { value };
        for (at, part) in value.lines().enumerate() {
            let name = if at == 0 { name } else { "" };
            let _ = write!(text, "\n  {name:>12} | {}", words::clean(part));
        }
    };
    match &used.arguments {
        Called::Object { value } => {
            for (name, value) in value.as_object().into_iter().flatten() {
                match value {
                    Value::String(words) => {
                        line(&words::clean(name), words);
                        // Whether a file ends with the end of a line is part of what is decided.
                        if used.name == "write" && name == "content" && !words.ends_with('\n') {
                            line("", "(without the end of its last line)");
                        }
                    }
                    other => line(&words::clean(name), &other.to_string()),
                }
            }
        }
        Called::Malformed { text, .. } => line("no JSON", text),
    }
    text
}
