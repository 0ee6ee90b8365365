//! `lyceum dream`: learns from finished studies and sessions.

pub(super) mod list;
mod model;
mod schedule;
mod tell;

use lyceum_ledger::{Ledger, Options, Reader};
use lyceum_memory::{
    Actor, DreamVerdict, Dreamt, Error, PastSession, PastStudy, Store, dream, present,
};
use lyceum_models::Money;
use lyceum_study::lab::{self, Lab};

use super::{memory::person, taping::Taping};
use crate::{
    context::{LabPlace, known, named},
    exit::Exit,
    failure::Failure,
    view,
};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Arguments {
    /// Studies to learn from [default: those of the sessions; without sessions all finished ones of this lab
    /// that the store does not know]
    studies: Vec<String>,
    /// Sessions to read, at most 100
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    sessions: Vec<String>,
    /// Read the sessions that no dream by a model on this store has read to their end
    #[arg(long, conflicts_with = "sessions", requires = "dreamer")]
    new_sessions: bool,
    /// The language model that dreams, as `anthropic:MODEL`, `openai:MODEL`, `http://HOST:PORT/v1#MODEL` or `command:PROGRAM`
    /// [default: none takes part]
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["studies", "dry_run"])]
    dreamer: Option<String>,
    /// What the model is to look at
    #[arg(
        long,
        value_name = "TEXT",
        requires = "dreamer",
        default_value = "",
        hide_default_value = true
    )]
    instructions: String,
    /// Most tokens that the dream may spend
    #[arg(long, value_name = "NUMBER", requires = "dreamer")]
    tokens: Option<u64>,
    /// Most US dollars that the dream may spend; refused for a model without a known price
    #[arg(long, value_name = "DOLLARS", requires = "dreamer")]
    money: Option<Money>,
    /// Tokens that the model's context holds
    #[arg(long, value_name = "NUMBER", requires = "dreamer", default_value_t = 128_000, value_parser = clap::value_parser!(u64).range(16_384..))]
    context: u64,
    /// The store that is dreamt on; made if there is none
    #[arg(long, value_name = "NAME", default_value = "lab")]
    store: String,
    /// Show what would change and how the replay ends, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Wait for these times and dream at each: minute, hour, day of the month, month, day of the week, as "0 3 * * *"
    #[arg(long, value_name = "CRON", conflicts_with = "dry_run")]
    schedule: Option<String>,
    /// Time zone of the schedule, as `Europe/Berlin`
    #[arg(
        long,
        value_name = "NAME",
        requires = "schedule",
        default_value = "UTC"
    )]
    zone: String,
    /// Count the times of a new schedule from this moment on [default: now]
    #[arg(long, value_name = "TIME", requires = "schedule", value_parser = str::parse::<jiff::Timestamp>)]
    since: Option<jiff::Timestamp>,
    /// Do what the schedule has due now, and end
    #[arg(long, requires = "schedule")]
    once: bool,
    #[command(flatten)]
    taping: Taping,
}

pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let has_sessions = arguments.new_sessions || !arguments.sessions.is_empty();
    if arguments.dreamer.is_some() && !has_sessions {
        return Err(Failure::bad_input("`--dreamer` needs sessions to read")
            .hint("name them with `--sessions A,B`, or take `--new-sessions`"));
    }
    if arguments.taping.is_given() && (arguments.dreamer.is_none() || arguments.schedule.is_some())
    {
        return Err(
            Failure::bad_input("`--record` and `--replay` are for one dream by a model")
                .hint("name the model with `--dreamer`, and leave `--schedule` out"),
        );
    }
    match &arguments.schedule {
        Some(times) => schedule::run(place, json, arguments, times),
        None => once(place, json, arguments, None),
    }
}

/// Dreams once; `firing` names the time of a schedule that this belongs to.
fn once(
    place: &LabPlace,
    json: bool,
    arguments: &Arguments,
    firing: Option<&str>,
) -> Result<Exit, Failure> {
    match &arguments.dreamer {
        Some(dreamer) => model::run(place, json, arguments, dreamer, firing),
        None => without_model(place, json, arguments, firing.is_some()),
    }
}

/// Dreams without a model; where `may_rest`, having nothing new to read is no failure.
fn without_model(
    place: &LabPlace,
    json: bool,
    arguments: &Arguments,
    may_rest: bool,
) -> Result<Exit, Failure> {
    let lab = place.lab()?;
    let reader = place.reader()?;
    let before = match present(&reader, &lab.memory(), &arguments.store) {
        Ok(store) => Some(store),
        Err(Error::NoStore { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let sessions = sessions(&reader, arguments)?;
    let studies = studies(&reader, arguments, before.as_ref(), &sessions)?;
    if may_rest && studies.is_empty() && sessions.is_empty() {
        if !json {
            view::note("nothing to dream of: no study was finished since");
        }
        return Ok(Exit::Done);
    }
    if may_rest
        && let Some(store) = &before
        && let Some(dreamt) = dreamt_already(&reader, &lab, store, &studies, &sessions)?
    {
        drop(reader);
        return rest(&lab, json, store.clone(), &dreamt);
    }
    if !json {
        let count = sessions.len();
        let also = if count == 0 {
            String::new()
        } else {
            format!(" and {count} sessions")
        };
        view::note(&format!("dreaming of {} studies{also}", studies.len()));
    }
    let now = jiff::Timestamp::now().as_millisecond();
    let dreamt = dream(before.as_ref(), studies, &sessions, now)?;
    let told = dreamt.clone();
    let store = if arguments.dry_run {
        None
    } else {
        drop(reader);
        Some(write(&lab, &arguments.store, before, dreamt)?)
    };
    tell::dreamt(json, &told, store.as_ref());
    Ok(match told.dreamed.verdict {
        DreamVerdict::Accepted => Exit::Done,
        DreamVerdict::Review => Exit::Unsatisfied,
    })
}

/// Returns the store that was dreamt of all of this without a model, if there is one that is not read yet.
fn dreamt_already(
    reader: &Reader,
    lab: &Lab,
    before: &Store,
    studies: &[PastStudy],
    sessions: &[PastSession],
) -> Result<Option<Store>, Failure> {
    for name in lyceum_memory::names(reader)? {
        let store = Store::load(reader, &lab.memory(), &name)?;
        let holds = store.dreamed().is_some_and(|dreamed| {
            let from = dreamed.from.as_ref().map(|(name, _)| name.as_str());
            from == Some(before.name())
                && dreamed.dreamer.is_none()
                && studies
                    .iter()
                    .all(|one| dreamed.studies.contains(&one.name))
                && sessions
                    .iter()
                    .all(|one| dreamed.sessions.contains(&one.name))
        });
        if holds {
            return Ok(Some(store));
        }
    }
    Ok(None)
}

/// Leaves a firing whose dream is there: it waits for review, or a process died before it was read.
fn rest(lab: &Lab, json: bool, mut before: Store, dreamt: &Store) -> Result<Exit, Failure> {
    let name = dreamt.name();
    let accepted = dreamt
        .dreamed()
        .filter(|dreamed| dreamed.verdict == DreamVerdict::Accepted);
    let said = if let Some(dreamed) = accepted {
        let ledger = Ledger::open(&lab.ledger(), Options::default())?;
        let actor = Actor::Dream(name.to_owned());
        before.succeed(&ledger, name, actor, &dreamed.reason)?;
        format!("`{name}` was accepted and is read now")
    } else {
        format!(
            "nothing to dream of: `{name}` was dreamt of the same and waits for review; `lyceum memory accept {name}` takes it"
        )
    };
    if !json {
        view::note(&said);
    }
    Ok(Exit::Done)
}

/// Returns the names of sessions, each once.
fn session_names(arguments: &Arguments) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in &arguments.sessions {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn sessions(reader: &Reader, arguments: &Arguments) -> Result<Vec<PastSession>, Failure> {
    let names = session_names(arguments).into_iter();
    names
        .map(|name| Ok(lyceum_agents::dream::found(reader, &name)?))
        .collect()
}

/// Reads the studies that the dream is about.
fn studies(
    reader: &Reader,
    arguments: &Arguments,
    before: Option<&Store>,
    sessions: &[PastSession],
) -> Result<Vec<PastStudy>, Failure> {
    let all = lab::studies(reader)?;
    let names = if !arguments.studies.is_empty() {
        let given = arguments.studies.iter();
        given
            .map(|name| named(reader, name))
            .collect::<Result<_, _>>()?
    } else if sessions.is_empty() {
        let known_before = before.map_or(Ok(vec![]), lyceum_memory::remembered)?;
        let mut names = all;
        names.retain(|name| known_before.iter().all(|study| study.name != *name));
        names
    } else {
        let mut names = all;
        names.retain(|name| sessions.iter().any(|session| session.study == *name));
        names
    };
    let mut studies = Vec::new();
    for name in names {
        let known = known(reader, Some(&name))?;
        if known.state.finished.is_some() {
            studies.push(lab::past(reader, &name, &known.state, &known.protocol)?);
        } else if !arguments.studies.is_empty() {
            let message = format!("study `{name}` is not finished");
            return Err(Failure::bad_input(message).hint("finish it with `lyceum run`"));
        }
    }
    Ok(studies)
}

fn write(lab: &Lab, name: &str, before: Option<Store>, dreamt: Dreamt) -> Result<Store, Failure> {
    let ledger = Ledger::open(&lab.ledger(), Options::default())?;
    let root = lab.memory();
    let mut before = match before {
        Some(store) => store,
        None => created(&ledger, &root, name)?,
    };
    Ok(dreamt.write(&ledger, &root, &mut before)?)
}

fn created(ledger: &Ledger, root: &std::path::Path, name: &str) -> Result<Store, Failure> {
    let description = "what finished studies taught";
    Ok(Store::create(ledger, root, name, description, person())?)
}
