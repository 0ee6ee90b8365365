//! `lyceum workflow`: fan-outs over commands, models and studies.

mod list;
mod run;
mod show;
mod stop;
mod words;

use clap::Subcommand;
use lyceum_agents::{Fold as _, workflow};
use lyceum_ledger::Reader;

use crate::{context::LabPlace, exit::Exit, failure::Failure, view::words as plain};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Carry out a workflow; goes on where its last run stopped
    Run(run::Arguments),
    /// Show the lab's runs and how far they are
    List,
    /// Show a run: its phases, its steps, what failed and why
    Show(show::Arguments),
    /// End a run; what it did is kept, and used again by the next
    Stop(stop::Arguments),
}

pub(super) fn run(place: &LabPlace, json: bool, command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Run(arguments) => run::run(place, json, arguments),
        Command::List => list::run(place, json),
        Command::Show(arguments) => show::run(place, json, arguments),
        Command::Stop(arguments) => stop::run(place, json, arguments),
    }
}

/// Returns the run of this name; without a name the only one there is.
fn named(reader: &Reader, name: Option<&str>) -> Result<String, Failure> {
    let all = workflow::State::names(reader)?;
    let found = match name {
        Some(name) => all.iter().find(|one| *one == name),
        None if all.len() == 1 => all.first(),
        None => None,
    };
    found.cloned().ok_or_else(|| {
        let failure = Failure::bad_input(match name {
            Some(name) => format!("the lab holds no run of a workflow called `{name}`"),
            None => "which run is meant?".to_owned(),
        });
        if all.is_empty() {
            failure.hint("begin with `lyceum workflow run FILE`")
        } else {
            failure.hint(format!("it holds: {}", plain::clean(&all.join(", "))))
        }
    })
}
