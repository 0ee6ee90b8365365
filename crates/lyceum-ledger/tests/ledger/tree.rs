//! Proofs from a real ledger, across the subtrees that it keeps.

use lyceum_ledger::{verify_consistency, verify_inclusion};

use crate::support::{event, fresh};

#[test]
fn every_event_and_every_earlier_head_is_proven_to_belong_to_the_tree() {
    let (_directory, ledger) = fresh();
    let sizes = [0_u64, 1, 2, 255, 256, 257, 511, 512, 700, 1500];
    let mut heads = Vec::new();
    let mut written = Vec::new();
    for size in sizes {
        let more = size as usize - written.len();
        written.extend(ledger.append("a", vec![event(size); more]).unwrap());
        let reader = ledger.reader().unwrap();
        heads.push(reader.tree_head().unwrap());
        assert_eq!(reader.tree_head().unwrap().size, size);
    }
    let reader = ledger.reader().unwrap();
    for new in &heads {
        assert_eq!(reader.tree_head_at(new.size).unwrap(), *new);
        for old in &heads {
            let Some(path) = reader.prove_consistency(old.size, new.size).unwrap() else {
                assert!(old.size > new.size);
                continue;
            };
            assert!(verify_consistency(*old, *new, &path), "{old:?} {new:?}");
        }
        for position in [1, 2, 200, 256, 257, 512, 513, 699, 1500] {
            let Some(path) = reader.prove_inclusion(position, new.size).unwrap() else {
                assert!(position > new.size);
                continue;
            };
            let hash = written[position as usize - 1].hash;
            assert!(verify_inclusion(hash, position - 1, *new, &path));
            assert!(!verify_inclusion(
                written[2].hash,
                position - 1,
                *new,
                &path
            ));
        }
    }
    assert_eq!(reader.prove_inclusion(0, 10).unwrap(), None);
}
