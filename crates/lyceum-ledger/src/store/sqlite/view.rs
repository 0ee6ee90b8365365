//! Reading the tables.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, Params, Row};

use super::schema;
use crate::error::{Error, NotALedgerReason};
use crate::event::StreamHead;
use crate::hash::{BlobId, Hash, LabId, PublicKey, Signature, TreeHash};
use crate::signed::SignedHead;
use crate::store::{Identity, Record, RecordBody, View};
use crate::tree::{LEVELS_APART, TreeHead};

/// The columns in the order in which [`record`] takes them.
const COLUMNS: &str = "position, stream, seq, at, kind, version, body, body_blob, blobs, hash";

/// The first version with a key, signed heads and subtrees.
const VERSION_WITH_KEY: u32 = 2;

/// More leases than any ledger has had; each later one must still be a number.
const EPOCH_MAX: i64 = i64::MAX / 2;

/// A connection and what is read through it.
pub(super) struct SqliteView {
    pub(super) directory: PathBuf,
    pub(super) connection: Connection,
}

impl fmt::Debug for SqliteView {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SqliteView")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

impl SqliteView {
    pub(super) fn new(directory: &Path, connection: Connection) -> Self {
        Self {
            directory: directory.to_path_buf(),
            connection,
        }
    }

    pub(super) fn failed(&self, operation: &'static str, source: rusqlite::Error) -> Error {
        Error::store(operation, &schema::file(&self.directory), source)
    }

    fn all<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        each: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(parameters, each)?.collect())
            .map_err(|source| self.failed("read events from", source))
    }

    fn has_keys(&self) -> Result<bool, Error> {
        Ok(self.version()? >= VERSION_WITH_KEY)
    }

    /// Returns what is wrong with the rows that neither the chain nor a signature covers. Each statement sees one
    /// state of the file, also beside a process that writes.
    fn fault_of_tables(&self) -> rusqlite::Result<Option<String>> {
        let count = "SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM subtree)";
        let (events, found): (i64, i64) = self
            .connection
            .query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let levels = (1..i64::BITS / LEVELS_APART).map(|number| events >> (number * LEVELS_APART));
        let expected: i64 = levels.sum();
        if found != expected {
            return Ok(Some(format!(
                "{found} nodes of the tree are kept, but {events} events give {expected}"
            )));
        }
        let count =
            "SELECT count(*), coalesce(min(epoch), -1), coalesce(max(epoch), -1) FROM lease";
        let (rows, least, most): (i64, i64, i64) = self
            .connection
            .query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let is_right = rows == 1 && least >= 0 && most <= EPOCH_MAX;
        Ok((!is_right).then(|| {
            format!(
                "the lease has {rows} rows with epochs from {least} to {most}, expected one row"
            )
        }))
    }

    fn broken(&self) -> Error {
        Error::NotALedger {
            path: schema::file(&self.directory),
            reason: NotALedgerReason::OtherTables,
        }
    }
}

impl View for SqliteView {
    fn identity(&self) -> Result<Identity, Error> {
        let labs = self.all("SELECT id FROM lab LIMIT 2", [], |row| row.get(0))?;
        let keys = if self.has_keys()? {
            self.all("SELECT public FROM key LIMIT 2", [], |row| row.get(0))?
        } else {
            Vec::new()
        };
        match (labs.as_slice(), keys.as_slice()) {
            ([lab], [] | [_]) => Ok(Identity {
                lab: LabId::from_bytes(*lab),
                key: keys.first().copied().map(PublicKey::from_bytes),
            }),
            _ => Err(self.broken()),
        }
    }

    fn version(&self) -> Result<u32, Error> {
        self.connection
            .pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0))
            .map(i32::cast_unsigned)
            .map_err(|source| self.failed("read", source))
    }

    fn records(&self, after: i64, limit: usize) -> Result<Vec<Record>, Error> {
        // No position is before the least, which a row that somebody put in may have.
        let compare = if after == i64::MIN { ">=" } else { ">" };
        let sql = format!(
            "SELECT {COLUMNS} FROM event WHERE position {compare} ?1 ORDER BY position LIMIT ?2"
        );
        self.all(&sql, (after, clamp(limit as u64)), record)
    }

    fn stream(&self, stream: &str, after: u64, limit: usize) -> Result<Vec<Record>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM event WHERE stream = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"
        );
        self.all(&sql, (stream, clamp(after), clamp(limit as u64)), record)
    }

    fn streams(&self) -> Result<Vec<StreamHead>, Error> {
        // Jumps from name to name in the index instead of walking every event.
        let sql = "WITH RECURSIVE name(stream) AS ( \
                       SELECT min(stream) FROM event \
                       UNION ALL \
                       SELECT (SELECT min(stream) FROM event WHERE stream > name.stream) \
                       FROM name WHERE name.stream IS NOT NULL \
                   ) \
                   SELECT stream, (SELECT max(seq) FROM event WHERE event.stream = name.stream) \
                   FROM name WHERE stream IS NOT NULL";
        self.all(sql, [], |row| {
            Ok(StreamHead {
                stream: row.get(0)?,
                seq: row.get::<_, i64>(1)? as u64,
            })
        })
    }

    fn last_seq(&self, stream: &str) -> Result<u64, Error> {
        self.connection
            .prepare_cached("SELECT coalesce(max(seq), 0) FROM event WHERE stream = ?1")
            .and_then(|mut statement| statement.query_row([stream], |row| row.get::<_, i64>(0)))
            .map(i64::cast_unsigned)
            .map_err(|source| self.failed("read the streams of", source))
    }

    fn last(&self) -> Result<Option<(u64, Hash)>, Error> {
        self.connection
            .prepare_cached("SELECT position, hash FROM event ORDER BY position DESC LIMIT 1")
            .and_then(|mut statement| {
                let position = |row: &Row<'_>| {
                    Ok((row.get::<_, i64>(0)? as u64, Hash::from_bytes(row.get(1)?)))
                };
                statement.query_row([], position).optional()
            })
            .map_err(|source| self.failed("read the head of", source))
    }

    fn hashes(&self, after: u64, limit: usize) -> Result<Vec<Hash>, Error> {
        let sql = "SELECT hash FROM event WHERE position > ?1 ORDER BY position LIMIT ?2";
        self.all(sql, (clamp(after), clamp(limit as u64)), |row| {
            row.get(0).map(Hash::from_bytes)
        })
    }

    fn subtrees(&self, level: u32, first: u64, limit: usize) -> Result<Vec<TreeHash>, Error> {
        if !self.has_keys()? {
            return Ok(Vec::new());
        }
        let sql = "SELECT number, hash FROM subtree WHERE level = ?1 AND number >= ?2 \
                   ORDER BY number LIMIT ?3";
        let found = self.all(sql, (level, clamp(first), clamp(limit as u64)), |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1).map(TreeHash::from_bytes)?))
        })?;
        let in_a_row = found
            .iter()
            .zip(first as i64..)
            .take_while(|((number, _), expected)| number == expected);
        Ok(in_a_row.map(|((_, hash), _)| *hash).collect())
    }

    fn signed_heads(&self) -> Result<Vec<SignedHead>, Error> {
        if !self.has_keys()? {
            return Ok(Vec::new());
        }
        let sql = "SELECT size, root, key, signature FROM head ORDER BY size";
        self.all(sql, [], |row| {
            Ok(SignedHead {
                head: TreeHead {
                    size: row.get::<_, i64>(0)? as u64,
                    root: TreeHash::from_bytes(row.get(1)?),
                },
                key: PublicKey::from_bytes(row.get(2)?),
                signature: Signature::from_bytes(row.get(3)?),
            })
        })
    }

    fn fault(&self) -> Result<Option<String>, Error> {
        let has_keys = self.has_keys()?;
        self.connection
            .query_row("PRAGMA integrity_check(1)", [], |row| {
                row.get::<_, String>(0)
            })
            .map(|report| (report != "ok").then_some(report))
            .and_then(|report| match report {
                None if has_keys => self.fault_of_tables(),
                report => Ok(report),
            })
            .map_err(|source| self.failed("check", source))
    }

    fn events_bytes(&self) -> u64 {
        let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        length(&schema::file(&self.directory)) + length(&schema::log_file(&self.directory))
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let body = match row.get::<_, Option<String>>(6)? {
        Some(text) => RecordBody::Inline(text),
        None => RecordBody::Blob(BlobId::from_bytes(row.get(7)?)),
    };
    let blobs = match row.get_ref(8)?.as_blob_or_null()? {
        None => Vec::new(),
        Some(bytes) => bytes
            .as_chunks()
            .0
            .iter()
            .copied()
            .map(BlobId::from_bytes)
            .collect(),
    };
    Ok(Record {
        position: row.get(0)?,
        stream: row.get(1)?,
        seq: row.get(2)?,
        at: row.get(3)?,
        kind: row.get(4)?,
        version: row.get(5)?,
        body,
        blobs,
        hash: Hash::from_bytes(row.get(9)?),
    })
}

/// Fits a count into the store's signed numbers; beyond them there are no events.
fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
