//! Reading the values of knobs from an unchanged workspace, and writing settings into it.

mod error;
mod json;
mod locate;
mod read;
mod template;
mod toml;
mod values;
mod write;

pub use error::{Error, FileProblem};
pub(crate) use read::start_values;
pub use read::{SETTINGS_FILE_BYTES_MAX, read_plain, settings_in, start_settings};
pub use values::coerce;
pub(crate) use values::{describe, quoted};
pub use write::{Patch, write};
