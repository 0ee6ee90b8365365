//! Proofs: that an event is in a tree, that a tree continues another, that many events are in one.

use super::{TreeHead, left_of, node};
use crate::hash::{Hash, TreeHash};

/// Where a prover gets the hash of the leaves from the first number to before the second.
/// It asks only for ranges that are a subtree of the tree.
type Range<'a, E> = dyn FnMut(u64, u64) -> Result<TreeHash, E> + 'a;

/// Returns the audit path of leaf `index` in the tree of `size` leaves (RFC 6962, 2.1.1), from the
/// leaf's neighbour upwards. `index` must be less than `size`.
pub(crate) fn prove_inclusion<E>(
    index: u64,
    size: u64,
    range: &mut Range<'_, E>,
) -> Result<Vec<TreeHash>, E> {
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + left_of(end - start);
        if index < middle {
            path.push(range(middle, end)?);
            end = middle;
        } else {
            path.push(range(start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Returns the proof that the tree of `size` leaves continues the one of `old` (RFC 6962, 2.1.2);
/// empty if one of them has no leaves or they are the same. `old` must not be greater than `size`.
pub(crate) fn prove_consistency<E>(
    old: u64,
    size: u64,
    range: &mut Range<'_, E>,
) -> Result<Vec<TreeHash>, E> {
    if old == 0 || old == size {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    // Whether the old tree is still the whole left part of what is looked at.
    let mut is_whole = true;
    while old != end {
        let middle = start + left_of(end - start);
        if old <= middle {
            path.push(range(middle, end)?);
            end = middle;
        } else {
            path.push(range(start, middle)?);
            start = middle;
            is_whole = false;
        }
    }
    if !is_whole {
        path.push(range(start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// Whether `path` shows that the event with hash `event` is leaf `index` of the tree `head`.
pub fn verify_inclusion(event: Hash, index: u64, head: TreeHead, path: &[TreeHash]) -> bool {
    if index >= head.size {
        return false;
    }
    // RFC 9162, 2.1.3.2.
    let (mut number, mut last) = (index, head.size - 1);
    let mut root = super::leaf(event);
    for step in path {
        if last == 0 {
            return false;
        }
        if number & 1 == 1 || number == last {
            root = node(*step, root);
            while number & 1 == 0 && number != 0 {
                number >>= 1;
                last >>= 1;
            }
        } else {
            root = node(root, *step);
        }
        number >>= 1;
        last >>= 1;
    }
    last == 0 && root == head.root
}

/// Whether `path` shows that the tree `new` continues the tree `old`.
pub fn verify_consistency(old: TreeHead, new: TreeHead, path: &[TreeHash]) -> bool {
    if old.size == new.size {
        return path.is_empty() && old.root == new.root;
    }
    if old.size > new.size {
        return false;
    }
    if old.size == 0 {
        return path.is_empty() && old.root == super::empty();
    }
    // RFC 9162, 2.1.4.2.
    let mut steps = path.iter().copied();
    let first = if old.size.is_power_of_two() {
        Some(old.root)
    } else {
        steps.next()
    };
    let Some(first) = first else { return false };
    let (mut number, mut last) = (old.size - 1, new.size - 1);
    while number & 1 == 1 {
        number >>= 1;
        last >>= 1;
    }
    let (mut before, mut after) = (first, first);
    for step in steps {
        if last == 0 {
            return false;
        }
        if number & 1 == 1 || number == last {
            before = node(step, before);
            after = node(step, after);
            while number & 1 == 0 && number != 0 {
                number >>= 1;
                last >>= 1;
            }
        } else {
            after = node(after, step);
        }
        number >>= 1;
        last >>= 1;
    }
    last == 0 && before == old.root && after == new.root
}

/// Returns the hashes that, together with the leaves at `indices`, give the root of the tree of
/// `size` leaves: from left to right the largest subtrees in which none of these leaves is.
/// `indices` must rise.
pub(crate) fn prove_many<E>(
    indices: &[u64],
    size: u64,
    range: &mut Range<'_, E>,
) -> Result<Vec<TreeHash>, E> {
    let mut hashes = Vec::new();
    if size > 0 {
        gather(indices, 0, size, range, &mut hashes)?;
    }
    Ok(hashes)
}

fn gather<E>(
    indices: &[u64],
    start: u64,
    end: u64,
    range: &mut Range<'_, E>,
    hashes: &mut Vec<TreeHash>,
) -> Result<(), E> {
    if indices.is_empty() {
        hashes.push(range(start, end)?);
    } else if end - start > 1 {
        let middle = start + left_of(end - start);
        let (left, right) = indices.split_at(indices.partition_point(|index| *index < middle));
        gather(left, start, middle, range, hashes)?;
        gather(right, middle, end, range, hashes)?;
    }
    Ok(())
}

/// Returns the root of the tree of `size` leaves that has the events `leaves` (index and hash, by
/// rising index) and otherwise what [`prove_many`] gave; nothing if they do not fit together.
pub(crate) fn root_of_many(
    leaves: &[(u64, Hash)],
    size: u64,
    hashes: &[TreeHash],
) -> Option<TreeHash> {
    let in_order = leaves.windows(2).all(|two| two[0].0 < two[1].0);
    if !in_order || leaves.last().is_some_and(|(index, _)| *index >= size) {
        return None;
    }
    if size == 0 {
        return hashes.is_empty().then(super::empty);
    }
    let mut rest = hashes.iter();
    let root = scatter(leaves, 0, size, &mut rest)?;
    rest.next().is_none().then_some(root)
}

fn scatter(
    leaves: &[(u64, Hash)],
    start: u64,
    end: u64,
    rest: &mut std::slice::Iter<'_, TreeHash>,
) -> Option<TreeHash> {
    if leaves.is_empty() {
        return rest.next().copied();
    }
    if end - start == 1 {
        return leaves.first().map(|(_, hash)| super::leaf(*hash));
    }
    let middle = start + left_of(end - start);
    let (left, right) = leaves.split_at(leaves.partition_point(|(index, _)| *index < middle));
    let left = scatter(left, start, middle, rest)?;
    let right = scatter(right, middle, end, rest)?;
    Some(node(left, right))
}

#[cfg(test)]
mod tests;
