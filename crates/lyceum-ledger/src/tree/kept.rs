//! Heads and proofs from what a store keeps: hashes of events, and one subtree in every 256.

use super::{Frontier, LEVELS_APART, fold, leaf, left_of, node};
use crate::error::Error;
use crate::hash::TreeHash;
use crate::store::View;

/// Returns the hash of the leaves from `start` to before `end`, which must be a subtree.
pub(crate) fn range(view: &dyn View, start: u64, end: u64) -> Result<TreeHash, Error> {
    let leaves = end - start;
    if leaves.is_power_of_two() {
        return perfect(view, start, leaves.trailing_zeros());
    }
    let middle = start + left_of(leaves);
    Ok(node(range(view, start, middle)?, range(view, middle, end)?))
}

/// Returns the right edge of the tree over the first `size` events.
pub(crate) fn frontier(view: &dyn View, size: u64) -> Result<Frontier, Error> {
    let mut edge = Vec::new();
    let mut start = 0;
    for level in (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1) {
        edge.push(perfect(view, start, level)?);
        start += 1 << level;
    }
    Frontier::from_edge(size, edge).ok_or_else(|| too_few(size))
}

/// Returns the hash of 2^level leaves from `start` on. A subtree that is not kept, as in ledgers of
/// version 1, is computed from those below it.
fn perfect(view: &dyn View, start: u64, level: u32) -> Result<TreeHash, Error> {
    let kept = level - level % LEVELS_APART;
    let count = 1_usize << (level - kept);
    if kept > 0 {
        let found = view.subtrees(kept, start >> kept, count)?;
        if found.len() == count
            && let Some(hash) = fold(found)
        {
            return Ok(hash);
        }
        let half = 1 << (level - 1);
        let left = perfect(view, start, level - 1)?;
        return Ok(node(left, perfect(view, start + half, level - 1)?));
    }
    let leaves: Vec<_> = view.hashes(start, count)?.into_iter().map(leaf).collect();
    if leaves.len() != count {
        return Err(too_few(start + leaves.len() as u64));
    }
    fold(leaves).ok_or_else(|| too_few(start))
}

fn too_few(position: u64) -> Error {
    Error::Damaged {
        position: position as i64 + 1,
        what: "it is not there, but later ones are",
    }
}
