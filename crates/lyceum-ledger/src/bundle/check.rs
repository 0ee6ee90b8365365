//! Checking a bundle whole, keeping nothing of it.

use std::collections::HashSet;

use serde::de::IgnoredAny;

use super::walk::Visitor;
use super::{BundleError, Manifest, changed};
use crate::chain;
use crate::hash::{BlobId, Hash, TreeHash};
use crate::keys::{self, Keys};
use crate::ledger::{BODY_BYTES_MAX, KIND_BYTES_MAX, STREAM_BYTES_MAX};
use crate::signed::{Checkpoint, SignedHead};
use crate::store::{Identity, Record, RecordBody, decompress};
use crate::tree::{self, Frontier, TreeHead};

/// What a check has seen so far.
pub(super) struct Checker {
    pub(super) manifest: Option<Manifest>,
    pub(super) checkpoint: Option<Checkpoint>,
    keys: Keys,
    heads: Vec<SignedHead>,
    /// The hash of the last event of a whole lab.
    previous: Hash,
    tree: Frontier,
    /// Index and hash of each event of a stream.
    leaves: Vec<(u64, Hash)>,
    events: u64,
    blobs: u64,
    /// Blobs that events name and that have not come yet.
    missing: HashSet<BlobId>,
    /// Those among them that are the body of an event.
    bodies: HashSet<BlobId>,
    scratch: Vec<u8>,
}

impl Default for Checker {
    fn default() -> Self {
        Self {
            manifest: None,
            checkpoint: None,
            keys: Keys::default(),
            heads: Vec::new(),
            previous: Hash::from_bytes([0; 32]),
            tree: Frontier::default(),
            leaves: Vec::new(),
            events: 0,
            blobs: 0,
            missing: HashSet::new(),
            bodies: HashSet::new(),
            scratch: Vec::new(),
        }
    }
}

impl Checker {
    fn parts(&self) -> Result<(&Manifest, &Checkpoint), BundleError> {
        match (&self.manifest, &self.checkpoint) {
            (Some(manifest), Some(checkpoint)) => Ok((manifest, checkpoint)),
            _ => Err(changed("it has no beginning")),
        }
    }

    /// Compares the tree of a whole lab with the heads that were signed of it at this size.
    fn signed_here(&mut self) -> Result<(), BundleError> {
        let now = self.tree.head();
        while let Some(head) = self.heads.pop_if(|one| one.head.size == now.size) {
            if head.head != now || self.keys.at(now.size) != Some(head.key) {
                return Err(not_signed());
            }
        }
        Ok(())
    }
}

/// Refuses what no ledger can hold as a body, before anything is taken.
fn check_body(text: &[u8], position: u64) -> Result<(), BundleError> {
    if is_json(text) {
        Ok(())
    } else {
        Err(changed(format!("the body of event {position} is not JSON")))
    }
}

fn is_json(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes);
    text.is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

fn not_signed() -> BundleError {
    changed("its events are not those that the lab signed")
}

impl Visitor for Checker {
    fn begin(&mut self, manifest: &Manifest, checkpoint: &Checkpoint) -> Result<(), BundleError> {
        let identity = Identity {
            lab: manifest.lab,
            key: manifest.made_with,
        };
        self.keys = Keys::new(identity);
        self.previous = chain::genesis(identity);
        self.manifest = Some(manifest.clone());
        self.checkpoint = Some(*checkpoint);
        Ok(())
    }

    fn head(&mut self, head: SignedHead) -> Result<(), BundleError> {
        let is_next = self
            .heads
            .last()
            .is_none_or(|last| last.head.size < head.head.size);
        if !is_next || !head.is_right(self.parts()?.0.lab) {
            return Err(not_signed());
        }
        self.heads.push(head);
        Ok(())
    }

    fn event(&mut self, record: Record, previous: Option<Hash>) -> Result<(), BundleError> {
        let is_whole = self.parts()?.0.stream.is_none();
        if is_whole && self.events == 0 {
            // The last first, to be taken off as the tree grows.
            self.heads.reverse();
            self.signed_here()?;
        }
        self.events += 1;
        let expected_previous = if is_whole {
            Some(self.previous)
        } else {
            previous
        };
        let in_order = if is_whole {
            previous.is_none() && record.position.cast_unsigned() == self.events
        } else {
            let stream = self.parts()?.0.stream.as_ref();
            stream == Some(&record.stream) && record.seq.cast_unsigned() == self.events
        };
        let body = record.body_id();
        let position = record.position.cast_unsigned();
        let hash = expected_previous
            .filter(|_| in_order && position > 0)
            .and_then(|previous| record.hash_at(position, previous, body, &mut self.scratch));
        if hash != Some(record.hash) {
            return Err(changed(format!(
                "event {position} does not have the hash that it names"
            )));
        }
        match &record.body {
            RecordBody::Inline(text) => check_body(text.as_bytes(), position)?,
            RecordBody::Blob(id) => {
                self.bodies.insert(*id);
            }
        }
        for (what, text, allowed) in [
            ("stream", &record.stream, STREAM_BYTES_MAX),
            ("kind", &record.kind, KIND_BYTES_MAX),
        ] {
            if !(1..=allowed).contains(&text.len()) {
                return Err(changed(format!(
                    "the {what} of event {position} has {} bytes, but must have 1 to {allowed}",
                    text.len()
                )));
            }
        }
        self.missing.extend(record.named_blobs());
        if is_whole {
            self.previous = record.hash;
            self.tree.push(record.hash, |_| ());
            if record.stream == keys::STREAM {
                let lab = self.parts()?.0.lab;
                if !self.keys.follow(lab, &record) {
                    return Err(changed(
                        "a change of key is not signed by the key before it",
                    ));
                }
            }
            self.signed_here()
        } else {
            self.leaves.push((position - 1, record.hash));
            Ok(())
        }
    }

    fn proof(&mut self, hashes: Vec<TreeHash>) -> Result<(), BundleError> {
        let TreeHead { size, root } = self.parts()?.1.head;
        if tree::root_of_many(&self.leaves, size, &hashes) == Some(root) {
            Ok(())
        } else {
            Err(not_signed())
        }
    }

    fn blob(&mut self, id: BlobId, compressed: &[u8]) -> Result<(), BundleError> {
        let mut hasher = blake3::Hasher::new();
        let is_body = self.bodies.remove(&id);
        let mut body = Vec::new();
        let whole = decompress(compressed, &mut |piece| {
            hasher.update(piece);
            // One byte more than allowed is enough to refuse it.
            if is_body && body.len() <= BODY_BYTES_MAX {
                body.extend_from_slice(piece);
            }
        });
        let found = BlobId::from_bytes(*hasher.finalize().as_bytes());
        if whole.is_err() || found != id {
            return Err(changed(format!("blob {id} was changed")));
        }
        if is_body {
            if body.len() > BODY_BYTES_MAX {
                return Err(changed(format!(
                    "the body in blob {id} has more than {BODY_BYTES_MAX} bytes"
                )));
            }
            if !is_json(&body) {
                return Err(changed(format!("the body in blob {id} is not JSON")));
            }
        }
        self.blobs += 1;
        if self.missing.remove(&id) {
            Ok(())
        } else {
            Err(changed(format!("no event names blob {id}")))
        }
    }

    fn end(&mut self) -> Result<(), BundleError> {
        let (manifest, checkpoint) = self.parts()?;
        if let Some(id) = self.missing.iter().next() {
            return Err(changed(format!("blob {id} is missing")));
        }
        if (manifest.events, manifest.blobs) != (self.events, self.blobs) {
            return Err(changed(format!(
                "it has {} events and {} blobs, but says {} and {}",
                self.events, self.blobs, manifest.events, manifest.blobs
            )));
        }
        if manifest.stream.is_none() {
            let left = if self.events == 0 {
                self.heads.iter().any(|head| head.head != self.tree.head())
            } else {
                !self.heads.is_empty()
            };
            let key = self.keys.in_force();
            if left || self.tree.head() != checkpoint.head || key != Some(manifest.key) {
                return Err(not_signed());
            }
        }
        Ok(())
    }
}
