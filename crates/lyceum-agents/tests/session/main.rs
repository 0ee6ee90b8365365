//! Sessions without a process: the real harness and log over a ledger in memory, with a model and tools that are functions.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

lyceum_sandbox::run_helper_before_tests!();

mod dream;
mod every_event;
mod long;
mod person;
mod prefix;
mod retried;
mod team;
mod workflow;
mod world;
