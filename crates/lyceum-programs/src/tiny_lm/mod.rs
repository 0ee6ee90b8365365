//! The tiny language model study: text of known entropy, a trainer, an evaluator.
//!
//! - [`draw`]: `draw-text` draws the text, or splits a user's own, before anything runs.
//! - [`train`]: `train` trains a character transformer for a fixed number of CPU seconds.
//! - [`evaluate`]: `evaluate` answers with the bits per byte of a model on private text.
//! - [`source`]: the generator and its entropy rate.
//! - [`recipe`]: what a training run is asked to do.

mod alphabet;
mod failure;
mod grammar;
mod trainer;

pub mod draw;
pub mod evaluate;
pub mod recipe;
pub mod source;
pub mod train;

pub use failure::Failure;
