//! What a process did to its files and said on its output, in order, from the text of `strace`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// One thing that the traced process did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Bytes at a place of a file; `None` is its end.
    Write(PathBuf, Option<u64>, Vec<u8>),
    /// A length was set.
    Truncate(PathBuf, u64),
    /// A sync began: what is written from here on need not be in it.
    SyncBegins(PathBuf),
    /// It ended well.
    Synced(PathBuf),
    /// A file was opened and made if it was not there; and emptied.
    Open(PathBuf, bool),
    MakeDirectory(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    /// The process said this on its output.
    Said(String),
}

/// Reads a trace. Only what is below `root` counts.
pub(crate) fn read(text: &str, root: &Path) -> Vec<Act> {
    let mut begun: HashMap<&str, String> = HashMap::new();
    let mut acts = Vec::new();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(char::is_whitespace) else {
            continue;
        };
        let rest = rest.trim_start();
        if let Some(first) = rest.strip_suffix(" <unfinished ...>") {
            if let Some(path) = sync_of(first) {
                acts.push(Act::SyncBegins(path));
            }
            begun.insert(thread, first.to_owned());
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let end = resumed.split_once("resumed>").map_or("", |(_, end)| end);
            let whole = begun.remove(thread).unwrap_or_default() + end;
            acts.extend(act(&whole));
        } else {
            if let Some(path) = sync_of(rest) {
                acts.push(Act::SyncBegins(path));
            }
            acts.extend(act(rest));
        }
    }
    acts.retain(|act| match act {
        Act::Said(_) => true,
        Act::Write(path, ..)
        | Act::Truncate(path, _)
        | Act::SyncBegins(path)
        | Act::Synced(path)
        | Act::Open(path, _)
        | Act::MakeDirectory(path)
        | Act::Rename(path, _)
        | Act::Remove(path) => path.starts_with(root),
    });
    acts
}

fn sync_of(call: &str) -> Option<PathBuf> {
    let arguments = call
        .strip_prefix("fsync(")
        .or_else(|| call.strip_prefix("fdatasync("))?;
    Some(descriptor(arguments)?.1)
}

/// Reads one finished call; `None` for one that failed or does not count.
fn act(call: &str) -> Option<Act> {
    let (call, result) = call.rsplit_once(" = ")?;
    let result: i64 = result.split([' ', '<']).next()?.parse().ok()?;
    if result < 0 {
        return None;
    }
    let (name, arguments) = call.trim_end().split_once('(')?;
    let arguments = arguments.strip_suffix(')')?;
    match name {
        "write" | "pwrite64" => {
            let (number, path) = descriptor(arguments)?;
            let bytes = written(arguments, result as usize);
            if number == 1 {
                let said = String::from_utf8_lossy(&bytes).trim().to_owned();
                let said = said.strip_prefix("ACK ")?.strip_suffix(" END")?.to_owned();
                return Some(Act::Said(said));
            }
            let offset = match name {
                "pwrite64" => Some(arguments.rsplit(", ").next()?.parse().ok()?),
                _ => None,
            };
            Some(Act::Write(path, offset, bytes))
        }
        "ftruncate" => {
            let length = arguments.rsplit(", ").next()?.parse().ok()?;
            Some(Act::Truncate(descriptor(arguments)?.1, length))
        }
        "fsync" | "fdatasync" => Some(Act::Synced(descriptor(arguments)?.1)),
        "openat" | "open" | "creat" if arguments.contains("O_CREAT") || name == "creat" => Some(
            Act::Open(names(arguments).pop()?, arguments.contains("O_TRUNC")),
        ),
        "mkdir" | "mkdirat" => Some(Act::MakeDirectory(names(arguments).pop()?)),
        "rename" | "renameat" | "renameat2" => {
            let [from, to] = names(arguments).try_into().ok()?;
            Some(Act::Rename(from, to))
        }
        "unlink" | "unlinkat" => Some(Act::Remove(names(arguments).pop()?)),
        _ => None,
    }
}

/// Reads `12<\x2f…>`: a descriptor and the path behind it.
fn descriptor(arguments: &str) -> Option<(u32, PathBuf)> {
    let (number, rest) = arguments.split_once('<')?;
    let path = rest.split_once('>')?.0;
    let path = String::from_utf8(plain(path)).ok()?;
    Some((number.trim().parse().ok()?, PathBuf::from(path)))
}

/// Reads every text in quotes as a path.
fn names(arguments: &str) -> Vec<PathBuf> {
    let quoted = arguments.split('"').skip(1).step_by(2);
    quoted
        .filter_map(|text| String::from_utf8(plain(text)).ok())
        .map(PathBuf::from)
        .collect()
}

/// Reads the bytes of a write. Of a long one the trace has the beginning alone; the only long ones here are of zeros.
fn written(arguments: &str, length: usize) -> Vec<u8> {
    let mut bytes = plain(arguments.split('"').nth(1).unwrap_or(""));
    if bytes.len() < length {
        let zeros = bytes.iter().all(|byte| *byte == 0);
        assert!(zeros, "the trace has {} of {length} bytes", bytes.len());
        bytes.resize(length, 0);
    }
    bytes.truncate(length);
    bytes
}

/// Reads `\x41\x42`, or text that was left as it is.
fn plain(text: &str) -> Vec<u8> {
    match text.strip_prefix("\\x") {
        None => text.as_bytes().to_vec(),
        Some(pairs) => pairs
            .split("\\x")
            .map(|pair| u8::from_str_radix(pair, 16).unwrap())
            .collect(),
    }
}

#[test]
fn a_trace_is_read() {
    let text = "\
7 openat(AT_FDCWD</r>, \"\\x2f\\x72\\x2f\\x61\", O_RDWR|O_CREAT|O_CLOEXEC, 0644) = 3<\\x2f\\x72\\x2f\\x61>
7 write(3<\\x2f\\x72\\x2f\\x61>, \"\\x00\"..., 4) = 4
7 pwrite64(3<\\x2f\\x72\\x2f\\x61>, \"\\x41\\x42\", 2, 8) = 2
7 fsync(3<\\x2f\\x72\\x2f\\x61> <unfinished ...>
8 write(1<\\x70>, \"\\x0a\\x41\\x43\\x4b\\x20\\x31\\x20\\x45\\x4e\\x44\\x0a\", 11) = 11
7 <... fsync resumed>) = 0
7 rename(\"\\x2f\\x72\\x2f\\x61\", \"\\x2f\\x72\\x2f\\x62\") = 0
7 unlink(\"\\x2f\\x72\\x2f\\x63\") = -1 ENOENT (No such file or directory)
7 unlink(\"\\x2f\\x78\") = 0
";
    let (a, b) = (PathBuf::from("/r/a"), PathBuf::from("/r/b"));
    let expected = [
        Act::Open(a.clone(), false),
        Act::Write(a.clone(), None, vec![0; 4]),
        Act::Write(a.clone(), Some(8), b"AB".to_vec()),
        Act::SyncBegins(a.clone()),
        Act::Said("1".into()),
        Act::Synced(a.clone()),
        Act::Rename(a, b),
    ];
    assert_eq!(read(text, Path::new("/r")), expected);
}
