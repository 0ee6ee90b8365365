//! Reading, writing and editing one file.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _},
    path::Path,
};

/// Most lines that are shown when none is asked for.
const LINES: u64 = 400;
/// Most bytes of one shown line; the rest of it is counted.
const LINE_BYTES_MAX: usize = 2000;
/// Largest file that is edited; it is held in memory.
const EDIT_BYTES_MAX: u64 = 8 << 20;

fn said(path: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("`{path}` does not exist"),
        kind => format!("`{path}`: {kind}"),
    }
}

/// Opens a plain file, and waits on nothing else.
fn open(path: &str) -> Result<File, String> {
    let found = fs::metadata(path).map_err(|error| said(path, &error))?;
    if !found.is_file() {
        return Err(format!("`{path}` is not a plain file"));
    }
    File::open(path).map_err(|error| said(path, &error))
}

/// Returns lines of a file with their numbers.
pub(super) fn read(path: &str, offset: Option<u64>, limit: Option<u64>) -> Result<String, String> {
    let (first, most) = (offset.unwrap_or(1).max(1), limit.unwrap_or(LINES));
    let mut lines = BufReader::new(open(path)?);
    let (mut text, mut at, mut line) = (String::new(), 0, Vec::new());
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line);
        if read.map_err(|error| said(path, &error))? == 0 {
            break;
        }
        at += 1;
        if at < first {
            continue;
        }
        if at - first >= most {
            let _ = writeln!(text, "… more lines follow; read on with offset {at}");
            return Ok(text);
        }
        push_line(&mut text, at, &line);
    }
    if text.is_empty() {
        return Err(format!("`{path}` has {at} lines, none from {first} on"));
    }
    Ok(text)
}

fn push_line(text: &mut String, at: u64, line: &[u8]) {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let shown = String::from_utf8_lossy(&line[..line.len().min(LINE_BYTES_MAX)]);
    let _ = write!(text, "{at:>6}\t{shown}");
    if line.len() > LINE_BYTES_MAX {
        let _ = write!(text, " … {} more bytes", line.len() - LINE_BYTES_MAX);
    }
    text.push('\n');
}

/// Writes a whole file, with its directories.
pub(super) fn write(path: &str, content: &str) -> Result<String, String> {
    if let Some(above) = Path::new(path).parent() {
        fs::create_dir_all(above).map_err(|error| said(path, &error))?;
    }
    fs::write(path, content).map_err(|error| said(path, &error))?;
    Ok(format!("wrote {} bytes to `{path}`", content.len()))
}

/// Replaces a text that stands in a file.
pub(super) fn edit(path: &str, old: &str, new: &str, all: bool) -> Result<String, String> {
    if old.is_empty() {
        return Err("`old` is empty; use `write` for a new file".into());
    }
    let mut text = String::new();
    let opened = open(path)?
        .take(EDIT_BYTES_MAX + 1)
        .read_to_string(&mut text);
    opened.map_err(|error| said(path, &error))?;
    if text.len() as u64 > EDIT_BYTES_MAX {
        return Err(format!("`{path}` has more than {EDIT_BYTES_MAX} bytes"));
    }
    let found = text.matches(old).count();
    match (found, all) {
        (0, _) => return Err(format!("`old` does not stand in `{path}`")),
        (1, _) | (_, true) => {}
        (_, false) => {
            return Err(format!(
                "`old` stands in `{path}` {found} times, expected once; give more of its surroundings, or set `all`"
            ));
        }
    }
    fs::write(path, text.replace(old, new)).map_err(|error| said(path, &error))?;
    Ok(format!("replaced {found} in `{path}`"))
}
