//! A decoder-only character transformer (pre-norm, as in GPT-2), made of the crate's layers.

mod block;
mod config;
mod model;

pub use config::{Config, ConfigError};
pub use model::{Transformer, Workspace};
