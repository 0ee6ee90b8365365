//! Finding files and lines.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use globset::GlobBuilder;

/// Most entries of a directory tree that are looked at.
const ENTRIES_MAX: usize = 100_000;
/// Most files or lines that are told.
const HITS_MAX: usize = 200;
/// Most bytes of a line that are told.
const LINE_BYTES_MAX: usize = 300;
/// A file with a zero among its first bytes is no text.
const PROBE_BYTES: usize = 1024;

/// Returns the plain files below a directory, sorted; links are not followed.
fn files(top: &Path) -> Vec<PathBuf> {
    let (mut found, mut open, mut seen) = (Vec::new(), vec![top.to_path_buf()], 0);
    while let Some(directory) = open.pop() {
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.flatten() {
            seen += 1;
            if seen > ENTRIES_MAX {
                return found;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn shown(path: &Path) -> String {
    let path = path.strip_prefix(".").unwrap_or(path);
    path.to_string_lossy().into_owned()
}

/// Returns the directory below which all files lie that can fit a pattern: the working directory, unless it begins with `/`.
fn top(pattern: &str) -> PathBuf {
    let Some(rest) = pattern.strip_prefix('/') else {
        return PathBuf::from(".");
    };
    let parts: Vec<&str> = rest.split('/').collect();
    let above = &parts[..parts.len() - 1];
    let plain = |part: &&&str| !part.contains(['*', '?', '[', '{', '\\']);
    let plain: Vec<&str> = above.iter().take_while(plain).copied().collect();
    Path::new("/").join(plain.join("/"))
}

/// Returns the files whose paths fit a pattern.
pub(super) fn glob(pattern: &str) -> Result<String, String> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    let glob = glob.map_err(|error| format!("the pattern: {error}"))?;
    let matcher = glob.compile_matcher();
    let all = files(&top(pattern));
    let mut hits = all.iter().map(|path| shown(path));
    let hits: Vec<String> = hits
        .by_ref()
        .filter(|path| matcher.is_match(path))
        .take(HITS_MAX + 1)
        .collect();
    if hits.is_empty() {
        return Ok(format!("no file fits `{pattern}`\n"));
    }
    let mut text = String::new();
    for path in hits.iter().take(HITS_MAX) {
        let _ = writeln!(text, "{path}");
    }
    if hits.len() > HITS_MAX {
        let _ = writeln!(text, "… more than {HITS_MAX} files");
    }
    Ok(text)
}

/// Returns the lines that hold a text.
pub(super) fn grep(pattern: &str, path: Option<&str>) -> Result<String, String> {
    if pattern.is_empty() {
        return Err("the pattern is empty".into());
    }
    let top = Path::new(path.unwrap_or("."));
    let found = fs::metadata(top).map_err(|error| format!("`{}`: {}", shown(top), error.kind()))?;
    let all = if found.is_dir() {
        files(top)
    } else {
        vec![top.to_path_buf()]
    };
    let (mut text, mut hits) = (String::new(), 0);
    for file in all {
        hits += lines_of(&file, pattern, HITS_MAX - hits, &mut text);
        if hits >= HITS_MAX {
            let _ = writeln!(text, "… {HITS_MAX} lines are shown, perhaps there are more");
            return Ok(text);
        }
    }
    if hits == 0 {
        return Ok(format!("no line holds `{pattern}`\n"));
    }
    Ok(text)
}

/// Tells the lines of one file; returns how many.
fn lines_of(file: &Path, pattern: &str, most: usize, text: &mut String) -> usize {
    let Ok(opened) = File::open(file) else {
        return 0;
    };
    let mut lines = BufReader::new(opened);
    if lines
        .fill_buf()
        .is_ok_and(|first| first[..first.len().min(PROBE_BYTES)].contains(&0))
    {
        return 0;
    }
    let (mut hits, mut at, mut line) = (0, 0, Vec::new());
    while hits < most {
        line.clear();
        match lines.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => at += 1,
        }
        let whole = String::from_utf8_lossy(&line);
        if whole.contains(pattern) {
            let cut: String = whole.trim_end().chars().take(LINE_BYTES_MAX).collect();
            let _ = writeln!(text, "{}:{at}:{cut}", shown(file));
            hits += 1;
        }
    }
    hits
}
