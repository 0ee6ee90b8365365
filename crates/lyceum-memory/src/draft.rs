//! A store that is being dreamt: what it will say, before anything of it is written.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use lyceum_ledger::{Ledger, Reader};

use crate::{
    diff::diff,
    error::Error,
    event::{Actor, Cite, DreamVerdict, Dreamed},
    names::DREAM_PREFIX,
    store::{Entry, Must, Note, Store, names},
};

/// Where digests of studies are in a store.
pub(crate) const STUDIES: &str = "studies/";
/// Where notes on families of studies are.
pub(crate) const FAMILIES: &str = "families/";

/// What entries say: text, what it rests on, and when it ends, by path.
pub(crate) type Texts = BTreeMap<String, (String, Vec<Cite>, Option<i64>)>;

/// What a new store is to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    pub(crate) texts: Texts,
    /// Entries that whoever revises was not shown.
    pub(crate) unseen: BTreeSet<String>,
    /// Why entries of the old store are gone, by path.
    pub(crate) dropped: BTreeMap<String, String>,
}

/// An entry of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drafted<'a> {
    /// Its path.
    pub path: &'a str,
    /// What it says.
    pub text: &'a str,
    /// What it rests on.
    pub cites: &'a [Cite],
    /// When it ends to say anything, in milliseconds since 1970.
    pub expires_at: Option<i64>,
}

/// Whether the lab computes what an entry of this path says. The directories' own names are its too: no entry may take
/// their place.
pub(crate) fn is_computed(path: &str) -> bool {
    let mut directories = [STUDIES, FAMILIES].into_iter();
    directories.any(|one| path.starts_with(one) || Some(path) == one.strip_suffix('/'))
}

/// Whether the lab computed it. Others could write such entries once; they are not believed, and not taken over.
pub(crate) fn was_computed(entry: &Entry) -> bool {
    is_computed(&entry.path) && matches!(entry.actor, Actor::Dream(_))
}

impl Draft {
    /// Begins with everything that a store says, without what has expired by `now` (milliseconds since 1970) and without
    /// second copies of what people and agents wrote.
    ///
    /// # Errors
    /// When an entry cannot be read.
    pub fn of(store: &Store, now: i64) -> Result<Draft, Error> {
        let mut draft = Draft::of_words(store, now)?;
        for entry in store.entries().filter(|entry| was_computed(entry)) {
            let text = store.read(&entry.path)?;
            draft.texts.insert(
                entry.path.clone(),
                (text, entry.cites.clone(), entry.expires_at),
            );
        }
        Ok(draft)
    }

    /// The same without what the lab computes from studies.
    pub(crate) fn of_words(store: &Store, now: i64) -> Result<Draft, Error> {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        let mut draft = Draft::default();
        for entry in store.entries().filter(|entry| !is_computed(&entry.path)) {
            if entry.is_expired(now) {
                draft
                    .dropped
                    .insert(entry.path.clone(), "it has expired".into());
                continue;
            }
            if let Some(first) = seen.get(entry.hash.as_str()) {
                let why = format!("it says the same as `{first}`");
                draft.dropped.insert(entry.path.clone(), why);
                continue;
            }
            seen.insert(&entry.hash, &entry.path);
            let text = store.read(&entry.path)?;
            draft.texts.insert(
                entry.path.clone(),
                (text, entry.cites.clone(), entry.expires_at),
            );
        }
        Ok(draft)
    }

    /// Returns the entries that consist of words, by path.
    pub fn words(&self) -> impl Iterator<Item = Drafted<'_>> {
        let words = self.texts.iter().filter(|(path, _)| !is_computed(path));
        words.map(|(path, (text, cites, expires_at))| Drafted {
            path,
            text,
            cites,
            expires_at: *expires_at,
        })
    }

    /// Says which entries whoever revises next is not shown: they can only be kept.
    pub fn hide(&mut self, paths: BTreeSet<String>) {
        self.unseen = paths;
    }

    /// Returns what differs from a store, by path: lines that left after `- ` and those that came after `+ `, and why an
    /// entry is gone, after `# `.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn changes(&self, before: Option<&Store>) -> Result<Vec<(String, Vec<String>)>, Error> {
        let mut paths: BTreeSet<String> = self.texts.keys().cloned().collect();
        if let Some(store) = before {
            paths.extend(store.entries().map(|entry| entry.path.clone()));
        }
        let mut changes = Vec::new();
        for path in paths {
            let old = match before {
                Some(store) if store.entry(&path).is_ok() => store.read(&path)?,
                Some(_) | None => String::new(),
            };
            let new = self.texts.get(&path).map_or("", |(text, _, _)| text);
            if let Some(mut lines) = diff(&old, new) {
                let why = self.dropped.get(&path);
                lines.splice(0..0, why.map(|why| format!("# gone: {why}")));
                changes.push((path, lines));
            }
        }
        Ok(changes)
    }

    /// Writes the draft as the store `name`, and has it read in place of the one before if it was accepted.
    ///
    /// Killed half way, the new store is there without its verdict, and the old one is read as before; called again with
    /// the same draft, it goes on.
    ///
    /// # Errors
    /// When a store of this name is there that this dream did not make, or the ledger or a file fails.
    pub fn write(
        self,
        ledger: &Ledger,
        root: &Path,
        name: &str,
        before: &mut Store,
        dreamed: &Dreamed,
    ) -> Result<Store, Error> {
        let actor = Actor::Dream(name.to_owned());
        let mut store = match Store::load(&ledger.reader()?, root, name) {
            Ok(store) if store.creator() == Some(&actor) => store,
            Ok(_) => return Err(Error::StoreExists { store: name.into() }),
            Err(Error::NoStore { .. }) => {
                let description = before.description().to_owned();
                Store::create(ledger, root, name, &description, actor.clone())?
            }
            Err(error) => return Err(error),
        };
        if store.dreamed().is_none() {
            for (path, (text, cites, expires_at)) in self.texts {
                let note = Note {
                    actor: actor.clone(),
                    cites,
                    expires_at,
                };
                store.write(ledger, &path, &text, note, &Must::Any)?;
            }
            store.tell_dream(ledger, dreamed.clone())?;
        }
        let is_in_place = before.succeeded() == Some(name);
        if dreamed.verdict == DreamVerdict::Accepted && !is_in_place {
            before.succeed(ledger, name, actor, &dreamed.reason)?;
        }
        Ok(store)
    }
}

/// Returns the next free name after `name`: `tuning`, `tuning-2`, `tuning-3`. That of a dream which
/// is not over is not free either.
///
/// # Errors
/// When the ledger cannot be read.
pub fn next_name(reader: &Reader, name: &str) -> Result<String, Error> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|one| one.is_ascii_digit());
    let mut known = names(reader)?;
    // A number is one of ours where there is a store that it counts from; `lab-2024` may be a name.
    let base = match name.rsplit_once('-') {
        Some((base, number)) if is_number(number) && known.iter().any(|one| one == base) => base,
        _ => name,
    };
    let streams = reader.streams()?.into_iter();
    known.extend(streams.filter_map(|one| Some(one.stream.strip_prefix(DREAM_PREFIX)?.to_owned())));
    let free = (2..).map(|number: u32| format!("{base}-{number}"));
    Ok(free
        .into_iter()
        .find(|name| !known.contains(name))
        .unwrap_or_default())
}

/// Returns events as a line of a note names them.
pub(crate) fn named(cites: &[Cite]) -> String {
    let all = cites.iter().map(|cite| {
        let seqs: Vec<String> = cite.seqs.iter().map(u64::to_string).collect();
        format!("{} {}", cite.stream, seqs.join(" "))
    });
    let all: Vec<String> = all.collect();
    format!("[{}]", all.join("; "))
}

pub(crate) fn merged<'a>(cites: impl Iterator<Item = &'a Cite>) -> Vec<Cite> {
    let mut all: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for cite in cites {
        all.entry(&cite.stream).or_default().extend(&cite.seqs);
    }
    let all = all.into_iter().map(|(stream, seqs)| Cite {
        stream: stream.to_owned(),
        seqs: seqs.into_iter().collect(),
    });
    all.collect()
}
