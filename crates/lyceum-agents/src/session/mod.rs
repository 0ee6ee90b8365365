//! A session as its record tells it: events, what follows from them, and the stream that holds them.

pub mod event;
mod log;
mod state;

pub use log::{Log, LogError, load, read, sessions, stream_of};
pub use state::{Call, FoldError, Item, Said, State, Status};
