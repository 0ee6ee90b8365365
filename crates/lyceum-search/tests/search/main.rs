//! The researchers as the study meets them.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;
mod contract;
mod hostile;
mod network;
mod predictions;
mod priors;
mod regret;
mod warm;
mod words;
