//! Reading and copying what others wrote: bounded, plain files alone, no link followed.

use std::{
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use crate::Error;

/// Most files of an attempt or task: a scripted change and a small study have some dozens.
const FILES_MAX: usize = 500;
/// Most bytes of all files of an attempt or task together: the largest built-in one is below 100 KB.
const BYTES_MAX: u64 = 16 << 20;
/// Most bytes of a manifest.
const MANIFEST_BYTES_MAX: u64 = 64 << 10;
/// Deepest directory: a copy must not run out of stack or path.
const DEPTH_MAX: usize = 16;

/// Returns the error of a file operation.
pub(crate) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::File {
        doing,
        path,
        source,
    }
}

/// Reads a manifest that must be a plain file.
pub(crate) fn manifest<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = text(path)?;
    toml_edit::de::from_str(&text).map_err(|error| Error::Manifest {
        path: path.to_path_buf(),
        problem: error.to_string().trim_end().to_owned(),
    })
}

/// Reads a small text that must be a plain file.
pub(crate) fn text(path: &Path) -> Result<String, Error> {
    plain(path)?;
    let file = fs::File::open(path).map_err(failed("reading", path))?;
    let mut text = String::new();
    let read = file.take(MANIFEST_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(failed("reading", path))?;
    if text.len() as u64 > MANIFEST_BYTES_MAX {
        return Err(Error::Entry {
            path: path.to_path_buf(),
            found: "too large".into(),
            expected: "a file of at most 64 KiB",
        });
    }
    Ok(text)
}

/// Refuses what is not a plain file.
fn plain(path: &Path) -> Result<fs::Metadata, Error> {
    let found = fs::symlink_metadata(path).map_err(failed("reading", path))?;
    if found.is_file() {
        return Ok(found);
    }
    Err(Error::Entry {
        path: path.to_path_buf(),
        found: kind(&found).into(),
        expected: "a plain file",
    })
}

/// Refuses what is not a directory.
pub(crate) fn directory(path: &Path) -> Result<(), Error> {
    let found = fs::symlink_metadata(path).map_err(failed("reading", path))?;
    if found.is_dir() {
        return Ok(());
    }
    Err(Error::Entry {
        path: path.to_path_buf(),
        found: kind(&found).into(),
        expected: "a directory",
    })
}

fn kind(found: &fs::Metadata) -> &'static str {
    if found.is_symlink() {
        "a symbolic link"
    } else if found.is_dir() {
        "a directory"
    } else if found.is_file() {
        "a plain file"
    } else {
        "neither a file nor a directory"
    }
}

/// Returns the names in a directory, in order.
pub(crate) fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let entries = fs::read_dir(directory).map_err(failed("reading directory", directory))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry
            .map_err(failed("reading directory", directory))?
            .file_name();
        let shown = name.to_string_lossy().into_owned();
        names.push(name.into_string().map_err(|_| Error::Entry {
            path: directory.join(shown),
            found: "a name that is not UTF-8".into(),
            expected: "names in UTF-8",
        })?);
    }
    names.sort();
    Ok(names)
}

/// Returns the plain files below a directory, relative to it and in order; empty where the directory is not there.
pub(crate) fn walk(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let mut bytes = 0;
    match fs::symlink_metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(failed("reading", directory)(error)),
        Ok(_) => self::directory(directory)?,
    }
    let mut open = vec![PathBuf::new()];
    while let Some(relative) = open.pop() {
        for name in names(&directory.join(&relative))? {
            let path = relative.join(&name);
            let whole = directory.join(&path);
            let entry = fs::symlink_metadata(&whole).map_err(failed("reading", &whole))?;
            let too = |found: &str| Error::Entry {
                path: whole.clone(),
                found: found.into(),
                expected: "at most 500 plain files of together 16 MiB, 16 directories deep, and no links",
            };
            if entry.is_dir() && path.components().count() < DEPTH_MAX {
                open.push(path);
            } else if entry.is_dir() {
                return Err(too("too deep"));
            } else if entry.is_file() {
                bytes += entry.len();
                found.push(path);
            } else {
                return Err(too(kind(&entry)));
            }
            if found.len() > FILES_MAX || open.len() > FILES_MAX || bytes > BYTES_MAX {
                return Err(too("one too many"));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Copies the plain files below one directory into another.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    for file in walk(from)? {
        let (source, target) = (from.join(&file), to.join(&file));
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(failed("making", parent))?;
        }
        fs::copy(&source, &target).map_err(failed("copying", &source))?;
    }
    Ok(())
}
