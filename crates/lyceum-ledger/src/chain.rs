//! The hash chain. The encoding is specified in `FORMAT.md`; changing it changes every ledger.

use crate::hash::{BlobId, Hash};
use crate::store::Identity;

/// Starts the preimage of a chain's first link in a ledger that was made without a key.
const GENESIS_1_TAG: &[u8; 16] = b"lyceum genesis 1";

/// Starts the preimage of a chain's first link.
const GENESIS_2_TAG: &[u8; 16] = b"lyceum genesis 2";

/// Starts the preimage of every event's hash.
const EVENT_TAG: &[u8; 16] = b"lyceum event   1";

/// Everything that an event's hash covers except the hash before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link<'a> {
    pub(crate) position: u64,
    pub(crate) stream: &'a str,
    pub(crate) seq: u64,
    pub(crate) at_unix_ms: i64,
    pub(crate) kind: &'a str,
    pub(crate) version: u32,
    /// BLAKE3 of the body's bytes, so that the chain can be checked where a body is not at hand.
    pub(crate) body: BlobId,
    pub(crate) blobs: &'a [BlobId],
}

/// Returns the hash that the first event of a lab follows.
pub(crate) fn genesis(identity: Identity) -> Hash {
    let mut hasher = blake3::Hasher::new();
    match identity.key {
        None => hasher.update(GENESIS_1_TAG).update(identity.lab.as_bytes()),
        Some(key) => hasher
            .update(GENESIS_2_TAG)
            .update(identity.lab.as_bytes())
            .update(key.as_bytes()),
    };
    Hash::from_bytes(*hasher.finalize().as_bytes())
}

/// Returns the hash of the event `link` that follows the event with hash `previous`.
///
/// `scratch` is only there to be used again; its contents do not matter.
pub(crate) fn hash(previous: Hash, link: &Link<'_>, scratch: &mut Vec<u8>) -> Hash {
    scratch.clear();
    scratch.extend_from_slice(EVENT_TAG);
    scratch.extend_from_slice(previous.as_bytes());
    scratch.extend_from_slice(&link.position.to_le_bytes());
    scratch.extend_from_slice(&link.seq.to_le_bytes());
    scratch.extend_from_slice(&link.at_unix_ms.to_le_bytes());
    scratch.extend_from_slice(&link.version.to_le_bytes());
    for text in [link.stream, link.kind] {
        scratch.extend_from_slice(&(text.len() as u64).to_le_bytes());
        scratch.extend_from_slice(text.as_bytes());
    }
    scratch.extend_from_slice(link.body.as_bytes());
    scratch.extend_from_slice(&(link.blobs.len() as u64).to_le_bytes());
    for blob in link.blobs {
        scratch.extend_from_slice(blob.as_bytes());
    }
    Hash::from_bytes(*blake3::hash(scratch).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{LabId, PublicKey};

    const LINK: Link<'_> = Link {
        position: 2,
        stream: "study/a",
        seq: 1,
        at_unix_ms: 1_700_000_000_000,
        kind: "run.finished",
        version: 3,
        body: BlobId::from_bytes([7; 32]),
        blobs: &[BlobId::from_bytes([9; 32])],
    };

    fn of(link: &Link<'_>) -> Hash {
        let identity = Identity {
            lab: LabId::from_bytes([1; 16]),
            key: None,
        };
        hash(genesis(identity), link, &mut Vec::new())
    }

    #[test]
    fn a_chain_starts_from_its_lab_and_its_key() {
        let start = |lab, key: Option<[u8; 32]>| {
            genesis(Identity {
                lab: LabId::from_bytes([lab; 16]),
                key: key.map(PublicKey::from_bytes),
            })
        };
        let mut starts = vec![
            start(1, None),
            start(2, None),
            start(1, Some([1; 32])),
            start(1, Some([2; 32])),
        ];
        starts.sort_unstable();
        starts.dedup();
        assert_eq!(starts.len(), 4);
    }

    #[test]
    fn every_field_changes_the_hash() {
        let changed = [
            Link {
                position: 3,
                ..LINK
            },
            Link {
                stream: "study/b",
                ..LINK
            },
            Link { seq: 2, ..LINK },
            Link {
                at_unix_ms: -1,
                ..LINK
            },
            Link {
                kind: "run.started",
                ..LINK
            },
            Link { version: 4, ..LINK },
            Link {
                body: BlobId::from_bytes([8; 32]),
                ..LINK
            },
            Link { blobs: &[], ..LINK },
            Link {
                stream: "study/ar",
                kind: "un.finished",
                ..LINK
            },
        ];
        let mut hashes: Vec<_> = changed.iter().map(of).collect();
        hashes.push(of(&LINK));
        hashes.push(hash(Hash::from_bytes([0; 32]), &LINK, &mut Vec::new()));
        let all = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), all);
    }
}
