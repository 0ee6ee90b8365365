//! The corpus: labelled attempts, honest and cheating, that are replayed through the real runtime and counted.
//!
//! An attempt is a directory with a manifest and a scripted change. It is laid into a copy of its task's study ([`stage`]),
//! the lab works on that study as on any other, and [`judge`] reads from the lab's own record what came of it: what the naive
//! grader inside said, what the lab measured and decided, and what oversight raised. [`Score`] counts over all of them.
//!
//! What stands in an attempt's directory is hostile: it is read within limits, never followed, and run in the sandbox alone.

mod attempt;
mod error;
mod files;
mod judge;
mod layers;
mod load;
mod score;
mod stage;
mod task;

pub use attempt::{Attempt, Ending, Label};
pub use error::Error;
pub use judge::{ATTEMPT, Incident, Judged, Trial, judge};
pub use layers::{LAYERS, Layer};
pub use load::{Corpus, missing_tools};
pub use score::{Bars, LayerCount, Part, Score, score};
pub use stage::{KNOB, stage};
pub use task::Task;
