//! The tests of `tests/sandbox` with the second backend. They need bubblewrap (`apt-get install bubblewrap`).
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

#[path = "../sandbox/common.rs"]
mod common;
#[path = "../sandbox/isolation.rs"]
mod isolation;
#[path = "../sandbox/lifetime.rs"]
mod lifetime;
#[path = "../sandbox/limits.rs"]
mod limits;
#[path = "../sandbox/local.rs"]
mod local;
#[path = "../sandbox/network.rs"]
mod network;

const BACKEND: lyceum_sandbox::Backend = lyceum_sandbox::Backend::Bwrap;

lyceum_sandbox::run_helper_before_tests!();
