//! The research loop: study format, propose, run, measure, decide, keep, confirm.

pub mod engine;
pub mod format;
pub mod knobs;
pub mod lab;
pub mod lint;
pub mod shape;
pub mod template;
pub mod workspace;
