//! `lyceum team`: a lead and its specialists on shared files.

mod run;
mod show;

use clap::Subcommand;
use lyceum_agents::team::{State, Status};

use crate::{commands::session, context::LabPlace, exit::Exit, failure::Failure};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Have a team work until its lead is done; goes on where it stopped
    Run(run::Arguments),
    /// Show the lab's teams
    List,
    /// Show a team: its threads, what each says, and what was handed off
    Show(show::Arguments),
}

pub(super) fn run(place: &LabPlace, json: bool, command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Run(arguments) => run::run(place, json, arguments),
        Command::List => show::list(place, json),
        Command::Show(arguments) => show::run(place, json, arguments),
    }
}

/// Returns what a team does, in the vocabulary of the events, and why.
fn status(state: &State) -> (&'static str, String) {
    match &state.status {
        Status::Running => ("running", String::new()),
        Status::Idle(why) => ("idle", session::word(why).to_owned()),
        Status::Ended(_) => ("completed", String::new()),
    }
}
