//! The crate from outside, and against METR's own figures where they are at hand.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail by panicking, and say what they skip"
)]

mod exact;
mod hostile;
mod metr;
mod resampling;
mod support;
