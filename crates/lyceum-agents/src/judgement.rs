//! What a study's judgements cost: a stream beside its session's, so that the budgets of the study hold for both.
//!
//! A judgement is reserved for before it is asked for and settled after it. One whose lab died in between is charged with
//! all that was reserved.

use lyceum_ledger::{BlobId, Reader};
use lyceum_models::{Price, Spec, Usage};
use lyceum_study::{engine::JournalError, format::Study, lab::Case};
use lyceum_types::{FoldError, Money};
use serde::{Deserialize, Serialize};

use crate::{
    mind::Cost,
    session,
    session::event::{Created, Limits},
    staff::price_of,
    stream::{Fold, Stream},
};

/// Tokens that a session leaves for each judgement of the last evaluation: what a provider may add, the answer, and the
/// 32 KiB of a file that a judge is shown at most, half of them escaped.
const KEPT_TOKENS: u64 = 40_000;

/// Intent: a model is about to be asked for a judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Number of the judgement in its study, from 1.
    pub judgement: u32,
    /// The model, as the rubric names it.
    pub model: String,
    /// Most tokens that it may read and write.
    pub reserved_tokens: u64,
    /// Most billionths of a US dollar; `None` where the model has no known price.
    pub reserved_money: Option<u64>,
}

/// Receipt: the reservation ends here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The judgement.
    pub judgement: u32,
    /// Tokens that are charged.
    pub tokens: u64,
    /// Billionths of a US dollar that are charged.
    pub money: u64,
}

lyceum_types::bodies! {
    /// What a judgement costs: one event's content.
    "judgement":
    Asked(Asked) = "span.judgement_start" 1,
    Answered(Answered) = "span.judgement_end" 1,
}

/// What a study's judgements cost so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The one that has no receipt.
    pub open: Option<Asked>,
    /// Judgements so far.
    pub asked: u32,
    /// Tokens charged, with what is reserved.
    pub tokens: u64,
    /// Billionths of a US dollar charged, with what is reserved.
    pub money: u64,
    last_seq: u64,
}

impl Fold for State {
    type Body = Body;
    const PREFIX: &'static str = "judgement/";

    fn fold(&mut self, seq: u64, _at: i64, body: Body) -> Result<(), FoldError> {
        let fault = |problem: &str| Err(FoldError::new("judgement", seq, problem.to_owned()));
        match body {
            Body::Asked(asked) if asked.judgement == self.asked + 1 => {
                self.asked = asked.judgement;
                self.tokens = self.tokens.saturating_add(asked.reserved_tokens);
                self.money = self.money.saturating_add(asked.reserved_money.unwrap_or(0));
                // One that was open stays charged: its lab died, and nobody knows whether it was answered.
                self.open = Some(asked);
            }
            Body::Asked(_) => return fault("a judgement that is not the next"),
            Body::Answered(answered) => {
                let open = self.open.take();
                let Some(asked) = open.filter(|one| one.judgement == answered.judgement) else {
                    return fault("an answer to a judgement that is not open");
                };
                let reserved = asked.reserved_money.unwrap_or(0);
                let without = self.tokens.saturating_sub(asked.reserved_tokens);
                self.tokens = without.saturating_add(answered.tokens);
                self.money = (self.money.saturating_sub(reserved)).saturating_add(answered.money);
            }
        }
        self.last_seq = seq;
        Ok(())
    }

    fn last_seq(&self) -> u64 {
        self.last_seq
    }

    fn blobs(_: &Body) -> Vec<BlobId> {
        vec![]
    }
}

/// What is left of a budget does not pay for a judgement: that says nothing about the work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unpaid {
    /// Tokens.
    #[error("it may use {need} tokens, and the study's `[budget] tokens` has {left} left")]
    Tokens {
        /// What it may use.
        need: u64,
        /// What is left.
        left: u64,
    },
    /// Money.
    #[error("it may cost {need}, and the study's `[budget] money` has {left} left")]
    Money {
        /// What it may cost.
        need: Money,
        /// What is left.
        left: Money,
    },
    /// Nobody knows what it costs.
    #[error("the study's `[budget] money` needs models whose price is known")]
    Price,
}

/// Why a judgement is not reserved for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The budget.
    #[error(transparent)]
    Unpaid(#[from] Unpaid),
    /// The record.
    #[error(transparent)]
    Record(#[from] JournalError),
}

/// A judgement that is paid for.
pub(crate) struct Reserved {
    stream: Stream<State>,
    judgement: u32,
}

/// Writes the intent of a judgement, where what the study's session and its judgements left of its budgets pays for it.
pub(crate) fn reserve(case: Case<'_>, model: &str, most: Cost) -> Result<Reserved, Error> {
    let mut stream = Stream::<State>::open(case.ledger.clone(), case.study)?;
    let reader = case.ledger.reader().map_err(JournalError::from)?;
    // A session of the same name that is not the study's own used nothing of its budgets.
    let session = session::State::load(&reader, case.study)?;
    let own = |created: &&Created| created.study == case.study;
    let (tokens, money) = match session.created.as_ref().filter(own) {
        Some(_) => (session.tokens, session.money),
        None => (0, 0),
    };
    let judged = stream.state();
    if let Some(budget) = case.budget.tokens {
        let left = budget.saturating_sub(tokens.saturating_add(judged.tokens));
        if most.tokens > left {
            let need = most.tokens;
            return Err(Unpaid::Tokens { need, left }.into());
        }
    }
    if let Some(Money(budget)) = case.budget.money {
        let left = budget.saturating_sub(money.saturating_add(judged.money));
        match most.money {
            None => return Err(Unpaid::Price.into()),
            Some(need) if need > left => {
                let (need, left) = (Money(need), Money(left));
                return Err(Unpaid::Money { need, left }.into());
            }
            Some(_) => {}
        }
    }
    let judgement = judged.asked + 1;
    stream.write(vec![Body::Asked(Asked {
        judgement,
        model: model.to_owned(),
        reserved_tokens: most.tokens,
        reserved_money: most.money,
    })])?;
    Ok(Reserved { stream, judgement })
}

impl Reserved {
    /// Writes what it cost.
    pub(crate) fn settle(mut self, cost: Cost) -> Result<(), JournalError> {
        let asked = self.stream.state().open.as_ref();
        let reserved = asked.and_then(|asked| asked.reserved_money);
        self.stream.write(vec![Body::Answered(Answered {
            judgement: self.judgement,
            tokens: cost.tokens,
            money: cost.money.or(reserved).unwrap_or(0),
        })])
    }
}

/// Returns what a study's session may use of the study's budgets altogether: what its judgements did not, and while the
/// study goes on, without what is kept for those of its end, at most half of what is left.
pub(crate) fn left_for_session(
    reader: &Reader,
    name: &str,
    study: &Study,
    over: bool,
) -> Result<Limits, JournalError> {
    let judged = State::load(reader, name)?;
    let kept = if over { vec![] } else { kept(study) };
    let left = |budget: u64, used: u64, kept: u64| {
        let left = budget.saturating_sub(used);
        left - kept.min(left / 2)
    };
    let tokens: u64 = kept.iter().map(|one| one.tokens).sum();
    let money: u64 = kept.iter().filter_map(|one| one.money).sum();
    let budget = &study.budget;
    Ok(Limits {
        tokens: budget
            .tokens
            .map(|budget| left(budget, judged.tokens, tokens)),
        money: budget
            .money
            .map(|Money(budget)| left(budget, judged.money, money)),
    })
}

/// Returns what is kept for each judgement of the last evaluation.
fn kept(study: &Study) -> Vec<Cost> {
    let models = study
        .judges()
        .filter_map(|model| model.parse::<Spec>().ok());
    models
        .map(|spec| {
            let usage = Usage {
                cache_write_tokens: KEPT_TOKENS,
                reported: true,
                ..Usage::default()
            };
            let price: Price = price_of(&spec)(&usage);
            Cost {
                tokens: KEPT_TOKENS,
                money: price.amount().map(|Money(amount)| amount),
            }
        })
        .collect()
}
