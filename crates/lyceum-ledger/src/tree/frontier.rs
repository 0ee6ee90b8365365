//! A tree that grows: the perfect subtrees at its right edge.

use super::{LEVELS_APART, Subtree, TreeHead, empty, leaf, node};
use crate::hash::{Hash, TreeHash};

/// The right edge of a tree: one perfect subtree for each bit that is set in its size.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frontier {
    size: u64,
    /// From the largest subtree to the smallest.
    edge: Vec<TreeHash>,
}

impl Frontier {
    /// Makes the frontier of a tree of `size` leaves from its perfect subtrees, largest first.
    pub(crate) fn from_edge(size: u64, edge: Vec<TreeHash>) -> Option<Self> {
        (size.count_ones() as usize == edge.len()).then_some(Self { size, edge })
    }

    /// Adds a leaf and gives each subtree that it completes and that is to be kept to `keep`.
    pub(crate) fn push(&mut self, event: Hash, mut keep: impl FnMut(Subtree)) {
        let mut hash = leaf(event);
        let mut level = 0;
        while self.size >> level & 1 == 1 {
            // The size has this bit, so there is a subtree of this height.
            if let Some(left) = self.edge.pop() {
                hash = node(left, hash);
            }
            level += 1;
            if level % LEVELS_APART == 0 {
                keep(Subtree {
                    level,
                    number: self.size >> level,
                    hash,
                });
            }
        }
        self.edge.push(hash);
        self.size += 1;
    }

    /// Returns the head of the tree as it is now.
    pub(crate) fn head(&self) -> TreeHead {
        let mut from_right = self.edge.iter().rev();
        let root = match from_right.next() {
            None => empty(),
            Some(last) => from_right.fold(*last, |right, left| node(*left, right)),
        };
        TreeHead {
            size: self.size,
            root,
        }
    }
}
