//! Which key was in force when: the one that the lab was made with, then those that it handed over to.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::event::NewEvent;
use crate::hash::{LabId, PublicKey, Signature};
use crate::signed::{Signer, is_signed, key_change_text};
use crate::store::{Identity, Record, RecordBody, View};

/// The stream of key changes. Nothing else can be appended to it.
pub(crate) const STREAM: &str = "lab/key";

/// The kind of its events.
const KIND: &str = "key.changed";

/// The version of their bodies.
const VERSION: u32 = 1;

/// Key changes that are read at once. A lab has few.
const PAGE: usize = 1000;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    key: PublicKey,
    signature: Signature,
}

/// The keys of a lab, each with the size of the tree from which on it signs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    spans: Vec<(u64, PublicKey)>,
    /// Key changes so far.
    changes: u64,
}

impl Keys {
    pub(crate) fn new(identity: Identity) -> Self {
        Self {
            spans: identity.key.map(|key| (0, key)).into_iter().collect(),
            changes: 0,
        }
    }

    /// Reads every change. One that is not signed as it must be is passed over here; a check names it.
    pub(crate) fn read(view: &dyn View) -> Result<Self, Error> {
        let identity = view.identity()?;
        let mut keys = Self::new(identity);
        let mut after = 0;
        loop {
            let page = view.stream(STREAM, after, PAGE)?;
            for record in &page {
                after += 1;
                keys.follow(identity.lab, record);
            }
            if page.len() < PAGE {
                return Ok(keys);
            }
        }
    }

    /// Returns the key that signs now.
    pub(crate) fn in_force(&self) -> Option<PublicKey> {
        self.spans.last().map(|(_, key)| *key)
    }

    /// Returns the key that signs a tree of `size` events.
    pub(crate) fn at(&self, size: u64) -> Option<PublicKey> {
        let until = self.spans.partition_point(|(from, _)| *from <= size);
        self.spans[..until].last().map(|(_, key)| *key)
    }

    /// Returns every key that was ever in force.
    pub(crate) fn all(&self) -> impl Iterator<Item = PublicKey> {
        self.spans.iter().map(|(_, key)| *key)
    }

    /// Takes the next event of the stream of key changes; returns whether it is a change that the
    /// key before it has signed. A lab that had no key signs the first with that key itself.
    pub(crate) fn follow(&mut self, lab: LabId, record: &Record) -> bool {
        self.changes += 1;
        let RecordBody::Inline(text) = &record.body else {
            return false;
        };
        let Ok(body) = serde_json::from_str::<Body>(text) else {
            return false;
        };
        let by = self.in_force().unwrap_or(body.key);
        let said = key_change_text(lab, self.changes, body.key);
        let is_good = record.kind == KIND
            && record.version == i64::from(VERSION)
            && is_signed(by, &said, body.signature);
        if is_good {
            self.spans.push((record.position.cast_unsigned(), body.key));
        }
        is_good
    }

    /// Returns the event with which the key in force, `by`, hands over to `next`.
    pub(crate) fn change(
        &self,
        lab: LabId,
        by: &Signer,
        next: PublicKey,
    ) -> Result<NewEvent, Error> {
        let signature = by.sign(&key_change_text(lab, self.changes + 1, next));
        let body = Body {
            key: next,
            signature,
        };
        match serde_json::to_string(&body) {
            Ok(body) => Ok(NewEvent::new(KIND, VERSION, body)),
            Err(source) => Err(Error::BodyNotJson {
                kind: KIND.to_owned(),
                source,
            }),
        }
    }
}
