//! The event store's file: how it is made, opened and recognised.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::gather;
use crate::error::{Error, NotALedgerReason};
use crate::hash::Hash;
use crate::signed::KeyFile;
use crate::store::Identity;
use crate::tree::{Frontier, Subtree};

/// The version of the tables. It goes up whenever an older program could no longer read them.
pub const SCHEMA_VERSION: u32 = 2;

/// `LYCM`: what `file` and every database tool show as the application of the file.
const APPLICATION_ID: u32 = 0x4C59_434D;

/// The file inside the ledger's directory.
const FILE: &str = "ledger.db";

/// How long to wait for another connection. Locks are held for microseconds, except while a WAL is
/// recovered after a crash.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Page cache of a connection in KiB: index pages of a million events fit.
const CACHE_KIB: i64 = 16 * 1024;

/// Length of the log when a ledger is opened: what it reaches before it is first moved aside.
const LOG_BYTES_IN_ADVANCE: u64 = 6 << 20;

/// What `PRAGMA synchronous` answers for `FULL`: the log is synced before a commit returns.
const SYNCHRONOUS_FULL: i64 = 2;

/// The tables of version 1, then those that version 2 added. Verified word for word, so none is ever
/// edited, only followed by others.
const TABLES: [(&str, &str); 6] = [
    (
        "lab",
        "CREATE TABLE lab (\n  id BLOB NOT NULL CHECK (length(id) = 16)\n) STRICT",
    ),
    (
        "event",
        "CREATE TABLE event (\n  \
           position INTEGER PRIMARY KEY,\n  \
           stream TEXT NOT NULL,\n  \
           seq INTEGER NOT NULL,\n  \
           at INTEGER NOT NULL,\n  \
           kind TEXT NOT NULL,\n  \
           version INTEGER NOT NULL,\n  \
           body TEXT,\n  \
           body_blob BLOB CHECK (length(body_blob) = 32),\n  \
           blobs BLOB CHECK (length(blobs) % 32 = 0),\n  \
           hash BLOB NOT NULL CHECK (length(hash) = 32),\n  \
           UNIQUE (stream, seq),\n  \
           CHECK ((body IS NULL) <> (body_blob IS NULL))\n\
         ) STRICT",
    ),
    (
        "key",
        "CREATE TABLE key (\n  public BLOB NOT NULL CHECK (length(public) = 32)\n) STRICT",
    ),
    (
        "lease",
        "CREATE TABLE lease (\n  epoch INTEGER NOT NULL\n) STRICT",
    ),
    (
        "head",
        "CREATE TABLE head (\n  \
           size INTEGER PRIMARY KEY,\n  \
           root BLOB NOT NULL CHECK (length(root) = 32),\n  \
           key BLOB NOT NULL CHECK (length(key) = 32),\n  \
           signature BLOB NOT NULL CHECK (length(signature) = 64)\n\
         ) STRICT",
    ),
    (
        "subtree",
        "CREATE TABLE subtree (\n  \
           level INTEGER NOT NULL,\n  \
           number INTEGER NOT NULL,\n  \
           hash BLOB NOT NULL CHECK (length(hash) = 32),\n  \
           PRIMARY KEY (level, number)\n\
         ) STRICT, WITHOUT ROWID",
    ),
];

/// How many of [`TABLES`] each version has, from version 1 on.
const TABLES_OF_VERSION: [usize; SCHEMA_VERSION as usize] = [2, TABLES.len()];

/// Returns where the event store of a ledger is.
pub(super) fn file(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

/// Returns where the write-ahead log of a ledger is.
pub(super) fn log_file(directory: &Path) -> PathBuf {
    directory.join(format!("{FILE}-wal"))
}

/// Opens the store for the writer, making it if it is not there and bringing it to the present
/// version if it is older. The caller holds the lab lock.
pub(super) fn open_writer(
    directory: &Path,
    found: &mut dyn FnMut() -> Result<Identity, Error>,
) -> Result<Connection, Error> {
    let path = file(directory);
    let failed = |operation| move |source| Error::store(operation, &file(directory), source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let gone = || Error::EventsGone {
        directory: directory.to_path_buf(),
    };
    // Directories of blobs are made after the events' tables, so a making that was interrupted has none.
    let has_blobs = has_blobs(directory);
    if has_blobs && !path.exists() {
        return Err(gone());
    }
    let opened = match gather::layer() {
        Some(layer) => Connection::open_with_flags_and_vfs(&path, flags, layer),
        None => Connection::open_with_flags(&path, flags),
    };
    let mut connection = opened.map_err(failed("open event store"))?;
    configure(&connection).map_err(failed("configure event store"))?;
    let version = recognise(&connection, &path)?;
    if has_blobs && version.is_none() {
        return Err(gone());
    }
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(failed("switch to write-ahead logging in"))?;
    connection
        .pragma_update(None, "synchronous", "full")
        .map_err(failed("configure"))?;
    connection
        .pragma_update(None, "wal_autocheckpoint", 0)
        .map_err(failed("configure"))?;
    let synchronous: i64 = connection
        .pragma_query_value(None, "synchronous", |row| row.get(0))
        .map_err(failed("configure"))?;
    if mode != "wal" || synchronous != SYNCHRONOUS_FULL {
        return Err(Error::NoWriteAheadLog { path });
    }
    match version {
        None => {
            let identity = found()?;
            create(&mut connection, identity).map_err(failed("create event store"))?;
        }
        Some(version) if version < SCHEMA_VERSION => {
            migrate(&mut connection, version).map_err(failed("bring to the present version"))?;
        }
        Some(_) => {}
    }
    Ok(connection)
}

/// Gives the log its usual length in advance, so that commits overwrite blocks that the file has
/// instead of asking the file system for new ones, each of which it must journal.
///
/// What is added lies behind the log's last frame, where the store leaves old frames itself: recovery
/// ends at the first frame whose checksum does not continue the chain, and zeros never do.
/// Does nothing if there is no room.
pub(super) fn lengthen_log(directory: &Path) -> Result<(), Error> {
    let path = log_file(directory);
    let lengthen = || -> io::Result<()> {
        let mut log = File::options().append(true).create(true).open(&path)?;
        let length = log.metadata()?.len();
        if length < LOG_BYTES_IN_ADVANCE {
            let zeros = vec![0; (LOG_BYTES_IN_ADVANCE - length) as usize];
            if let Err(error) = log.write_all(&zeros) {
                log.set_len(length)?;
                return Err(error);
            }
            log.sync_all()?;
        }
        Ok(())
    };
    match lengthen().map_err(|source| Error::io("lengthen", &path, source)) {
        Ok(()) | Err(Error::DiskFull { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens a second connection for moving the write-ahead log into the file.
pub(super) fn open_checkpointer(directory: &Path) -> Result<Connection, Error> {
    let path = file(directory);
    let open = || -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags)?;
        configure(&connection)?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        Ok(connection)
    };
    open().map_err(|source| Error::store("open event store", &path, source))
}

/// Opens the store for reading. Never makes a ledger.
pub(super) fn open_reader(directory: &Path) -> Result<Connection, Error> {
    let path = file(directory);
    match fs::metadata(&path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(absent(directory)),
        Err(source) => {
            return Err(Error::Io {
                operation: "look at",
                path,
                source,
            });
        }
    }
    let (connection, version) = match recognise_for_reading(&path, "") {
        Err(Error::Store { .. }) if is_at_rest_on_read_only_disk(directory) => {
            recognise_for_reading(&path, "&immutable=1")?
        }
        opened => opened?,
    };
    if version.is_some() {
        Ok(connection)
    } else {
        Err(absent(directory))
    }
}

/// Whether blobs of a ledger are, or could be, there.
fn has_blobs(directory: &Path) -> bool {
    directory.join("blobs").exists()
}

fn absent(directory: &Path) -> Error {
    let directory = directory.to_path_buf();
    if has_blobs(&directory) || KeyFile::new(&directory).is_there() {
        Error::EventsGone { directory }
    } else {
        Error::Absent { directory }
    }
}

fn recognise_for_reading(
    path: &Path,
    parameters: &str,
) -> Result<(Connection, Option<u32>), Error> {
    let open = || -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(uri(path, parameters), flags)?;
        configure(&connection)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    let connection = open().map_err(|source| Error::store("open event store", path, source))?;
    let version = recognise(&connection, path)?;
    Ok((connection, version))
}

/// Whether nobody can be writing: the directory cannot be written to and no log is left in it.
/// Only then may the store be opened without the shared memory that it normally needs.
fn is_at_rest_on_read_only_disk(directory: &Path) -> bool {
    let at_rest = fs::metadata(log_file(directory)).map_or(true, |metadata| metadata.len() == 0);
    let writable = rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_ok();
    at_rest && !writable
}

/// Returns the path as the store takes URIs, which needs `%`, `?` and `#` escaped.
fn uri(path: &Path, parameters: &str) -> PathBuf {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut text = String::from("file:");
    for byte in absolute.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                text.push(char::from(*byte));
            }
            _ => {
                let _ = write!(text, "%{byte:02x}");
            }
        }
    }
    text.push_str("?mode=ro");
    text.push_str(parameters);
    PathBuf::from(text)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    // A file may come from someone else: it gets no say in what runs here.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)
}

/// Returns the version of a ledger that this program reads; nothing if the file is still empty.
fn recognise(connection: &Connection, path: &Path) -> Result<Option<u32>, Error> {
    let number = |pragma: &'static str| -> Result<u32, Error> {
        connection
            .pragma_query_value(None, pragma, |row| row.get::<_, i32>(0))
            .map(i32::cast_unsigned)
            .map_err(|source| Error::store("read event store", path, source))
    };
    let not_a_ledger = |reason| Error::NotALedger {
        path: path.to_path_buf(),
        reason,
    };
    let application = number("application_id")?;
    let version = number("user_version")?;
    if application != APPLICATION_ID {
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(|source| Error::store("read event store", path, source))?;
        if application == 0 && version == 0 && tables == 0 {
            return Ok(None);
        }
        return Err(not_a_ledger(NotALedgerReason::OtherApplication {
            found: application,
        }));
    }
    if version > SCHEMA_VERSION {
        let (found, supported) = (version, SCHEMA_VERSION);
        return Err(Error::Newer {
            path: path.to_path_buf(),
            found,
            supported,
        });
    }
    let same = has_the_tables(connection, version)
        .map_err(|source| Error::store("read event store", path, source))?;
    if same {
        Ok(Some(version))
    } else {
        Err(not_a_ledger(NotALedgerReason::OtherTables))
    }
}

/// Whether the file has exactly the tables of its version: no view, trigger or index slipped in.
fn has_the_tables(connection: &Connection, version: u32) -> rusqlite::Result<bool> {
    let Some(expected) = (version as usize)
        .checked_sub(1)
        .and_then(|at| TABLES_OF_VERSION.get(at))
    else {
        return Ok(false);
    };
    // An index that a table makes for itself has no text of its own.
    let mut statement = connection.prepare(
        "SELECT name, sql FROM sqlite_schema WHERE NOT (type = 'index' AND sql IS NULL) \
         ORDER BY rowid",
    )?;
    let found = statement
        .query_map([], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, Option<String>>(1)?.unwrap_or_default(),
            ))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let same = found
        .iter()
        .map(|(name, sql)| (name.as_str(), sql.as_str()))
        .eq(TABLES[..*expected].iter().copied());
    Ok(same)
}

/// Makes the tables, all or nothing.
fn create(connection: &mut Connection, identity: Identity) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    add_tables(&transaction, 0)?;
    transaction.execute(
        "INSERT INTO lab (id) VALUES (?1)",
        [identity.lab.as_bytes()],
    )?;
    if let Some(key) = identity.key {
        transaction.execute("INSERT INTO key (public) VALUES (?1)", [key.as_bytes()])?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()
}

/// Brings an older ledger to the present version, all or nothing. Nothing that was written changes:
/// tables are added, and the subtrees of the events that are there.
fn migrate(connection: &mut Connection, version: u32) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    add_tables(&transaction, TABLES_OF_VERSION[version as usize - 1])?;
    if version < 2 {
        keep_subtrees(&transaction)?;
    }
    transaction.commit()
}

fn add_tables(transaction: &Transaction<'_>, first: usize) -> rusqlite::Result<()> {
    for (name, sql) in &TABLES[first..] {
        transaction.execute_batch(sql)?;
        if *name == "lease" {
            transaction.execute("INSERT INTO lease (epoch) VALUES (0)", [])?;
        }
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)
}

fn keep_subtrees(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut frontier = Frontier::default();
    let mut statement = transaction.prepare("SELECT hash FROM event ORDER BY position")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let mut kept = Vec::new();
        frontier.push(Hash::from_bytes(row.get(0)?), |subtree| kept.push(subtree));
        for subtree in &kept {
            keep_subtree(transaction, subtree)?;
        }
    }
    Ok(())
}

/// Keeps a subtree.
pub(super) fn keep_subtree(connection: &Connection, subtree: &Subtree) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO subtree (level, number, hash) VALUES (?1, ?2, ?3)")?
        .execute((
            subtree.level,
            subtree.number as i64,
            subtree.hash.as_bytes(),
        ))?;
    Ok(())
}
