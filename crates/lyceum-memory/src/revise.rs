//! What a dreamer wants changed in a store, and how much of it is done.
//!
//! Whoever dreams only says what it wants. Paths, sizes and each cited event are checked here, so a dreamer can do nothing
//! but keep, merge, drop and write entries, and each line that it writes names events that it was shown.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    draft::{Draft, is_computed, named},
    event::Cite,
    names::check_path,
    store::{ENTRIES_MAX, ENTRY_BYTES_MAX},
};

/// The most revisions that are taken at once: more than the entries of most stores.
pub const REVISIONS_MAX: usize = 500;
/// The most lines of one entry that a dreamer writes.
const LINES_MAX: usize = 200;
/// The longest line: a lesson and not an essay.
const LINE_BYTES_MAX: usize = 2000;
/// The most events that one line names.
const CITED_MAX: usize = 100;

/// Something that is to be changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Revision {
    /// The entry stays as it is. What is not named stays too.
    Keep {
        /// The entry.
        path: String,
    },
    /// Several entries give way to one.
    Merge {
        /// Those that give way.
        paths: Vec<String>,
        /// What takes their place; may be one of them.
        into: String,
        /// What it says.
        lines: Vec<Line>,
    },
    /// The entry goes, since events speak against it.
    Drop {
        /// The entry.
        path: String,
        /// Why.
        why: String,
        /// The events that speak against it.
        cites: Vec<Cite>,
    },
    /// A new entry, or new words for one that is there.
    Write {
        /// The entry.
        path: String,
        /// What it says.
        lines: Vec<Line>,
    },
}

/// A line of an entry with the events that it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it says.
    pub text: String,
    /// What it rests on.
    pub cites: Vec<Cite>,
}

/// Something that was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// What was wanted, shortly.
    pub what: String,
    /// Why it was not done.
    pub why: String,
}

/// Events that a dreamer was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The streams that were read, with the number of the last event that was there.
    pub last: BTreeMap<String, u64>,
    /// The events of each that were shown.
    pub shown: BTreeMap<String, BTreeSet<u64>>,
}

impl Sources {
    /// Notes that an event was shown.
    pub fn show(&mut self, stream: &str, seq: u64) {
        self.shown.entry(stream.to_owned()).or_default().insert(seq);
    }

    /// Says what is wrong with a citation, if something is.
    fn fault(&self, cite: &Cite) -> Option<String> {
        let stream = &cite.stream;
        let Some(last) = self.last.get(stream) else {
            return Some(format!("`{}` was not read", stream.escape_debug()));
        };
        let shown = self.shown.get(stream);
        let is_shown = |seq: u64| shown.is_some_and(|shown| shown.contains(&seq));
        let bad = cite.seqs.iter().copied().find(|seq| !is_shown(*seq))?;
        Some(if bad == 0 || bad > *last {
            format!("`{stream}` has no event {bad}, its last one was {last}")
        } else {
            format!("event {bad} of `{stream}` was not shown")
        })
    }
}

impl Draft {
    /// Does what is wanted where it may be done, one after the other, and returns what was refused.
    pub fn revise(&mut self, wanted: &[Revision], sources: &Sources) -> Vec<Refusal> {
        let mut refused = Vec::new();
        for one in wanted.iter().take(REVISIONS_MAX) {
            self.revise_one(one, sources, &mut refused);
        }
        if wanted.len() > REVISIONS_MAX {
            refused.push(Refusal {
                what: format!("{} more changes", wanted.len() - REVISIONS_MAX),
                why: format!("one answer may want {REVISIONS_MAX}"),
            });
        }
        refused
    }

    fn revise_one(&mut self, wanted: &Revision, sources: &Sources, refused: &mut Vec<Refusal>) {
        let (what, done) = match wanted {
            Revision::Keep { path } => (("keep", path), self.may_touch(path)),
            Revision::Drop { path, why, cites } => {
                (("drop", path), self.drop_entry(path, why, cites, sources))
            }
            Revision::Merge { paths, into, lines } => (
                ("merge into", into),
                self.merge(paths, into, lines, sources),
            ),
            Revision::Write { path, lines } => {
                let done = self.write_entry(path, lines, sources, refused);
                (("write", path), done)
            }
        };
        if let Err(why) = done {
            let what = format!("{} `{}`", what.0, short(what.1));
            refused.push(Refusal { what, why });
        }
    }

    /// Whether there is such an entry, of words, whose words were shown.
    fn may_touch(&self, path: &str) -> Result<(), String> {
        if is_computed(path) {
            return Err("the lab computes it from studies".into());
        }
        if !self.texts.contains_key(path) {
            return Err("there is no such entry".into());
        }
        if self.unseen.contains(path) {
            return Err("its words were not shown".into());
        }
        Ok(())
    }

    fn drop_entry(
        &mut self,
        path: &str,
        why: &str,
        cites: &[Cite],
        sources: &Sources,
    ) -> Result<(), String> {
        self.may_touch(path)?;
        plain(why)?;
        let cites = checked(cites, sources, &[])?;
        self.texts.remove(path);
        self.dropped.insert(
            path.to_owned(),
            format!("{} {}", bare(why.trim()), named(&cites)),
        );
        Ok(())
    }

    fn merge(
        &mut self,
        paths: &[String],
        into: &str,
        lines: &[Line],
        sources: &Sources,
    ) -> Result<(), String> {
        let of: BTreeSet<&String> = paths.iter().collect();
        if of.len() < 2 {
            return Err("expected at least two entries to merge".into());
        }
        let mut carried = Vec::new();
        for path in &of {
            self.may_touch(path)
                .map_err(|why| format!("`{}`: {why}", short(path)))?;
            carried.extend(self.cites_of(path));
        }
        if self.texts.contains_key(into) && !of.contains(&into.to_owned()) {
            return Err("another entry of that name is there".into());
        }
        // A line that is left out would lose what the merged entries said: all of it or nothing.
        let lines = lines.iter().map(|line| taken(line, sources, &carried));
        let lines = lines.collect::<Result<Vec<_>, String>>()?;
        self.put(into, &lines, &of)?;
        for path in of {
            if path != into {
                self.texts.remove(path);
                self.dropped
                    .insert(path.clone(), format!("merged into `{into}`"));
            }
        }
        Ok(())
    }

    fn write_entry(
        &mut self,
        path: &str,
        lines: &[Line],
        sources: &Sources,
        refused: &mut Vec<Refusal>,
    ) -> Result<(), String> {
        let is_there = self.texts.contains_key(path);
        if is_there {
            self.may_touch(path)?;
        }
        let carried = self.cites_of(path);
        let mut good = Vec::new();
        for line in lines {
            match taken(line, sources, &carried) {
                Ok(line) => good.push(line),
                Err(why) if is_there => return Err(why),
                Err(why) => refused.push(Refusal {
                    what: format!("line of `{}`: {}", short(path), short(&line.text)),
                    why,
                }),
            }
        }
        self.put(path, &good, &BTreeSet::new())
    }

    fn put(
        &mut self,
        path: &str,
        lines: &[(String, Vec<Cite>)],
        without: &BTreeSet<&String>,
    ) -> Result<(), String> {
        check_path(path).map_err(|error| error.to_string())?;
        if is_computed(path) {
            return Err("the lab computes it from studies".into());
        }
        if lines.is_empty() || lines.len() > LINES_MAX {
            let found = lines.len();
            return Err(format!(
                "expected 1 to {LINES_MAX} lines that hold, found {found}"
            ));
        }
        let mut text = String::new();
        let mut cites = Vec::new();
        for (words, cited) in lines {
            text.push_str("- ");
            text.push_str(words);
            text.push(' ');
            text.push_str(&named(cited));
            text.push('\n');
            cites.extend(cited.iter().cloned());
        }
        if text.len() > ENTRY_BYTES_MAX {
            let found = text.len();
            return Err(format!(
                "it has {found} bytes, at most {ENTRY_BYTES_MAX} are kept"
            ));
        }
        let others = self.texts.keys().filter(|one| !without.contains(one));
        let clash = others
            .clone()
            .find(|one| within(one, path) || within(path, one));
        if let Some(other) = clash {
            return Err(format!("`{}` could not be beside it", short(other)));
        }
        if others.count() >= ENTRIES_MAX {
            return Err(format!(
                "the store has {ENTRIES_MAX} entries, the most that one holds"
            ));
        }
        // What holds together holds no longer than what it was made of.
        let made_of = without.iter().map(|one| one.as_str()).chain([path]);
        let expires = made_of.filter_map(|one| self.texts.get(one)?.2).min();
        self.dropped.remove(path);
        self.texts
            .insert(path.to_owned(), (text, merged(&cites), expires));
        Ok(())
    }

    /// Returns what a line about this entry may name beside what was shown.
    fn cites_of(&self, path: &str) -> Vec<Cite> {
        let entry = self.texts.get(path);
        entry.map_or_else(Vec::new, |(_, cites, _)| cites.clone())
    }
}

/// Returns a line as it is written, or why it is not.
fn taken(line: &Line, sources: &Sources, carried: &[Cite]) -> Result<(String, Vec<Cite>), String> {
    plain(&line.text)?;
    let cites = checked(&line.cites, sources, carried)?;
    Ok((bare(line.text.trim()), cites))
}

/// Returns the citations in order, or why one of them does not hold.
fn checked(cites: &[Cite], sources: &Sources, carried: &[Cite]) -> Result<Vec<Cite>, String> {
    let is_carried = |cite: &Cite| {
        cite.seqs.iter().all(|seq| {
            let mut carried = carried.iter().filter(|one| one.stream == cite.stream);
            carried.any(|one| one.seqs.contains(seq))
        })
    };
    for cite in cites.iter().filter(|cite| !is_carried(cite)) {
        if let Some(fault) = sources.fault(cite) {
            return Err(fault);
        }
    }
    let cites = merged(cites);
    match cites.iter().map(|cite| cite.seqs.len()).sum() {
        0 => Err("it names no event".into()),
        1..=CITED_MAX => Ok(cites),
        found => Err(format!(
            "it names {found} events, expected at most {CITED_MAX}"
        )),
    }
}

fn merged(cites: &[Cite]) -> Vec<Cite> {
    let mut merged = crate::draft::merged(cites.iter());
    merged.retain(|cite| !cite.seqs.is_empty());
    merged
}

/// Whether words can stand on one line of an entry.
fn plain(text: &str) -> Result<(), String> {
    let text = text.trim();
    if text.is_empty() || text.len() > LINE_BYTES_MAX {
        let found = text.len();
        return Err(format!(
            "expected 1 to {LINE_BYTES_MAX} bytes of words, found {found}"
        ));
    }
    let hidden = |one: char| one.is_control() || lyceum_types::is_unseen(one);
    match text.chars().find(|one| hidden(*one)) {
        Some(found) => Err(format!(
            "it holds a character that does not print: {}",
            found.escape_unicode()
        )),
        None => Ok(()),
    }
}

/// Returns words without the brackets in which only the lab names events.
fn bare(text: &str) -> String {
    text.replace('[', "(").replace(']', ")")
}

fn within(inner: &str, outer: &str) -> bool {
    let rest = inner.strip_prefix(outer);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// Returns the beginning of words that were refused, for a line that names them.
fn short(text: &str) -> String {
    const SHORT: usize = 120;
    let plain = text.chars().take(SHORT).collect::<String>();
    plain.escape_debug().to_string()
}
