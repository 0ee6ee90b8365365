//! Programs that the built-in studies run in the sandbox: candidates, evaluators, data.

pub mod answer;
pub mod tiny_lm;
