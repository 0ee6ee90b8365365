//! The files that hold what entries say, named by their hash. They are outside the ledger so that a secret that got into
//! one can be taken away for good; the ledger keeps who wrote what and when.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use crate::error::Error;

/// Returns the name of contents.
pub(crate) fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

fn file(root: &Path, hash: &str) -> PathBuf {
    root.join(hash)
}

/// Keeps contents, before the event that names them. They are on the disk when this returns.
pub(crate) fn keep(root: &Path, text: &str) -> Result<String, Error> {
    let hash = hash(text);
    let path = file(root, &hash);
    if read(root, &hash, "").is_ok() {
        return Ok(hash);
    }
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    let write = || -> io::Result<()> {
        fs::create_dir_all(root)?;
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut options = OpenOptions::new();
        let mut new = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        new.write_all(text.as_bytes())?;
        new.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(root)?.sync_all()
    };
    write().map_err(|source| Error::Io {
        operation: "write",
        path,
        source,
    })?;
    Ok(hash)
}

/// Returns contents that are kept, checked against their name.
pub(crate) fn read(root: &Path, name: &str, entry: &str) -> Result<String, Error> {
    let path = file(root, name);
    let damaged = || Error::Damaged {
        path: entry.to_owned(),
        hash: name.to_owned(),
        file: path.clone(),
    };
    match fs::read_to_string(&path) {
        Ok(text) if hash(&text) == name => Ok(text),
        Ok(_) => Err(damaged()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidData) => {
            Err(damaged())
        }
        Err(source) => Err(Error::Io {
            operation: "read",
            path: path.clone(),
            source,
        }),
    }
}

/// Takes contents away for good, after the event that says so.
pub(crate) fn remove(root: &Path, hash: &str) -> Result<(), Error> {
    let path = file(root, hash);
    match fs::remove_file(&path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(Error::Io {
            operation: "remove",
            path,
            source,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}
