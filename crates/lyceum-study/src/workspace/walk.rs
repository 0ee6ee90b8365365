//! A bounded walk over a directory that follows no link.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    fs, io,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileTypeExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
};

/// How much a walk accepts before it gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most entries, directories included.
    pub entries: usize,
    /// Most bytes of file contents.
    pub bytes: u64,
}

impl Default for Limits {
    /// Ten times the hundred thousand files of a large workspace, and 64 GiB.
    fn default() -> Self {
        Limits {
            entries: 1_000_000,
            bytes: 64 << 30,
        }
    }
}

/// Why files could not be listed or hashed. Paths are escaped for a terminal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Something could not be read.
    #[error("cannot read `{path}`: {problem}")]
    Unreadable {
        /// What.
        path: String,
        /// Why.
        problem: io::ErrorKind,
    },
    /// A FIFO, a socket or a device.
    #[error("`{path}` is a {kind}; expected a plain file, a directory or a symbolic link")]
    Special {
        /// What.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// More entries than the limit.
    #[error("`{path}` holds more than {limit} files and directories")]
    TooMany {
        /// The directory where the walk began.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// More bytes than the limit.
    #[error("`{path}` holds more than {limit} bytes")]
    TooBig {
        /// The directory where the walk began.
        path: String,
        /// The limit.
        limit: u64,
    },
    /// A file became something else while it was read.
    #[error("`{path}` changed while it was read")]
    Changed {
        /// What.
        path: String,
    },
}

/// What a listed path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedKind {
    /// A plain file.
    File {
        /// Size in bytes.
        size: u64,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link; nothing is known of its target.
    Link,
    /// A FIFO, a socket or a device.
    Special(&'static str),
}

/// A path below the directory that was walked. Directories themselves are not listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Path relative to the directory.
    pub path: PathBuf,
    /// What it is.
    pub kind: ListedKind,
}

/// Returns everything below the directory, sorted by the bytes of the relative paths. Top-level names in `skip` are
/// left out with all that is in them.
pub fn list(directory: &Path, limits: Limits, skip: &[&str]) -> Result<Vec<Listed>, Error> {
    let at_top = |path: &Path| skip.iter().any(|skipped| path == Path::new(skipped));
    list_without(directory, limits, &at_top)
}

/// Returns everything below the directory, sorted by the bytes of the relative paths, without what `skip` says of a
/// relative path, and what is in that.
pub fn list_without(
    directory: &Path,
    limits: Limits,
    skip: &dyn Fn(&Path) -> bool,
) -> Result<Vec<Listed>, Error> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    let mut entries = 0;
    let mut bytes = 0_u64;
    while let Some(relative) = waiting.pop() {
        let here = directory.join(&relative);
        let reading = fs::read_dir(&here).map_err(|error| unreadable(&here, &error))?;
        for entry in reading {
            let entry = entry.map_err(|error| unreadable(&here, &error))?;
            let path = relative.join(entry.file_name());
            if skip(&path) {
                continue;
            }
            entries += 1;
            if entries > limits.entries {
                let path = shown(directory.as_os_str());
                return Err(Error::TooMany {
                    path,
                    limit: limits.entries,
                });
            }
            // Reads the entry itself: a link is not followed.
            let metadata = entry
                .metadata()
                .map_err(|error| unreadable(&entry.path(), &error))?;
            if metadata.is_dir() {
                waiting.push(path);
                continue;
            }
            let kind = kind_of(&metadata);
            if let ListedKind::File { size, .. } = kind {
                bytes = bytes.saturating_add(size);
            }
            if bytes > limits.bytes {
                let path = shown(directory.as_os_str());
                return Err(Error::TooBig {
                    path,
                    limit: limits.bytes,
                });
            }
            found.push(Listed { path, kind });
        }
    }
    found.sort_unstable_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
    Ok(found)
}

fn kind_of(metadata: &fs::Metadata) -> ListedKind {
    let kind = metadata.file_type();
    if kind.is_file() {
        ListedKind::File {
            size: metadata.len(),
            executable: metadata.permissions().mode() & 0o100 != 0,
        }
    } else if kind.is_symlink() {
        ListedKind::Link
    } else if kind.is_fifo() {
        ListedKind::Special("FIFO")
    } else if kind.is_socket() {
        ListedKind::Special("socket")
    } else {
        ListedKind::Special("device")
    }
}

/// Returns the error for a path that could not be read.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::Unreadable {
        path: shown(path.as_os_str()),
        problem: error.kind(),
    }
}

/// Returns a file name as text that is safe on a terminal: control characters, newlines and bytes that are not UTF-8 are
/// written as escapes.
pub fn shown(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        text.push_str(&crate::format::escaped(chunk.valid()));
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}
