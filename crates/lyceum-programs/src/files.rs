//! Opening what a candidate left behind, which may be anything.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Why a candidate's file was not opened.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It cannot be opened: most often it was never written, or it is a symbolic link.
    #[error("cannot open `{}`, expected a regular file", path.display())]
    Open {
        /// The path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// It is a directory, a pipe, a socket or a device.
    #[error("`{}` is not a regular file", path.display())]
    NotRegular {
        /// The path.
        path: PathBuf,
    },
}

/// Opens a regular file for reading; neither follows a link nor waits for a pipe's writer.
pub(crate) fn open_regular(path: &Path) -> Result<File, Refused> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let open = |path: &Path| {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)?;
        let regular = file.metadata()?.is_file();
        Ok((file, regular))
    };
    match open(path) {
        Ok((file, true)) => Ok(file),
        Ok((_, false)) => Err(Refused::NotRegular {
            path: path.to_owned(),
        }),
        Err(source) => Err(Refused::Open {
            path: path.to_owned(),
            source,
        }),
    }
}
