//! The ledger from outside: real files, real processes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "everything here is a test, also what stands outside a test function"
)]

mod append;
mod bundle;
mod child;
mod crash;
mod disk;
mod files;
mod follow;
mod format;
mod garbage;
mod imports;
mod keys;
mod lock;
mod properties;
mod schema;
mod signatures;
mod store;
mod support;
mod tamper;
mod tree;
