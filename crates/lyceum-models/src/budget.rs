//! Money and tokens are reserved before an attempt and settled after it. Who keeps them is the caller's affair.

use crate::{money::Price, request::Request, response::Usage};

/// Bytes of a request for one token, at least: a guess on the safe side. English and code have three to four,
/// other scripts about two.
const BYTES_PER_TOKEN: u64 = 2;
/// Tokens that a provider adds for tools and its own instructions, at most.
const HIDDEN_TOKENS: u64 = 2_048;

/// Keeps a budget.
pub trait Budget: Send + Sync {
    /// Called before each attempt. An error, in words for a person, keeps the attempt from being made.
    fn reserve(&self, most: &Estimate) -> Result<Reservation, String>;

    /// Returns for how many attempts of a turn is provided: no more are made, whatever the patience. As many as the
    /// patience has where nothing is said.
    fn attempts_max(&self) -> Option<u32> {
        None
    }

    /// Called once after each attempt that was reserved for, whatever became of it.
    fn settle(&self, reservation: Reservation, spent: &Spent);
}

/// Names what was reserved, for its keeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation(pub u64);

/// The most that an attempt is expected to use. The output's share is a bound; the input's is a guess on the safe
/// side, since only the provider can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Input.
    pub input_tokens: u64,
    /// Output, reasoning included.
    pub output_tokens: u64,
    /// What that costs, nothing being found in a cache and all being written to one.
    pub price: Price,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// The provider counted.
    Counted {
        /// Its counts.
        usage: Usage,
        /// What they cost.
        price: Price,
    },
    /// The attempt never reached a model, or was refused before it did any work.
    Nothing,
    /// Work may have been done and nobody said how much: charge what was reserved.
    Uncertain {
        /// What the provider had said until then.
        usage: Usage,
    },
}

/// No budget: everything is allowed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

impl Budget for Unlimited {
    fn reserve(&self, _: &Estimate) -> Result<Reservation, String> {
        Ok(Reservation(0))
    }

    fn settle(&self, _: Reservation, _: &Spent) {}
}

/// Returns the most tokens that a request of so many bytes is expected to use.
pub(crate) fn estimate(request: &Request, bytes: u64, price: impl Fn(&Usage) -> Price) -> Estimate {
    let input_tokens = bytes.div_ceil(BYTES_PER_TOKEN) + HIDDEN_TOKENS;
    let output_tokens = u64::from(request.output_tokens_max);
    let hour = |cache: Option<crate::Cache>| cache == Some(crate::Cache::Hour);
    let minutes = |cache: Option<crate::Cache>| cache == Some(crate::Cache::Minutes);
    let marks = || {
        let system = request.system.iter().map(|block| block.cache);
        system.chain(request.messages.iter().map(|message| message.cache))
    };
    let mut usage = Usage {
        output_tokens,
        reported: true,
        ..Usage::default()
    };
    if marks().any(hour) {
        usage.cache_write_hour_tokens = input_tokens;
    } else if marks().any(minutes) {
        usage.cache_write_tokens = input_tokens;
    } else {
        usage.input_tokens = input_tokens;
    }
    Estimate {
        input_tokens,
        output_tokens,
        price: price(&usage),
    }
}
