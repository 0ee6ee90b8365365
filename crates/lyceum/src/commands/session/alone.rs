//! `lyceum session start --objective` and `resume`: a session without a study.

use std::{
    io::IsTerminal as _,
    sync::{Arc, atomic::AtomicBool},
};

use lyceum_agents::{
    Error, Fold as _, Halt, Mind, Options, People, Tapes,
    alone::{self, BeginError, Errand},
    session::{
        Log, State,
        event::{Limits, StopReason},
    },
};
use lyceum_models::Money;
use lyceum_study::lab;

use super::{list::overview, named};
use crate::{
    commands::{run, taping::Taping},
    context::{LabPlace, Minimum},
    exit::Exit,
    failure::Failure,
    view::{self, words},
};

/// Most bytes of an objective: it stands before the model at each turn.
const OBJECTIVE_BYTES_MAX: usize = 4 << 10;
/// Longest name of a session without a study.
const NAME_BYTES_MAX: usize = 64;

#[derive(Debug, clap::Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    minimum: Minimum,
    /// The session [default: the only one]
    session: Option<String>,
    /// Most tokens that it may spend from now on, with what it has spent
    #[arg(long, value_name = "NUMBER")]
    tokens: Option<u64>,
    /// Most US dollars that it may spend from now on, with what it has spent
    #[arg(long, value_name = "DOLLARS")]
    money: Option<Money>,
    /// Tokens that the model's context holds
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(4096..))]
    context: Option<u64>,
    /// A person is there to be asked, also without a terminal
    #[arg(long)]
    person: bool,
    /// No person is there
    #[arg(long, conflicts_with = "person")]
    no_person: bool,
    #[command(flatten)]
    taping: Taping,
}

/// How a session is worked with.
pub(super) struct With {
    pub(super) minimum: Minimum,
    pub(super) person: Option<bool>,
    pub(super) context: Option<u64>,
    pub(super) tapes: Tapes,
}

/// Whether a session without a study may have this name. Names of studies, and of a team's threads, may hold more.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= NAME_BYTES_MAX
        && name.bytes().next().is_some_and(plain)
        && name
            .bytes()
            .all(|byte| plain(byte) || b"-_".contains(&byte))
}

/// Begins a session and works with it.
pub(super) fn start(
    place: &LabPlace,
    json: bool,
    mut errand: Errand,
    with: &With,
) -> Result<Exit, Failure> {
    let found = errand.objective.len();
    if found == 0 || found > OBJECTIVE_BYTES_MAX {
        return Err(Failure::bad_input(format!(
            "expected an objective of 1 to {OBJECTIVE_BYTES_MAX} bytes, found {found}"
        )));
    }
    if !errand.name.is_empty() && !is_name(&errand.name) {
        return Err(Failure::bad_input(format!(
            "`{}` is no name of a session",
            words::clean(&errand.name)
        ))
        .hint(
            "expected small letters, digits, `-` and `_`, at most 64, with a letter or digit first",
        ));
    }
    // What cannot be asked leaves no session behind.
    let mind = mind(&errand.model, errand.limits.money, &with.tapes)?;
    mind.reel
        .can_begin()
        .map_err(|error| Failure::taped(&error))?;
    let kit = place.kit_at(with.minimum)?;
    let stop = run::stop_when_asked(kit.lab())?;
    lab::clean_up(kit.lab()).map_err(|error| Failure::internal(&error))?;
    let reader = kit.ledger().reader()?;
    let taken = State::names(&reader)?;
    let studies = lab::studies(&reader)?;
    if errand.name.is_empty() {
        let mut names = (1..).map(|number| format!("session-{number}"));
        let free = names.find(|name| !taken.contains(name) && !studies.contains(name));
        errand.name = free.unwrap_or_default();
    }
    if studies.contains(&errand.name) {
        return Err(Failure::bad_input(format!(
            "the lab has a study `{}`, whose session has that name",
            errand.name
        )));
    }
    alone::begin(&kit, &errand).map_err(|error| match error {
        BeginError::Workspace(_) => Failure::bad_input(error.to_string()),
        BeginError::Taken(ref name) => {
            let hint = format!("go on with `lyceum session resume {name}`, or give this one another name with `--name`");
            Failure::bad_input(error.to_string()).hint(hint)
        }
        BeginError::Session(error) => Failure::internal(&error),
    })?;
    work(&kit, json, &errand.name, with, (&mind, stop), None)
}

/// Returns a model that can be held to a bound on money, where there is one.
fn mind(model: &str, money: Option<u64>, tapes: &Tapes) -> Result<Mind, Failure> {
    let mind = run::mind(model, tapes)?;
    if money.is_some() && !mind.has_price() {
        return Err(Failure::bad_input(format!(
            "`--money` needs a model whose price is known, and that of `{}` is not",
            words::clean(model)
        ))
        .hint("bound what it may spend with `--tokens NUMBER`"));
    }
    Ok(mind)
}

/// Goes on with a session.
pub(super) fn resume(place: &LabPlace, json: bool, arguments: &Resume) -> Result<Exit, Failure> {
    let name = named(&place.reader()?, arguments.session.as_deref())?;
    let state = State::load(&place.reader()?, &name)?;
    if !alone::can_go_on(&state) {
        return Err(Failure::bad_input(format!(
            "session `{name}` belongs to a study or a team, which goes on with it"
        ))
        .hint("go on with `lyceum session start STUDY`, or `lyceum team run FILE`"));
    }
    let old = state.limits().unwrap_or_default();
    let limits = Limits {
        tokens: arguments.tokens.or(old.tokens),
        money: arguments.money.map(|money| money.0).or(old.money),
    };
    let model = state.created.as_ref().map(|created| created.model.clone());
    let tapes = arguments.taping.tapes()?;
    let mind = mind(&model.unwrap_or_default(), limits.money, &tapes)?;
    let with = With {
        minimum: arguments.minimum,
        person: match (arguments.person, arguments.no_person) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            (false, false) => None,
        },
        context: arguments.context,
        tapes,
    };
    let kit = place.kit_at(with.minimum)?;
    let stop = run::stop_when_asked(kit.lab())?;
    lab::clean_up(kit.lab()).map_err(|error| Failure::internal(&error))?;
    work(&kit, json, &name, &with, (&mind, stop), Some(limits))
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn work(
    kit: &lab::Kit,
    json: bool,
    name: &str,
    with: &With,
    (mind, stop): (&Mind, Arc<AtomicBool>),
    limits: Option<Limits>,
) -> Result<Exit, Failure> {
    let log = Log::open(kit.ledger().clone(), name)?;
    let created = log.state().created.clone();
    drop(log);
    let Some(created) = created else {
        return Err(Failure::bad_input(format!(
            "the lab holds no session `{name}`"
        )));
    };
    let mut options = Options::default();
    if let Some(context) = with.context {
        options.context_tokens = context;
        let part = u32::try_from(context / 8).unwrap_or(u32::MAX);
        options.output_tokens_max = options.output_tokens_max.min(part);
    }
    let there = with
        .person
        .unwrap_or_else(|| !created.policy.is_empty() || std::io::stderr().is_terminal());
    let people = People {
        there,
        tell: Some(Arc::new(|line: &str| view::note(&words::clean(line)))),
        ..People::default()
    };
    let halt = Halt {
        stop,
        ..Halt::default()
    };
    if !json {
        view::note(&format!(
            "session {name} · {}",
            words::clean(&created.model)
        ));
    }
    let ended = alone::work(kit, name, mind, options, (halt, people), limits);
    let why = ended.map_err(|error| {
        if let Error::Tape(error) = &error {
            return Failure::taped(error);
        }
        Failure::internal(&error).hint(format!(
            "nothing is lost: `lyceum session resume {name}` goes on"
        ))
    })?;
    let state = State::load(&kit.ledger().reader()?, name)?;
    if json {
        let object = super::list::object(name, &state);
        println!("{}", view::visible(&object.to_string()));
    } else {
        if let Some(said) = alone::last_words(&state) {
            for line in said.lines() {
                println!("{}", words::clean(line));
            }
        }
        view::note(&words::clean(&overview(name, &state)));
        view::note(&if why == StopReason::EndTurn {
            format!(
                "see what it made with `lyceum session diff {name}`, take it with `lyceum session export {name} DIR`"
            )
        } else {
            let more = match why {
                StopReason::BudgetReached => " with a larger `--tokens` or `--money`",
                _ => "",
            };
            format!("nothing is lost: `lyceum session resume {name}` goes on{more}")
        });
    }
    Ok(match why {
        StopReason::EndTurn => Exit::Done,
        StopReason::BudgetReached => Exit::BudgetSpent,
        StopReason::Interrupted => Exit::Interrupted,
        _ => Exit::Unsatisfied,
    })
}
