//! The files of a workspace: listed without following links, hashed, matched against globs.

mod diff;
mod globs;
mod manifest;
mod walk;
mod watch;

pub use diff::diff;
pub use globs::{BadGlob, Globs};
pub use manifest::{Content, Entry, Manifest, scan};
pub(crate) use manifest::{of_listed, open_plain};
pub use walk::{Error, Limits, Listed, ListedKind, list, list_without, shown};
pub use watch::{Changed, Watch};
