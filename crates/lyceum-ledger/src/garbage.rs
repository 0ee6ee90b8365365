//! Blobs that nothing names: put before a crash, or by a run whose event was never written.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use crate::error::Error;
use crate::hash::BlobId;
use crate::ledger::Ledger;
use crate::options::Options;
use crate::reader::Reader;
use crate::store::{Record, RecordBody, open_regular};

/// Records that are held at once.
const PAGE_RECORDS: usize = 1024;

/// Digits of a blob's name.
const NAME_DIGITS: usize = 64;

/// How deep below a directory beside the ledger names of blobs are looked for.
const DEPTH_MAX: u32 = 4;

/// How much of each file there is read; a receipt is far shorter.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What nothing in a ledger names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Garbage {
    /// The blobs, by name.
    pub blobs: Vec<BlobId>,
    /// Bytes that they take on the disk.
    pub bytes: u64,
    /// How many blobs are kept because an event names them.
    pub kept: u64,
}

impl Reader {
    /// Finds the blobs that no event names: neither as what its body is in or speaks of, nor by their
    /// 64 digits anywhere in its body. Removes nothing.
    ///
    /// Beside a process that writes, blobs whose events are about to be written are found too.
    pub fn garbage(&self) -> Result<Garbage, Error> {
        self.garbage_beside(&[])
    }

    /// Finds garbage as [`Reader::garbage`], and keeps what stands by its 64 digits in the files of these
    /// directories too, at most four directories below them. One that is absent names nothing.
    pub fn garbage_beside(&self, directories: &[&Path]) -> Result<Garbage, Error> {
        let mut unnamed = HashMap::new();
        self.blobs.each(&mut |id, bytes| {
            unnamed.insert(id, bytes);
            Ok(())
        })?;
        let all = unnamed.len() as u64;
        let mut after = i64::MIN;
        loop {
            let page = self.view.records(after, PAGE_RECORDS)?;
            let Some(last) = page.last() else { break };
            // One at the very least position is alone in its page.
            after = last.position.max(i64::MIN + 1);
            for record in &page {
                self.keep(record, &mut unnamed)?;
            }
        }
        for directory in directories {
            forget_names_below(directory, DEPTH_MAX, &mut unnamed)?;
        }
        let bytes = unnamed.values().sum();
        let mut blobs: Vec<_> = unnamed.into_keys().collect();
        blobs.sort_unstable();
        Ok(Garbage {
            kept: all - blobs.len() as u64,
            blobs,
            bytes,
        })
    }

    fn keep(&self, record: &Record, unnamed: &mut HashMap<BlobId, u64>) -> Result<(), Error> {
        for id in record.named_blobs() {
            unnamed.remove(&id);
        }
        match &record.body {
            RecordBody::Inline(text) => forget_names(text.as_bytes(), unnamed),
            RecordBody::Blob(id) => forget_names(&self.blobs.read(*id)?, unnamed),
        }
        Ok(())
    }
}

/// Forgets every blob whose name stands in the text.
fn forget_names(text: &[u8], unnamed: &mut HashMap<BlobId, u64>) {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    for digits in text.split(|byte| !is_digit(byte)) {
        for name in digits.windows(NAME_DIGITS) {
            let id = std::str::from_utf8(name)
                .ok()
                .and_then(|name| name.parse().ok());
            if let Some(id) = id {
                unnamed.remove(&id);
            }
        }
    }
}

/// Forgets every blob whose name stands in a file below the directory.
fn forget_names_below(
    directory: &Path,
    depth: u32,
    unnamed: &mut HashMap<BlobId, u64>,
) -> Result<(), Error> {
    let failed = |source: io::Error| Error::io("look for names of blobs in", directory, source);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed(source)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() && depth > 0 {
            forget_names_below(&entry.path(), depth - 1, unnamed)?;
        } else if kind.is_file() {
            let mut text = Vec::new();
            open_regular(&entry.path())
                .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut text))
                .map_err(failed)?;
            forget_names(&text, unnamed);
        }
    }
    Ok(())
}

impl Ledger {
    /// Removes the blobs that no event names, and returns them. Takes the lab lock, so it is refused
    /// with [`Error::Locked`] beside a process that writes; refused with [`Error::NotIntact`] if the
    /// ledger is not as it was written, since then a blob may be all that is left of an event.
    pub fn collect_garbage(directory: &Path, options: Options) -> Result<Garbage, Error> {
        Self::collect_garbage_beside(directory, options, &[])
    }

    /// Removes garbage as [`Ledger::collect_garbage`], but not what files in `beside` name, as
    /// [`Reader::garbage_beside`] reads them once the lab lock is taken.
    pub fn collect_garbage_beside(
        directory: &Path,
        options: Options,
        beside: &[&Path],
    ) -> Result<Garbage, Error> {
        // By reading, which never makes a ledger.
        let reader = Reader::open(directory)?;
        if let Some(fault) = reader.verify()?.fault {
            return Err(Error::NotIntact {
                directory: directory.to_path_buf(),
                fault: Box::new(fault),
            });
        }
        let ledger = Self::open(directory, options)?;
        let garbage = reader.garbage_beside(beside)?;
        for id in &garbage.blobs {
            ledger.blobs().remove(*id)?;
        }
        // The ledger last: whoever closes it last takes its log away.
        drop(reader);
        drop(ledger);
        Ok(garbage)
    }
}
