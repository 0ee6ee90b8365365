//! What is wrong with a study before it is run: a grader that can be fooled, a number that says nothing.
//!
//! Three looks, each of which finds what the others cannot: [`read`] at the definition and the scripts beside it,
//! [`compare`] at what candidate and evaluator see, [`probe`] at what a few runs and some wrong outputs do. Reading is
//! triage, since a script can say anything in many ways; what a run shows is a fact. The checks follow the seven ways in
//! which public benchmarks were fooled (Berkeley RDI, 2026) and the five filters of robust-kbench (Sakana AI, 2025).

mod files;
mod finding;
mod probe;
mod read;
mod script;

pub use files::compare;
pub use finding::{Check, Finding};
pub use probe::{Keep, Probe, probe};
pub use read::{read, speaks_of_seed};
