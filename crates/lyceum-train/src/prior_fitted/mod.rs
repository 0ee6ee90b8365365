//! A network that has read many made-up functions, and predicts the next values of one that it sees for the first time.
//!
//! - [`Network`]: the layers, with forward and backward pass.
//! - [`DataSet`], [`Batch`]: what it reads; [`Component`]: what it answers.
//! - [`sample`]: the functions that it learns from; [`Training`]: how, step by step; [`judge`]: how well.
//! - [`Trained`]: weights with the [`Record`] of their making, as a file.

mod attention;
mod batch;
mod block;
mod columns;
mod config;
mod file;
mod function;
mod mixture;
mod network;
mod places;
mod prior;
mod record;
mod training;

pub use batch::{Batch, DataSet};
pub use config::{Config, ConfigError};
pub use file::{ReadError, Trained};
pub use mixture::Component;
pub use network::{Network, Workspace};
pub use prior::{PRIOR_VERSION, Sample, sample};
pub use record::{Point, Record};
pub use training::{Recipe, RecipeError, Training, judge, marginal};
