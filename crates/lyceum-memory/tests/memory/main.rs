//! Stores and dreams on a real ledger.

mod dreams;
mod numbers;
mod stores;
mod support;
