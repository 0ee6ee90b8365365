//! `lyceum session start`: a study with a language model as its researcher.

use std::path::PathBuf;

use lyceum_agents::{
    Brief,
    alone::Errand,
    session::event::{Limits, Mount},
};
use lyceum_models::Money;
use lyceum_study::format::AskedTool;

use super::alone;
use crate::{commands::run, context::LabPlace, exit::Exit, failure::Failure};

#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    /// Directory of the study
    #[arg(required_unless_present = "objective")]
    study: Option<PathBuf>,
    /// What is to be reached, in a session without a study
    #[arg(long, value_name = "TEXT", conflicts_with = "study")]
    objective: Option<String>,
    /// Directory of whose files a session without a study gets a copy; the directory itself is never written
    #[arg(long, value_name = "DIR", requires = "objective")]
    workspace: Option<PathBuf>,
    /// Name of a session without a study [default: `session-1`, or the next that is free]
    #[arg(long, value_name = "NAME", requires = "objective")]
    name: Option<String>,
    #[command(flatten)]
    way: run::Way,
    /// Something that must hold, told to the model at each turn; can be given several times
    #[arg(long, value_name = "TEXT", value_parser = constraint)]
    pub(super) constraint: Vec<String>,
    /// Most tokens that a new session may spend
    #[arg(long, value_name = "NUMBER")]
    pub(super) tokens: Option<u64>,
    /// Most US dollars that a new session may spend; refused for a model without a known price
    #[arg(long, value_name = "DOLLARS")]
    pub(super) money: Option<Money>,
    /// Tool of which each call needs a person's word in a new session, beside those of the study's `[session] ask`
    #[arg(long, value_name = "TOOL", value_parser = tool)]
    ask: Vec<AskedTool>,
    /// Memory store that a new session sees, and with `:rw` may change; can be given several times
    #[arg(long, value_name = "STORE[:ro|rw]", value_parser = mount)]
    mount: Vec<Mount>,
    /// Tokens that the model's context holds
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(4096..))]
    context: Option<u64>,
}

/// Most bytes of a constraint: all of them stand before the model at each turn.
const CONSTRAINT_BYTES_MAX: usize = 500;

/// Most constraints.
const CONSTRAINTS_MAX: usize = 16;

fn constraint(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty".into()),
        text if text.len() > CONSTRAINT_BYTES_MAX => Err(format!(
            "it has {} bytes, more than {CONSTRAINT_BYTES_MAX}",
            text.len()
        )),
        text => Ok(text.to_owned()),
    }
}

/// Most memory stores of a session.
const MOUNTS_MAX: usize = 8;

fn mount(text: &str) -> Result<Mount, String> {
    let (store, write) = match text.rsplit_once(':') {
        None => (text, false),
        Some((store, "ro")) => (store, false),
        Some((store, "rw")) => (store, true),
        Some((_, found)) => {
            return Err(format!(
                "expected `ro` or `rw` after the `:`, found `{found}`"
            ));
        }
    };
    lyceum_memory::check_store(store).map_err(|error| error.to_string())?;
    let store = store.to_owned();
    Ok(Mount { store, write })
}

/// Looks whether the stores are there, each of them once.
fn check_mounts(place: &LabPlace, mounts: &[Mount]) -> Result<(), Failure> {
    if mounts.is_empty() {
        return Ok(());
    }
    if mounts.len() > MOUNTS_MAX {
        let found = mounts.len();
        return Err(Failure::bad_input(format!(
            "expected at most {MOUNTS_MAX} memory stores, found {found}"
        )));
    }
    let (reader, root) = (place.reader()?, place.lab()?.memory());
    for (at, one) in mounts.iter().enumerate() {
        lyceum_memory::present(&reader, &root, &one.store)?;
        if mounts[..at].iter().any(|before| before.store == one.store) {
            let store = &one.store;
            return Err(Failure::bad_input(format!(
                "memory store `{store}` is given twice"
            )));
        }
    }
    Ok(())
}

fn tool(text: &str) -> Result<AskedTool, String> {
    let found = AskedTool::ALL.into_iter().find(|one| one.name() == text);
    found.ok_or_else(|| {
        let names = AskedTool::ALL.map(AskedTool::name);
        format!("expected one of: {}", names.join(", "))
    })
}

pub(super) fn run(place: &LabPlace, json: bool, arguments: &Start) -> Result<Exit, Failure> {
    let Some(name) = &arguments.way.researcher else {
        return Err(Failure::bad_input("a session needs a language model").hint(
            "name one with `--researcher anthropic:MODEL`, `openai:MODEL` or `http://HOST:PORT/v1#MODEL`",
        ));
    };
    if !lyceum_study::lab::names_an_agent(name) {
        return Err(Failure::bad_input(format!(
            "`{name}` is a sampler, expected a language model"
        ))
        .hint("samplers work without a session: `lyceum run STUDY`"));
    }
    if arguments.constraint.len() > CONSTRAINTS_MAX {
        let found = arguments.constraint.len();
        return Err(Failure::bad_input(format!(
            "expected at most {CONSTRAINTS_MAX} constraints, found {found}"
        )));
    }
    if arguments.money.is_some() && !run::has_price(name, &arguments.way.taping.tapes()?)? {
        return Err(Failure::bad_input(format!(
            "`--money` needs a model whose price is known, and that of `{name}` is not"
        ))
        .hint("bound what it may spend with `--tokens NUMBER`"));
    }
    if let Some(objective) = &arguments.objective {
        return alone(place, json, arguments, (objective, name));
    }
    check_mounts(place, &arguments.mount)?;
    let mut brief = Brief {
        constraints: arguments.constraint.clone(),
        limits: Limits {
            tokens: arguments.tokens,
            money: arguments.money.map(|money| money.0),
        },
        mounts: arguments.mount.clone(),
        ask: arguments.ask.iter().copied().collect(),
        ..Brief::default()
    };
    if let Some(context) = arguments.context {
        brief.options.context_tokens = context;
        let part = u32::try_from(context / 8).unwrap_or(u32::MAX);
        brief.options.output_tokens_max = brief.options.output_tokens_max.min(part);
    }
    let study = arguments.study.as_deref();
    let study = study.ok_or_else(|| Failure::bad_input("which study is meant?"))?;
    run::work(place, json, study, &arguments.way, brief)
}

/// Begins a session without a study, and works with it.
fn alone(
    place: &LabPlace,
    json: bool,
    arguments: &Start,
    (objective, model): (&str, &str),
) -> Result<Exit, Failure> {
    if let Some(given) = arguments.way.of_a_study() {
        return Err(Failure::bad_input(format!(
            "`{given}` is for studies, and this session has none"
        )));
    }
    if lyceum_study::lab::agent_in(model) != Some(model) {
        return Err(Failure::bad_input(format!(
            "a session without a study needs one language model, found `{model}`"
        )));
    }
    let has = [AskedTool::Bash, AskedTool::Write, AskedTool::Edit];
    if let Some(tool) = arguments.ask.iter().find(|tool| !has.contains(tool)) {
        return Err(Failure::bad_input(format!(
            "a session without a study has no tool `{}`",
            tool.name()
        ))
        .hint("it can be asked for `bash`, `write` and `edit`"));
    }
    let errand = Errand {
        name: arguments.name.clone().unwrap_or_default(),
        objective: objective.trim().to_owned(),
        constraints: arguments.constraint.clone(),
        model: model.to_owned(),
        limits: Limits {
            tokens: arguments.tokens,
            money: arguments.money.map(|money| money.0),
        },
        ask: arguments
            .ask
            .iter()
            .map(|tool| tool.name().to_owned())
            .collect(),
        mounts: arguments.mount.clone(),
        directory: arguments.workspace.clone(),
    };
    let tapes = arguments.way.taping.tapes()?;
    run::check_model(model, &tapes)?;
    if !arguments.mount.is_empty() {
        check_mounts(place, &arguments.mount)?;
    }
    let with = alone::With {
        minimum: arguments.way.minimum,
        person: arguments.way.person(),
        context: arguments.context,
        tapes,
    };
    alone::start(place, json, errand, &with)
}
