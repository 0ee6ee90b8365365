//! Dreaming: what follows from a dream's events, one step at a time.
//!
//! Nothing is held that is not in the log: whoever is killed between any two events goes on from there. An answer that was
//! written down is not paid for again; a request whose answer nobody knows is charged with all that was reserved for it.

use std::path::Path;

use lyceum_ledger::{Ledger, Reader};
use lyceum_memory::{Draft, DreamVerdict, Dreamed, Refusal, Sources, Store};
use lyceum_models::{Asker, Cancel, ErrorKind, ModelError, Request, Response};

use super::{
    event::{Body, Completed, Created, Failed, Limited, Read},
    material::{self, Room},
    plan::{Error, Plan, begun, created},
    record::{Record, State},
    transcript::{Events, Transcript},
};
use crate::{
    harness::{Halt, watch},
    mind::{self, Cost, Mind},
    nested,
    session::{
        self,
        event::{Answered, Asked, RequestEnd},
    },
    stream::Fold as _,
    tapes::{Standing, TapeError, is_taped},
};

/// Answers of one round that are not taken, at most: a model that cannot keep the form never will.
const ANSWERS_MAX: usize = 3;
/// Attempts that the model makes at one request: each may cost what is reserved.
const ATTEMPTS_MAX: u64 = 3;
/// Least bytes of one session's transcript.
const SESSION_BYTES_MIN: usize = 2048;
/// Most bytes of one session's transcript: what lasts of a session is short.
const SESSION_BYTES_MAX: usize = 64 << 10;

/// How a stretch of work came out.
#[derive(Clone, Debug)]
pub enum End {
    /// The dream is over.
    Completed {
        /// What became of it.
        completed: Completed,
        /// What differs from the store that it read, by path.
        changes: Vec<(String, Vec<String>)>,
    },
    /// The dream is over and wrote nothing.
    Failed(Failed),
    /// What is left does not pay for another request. It goes on with more.
    BudgetReached,
    /// The model gave no answer. It goes on when it is asked again.
    RetriesExhausted {
        /// Why.
        error: String,
    },
    /// A person stopped it. It goes on when it is asked again.
    Interrupted,
}

/// A dream that this process works on.
pub struct Dreaming<'a> {
    ledger: Ledger,
    root: &'a Path,
    mind: &'a Mind,
    record: Record,
    created: Created,
    /// A wish to stop.
    halt: Halt,
}

impl<'a> Dreaming<'a> {
    /// Opens the dream: the one of the same plan that is not over, or a new one. The store must be there.
    ///
    /// # Errors
    /// When a session is not there, there are too many, or the record fails.
    pub fn open(
        ledger: Ledger,
        root: &'a Path,
        mind: &'a Mind,
        plan: &Plan,
        halt: Halt,
    ) -> Result<Dreaming<'a>, Error> {
        let reader = ledger.reader()?;
        let created = match begun(&reader, plan)? {
            Some(created) => created,
            None => created(&reader, root, plan)?,
        };
        let mut record = Record::open(ledger.clone(), &created.dream)?;
        let state = record.state();
        mind.reel.go_on(&Standing {
            of: Asker::Dream,
            asked: state.requests,
            open: state.asked.is_some(),
            call: None,
            seed: None,
        })?;
        if record.state().created.is_none() {
            record.write(vec![Body::Created(created.clone())])?;
        }
        let limits = plan.limits;
        if record.state().limits != limits && record.state().ended.is_none() {
            record.write(vec![Body::Limited(Limited { limits })])?;
        }
        Ok(Dreaming {
            ledger,
            root,
            mind,
            record,
            created,
            halt,
        })
    }

    /// Returns what is known of it.
    pub fn state(&self) -> &State {
        self.record.state()
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.created.dream
    }

    /// Works until the dream is over or something stops it.
    ///
    /// # Errors
    /// When the ledger, a session or the store fails.
    pub fn advance(&mut self) -> Result<End, Error> {
        if let Some(ended) = self.state().ended.clone() {
            return Ok(match ended {
                Ok(completed) => End::Completed {
                    completed,
                    changes: vec![],
                },
                Err(failed) => End::Failed(failed),
            });
        }
        self.resolve_request()?;
        let reader = self.ledger.reader()?;
        let (store, last) = (&self.created.store, self.created.store_last);
        let before = Store::load_at(&reader, self.root, store, last)?;
        let room = Room::of(self.created.context_tokens);
        let rounds = self.rounds(&reader, room)?;
        let mut draft = Draft::of(&before, self.created.now)?;
        let mut refused = Vec::new();
        for (number, round) in rounds.iter().enumerate() {
            let mut sources = Sources::default();
            for (read, transcript) in round {
                let stream = session::State::stream_of(&read.session);
                sources.last.insert(stream.clone(), read.last);
                for seq in &transcript.seqs {
                    sources.show(&stream, *seq);
                }
            }
            let entries = material::entries(&mut draft, &before, room.store, &mut sources);
            let sessions: Vec<_> = round.iter().map(|(_, one)| one.value.clone()).collect();
            while self.state().wanted(number).is_none() {
                if let Some(why) = self.hopeless(number) {
                    let failed = Failed { why };
                    self.record.write(vec![Body::Failed(failed.clone())])?;
                    return Ok(End::Failed(failed));
                }
                let untaken = self.record.state().untaken(number);
                let request = material::request(
                    &self.created.instructions,
                    &entries,
                    &sessions,
                    room.output_tokens,
                    untaken,
                );
                if let Some(end) = self.ask(&request)? {
                    return Ok(end);
                }
            }
            let wanted = self.state().wanted(number).unwrap_or_default();
            refused.extend(draft.revise(wanted, &sources));
        }
        self.complete(draft, &before, refused)
    }

    /// Returns the sessions of each round with their transcripts, always the same.
    fn rounds(&self, reader: &Reader, room: Room) -> Result<Vec<Vec<(Read, Transcript)>>, Error> {
        let sessions = &self.created.sessions;
        let share = (room.sessions / sessions.len().max(1))
            .clamp(SESSION_BYTES_MIN, SESSION_BYTES_MAX)
            .min(room.sessions);
        let mut transcripts = Vec::new();
        for read in sessions {
            let mut events = Events::default();
            session::State::read(reader, &read.session, 0, |seq, _, body| {
                if seq <= read.last {
                    events.take(seq, body);
                }
                Ok(())
            })?;
            let stream = session::State::stream_of(&read.session);
            transcripts.push(events.within(&stream, share));
        }
        let mut reads = sessions.iter().cloned();
        let rounds = material::rounds(transcripts, room.sessions).into_iter();
        // Transcripts stand in the order of the sessions.
        let rounds = rounds.map(|round| {
            let named = round.into_iter().map(|one| (reads.next(), one));
            let named = named.filter_map(|(read, one)| Some((read?, one)));
            named.collect()
        });
        Ok(rounds.collect())
    }

    /// Says why a round is not asked for again, if it is not.
    fn hopeless(&self, round: usize) -> Option<String> {
        let untaken: Vec<(&str, &str)> = self.state().untaken(round).collect();
        let (_, why) = untaken.last()?;
        let declined = why.starts_with("the model declined") || why.contains("context was full");
        (declined || untaken.len() >= ANSWERS_MAX).then(|| {
            format!(
                "{} answers of the model were not taken: {why}",
                untaken.len()
            )
        })
    }

    // --- requests ---

    fn resolve_request(&mut self) -> Result<(), Error> {
        let Some(asked) = self.state().asked.clone() else {
            return Ok(());
        };
        let answered = Answered {
            request: asked.request,
            end: RequestEnd::Unknown,
            tokens: asked.reserved_tokens,
            money: asked.reserved_money.unwrap_or(0),
        };
        Ok(self.record.write(vec![Body::Answered(answered)])?)
    }

    /// Asks once. Returns why the dream waits, if it does.
    fn ask(&mut self, request: &Request) -> Result<Option<End>, Error> {
        if self.halt.is_set() {
            return Ok(Some(End::Interrupted));
        }
        let Some(asked) = self.reserve(request) else {
            return Ok(Some(End::BudgetReached));
        };
        let reel = &self.mind.reel;
        reel.begin(Asker::Dream, asked.request, String::new());
        let lost = reel.lost_request(Asker::Dream, asked.request);
        self.record.write(vec![Body::Asked(asked.clone())])?;
        if lost {
            self.resolve_request()?;
            return Ok(None);
        }
        let reserved = Cost {
            tokens: asked.reserved_tokens,
            money: asked.reserved_money,
        };
        self.mind.meter.open(reserved);
        let answer = self.turn(request);
        let metered = self.mind.meter.close();
        let taped = answer.as_ref().err().filter(|error| is_taped(error));
        let taped = taped.filter(|_| !self.mind.reel.is_live());
        let taped = taped.map(|error| TapeError::Fault(error.kind.to_string()));
        let (end, cost, waits) = match answer {
            Ok(mut response) => {
                let cost = metered.unwrap_or_else(|| mind::of_response(&response, reserved));
                nested::bound(&mut response.blocks);
                (answer_end(response), cost, None)
            }
            Err(error) => {
                let unmetered = if error.kind.may_have_cost() {
                    reserved
                } else {
                    Cost::default()
                };
                let message = error.to_string();
                let end = RequestEnd::Failed {
                    error: message.clone(),
                };
                let waits = match error.kind {
                    ErrorKind::Cancelled => End::Interrupted,
                    _ => End::RetriesExhausted { error: message },
                };
                (end, metered.unwrap_or(unmetered), Some(waits))
            }
        };
        let answered = Answered {
            request: asked.request,
            end,
            tokens: cost.tokens,
            money: cost.money.or(asked.reserved_money).unwrap_or(0),
        };
        self.record.write(vec![Body::Answered(answered)])?;
        match taped {
            Some(error) => Err(error.into()),
            None => Ok(waits),
        }
    }

    /// Returns the intent of a request, where what is left pays for it.
    fn reserve(&self, request: &Request) -> Option<Asked> {
        let state = self.state();
        let json = serde_json::to_vec(request).unwrap_or_default();
        let most = self.mind.most(request);
        let tokens = most.tokens.saturating_mul(ATTEMPTS_MAX);
        let money = most.money.map(|money| money.saturating_mul(ATTEMPTS_MAX));
        let fits = |limit: Option<u64>, used: u64, need: u64| {
            limit.is_none_or(|limit| used.saturating_add(need) <= limit)
        };
        // A model without a price cannot be held to a budget of money.
        let affordable = match money {
            Some(need) => fits(state.limits.money, state.money, need),
            None => state.limits.money.is_none(),
        };
        (affordable && fits(state.limits.tokens, state.tokens, tokens)).then(|| Asked {
            request: state.requests + 1,
            digest: blake3::hash(&json).to_hex().to_string(),
            estimated_tokens: most.tokens,
            reserved_tokens: tokens,
            reserved_money: money,
        })
    }

    fn turn(&self, request: &Request) -> Result<Response, ModelError> {
        let cancel = Cancel::new();
        watch(
            &self.halt,
            None,
            || cancel.cancel(),
            || self.mind.model.turn(request, &cancel, &mut |_| ()),
        )
    }

    // --- the end ---

    /// Writes the new store, then that the dream is over.
    fn complete(
        &mut self,
        draft: Draft,
        before: &Store,
        refused: Vec<Refusal>,
    ) -> Result<End, Error> {
        let changes = draft.changes(Some(before))?;
        let created = &self.created;
        let mut completed = Completed {
            store: None,
            verdict: DreamVerdict::Review,
            reason: "nothing was to be changed".into(),
            refused: refused.clone(),
        };
        if !changes.is_empty() {
            completed.reason = "what a model wrote are words, and no replay measures words".into();
            let dreamed = Dreamed {
                from: Some((created.store.clone(), created.store_last)),
                studies: vec![],
                sessions: created
                    .sessions
                    .iter()
                    .map(|one| one.session.clone())
                    .collect(),
                dreamer: Some(created.dreamer.clone()),
                verdict: completed.verdict,
                reason: completed.reason.clone(),
                replays: vec![],
                refused,
            };
            let reader = self.ledger.reader()?;
            let mut old = Store::load(&reader, self.root, &created.store)?;
            let store = draft.write(&self.ledger, self.root, &created.dream, &mut old, &dreamed)?;
            completed.store = Some(store.name().to_owned());
        }
        self.record
            .write(vec![Body::Completed(completed.clone())])?;
        Ok(End::Completed { completed, changes })
    }
}

fn answer_end(response: Response) -> RequestEnd {
    RequestEnd::Answer {
        blocks: response.blocks,
        stop: response.stop,
        usage: response.usage,
        price: response.price,
        model: response.model,
    }
}
