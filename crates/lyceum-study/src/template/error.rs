//! Why a script cannot be wrapped.

use std::{io, path::PathBuf};

/// Why a script cannot be wrapped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("cannot read script `{}`", crate::workspace::shown(.path.as_os_str()))]
    Unreadable {
        /// The script.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is a directory or something special.
    #[error("script `{}` is not a plain file", crate::workspace::shown(.path.as_os_str()))]
    NotPlain {
        /// The script.
        path: PathBuf,
    },
    /// It is too large to be a script.
    #[error("script `{}` has more than {limit} bytes", crate::workspace::shown(.path.as_os_str()))]
    TooBig {
        /// The script.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// Its name cannot stand in a study file.
    #[error(
        "script `{}` has a name that cannot stand in a study file; expected letters, digits, `.`, `_` and `-`",
        crate::workspace::shown(.path.as_os_str())
    )]
    Name {
        /// The script.
        path: PathBuf,
    },
}
