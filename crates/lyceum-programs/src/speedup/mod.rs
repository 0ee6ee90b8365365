//! A training step made faster: build it, feed it, compare what it computes.
//!
//! The step itself is `step.rs` in the study's workspace, for anyone to edit. Time is the
//! supervisor's to measure; nothing here reads a clock.

pub mod build;
pub mod check;
pub mod format;
pub mod input;
