//! A ledger in a directory: events in a database file, blobs as files, the lease as a file lock.
//!
//! No type of the database leaves this module.

mod gather;
mod lease;
mod log;
mod schema;
mod view;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::BlobFiles;
use super::{Blobs, Identity, Lease, Store, View, sync_directory};
use crate::error::Error;
use crate::lock::{self, Holding, Lock, LockHolder};

use lease::SqliteLease;
pub use schema::SCHEMA_VERSION;
use view::SqliteView;

/// The ledger of one directory.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    directory: PathBuf,
    blobs: Arc<BlobFiles>,
}

impl SqliteStore {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_path_buf(),
            blobs: Arc::new(BlobFiles::new(directory)),
        }
    }
}

impl Store for SqliteStore {
    fn acquire(
        &self,
        holder: &LockHolder,
        found: &mut dyn FnMut() -> Result<Identity, Error>,
    ) -> Result<Box<dyn Lease>, Error> {
        let directory = &self.directory;
        let lock = Lock::take(directory)?;
        let connection = schema::open_writer(directory, found)?;
        self.blobs.prepare(directory, lock.is_after_crash())?;
        if let Ok(parent) = directory.join("..").canonicalize() {
            sync_directory(&parent)?;
        }
        schema::lengthen_log(directory)?;
        let view = SqliteView::new(directory, connection);
        let lease = SqliteLease::begin(view, lock)?;
        lease.name(holder)?;
        Ok(Box::new(lease))
    }

    fn view(&self) -> Result<Box<dyn View>, Error> {
        let connection = schema::open_reader(&self.directory)?;
        Ok(Box::new(SqliteView::new(&self.directory, connection)))
    }

    fn blobs(&self) -> Arc<dyn Blobs> {
        Arc::clone(&self.blobs) as Arc<dyn Blobs>
    }

    fn holding(&self) -> Result<Holding, Error> {
        lock::holding(&self.directory)
    }
}
