//! `lyceum session approve`, `deny` and `answer`: a person's word on one call that waits for it.

use lyceum_agents::{
    Fold as _, Letter, is_on_its_way, leave,
    session::{Log, Request, Requested, State, Word},
    take_in,
};
use lyceum_ledger::{Holding, Ledger, Options};

use super::{named, show::described, speak::within};
use crate::{context::LabPlace, exit::Exit, failure::Failure, view::words};

#[derive(Debug, clap::Args)]
pub(crate) struct Approve {
    /// The session
    session: String,
    /// The call, as `lyceum session show` names it
    id: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Deny {
    /// The session
    session: String,
    /// The call, as `lyceum session show` names it
    id: String,
    /// Why: the model is told
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Answer {
    /// The session
    session: String,
    /// The call, as `lyceum session show` names it
    id: String,
    /// The answer, or the number of one to choose
    text: String,
}

pub(super) fn approve(place: &LabPlace, json: bool, said: &Approve) -> Result<Exit, Failure> {
    let (id, why) = (&said.id, said.why.as_deref().map(within).transpose()?);
    send(place, json, &said.session, id, |_| {
        Ok(Said::Word(true, why.clone()))
    })
}

pub(super) fn deny(place: &LabPlace, json: bool, said: &Deny) -> Result<Exit, Failure> {
    let (id, why) = (&said.id, said.why.as_deref().map(within).transpose()?);
    send(place, json, &said.session, id, |_| {
        Ok(Said::Word(false, why.clone()))
    })
}

pub(super) fn answer(place: &LabPlace, json: bool, said: &Answer) -> Result<Exit, Failure> {
    let text = within(&said.text)?;
    send(place, json, &said.session, &said.id, |asked| {
        Ok(Said::Answer(chosen(asked, &text)?))
    })
}

/// What a person says.
enum Said {
    /// Whether a call may be carried out, and why.
    Word(bool, Option<String>),
    /// An answer.
    Answer(String),
}

/// Returns the answer that a text stands for: a choice in its own words, else the choice of this number, else the text.
fn chosen(asked: &Requested, text: &str) -> Result<String, Failure> {
    let Request::Question { choices, .. } = &asked.request else {
        return Ok(text.to_owned());
    };
    let number = text.parse::<usize>().ok();
    match number.filter(|_| !choices.is_empty() && !choices.iter().any(|one| one == text)) {
        None => Ok(text.to_owned()),
        Some(number) => {
            let choice = number.checked_sub(1).and_then(|at| choices.get(at));
            choice.cloned().ok_or_else(|| {
                let all = choices.len();
                Failure::bad_input(format!("expected a choice from 1 to {all}, found {number}"))
            })
        }
    }
}

/// Returns the word as a letter, and the call that it is about with an answer as it was taken; refuses one on what does not wait.
fn letter(
    state: &State,
    session: &str,
    id: &str,
    say: &impl Fn(&Requested) -> Result<Said, Failure>,
) -> Result<(Letter, String), Failure> {
    let mut awaited = state.awaited();
    let Some((used, asked)) = awaited.find(|(used, _)| used.call == id) else {
        return Err(not_awaited(state, session, id));
    };
    let (call, digest) = (used.call.clone(), asked.digest.clone());
    let letter = match say(asked)? {
        Said::Word(allow, why) => Letter::Confirm {
            call,
            digest,
            allow,
            why,
        },
        Said::Answer(text) => Letter::Answer { call, digest, text },
    };
    if !letter.fits(state) {
        let how = match asked.request {
            Request::Approval { .. } => "approve` or `deny",
            Request::Question { .. } => "answer",
        };
        let message = format!("call {id} of session `{session}` waits for another word");
        return Err(Failure::bad_input(message).hint(format!("use `lyceum session {how}`")));
    }
    let mut about = described(used, asked);
    if let Letter::Answer { text, .. } = &letter {
        about = format!("{about}\n  the answer: {}", words::clean(text));
    }
    Ok((letter, about))
}

fn not_awaited(state: &State, session: &str, id: &str) -> Failure {
    let id = words::clean(id);
    let said = match state.words.get(&id) {
        Some(Word::Allowed) => Some("was approved already"),
        Some(Word::Denied(_)) => Some("was denied already"),
        Some(Word::Answer(_)) => Some("was answered already"),
        None => None,
    };
    let message = match said {
        Some(said) => format!("call {id} of session `{session}` {said}"),
        None => format!("session `{session}` waits for no word on a call `{id}`"),
    };
    let ids: Vec<&str> = state
        .awaited()
        .map(|(used, _)| used.call.as_str())
        .collect();
    Failure::bad_input(message).hint(if ids.is_empty() {
        "it waits for nobody".to_owned()
    } else {
        format!("it waits for a word on: {}", ids.join(", "))
    })
}

/// Writes the word into the session itself, or leaves it for whoever works in the lab.
#[expect(clippy::print_stdout, reason = "this is the result")]
fn send(
    place: &LabPlace,
    json: bool,
    session: &str,
    id: &str,
    say: impl Fn(&Requested) -> Result<Said, Failure>,
) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let name = named(&reader, Some(session))?;
    let lab = place.lab()?;
    let ledger = lab.ledger();
    let (about, now) = if Ledger::holding(&ledger)? == Holding::Nobody {
        let ledger = Ledger::open(&ledger, Options::default())?;
        let mut log = Log::open(ledger, &name)?;
        // A word that was left for a process which is gone came first.
        take_in(&lab, &name, &mut log)?;
        let (letter, about) = letter(log.state(), &name, id, &say)?;
        log.write(vec![letter.event(None)])?;
        (about, "written down; it counts when the session goes on")
    } else {
        let state = State::load(&reader, &name)?;
        let (letter, about) = letter(&state, &name, id, &say)?;
        if is_on_its_way(&lab, &name, id) {
            return Err(Failure::bad_input(format!(
                "a word on call {} of session `{name}` is on its way already",
                words::clean(id)
            )));
        }
        leave(&lab, &name, &letter)?;
        (about, "sent to the process that works in the lab")
    };
    if json {
        println!(
            "{}",
            serde_json::json!({ "session": name, "call": id, "now": now })
        );
    } else {
        println!("{about}");
        println!("{name}: {now}");
    }
    Ok(Exit::Done)
}
