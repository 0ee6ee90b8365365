//! From the events of a study to its report.

mod assemble;
mod compare;
mod pinned;
mod record;
mod spending;
mod watched;

pub use assemble::{BudgetLimits, Context, report};
