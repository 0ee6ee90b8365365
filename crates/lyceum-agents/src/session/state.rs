//! What is known about a session: a fold over its events.
//!
//! Invariants, checked while folding:
//! - the first event is the creation, and there is one;
//! - one request to the model is open at a time, requests are numbered without gaps, and each ends once;
//! - a call is made once, started at most once after that, and answered once;
//! - a call that needs a person's word is asked for once, answered once with its exact arguments, and started only after a
//!   yes;
//! - findings are numbered without gaps.

use std::collections::{BTreeMap, BTreeSet};

use lyceum_ledger::BlobId;
use lyceum_models::{Asker, Block};
use lyceum_types::{FoldError, Output};

use super::event::{
    Answered, Asked, Body, Created, FaultKind, Found, Interrupted, Limits, MessageReceived,
    Permission, PersonAsked, RequestEnd, StopReason, ToolResult, ToolUsed, Workspace,
};
use crate::{stream::Fold, tapes::Standing};

/// Whether a session works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// It was made and has not begun.
    #[default]
    New,
    /// A process drives it, or died while it did.
    Running,
    /// It waits.
    Idle(StopReason),
    /// It is over: why, in words.
    Terminated(String),
}

/// One item of the conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Number of its event.
    pub seq: u64,
    /// What was said.
    pub said: Said,
}

/// What was said, and by whom.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// A person's words.
    Person(String),
    /// The harness's words.
    Lab(String),
    /// The model's answer, as it came.
    Agent(Vec<Block>),
    /// What a tool gave.
    Result {
        /// The call's name in the conversation.
        id: String,
        /// What is told.
        text: String,
        /// Whether it failed.
        is_error: bool,
    },
}

/// A call that has no result yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Number of its event.
    pub seq: u64,
    /// What the model wants.
    pub used: ToolUsed,
    /// Whether its intent is written.
    pub started: bool,
    /// What a person has to say first.
    pub asked: Option<Requested>,
}

/// What a person is asked about a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requested {
    /// What for.
    pub request: Request,
    /// What the call is exactly.
    pub digest: String,
    /// What the person said.
    pub word: Option<Word>,
}

/// What a person is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Whether the call may be carried out.
    Approval {
        /// Why that is asked.
        why: String,
    },
    /// An answer.
    Question {
        /// The question.
        question: String,
        /// Answers to choose from.
        choices: Vec<String>,
    },
}

/// What a person said to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Yes, once.
    Allowed,
    /// No: why.
    Denied(Option<String>),
    /// An answer to a question.
    Answer(String),
}

/// All that is known about a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// How it was made.
    pub created: Option<Created>,
    /// Whether it works.
    pub status: Status,
    /// The process that worked on it last.
    pub pid: Option<u32>,
    /// What it may spend, where that changed since it was made.
    pub limited: Option<Limits>,
    /// The files that it began with, where it works on no study.
    pub workspace: Option<Workspace>,
    /// The conversation since the last compaction.
    pub conversation: Vec<Item>,
    /// What stands for the conversation before that.
    pub summary: Option<String>,
    /// Compactions.
    pub compactions: u32,
    /// The request that is open.
    pub asked: Option<Asked>,
    /// Requests so far.
    pub requests: u32,
    /// Calls without a result, in their order.
    pub calls: Vec<Call>,
    /// Calls so far.
    pub calls_made: u32,
    /// Tokens charged, with what is reserved for an open request.
    pub tokens: u64,
    /// Billionths of a US dollar charged, with what is reserved.
    pub money: u64,
    /// Whether tokens were used that nobody knows the price of: the money is then not all that it cost.
    pub unpriced: bool,
    /// Files of the workspace that differ, as the last call left them.
    pub files: Vec<Output>,
    /// Findings that stand, by their number.
    pub findings: BTreeMap<u32, Found>,
    /// Findings so far.
    pub findings_made: u32,
    /// What the agent wants to remember, newest last.
    pub notes: Vec<String>,
    /// Words of people, all of them: the ledger's other streams cannot give them back.
    pub people: Vec<String>,
    /// Questions to people, newest last.
    pub questions: Vec<PersonAsked>,
    /// What people said to requests, by call, also to those that are over.
    pub words: BTreeMap<String, Word>,
    /// A person's wish to stop that no idle status answers yet.
    pub interrupted: Option<Interrupted>,
    /// Tokens that the model's context holds, where its server said that a request did not fit.
    pub window: Option<u64>,
    /// About how many tokens the last request had.
    pub last_estimate: u64,
    /// Letters of people that were taken in.
    pub letters: BTreeSet<String>,
    /// Errors in a row since the last answer of the model.
    pub faults: u32,
    /// Requests since the agent last proposed an experiment or was passed over.
    pub turns: u32,
    /// Equal calls in a row since then, the last one counted.
    pub equal_calls: u32,
    /// BLAKE3 of the last call's tool and arguments.
    pub last_call: Option<blake3::Hash>,
    /// Words of the harness since then.
    pub nudges: u32,
    /// Times in a row that it was passed over in this process.
    pub passes: u32,
    /// CPU milliseconds of its commands.
    pub cpu_ms: u64,
    /// Number of the stream's last event.
    pub last_seq: u64,
}

impl Fold for State {
    type Body = Body;
    const PREFIX: &'static str = "session/";

    fn fold(&mut self, seq: u64, _at: i64, body: Body) -> Result<(), FoldError> {
        self.apply(seq, body)
    }

    fn last_seq(&self) -> u64 {
        self.last_seq
    }

    fn blobs(body: &Body) -> Vec<BlobId> {
        match body {
            Body::ToolResult(result) => {
                let files: &[Output] = result.files.as_deref().unwrap_or_default();
                files
                    .iter()
                    .filter_map(|one| one.blob.parse().ok())
                    .collect()
            }
            Body::Workspace(workspace) => {
                let files = workspace.files.iter();
                files.filter_map(|one| one.blob.parse().ok()).collect()
            }
            Body::Created(_)
            | Body::Limited(_)
            | Body::Running(_)
            | Body::Idle(_)
            | Body::Terminated(_)
            | Body::PersonSaid(_)
            | Body::Interrupted(_)
            | Body::LabSaid(_)
            | Body::MessageReceived(_)
            | Body::Asked(_)
            | Body::Answered(_)
            | Body::Fault(_)
            | Body::ToolUsed(_)
            | Body::ApprovalRequested(_)
            | Body::Confirmed(_)
            | Body::ToolStarted(_)
            | Body::Found(_)
            | Body::Noted(_)
            | Body::PersonAsked(_)
            | Body::PersonAnswered(_)
            | Body::Compacted(_) => vec![],
        }
    }
}

impl Call {
    /// Whether it needs no word, or has a yes.
    fn may_start(&self) -> bool {
        let word = self.asked.as_ref().map(|asked| &asked.word);
        matches!(word, None | Some(Some(Word::Allowed)))
    }
}

impl Requested {
    /// Tells whether this word answers it: it is about this very call, of the kind that was asked for, and the first.
    pub fn takes(&self, digest: &str, word: &Word) -> bool {
        let of_kind = match (&self.request, word) {
            (Request::Approval { .. }, Word::Allowed | Word::Denied(_))
            | (Request::Question { .. }, Word::Answer(_)) => true,
            (Request::Approval { .. }, Word::Answer(_))
            | (Request::Question { .. }, Word::Allowed | Word::Denied(_)) => false,
        };
        of_kind && self.word.is_none() && self.digest == digest
    }
}

impl State {
    /// Returns where the session stands on a tape of its requests.
    pub(crate) fn on_tape(&self, seed: Option<u64>) -> Standing {
        let call = self.calls.first().filter(|call| call.started);
        Standing {
            of: Asker::Session,
            asked: self.requests,
            open: self.asked.is_some(),
            call: call.map(|call| call.used.call.clone()),
            seed,
        }
    }

    /// Takes in one event.
    pub fn apply(&mut self, seq: u64, body: Body) -> Result<(), FoldError> {
        let fault = |problem: String| FoldError::new("session", seq, problem);
        if seq != self.last_seq + 1 {
            return Err(fault(format!("expected event {}", self.last_seq + 1)));
        }
        if self.created.is_some() == matches!(body, Body::Created(_)) {
            return Err(fault("a session is created once, and first".into()));
        }
        self.last_seq = seq;
        self.take(seq, body).map_err(fault)
    }

    fn take(&mut self, seq: u64, body: Body) -> Result<(), String> {
        match body {
            Body::Created(created) => self.created = Some(created),
            Body::Running(running) => {
                self.pid = Some(running.pid);
                self.passes = 0;
                self.status = Status::Running;
            }
            Body::Idle(idle) => self.rest(idle.stop_reason),
            Body::Limited(limited) => self.limited = Some(limited.limits),
            Body::Workspace(workspace) if self.workspace.is_none() && self.requests == 0 => {
                self.workspace = Some(workspace);
            }
            Body::Workspace(_) => return Err("a second workspace".into()),
            Body::Terminated(over) => self.status = Status::Terminated(over.why),
            Body::PersonSaid(said) => {
                self.letters.extend(said.letter);
                self.passes = 0;
                self.people.push(said.text.clone());
                self.say(seq, Said::Person(said.text));
            }
            Body::Interrupted(interrupted) => {
                self.letters.extend(interrupted.letter.clone());
                self.interrupted = Some(interrupted);
            }
            Body::LabSaid(said) => {
                self.nudges += 1;
                self.say(seq, Said::Lab(said.text));
            }
            Body::MessageReceived(message) => self.hear(seq, &message),
            Body::Asked(asked) => self.take_asked(asked)?,
            Body::Answered(answered) => self.take_answered(seq, answered)?,
            Body::Fault(fault) => {
                self.faults += 1;
                if fault.error == FaultKind::ContextOverflowError {
                    self.window = Some(self.last_estimate * 3 / 4);
                }
            }
            Body::ToolUsed(used) => {
                self.calls_made += 1;
                self.compare_with_last(&used);
                self.calls.push(Call {
                    seq,
                    used,
                    started: false,
                    asked: None,
                });
            }
            Body::ToolStarted(started) => {
                let mut open = self.calls.iter_mut();
                let call = open.find(|call| call.used.call == started.call && !call.started);
                let call = call.ok_or("the start of a call that is not open")?;
                if !call.may_start() {
                    return Err("the start of a call without the word that it needs".into());
                }
                call.started = true;
            }
            Body::ToolResult(result) => self.take_result(seq, result)?,
            Body::Found(found) => self.take_finding(found)?,
            Body::Noted(noted) => self.notes.push(noted.text),
            Body::ApprovalRequested(_)
            | Body::Confirmed(_)
            | Body::PersonAsked(_)
            | Body::PersonAnswered(_) => self.take_of_people(body)?,
            Body::Compacted(compacted) => {
                self.conversation
                    .retain(|item| item.seq > compacted.through);
                self.summary = Some(compacted.summary);
                self.compactions += 1;
            }
        }
        Ok(())
    }

    fn take_answered(&mut self, seq: u64, answered: Answered) -> Result<(), String> {
        let asked = self
            .asked
            .take()
            .filter(|one| one.request == answered.request);
        let asked = asked.ok_or("an answer to a request that is not open")?;
        let without = self.tokens.saturating_sub(asked.reserved_tokens);
        self.tokens = without.saturating_add(answered.tokens);
        let without = self.money.saturating_sub(asked.reserved_money.unwrap_or(0));
        self.money = without.saturating_add(answered.money);
        self.unpriced |= is_unpriced(&asked, &answered);
        self.turns += 1;
        if let RequestEnd::Answer { blocks, .. } = answered.end {
            self.faults = 0;
            // One request that did not fit says little of the next ones: the estimate is a guess.
            self.window = self.window.map(|window| window.saturating_add(window / 16));
            self.say(seq, Said::Agent(blocks));
        }
        Ok(())
    }

    fn take_result(&mut self, seq: u64, result: ToolResult) -> Result<(), String> {
        let open = self
            .calls
            .iter()
            .position(|call| call.used.call == result.call);
        let call = self
            .calls
            .remove(open.ok_or("the result of a call that is not open")?);
        if let Some(files) = result.files {
            self.files = files;
        }
        self.cpu_ms += result.cpu_ms;
        let (id, text, is_error) = (call.used.id, result.text, result.is_error);
        self.say(seq, Said::Result { id, text, is_error });
        Ok(())
    }

    /// Takes in what people are asked and say.
    fn take_of_people(&mut self, body: Body) -> Result<(), String> {
        match body {
            Body::ApprovalRequested(asked) => {
                let request = Request::Approval { why: asked.why };
                self.take_request(&asked.call, Some(&asked.digest), request)
            }
            Body::PersonAsked(asked) => {
                let request = Request::Question {
                    question: asked.question.clone(),
                    choices: asked.choices.clone(),
                };
                self.take_request(&asked.call, asked.digest.as_deref(), request)?;
                self.questions.push(asked);
                Ok(())
            }
            Body::Confirmed(said) => {
                self.letters.extend(said.letter);
                let word = match said.result {
                    Permission::Allow => Word::Allowed,
                    Permission::Deny => Word::Denied(said.why),
                };
                self.take_word(&said.call, &said.digest, word)
            }
            Body::PersonAnswered(said) => {
                self.letters.extend(said.letter);
                self.take_word(&said.call, &said.digest, Word::Answer(said.text))
            }
            other => Err(format!("`{}` is not of people", other.kind())),
        }
    }

    fn take_request(
        &mut self,
        call: &str,
        digest: Option<&str>,
        request: Request,
    ) -> Result<(), String> {
        let session = self.created.as_ref().map(|created| &created.session);
        let session = session.map_or("", String::as_str);
        let mut open = self.calls.iter_mut();
        let open = open.find(|one| one.used.call == call && one.asked.is_none());
        let open = open.ok_or("a request for a call that is not open, or a second one")?;
        let expected = open.used.digest(session);
        let is_question = matches!(request, Request::Question { .. });
        if digest.is_some_and(|digest| digest != expected) || (open.started && !is_question) {
            return Err("a request for another call than the one that it names".into());
        }
        open.asked = Some(Requested {
            request,
            digest: expected,
            word: None,
        });
        Ok(())
    }

    fn take_word(&mut self, call: &str, digest: &str, word: Word) -> Result<(), String> {
        let mut open = self.calls.iter_mut();
        let open = open.find(|one| one.used.call == call);
        let asked = open.and_then(|one| one.asked.as_mut());
        let asked = asked.filter(|asked| asked.takes(digest, &word));
        let asked = asked.ok_or("a word on what was not asked, or a second one")?;
        if let (Request::Question { question, .. }, Word::Answer(text)) = (&asked.request, &word) {
            self.people
                .push(format!("to your question `{question}`: {text}"));
        }
        asked.word = Some(word.clone());
        self.words.insert(call.to_owned(), word);
        self.passes = 0;
        Ok(())
    }

    /// Returns the calls that wait for a person's word, each with what it is asked for.
    pub fn awaited(&self) -> impl Iterator<Item = (&ToolUsed, &Requested)> {
        let open = self.calls.iter();
        open.filter_map(|call| Some((&call.used, call.asked.as_ref()?)))
            .filter(|(_, asked)| asked.word.is_none())
    }

    fn rest(&mut self, why: StopReason) {
        if matches!(why, StopReason::RequiresAction { .. }) {
            // The same stretch of work goes on after it.
            self.status = Status::Idle(why);
            return;
        }
        self.interrupted = None;
        (self.turns, self.nudges, self.equal_calls) = (0, 0, 0);
        match why {
            StopReason::AwaitsExperiment => self.passes = 0,
            StopReason::EndTurn | StopReason::AwaitsOutcome | StopReason::RequiresAction { .. } => {
            }
            StopReason::RetriesExhausted
            | StopReason::BudgetReached
            | StopReason::Refusal
            | StopReason::NoProgress
            | StopReason::LabFailed
            | StopReason::Interrupted => self.passes += 1,
        }
        self.status = Status::Idle(why);
    }

    fn compare_with_last(&mut self, used: &ToolUsed) {
        let said = (&used.name, &used.arguments);
        let hash = blake3::hash(&serde_json::to_vec(&said).unwrap_or_default());
        let same = self.last_call == Some(hash);
        self.equal_calls = if same { self.equal_calls + 1 } else { 1 };
        self.last_call = Some(hash);
    }

    fn hear(&mut self, seq: u64, message: &MessageReceived) {
        self.letters.insert(message.letter());
        let text = format!("thread {} says: {}", message.from, message.text);
        self.say(seq, Said::Lab(text));
    }

    fn say(&mut self, seq: u64, said: Said) {
        self.conversation.push(Item { seq, said });
    }

    fn take_asked(&mut self, asked: Asked) -> Result<(), String> {
        if self.asked.is_some() || asked.request != self.requests + 1 {
            return Err(format!("request {} while another is open", asked.request));
        }
        self.requests = asked.request;
        self.last_estimate = asked.estimated_tokens;
        self.tokens = self.tokens.saturating_add(asked.reserved_tokens);
        self.money = self.money.saturating_add(asked.reserved_money.unwrap_or(0));
        self.asked = Some(asked);
        Ok(())
    }

    fn take_finding(&mut self, found: Found) -> Result<(), String> {
        if found.finding != self.findings_made + 1 {
            return Err(format!("finding {} is not the next", found.finding));
        }
        self.findings_made = found.finding;
        for replaced in &found.replaces {
            self.findings.remove(replaced);
        }
        self.findings.insert(found.finding, found);
        Ok(())
    }

    /// Returns what it may spend altogether.
    pub fn limits(&self) -> Option<Limits> {
        self.limited
            .or_else(|| self.created.as_ref().map(|created| created.limits))
    }

    /// Returns what the session may still spend; `None` where there is no limit.
    pub fn tokens_left(&self) -> Option<u64> {
        let limit = self.limits()?.tokens?;
        Some(limit.saturating_sub(self.tokens))
    }

    /// Returns the money that the session may still spend; `None` where there is no limit.
    pub fn money_left(&self) -> Option<u64> {
        let limit = self.limits()?.money?;
        Some(limit.saturating_sub(self.money))
    }
}

/// Whether a request may have cost what nobody knows the price of.
fn is_unpriced(asked: &Asked, answered: &Answered) -> bool {
    let unknown = match &answered.end {
        // A model that counts no tokens is not one that costs nothing.
        RequestEnd::Answer { price, .. } => price.amount().is_none(),
        RequestEnd::Failed { .. } | RequestEnd::Unknown => answered.tokens > 0,
    };
    unknown && asked.reserved_money.is_none()
}
