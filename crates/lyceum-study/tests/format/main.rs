//! The study format from outside: real files, real directories, the text that people read.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail by panicking"
)]

mod directory;
mod edits;
mod errors;
mod fuzz;
mod knobs;
mod reference;
mod support;
mod template;
mod workspace;
