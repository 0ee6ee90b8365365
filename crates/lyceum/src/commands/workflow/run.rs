//! `lyceum workflow run`: carries out a workflow, and goes on with one.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use lyceum_agents::{
    Fold as _,
    workflow::{
        self, Body, Conductor, Created, End, Floor, FormatError, Hired, Journal, RunResult, State,
        Status, StepEnd, StopReason, Updated, Watcher, Workflow,
    },
};
use lyceum_models::{Recording, Spec, environment};
use lyceum_study::lab::{self, Kit};

use super::words as told;
use crate::{
    commands::{run::stop_on_signals, taping::Taping},
    context::{LabPlace, Minimum},
    exit::Exit,
    failure::Failure,
    view::{self, words},
};

/// Name of the file in a workflow's directory.
const FILE_NAME: &str = "workflow.toml";
/// How often people are told how far a phase is.
const TOLD_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    minimum: Minimum,
    /// The workflow's file, or the directory that holds `workflow.toml`
    #[arg(value_name = "FILE")]
    workflow: PathBuf,
    /// The model of steps that name none: `anthropic:MODEL`, `openai:MODEL`, `http://HOST:PORT/v1#MODEL` or
    /// `command:PROGRAM`
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Take no result of an earlier run
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    taping: Taping,
}

impl From<FormatError> for Failure {
    fn from(error: FormatError) -> Failure {
        let why = std::error::Error::source(&error).map(|source| format!(": {source}"));
        Failure::bad_input(format!("{error}{}", why.unwrap_or_default()))
    }
}

pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let file = if arguments.workflow.is_dir() {
        arguments.workflow.join(FILE_NAME)
    } else {
        arguments.workflow.clone()
    };
    let workflow = Workflow::open(&file)?;
    let model = arguments
        .model
        .as_deref()
        .map(str::parse::<Spec>)
        .transpose();
    let model = model.map_err(|error| Failure::bad_input(error.to_string()))?;
    let halt = stop_on_signals()?;
    let kit = place.kit_at(arguments.minimum)?;
    lab::clean_up(kit.lab()).map_err(|error| Failure::internal(&error))?;
    let reader = kit.ledger().reader()?;
    let going_on = unfinished(&reader, &workflow, model.as_ref(), arguments.fresh)?;
    let model = model.or_else(|| going_on.as_ref().and_then(|(_, model)| model.clone()));
    check_models(&workflow, model.as_ref(), arguments)?;
    let hired = Hired {
        model: model.clone(),
        environment,
        tapes: arguments.taping.tapes()?,
    };
    let floor = Floor::new(&workflow, &kit, hired);
    let going_on = going_on.map(|(name, _)| name);
    let name = if let Some(name) = same_still(&reader, &workflow, &floor, going_on)? {
        name
    } else {
        floor.check().map_err(Failure::bad_input)?;
        new_name(&reader, &workflow)?
    };
    let mut known = workflow::known_results(&reader)?;
    drop(reader);
    let mut journal = Journal::open(kit.ledger().clone(), &name)?;
    begin(
        &mut journal,
        &workflow,
        &name,
        (model.as_ref(), arguments.fresh),
    )?;
    if journal
        .state()
        .created
        .as_ref()
        .is_some_and(|one| one.fresh)
    {
        known.retain(|_, (from, _)| from.run == name);
    }
    let mut watcher = Teller::new(json);
    let conducted = Conductor {
        journal: &mut journal,
        workflow: &workflow,
        crew: &floor,
        known,
        halt,
        asked: &|| workflow::is_asked_to_stop(kit.lab(), &name),
        watcher: &mut watcher,
    }
    .conduct();
    match conducted {
        Ok(()) => Ok(finish(&kit, &name, journal.state(), json)),
        Err(End::Journal(error)) => Err(error.into()),
    }
}

/// Returns the newest run with its model, if it is not over and is of the same workflow and model.
fn unfinished(
    reader: &lyceum_ledger::Reader,
    workflow: &Workflow,
    model: Option<&Spec>,
    fresh: bool,
) -> Result<Option<(String, Option<Spec>)>, Failure> {
    let (number, name) = workflow::newest(reader, &workflow.name)?;
    if number == 0 {
        return Ok(None);
    }
    let state = workflow::State::load(reader, &name)?;
    let Some(created) = state.created.as_ref().filter(|_| !state.is_over()) else {
        return Ok(None);
    };
    let of_run = created
        .model
        .as_ref()
        .and_then(|text| text.parse::<Spec>().ok());
    let same = created.digest == workflow.digest
        && (model.is_none() || of_run.as_ref() == model)
        && (created.fresh || !fresh);
    if !same {
        view::note(&words::clean(&format!(
            "{name} is not finished and was asked for in another way: it stays as it is, and a new run begins"
        )));
    }
    Ok(same.then_some((name, of_run)))
}

/// Returns the run to go on with, if what it did would be the same now. A run does not mix what was with what is; a new
/// one takes over what has not changed.
fn same_still(
    reader: &lyceum_ledger::Reader,
    workflow: &Workflow,
    floor: &Floor<'_>,
    run: Option<String>,
) -> Result<Option<String>, Failure> {
    let Some(name) = run else {
        return Ok(None);
    };
    let state = workflow::State::load(reader, &name)?;
    let Some(step) = workflow::differing(workflow, floor, &state) else {
        return Ok(Some(name));
    };
    view::note(&words::clean(&format!(
        "what step {step} of {name} is made of changed since it was done: {name} stays as it is, and a new run begins"
    )));
    Ok(None)
}

fn new_name(reader: &lyceum_ledger::Reader, workflow: &Workflow) -> Result<String, Failure> {
    let (number, _) = workflow::newest(reader, &workflow.name)?;
    Ok(match number {
        0 => workflow.name.clone(),
        number => format!("{}~{}", workflow.name, number + 1),
    })
}

fn begin(
    journal: &mut Journal,
    workflow: &Workflow,
    name: &str,
    (model, fresh): (Option<&Spec>, bool),
) -> Result<(), Failure> {
    let body = match &journal.state().created {
        None => Body::Created(Created {
            run: name.to_owned(),
            workflow: workflow.name.clone(),
            description: workflow.description.clone(),
            definition: workflow.text.clone(),
            digest: workflow.digest.clone(),
            model: model.map(ToString::to_string),
            budget: workflow.budget,
            fresh,
            lyceum: env!("CARGO_PKG_VERSION").to_owned(),
        }),
        Some(created) if created.definition != workflow.text => Body::Updated(Updated {
            definition: workflow.text.clone(),
            budget: workflow.budget,
        }),
        Some(_) => return Ok(()),
    };
    Ok(journal.write(vec![body])?)
}

/// Looks whether every model can be asked, before the first step.
fn check_models(
    workflow: &Workflow,
    model: Option<&Spec>,
    arguments: &Arguments,
) -> Result<(), Failure> {
    let money = workflow.budget.money.is_some()
        || workflow
            .phases
            .iter()
            .any(|phase| phase.budget.money.is_some());
    for named in workflow.models() {
        let Some(spec) = named.or(model) else {
            return Err(Failure::bad_input("a step asks a model, and none is named")
                .hint("name one with `--model anthropic:MODEL`, `openai:MODEL` or `http://HOST:PORT/v1#MODEL`"));
        };
        let tape = if arguments.taping.replays() {
            lyceum_models::Tape::Replay(Recording::new(vec![]))
        } else {
            lyceum_models::Tape::Live
        };
        let mind = lyceum_agents::mind_with(spec, &environment, tape)
            .map_err(|error| Failure::bad_input(format!("{spec}: {error}")))?;
        if money && !mind.has_price() {
            return Err(Failure::bad_input(format!(
                "a budget of money needs a model whose price is known, and that of `{spec}` is not"
            ))
            .hint("bound what it may use with `tokens`"));
        }
    }
    Ok(())
}

/// Prints the results of the last phase, and says how the run ended.
#[expect(clippy::print_stdout, reason = "this is the result")]
fn finish(kit: &Kit, name: &str, state: &State, json: bool) -> Exit {
    if let Status::Ended(RunResult::Stopped { .. }) = &state.status {
        workflow::clear_stop(kit.lab(), name);
    }
    if json {
        println!(
            "{}",
            view::visible(&told::object(name, state, true).to_string())
        );
    } else {
        let last = state.phases.last().filter(|_| state.is_over());
        for (_, result) in last.into_iter().flat_map(workflow::PhaseState::results) {
            for line in result.lines() {
                println!("{}", words::clean(line));
            }
        }
        let (status, why) = told::status(state);
        let why = if why.is_empty() {
            why
        } else {
            format!(": {why}")
        };
        let line = format!("{name}: {status}{why}; {}", told::used(state));
        view::note(&words::clean(&line));
        if let Status::Idle(reason) = &state.status {
            view::note(how_to_go_on(reason));
        }
    }
    let failures = state.phases.iter().any(|phase| phase.counts().1 > 0);
    match &state.status {
        Status::Ended(RunResult::Completed) if !failures => Exit::Done,
        Status::Ended(RunResult::Stopped { .. })
        | Status::Idle(StopReason::Interrupted | StopReason::LabStopped { .. }) => {
            Exit::Interrupted
        }
        Status::Idle(StopReason::RequiresAction { .. }) => Exit::Waits,
        Status::Idle(StopReason::LabFailed { .. }) => Exit::Internal,
        Status::Idle(StopReason::BudgetReached { .. }) => Exit::BudgetSpent,
        Status::Idle(StopReason::RetriesExhausted { .. }) => Exit::BadInput,
        Status::Ended(_) | Status::New | Status::Running => Exit::Unsatisfied,
    }
}

fn how_to_go_on(reason: &StopReason) -> &'static str {
    match reason {
        StopReason::BudgetReached { .. } => {
            "nothing is lost: raise the budget in the workflow's file, and the same command goes on"
        }
        StopReason::RetriesExhausted { .. } => {
            "nothing is lost: once the model can be asked again, the same command goes on"
        }
        StopReason::LabStopped { .. } => {
            "nothing is lost: once the file `stop` in the lab is gone, the same command goes on"
        }
        StopReason::RequiresAction { .. } => "nothing is lost: after that the same command goes on",
        StopReason::Interrupted | StopReason::LabFailed { .. } => {
            "nothing is lost: the same command goes on"
        }
    }
}

/// Tells people how far the run is, on standard error.
struct Teller {
    quiet: bool,
    told: Instant,
}

impl Teller {
    fn new(quiet: bool) -> Teller {
        Teller {
            quiet,
            told: Instant::now(),
        }
    }
}

impl Watcher for Teller {
    fn event(&mut self, state: &State, body: &Body) {
        if self.quiet {
            return;
        }
        let line = match body {
            Body::Created(_)
            | Body::Running(_)
            | Body::Updated(_)
            | Body::Idle(_)
            | Body::StepStarted(_)
            | Body::Ended(_) => return,
            Body::PhaseStarted(started) => {
                format!("{}: {} steps", started.phase, started.items.len())
            }
            Body::StepEnded(ended) => match &ended.end {
                StepEnd::Failed { why } => {
                    format!("  {}/{} failed: {why}", ended.phase, ended.step)
                }
                StepEnd::Refused { why, .. } => {
                    format!(
                        "  {}/{} answered what was not taken: {why}",
                        ended.phase, ended.step
                    )
                }
                StepEnd::Fault { why } => {
                    format!("  {}/{}: the lab failed: {why}", ended.phase, ended.step)
                }
                StepEnd::Unknown => format!(
                    "  {}/{} was at work when the lab died",
                    ended.phase, ended.step
                ),
                StepEnd::Done { .. } | StepEnd::Cut { .. } if self.told.elapsed() >= TOLD_EVERY => {
                    let phase = state.phase(&ended.phase);
                    phase.map(told::phase).unwrap_or_default()
                }
                StepEnd::Done { .. } | StepEnd::Cut { .. } => return,
            },
            Body::PhaseEnded(ended) => state
                .phase(&ended.phase)
                .map(told::phase)
                .unwrap_or_default(),
        };
        self.told = Instant::now();
        view::note(&words::clean(&line));
    }
}
