//! A model with what it may cost: the meter between the lab's reservations and the attempts that a request takes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use lyceum_models::{
    Budget, Estimate, Model, Money, Price, Request, Reservation, Response, Spent, Usage,
};

/// Bytes of a request for one token, at least: a guess on the safe side.
const BYTES_PER_TOKEN: u64 = 2;
/// Tokens that a provider adds by itself, at most, and what a wire's form adds.
const HIDDEN_TOKENS: u64 = 4096;

/// Tells what tokens cost; `None` where that is not known.
pub type PriceOf = Box<dyn Fn(&Usage) -> Price + Send + Sync>;

/// A model and its price.
pub struct Mind {
    /// Who answers.
    pub model: Box<dyn Model>,
    /// What its tokens cost.
    pub price: PriceOf,
    /// Counts what its attempts use.
    pub meter: std::sync::Arc<Meter>,
    /// Its place on a tape.
    pub reel: crate::tapes::Reel,
}

/// An amount of tokens, and of billionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Tokens.
    pub tokens: u64,
    /// Money; `None` where the price is not known.
    pub money: Option<u64>,
}

impl Mind {
    /// Tells whether it is known what the model's tokens cost.
    pub fn has_price(&self) -> bool {
        let one = Usage {
            input_tokens: 1,
            output_tokens: 1,
            reported: true,
            ..Usage::default()
        };
        (self.price)(&one).amount().is_some()
    }

    /// Returns the most that one attempt at a request is expected to use.
    pub(crate) fn most(&self, request: &Request) -> Cost {
        let bytes = serde_json::to_vec(request).map_or(0, |json| json.len() as u64);
        let input = bytes.div_ceil(BYTES_PER_TOKEN) + HIDDEN_TOKENS;
        let output = u64::from(request.output_tokens_max);
        let usage = Usage {
            // All of it written to a cache is the dearest that a request can be.
            cache_write_tokens: input,
            output_tokens: output,
            reported: true,
            ..Usage::default()
        };
        Cost {
            tokens: input + output,
            money: (self.price)(&usage).amount().map(|amount| amount.0),
        }
    }
}

/// Counts what the attempts of one request use, within what the lab has reserved for it.
#[derive(Debug, Default)]
pub struct Meter {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    left: Cost,
    attempts: u64,
    used: Cost,
    reserved: Vec<Option<Cost>>,
}

impl Meter {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a request for which so much is reserved.
    pub(crate) fn open(&self, reserved: Cost) {
        *self.lock() = Inner {
            left: reserved,
            used: Cost {
                tokens: 0,
                money: Some(0),
            },
            ..Inner::default()
        };
    }

    /// Returns what the attempts used; `None` where none was told to the meter.
    pub(crate) fn close(&self) -> Option<Cost> {
        let inner = self.lock();
        (inner.attempts > 0).then_some(inner.used)
    }
}

impl Budget for Meter {
    fn reserve(&self, most: &Estimate) -> Result<Reservation, String> {
        let mut inner = self.lock();
        let cost = Cost {
            tokens: most.input_tokens + most.output_tokens,
            money: most.price.amount().map(|amount| amount.0),
        };
        let too_dear = match (inner.left.money, cost.money) {
            (Some(left), Some(cost)) => cost > left,
            _ => false,
        };
        if cost.tokens > inner.left.tokens || too_dear {
            return Err("what was reserved for this request is used up".into());
        }
        inner.left.tokens -= cost.tokens;
        inner.left.money = inner.left.money.map(|left| left - cost.money.unwrap_or(0));
        inner.attempts += 1;
        inner.reserved.push(Some(cost));
        Ok(Reservation(inner.reserved.len() as u64 - 1))
    }

    fn settle(&self, reservation: Reservation, spent: &Spent) {
        let mut inner = self.lock();
        let slot = inner.reserved.get_mut(reservation.0 as usize);
        let Some(reserved) = slot.and_then(Option::take) else {
            return;
        };
        let cost = match spent {
            Spent::Counted { usage, price } => Cost {
                tokens: counted(usage).unwrap_or(reserved.tokens),
                money: price.amount().map(|amount| amount.0),
            },
            Spent::Nothing => Cost {
                tokens: 0,
                money: Some(0),
            },
            Spent::Uncertain { .. } => reserved,
        };
        inner.used.tokens = inner.used.tokens.saturating_add(cost.tokens);
        inner.used.money = inner
            .used
            .money
            .zip(cost.money)
            .map(|(one, other)| one + other);
        // What was not used is there for the next attempt.
        inner.left.tokens += reserved.tokens.saturating_sub(cost.tokens);
        let back = reserved
            .money
            .unwrap_or(0)
            .saturating_sub(cost.money.unwrap_or(0));
        inner.left.money = inner.left.money.map(|left| left + back);
    }
}

/// Returns the tokens of an attempt; `None` where nobody counted them.
pub(crate) fn counted(usage: &Usage) -> Option<u64> {
    let all = usage.prompt_tokens().saturating_add(usage.output_tokens);
    usage.reported.then_some(all)
}

/// Returns what an answer used that no meter saw, within what was reserved where nobody counted.
pub(crate) fn of_response(response: &Response, reserved: Cost) -> Cost {
    Cost {
        tokens: counted(&response.usage).unwrap_or(reserved.tokens),
        money: response.price.amount().map(|Money(amount)| amount),
    }
}
