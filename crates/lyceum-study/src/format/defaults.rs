//! Values of keys that a study file leaves out.

use std::time::Duration;

use lyceum_types::{Bytes, Span};

/// Proposals without `budget.experiments`.
pub(crate) const EXPERIMENTS: u32 = 40;
/// Interleaved pairs of a timed measurement without `measure.pairs`.
pub(crate) const TIMED_PAIRS: u32 = 5;

pub(crate) fn run_timeout() -> Span {
    Span(Duration::from_mins(10))
}

pub(crate) fn measure_timeout() -> Span {
    Span(Duration::from_mins(1))
}

pub(crate) fn memory() -> Bytes {
    Bytes(1 << 30)
}

pub(crate) fn threads() -> u32 {
    1
}

pub(crate) fn step_unit() -> String {
    "steps".to_owned()
}

pub(crate) fn first_step() -> u64 {
    1
}

/// What the authors of ASHA used, and little else was found better since.
pub(crate) fn reduction() -> u32 {
    3
}

pub(crate) fn confidence() -> f64 {
    0.95
}

/// Looks at sealed data: each lets out at most one value, and a handful of attempts is what one study takes.
pub(crate) fn sealed_looks() -> u32 {
    8
}

/// Evaluations without `outcome.iterations`, as managed agents have them.
pub(crate) const ITERATIONS: u32 = 3;
/// Findings of a criterion without `findings`.
pub(crate) const FINDINGS: u32 = 1;
/// Runs of a replication without `runs`: two have a spread of their own.
pub(crate) const REPLICATIONS: u32 = 2;

pub(crate) fn must() -> bool {
    true
}

pub(crate) fn weight() -> f64 {
    1.0
}
