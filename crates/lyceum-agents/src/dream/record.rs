//! A dream's stream in the ledger, and what follows from it.
//!
//! Invariants, checked while folding: the first event is the creation, and there is one; one request is open at a time,
//! requests are numbered without gaps, and each ends once; nothing comes after the end.

use lyceum_ledger::BlobId;
use lyceum_memory::Revision;
use lyceum_models::Block;
use lyceum_types::FoldError;

use super::{
    answer,
    event::{Body, Completed, Created, Failed},
};
use crate::{
    session::event::{Answered, Asked, Limits, RequestEnd},
    stream::Fold,
};

/// An answer of the model in a round.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Its words.
    pub text: String,
    /// What it wants, or why it was not taken.
    pub wants: Result<Vec<Revision>, String>,
}

/// All that is known about a dream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// How it was made.
    pub created: Option<Created>,
    /// What it may spend.
    pub limits: Limits,
    /// The answers of each round; the last round's may all be such as were not taken.
    pub rounds: Vec<Vec<Said>>,
    /// The request that is open.
    pub asked: Option<Asked>,
    /// Requests so far.
    pub requests: u32,
    /// Tokens charged, with what is reserved for an open request.
    pub tokens: u64,
    /// Billionths of a US dollar charged, with what is reserved.
    pub money: u64,
    /// How it ended, if it has.
    pub ended: Option<Result<Completed, Failed>>,
    /// Number of its last event.
    pub last_seq: u64,
}

impl Fold for State {
    type Body = Body;
    const PREFIX: &'static str = lyceum_memory::DREAM_PREFIX;

    fn last_seq(&self) -> u64 {
        self.last_seq
    }

    fn blobs(_: &Body) -> Vec<BlobId> {
        vec![]
    }

    fn fold(&mut self, seq: u64, _: i64, body: Body) -> Result<(), FoldError> {
        let kind = body.kind();
        let is_first = self.created.is_none();
        let follows = match &body {
            Body::Created(_) => is_first,
            Body::Limited(_) => !is_first,
            Body::Asked(asked) => {
                !is_first && self.asked.is_none() && asked.request == self.requests + 1
            }
            Body::Answered(answered) => {
                let open = self.asked.as_ref().map(|asked| asked.request);
                open == Some(answered.request)
            }
            Body::Completed(_) | Body::Failed(_) => !is_first && self.asked.is_none(),
        };
        if !follows || self.ended.is_some() {
            let problem = format!("`{kind}` does not follow from the events before it");
            return Err(FoldError::new("dream", seq, problem));
        }
        self.last_seq = seq;
        match body {
            Body::Created(created) => self.created = Some(created),
            Body::Limited(limited) => self.limits = limited.limits,
            Body::Asked(asked) => {
                self.requests += 1;
                self.tokens = self.tokens.saturating_add(asked.reserved_tokens);
                self.money = self.money.saturating_add(asked.reserved_money.unwrap_or(0));
                self.asked = Some(asked);
            }
            Body::Answered(answered) => self.answered(answered),
            Body::Completed(completed) => self.ended = Some(Ok(completed)),
            Body::Failed(failed) => self.ended = Some(Err(failed)),
        }
        Ok(())
    }
}

impl State {
    fn answered(&mut self, answered: Answered) {
        if let Some(asked) = self.asked.take() {
            let money = asked.reserved_money.unwrap_or(0);
            let tokens = self.tokens.saturating_sub(asked.reserved_tokens);
            self.tokens = tokens.saturating_add(answered.tokens);
            self.money = self
                .money
                .saturating_sub(money)
                .saturating_add(answered.money);
        }
        let RequestEnd::Answer { blocks, stop, .. } = answered.end else {
            return;
        };
        let texts = blocks.iter().filter_map(|block| match block {
            Block::Text { text, .. } => Some(text.as_str()),
            _ => None,
        });
        let text: String = texts.collect();
        let wants = answer::read(&stop, &text);
        let is_taken = |said: &Said| said.wants.is_ok();
        if self
            .rounds
            .last()
            .is_none_or(|round| round.iter().any(is_taken))
        {
            self.rounds.push(vec![]);
        }
        if let Some(round) = self.rounds.last_mut() {
            round.push(Said { text, wants });
        }
    }

    /// Returns what the model wants in a round, where it was asked and answered in the right form.
    pub fn wanted(&self, round: usize) -> Option<&[Revision]> {
        let said = self.rounds.get(round)?.last()?;
        said.wants.as_deref().ok()
    }

    /// Returns the answers of a round that were not taken.
    pub fn untaken(&self, round: usize) -> impl Iterator<Item = (&str, &str)> {
        let said = self.rounds.get(round).into_iter().flatten();
        said.filter_map(|said| Some((said.text.as_str(), said.wants.as_ref().err()?.as_str())))
    }
}

/// A dream that this process writes to.
pub type Record = crate::Stream<State>;
