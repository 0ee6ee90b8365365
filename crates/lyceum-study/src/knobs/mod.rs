//! Reading the values of knobs from an unchanged workspace, writing settings into it, and finding what could be a knob.

mod error;
mod found;
mod json;
mod locate;
mod read;
mod source;
mod template;
mod toml;
mod values;
mod write;

pub use error::{Error, FileProblem};
pub use found::{PLACES_MAX, Places, places};
pub(crate) use read::start_values;
pub use read::{SETTINGS_FILE_BYTES_MAX, read_plain, settings_in, start_settings};
pub use source::Family;
pub use values::coerce;
pub(crate) use values::{describe, quoted};
pub use write::{Patch, write};
