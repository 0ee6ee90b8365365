//! A network that has read many made-up functions, and predicts the next values of one that it sees for the first time.
//!
//! - [`Network`]: the layers, with forward and backward pass.
//! - [`DataSet`], [`Batch`]: what it reads; [`Component`]: what it answers.
//! - [`sample`]: the functions that it learns from.

mod attention;
mod batch;
mod block;
mod columns;
mod config;
mod mixture;
mod network;
mod prior;
mod training;

pub use batch::{Batch, DataSet};
pub use config::{Config, ConfigError};
pub use mixture::Component;
pub use network::{Network, Workspace};
pub use prior::{Sample, sample};
pub use training::{Recipe, Training, judge};
