//! Naming what happened to the first event that does not follow the one before it.
//!
//! Every event's hash covers its position and the hash before it. So a record that was moved, or whose
//! neighbours were, still fits somewhere; where it fits tells what was done.

use crate::error::Error;
use crate::fault::Fault;
use crate::hash::Hash;
use crate::store::Record;
use crate::verify::Check;

/// Deleted events, later ones renumbered, that are still told from an edit.
const RENUMBERED_MAX: u64 = 1000;

/// Records that are held at once.
const PAGE_RECORDS: usize = 1024;

impl Check<'_> {
    /// Explains why `record`, found at `position`, does not follow the last event in order.
    pub(crate) fn diagnose(&mut self, record: &Record, position: u64) -> Result<Fault, Error> {
        // One was inserted with a hash that fits, so that only the one after it does not.
        if self.head.position > 0 && self.fits(record, self.head.position, self.before_head) {
            let place = self.head.position as i64;
            let inserted = self.record_at(place)?;
            return self.inserted(inserted.as_ref(), place, 1);
        }
        if let Some(fault) = self.displaced(record, position)? {
            return match fault {
                Fault::Inserted { position, rows } => self.inserted(Some(record), position, rows),
                fault => Ok(fault),
            };
        }
        match self.record_at(position as i64 + 1)? {
            Some(next) => {
                if let Some(shift) = (1..=RENUMBERED_MAX)
                    .find(|shift| self.fits(&next, position + 1 + shift, record.hash))
                {
                    return Ok(Fault::Deleted {
                        position,
                        next: position + shift,
                    });
                }
            }
            None => {
                if let Some(original) = self.original(record)? {
                    let position = position as i64;
                    return Ok(Fault::Replayed { position, original });
                }
            }
        }
        Ok(Fault::Edited {
            position,
            stream: record.stream.clone(),
            seq: record.seq,
        })
    }

    /// Tells an event that was put in a second time from one that never was.
    fn inserted(&self, record: Option<&Record>, position: i64, rows: u64) -> Result<Fault, Error> {
        let original = match record {
            Some(record) => self.original(record)?,
            None => None,
        };
        Ok(match original {
            Some(original) => Fault::Replayed { position, original },
            None => Fault::Inserted { position, rows },
        })
    }

    /// Returns the first event elsewhere that says the same in every respect but its number and hash.
    fn original(&self, record: &Record) -> Result<Option<u64>, Error> {
        let body = record.body_id();
        self.find(i64::MIN, |other| {
            let is_same = other.position != record.position
                && other.stream == record.stream
                && (other.at, &other.kind, other.version)
                    == (record.at, &record.kind, record.version)
                && other.blobs == record.blobs
                && other.body_id() == body;
            is_same.then_some(other.position.cast_unsigned())
        })
    }

    /// Looks through the records that follow for one that belongs here, or for the place where this
    /// one belongs.
    fn displaced(&mut self, record: &Record, position: u64) -> Result<Option<Fault>, Error> {
        let mut before = record.hash;
        let mut inserted = None;
        let mut scratch = std::mem::take(&mut self.scratch);
        let (head, body) = (self.head.hash, record.body_id());
        let mut fits = |record: &Record, body, place, previous| {
            record.hash_at(place, previous, body, &mut scratch) == Some(record.hash)
        };
        let reordered = self.find(position as i64, |other| {
            let other_position = other.position.cast_unsigned();
            let written_at = [
                (other_position, before),
                (other_position, other.hash),
                (position + 1, other.hash),
            ]
            .into_iter()
            .find(|&(place, previous)| fits(record, body, place, previous));
            if let Some((written_at, _)) = written_at {
                return Some(Fault::Reordered {
                    position,
                    written_at,
                });
            }
            if inserted.is_none() && fits(other, other.body_id(), position, head) {
                inserted = Some(Fault::Inserted {
                    position: position as i64,
                    rows: other_position - position,
                });
            }
            before = other.hash;
            None
        });
        self.scratch = scratch;
        Ok(reordered?.or(inserted))
    }

    /// Returns the first thing that `look` sees in the records after a position.
    fn find<T>(
        &self,
        mut after: i64,
        mut look: impl FnMut(&Record) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        loop {
            let page = self.view().records(after, PAGE_RECORDS)?;
            let Some(last) = page.last() else {
                return Ok(None);
            };
            // One at the very least position is alone in its page.
            after = last.position.max(i64::MIN + 1);
            if let Some(seen) = page.iter().find_map(&mut look) {
                return Ok(Some(seen));
            }
        }
    }

    fn record_at(&self, position: i64) -> Result<Option<Record>, Error> {
        let found = self.view().records(position - 1, 1)?.into_iter().next();
        Ok(found.filter(|record| record.position == position))
    }

    /// Whether the record's own hash is right for `place` after `previous`.
    fn fits(&mut self, record: &Record, place: u64, previous: Hash) -> bool {
        let body = record.body_id();
        record.hash_at(place, previous, body, &mut self.scratch) == Some(record.hash)
    }
}
