//! The study file: what may stand in `study.toml`, reading it, and saying what is wrong with it.
//!
//! Three steps, each with all its errors at once: the document against the schema ([`schema`]), the tables to a
//! [`Study`] ([`parse`]), the study against its directory ([`open`]).

mod command;
mod defaults;
mod directory;
mod error;
mod kind;
mod lower;
mod open;
mod parse;
mod problem;
mod reference;
mod reported;
mod schema;
mod source;
mod study;
mod table;
mod walk;

pub use command::{Command, Placeholder};
pub use error::{Error, Problems};
pub use kind::Kind;
pub(crate) use kind::{did_you_mean, one_of};
pub use open::{FILE_NAME, Opened, STUDY_FILE_BYTES_MAX, open, with_tables};
pub use parse::parse;
pub(crate) use problem::escaped;
pub use problem::{Place as SourcePlace, Problem};
pub use reference::reference_markdown;
pub use reported::{Reported, parse_metric_lines};
pub use schema::schema;
pub use study::{
    AskedTool, Budget, Clause, Clock, Confirm, Criterion, Data, Draw, DrawKind, Evaluator,
    Executed, Limits, Measure, Metric, Noise, Outcome, Place, Run, Sealed, Session, Study, Syntax,
    Timed, Toolchain, Workspace, Writing,
};
