//! The files that steps may read: taken as they are when a step is made ready, so that what is hashed is what is read.

use std::{collections::BTreeMap, fmt::Write as _, io::Read as _, path::Path};

use lyceum_sandbox::show_untrusted;
use lyceum_study::{
    lab::is_plain_path,
    workspace::{self, Globs, ListedKind},
};

/// Most bytes of all files of one step.
const BYTES_MAX: u64 = 64 << 20;
/// Most files of one step.
const FILES_MAX: usize = 20_000;
/// Most entries of a workflow's directory.
const ENTRIES_MAX: usize = 100_000;
/// Names at the top of a workflow's directory that are never part of it.
const SKIPPED: [&str; 2] = [".git", lyceum_study::lab::DIRECTORY];

/// Files as they were.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// What is in each, and whether it may be executed.
    pub(super) files: BTreeMap<String, (Vec<u8>, bool)>,
}

/// Returns the plain files below a directory whose paths fit one of the globs, sorted.
pub(super) fn listed(directory: &Path, globs: &[String]) -> Result<Vec<(String, bool)>, String> {
    let globs = Globs::new(globs).map_err(|bad| bad[0].to_string())?;
    let limits = workspace::Limits {
        entries: ENTRIES_MAX,
        bytes: u64::MAX,
    };
    let all = workspace::list(directory, limits, &SKIPPED).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for one in all {
        let name = one.path.to_str().filter(|name| is_plain_path(name));
        if let (ListedKind::File { executable, .. }, Some(name)) = (one.kind, name)
            && globs.matches(name)
        {
            check_name(name)?;
            found.push((name.to_owned(), executable));
        }
    }
    Ok(found)
}

/// Returns where the links below a directory lead.
pub(super) fn links(directory: &Path) -> Result<BTreeMap<String, String>, String> {
    let limits = workspace::Limits {
        entries: ENTRIES_MAX,
        bytes: u64::MAX,
    };
    let all = workspace::list(directory, limits, &SKIPPED).map_err(|error| error.to_string())?;
    let links = all.into_iter().filter(|one| one.kind == ListedKind::Link);
    let shown = |path: &Path| show_untrusted(path.as_os_str().as_encoded_bytes());
    let told = links.map(|one| {
        let target = std::fs::read_link(directory.join(&one.path));
        let target = target.map_err(|error| format!("`{}`: {error}", one.path.display()))?;
        Ok((shown(&one.path), shown(&target)))
    });
    told.collect()
}

/// Refuses a name that would end the line in which a model reads it.
fn check_name(name: &str) -> Result<(), String> {
    if name.chars().any(char::is_control) {
        let shown = show_untrusted(name.as_bytes());
        return Err(format!(
            "`{shown}`: the name has control characters, and no step reads such a file"
        ));
    }
    Ok(())
}

/// Reads the files that fit the globs, and these.
pub(super) fn see(directory: &Path, globs: &[String], also: &[String]) -> Result<Seen, String> {
    let mut names: BTreeMap<String, bool> = BTreeMap::new();
    if !globs.is_empty() {
        names.extend(listed(directory, globs)?);
    }
    names.extend(also.iter().map(|name| (name.clone(), false)));
    if names.len() > FILES_MAX {
        let found = names.len();
        return Err(format!("a step may read {FILES_MAX} files, found {found}"));
    }
    let mut seen = Seen::default();
    let mut left = BYTES_MAX;
    for (name, executable) in names {
        let bytes = read(directory, &name, left)?;
        left -= bytes.len() as u64;
        seen.files.insert(name, (bytes, executable));
    }
    Ok(seen)
}

/// Reads one plain file below a directory, following no link.
pub(super) fn read(directory: &Path, name: &str, most: u64) -> Result<Vec<u8>, String> {
    let failed = |why: &dyn std::fmt::Display| format!("`{name}`: {why}");
    if !is_plain_path(name) {
        return Err(failed(&"no plain path below the workflow"));
    }
    check_name(name)?;
    let (mut path, mut last) = (directory.to_path_buf(), None);
    for part in Path::new(name).components() {
        path.push(part);
        let found = std::fs::symlink_metadata(&path).map_err(|error| failed(&error))?;
        if found.is_symlink() {
            return Err(failed(&"it is or lies behind a symbolic link"));
        }
        last = Some(found);
    }
    if !last.is_some_and(|found| found.is_file()) {
        return Err(failed(&"it is no plain file"));
    }
    let file = std::fs::File::open(&path).map_err(|error| failed(&error))?;
    let mut bytes = Vec::new();
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| failed(&error))?;
    if bytes.len() as u64 > most {
        return Err(failed(&format!("a step may read {BYTES_MAX} bytes in all")));
    }
    Ok(bytes)
}

impl Seen {
    /// Returns what is in these files, each line after its number, each file after its name.
    pub(super) fn content(&self, names: &[String]) -> String {
        let mut text = String::new();
        for name in names {
            let Some((bytes, _)) = self.files.get(name) else {
                continue;
            };
            let _ = writeln!(text, "== {name}");
            for (line, number) in String::from_utf8_lossy(bytes).lines().zip(1..) {
                let _ = writeln!(text, "{number}: {line}");
            }
        }
        text
    }

    /// Returns the names with the hashes of what is in them.
    pub(super) fn hashes(&self) -> serde_json::Value {
        let hashed = self.files.iter().map(|(name, (bytes, executable))| {
            let hash = blake3::hash(bytes).to_hex().to_string();
            (name.clone(), serde_json::json!([hash, executable]))
        });
        serde_json::Value::Object(hashed.collect())
    }
}
