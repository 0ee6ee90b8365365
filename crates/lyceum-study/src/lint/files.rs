//! What candidate and evaluator see of the same bytes.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
};

use super::{Check, Finding};
use crate::{lab::OpenStudy, workspace};

/// Largest file that is compared; what is beyond is not looked at.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Bytes of one directory that are compared, since they are in memory at once; files beyond are not looked at.
const ALL_BYTES_MAX: u64 = 256 << 20;
/// Length of the pieces that are looked for: longer than what texts share by chance.
const PIECE: usize = 24;
/// Fewest pieces of a file that say something.
const PIECES_MIN: usize = 4;
/// Share of a file's pieces from which it counts as readable.
const SHARE_MAX: f64 = 0.5;

/// Compares what the candidate sees of an open study with what only its evaluators see.
pub fn compare(open: &OpenStudy) -> io::Result<Vec<Finding>> {
    let mut visible = Vec::new();
    for directory in [Some(&open.workspace), open.public.as_ref()]
        .into_iter()
        .flatten()
    {
        visible.extend(files(directory)?);
    }
    let mut hidden = Vec::new();
    for directory in [&open.private, &open.sealed].into_iter().flatten() {
        hidden.extend(files(directory)?);
    }
    // The sealed side holds the private files too.
    hidden.sort();
    hidden.dedup_by(|a, b| a.1 == b.1);
    let seen = pieces_in(&visible, &wanted(&hidden));
    let mut findings = Vec::new();
    for (name, bytes) in &hidden {
        let same = visible
            .iter()
            .find(|(_, other)| !bytes.is_empty() && other == bytes);
        if let Some((other, _)) = same {
            let what = format!(
                "`{}`, which only the evaluator should see, is `{}` of the candidate",
                shown(name),
                shown(other)
            );
            findings.push(Finding::new(Check::AnswersReadable, what));
            continue;
        }
        let pieces: HashSet<&[u8]> = bytes.chunks_exact(PIECE).collect();
        let there = pieces.iter().filter(|piece| seen.contains_key(**piece));
        let (there, all) = (there.count(), pieces.len());
        if all >= PIECES_MIN && there as f64 >= SHARE_MAX * all as f64 {
            let place = pieces.iter().find_map(|piece| seen.get(*piece));
            let what = format!(
                "{there} of {all} pieces of `{}`, which only the evaluator should see, stand in what the candidate sees (`{}`)",
                shown(name),
                place.map_or_else(String::new, |path| shown(path)),
            );
            findings.push(Finding::new(Check::AnswersReadable, what));
        }
    }
    Ok(findings)
}

type File = (PathBuf, Vec<u8>);

/// Reads the plain files of a directory, by their relative names.
fn files(directory: &Path) -> io::Result<Vec<File>> {
    let listed = workspace::list(directory, workspace::Limits::default(), &[])
        .map_err(|error| io::Error::other(error.to_string()))?;
    let mut files = Vec::new();
    let mut left = ALL_BYTES_MAX;
    for file in listed {
        let path = directory.join(&file.path);
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_file() && metadata.len() <= FILE_BYTES_MAX.min(left) {
            left -= metadata.len();
            files.push((file.path, fs::read(path)?));
        }
    }
    Ok(files)
}

/// Returns the pieces that are looked for.
fn wanted(hidden: &[File]) -> HashSet<&[u8]> {
    hidden
        .iter()
        .flat_map(|(_, bytes)| bytes.chunks_exact(PIECE))
        .collect()
}

/// Returns the wanted pieces that stand anywhere in the visible files, each with a file that has it.
fn pieces_in<'a>(visible: &'a [File], wanted: &HashSet<&[u8]>) -> HashMap<&'a [u8], &'a Path> {
    let mut found = HashMap::new();
    if wanted.is_empty() {
        return found;
    }
    for (name, bytes) in visible {
        for window in bytes.windows(PIECE) {
            if wanted.contains(window) {
                found.insert(window, name.as_path());
            }
        }
    }
    found
}

fn shown(path: &Path) -> String {
    workspace::shown(path.as_os_str())
}
