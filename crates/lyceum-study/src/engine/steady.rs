//! Where the loop gets from how long something took.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// Tells how much time went by. The loop has no other source of it, so a simulation can supply its own.
pub trait Steady: fmt::Debug + Send + Sync {
    /// Returns the time since a moment that stays the same, never less than before.
    fn elapsed(&self) -> Duration;
}

/// The machine's own clock that never runs backwards, from when this was made.
#[derive(Clone, Copy, Debug)]
pub struct SinceMade(Instant);

impl Default for SinceMade {
    fn default() -> SinceMade {
        SinceMade(Instant::now())
    }
}

impl Steady for SinceMade {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
