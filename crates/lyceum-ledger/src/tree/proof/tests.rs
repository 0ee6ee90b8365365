//! Against the definition of RFC 6962, computed the slow way.

use std::convert::Infallible;

use sha2::{Digest as _, Sha256};

use super::*;
use crate::tree::{Frontier, LEVELS_APART, empty, leaf};

const LEAVES_MAX: u64 = 70;

fn event(number: u64) -> Hash {
    Hash::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

/// The Merkle tree hash, word for word as RFC 6962 section 2.1 defines it.
fn defined(leaves: &[Hash]) -> Vec<u8> {
    match leaves {
        [] => Sha256::digest([]).to_vec(),
        [one] => Sha256::digest([&[0], one.as_bytes().as_slice()].concat()).to_vec(),
        _ => {
            let mut split = 1;
            while split * 2 < leaves.len() {
                split *= 2;
            }
            let (left, right) = leaves.split_at(split);
            Sha256::digest([vec![1], defined(left), defined(right)].concat()).to_vec()
        }
    }
}

fn all() -> Vec<Hash> {
    (0..LEAVES_MAX).map(event).collect()
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "what a prover asks may fail elsewhere"
)]
fn range(start: u64, end: u64) -> Result<TreeHash, Infallible> {
    let root = defined(&all()[start as usize..end as usize]);
    Ok(TreeHash::from_bytes(root.try_into().unwrap()))
}

fn head(size: u64) -> TreeHead {
    let Ok(root) = range(0, size);
    TreeHead { size, root }
}

/// The roots of the trees over the first inputs of the reference implementation's own tests
/// (certificate-transparency-go, `merkle_tree_test.go`): no leaf, and one empty leaf.
#[test]
fn the_published_roots_are_ours() {
    let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(empty().to_string(), hex);
    let one_empty_leaf = Sha256::digest([0]);
    let hex = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    assert_eq!(TreeHash::from_bytes(one_empty_leaf.into()).to_string(), hex);
}

#[test]
fn a_growing_tree_has_the_roots_of_the_definition() {
    let mut frontier = Frontier::default();
    for size in 0..LEAVES_MAX {
        assert_eq!(frontier.head(), head(size));
        frontier.push(event(size), |_| ());
    }
}

#[test]
fn subtrees_to_be_kept_are_those_of_the_definition() {
    let mut frontier = Frontier::default();
    let mut kept = Vec::new();
    for number in 0..600 {
        frontier.push(event(number), |subtree| kept.push(subtree));
    }
    let places: Vec<_> = kept.iter().map(|one| (one.level, one.number)).collect();
    assert_eq!(places, [(LEVELS_APART, 0), (LEVELS_APART, 1)]);
    let second: Vec<Hash> = (256..512).map(event).collect();
    assert_eq!(kept[1].hash.as_bytes().to_vec(), defined(&second));
}

#[test]
fn an_event_is_shown_to_be_where_it_is_and_nowhere_else() {
    for size in 1..LEAVES_MAX {
        for index in 0..size {
            let Ok(path) = prove_inclusion(index, size, &mut range);
            assert!(verify_inclusion(event(index), index, head(size), &path));
            assert!(!verify_inclusion(
                event(index + 1),
                index,
                head(size),
                &path
            ));
            assert!(!verify_inclusion(
                event(index),
                index + 1,
                head(size),
                &path
            ));
            assert!(!verify_inclusion(event(index), size, head(size), &path));
            let longer = [path.as_slice(), &[leaf(event(0))]].concat();
            assert!(!verify_inclusion(event(index), index, head(size), &longer));
            if let Some((_, shorter)) = path.split_last() {
                assert!(!verify_inclusion(event(index), index, head(size), shorter));
            }
        }
    }
}

#[test]
fn a_tree_is_shown_to_continue_its_past_and_nothing_else() {
    for size in 0..LEAVES_MAX {
        for old in 0..=size {
            let Ok(path) = prove_consistency(old, size, &mut range);
            assert!(
                verify_consistency(head(old), head(size), &path),
                "{old} {size}"
            );
            let other = TreeHead {
                root: leaf(event(old)),
                ..head(old)
            };
            assert!(
                !verify_consistency(other, head(size), &path),
                "{old} {size}"
            );
            if old != size {
                assert!(!verify_consistency(head(size), head(old), &path));
                let longer = [path.as_slice(), &[leaf(event(0))]].concat();
                assert!(!verify_consistency(head(old), head(size), &longer));
            }
        }
    }
}

#[test]
fn many_events_are_shown_at_once() {
    let choices: [&[u64]; 6] = [&[], &[0], &[4], &[0, 1, 2, 3], &[1, 5, 36], &[36]];
    let size = 37;
    for indices in choices {
        let Ok(hashes) = prove_many(indices, size, &mut range);
        let leaves: Vec<_> = indices
            .iter()
            .map(|index| (*index, event(*index)))
            .collect();
        assert_eq!(root_of_many(&leaves, size, &hashes), Some(head(size).root));
        let longer = [hashes.as_slice(), &[leaf(event(0))]].concat();
        assert_eq!(root_of_many(&leaves, size, &longer), None);
        for left_out in 0..leaves.len() {
            let mut fewer = leaves.clone();
            fewer.remove(left_out);
            assert_ne!(root_of_many(&fewer, size, &hashes), Some(head(size).root));
            let mut other = leaves.clone();
            other[left_out].1 = event(99);
            assert_ne!(root_of_many(&other, size, &hashes), Some(head(size).root));
        }
    }
    assert_eq!(root_of_many(&[(3, event(3)), (2, event(2))], 4, &[]), None);
    assert_eq!(root_of_many(&[(4, event(4))], 4, &[]), None);
    assert_eq!(root_of_many(&[], 0, &[]), Some(empty()));
}
