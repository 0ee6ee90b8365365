//! A store as its events make it: entries with all their versions. Writing goes through the ledger and asks for what the
//! writer believes to be there, so that nobody overwrites what they have not seen.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use lyceum_ledger::{Ledger, Reader};

use crate::{
    contents,
    draft::is_computed,
    error::Error,
    event::{Actor, Body, Cite, Created, Deleted, Dreamed, Redacted, Succeeded, Written},
    names::{STREAM_PREFIX, check_path, check_store, stream},
};

/// The longest entry, in bytes.
pub const ENTRY_BYTES_MAX: usize = 100 * 1024;
/// The most entries of a store.
pub const ENTRIES_MAX: usize = 2000;

/// Events that are read at a time.
const PAGE: usize = 1000;

/// An entry as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path.
    pub path: String,
    /// BLAKE3 of its contents.
    pub hash: String,
    /// Its length.
    pub bytes: u64,
    /// The event that wrote it.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Who wrote it.
    pub actor: Actor,
    /// The events that support it.
    pub cites: Vec<Cite>,
    /// When it ends to say anything, in milliseconds since 1970.
    pub expires_at: Option<i64>,
}

impl Entry {
    /// Whether it says nothing any more.
    pub fn is_expired(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// What a version did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The entry was not there before.
    Created,
    /// It said something else before.
    Modified,
    /// It is gone.
    Deleted,
}

/// One change of one entry. It stays whatever comes after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// What was done.
    pub operation: Operation,
    /// The entry as it was written, or as it was before it was deleted, with this event's number and time.
    pub entry: Entry,
    /// Whether its contents were taken away.
    pub redacted: bool,
}

/// What a writer believes to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Must {
    /// Nothing is expected.
    Any,
    /// There is no such entry.
    BeAbsent,
    /// The entry has these contents.
    Have(String),
}

/// What is written beside the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Who writes.
    pub actor: Actor,
    /// The events that support it.
    pub cites: Vec<Cite>,
    /// When it ends to say anything, in milliseconds since 1970.
    pub expires_at: Option<i64>,
}

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The store changed, by the event of this number.
    Made(u64),
    /// It already was so.
    None,
}

/// A memory store.
#[derive(Clone, Debug)]
pub struct Store {
    name: String,
    root: PathBuf,
    description: String,
    creator: Option<Actor>,
    entries: BTreeMap<String, Entry>,
    versions: Vec<Version>,
    redacted: Vec<String>,
    dreamed: Option<Dreamed>,
    succeeded: Option<String>,
    seq: u64,
}

/// Returns the names of the stores of a lab.
///
/// # Errors
/// When the ledger cannot be read.
pub fn names(reader: &Reader) -> Result<Vec<String>, Error> {
    let streams = reader.streams()?.into_iter();
    Ok(streams
        .filter_map(|one| Some(one.stream.strip_prefix(STREAM_PREFIX)?.to_owned()))
        .collect())
}

/// Returns the store that is read under this name now: the one that took its place, if one did.
///
/// # Errors
/// As [`Store::load`].
pub fn present(reader: &Reader, root: &Path, name: &str) -> Result<Store, Error> {
    let mut store = Store::load(reader, root, name)?;
    let mut seen = vec![name.to_owned()];
    while let Some(next) = store.succeeded.clone().filter(|next| !seen.contains(next)) {
        store = Store::load(reader, root, &next)?;
        seen.push(next);
    }
    Ok(store)
}

impl Store {
    /// Makes an empty store. `root` is where the lab keeps the contents of its stores.
    ///
    /// # Errors
    /// When the name is not one, is taken, or the ledger fails.
    pub fn create(
        ledger: &Ledger,
        root: &Path,
        name: &str,
        description: &str,
        actor: Actor,
    ) -> Result<Store, Error> {
        check_store(name)?;
        let reader = ledger.reader()?;
        if names(&reader)?.iter().any(|one| one == name) {
            return Err(Error::StoreExists {
                store: name.to_owned(),
            });
        }
        let description = description.to_owned();
        let mut store = Store::empty(root, name);
        store.append(ledger, &Body::Created(Created { description, actor }))?;
        Ok(store)
    }

    /// Reads a store.
    ///
    /// # Errors
    /// When there is none, or an event of it cannot be read.
    pub fn load(reader: &Reader, root: &Path, name: &str) -> Result<Store, Error> {
        Store::load_at(reader, root, name, u64::MAX)
    }

    /// Reads a store as it was after an event.
    ///
    /// # Errors
    /// As [`Store::load`].
    pub fn load_at(reader: &Reader, root: &Path, name: &str, last: u64) -> Result<Store, Error> {
        check_store(name)?;
        let mut store = Store::empty(root, name);
        while store.seq < last {
            let events = reader.read(&stream(name), store.seq, PAGE)?;
            if events.is_empty() {
                break;
            }
            for event in events.into_iter().take_while(|event| event.seq <= last) {
                store.seq = event.seq;
                let unknown = || Error::Newer {
                    store: name.to_owned(),
                    seq: event.seq,
                    kind: event.kind.clone(),
                    version: event.version,
                };
                let body = Body::decode(&event.kind, event.version, &event.body)
                    .ok_or_else(unknown)?
                    .map_err(|source| Error::Event {
                        store: name.to_owned(),
                        seq: event.seq,
                        source,
                    })?;
                store.apply(event.seq, event.at.unix_ms(), body);
            }
        }
        if store.seq == 0 {
            return Err(Error::NoStore {
                store: name.to_owned(),
                known: names(reader)?,
            });
        }
        Ok(store)
    }

    fn empty(root: &Path, name: &str) -> Store {
        Store {
            name: name.to_owned(),
            root: root.join(name),
            description: String::new(),
            creator: None,
            entries: BTreeMap::new(),
            versions: Vec::new(),
            redacted: Vec::new(),
            dreamed: None,
            succeeded: None,
            seq: 0,
        }
    }

    fn apply(&mut self, seq: u64, at: i64, body: Body) {
        match body {
            Body::Created(created) => {
                self.description = created.description;
                self.creator = Some(created.actor);
            }
            Body::Written(written) => self.put(seq, at, written),
            Body::Deleted(deleted) => {
                if let Some(entry) = self.entries.remove(&deleted.path) {
                    let actor = deleted.actor;
                    self.versions.push(Version {
                        operation: Operation::Deleted,
                        redacted: self.redacted.contains(&entry.hash),
                        entry: Entry {
                            seq,
                            at,
                            actor,
                            ..entry
                        },
                    });
                }
            }
            Body::Redacted(redacted) => {
                for version in &mut self.versions {
                    version.redacted |= version.entry.hash == redacted.hash;
                }
                self.entries.retain(|_, entry| entry.hash != redacted.hash);
                self.redacted.push(redacted.hash);
            }
            Body::Dreamed(dreamed) => self.dreamed = Some(dreamed),
            Body::Succeeded(succeeded) => self.succeeded = Some(succeeded.by),
        }
    }

    fn put(&mut self, seq: u64, at: i64, written: Written) {
        let entry = Entry {
            path: written.path.clone(),
            hash: written.hash,
            bytes: written.bytes,
            seq,
            at,
            actor: written.actor,
            cites: written.cites,
            expires_at: written.expires_at,
        };
        // The same words again, after they were taken away, are words that are there.
        self.redacted.retain(|hash| *hash != entry.hash);
        let before = self.entries.insert(written.path, entry.clone());
        self.versions.push(Version {
            operation: before.map_or(Operation::Created, |_| Operation::Modified),
            entry,
            redacted: false,
        });
    }

    fn append(&mut self, ledger: &Ledger, body: &Body) -> Result<u64, Error> {
        let event = body.encode().map_err(|source| Error::Event {
            store: self.name.clone(),
            seq: self.seq + 1,
            source,
        })?;
        let written = ledger.append_expecting(&stream(&self.name), self.seq, vec![event])?;
        for event in written {
            self.seq = event.seq;
            self.apply(event.seq, event.at.unix_ms(), body.clone());
        }
        Ok(self.seq)
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what it is for.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Returns who made it.
    pub fn creator(&self) -> Option<&Actor> {
        self.creator.as_ref()
    }

    /// Returns the number of its last event.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Returns its entries, by path.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Returns an entry.
    ///
    /// # Errors
    /// [`Error::NoEntry`].
    pub fn entry(&self, path: &str) -> Result<&Entry, Error> {
        self.entries.get(path).ok_or_else(|| Error::NoEntry {
            store: self.name.clone(),
            path: path.to_owned(),
        })
    }

    /// Returns every change, the oldest first.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// Returns how it was dreamt, if it was.
    pub fn dreamed(&self) -> Option<&Dreamed> {
        self.dreamed.as_ref()
    }

    /// Returns the store that took its place.
    pub fn succeeded(&self) -> Option<&str> {
        self.succeeded.as_deref()
    }

    /// Returns what an entry says.
    ///
    /// # Errors
    /// When there is none, or its contents are gone.
    pub fn read(&self, path: &str) -> Result<String, Error> {
        let entry = self.entry(path)?;
        contents::read(&self.root, &entry.hash, path)
    }

    /// Returns what a version said.
    ///
    /// # Errors
    /// When there is no such version, or its contents were taken away.
    pub fn read_version(&self, seq: u64) -> Result<String, Error> {
        let version = self.version(seq)?;
        let entry = &version.entry;
        if version.redacted {
            let path = entry.path.clone();
            return Err(Error::Redacted { path, seq });
        }
        contents::read(&self.root, &entry.hash, &entry.path)
    }

    fn version(&self, seq: u64) -> Result<&Version, Error> {
        let found = self.versions.iter().find(|one| one.entry.seq == seq);
        found.ok_or_else(|| Error::NoVersion {
            store: self.name.clone(),
            seq,
        })
    }

    /// Writes an entry. The same words again change nothing, whatever was expected.
    ///
    /// # Errors
    /// When the path is not one, the entry is too long, the store full, or what is there is not what `must` says.
    pub fn write(
        &mut self,
        ledger: &Ledger,
        path: &str,
        text: &str,
        note: Note,
        must: &Must,
    ) -> Result<Change, Error> {
        check_path(path)?;
        if is_computed(path) && !matches!(note.actor, Actor::Dream(_)) {
            return Err(Error::Computed {
                path: path.to_owned(),
            });
        }
        if text.len() > ENTRY_BYTES_MAX {
            return Err(Error::TooLong { bytes: text.len() });
        }
        let hash = contents::hash(text);
        let found = self.entries.get(path);
        let is_same = found.is_some_and(|entry| {
            entry.hash == hash && entry.cites == note.cites && entry.expires_at == note.expires_at
        });
        if is_same {
            return Ok(Change::None);
        }
        expect(path, found, must)?;
        if found.is_none() {
            self.has_room(path)?;
        }
        contents::keep(&self.root, text)?;
        let written = Written {
            path: path.to_owned(),
            hash,
            bytes: text.len() as u64,
            actor: note.actor,
            cites: note.cites,
            expires_at: note.expires_at,
        };
        self.append(ledger, &Body::Written(written))
            .map(Change::Made)
    }

    fn has_room(&self, path: &str) -> Result<(), Error> {
        if self.entries.len() >= ENTRIES_MAX {
            return Err(Error::Full {
                store: self.name.clone(),
            });
        }
        let within = |inner: &str, outer: &str| {
            inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        let clash = self
            .entries
            .keys()
            .find(|one| within(one, path) || within(path, one));
        clash.map_or(Ok(()), |other| {
            Err(Error::PathConflict {
                path: path.to_owned(),
                other: other.clone(),
            })
        })
    }

    /// Deletes an entry; its versions stay.
    ///
    /// # Errors
    /// When there is none, or what is there is not what `must` says.
    pub fn delete(
        &mut self,
        ledger: &Ledger,
        path: &str,
        actor: Actor,
        must: &Must,
    ) -> Result<u64, Error> {
        let entry = self.entry(path)?;
        expect(path, Some(entry), must)?;
        let path = path.to_owned();
        self.append(ledger, &Body::Deleted(Deleted { path, actor }))
    }

    /// Takes the contents of a version away for good, wherever in this store they stand; an entry that says them now is
    /// gone. Who wrote what, when, and its hash stay. A store that was dreamt from this one has a copy of its own.
    ///
    /// # Errors
    /// When there is no such version, or the file cannot be removed: the next try removes it.
    pub fn redact(&mut self, ledger: &Ledger, seq: u64, actor: Actor) -> Result<(), Error> {
        let hash = self.version(seq)?.entry.hash.clone();
        if !self.redacted.contains(&hash) {
            let body = Redacted {
                version: seq,
                hash: hash.clone(),
                actor,
            };
            self.append(ledger, &Body::Redacted(body))?;
        }
        contents::remove(&self.root, &hash)
    }

    /// Says how the store was dreamt.
    pub(crate) fn tell_dream(&mut self, ledger: &Ledger, dreamed: Dreamed) -> Result<(), Error> {
        self.append(ledger, &Body::Dreamed(dreamed)).map(drop)
    }

    /// Has another store read in place of this one from now on.
    ///
    /// # Errors
    /// When the ledger fails.
    pub fn succeed(
        &mut self,
        ledger: &Ledger,
        by: &str,
        actor: Actor,
        why: &str,
    ) -> Result<(), Error> {
        let by = by.to_owned();
        let why = why.to_owned();
        self.append(ledger, &Body::Succeeded(Succeeded { by, actor, why }))
            .map(drop)
    }
}

fn expect(path: &str, found: Option<&Entry>, must: &Must) -> Result<(), Error> {
    let hash = found.map(|entry| entry.hash.as_str());
    let expected = match must {
        Must::Any => return Ok(()),
        Must::BeAbsent => None,
        Must::Have(hash) => Some(hash.as_str()),
    };
    if hash == expected {
        Ok(())
    } else {
        Err(Error::Conflict {
            path: path.to_owned(),
            expected: expected.map(str::to_owned),
            found: hash.map(str::to_owned),
        })
    }
}
