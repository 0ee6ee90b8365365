//! Naming what happened to the first event that does not follow the one before it.
//!
//! Every event's hash covers its position and the hash before it. So a row that was moved, or whose
//! neighbours were, still fits somewhere; where it fits tells what was done.

use crate::hash::Hash;
use crate::row::{COLUMNS, RawEvent};
use crate::verify::{Check, Fault};

/// Deleted events, later ones renumbered, that are still told from an edit.
const RENUMBERED_MAX: u64 = 1000;

impl Check<'_> {
    /// Explains why `row`, found at `position`, does not follow the last event in order.
    pub(crate) fn diagnose(&mut self, row: &RawEvent, position: u64) -> rusqlite::Result<Fault> {
        // A row was inserted with a hash that fits, so that only the row after it does not.
        if self.head.position > 0 && self.fits(row, self.head.position, self.before_head) {
            return Ok(Fault::Inserted {
                position: self.head.position as i64,
                rows: 1,
            });
        }
        if let Some(fault) = self.displaced(row, position)? {
            return Ok(fault);
        }
        if let Some(next) = self.row_at(position as i64 + 1)?
            && let Some(shift) =
                (1..=RENUMBERED_MAX).find(|shift| self.fits(&next, position + 1 + shift, row.hash))
        {
            return Ok(Fault::Deleted {
                position,
                next: position + shift,
            });
        }
        Ok(Fault::Edited {
            position,
            stream: row.stream.clone(),
            seq: row.seq,
        })
    }

    /// Looks through the rows that follow for one that belongs here, or for the place where this
    /// one belongs.
    fn displaced(&mut self, row: &RawEvent, position: u64) -> rusqlite::Result<Option<Fault>> {
        let sql = format!("SELECT {COLUMNS} FROM event WHERE position > ?1 ORDER BY position");
        let reader = self.reader;
        let mut statement = reader.connection.prepare(&sql)?;
        let mut rows = statement.query([position as i64])?;
        let mut before = row.hash;
        let mut inserted = None;
        while let Some(next) = rows.next()? {
            let other = RawEvent::from_row(next)?;
            let other_position = other.position.cast_unsigned();
            let written_at = [
                (other_position, before),
                (other_position, other.hash),
                (position + 1, other.hash),
            ]
            .into_iter()
            .find(|&(place, previous)| self.fits(row, place, previous));
            if let Some((written_at, _)) = written_at {
                return Ok(Some(Fault::Reordered {
                    position,
                    written_at,
                }));
            }
            if inserted.is_none() && self.fits(&other, position, self.head.hash) {
                let rows = other_position - position;
                inserted = Some(Fault::Inserted {
                    position: position as i64,
                    rows,
                });
            }
            before = other.hash;
        }
        Ok(inserted)
    }

    fn row_at(&self, position: i64) -> rusqlite::Result<Option<RawEvent>> {
        use rusqlite::OptionalExtension as _;
        let sql = format!("SELECT {COLUMNS} FROM event WHERE position = ?1");
        let mut statement = self.reader.connection.prepare_cached(&sql)?;
        statement
            .query_row([position], RawEvent::from_row)
            .optional()
    }

    /// Whether the row's own hash is right for `place` after `previous`.
    fn fits(&mut self, row: &RawEvent, place: u64, previous: Hash) -> bool {
        let body = row.body_id();
        row.hash_at(place, previous, body, &mut self.scratch) == Some(row.hash)
    }
}
