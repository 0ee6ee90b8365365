//! A person's word: asked for by an event, waited for, and taken for the one call that it is about.
//!
//! Calls are carried out in their order. All of an answer that need a word are asked for at once, so that a person can
//! see them together; those before the first of them have been carried out then. What acts on more than its arguments is
//! asked for when it comes next: nothing changes between the word and the deed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use lyceum_models::Arguments;

use crate::{
    agent::Tell,
    harness::{Error, Harness, wanted},
    line::one_line,
    session::{
        Call, Request, Requested, Status, Word,
        event::{ApprovalRequested, Body, Idle, PersonAsked, Running, StopReason},
    },
    tool::{Done, cut_middle},
};

/// How often letters are looked for while a person is waited for: as often as a follower of the log looks.
const POLL: Duration = Duration::from_millis(200);
/// Tools that act on more than their arguments: on the files and the experiments that earlier calls leave.
const ASKED_LAST: [&str; 2] = ["run_experiment", "submit_outcome"];
/// Most bytes of a call's arguments in what a person is told; the log has all.
const TOLD_BYTES_MAX: usize = 160;

/// The people around a session.
#[derive(Clone, Default)]
pub struct People {
    /// Whether somebody is there to be asked. If not, what needs a word is refused at once.
    pub there: bool,
    /// Set while a person is waited for.
    pub awaited: Arc<AtomicBool>,
    /// Tells them what is waited for.
    pub tell: Option<Tell>,
}

/// What a person's word makes of a call.
pub(crate) enum Heard {
    /// It may be carried out.
    GoOn,
    /// It has its result.
    Done(Done),
    /// The session stops before there is a word.
    Stopped(StopReason),
}

impl Harness<'_> {
    /// Asks for the words that the open calls need, and waits for that on the first of them.
    pub(crate) fn hear_people(&mut self, call: &Call) -> Result<Heard, Error> {
        if let Some(heard) = self.request_words(call)? {
            return Ok(heard);
        }
        loop {
            let state = self.log.state();
            let open = state
                .calls
                .iter()
                .find(|one| one.used.call == call.used.call);
            let Some(asked) = open.and_then(|one| one.asked.clone()) else {
                return Ok(Heard::GoOn);
            };
            match &asked.word {
                Some(Word::Allowed) => return Ok(Heard::GoOn),
                Some(Word::Denied(why)) => return Ok(Heard::Done(denied(why.as_deref()))),
                Some(Word::Answer(text)) => {
                    return Ok(Heard::Done(Done::said(format!(
                        "a person answers, in their words: {}",
                        one_line(text)
                    ))));
                }
                None if !self.people.there => return Ok(Heard::Done(nobody(&asked.request))),
                None => {}
            }
            if let Some(why) = self.await_word(&call.used.call)? {
                return Ok(Heard::Stopped(why));
            }
        }
    }

    /// Writes what the open calls have to be asked for. Returns what becomes of the first where that needs no asking.
    fn request_words(&mut self, first: &Call) -> Result<Option<Heard>, Error> {
        let state = self.log.state();
        let session = state.created.as_ref().map(|created| &created.session);
        let session = session.map_or("", String::as_str);
        let mut bodies = Vec::new();
        for call in state.calls.iter().filter(|one| one.asked.is_none()) {
            let is_first = call.used.call == first.used.call;
            if !is_first && ASKED_LAST.contains(&call.used.name.as_str()) {
                continue;
            }
            let Ok(wanted) = wanted(&call.used) else {
                continue;
            };
            match self.toolbox.needs_word(state, &wanted) {
                // What was started needed none, or has one.
                Ok(Some(Request::Approval { .. })) if call.started => {}
                Ok(Some(request)) if self.people.there => {
                    bodies.push(asking(call, call.used.digest(session), request));
                }
                Ok(Some(request)) if is_first => {
                    return Ok(Some(Heard::Done(nobody(&request))));
                }
                Err(why) if is_first => return Ok(Some(Heard::Done(Done::refused(why)))),
                // A later call is looked at again when it is the first.
                Ok(_) | Err(_) => {}
            }
        }
        self.log.write(bodies)?;
        Ok(None)
    }

    /// Waits until a person has said something to this call. Returns why the session stops, when it does.
    fn await_word(&mut self, call: &str) -> Result<Option<StopReason>, Error> {
        let awaited = Arc::clone(&self.people.awaited);
        let _waits = Waits::begin(&awaited);
        loop {
            self.take_letters()?;
            let state = self.log.state();
            if self.halt.is_set() || state.interrupted.is_some() {
                return Ok(Some(StopReason::Interrupted));
            }
            let ids: Vec<String> = state.awaited().map(|(used, _)| used.call.clone()).collect();
            if !ids.iter().any(|id| id == call) {
                let pid = std::process::id();
                self.log.write(vec![Body::Running(Running { pid })])?;
                return Ok(None);
            }
            let stop_reason = StopReason::RequiresAction { ids };
            if state.status != Status::Idle(stop_reason.clone()) {
                self.tell_people();
                let idle = Body::Idle(Idle {
                    stop_reason: stop_reason.clone(),
                });
                self.log.write(vec![idle])?;
            }
            if self.mail.is_none() {
                // Nobody could be heard.
                return Ok(Some(stop_reason));
            }
            thread::sleep(POLL);
        }
    }

    fn tell_people(&self) {
        let (Some(tell), Some((_, session))) = (&self.people.tell, self.mail) else {
            return;
        };
        for (used, asked) in self.log.state().awaited() {
            let call = &used.call;
            tell(&match &asked.request {
                Request::Approval { why } => {
                    let arguments = match &used.arguments {
                        Arguments::Object { value } => value.to_string(),
                        Arguments::Malformed { text, .. } => text.clone(),
                    };
                    let arguments = cut_middle(arguments, TOLD_BYTES_MAX).replace('\n', " ");
                    format!(
                        "the agent waits for a person's word on {call}, {} {arguments}: {why}; `lyceum session approve {session} {call}`, or `deny`",
                        used.name
                    )
                }
                Request::Question { .. } => format!(
                    "the agent asks in {call}: {}; `lyceum session answer {session} {call} TEXT`",
                    asked.words()
                ),
            });
        }
    }
}

/// Says that a person is waited for as long as it lives.
struct Waits<'a>(&'a AtomicBool);

impl Waits<'_> {
    fn begin(awaited: &AtomicBool) -> Waits<'_> {
        awaited.store(true, Ordering::Relaxed);
        Waits(awaited)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn asking(call: &Call, digest: String, request: Request) -> Body {
    let call = call.used.call.clone();
    match request {
        Request::Approval { why } => {
            Body::ApprovalRequested(ApprovalRequested { call, digest, why })
        }
        Request::Question { question, choices } => Body::PersonAsked(PersonAsked {
            call,
            question,
            choices,
            digest: Some(digest),
        }),
    }
}

fn denied(why: Option<&str>) -> Done {
    let why = why.map_or_else(
        || "they gave no reason".to_owned(),
        |why| format!("their reason, in their words: {}", one_line(why)),
    );
    Done::refused(format!(
        "a person did not allow this call, and it was not carried out; {why}"
    ))
}

/// Returns what is said where nobody can be asked.
fn nobody(request: &Request) -> Done {
    match request {
        Request::Approval { why } => Done::refused(format!(
            "{why}; no person is there to give it, so the call was not carried out"
        )),
        Request::Question { .. } => Done::said(
            "no person is there: decide yourself, and keep with note what you took for granted",
        ),
    }
}

impl Requested {
    /// Returns what a person is asked, in words.
    pub fn words(&self) -> String {
        match &self.request {
            Request::Approval { why } => why.clone(),
            Request::Question { question, choices } if choices.is_empty() => question.clone(),
            Request::Question { question, choices } => {
                let numbered = choices.iter().enumerate();
                let all: Vec<String> = numbered
                    .map(|(at, choice)| format!("{}) {choice}", at + 1))
                    .collect();
                format!("{question} {}", all.join(" "))
            }
        }
    }
}
