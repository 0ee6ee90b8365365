//! The crate from outside, and against METR's own figures where they are at hand.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod exact;
mod hostile;
mod metr;
mod resampling;
mod support;
