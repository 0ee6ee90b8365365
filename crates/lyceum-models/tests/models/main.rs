//! Models over real sockets, from recordings, and from what a hostile server could send.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod budgets;
mod commands;
mod encrypted;
mod faults;
mod fixtures;
mod hostile;
mod keys;
mod real;
mod records;
mod repeated;
mod support;
mod wires;
