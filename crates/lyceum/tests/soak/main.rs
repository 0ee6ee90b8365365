//! The whole lab killed with SIGKILL at random instants and started again with the same command: nothing is lost but the
//! run in flight, nothing is doubled, nothing is left behind.
//!
//! `LYCEUM_SOAK_KILLS` sets how many kills (default 25), `LYCEUM_SOAK_SECONDS` when to stop anyway, `LYCEUM_SOAK_SEED`
//! where the instants come from. `bench/durability/soak.sh` runs the long version.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

#[expect(dead_code, reason = "this test needs a part of what the others share")]
#[path = "../cli/support/mod.rs"]
mod support;

mod killed;
mod open_runs;
mod seen;
