//! Made-up studies, as the events that a lab would have written. The same events at every call.

mod journal;
mod studies;

pub use studies::{Study, all};
