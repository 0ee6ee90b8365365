//! What people and programs see while a study runs. Standard error for people, standard output for results.

mod json;
mod live;
mod plain;
pub(crate) mod summary;
pub(crate) mod words;

pub(crate) use json::{Json, line as json_line, visible};
pub(crate) use live::Live;
pub(crate) use plain::Plain;

/// Prints a line to standard error. A reader that went away must not end a study.
pub(crate) fn note(line: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
