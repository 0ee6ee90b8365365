//! What people and programs see while a study runs. Standard error for people, standard output for results.

mod json;
mod live;
mod plain;
pub(crate) mod summary;
pub(crate) mod words;

pub(crate) use json::{Json, line as json_line};
pub(crate) use live::Live;
pub(crate) use plain::Plain;
