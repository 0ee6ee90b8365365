//! `lyceum team run`: has a team work, and goes on with one.

use std::path::PathBuf;

use lyceum_agents::{
    Fold as _, Options, Tapes,
    session::event::StopReason,
    team::{self, Broke, Staffed, Status, Team},
};
use lyceum_models::{Spec, environment};
use lyceum_study::{engine::Broken, lab};

use super::{show, status};
use crate::{
    commands::{run::stop_when_asked, taping::Taping},
    context::{LabPlace, Minimum},
    exit::Exit,
    failure::Failure,
    view::{self, words},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    minimum: Minimum,
    /// The team's file
    team: PathBuf,
    /// The model of those for whom the file names none: `anthropic:MODEL`, `openai:MODEL`, `http://HOST:PORT/v1#MODEL`
    /// or `command:PROGRAM`
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    #[command(flatten)]
    taping: Taping,
}

pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let team = Team::open(&arguments.team).map_err(|error| {
        let why = std::error::Error::source(&error).map(|source| format!(": {source}"));
        Failure::bad_input(format!("{error}{}", why.unwrap_or_default()))
    })?;
    let model = arguments
        .model
        .as_deref()
        .map(str::parse::<Spec>)
        .transpose();
    let model = model.map_err(|error| Failure::bad_input(error.to_string()))?;
    let tapes = arguments.taping.tapes()?;
    let kit = place.kit_at(arguments.minimum)?;
    let halt = stop_when_asked(kit.lab())?;
    lab::clean_up(kit.lab()).map_err(|error| Failure::internal(&error))?;
    let known = team::State::load(&kit.ledger().reader()?, &team.name)?;
    let model = going_on(&team, &known, model)?;
    check_models(&team, model.as_ref(), &tapes)?;
    let opened = team::open(&team, &kit, model.as_ref()).map_err(broke)?;
    let record = opened.map_err(|why| Failure::bad_input(format!("the workspace: {why}")))?;
    let hire = |spec: &Spec, tape| {
        lyceum_agents::mind_with(spec, &environment, tape)
            .map_err(Broken::while_doing(format!("hiring `{spec}`")))
    };
    let staffed = Staffed {
        hire: &hire,
        model,
        options: Options::default(),
        tapes,
    };
    let conducted = team::conduct(&team, &kit, record, &staffed, &halt).map_err(broke)?;
    let (state, (tokens, _)) = (&conducted.state, conducted.spent);
    if json {
        show::print_json(&team.name, state, Some(tokens));
    } else {
        show::print_report(state);
        let (status, why) = status(state);
        let why = if why.is_empty() {
            why
        } else {
            format!(" ({why})")
        };
        let (threads, version) = (state.threads.len(), state.version());
        view::note(&words::clean(&format!(
            "{}: {status}{why}; {threads} threads, {version} handoffs, {tokens} tokens",
            team.name
        )));
        if status == "idle" {
            view::note(
                "nothing is lost: the same command goes on, with larger budgets where the file says so",
            );
        }
    }
    Ok(match &state.status {
        Status::Ended(_) => Exit::Done,
        Status::Idle(StopReason::BudgetReached) => Exit::BudgetSpent,
        Status::Idle(StopReason::Interrupted) => Exit::Interrupted,
        Status::Idle(StopReason::LabFailed) => Exit::Internal,
        Status::Idle(_) | Status::Running => Exit::Unsatisfied,
    })
}

fn broke(error: Broke) -> Failure {
    match error {
        Broke::Record(error) => error.into(),
        error => Failure::internal(&error)
            .hint("nothing that was recorded is lost: the same command goes on"),
    }
}

/// Returns the model that the team goes on with. A team of this name that is to do something else stays as it is.
fn going_on(
    team: &Team,
    known: &team::State,
    model: Option<Spec>,
) -> Result<Option<Spec>, Failure> {
    let Some(created) = &known.created else {
        return Ok(model);
    };
    if created.digest != team.digest {
        return Err(Failure::bad_input(format!(
            "the lab has a team `{}` whose file says something else than budgets",
            team.name
        ))
        .hint("give this one another name"));
    }
    Ok(model.or_else(|| created.model.as_ref()?.parse().ok()))
}

/// Looks whether every model can be asked, before anything is begun.
fn check_models(team: &Team, model: Option<&Spec>, tapes: &Tapes) -> Result<(), Failure> {
    for member in &team.members {
        let Some(spec) = member.model.as_ref().or(model) else {
            return Err(
                Failure::bad_input(format!("no model is named for `{}`", member.name))
                    .hint("name one with `--model`, or in the file"),
            );
        };
        let mind = lyceum_agents::mind_with(spec, &environment, tapes.tape())
            .map_err(|error| Failure::bad_input(format!("{spec}: {error}")))?;
        let above = team.members.iter().any(|one| one.allowed.money.is_some());
        if above && !mind.has_price() {
            return Err(Failure::bad_input(format!(
                "a budget of money needs models whose price is known, and that of `{spec}` is not"
            ))
            .hint("bound what it may spend with `tokens`"));
        }
    }
    Ok(())
}
