//! Reading a ledger, also while another process writes to it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, Params};

use crate::blobs::BlobFiles;
use crate::chain;
use crate::error::{Error, NotALedgerReason};
use crate::event::{Event, Head, SizeOnDisk, StreamHead};
use crate::hash::{BlobId, Hash, LabId};
use crate::row::{COLUMNS, RawEvent};
use crate::schema;

/// Reads a ledger. Never waits for the writer and never makes it wait.
///
/// Each call sees every event that was acknowledged before it. A reader belongs to one thread at a
/// time; opening another is cheap.
pub struct Reader {
    pub(crate) directory: PathBuf,
    pub(crate) connection: Connection,
    pub(crate) files: BlobFiles,
    lab: LabId,
}

impl fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Reader")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

impl Reader {
    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        let connection = schema::open_reader(directory)?;
        let lab = read_lab(&connection, directory)?;
        let files = BlobFiles::new(directory);
        Ok(Self {
            directory: directory.to_path_buf(),
            connection,
            files,
            lab,
        })
    }

    /// Returns the lab's identity.
    pub fn lab(&self) -> LabId {
        self.lab
    }

    /// Returns every stream in the order of names, each with how far it has come.
    pub fn streams(&self) -> Result<Vec<StreamHead>, Error> {
        // Jumps from name to name in the index instead of walking every event.
        let sql = "WITH RECURSIVE name(stream) AS ( \
                       SELECT min(stream) FROM event \
                       UNION ALL \
                       SELECT (SELECT min(stream) FROM event WHERE stream > name.stream) \
                       FROM name WHERE name.stream IS NOT NULL \
                   ) \
                   SELECT stream, (SELECT max(seq) FROM event WHERE event.stream = name.stream) \
                   FROM name WHERE stream IS NOT NULL";
        let read = || -> rusqlite::Result<Vec<StreamHead>> {
            self.connection
                .prepare_cached(sql)?
                .query_map([], |row| {
                    Ok(StreamHead {
                        stream: row.get(0)?,
                        seq: row.get::<_, i64>(1)? as u64,
                    })
                })?
                .collect()
        };
        read().map_err(|source| self.failed("list streams in", source))
    }

    /// Returns at most `limit` events of `stream` with sequence numbers greater than `after_seq`,
    /// in order. An unknown stream has none.
    pub fn read(&self, stream: &str, after_seq: u64, limit: usize) -> Result<Vec<Event>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM event WHERE stream = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"
        );
        self.events(&sql, (stream, clamp(after_seq), clamp(limit as u64)))
    }

    /// Returns at most `limit` events of all streams with positions greater than `after_position`,
    /// in order.
    pub fn read_all(&self, after_position: u64, limit: usize) -> Result<Vec<Event>, Error> {
        let sql =
            format!("SELECT {COLUMNS} FROM event WHERE position > ?1 ORDER BY position LIMIT ?2");
        self.events(&sql, (clamp(after_position), clamp(limit as u64)))
    }

    /// Returns the end of the chain.
    pub fn head(&self) -> Result<Head, Error> {
        read_head(&self.connection, self.lab)
            .map_err(|source| self.failed("read the head of", source))
    }

    /// Returns the bytes of a blob after checking that they are the ones it is named by.
    pub fn blob(&self, id: BlobId) -> Result<Vec<u8>, Error> {
        self.files.read(id)
    }

    /// Returns where the blob is, or would be. The file's bytes are the blob's bytes.
    pub fn blob_path(&self, id: BlobId) -> PathBuf {
        self.files.path(id)
    }

    /// Returns how much room the ledger takes now.
    pub fn size_on_disk(&self) -> Result<SizeOnDisk, Error> {
        let store = schema::file(&self.directory);
        let log = schema::log_file(&self.directory);
        let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        let mut size = SizeOnDisk {
            events_bytes: length(&store) + length(&log),
            ..SizeOnDisk::default()
        };
        self.files.each(|_, bytes| {
            size.blobs += 1;
            size.blobs_bytes += bytes;
            Ok(())
        })?;
        Ok(size)
    }

    fn events(&self, sql: &str, parameters: impl Params) -> Result<Vec<Event>, Error> {
        let raw = || -> rusqlite::Result<Vec<RawEvent>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement
                .query_map(parameters, RawEvent::from_row)?
                .collect()
        };
        // Bodies in blobs are fetched after the query, so that it holds up no checkpoint.
        raw()
            .map_err(|source| self.failed("read events from", source))?
            .into_iter()
            .map(|event| event.into_event(&self.files))
            .collect()
    }

    pub(crate) fn failed(&self, operation: &'static str, source: rusqlite::Error) -> Error {
        Error::store(operation, &schema::file(&self.directory), source)
    }
}

/// Reads the identity of the lab that a store belongs to.
pub(crate) fn read_lab(connection: &Connection, directory: &Path) -> Result<LabId, Error> {
    let read = || -> rusqlite::Result<Vec<[u8; 16]>> {
        connection
            .prepare("SELECT id FROM lab LIMIT 2")?
            .query_map([], |row| row.get(0))?
            .collect()
    };
    let path = schema::file(directory);
    match read()
        .map_err(|source| Error::store("read event store", &path, source))?
        .as_slice()
    {
        [id] => Ok(LabId::from_bytes(*id)),
        _ => Err(Error::NotALedger {
            path,
            reason: NotALedgerReason::OtherTables,
        }),
    }
}

/// Reads the end of the chain.
pub(crate) fn read_head(connection: &Connection, lab: LabId) -> rusqlite::Result<Head> {
    let head = connection
        .prepare_cached("SELECT position, hash FROM event ORDER BY position DESC LIMIT 1")?
        .query_row([], |row| {
            Ok(Head {
                position: row.get::<_, i64>(0)? as u64,
                hash: Hash::from_bytes(row.get(1)?),
            })
        })
        .optional()?;
    Ok(head.unwrap_or_else(|| Head {
        position: 0,
        hash: chain::genesis(lab),
    }))
}

/// Fits a count into the store's signed numbers; beyond them there are no events.
fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
