//! The time horizon of agents: the length of task, in minutes of a skilled person, at which an agent succeeds half of
//! the time (Kwa et al., "Measuring AI Ability to Complete Long Tasks", arXiv 2503.14499).
//!
//! [`read()`] takes runs in three forms and checks every line. [`summarise`] fits a logistic curve to each agent, at the
//! exact optimum of METR's objective; [`bootstrap()`] resamples families, tasks and runs jointly for all agents;
//! [`trend()`] fits the doubling time; [`compare()`] puts published values beside ours. Everything but [`mod@read`] and
//! [`published`] is pure: equal arguments give equal answers on any number of threads.
//!
//! Runs of one task by one agent weigh the same, so their number and the sum of their scores is all that the curve and
//! its resampling need. That is why this is fast, and why counts do as well as runs.

mod binomial;
pub mod bootstrap;
mod caveats;
pub mod compare;
pub mod fit;
pub mod published;
mod random;
pub mod read;
pub mod runs;
pub mod summary;
pub mod trend;
mod weights;

pub use bootstrap::{Draws, Resampling, bootstrap};
pub use caveats::{Caveat, caveats};
pub use compare::{Comparison, Verdict, compare};
pub use fit::{Curve, Outcome, Rows, fit};
pub use published::{Estimate, Published, Table};
pub use read::{ReadError, read};
pub use runs::{Agent, Cell, Family, Form, Runs, Scoring, Task, Unmeasured};
pub use summary::{BUCKETS, Horizon, Settings, Standing, Summary, summarise};
pub use trend::{Point, Trend, Window, trend};
pub use weights::{WeightError, Weighting};
