//! Memory stores as files: what a session's commands see of them. They are laid out anew before each command, so what was
//! written is there at once, and can be read there and not changed: writes go through the tools, which cite and compare.

use std::{fmt::Write as _, io};

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
/// Most bytes that are laid out for one command. Eight full stores have more than a thousand million.
const BYTES_MAX: u64 = 64 << 20;
/// Entries that are not there, as a result tells them.
const TOLD: usize = 8;

/// Stores that are laid out for one command.
pub(crate) struct Shelf {
    scratch: Option<Scratch>,
    left_out: Vec<String>,
    bytes: u64,
}

impl Shelf {
    /// Lays out what these stores say now.
    pub(crate) fn lay_out(kit: &Kit, mounts: &[Mount]) -> Result<Shelf, Broken> {
        let mut shelf = Shelf {
            scratch: None,
            left_out: vec![],
            bytes: 0,
        };
        if mounts.is_empty() {
            return Ok(shelf);
        }
        let scratch = kit.scratch(SCRATCH)?;
        let laid = shelf.fill(kit, mounts, &scratch);
        if let Err(broken) = laid {
            discard(&scratch)?;
            return Err(broken);
        }
        shelf.scratch = Some(scratch);
        Ok(shelf)
    }

    fn fill(&mut self, kit: &Kit, mounts: &[Mount], scratch: &Scratch) -> Result<(), Broken> {
        let doing = || "laying out memory stores";
        let reader = kit
            .ledger()
            .reader()
            .map_err(Broken::while_doing(doing()))?;
        for mount in mounts {
            match present(&reader, &kit.lab().memory(), &mount.store) {
                Ok(store) => self.put(kit, &mount.store, &store, scratch)?,
                Err(error) => self.leave_out(&mount.store, "", error)?,
            }
        }
        Ok(())
    }

    /// Lays out one store. Its name was checked when it was read.
    fn put(
        &mut self,
        kit: &Kit,
        name: &str,
        store: &Store,
        scratch: &Scratch,
    ) -> Result<(), Broken> {
        let now = kit.ledger().now().unix_ms();
        let made = std::fs::create_dir_all(scratch.out().join(name));
        made.map_err(Broken::while_doing(format!("laying out `{name}`")))?;
        for entry in store.entries().filter(|entry| !entry.is_expired(now)) {
            let path = format!("{name}/{}", entry.path);
            if is_plain_path(&entry.path) {
                self.put_entry(store, entry, &path, scratch)?;
            } else {
                self.tell(&path, "its path is no file's");
            }
        }
        Ok(())
    }

    fn put_entry(
        &mut self,
        store: &Store,
        entry: &Entry,
        path: &str,
        scratch: &Scratch,
    ) -> Result<(), Broken> {
        let text = match store.read(&entry.path) {
            Ok(text) => text,
            Err(error) => return self.leave_out(store.name(), &entry.path, error),
        };
        self.bytes += text.len() as u64;
        if self.bytes > BYTES_MAX {
            self.tell(path, "there is too much; read it with `memory_read`");
            return Ok(());
        }
        match write_owned_as(&scratch.out(), path, text.as_bytes(), false) {
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

    /// Takes all away.
    pub(crate) fn clear(self) -> Result<(), Broken> {
        self.scratch.as_ref().map_or(Ok(()), discard)
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
