//! The commands, one file each.

mod adopt;
mod approve;
mod ask;
mod autonomy;
mod checkpoint;
mod corpus;
mod digest;
mod doctor;
mod dream;
mod explain;
mod export;
mod gc;
mod horizon;
mod import;
mod lint;
mod log;
mod memory;
mod new;
mod outcome;
mod replay;
mod report;
mod rerun;
mod run;
mod sandbox;
mod schema;
mod session;
mod show;
mod status;
mod stop;
mod taping;
mod team;
mod train;
mod verify;
mod workflow;

use clap::{Parser, Subcommand};

use crate::{context::LabPlace, exit::Exit, failure::Failure};

/// An autonomous AI research lab: give it a question, a workspace and a way to measure
#[derive(Debug, Parser)]
#[command(name = "lyceum", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, rubric satisfied; 1 finished, rubric not satisfied; 2 bad input; \
3 budget spent before the planned end; 4 a person is waited for; 70 internal; 75 lab in use; 78 refused to run unsafely; 130 interrupted"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    place: LabPlace,
    /// Print JSON for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Work on a study until it is finished; goes on where it stopped
    Run(run::Arguments),
    /// Write a small study that runs
    New(new::Arguments),
    /// Show the lab's studies and how far they are
    Status,
    /// Show what happened in a study, event by event
    Log(log::Arguments),
    /// Show an experiment: hypothesis, change, runs, verdict and why
    Show(show::Arguments),
    /// Write a study's report and print where it is
    Report(report::Arguments),
    /// Show how a study's rubric was judged: execution, claim and verified result, each criterion with its grade
    Outcome(outcome::Arguments),
    /// End what runs; the study goes on only by a person's word
    Stop(stop::Arguments),
    /// Show a cycle on one page, every number with its events
    Digest(digest::Arguments),
    /// Show what waits for signatures, or sign it
    Approve(approve::Arguments),
    /// Show how much a study may do by itself, or change it
    Autonomy(autonomy::Arguments),
    /// Answer five questions about what was accepted
    Explain(explain::Arguments),
    /// Check the ledger, its blobs and every verdict; measure some runs again on request
    Verify(verify::Arguments),
    /// Repeat a run and compare it with the record
    Rerun(rerun::Arguments),
    /// Show what another keep rule would have claimed on the same log
    Replay(replay::Arguments),
    /// Print what the lab signs about its ledger, to be kept elsewhere for `verify --checkpoint`
    Checkpoint(checkpoint::Arguments),
    /// Print a study's experiments as a table, or write it or the whole lab as a signed bundle
    Export(export::Arguments),
    /// Take in a study or a whole lab from a signed bundle
    Import(import::Arguments),
    /// Remove kept files that nothing in the record names
    Gc(gc::Arguments),
    /// Look for what is wrong with a study before it is run: a grader that can be fooled, a number that says nothing
    Lint(lint::Arguments),
    /// Tell which kept changes of an autoresearch log stand out from its noise
    Adopt(adopt::Arguments),
    /// Replay labelled attempts, honest and cheating, and count what pays and what is found
    #[command(subcommand)]
    Corpus(corpus::Command),
    /// Compute time horizons: the length of task that agents complete with some probability
    Horizon(horizon::Arguments),
    /// Ask a language model one thing, to try its address, key and price
    Ask(ask::Arguments),
    /// Make the lab's own network from nothing
    #[command(subcommand)]
    Train(train::Command),
    /// Show what the sandbox can do here, and what to do where it cannot
    #[command(after_help = doctor::CODES)]
    Doctor,
    /// Run a command by hand in the sandbox that experiments run in
    #[command(subcommand)]
    Sandbox(sandbox::Command),
    /// Learn from finished studies and sessions: write a new memory store, accepted if a replay improves, else kept for review
    Dream(dream::Arguments),
    /// Show and change what the lab remembers
    #[command(subcommand)]
    Memory(memory::Command),
    /// Language models at work: start a session, see it, speak to it
    #[command(subcommand)]
    Session(session::Command),
    /// Have a lead and its specialists work on shared files
    #[command(subcommand)]
    Team(team::Command),
    /// Carry out a fan-out over commands, models and studies, journalled step by step
    #[command(subcommand)]
    Workflow(workflow::Command),
    /// Print the schema of a file format
    Schema(schema::Arguments),
    /// Run one of the built-in studies' programs by hand
    Program(Program),
}

#[derive(Debug, clap::Args)]
struct Program {
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl Cli {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let (place, json) = (&self.place, self.json);
        match self.command {
            Command::Run(arguments) => run::run(place, json, &arguments),
            Command::New(arguments) => new::run(json, &arguments),
            Command::Status => status::run(place, json),
            Command::Log(arguments) => log::run(place, json, &arguments),
            Command::Show(arguments) => show::run(place, json, &arguments),
            Command::Report(arguments) => report::run(place, json, &arguments),
            Command::Outcome(arguments) => outcome::run(place, json, &arguments),
            Command::Stop(arguments) => stop::run(place, json, &arguments),
            Command::Approve(arguments) => approve::run(place, json, &arguments),
            Command::Autonomy(arguments) => autonomy::run(place, json, &arguments),
            Command::Digest(arguments) => digest::run(place, json, &arguments),
            Command::Explain(arguments) => explain::run(place, json, &arguments),
            Command::Verify(arguments) => verify::run(place, json, &arguments),
            Command::Rerun(arguments) => rerun::run(place, json, &arguments),
            Command::Replay(arguments) => replay::run(place, json, &arguments),
            Command::Checkpoint(arguments) => checkpoint::run(place, json, &arguments),
            Command::Export(arguments) => export::run(place, json, &arguments),
            Command::Import(arguments) => import::run(place, json, &arguments),
            Command::Gc(arguments) => gc::run(place, json, &arguments),
            Command::Lint(arguments) => lint::run(json, &arguments),
            Command::Adopt(arguments) => adopt::run(json, &arguments),
            Command::Corpus(command) => corpus::run(place, json, &command),
            Command::Horizon(arguments) => horizon::run(json, &arguments),
            Command::Ask(arguments) => ask::run(json, &arguments),
            Command::Train(command) => train::run(json, &command),
            Command::Doctor => doctor::run(json),
            Command::Sandbox(command) => sandbox::run(json, &command),
            Command::Dream(arguments) => dream::run(place, json, &arguments),
            Command::Memory(command) => memory::run(place, json, &command),
            Command::Session(command) => session::run(place, json, &command),
            Command::Team(command) => team::run(place, json, &command),
            Command::Workflow(command) => workflow::run(place, json, &command),
            Command::Schema(arguments) => schema::run(&arguments),
            Command::Program(program) => program.run(),
        }
    }
}

impl Program {
    fn run(&self) -> Result<Exit, Failure> {
        let (name, rest) = self
            .words
            .split_first()
            .ok_or_else(|| Failure::bad_input("no program"))?;
        match lyceum_programs::dispatch(name, rest) {
            Some(0) => Ok(Exit::Done),
            Some(2) => Ok(Exit::BadInput),
            Some(_) => Ok(Exit::Unsatisfied),
            None => Err(
                Failure::bad_input(format!("no built-in program `{name}`")).hint(format!(
                    "there are: {}",
                    lyceum_programs::names().join(", ")
                )),
            ),
        }
    }
}
