//! A whole lab from one number: the real loop over the real ledger, on a disk that forgets, with a simulated machine.
//!
//! `LYCEUM_SIMULATION_SEEDS` sets how many labs (default 40), `LYCEUM_SIMULATION_SEED` runs one alone: the number that a
//! failure prints. `bench/durability/simulation.sh` runs the long version.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[expect(dead_code, reason = "the ledger's own simulation uses all of it")]
#[path = "../../../lyceum-ledger/tests/simulation/disk.rs"]
mod disk;
#[path = "../../../lyceum-ledger/tests/simulation/store.rs"]
mod store;
#[expect(dead_code, reason = "the engine's own tests use all of it")]
#[path = "../engine/support.rs"]
mod support;

mod fuzz;
mod lab;
mod labs;
mod processes;
