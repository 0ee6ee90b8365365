//! `lyceum corpus`: labelled attempts, replayed and counted.

mod replay;
mod table;

use std::{io::Write as _, path::PathBuf};

use lyceum_corpus::{Corpus, Judged, Label, Score, missing_tools, score};

use crate::{context::LabPlace, exit::Exit, failure::Failure};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Replay the attempts of a corpus through the lab; exit code 0 when every bar holds
    Run(Arguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Directory with `attempts/` and, for tasks of its own, `tasks/`
    #[arg(long, value_name = "DIR", default_value = "corpus")]
    corpus: PathBuf,
    /// Directory of more tasks that attempts may name
    #[arg(long, value_name = "DIR", default_value = "corpus/tasks")]
    tasks: PathBuf,
    /// Instances of the task for each honest attempt; cheats have one
    #[arg(long, value_name = "NUMBER", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=1000))]
    seeds: u16,
    /// Only this attempt; may be given more than once
    #[arg(long, value_name = "ID")]
    only: Vec<String>,
}

pub(super) fn run(place: &LabPlace, json: bool, command: &Command) -> Result<Exit, Failure> {
    let Command::Run(arguments) = command;
    let mut corpus =
        Corpus::load(&arguments.corpus, Some(&arguments.tasks)).map_err(|errors| all(&errors))?;
    if !arguments.only.is_empty() {
        corpus
            .only(&arguments.only)
            .map_err(|error| all(&[error]))?;
    }
    let missing = missing_tools(&corpus);
    if !missing.is_empty() {
        return Err(all(&missing).hint("install what is missing, or choose attempts with `--only`"));
    }
    let Some(judged) = replay::all(place, &corpus, arguments.seeds)? else {
        return Ok(Exit::Interrupted);
    };
    let score = score(&judged);
    if json {
        print_json(&judged, &score)?;
    } else {
        table::print(&judged, &score);
    }
    Ok(if score.bars.all() {
        Exit::Done
    } else {
        Exit::Unsatisfied
    })
}

/// Returns one failure for all that is wrong with a corpus.
fn all(errors: &[lyceum_corpus::Error]) -> Failure {
    let texts: Vec<String> = errors
        .iter()
        .map(|error| match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        })
        .collect();
    Failure::bad_input(texts.join("\nerror: ")).hint("the format is in `docs/corpus.md`")
}

#[derive(serde::Serialize)]
struct Printed<'a> {
    score: &'a Score,
    attempts: &'a [Judged],
}

fn print_json(judged: &[Judged], score: &Score) -> Result<(), Failure> {
    let printed = Printed {
        score,
        attempts: judged,
    };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &printed)?;
    writeln!(out)?;
    Ok(())
}

/// Returns the word for a label.
fn word(label: Label) -> &'static str {
    match label {
        Label::Cheat => "cheat",
        Label::Honest => "honest",
    }
}
