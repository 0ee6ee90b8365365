//! Real sandboxes on this machine. One program, so that they share one self-tested sandbox; `tests/bwrap`
//! has the same tests with the other backend.
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

mod alone;
mod common;
mod isolation;
mod lifetime;
mod limits;
mod local;
mod network;

const BACKEND: lyceum_sandbox::Backend = lyceum_sandbox::Backend::Native;

lyceum_sandbox::run_helper_before_tests!();
