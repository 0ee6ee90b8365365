//! `lyceum session send` and `interrupt`: words of people, by a letter where another process holds the lab.

use lyceum_agents::{
    Fold as _, LETTER_BYTES_MAX, Letter, leave,
    session::{Log, State, Status},
    take_in,
};
use lyceum_ledger::{Holding, Ledger, Options};

use super::named;
use crate::{context::LabPlace, exit::Exit, failure::Failure, view::words};

#[derive(Debug, clap::Args)]
pub(crate) struct Say {
    /// What to say
    text: String,
    /// The session [default: the only one]
    #[arg(long, value_name = "NAME")]
    session: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Interrupt {
    /// The session [default: the only one]
    session: Option<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    why: String,
    /// The same as SESSION
    #[arg(
        long = "session",
        value_name = "NAME",
        hide = true,
        conflicts_with = "session"
    )]
    named: Option<String>,
}

pub(super) fn say(place: &LabPlace, json: bool, arguments: &Say) -> Result<Exit, Failure> {
    let text = within(&arguments.text)?;
    send(place, json, arguments.session.as_deref(), Letter::Say(text))
}

/// Returns a person's words, or says that no letter holds them.
pub(super) fn within(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    if text.is_empty() || text.len() > LETTER_BYTES_MAX {
        let found = text.len();
        return Err(Failure::bad_input(format!(
            "expected 1 to {LETTER_BYTES_MAX} bytes of text, found {found}"
        )));
    }
    Ok(text.to_owned())
}

pub(super) fn interrupt(
    place: &LabPlace,
    json: bool,
    arguments: &Interrupt,
) -> Result<Exit, Failure> {
    let letter = Letter::Interrupt(within(&arguments.why)?);
    let session = arguments.session.as_ref().or(arguments.named.as_ref());
    send(place, json, session.map(String::as_str), letter)
}

/// Writes the letter into the session itself, or leaves it for whoever works in the lab.
#[expect(clippy::print_stdout, reason = "this is the result")]
fn send(
    place: &LabPlace,
    json: bool,
    session: Option<&str>,
    letter: Letter,
) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let name = named(&reader, session)?;
    let state = State::load(&reader, &name)?;
    if let Status::Terminated(why) = &state.status {
        return Err(Failure::bad_input(format!(
            "session `{name}` is over: {}",
            words::clean(why)
        )));
    }
    let lab = place.lab()?;
    let ledger = lab.ledger();
    let now = if Ledger::holding(&ledger)? == Holding::Nobody {
        let stops = matches!(letter, Letter::Interrupt(_));
        let ledger = Ledger::open(&ledger, Options::default())?;
        let mut log = Log::open(ledger, &name)?;
        if stops {
            return Err(Failure::bad_input(format!(
                "nobody works in the lab: session `{name}` has nothing to interrupt"
            )));
        }
        // What was left for a process which is gone came first.
        take_in(&lab, &name, &mut log)?;
        log.write(vec![letter.event(None)])?;
        "written down; it is read when the session goes on"
    } else {
        leave(&lab, &name, &letter)?;
        "sent to the process that works in the lab"
    };
    if json {
        println!("{}", serde_json::json!({ "session": name, "now": now }));
    } else {
        println!("{name}: {now}");
    }
    Ok(Exit::Done)
}
