//! The ledger from outside: real files, real processes.

mod append;
mod support;
