//! `lyceum team show` and `list`.

use std::{fs, path::PathBuf};

use lyceum_agents::{
    Fold as _, session,
    team::{self, State, Status},
};
use lyceum_study::lab::harmless;
use serde_json::json;

use super::status;
use crate::{
    commands::session::{put, word},
    context::LabPlace,
    exit::Exit,
    failure::Failure,
    view::{self, words},
};

/// Most characters of last words in one line.
const LINE_CHARACTERS_MAX: usize = 120;
/// Largest shared file that is written out.
const FILE_BYTES_MAX: u64 = 64 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The team [default: the only one]
    team: Option<String>,
    /// Write the shared files as they are now into a new directory
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn list(place: &LabPlace, json: bool) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    for name in team::State::names(&reader)? {
        let state = team::State::load(&reader, &name)?;
        if json {
            print_json(&name, &state, None);
            continue;
        }
        let (status, why) = status(&state);
        let why = if why.is_empty() {
            why
        } else {
            format!(" ({why})")
        };
        let (threads, version) = (state.threads.len(), state.version());
        let line = format!("{name}: {status}{why}; {threads} threads, {version} handoffs");
        println!("{}", words::clean(&line));
    }
    Ok(Exit::Done)
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let name = named(&reader, arguments.team.as_deref())?;
    let state = team::State::load(&reader, &name)?;
    if let Some(into) = &arguments.into {
        return write_files(&reader, &state, into);
    }
    if json {
        print_json(&name, &state, None);
        return Ok(Exit::Done);
    }
    let (now, why) = status(&state);
    let why = if why.is_empty() {
        why
    } else {
        format!(" ({why})")
    };
    println!("{}", words::clean(&format!("{name}: {now}{why}")));
    for (thread, number) in state.threads.iter().zip(0..) {
        let of = team::session_of(&name, number);
        let session =
            session::State::load(&reader, &of).map_err(|error| Failure::internal(&error))?;
        let who = thread
            .delegated
            .as_ref()
            .map_or("lead", |one| one.specialist.as_str());
        let doing = match &thread.idle {
            None => "at work".to_owned(),
            Some((why, report)) => format!("{}: {}", word(why), short(report)),
        };
        let indent = "  ".repeat(thread.depth as usize);
        let (requests, tokens) = (session.requests, session.tokens);
        let line = format!(
            "{indent}{number} {who} (session {of}): {requests} requests, {tokens} tokens; {doing}"
        );
        println!("{}", words::clean(&line));
    }
    for handed in &state.handoffs {
        let names: Vec<&str> = handed.files.iter().map(|file| file.name.as_str()).collect();
        let (version, thread, names) = (handed.version, handed.thread, names.join(", "));
        let line = format!(
            "version {version} by {thread}: {names}: {}",
            short(&handed.message)
        );
        println!("{}", words::clean(&line));
    }
    Ok(Exit::Done)
}

fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut cut: String = line.chars().take(LINE_CHARACTERS_MAX).collect();
    if cut.len() < line.len() {
        cut.push('…');
    }
    cut
}

fn named(reader: &lyceum_ledger::Reader, name: Option<&str>) -> Result<String, Failure> {
    let all = team::State::names(reader)?;
    let found = match name {
        Some(name) => all.iter().find(|one| *one == name),
        None if all.len() == 1 => all.first(),
        None => None,
    };
    found.cloned().ok_or_else(|| {
        let failure = match name {
            Some(name) => Failure::bad_input(format!("the lab holds no team `{name}`")),
            None => Failure::bad_input("which team is meant?"),
        };
        if all.is_empty() {
            failure.hint("begin with `lyceum team run FILE`")
        } else {
            failure.hint(format!("it holds: {}", words::clean(&all.join(", "))))
        }
    })
}

/// Writes the shared files where nothing is yet.
#[expect(clippy::print_stdout, reason = "this is the result")]
fn write_files(
    reader: &lyceum_ledger::Reader,
    state: &State,
    into: &std::path::Path,
) -> Result<Exit, Failure> {
    let failed =
        |error: std::io::Error| Failure::bad_input(format!("`{}`: {error}", into.display()));
    fs::create_dir(into).map_err(failed)?;
    let files = state.files(state.version());
    let names: Vec<&str> = files.keys().copied().collect();
    let harmless = harmless(&names);
    for (name, file) in files {
        let shown = words::clean(name);
        if !harmless.contains(&name) {
            println!("left out, since `git` or this lab would obey it: {shown}");
            continue;
        }
        let id = file.blob.parse();
        let id = id.map_err(|_| Failure::bad_input(format!("`{shown}` names no blob")))?;
        let bytes = reader.blob_at_most(id, FILE_BYTES_MAX)?;
        if let Err(error) = put(&into.join(name), &bytes, file.executable) {
            // What is there by half would pass for the whole.
            let _ = fs::remove_dir_all(into);
            return Err(failed(error));
        }
        println!("{shown}");
    }
    Ok(Exit::Done)
}

/// Prints the lead's last words.
#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn print_report(state: &State) {
    if let Status::Ended(report) = &state.status {
        for line in report.lines() {
            println!("{}", words::clean(line));
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn print_json(name: &str, state: &State, tokens: Option<u64>) {
    let (now, why) = status(state);
    let threads = state.threads.iter().zip(0..).map(|(thread, number)| {
        let delegated = thread.delegated.as_ref();
        json!({
            "thread": number,
            "session": team::session_of(name, number),
            "specialist": delegated.map(|one| &one.specialist),
            "parent": delegated.map(|one| one.parent),
            "task": delegated.map(|one| &one.task),
            "depth": thread.depth,
            "version": thread.version,
            "stop_reason": thread.idle.as_ref().map(|(why, _)| word(why)),
            "report": thread.idle.as_ref().map(|(_, report)| report),
        })
    });
    let object = json!({
        "team": name,
        "status": now,
        "stop_reason": why,
        "threads": threads.collect::<Vec<_>>(),
        "handoffs": state.handoffs,
        "messages": state.messages,
        "tokens": tokens,
    });
    println!("{}", view::visible(&object.to_string()));
}
