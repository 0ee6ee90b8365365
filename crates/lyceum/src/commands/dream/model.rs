//! A dream by a language model.

use lyceum_agents::{
    Halt, Mind, Tapes,
    dream::{Completed, Dreaming, End, Error as Broke, Plan},
    session::event::Limits,
};
use lyceum_ledger::{Ledger, Options};
use lyceum_memory::{DreamVerdict, Error, present};
use lyceum_models::{Spec, environment};

use super::{Arguments, created, session_names, tell};
use crate::{
    commands::{memory::shown, run},
    context::LabPlace,
    exit::Exit,
    failure::Failure,
    view,
};

pub(super) fn run(
    place: &LabPlace,
    json: bool,
    arguments: &Arguments,
    dreamer: &str,
    firing: Option<&str>,
) -> Result<Exit, Failure> {
    let (spec, mind) = hired(
        dreamer,
        arguments.money.is_some(),
        &arguments.taping.tapes()?,
    )?;
    let reader = place.reader()?;
    let sessions = if arguments.new_sessions {
        lyceum_agents::dream::unread(&reader, &arguments.store)?
    } else {
        session_names(arguments)
    };
    if sessions.is_empty() && arguments.new_sessions {
        if !json {
            view::note("nothing to dream of: every session was read to its end");
        }
        return Ok(Exit::Done);
    }
    let plan = Plan {
        whatever_is_new: arguments.new_sessions,
        store: arguments.store.clone(),
        sessions,
        dreamer: spec.to_string(),
        instructions: arguments.instructions.clone(),
        context_tokens: arguments.context,
        limits: Limits {
            tokens: arguments.tokens,
            money: arguments.money.map(|money| money.0),
        },
        now: jiff::Timestamp::now().as_millisecond(),
        firing: firing.map(str::to_owned),
    };
    // What is not right is told before anything is made.
    for session in &plan.sessions {
        lyceum_agents::dream::found(&reader, session)?;
    }
    let lab = place.lab()?;
    let ledger = Ledger::open(&lab.ledger(), Options::default())?;
    match present(&ledger.reader()?, &lab.memory(), &plan.store) {
        Err(Error::NoStore { .. }) => drop(created(&ledger, &lab.memory(), &plan.store)?),
        Err(error) => return Err(error.into()),
        Ok(_) => {}
    }
    let halt = Halt {
        stop: run::stop_on_signals()?,
        ..Halt::default()
    };
    let root = lab.memory();
    let mut dreaming = Dreaming::open(ledger, &root, &mind, &plan, halt)?;
    if !json {
        let requests = dreaming.state().requests;
        let how = if requests == 0 { "begins" } else { "goes on" };
        view::note(&format!(
            "dream `{}` {how}: {} sessions, {spec}",
            dreaming.name(),
            plan.sessions.len()
        ));
    }
    let end = dreaming.advance()?;
    tell_end(json, &dreaming, &end);
    Ok(match end {
        End::Completed { completed, .. } => match completed.verdict {
            DreamVerdict::Accepted => Exit::Done,
            DreamVerdict::Review => Exit::Unsatisfied,
        },
        End::Failed(_) | End::RetriesExhausted { .. } => Exit::Unsatisfied,
        End::BudgetReached => Exit::BudgetSpent,
        End::Interrupted => Exit::Interrupted,
    })
}

/// Makes the model that dreams ready. Sends nothing.
pub(super) fn hired(dreamer: &str, by_money: bool, tapes: &Tapes) -> Result<(Spec, Mind), Failure> {
    let spec: Spec = dreamer.parse().map_err(|error| {
        Failure::bad_input(format!("`{dreamer}` is no language model: {error}"))
            .hint("without `--dreamer` no model takes part")
    })?;
    let mind = tapes
        .hire(&spec, &environment)
        .map_err(|error| Failure::bad_input(format!("{spec}: {error}")))?;
    if by_money && !mind.has_price() {
        return Err(Failure::bad_input(format!(
            "`--money` needs a model whose price is known, and that of `{spec}` is not"
        ))
        .hint("bound what it may spend with `--tokens NUMBER`"));
    }
    Ok((spec, mind))
}

/// Returns how a dream stands, in a word and why.
fn status(end: &End) -> (&'static str, &str) {
    match end {
        End::Completed { completed, .. } => ("completed", &completed.reason),
        End::Failed(failed) => ("failed", &failed.why),
        End::BudgetReached => (
            "budget_reached",
            "what is left does not pay for another request; with larger limits the same command goes on",
        ),
        End::RetriesExhausted { error } => ("retries_exhausted", error),
        End::Interrupted => ("interrupted", "the same command goes on"),
    }
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn tell_end(json: bool, dreaming: &Dreaming<'_>, end: &End) {
    let (word, why) = status(end);
    let (name, state) = (dreaming.name(), dreaming.state());
    let empty = (None, vec![]);
    let (completed, changes): (Option<&Completed>, _) = match end {
        End::Completed { completed, changes } => (Some(completed), changes),
        _ => (empty.0, &empty.1),
    };
    if json {
        let told = serde_json::json!({
            "dream": name,
            "status": word,
            "reason": why,
            "store": completed.and_then(|one| one.store.as_deref()),
            "verdict": completed.map(|one| one.verdict),
            "refused": completed.map(|one| &one.refused),
            "changes": tell::listed(changes),
            "requests": state.requests,
            "tokens": state.tokens,
        });
        println!("{}", crate::view::visible(&told.to_string()));
        return;
    }
    tell::changes(changes);
    if let Some(completed) = completed {
        tell::refusals(&completed.refused);
    }
    println!(
        "dream `{name}`: {word}, {} requests, {} tokens",
        state.requests, state.tokens
    );
    match completed.and_then(|one| Some((one.store.as_ref()?, one.verdict))) {
        Some((store, DreamVerdict::Review)) => println!(
            "kept for review: `{store}`; `lyceum memory accept {store}` takes it all the same: {}",
            shown(why)
        ),
        Some((store, DreamVerdict::Accepted)) => println!("accepted: `{store}`: {}", shown(why)),
        None => println!("{}", shown(why)),
    }
}

impl From<Broke> for Failure {
    fn from(error: Broke) -> Failure {
        match error {
            Broke::Ledger(error) => error.into(),
            Broke::Memory(error) => error.into(),
            error @ (Broke::NoSession { .. }
            | Broke::Sessions { .. }
            | Broke::Instructions { .. }) => Failure::bad_input(error.to_string())
                .hint("`lyceum session list` names the sessions of the lab"),
            Broke::Record(error) => error.into(),
            Broke::Tape(error) => Failure::taped(&error),
        }
    }
}
