//! Checking what is signed: every signature, the tree at each size that was signed, and that the last event is covered.

use crate::error::Error;
use crate::fault::Fault;
use crate::keys::Keys;
use crate::signed::{Checkpoint, SignedHead};
use crate::tree::TreeHead;
use crate::verify::Check;

/// A head that the tree must have on the way, and the fault if it has not.
pub(crate) struct Milestone {
    head: TreeHead,
    /// Whether the ledger holds it itself.
    is_own: bool,
}

impl Milestone {
    fn own(one: &SignedHead) -> Self {
        Self {
            head: one.head,
            is_own: true,
        }
    }
}

impl Check<'_> {
    /// Checks every signature, and makes milestones of what is signed.
    pub(crate) fn signatures(
        &mut self,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<Option<Fault>, Error> {
        let lab = self.reader.lab();
        // Keys after heads: who changes the key meanwhile must not look like one who swapped it.
        let heads = self.view().signed_heads()?;
        let keys = Keys::read(self.view())?;
        if !heads.is_empty() && !heads.iter().any(|head| head.is_right(lab)) {
            let keys_are_right = heads
                .iter()
                .all(|one| keys.at(one.head.size) == Some(one.key));
            return Ok(Some(if keys_are_right && heads.len() > 1 {
                Fault::Identity
            } else {
                Fault::HeadEdited {
                    size: heads[0].head.size,
                }
            }));
        }
        if let Some(fault) = heads.iter().find_map(|one| self.wrong(&keys, one)) {
            return Ok(Some(fault));
        }
        self.milestones = heads.iter().map(Milestone::own).collect();
        if let Some(checkpoint) = checkpoint {
            let size = checkpoint.head.size;
            if !keys.all().any(|key| checkpoint.is_signed_by(key)) {
                return Ok(Some(Fault::KeySwapped { size }));
            }
            self.milestones.push(Milestone {
                head: checkpoint.head,
                is_own: false,
            });
        }
        self.milestones
            .sort_by_key(|milestone| std::cmp::Reverse((milestone.head.size, milestone.is_own)));
        Ok(None)
    }

    /// Returns what is wrong with a signed head by itself.
    fn wrong(&self, keys: &Keys, one: &SignedHead) -> Option<Fault> {
        let size = one.head.size;
        if !one.is_right(self.reader.lab()) {
            Some(Fault::HeadEdited { size })
        } else if keys.at(size) != Some(one.key) {
            Some(Fault::KeySwapped { size })
        } else {
            None
        }
    }

    /// Compares the tree with what was signed of it at this size.
    pub(crate) fn milestone(&mut self) -> Option<Fault> {
        while let Some(milestone) = self
            .milestones
            .pop_if(|milestone| milestone.head.size == self.head.position)
        {
            if self.tree.head() != milestone.head {
                let (after, size) = (self.signed, milestone.head.size);
                return Some(if milestone.is_own {
                    Fault::Rewritten { after, size }
                } else {
                    Fault::Forked { size }
                });
            }
            // A checkpoint does not stand in for a signature of the ledger's own.
            if milestone.is_own {
                self.signed = milestone.head.size;
            }
        }
        None
    }

    /// Returns the fault of a ledger that has fewer events than were signed.
    pub(crate) fn cut_off(&mut self) -> Option<Fault> {
        let beyond = self.milestones.pop()?;
        Some(Fault::Truncated {
            events: self.head.position,
            size: beyond.head.size,
        })
    }

    /// Checks that the last event is signed. What was appended during the check has a head that was not there when the
    /// others were read.
    pub(crate) fn end(&mut self) -> Result<Option<Fault>, Error> {
        let events = self.head.position;
        if self.signed == events || self.keys.in_force().is_none() {
            return Ok(None);
        }
        let heads = self.view().signed_heads()?;
        let Some(last) = heads.last().filter(|last| last.head.size >= events) else {
            let after = self.signed;
            return Ok(Some(Fault::Unsigned { after, events }));
        };
        if let Some(fault) = self.wrong(&Keys::read(self.view())?, last) {
            return Ok(Some(fault));
        }
        self.milestones.push(Milestone::own(last));
        if let Some(fault) = self.milestone() {
            return Ok(Some(fault));
        }
        if let Some(fault) = self.records(events.cast_signed(), last.head.size)? {
            return Ok(Some(fault));
        }
        Ok(self.cut_off())
    }
}
