//! Programs that the built-in studies run in the sandbox: candidates, evaluators, data.
//!
//! Inside a sandbox a program is reached by its name on `PATH`: a link to the lab's binary, whose
//! `main` asks [`dispatch`] first. A candidate runs in a writable copy of the workspace and writes its
//! outputs under `LYCEUM_OUTPUTS`; an evaluator runs in an empty directory, reads those outputs from
//! the paths given as arguments, and answers through [`answer`].
//! Exit codes: [`cli::EXIT_OK`], [`cli::EXIT_BAD_INPUT`], [`cli::EXIT_INVALID_OUTPUT`].

pub mod answer;
pub mod cli;
pub mod files;
pub mod null;
pub mod packing;
pub mod random;
pub mod speedup;
pub mod tiny_lm;

mod dispatch;

pub use dispatch::{dispatch, names};
