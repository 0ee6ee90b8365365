//! `lyceum session`: language models at work in the lab.

mod alone;
mod answer;
mod files;
mod list;
mod log;
mod show;
mod speak;
mod start;

pub(super) use files::put;
pub(super) use list::word;

use clap::Subcommand;
use lyceum_agents::{Fold as _, session::State};
use lyceum_ledger::Reader;

use crate::{context::LabPlace, exit::Exit, failure::Failure, view::words};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Have a language model work on a study, or with `--objective` on a copy of a directory
    Start(Box<start::Start>),
    /// Go on with a session without a study
    Resume(alone::Resume),
    /// Say something to a session
    Send(speak::Say),
    /// Let a call be carried out that waits for a person's word
    Approve(answer::Approve),
    /// Refuse a call that waits for a person's word
    Deny(answer::Deny),
    /// Answer a question that waits
    Answer(answer::Answer),
    /// Stop what a session does now; the study goes on
    Interrupt(speak::Interrupt),
    /// Show how a session stands, and in full what waits for a person's word
    Show(show::Arguments),
    /// Show what happened in a session, event by event
    Log(log::Arguments),
    /// Show what a session without a study changed in its files
    Diff(files::Diff),
    /// Write the files of a session without a study into a new directory
    Export(files::Export),
    /// Show the lab's sessions and how far they are
    List,
}

pub(super) fn run(place: &LabPlace, json: bool, command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Start(arguments) => start::run(place, json, arguments),
        Command::Resume(resume) => alone::resume(place, json, resume),
        Command::Diff(arguments) => files::diff(place, json, arguments),
        Command::Export(arguments) => files::export(place, json, arguments),
        Command::Send(say) => speak::say(place, json, say),
        Command::Approve(approve) => answer::approve(place, json, approve),
        Command::Deny(deny) => answer::deny(place, json, deny),
        Command::Answer(answer) => answer::answer(place, json, answer),
        Command::Interrupt(stop) => speak::interrupt(place, json, stop),
        Command::Show(arguments) => show::run(place, json, arguments),
        Command::Log(arguments) => log::run(place, json, arguments),
        Command::List => list::run(place, json),
    }
}

/// Returns the session of this name, or the only one there is.
fn named(reader: &Reader, name: Option<&str>) -> Result<String, Failure> {
    let all = State::names(reader)?;
    let found = match name {
        Some(name) => all.iter().find(|one| *one == name),
        None if all.len() == 1 => all.first(),
        None => None,
    };
    found.cloned().ok_or_else(|| {
        let names = words::clean(&all.join(", "));
        let failure = match name {
            Some(name) => Failure::bad_input(format!("the lab holds no session `{name}`")),
            None => Failure::bad_input("which session is meant?"),
        };
        if all.is_empty() {
            failure.hint("begin with `lyceum session start STUDY --researcher MODEL`")
        } else {
            failure.hint(format!("it holds: {names}"))
        }
    })
}
