//! How a ledger is opened.

use std::fmt;
use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::hash::LabId;
use crate::random::{Entropy, SystemEntropy};

/// Settings for [`crate::Ledger::open`]. The default is right outside tests and simulations.
#[derive(Clone)]
pub struct Options {
    /// Where times come from. Default: the wall clock.
    pub clock: Arc<dyn Clock>,
    /// Where the identity and the key of a new ledger come from. Default: the system's generator.
    pub entropy: Arc<dyn Entropy>,
    /// What the lock tells others about the process that holds it. Default: this command line.
    pub command: String,
    /// The identity that a new ledger gets. Default: 16 random bytes. An existing ledger keeps its
    /// own.
    pub lab: Option<LabId>,
}

impl Default for Options {
    fn default() -> Self {
        let words: Vec<_> = std::env::args_os()
            .map(|word| word.display().to_string())
            .collect();
        Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            command: words.join(" "),
            lab: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Options")
            .field("command", &self.command)
            .field("lab", &self.lab)
            .finish_non_exhaustive()
    }
}
