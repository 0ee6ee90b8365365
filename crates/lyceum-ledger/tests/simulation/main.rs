//! Thousands of short histories of the real ledger on a disk that forgets, all from one number each.
//!
//! `LYCEUM_SIMULATION_SEEDS` sets how many (default 60), `LYCEUM_SIMULATION_SEED` runs one alone: the number that a
//! failure prints. `bench/durability/simulation.sh` runs the long version.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod disk;
mod histories;
mod store;
mod world;
