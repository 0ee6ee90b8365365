//! Changed lines of text files, for people.

use std::fmt::Write as _;

use crate::format::escaped;

/// Most cells of the comparison table; larger changes are shown as one block.
const CELLS_MAX: usize = 4_000_000;
/// Unchanged lines shown around a change.
const CONTEXT: usize = 1;

/// Returns the changed lines of each file in the manner of a unified diff, with control characters escaped. Files that are
/// equal are left out; files that are not UTF-8 are named with their sizes.
pub fn diff(before: &[(String, Vec<u8>)], after: &[(String, Vec<u8>)]) -> String {
    let mut names: Vec<&str> = before
        .iter()
        .chain(after)
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let find = |side: &'_ [(String, Vec<u8>)], name: &str| {
        side.iter()
            .find(|(other, _)| other == name)
            .map(|(_, bytes)| bytes.clone())
    };
    let mut text = String::new();
    for name in names {
        let (old, new) = (find(before, name), find(after, name));
        if old != new {
            one(&mut text, name, old.as_deref(), new.as_deref());
        }
    }
    text
}

fn one(text: &mut String, name: &str, old: Option<&[u8]>, new: Option<&[u8]>) {
    let name = escaped(name);
    let side = |bytes: Option<&[u8]>| {
        if bytes.is_some() {
            name.clone()
        } else {
            "(none)".to_owned()
        }
    };
    let (old_name, new_name) = (side(old), side(new));
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    // Writing to a string cannot fail.
    let _ = writeln!(text, "--- {old_name}\n+++ {new_name}");
    match (std::str::from_utf8(old), std::str::from_utf8(new)) {
        (Ok(old), Ok(new)) => lines(text, &split(old), &split(new)),
        _ => {
            let _ = writeln!(
                text,
                "binary file: {} bytes before, {} bytes after",
                old.len(),
                new.len()
            );
        }
    }
}

fn split(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Both,
    Old,
    New,
}

fn lines(text: &mut String, old: &[&str], new: &[&str]) {
    let script = script(old, new);
    let near = |at: usize| {
        let from = at.saturating_sub(CONTEXT);
        let to = (at + CONTEXT + 1).min(script.len());
        script[from..to].iter().any(|(side, _)| *side != Side::Both)
    };
    let (mut old_line, mut new_line, mut open) = (1, 1, false);
    for (at, (side, line)) in script.iter().enumerate() {
        let shown = near(at);
        if shown && !open {
            let _ = writeln!(text, "@@ -{old_line} +{new_line} @@");
        }
        open = shown;
        if shown {
            let mark = match side {
                Side::Both => ' ',
                Side::Old => '-',
                Side::New => '+',
            };
            let body = line.strip_suffix('\n').unwrap_or(line);
            let body = escaped(body.strip_suffix('\r').unwrap_or(body));
            let blank = *side == Side::Both && body.is_empty();
            let _ = if blank {
                writeln!(text)
            } else {
                writeln!(text, "{mark}{body}")
            };
        }
        old_line += usize::from(*side != Side::New);
        new_line += usize::from(*side != Side::Old);
    }
}

/// Returns the lines of both sides in order, by the longest common subsequence of what differs.
fn script<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(Side, &'a str)> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev());
    let tail = tail.take_while(|(a, b)| a == b).count();
    let (a, b) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut script: Vec<(Side, &str)> =
        old[..head].iter().map(|line| (Side::Both, *line)).collect();
    if (a.len() + 1).saturating_mul(b.len() + 1) <= CELLS_MAX {
        common(a, b, &mut script);
    } else {
        script.extend(a.iter().map(|line| (Side::Old, *line)));
        script.extend(b.iter().map(|line| (Side::New, *line)));
    }
    script.extend(
        old[old.len() - tail..]
            .iter()
            .map(|line| (Side::Both, *line)),
    );
    script
}

fn common<'a>(a: &[&'a str], b: &[&'a str], script: &mut Vec<(Side, &'a str)>) {
    let width = b.len() + 1;
    let mut length = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            length[i * width + j] = if a[i] == b[j] {
                length[(i + 1) * width + j + 1] + 1
            } else {
                length[(i + 1) * width + j].max(length[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            script.push((Side::Both, a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len()
            || (i < a.len() && length[(i + 1) * width + j] >= length[i * width + j + 1])
        {
            script.push((Side::Old, a[i]));
            i += 1;
        } else {
            script.push((Side::New, b[j]));
            j += 1;
        }
    }
}
