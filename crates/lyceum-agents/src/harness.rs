//! Driving a session: what follows from its events, one step at a time.
//!
//! The harness holds nothing that is not in the log. It can be killed between any two events: an open request or call is
//! then resolved by the rule of intent and receipt, and everything else follows from the state.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use lyceum_models::{
    Arguments, Asker, Block, Cancel, ErrorKind, Event, ModelError, Request, Response, Stop,
};
use lyceum_study::{
    engine::{Broken, Change, Cut, HandIn, JournalError},
    lab::Lab,
};

use crate::{
    compact::compact,
    context::{self, compose, tokens},
    letters,
    mind::{self, Cost, Mind},
    nested,
    people::{Heard, People},
    session::{
        Call, Log, Said, State,
        event::{
            Answered, Asked, Body, Fault, FaultKind, Limits, RequestEnd, RetryStatus, StopReason,
            ToolResult, ToolStarted, ToolUsed,
        },
    },
    tapes::{TapeError, is_taped},
    tool::{Done, Outcome, Toolbox, Wanted},
};

/// Requests without a proposal after which the sampler takes the agent's place for one experiment.
pub const TURNS_MAX: u32 = 60;
/// Equal calls in a row after which it does so too: such a model goes round in a circle.
const EQUAL_CALLS_MAX: u32 = 8;
/// Most calls of one answer that are carried out; the others are refused.
const CALLS_MAX: usize = 32;
/// Most compactions before one request: the conversation that still does not fit never will.
const COMPACTIONS_MAX: u32 = 3;
/// How often a person's wish to stop is looked for while the model answers or a tool works.
const POLL: Duration = Duration::from_millis(100);
/// Share of the model's context that a request may fill before the conversation is shortened, in percent.
const FULL_PERCENT: u64 = 75;
/// Share of it that the conversation keeps then.
const KEPT_PERCENT: u64 = 25;

/// How a model is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Tokens that the model's context holds.
    pub context_tokens: u64,
    /// Most tokens of one answer.
    pub output_tokens_max: u32,
    /// Attempts that the model makes at one request: each may cost what is reserved.
    pub attempts_max: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            context_tokens: 128_000,
            output_tokens_max: 8192,
            attempts_max: 3,
        }
    }
}

/// Why a session cannot go on at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its record cannot be written or read.
    #[error(transparent)]
    Log(#[from] JournalError),
    /// The lab failed.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// A session of this name was begun for something else.
    #[error("the lab has a session `{session}` already, which was begun for something else")]
    Foreign {
        /// The session.
        session: String,
    },
    /// What is recorded or replayed is not this session's.
    #[error(transparent)]
    Tape(#[from] TapeError),
    /// A person wants of a session what it was not begun with.
    #[error("session `{session}` was begun without {what}, and keeps to what it was begun with")]
    Begun {
        /// The session.
        session: String,
        /// What is wanted, as it is asked for.
        what: String,
    },
}

/// What a stretch of work came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Advance {
    /// A change that the study's loop is to try. Its call stays open until that is decided.
    Proposed(Change),
    /// It handed in what it has. Its call stays open until that is evaluated.
    HandedIn(HandIn),
    /// It stopped.
    Stopped(StopReason),
}

/// Ends a stretch of work from another thread.
#[derive(Clone, Debug, Default)]
pub struct Halt {
    /// Set once and for all.
    pub stop: Arc<AtomicBool>,
    /// Set for this stretch, until whoever drives clears it.
    pub now: Arc<AtomicBool>,
}

impl Halt {
    /// Whether it is to end.
    pub fn is_set(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.now.load(Ordering::Relaxed)
    }
}

/// Drives one session.
pub struct Harness<'a> {
    /// The session.
    pub log: &'a mut Log,
    /// Who answers.
    pub mind: &'a Mind,
    /// What can be done.
    pub toolbox: &'a dyn Toolbox,
    /// How the model is used.
    pub options: Options,
    /// Requests without a proposal after which it stops.
    pub turns_max: u32,
    /// Where letters of people wait, and for whom.
    pub mail: Option<(&'a Lab, &'a str)>,
    /// A wish to stop.
    pub halt: Halt,
    /// Who can be asked.
    pub people: People,
}

impl Harness<'_> {
    /// Works until something is proposed or nothing follows any more.
    pub fn advance(&mut self) -> Result<Advance, Error> {
        self.resolve_request()?;
        loop {
            self.take_letters()?;
            if self.halt.is_set() || self.log.state().interrupted.is_some() {
                return Ok(Advance::Stopped(StopReason::Interrupted));
            }
            let state = self.log.state();
            if let Some(call) = state.calls.first().cloned() {
                match self.hear_people(&call)? {
                    Heard::GoOn => {}
                    Heard::Done(done) => {
                        self.take_result(&call, done)?;
                        continue;
                    }
                    Heard::Stopped(why) => return Ok(Advance::Stopped(why)),
                }
                if let Some(advance) = self.carry_out(&call)? {
                    return Ok(advance);
                }
                continue;
            }
            if let Some(why) = stopped(state, self.turns_max) {
                return Ok(Advance::Stopped(why));
            }
            if let Some(why) = self.ask()? {
                // What ended the waiting is taken in, so that it ends nothing else.
                self.take_letters()?;
                return Ok(Advance::Stopped(why));
            }
        }
    }

    /// Closes a request that an earlier process left open: nobody knows whether it was answered.
    fn resolve_request(&mut self) -> Result<(), Error> {
        let Some(asked) = self.log.state().asked.clone() else {
            return Ok(());
        };
        let answered = Answered {
            request: asked.request,
            end: RequestEnd::Unknown,
            tokens: asked.reserved_tokens,
            money: asked.reserved_money.unwrap_or(0),
        };
        Ok(self.log.write(vec![Body::Answered(answered)])?)
    }

    /// Takes in what people wrote meanwhile.
    pub(crate) fn take_letters(&mut self) -> Result<(), Error> {
        let Some((lab, session)) = self.mail else {
            return Ok(());
        };
        Ok(letters::take_in(lab, session, self.log)?)
    }

    // --- calls ---

    /// Carries out a call, or finds out what became of it. Returns what it proposes or hands in.
    fn carry_out(&mut self, call: &Call) -> Result<Option<Advance>, Error> {
        let outcome = match wanted(&call.used) {
            Err(why) => Outcome::Result(Done::refused(why)),
            Ok(wanted) if call.started || self.is_lost(call)? => self.watched(|cut| {
                let tools = self.toolbox;
                tools.look_up(self.log.state(), &wanted, cut)
            })?,
            Ok(wanted) => {
                let started = ToolStarted {
                    call: call.used.call.clone(),
                };
                self.log.write(vec![Body::ToolStarted(started)])?;
                self.watched(|cut| self.toolbox.call(self.log.state(), &wanted, cut))?
            }
        };
        match outcome {
            Outcome::Proposed(change) => Ok(Some(Advance::Proposed(change))),
            Outcome::HandedIn(handed) => Ok(Some(Advance::HandedIn(handed))),
            Outcome::Result(done) => {
                self.take_result(call, done)?;
                Ok(None)
            }
        }
    }

    /// Tells whether nobody knows what a call did in what is replayed; then its intent is written here too.
    fn is_lost(&mut self, call: &Call) -> Result<bool, Error> {
        let name = &call.used.call;
        if !self.mind.reel.lost_call(name) {
            return Ok(false);
        }
        let call = name.clone();
        self.log
            .write(vec![Body::ToolStarted(ToolStarted { call })])?;
        Ok(true)
    }

    /// Writes the receipt of a call.
    fn take_result(&mut self, call: &Call, done: Done) -> Result<(), Error> {
        let call = call.used.call.clone();
        let mut bodies = done.also;
        bodies.push(Body::ToolResult(ToolResult {
            call,
            text: done.text,
            is_error: done.is_error,
            unknown: done.unknown,
            cpu_ms: done.cpu_ms,
            files: done.files,
        }));
        Ok(self.log.write(bodies)?)
    }

    // --- requests ---

    /// Asks the model for one answer. Returns why the session stops, when it does.
    fn ask(&mut self) -> Result<Option<StopReason>, Error> {
        for _ in 0..=COMPACTIONS_MAX {
            // A server knows better how much its model holds.
            let learnt = self.log.state().window.unwrap_or(u64::MAX);
            let (number, times) = (self.log.state().requests + 1, self.times());
            let times = self.mind.reel.begin(Asker::Session, number, times);
            let window = self.options.context_tokens.min(learnt);
            let request = self.fitting_request(window, &times)?;
            let Some(asked) = self.reserve(&request) else {
                return Ok(Some(StopReason::BudgetReached));
            };
            self.log.write(vec![Body::Asked(asked.clone())])?;
            if self.mind.reel.lost_request(Asker::Session, asked.request) {
                self.resolve_request()?;
                return Ok(None);
            }
            self.mind.meter.open(reserved(&asked));
            let answer = self.turn(&request)?;
            match answer {
                Ok(response) => return self.take_answer(&asked, response),
                Err(error) => {
                    let overflow = matches!(error.kind, ErrorKind::ContextOverflow { .. });
                    let stop = self.take_error(&asked, &error)?;
                    self.keep_to_the_tape(&error)?;
                    if !overflow {
                        return Ok(Some(stop));
                    }
                }
            }
        }
        Ok(Some(StopReason::RetriesExhausted))
    }

    fn times(&self) -> String {
        self.toolbox.times(self.log.state())
    }

    /// Ends the session's work where a recording does not answer, or cannot be written: what followed would be in none.
    fn keep_to_the_tape(&self, error: &ModelError) -> Result<(), Error> {
        if self.mind.reel.is_live() || !is_taped(error) {
            return Ok(());
        }
        Err(TapeError::Fault(error.kind.to_string()).into())
    }

    /// Returns the next request, after shortening the conversation where it would fill the model's context.
    fn fitting_request(&mut self, window: u64, times: &str) -> Result<Request, Error> {
        let output = self.options.output_tokens_max;
        for _ in 0..COMPACTIONS_MAX {
            let request = compose(self.log.state(), self.toolbox, times, output);
            let needed = tokens(&request);
            if needed + u64::from(output) <= window * FULL_PERCENT / 100 {
                return Ok(request);
            }
            let keep = window * KEPT_PERCENT / 100;
            let Some(compacted) = compact(self.log.state(), needed, keep) else {
                return Ok(request);
            };
            self.log.write(vec![Body::Compacted(compacted)])?;
        }
        Ok(compose(self.log.state(), self.toolbox, times, output))
    }

    /// Returns the intent with the most that the request may use; `None` where the budget does not hold that.
    fn reserve(&self, request: &Request) -> Option<Asked> {
        let state = self.log.state();
        let json = serde_json::to_vec(request).unwrap_or_default();
        let most = self.mind.most(request);
        let attempts = self.options.attempts_max;
        let tokens = most.tokens.saturating_mul(attempts);
        let money = most.money.map(|money| money.saturating_mul(attempts));
        let left = Limits {
            tokens: state.tokens_left(),
            money: state.money_left(),
        };
        let fits = left.hold(tokens, money) && self.toolbox.pays(state, tokens, money);
        (fits && self.toolbox.reserve(tokens, money)).then(|| Asked {
            request: state.requests + 1,
            digest: blake3::hash(&json).to_hex().to_string(),
            estimated_tokens: context::tokens(request),
            reserved_tokens: tokens,
            reserved_money: money,
        })
    }

    /// Tells those who allowed a request what it cost.
    fn settle(&self, asked: &Asked, cost: Cost) {
        let reserved = asked.reserved_money.unwrap_or(0);
        let money = cost.money.or(asked.reserved_money).unwrap_or(0);
        self.toolbox
            .settle((asked.reserved_tokens, reserved), (cost.tokens, money));
    }

    /// Asks and waits; a person's wish to stop ends the waiting. Each try that failed is written down while the next one is
    /// waited for, so that a session that makes no progress says why.
    fn turn(&mut self, request: &Request) -> Result<Result<Response, ModelError>, Error> {
        let (cancel, log) = (Cancel::new(), &mut *self.log);
        let mut written = Ok(());
        let mut hear = |event: Event| {
            let Event::Retrying { kind, error, .. } = event else {
                return;
            };
            let fault = Fault {
                error: blame(&kind).0,
                message: error,
                retry_status: RetryStatus::Retrying,
            };
            if written.is_ok() {
                written = log.write(vec![Body::Fault(fault)]);
            }
            if written.is_err() {
                cancel.cancel();
            }
        };
        let answer = watch(
            &self.halt,
            self.mail,
            || cancel.cancel(),
            || self.mind.model.turn(request, &cancel, &mut hear),
        );
        written?;
        Ok(answer)
    }

    /// Does something for a tool; a person's wish to stop ends it.
    fn watched<T>(&self, work: impl FnOnce(&Cut) -> T) -> T {
        let cut = Cut::default();
        let end = || cut.now("the session was told to stop");
        watch(&self.halt, self.mail, end, || work(&cut))
    }

    /// Writes the receipt with the calls that the answer asks for, all at once.
    fn take_answer(
        &mut self,
        asked: &Asked,
        mut response: Response,
    ) -> Result<Option<StopReason>, Error> {
        nested::bound(&mut response.blocks);
        let refusal = matches!(response.stop, Stop::Refusal { .. });
        let calls = calls(asked.request, &response.blocks);
        let reserved = reserved(asked);
        let metered = self.mind.meter.close();
        let cost = metered.unwrap_or_else(|| mind::of_response(&response, reserved));
        let answered = Answered {
            request: asked.request,
            tokens: cost.tokens,
            money: cost.money.or(reserved.money).unwrap_or(0),
            end: RequestEnd::Answer {
                blocks: response.blocks,
                stop: response.stop,
                usage: response.usage,
                price: response.price,
                model: response.model,
            },
        };
        let mut bodies = vec![Body::Answered(answered)];
        bodies.extend(calls.into_iter().map(Body::ToolUsed));
        self.log.write(bodies)?;
        self.settle(asked, cost);
        Ok(refusal.then_some(StopReason::Refusal))
    }

    /// Writes the receipt of a request that gave no answer. Returns what the session stops with.
    fn take_error(&mut self, asked: &Asked, error: &ModelError) -> Result<StopReason, Error> {
        let nothing = Cost::default();
        let unmetered = if error.kind.may_have_cost() {
            reserved(asked)
        } else {
            nothing
        };
        let cost = self.mind.meter.close().unwrap_or(unmetered);
        let message = error.to_string();
        let answered = Answered {
            request: asked.request,
            end: RequestEnd::Failed {
                error: message.clone(),
            },
            tokens: cost.tokens,
            money: cost.money.or(asked.reserved_money).unwrap_or(0),
        };
        let mut bodies = vec![Body::Answered(answered)];
        let stop = if matches!(error.kind, ErrorKind::Cancelled) {
            StopReason::Interrupted
        } else {
            let (kind, status) = blame(&error.kind);
            bodies.push(Body::Fault(Fault {
                error: kind,
                message,
                retry_status: status,
            }));
            StopReason::RetriesExhausted
        };
        self.log.write(bodies)?;
        self.settle(asked, cost);
        Ok(stop)
    }
}

/// Does something, and meanwhile looks whether somebody wishes it to end. A wish from before counts too.
pub(crate) fn watch<T>(
    halt: &Halt,
    mail: Option<(&Lab, &str)>,
    end: impl Fn() + Sync,
    work: impl FnOnce() -> T,
) -> T {
    let stopped =
        || halt.is_set() || mail.is_some_and(|(lab, name)| letters::interrupts(lab, name));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let looking = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                if stopped() {
                    end();
                    return;
                }
                thread::park_timeout(POLL);
            }
        });
        // Also where the work panics: who looks on must end, or the panic would wait for it for ever.
        let _done = Over(&over, looking.thread());
        work()
    })
}

/// Ends the looking once it is dropped.
struct Over<'a>(&'a AtomicBool, &'a thread::Thread);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.unpark();
    }
}

/// Returns why nothing is to be asked now; `None` while the model owes an answer.
fn stopped(state: &State, turns_max: u32) -> Option<StopReason> {
    if state.turns >= turns_max || state.equal_calls >= EQUAL_CALLS_MAX {
        return Some(StopReason::NoProgress);
    }
    match state.conversation.last().map(|item| &item.said) {
        Some(Said::Agent(_)) => Some(StopReason::EndTurn),
        Some(Said::Person(_) | Said::Lab(_) | Said::Result { .. }) | None => None,
    }
}

/// Returns the calls of an answer with their names.
fn calls(request: u32, blocks: &[Block]) -> Vec<ToolUsed> {
    let used = blocks.iter().filter_map(|block| match block {
        Block::ToolUse(call) => Some(call),
        Block::Text { .. }
        | Block::Reasoning { .. }
        | Block::ToolResult(_)
        | Block::Opaque { .. } => None,
    });
    let named = used.enumerate().map(|(number, call)| ToolUsed {
        call: format!("{request}.{number}"),
        id: call.id.clone(),
        name: call.name.clone(),
        arguments: call.arguments.clone(),
    });
    named.collect()
}

/// Returns a call as a tool sees it, or why it cannot be carried out.
pub(crate) fn wanted(used: &ToolUsed) -> Result<Wanted, String> {
    let number = used
        .call
        .split('.')
        .nth(1)
        .and_then(|text| text.parse().ok());
    if number.is_none_or(|number: usize| number >= CALLS_MAX) {
        return Err(format!("one answer may ask for {CALLS_MAX} calls at most"));
    }
    match &used.arguments {
        Arguments::Object { value } => Ok(Wanted {
            call: used.call.clone(),
            name: used.name.clone(),
            arguments: value.clone(),
        }),
        Arguments::Malformed { reason, .. } => {
            Err(format!("the arguments are no JSON object: {reason}"))
        }
    }
}

/// Says what an error is in the vocabulary of sessions, and what follows.
fn blame(kind: &ErrorKind) -> (FaultKind, RetryStatus) {
    use FaultKind as F;
    use RetryStatus as R;
    match kind {
        ErrorKind::Overloaded { .. } => (F::ModelOverloadedError, R::Exhausted),
        ErrorKind::RateLimited { .. } => (F::ModelRateLimitedError, R::Exhausted),
        ErrorKind::Billing { .. } => (F::BillingError, R::Terminal),
        ErrorKind::Key(_) | ErrorKind::Unauthorized { .. } => (F::AuthenticationError, R::Terminal),
        ErrorKind::ContextOverflow { .. } => (F::ContextOverflowError, R::Retrying),
        ErrorKind::NotFound { .. } | ErrorKind::Redirect { .. } | ErrorKind::BadRequest { .. } => {
            (F::ModelRequestFailedError, R::Terminal)
        }
        ErrorKind::RequestTooLarge { .. }
        | ErrorKind::Server { .. }
        | ErrorKind::Status { .. }
        | ErrorKind::Connect { .. }
        | ErrorKind::Timeout { .. }
        | ErrorKind::Cut { .. }
        | ErrorKind::Malformed { .. }
        | ErrorKind::AnswerTooLarge { .. }
        | ErrorKind::KeyRepeated
        | ErrorKind::Budget { .. }
        | ErrorKind::Cancelled
        | ErrorKind::Command { .. }
        | ErrorKind::Replay(_)
        | ErrorKind::Record { .. } => (F::ModelRequestFailedError, R::Exhausted),
    }
}

/// Returns what is reserved for a request.
fn reserved(asked: &Asked) -> Cost {
    Cost {
        tokens: asked.reserved_tokens,
        money: asked.reserved_money,
    }
}
