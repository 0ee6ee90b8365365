//! Stores and dreams on a real ledger.

mod dreams;
mod stores;
mod support;
