//! Checking a ledger against itself, offline, from its files alone.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::chain;
use crate::error::Error;
use crate::event::Head;
use crate::hash::{BlobId, Hash};
use crate::reader::Reader;
use crate::row::{COLUMNS, RawBody, RawEvent};

/// Rows that are held at once.
const PAGE_ROWS: i64 = 4096;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Events that were checked, up to the first fault.
    pub events: u64,
    /// Streams that they belong to.
    pub streams: u64,
    /// Blobs that were checked.
    pub blobs: u64,
    /// Blobs among them that no event names: put, but not used before the process ended.
    pub blobs_unreferenced: u64,
    /// The last event that was checked. Compare it with one kept elsewhere: cutting off the end of
    /// a ledger, or rewriting all of it, cannot be seen in the ledger itself.
    pub head: Head,
    /// The first fault, if there is one.
    pub fault: Option<Fault>,
}

impl Verification {
    /// Whether no fault was found.
    pub fn is_intact(&self) -> bool {
        self.fault.is_none()
    }
}

/// Something that a ledger cannot have written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Events were removed, or a row was moved beyond the end.
    Deleted {
        /// The first position that is missing.
        position: u64,
        /// The next position that is there, before any renumbering.
        next: u64,
    },
    /// Rows were put between events.
    Inserted {
        /// The first of them.
        position: i64,
        /// How many.
        rows: u64,
    },
    /// An event is not where it was written.
    Reordered {
        /// Where it is.
        position: u64,
        /// Where it was written.
        written_at: u64,
    },
    /// An event is not what was written there, or the hash before it is not.
    Edited {
        /// Its position.
        position: u64,
        /// Its stream, as it stands there now.
        stream: String,
        /// Its sequence number, as it stands there now.
        seq: i64,
    },
    /// The chain holds, but the numbering of a stream does not.
    Sequence {
        /// The event's position.
        position: u64,
        /// Its stream.
        stream: String,
        /// The number that it should have.
        expected: u64,
        /// The number that it has.
        found: i64,
    },
    /// A blob that an event names is not there.
    BlobMissing {
        /// The blob.
        id: BlobId,
        /// The event.
        position: u64,
    },
    /// A blob's bytes are not those that it is named by.
    BlobChanged {
        /// The blob.
        id: BlobId,
        /// The hash of its bytes now.
        found: BlobId,
        /// The first event that names it, if one does.
        position: Option<u64>,
    },
    /// The file itself is damaged: rows or its index cannot be read.
    Unreadable {
        /// The last event that could be checked.
        after: u64,
        /// What the store said.
        reason: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted { position, next } if *next == position + 1 => {
                write!(formatter, "event {position} was deleted")
            }
            Self::Deleted { position, next } => {
                write!(formatter, "events {position} to {} were deleted", next - 1)
            }
            Self::Inserted { position, rows: 1 } => {
                write!(formatter, "a row was inserted at position {position}")
            }
            Self::Inserted { position, rows } => {
                write!(
                    formatter,
                    "{rows} rows were inserted from position {position} on"
                )
            }
            Self::Reordered {
                position,
                written_at,
            } => write!(
                formatter,
                "events were reordered: the one at position {position} was written at {written_at}"
            ),
            Self::Edited {
                position,
                stream,
                seq,
            } => write!(
                formatter,
                "event {position} (stream `{}`, number {seq}) was edited, or the hash before it",
                stream.escape_debug()
            ),
            Self::Sequence {
                position,
                stream,
                expected,
                found,
            } => write!(
                formatter,
                "event {position} has number {found} in stream `{}`, but {expected} comes next",
                stream.escape_debug()
            ),
            Self::BlobMissing { id, position } => {
                write!(formatter, "blob {id} of event {position} is missing")
            }
            Self::BlobChanged {
                id,
                found,
                position,
            } => {
                write!(formatter, "blob {id}")?;
                if let Some(position) = position {
                    write!(formatter, " of event {position}")?;
                }
                write!(formatter, " was changed: its bytes now hash to {found}")
            }
            Self::Unreadable { after, reason } => {
                write!(
                    formatter,
                    "the file is damaged after event {after}: {reason}"
                )
            }
        }
    }
}

impl Reader {
    /// Checks everything: the chain, the numbering as a whole and of each stream, every blob, and
    /// the store's own structure. Stops at the first fault.
    ///
    /// Events that are appended meanwhile are checked too. Fails only if a file cannot be read.
    pub fn verify(&self) -> Result<Verification, Error> {
        let mut check = Check::new(self);
        let fault = check.everything()?;
        Ok(Verification {
            events: check.head.position,
            streams: check.streams.len() as u64,
            blobs: check.blobs.len() as u64,
            blobs_unreferenced: check.blobs_unreferenced,
            head: check.head,
            fault,
        })
    }
}

/// A check on its way from the first event to the last.
pub(crate) struct Check<'a> {
    pub(crate) reader: &'a Reader,
    /// The last event that was found in order.
    pub(crate) head: Head,
    /// The hash before that of `head`.
    pub(crate) before_head: Hash,
    streams: HashMap<String, u64>,
    blobs: HashSet<BlobId>,
    blobs_unreferenced: u64,
    pub(crate) scratch: Vec<u8>,
}

impl<'a> Check<'a> {
    fn new(reader: &'a Reader) -> Self {
        let genesis = chain::genesis(reader.lab());
        Self {
            reader,
            head: Head {
                position: 0,
                hash: genesis,
            },
            before_head: genesis,
            streams: HashMap::new(),
            blobs: HashSet::new(),
            blobs_unreferenced: 0,
            scratch: Vec::new(),
        }
    }

    fn everything(&mut self) -> Result<Option<Fault>, Error> {
        if let Some(fault) = self.rows()? {
            return Ok(Some(fault));
        }
        if let Some(fault) = self.unreferenced_blobs()? {
            return Ok(Some(fault));
        }
        Ok(self.structure())
    }

    /// Checks every event in the order of positions.
    fn rows(&mut self) -> Result<Option<Fault>, Error> {
        let mut after = i64::MIN;
        let mut rows_at_once = PAGE_ROWS;
        loop {
            let page = match self.page(after, rows_at_once) {
                Ok(page) => page,
                // Somewhere in the page is a row that cannot be read: go on to it one by one.
                Err(_) if rows_at_once > 1 => {
                    rows_at_once = 1;
                    continue;
                }
                Err(error) => return Ok(Some(self.unreadable(&error))),
            };
            let Some(last) = page.last() else {
                return Ok(None);
            };
            after = last.position;
            for row in &page {
                if let Some(fault) = self.row(row)? {
                    return Ok(Some(fault));
                }
            }
        }
    }

    fn page(&self, after: i64, rows: i64) -> rusqlite::Result<Vec<RawEvent>> {
        let sql =
            format!("SELECT {COLUMNS} FROM event WHERE position > ?1 ORDER BY position LIMIT ?2");
        let mut statement = self.reader.connection.prepare_cached(&sql)?;
        statement
            .query_map([after, rows], RawEvent::from_row)?
            .collect()
    }

    fn row(&mut self, row: &RawEvent) -> Result<Option<Fault>, Error> {
        let expected = self.head.position + 1;
        let Some(position) = u64::try_from(row.position)
            .ok()
            .filter(|&number| number > 0)
        else {
            return Ok(Some(Fault::Inserted {
                position: row.position,
                rows: 1,
            }));
        };
        if position != expected {
            return Ok(Some(Fault::Deleted {
                position: expected,
                next: position,
            }));
        }
        let body = row.body_id();
        let right = row.hash_at(position, self.head.hash, body, &mut self.scratch);
        if right != Some(row.hash) {
            return match self.diagnose(row, position) {
                Ok(fault) => Ok(Some(fault)),
                Err(error) => Ok(Some(self.unreadable(&error))),
            };
        }
        if let Some(fault) = self.sequence(row, position) {
            return Ok(Some(fault));
        }
        let body_blob = match row.body {
            RawBody::Blob(id) => Some(id),
            RawBody::Inline(_) => None,
        };
        for id in row.blobs.iter().copied().chain(body_blob) {
            if let Some(fault) = self.blob(id, Some(position))? {
                return Ok(Some(fault));
            }
        }
        self.before_head = self.head.hash;
        self.head = Head {
            position,
            hash: row.hash,
        };
        Ok(None)
    }

    fn sequence(&mut self, row: &RawEvent, position: u64) -> Option<Fault> {
        let last = match self.streams.get_mut(&row.stream) {
            Some(last) => last,
            None => self.streams.entry(row.stream.clone()).or_insert(0),
        };
        let expected = *last + 1;
        if row.seq == expected as i64 {
            *last = expected;
            return None;
        }
        let (stream, found) = (row.stream.clone(), row.seq);
        Some(Fault::Sequence {
            position,
            stream,
            expected,
            found,
        })
    }

    fn blob(&mut self, id: BlobId, position: Option<u64>) -> Result<Option<Fault>, Error> {
        if !self.blobs.insert(id) {
            return Ok(None);
        }
        match self.reader.blob(id) {
            Ok(_) => Ok(None),
            Err(Error::BlobMissing { id }) => {
                // A blob listed a moment ago and gone now was removed by someone else meanwhile.
                Ok(position.map(|position| Fault::BlobMissing { id, position }))
            }
            Err(Error::BlobChanged { id, found }) => Ok(Some(Fault::BlobChanged {
                id,
                found,
                position,
            })),
            Err(error) => Err(error),
        }
    }

    fn unreferenced_blobs(&mut self) -> Result<Option<Fault>, Error> {
        let mut found = Vec::new();
        self.reader.files.each(|id, _| {
            if !self.blobs.contains(&id) {
                found.push(id);
            }
            Ok(())
        })?;
        self.blobs_unreferenced = found.len() as u64;
        for id in found {
            if let Some(fault) = self.blob(id, None)? {
                return Ok(Some(fault));
            }
        }
        Ok(None)
    }

    /// Checks what the chain does not cover: that the index agrees with the table.
    fn structure(&self) -> Option<Fault> {
        let report = self
            .reader
            .connection
            .query_row("PRAGMA integrity_check(1)", [], |row| {
                row.get::<_, String>(0)
            });
        match report {
            Ok(report) if report == "ok" => None,
            Ok(reason) => Some(Fault::Unreadable {
                after: self.head.position,
                reason,
            }),
            Err(error) => Some(self.unreadable(&error)),
        }
    }

    fn unreadable(&self, error: &rusqlite::Error) -> Fault {
        Fault::Unreadable {
            after: self.head.position,
            reason: error.to_string(),
        }
    }
}
