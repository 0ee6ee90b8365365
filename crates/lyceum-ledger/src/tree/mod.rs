//! The Merkle tree over events, as RFC 6962 section 2.1 defines it, with SHA-256.
//!
//! The leaf of an event is its hash in the chain. A head of the tree therefore fixes every event, and
//! a proof of a few hashes shows that one event, or an earlier head, belongs to it.

mod frontier;
mod kept;
mod proof;

use sha2::{Digest as _, Sha256};

use crate::hash::{Hash, TreeHash};

pub(crate) use frontier::Frontier;
pub(crate) use kept::{frontier, range};
pub(crate) use proof::{prove_consistency, prove_inclusion, prove_many, root_of_many};
pub use proof::{verify_consistency, verify_inclusion};

/// Levels of the tree between those whose nodes are kept: one hash in 256 events, then one in 65,536.
pub(crate) const LEVELS_APART: u32 = 8;

/// The size of a tree and the hash at its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// How many events the tree covers, from the first on.
    pub size: u64,
    /// The hash at its root.
    pub root: TreeHash,
}

/// A node of the tree under which every place is taken, kept so that a head needs few hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subtree {
    /// Its height: it covers 2^level events.
    pub level: u32,
    /// Which of its level it is, from 0.
    pub number: u64,
    /// The hash of the node.
    pub hash: TreeHash,
}

/// Returns the root of the tree without leaves.
pub(crate) fn empty() -> TreeHash {
    TreeHash::from_bytes(Sha256::digest([]).into())
}

/// Returns the leaf of the event with this hash.
pub(crate) fn leaf(event: Hash) -> TreeHash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(event.as_bytes());
    TreeHash::from_bytes(hasher.finalize().into())
}

/// Returns the node above two others.
pub(crate) fn node(left: TreeHash, right: TreeHash) -> TreeHash {
    let mut hasher = Sha256::new();
    hasher.update([1]);
    hasher.update(left.as_bytes());
    hasher.update(right.as_bytes());
    TreeHash::from_bytes(hasher.finalize().into())
}

/// Returns the root above perfect subtrees of one height, a power of two of them.
pub(crate) fn fold(mut level: Vec<TreeHash>) -> Option<TreeHash> {
    while level.len() > 1 {
        let (pairs, []) = level.as_chunks::<2>() else {
            return None;
        };
        level = pairs
            .iter()
            .map(|[left, right]| node(*left, *right))
            .collect();
    }
    level.first().copied()
}

/// Returns how many of `size` leaves are to the left of the root: the largest power of two below.
fn left_of(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}
