//! Models over real sockets, from recordings, and from what a hostile server could send.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod budgets;
mod support;
mod wires;
