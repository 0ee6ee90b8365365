//! Failures of the helper: which step, which error, doing what.

use std::fmt::Display;
use std::io;

use crate::record::Step;
use crate::wire::Fault;

/// Turns an error into a [`Fault`].
pub(super) trait At<T> {
    /// Names the step and what was being done.
    fn at(self, step: Step, what: impl Display) -> Result<T, Fault>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, step: Step, what: impl Display) -> Result<T, Fault> {
        self.map_err(|error| {
            let error = error.into();
            let errno = error.raw_os_error().unwrap_or(0);
            Fault {
                step,
                errno,
                reason: format!("{what}: {error}"),
            }
        })
    }
}

/// Returns a fault without a system error.
pub(super) fn fault(step: Step, reason: impl Display) -> Fault {
    Fault {
        step,
        errno: 0,
        reason: reason.to_string(),
    }
}
