//! The command line from outside: the real program, real sandboxes, real files.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail by panicking"
)]

mod adopt;
mod ask;
mod audit;
mod budgets;
mod candidates;
mod changed;
mod disks;
mod evaluators;
mod faces;
mod goes_on;
mod halving;
mod horizon;
mod imports;
mod input;
mod lint;
mod machine;
mod memory;
mod names;
mod new;
mod null;
mod oversight;
mod parts;
mod refused;
mod report;
mod researchers;
mod sandbox;
mod sharing;
mod streams;
mod support;
mod training;
