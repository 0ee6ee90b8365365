//! Deciding under noise: floors, keep rules, e-values, intervals. Pure.
//!
//! Two decisions are kept apart. *Search acceptance* ([`decide`]) says what the next experiment builds on; it may be
//! wrong now and then, and only has to climb fast. *Claim acceptance* ([`confirm`]) says what the report may state as
//! true; it uses fresh paired seeds and an anytime-valid e-value ([`e_value`]), at a level that is spent over the
//! claims of a study ([`AlphaSpending`]).
//!
//! Nothing in this crate does I/O, reads a clock or keeps state: equal arguments give equal answers. Every value given
//! to it must be finite (a failed run has no value, so it is never passed); debug builds assert that.

mod confirm;
mod decide;
mod evidence;
mod floor;
mod interval;
mod ladder;
mod optimism;
mod special;
mod summary;

pub use confirm::{Confirmation, confirm, unbiased_gain};
pub use decide::{
    Decision, Look, REPEATS_BEST, RepeatSeed, Rule, UnknownRule, decide, first_gap, repeats_worth,
};
pub use evidence::{AlphaSpending, e_value, futile, ln_e_value, pairs_needed};
pub use floor::{Floor, floor, floor_is_known};
pub use interval::{bootstrap_interval, clopper_pearson, t_interval, t_interval_of};
pub use ladder::{Ladder, Rung};
pub use optimism::{expected_best_of, optimism};
pub use summary::{mean, median, quantile, sd};
