//! Stores and dreams on a real ledger.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod dreams;
mod numbers;
mod priors;
mod schedules;
mod sessions;
mod stores;
mod support;
