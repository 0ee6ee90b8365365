//! Progress as plain lines, for logs and pipes.

use std::time::Instant;

use lyceum_study::engine::{Live, Observer, State};
use lyceum_types::Body;

use super::words;

/// Prints a line for each event that people want to see.
pub(crate) struct Plain {
    began: Instant,
}

impl Plain {
    pub(crate) fn new() -> Plain {
        Plain {
            began: Instant::now(),
        }
    }
}

impl Observer for Plain {
    fn event(&mut self, state: &State, _: u64, _: i64, body: &Body) {
        if let Some(line) = words::event(state, body) {
            super::note(&format!(
                "{:>7.1}s {line}",
                self.began.elapsed().as_secs_f64()
            ));
        }
    }

    fn tick(&mut self, _: &State, _: &Live) {}
}
