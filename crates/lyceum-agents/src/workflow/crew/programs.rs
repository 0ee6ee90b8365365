//! Programs on this machine that a step depends on, told apart by what is in them.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use serde_json::{Value, json};

/// When a file was changed, how long it was, and its hash.
type Seen = (Option<SystemTime>, u64, String);

/// Hashes of files, each taken again only once the file has changed.
#[derive(Default)]
pub(super) struct Programs {
    seen: Mutex<HashMap<PathBuf, Seen>>,
}

impl Programs {
    /// Returns the hashes of a command line's program and of those of its words that name files; nothing for the others.
    pub(super) fn hashes(&self, line: &str, environment: fn(&str) -> Option<OsString>) -> Value {
        let words = line.split_whitespace().enumerate();
        let hashes = words.map(|(at, word)| {
            let path = if at == 0 && !word.contains('/') {
                on_path(word, environment)?
            } else {
                PathBuf::from(word)
            };
            self.hash(&path)
        });
        json!(hashes.collect::<Vec<Option<String>>>())
    }

    fn hash(&self, path: &Path) -> Option<String> {
        let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let (changed, bytes) = (metadata.modified().ok(), metadata.len());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, size, hash)) = seen.get(path)
            && (*then, *size) == (changed, bytes)
        {
            return Some(hash.clone());
        }
        let hash = hash(path).ok()?;
        seen.insert(path.to_owned(), (changed, bytes, hash.clone()));
        Some(hash)
    }
}

/// Returns BLAKE3 of a file.
pub(super) fn hash(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn on_path(name: &str, environment: fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = environment("PATH")?;
    let mut places = std::env::split_paths(&path).map(|place| place.join(name));
    places.find(|place| place.is_file())
}

#[cfg(test)]
mod tests {
    use super::Programs;

    #[test]
    fn a_program_that_changes_is_another_and_what_is_no_file_has_no_hash() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("model.sh");
        std::fs::write(&file, "one").unwrap();
        let line = format!("sh {} --quiet", file.display());
        let path = |_: &str| Some("/bin:/usr/bin".into());
        let programs = Programs::default();
        let first = programs.hashes(&line, path);
        assert!(first[0].is_string() && first[1].is_string() && first[2].is_null());
        assert_eq!(programs.hashes(&line, path), first);
        std::fs::write(&file, "other").unwrap();
        let second = programs.hashes(&line, path);
        assert_eq!(second[0], first[0]);
        assert_ne!(second[1], first[1]);
    }
}
