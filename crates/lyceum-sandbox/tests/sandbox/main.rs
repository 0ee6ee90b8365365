//! Real sandboxes on this machine. One program, so that they share one self-tested sandbox.
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

mod common;
mod isolation;
mod lifetime;
mod limits;

lyceum_sandbox::run_helper_before_tests!();
