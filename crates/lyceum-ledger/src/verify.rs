//! Checking a ledger against itself, offline, from its files alone.

use std::collections::{HashMap, HashSet};
use std::error::Error as _;

use crate::bundle;
use crate::error::Error;
use crate::event::Head;
use crate::fault::Fault;
use crate::hash::{BlobId, Hash};
use crate::keys::{self, Keys};
use crate::reader::Reader;
use crate::signatures::Milestone;
use crate::signed::Checkpoint;
use crate::store::{Record, View};
use crate::tree::{Frontier, Subtree, TreeHead};
use crate::unsigned::{self, Unsigned};

/// Records that are held at once.
const PAGE_RECORDS: usize = 4096;

/// The first version that keeps subtrees.
const VERSION_WITH_SUBTREES: u32 = 2;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Events that were checked, up to the first fault.
    pub events: u64,
    /// How many of them a signature of the lab covers: all, unless there is a fault or the ledger has no key.
    pub events_signed: u64,
    /// Events that were found without a signature by the session after them, which recorded that and then signed: they
    /// may be others than those that were written.
    pub found_unsigned: Vec<Unsigned>,
    /// Streams that they belong to.
    pub streams: u64,
    /// Blobs that were checked.
    pub blobs: u64,
    /// Blobs among them that no event names: put, but not used before the process ended.
    pub blobs_unreferenced: u64,
    /// Streams that were imported and are what the labs that they come from signed.
    pub imported: u64,
    /// The last event that was checked.
    pub head: Head,
    /// The head of the tree over the events that were checked.
    pub tree: TreeHead,
    /// The first fault, if there is one.
    pub fault: Option<Fault>,
}

impl Verification {
    /// Whether no fault was found.
    pub fn is_intact(&self) -> bool {
        self.fault.is_none()
    }
}

impl Reader {
    /// Checks everything: signatures, the chain, the numbering as a whole and of each stream, the
    /// tree, every blob, and the store's own structure. Stops at the first fault.
    ///
    /// Events that are appended meanwhile are checked too. Fails only if a file cannot be read.
    pub fn verify(&self) -> Result<Verification, Error> {
        self.check(None)
    }

    /// Checks everything, and that the ledger continues what the checkpoint was written of. Fails
    /// with [`Error::OtherLab`] if that is another lab, and with [`Error::CheckpointDamaged`] if it names
    /// a key of this lab that has not signed it.
    pub fn verify_against(&self, checkpoint: &Checkpoint) -> Result<Verification, Error> {
        let (found, expected) = (checkpoint.lab, self.lab());
        if found != expected {
            return Err(Error::OtherLab { found, expected });
        }
        // With keys that cannot be read the check names the fault.
        if Keys::read(&*self.view).is_ok_and(|keys| {
            keys.all().any(|key| checkpoint.names(key))
                && !keys.all().any(|key| checkpoint.is_signed_by(key))
        }) {
            return Err(Error::CheckpointDamaged);
        }
        self.check(Some(checkpoint))
    }

    fn check(&self, checkpoint: Option<&Checkpoint>) -> Result<Verification, Error> {
        let mut check = Check::new(self)?;
        let fault = check.everything(checkpoint)?;
        Ok(Verification {
            events: check.head.position,
            events_signed: check.signed,
            found_unsigned: check.found_unsigned,
            streams: check.streams.len() as u64,
            blobs: check.blobs.len() as u64,
            blobs_unreferenced: check.blobs_unreferenced,
            imported: check.imported,
            head: check.head,
            tree: check.tree.head(),
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
    pub(crate) tree: Frontier,
    /// Heads to come, the next one last.
    pub(crate) milestones: Vec<Milestone>,
    /// Events that are covered by a signed head that was found right.
    pub(crate) signed: u64,
    found_unsigned: Vec<Unsigned>,
    pub(crate) keys: Keys,
    has_subtrees: bool,
    streams: HashMap<String, u64>,
    blobs: HashSet<BlobId>,
    blobs_unreferenced: u64,
    imported: u64,
    pub(crate) scratch: Vec<u8>,
}

impl<'a> Check<'a> {
    fn new(reader: &'a Reader) -> Result<Self, Error> {
        let head = Head::start(reader.identity);
        Ok(Self {
            reader,
            head,
            before_head: head.hash,
            tree: Frontier::default(),
            milestones: Vec::new(),
            signed: 0,
            found_unsigned: Vec::new(),
            keys: Keys::new(reader.identity),
            has_subtrees: reader.view.version()? >= VERSION_WITH_SUBTREES,
            streams: HashMap::new(),
            blobs: HashSet::new(),
            blobs_unreferenced: 0,
            imported: 0,
            scratch: Vec::new(),
        })
    }

    pub(crate) fn view(&self) -> &'a dyn View {
        &*self.reader.view
    }

    fn everything(&mut self, checkpoint: Option<&Checkpoint>) -> Result<Option<Fault>, Error> {
        match self.signatures(checkpoint) {
            Ok(None) => {}
            Ok(fault) => return Ok(fault),
            Err(error) => return Ok(Some(self.unreadable(&error))),
        }
        if let Some(fault) = self
            .milestone()
            .map_or_else(|| self.records(i64::MIN, u64::MAX), |fault| Ok(Some(fault)))?
        {
            return Ok(Some(fault));
        }
        if let Some(fault) = self
            .cut_off()
            .map_or_else(|| self.end(), |fault| Ok(Some(fault)))?
        {
            return Ok(Some(fault));
        }
        if let Some(fault) = self.imports()? {
            return Ok(Some(fault));
        }
        if let Some(fault) = self.unreferenced_blobs()? {
            return Ok(Some(fault));
        }
        Ok(self.structure())
    }

    /// Checks every event after `after`, to the one at `until` at most, in the order of positions.
    pub(crate) fn records(&mut self, mut after: i64, until: u64) -> Result<Option<Fault>, Error> {
        let mut records_at_once = PAGE_RECORDS;
        loop {
            let page = match self.view().records(after, records_at_once) {
                Ok(page) => page,
                // Somewhere in the page is a record that cannot be read: go on to it one by one.
                Err(_) if records_at_once > 1 => {
                    records_at_once = 1;
                    continue;
                }
                Err(error) => return Ok(Some(self.unreadable(&error))),
            };
            let Some(last) = page.last() else {
                return Ok(None);
            };
            // One at the very least position is alone in its page.
            after = last.position.max(i64::MIN + 1);
            for record in &page {
                if self.head.position == until {
                    return Ok(None);
                }
                if let Some(fault) = self.record(record)? {
                    return Ok(Some(fault));
                }
            }
        }
    }

    fn record(&mut self, record: &Record) -> Result<Option<Fault>, Error> {
        let expected = self.head.position + 1;
        let Some(position) = u64::try_from(record.position)
            .ok()
            .filter(|&number| number > 0)
        else {
            return Ok(Some(Fault::Inserted {
                position: record.position,
                rows: 1,
            }));
        };
        if position != expected {
            return Ok(Some(Fault::Deleted {
                position: expected,
                next: position,
            }));
        }
        let body = record.body_id();
        let right = record.hash_at(position, self.head.hash, body, &mut self.scratch);
        if right != Some(record.hash) {
            return match self.diagnose(record, position) {
                Ok(fault) => Ok(Some(fault)),
                Err(error) => Ok(Some(self.unreadable(&error))),
            };
        }
        if let Some(fault) = self.sequence(record, position) {
            return Ok(Some(fault));
        }
        for id in record.named_blobs() {
            if let Some(fault) = self.blob(id, Some(position))? {
                return Ok(Some(fault));
            }
        }
        if record.stream == keys::STREAM && !self.keys.follow(self.reader.lab(), record) {
            return Ok(Some(Fault::KeySwapped { size: position }));
        }
        if record.stream == unsigned::STREAM {
            let Some(found) = Unsigned::read(record, position) else {
                return Ok(Some(Fault::Edited {
                    position,
                    stream: record.stream.clone(),
                    seq: record.seq,
                }));
            };
            self.found_unsigned.push(found);
        }
        self.before_head = self.head.hash;
        self.head = Head {
            position,
            hash: record.hash,
        };
        Ok(match self.grow(record.hash)? {
            Some(fault) => Some(fault),
            None => self.milestone(),
        })
    }

    /// Adds an event to the tree, and compares what the store keeps of the tree.
    fn grow(&mut self, hash: Hash) -> Result<Option<Fault>, Error> {
        let mut completed = Vec::new();
        self.tree.push(hash, |subtree| completed.push(subtree));
        if !self.has_subtrees {
            return Ok(None);
        }
        for Subtree {
            level,
            number,
            hash,
        } in completed
        {
            if self.view().subtrees(level, number, 1)? != [hash] {
                return Ok(Some(Fault::Subtree { level, number }));
            }
        }
        Ok(None)
    }

    fn sequence(&mut self, record: &Record, position: u64) -> Option<Fault> {
        let last = match self.streams.get_mut(&record.stream) {
            Some(last) => last,
            None => self.streams.entry(record.stream.clone()).or_insert(0),
        };
        let expected = *last + 1;
        if record.seq == expected as i64 {
            *last = expected;
            return None;
        }
        let (stream, found) = (record.stream.clone(), record.seq);
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
        match self.reader.blobs.check(id) {
            Ok(()) => Ok(None),
            Err(Error::BlobMissing { id }) => {
                // A blob listed a moment ago and gone now was removed by someone else meanwhile.
                Ok(position.map(|position| Fault::BlobMissing { id, position }))
            }
            Err(Error::BlobChanged { id, found }) => Ok(Some(Fault::BlobChanged {
                id,
                found,
                position,
            })),
            Err(Error::BlobDamaged { id } | Error::BlobTooLarge { id, .. }) => {
                Ok(Some(Fault::BlobDamaged { id, position }))
            }
            Err(error) => Err(error),
        }
    }

    /// Checks every stream that was imported against the signature of the lab that it came from.
    fn imports(&mut self) -> Result<Option<Fault>, Error> {
        let mut after = 0;
        loop {
            let page = self
                .view()
                .stream(bundle::IMPORT_STREAM, after, PAGE_RECORDS)?;
            for record in &page {
                after += 1;
                if let Err(fault) = bundle::check_import(self.reader, record)? {
                    return Ok(Some(fault));
                }
                self.imported += 1;
            }
            if page.len() < PAGE_RECORDS {
                return Ok(None);
            }
        }
    }

    fn unreferenced_blobs(&mut self) -> Result<Option<Fault>, Error> {
        let mut found = Vec::new();
        self.reader.blobs.each(&mut |id, _| {
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
        match self.view().fault() {
            Ok(None) => None,
            Ok(Some(reason)) => Some(Fault::Unreadable {
                after: self.head.position,
                reason,
            }),
            Err(error) => Some(self.unreadable(&error)),
        }
    }

    pub(crate) fn unreadable(&self, error: &Error) -> Fault {
        let reason = match error.source() {
            Some(source) => source.to_string(),
            None => error.to_string(),
        };
        Fault::Unreadable {
            after: self.head.position,
            reason,
        }
    }
}
