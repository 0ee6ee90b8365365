//! The table of results, and the list of what must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;

use crate::check::{Check, Verdict};

/// What holds today, by mode: a check that is listed must be contained, and one that is contained must
/// be listed.
const HELD: &str = include_str!("held.txt");

/// The four modes in the order of their columns.
pub(crate) const MODES: [&str; 4] = ["root native", "root bwrap", "user native", "user bwrap"];

/// Every verdict, in the order of checks.
const WORDS: [&str; 6] = [
    "contained",
    "breached",
    "inconclusive",
    "over-blocked",
    "residue",
    "not built",
];

/// Returns the checks that hold in a mode according to the list.
pub(crate) fn held(mode: &str) -> BTreeSet<&'static str> {
    let line = HELD
        .lines()
        .find_map(|line| line.strip_prefix(mode)?.strip_prefix(':'));
    line.unwrap_or_default().split_ascii_whitespace().collect()
}

/// Adds a result to a file for [`report`].
pub(crate) fn add(file: &str, mode: &str, check: &Check, verdict: &Verdict) {
    let line = format!(
        "{mode}\t{}\t{}\t{}\n",
        check.id,
        verdict.word(),
        one_line(verdict.detail())
    );
    let added = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    added.expect("the file of results can be written");
}

/// Returns text that fits into a cell of a table.
fn one_line(text: &str) -> String {
    let shown = lyceum_sandbox::show_untrusted(text.as_bytes());
    shown
        .replace(['\n', '\t'], " ")
        .replace('|', "/")
        .chars()
        .take(160)
        .collect()
}

/// Returns the table of all modes in Markdown, from files that [`add`] wrote.
pub(crate) fn report<'a>(files: &[String], checks: impl Iterator<Item = &'a Check>) -> String {
    let mut results = BTreeMap::new();
    for file in files {
        for line in fs::read_to_string(file).unwrap_or_default().lines() {
            if let [mode, id, word, detail] = line.split('\t').collect::<Vec<_>>()[..] {
                results.insert(
                    (mode.to_owned(), id.to_owned()),
                    (word.to_owned(), detail.to_owned()),
                );
            }
        }
    }
    let mut text = format!(
        "| | attack | {} | figures and reasons |\n",
        MODES.join(" | ")
    );
    text += "|---|---|---|---|---|---|---|\n";
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for check in checks {
        let mut cells = Vec::new();
        let mut details = Vec::new();
        for mode in MODES {
            let found = results.get(&(mode.to_owned(), check.id.to_owned()));
            let (word, detail) = found.map_or(("not run", ""), |(word, detail)| (word, detail));
            cells.push(if word == "contained" {
                word.to_owned()
            } else {
                format!("**{word}**")
            });
            if let Some(word) = WORDS.into_iter().find(|known| *known == word) {
                *counts.entry((mode, word)).or_default() += 1;
            }
            if !detail.is_empty() && !details.iter().any(|(_, known)| *known == detail) {
                details.push((mode, detail));
            }
        }
        let details: Vec<String> = details
            .iter()
            .map(|(mode, detail)| format!("{mode}: {detail}"))
            .collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            check.id,
            check.what,
            cells.join(" | "),
            details.join("; ")
        );
    }
    let mut summary = format!("| | {} |\n|---|---|---|---|---|\n", MODES.join(" | "));
    for word in WORDS {
        let row = MODES.map(|mode| counts.get(&(mode, word)).copied().unwrap_or(0).to_string());
        let _ = writeln!(summary, "| {word} | {} |", row.join(" | "));
    }
    format!("{summary}\n{text}")
}
