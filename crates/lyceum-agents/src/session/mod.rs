//! A session as its record tells it: events, what follows from them, and the stream that holds them.

pub mod event;
mod state;

pub use state::{Call, Item, Request, Requested, Said, State, Status, Word};

/// A session that this process writes to: its stream, and what is known of it.
pub type Log = crate::Stream<State>;
