//! Memory stores as files: what a session's commands see of them. They are laid out before a command wherever one says
//! something else than before, so what was written is there at once. They can be read there and not changed: writes go
//! through the tools, which cite and compare.

use std::{
    fmt::Write as _,
    io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use lyceum_memory::{Entry, Error as StoreError, Store, present};
use lyceum_sandbox::{Mount as SandboxMount, scratch::Scratch};
use lyceum_study::{
    engine::Broken,
    lab::{Kit, discard, is_plain_path, read_only, write_owned_as},
};

use crate::{line::one_line, session::event::Mount};

/// Where the stores are inside, each below its name.
pub(crate) const SHELF: &str = "/memory";
/// Name of the scratch directories: in capitals, as no study's is.
const SCRATCH: &str = "MEMORY";
/// Most bytes that are laid out. Eight full stores have more than a thousand million.
const BYTES_MAX: u64 = 64 << 20;
/// Entries that are not there, as a result tells them.
const TOLD: usize = 8;

/// The stores of a session, as they were laid out last: they lie there until one of them says something else, and are
/// removed when this is dropped.
#[derive(Default)]
pub(crate) struct Shelf {
    laid: Mutex<Laid>,
}

/// Stores that are laid out.
#[derive(Default)]
pub(crate) struct Laid {
    scratch: Option<Scratch>,
    /// What is laid out; empty where it is not known to be as the stores are.
    is: Vec<State>,
    left_out: Vec<String>,
    bytes: u64,
}

/// A store at one moment: what it was asked for by, its own name, its last event, and how many entries have not expired.
type State = (String, String, u64, usize);

impl Drop for Laid {
    fn drop(&mut self) {
        // What cannot be removed is left to the lab's next start.
        drop(self.scratch.as_ref().map(discard));
    }
}

impl Shelf {
    /// Does something while the stores lie there as they are now.
    pub(crate) fn with<T>(
        &self,
        kit: &Kit,
        mounts: &[Mount],
        work: impl FnOnce(&Laid) -> Result<T, Broken>,
    ) -> Result<T, Broken> {
        if mounts.is_empty() {
            return work(&Laid::default());
        }
        let doing = || "laying out memory stores";
        let reader = kit
            .ledger()
            .reader()
            .map_err(Broken::while_doing(doing()))?;
        let now = kit.ledger().now().unix_ms();
        let stores = mounts.iter().map(|mount| {
            let name = mount.store.as_str();
            (name, present(&reader, &kit.lab().memory(), name))
        });
        let stores: Vec<(&str, Result<Store, StoreError>)> = stores.collect();
        let is = stores.iter().map(|(name, store)| {
            let store = store.as_ref().ok()?;
            let live = store.entries().filter(|entry| !entry.is_expired(now));
            let own = store.name().to_owned();
            Some(((*name).to_owned(), own, store.seq(), live.count()))
        });
        let is: Option<Vec<State>> = is.collect();
        let mut laid = self.laid.lock().unwrap_or_else(PoisonError::into_inner);
        if is.is_none() || is.as_ref() != Some(&laid.is) {
            // The old one goes first, so that both never lie there.
            *laid = Laid::default();
            laid.scratch = Some(kit.scratch(SCRATCH)?);
            laid.fill(stores, now)?;
            laid.is = is.unwrap_or_default();
        }
        work(&laid)
    }
}

impl Laid {
    fn fill(
        &mut self,
        stores: Vec<(&str, Result<Store, StoreError>)>,
        now: i64,
    ) -> Result<(), Broken> {
        for (name, store) in stores {
            match store {
                Ok(store) => self.put(name, &store, now)?,
                Err(error) => self.leave_out(name, "", error)?,
            }
        }
        Ok(())
    }

    fn top(&self) -> PathBuf {
        let scratch = self.scratch.as_ref();
        scratch.map_or_else(PathBuf::new, Scratch::out)
    }

    /// Lays out one store. Its name was checked when it was read.
    fn put(&mut self, name: &str, store: &Store, now: i64) -> Result<(), Broken> {
        let made = std::fs::create_dir_all(self.top().join(name));
        made.map_err(Broken::while_doing(format!("laying out `{name}`")))?;
        for entry in store.entries().filter(|entry| !entry.is_expired(now)) {
            let path = format!("{name}/{}", entry.path);
            if is_plain_path(&entry.path) {
                self.put_entry(store, entry, &path)?;
            } else {
                self.tell(&path, "its path is no file's");
            }
        }
        Ok(())
    }

    fn put_entry(&mut self, store: &Store, entry: &Entry, path: &str) -> Result<(), Broken> {
        let text = match store.read(&entry.path) {
            Ok(text) => text,
            Err(error) => return self.leave_out(store.name(), &entry.path, error),
        };
        self.bytes += text.len() as u64;
        if self.bytes > BYTES_MAX {
            self.tell(path, "there is too much; read it with `memory_read`");
            return Ok(());
        }
        match write_owned_as(&self.top(), path, text.as_bytes(), false) {
            Ok(()) => Ok(()),
            // A name that this disk does not have, or two entries of which one would be the other's directory.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidFilename
                        | io::ErrorKind::AlreadyExists
                        | io::ErrorKind::NotADirectory
                        | io::ErrorKind::IsADirectory
                ) =>
            {
                self.tell(path, &error.to_string());
                Ok(())
            }
            Err(error) => Err(Broken::while_doing(format!("laying out `{path}`"))(error)),
        }
    }

    /// Goes on without a store or an entry, unless the lab itself is in trouble.
    fn leave_out(&mut self, store: &str, path: &str, error: StoreError) -> Result<(), Broken> {
        match error {
            StoreError::Ledger(_) | StoreError::Io { .. } | StoreError::Event { .. } => {
                Err(Broken::while_doing("laying out memory stores")(error))
            }
            other => {
                self.tell(&format!("{store}/{path}"), &other.to_string());
                Ok(())
            }
        }
    }

    fn tell(&mut self, path: &str, why: &str) {
        self.left_out
            .push(format!("{}: {}", one_line(path), one_line(why)));
    }

    /// Returns the place of the stores for a sandbox; nothing where there are none.
    pub(crate) fn mount(&self) -> Option<SandboxMount> {
        let scratch = self.scratch.as_ref()?;
        Some(read_only(&scratch.out(), SHELF))
    }

    /// Adds what is not there to a command's result.
    pub(crate) fn tell_left_out(&self, text: &mut String) {
        for one in self.left_out.iter().take(TOLD) {
            let _ = writeln!(text, "not below {SHELF}: {one}");
        }
        if let Some(more) = self
            .left_out
            .len()
            .checked_sub(TOLD)
            .filter(|more| *more > 0)
        {
            let _ = writeln!(text, "not below {SHELF}: {more} more entries");
        }
    }
}

/// Says of each store where it is and what may be done with it.
pub(crate) fn brief(mounts: &[Mount]) -> String {
    let mut text = String::new();
    for mount in mounts {
        let may = if mount.write {
            "change it with memory_write and memory_edit"
        } else {
            "it may only be read"
        };
        let store = &mount.store;
        let _ = writeln!(
            text,
            "memory store `{store}`: files below {SHELF}/{store}, which cannot be changed there; {may}"
        );
    }
    text
}
