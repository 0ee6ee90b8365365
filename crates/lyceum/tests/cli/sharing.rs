//! Checkpoints kept elsewhere, signed bundles, and kept files that nothing names.

use std::{fs, path::PathBuf};

use lyceum_ledger::BlobId;

use crate::support::{Place, Tiny};

fn finished() -> Place {
    let place = Place::new();
    place.study(&Tiny::default());
    place.run("tiny", &[]).exits(0);
    place
}

fn open(place: &Place) -> lyceum_ledger::Ledger {
    let directory = place.lab().join("ledger");
    lyceum_ledger::Ledger::open(&directory, lyceum_ledger::Options::default()).unwrap()
}

fn change(place: &Place, sql: &str) {
    let store = rusqlite::Connection::open(place.lab().join("ledger/ledger.db")).unwrap();
    store.execute_batch(sql).unwrap();
}

/// Puts back an earlier end that was signed: that of the session before the last.
const CUT: &str = "DELETE FROM head WHERE size = (SELECT max(size) FROM head);
     DELETE FROM event WHERE position > (SELECT max(size) FROM head);
     DELETE FROM subtree WHERE (number + 1) << level > (SELECT max(size) FROM head)";

#[test]
fn a_checkpoint_kept_elsewhere_shows_a_cut_off_end() {
    let place = finished();
    let ledger = open(&place);
    let note = lyceum_ledger::NewEvent::new("note", 1, "1");
    ledger.append("notes", vec![note]).unwrap();
    drop(ledger);
    place
        .call(&["checkpoint", "--output", "kept"])
        .exits(0)
        .says(&["checkpoint of "]);
    let kept = fs::read_to_string(place.path().join("kept")).unwrap();
    assert!(kept.starts_with("lyceum-lab/"), "{kept}");
    assert_eq!(place.call(&["checkpoint"]).exits(0).out, kept);
    let again = place.call(&["checkpoint", "--output", "kept"]).exits(2);
    again.says(&[
        "failed to write",
        "hint: a checkpoint is never written over",
    ]);

    let alone = place.call(&["verify"]).exits(0);
    alone.prints("signatures: the lab's key has signed all ");
    alone.prints("checkpoint: none given, so three things cannot be seen: an earlier end put back");
    let with = place.call(&["verify", "--checkpoint", "kept"]).exits(0);
    with.prints("nothing was cut off or replaced");

    change(&place, CUT);
    let alone = place.call(&["verify", "--json"]).exits(0);
    assert_eq!(alone.json_lines()[0]["intact"], true);
    let with = place.call(&["verify", "--checkpoint", "kept"]).exits(1);
    with.prints("chain: the end was cut off: ");
    let with = place
        .call(&["verify", "--checkpoint", "kept", "--json"])
        .exits(1);
    assert_eq!(with.json_lines()[0]["intact"], false);

    fs::write(place.path().join("no"), "something else\n").unwrap();
    let done = place.call(&["verify", "--checkpoint", "no"]).exits(2);
    done.says(&["cannot use checkpoint `no`: not a checkpoint of a lab: expected "]);
    let other = finished();
    other.call(&["checkpoint", "--output", "kept"]).exits(0);
    let foreign = other.path().join("kept");
    let done = place
        .call(&["verify", "--checkpoint", foreign.to_str().unwrap()])
        .exits(2);
    done.says(&["the checkpoint is of lab "]);
}

#[test]
fn an_end_rewritten_with_its_signatures_removed_is_told_and_stays_told() {
    let place = finished();
    change(
        &place,
        "UPDATE event SET at = at + 1 WHERE position = (SELECT max(position) FROM event);
         DELETE FROM head WHERE size = (SELECT max(size) FROM head)",
    );
    // Also with the chain computed anew, which needs no key.
    chain_anew_at_the_end(&place);
    let told = place.call(&["verify"]).exits(1);
    told.prints("carry no signature: it was removed, and what it covered may have been rewritten");
    place.call(&["export", "--bundle", "no"]).exits(1);
    place.call(&["gc"]).exits(1);
    // A session goes on, and what it found stays on record.
    drop(open(&place));
    let told = place.call(&["verify"]).exits(1);
    told.prints(" were found without one and signed only then");
    assert!(
        !told.out.contains("all as they were written"),
        "{}",
        told.out
    );
    place.call(&["verify", "--accept-unsigned"]).exits(0);
    // A bundle of the study alone would hide it.
    place
        .call(&["export", "--bundle", "no"])
        .exits(2)
        .says(&["were found without a signature", "--all"]);
    place
        .call(&["export", "--all", "--bundle", "whole"])
        .exits(0);
    let told = place.call(&["verify", "--json"]).exits(1).json_lines();
    assert_eq!(told[0]["found_unsigned"][0][0], 1, "{told:?}");
}

/// Gives the last event the hash that it should have, as `FORMAT.md` says.
fn chain_anew_at_the_end(place: &Place) {
    let store = rusqlite::Connection::open(place.lab().join("ledger/ledger.db")).unwrap();
    let before: Vec<u8> = store
        .query_row(
            "SELECT hash FROM event ORDER BY position DESC LIMIT 1 OFFSET 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let last = "SELECT position, seq, at, version, stream, kind, body FROM event ORDER BY position DESC LIMIT 1";
    let (position, preimage) = store
        .query_row(last, [], |row| {
            let mut text = b"lyceum event   1".to_vec();
            text.extend(&before);
            for column in 0..3 {
                text.extend(row.get::<_, i64>(column)?.to_le_bytes());
            }
            text.extend(row.get::<_, u32>(3)?.to_le_bytes());
            for column in 4..6 {
                let name: String = row.get(column)?;
                text.extend((name.len() as u64).to_le_bytes());
                text.extend(name.as_bytes());
            }
            let body: String = row.get(6)?;
            text.extend(BlobId::of(body.as_bytes()).as_bytes());
            text.extend(0_u64.to_le_bytes());
            Ok((row.get::<_, i64>(0)?, text))
        })
        .unwrap();
    let hash = BlobId::of(&preimage);
    store
        .execute(
            "UPDATE event SET hash = ?1 WHERE position = ?2",
            rusqlite::params![hash.as_bytes(), position],
        )
        .unwrap();
}

#[test]
fn a_new_key_is_signed_by_the_old_one() {
    let place = finished();
    place.call(&["checkpoint", "--output", "before"]).exits(0);
    let key = |place: &Place| {
        let done = place.call(&["checkpoint", "--json"]).exits(0);
        done.json_lines()[0]["key"].as_str().unwrap().to_owned()
    };
    let before = key(&place);
    place
        .call(&["checkpoint", "--new-key"])
        .exits(0)
        .says(&["the lab signs with key "]);
    assert_ne!(key(&place), before);
    place.call(&["verify", "--checkpoint", "before"]).exits(0);
    fs::remove_file(place.lab().join("ledger/key")).unwrap();
    let done = place.call(&["checkpoint"]).exits(2);
    done.says(&[
        "the key of the lab is not in ",
        "hint: restore the file `key`",
    ]);
    place.assert_intact();
    place
        .run("tiny", &["--again"])
        .exits(0)
        .says(&["warning: the lab's key is not in "]);
    place
        .call(&["verify"])
        .exits(1)
        .prints("carry no signature");
}

#[test]
fn blobs_that_nothing_names_are_shown_and_removed() {
    let place = finished();
    let spare = "00".repeat(32);
    let path: PathBuf = place.lab().join("ledger/blobs/00").join(&spare);
    place.call(&["gc"]).exits(0).prints("0 blobs of 0 bytes");
    fs::write(&path, "spare").unwrap();
    let shown = place.call(&["gc", "--dry-run"]).exits(0);
    shown.prints(&format!(
        "{spare}\n1 blobs of 5 bytes that no event names: would be removed"
    ));
    assert!(path.exists());
    // A blob whose bytes are not those of its name is a finding, and nothing is removed then.
    place
        .call(&["gc"])
        .exits(1)
        .says(&["is not as it was written"]);
    fs::remove_file(&path).unwrap();
    let ledger = open(&place);
    let id = ledger.put_blob(b"spare").unwrap().to_string();
    let busy = place.call(&["gc"]).exits(75);
    busy.says(&["is in use by"]);
    drop(ledger);
    let removed = place.call(&["gc", "--json"]).exits(0);
    assert_eq!(removed.json_lines()[0]["blobs"], serde_json::json!([id]));
    place.call(&["gc"]).exits(0).prints("0 blobs of 0 bytes");
    place.assert_intact();
}

#[test]
fn what_a_receipt_names_is_kept() {
    let place = finished();
    let ledger = open(&place);
    let id = ledger.put_blob(b"output").unwrap().to_string();
    drop(ledger);
    let receipts = place.lab().join("receipts/tiny");
    fs::create_dir_all(&receipts).unwrap();
    fs::write(receipts.join("r1"), format!("{{\"output\":\"{id}\"}}")).unwrap();
    place
        .call(&["gc", "--dry-run"])
        .exits(0)
        .prints("0 blobs of 0 bytes");
    place.call(&["gc"]).exits(0).prints("0 blobs of 0 bytes");
    fs::remove_dir_all(&receipts).unwrap();
    place.call(&["gc"]).exits(0).prints(&id);
}

#[test]
fn nothing_is_signed_in_vain() {
    let place = finished();
    let key = place.call(&["checkpoint", "--json"]).exits(0).json_lines()[0]["key"].clone();
    fs::write(place.path().join("there"), "").unwrap();
    place
        .call(&["checkpoint", "--new-key", "--output", "there"])
        .exits(2)
        .says(&["failed to write `there`"]);
    let now = place.call(&["checkpoint", "--json"]).exits(0).json_lines()[0]["key"].clone();
    assert_eq!(now, key, "the key was changed");

    place.call(&["checkpoint", "--output", "kept"]).exits(0);
    let kept = fs::read_to_string(place.path().join("kept")).unwrap();
    let size = kept.lines().nth(1).unwrap();
    let other = kept.replace(&format!("\n{size}\n"), "\n1\n");
    fs::write(place.path().join("changed"), other).unwrap();
    place
        .call(&["verify", "--checkpoint", "changed"])
        .exits(2)
        .says(&["the checkpoint is not as it was written"]);

    change(&place, "UPDATE event SET at = at + 1 WHERE position = 2");
    for call in [
        ["checkpoint", "--output", "new"],
        ["export", "--bundle", "new"],
    ] {
        place
            .call(&call)
            .exits(1)
            .says(&["is not as it was written"]);
        assert!(!place.path().join("new").exists());
    }
}

#[test]
fn a_study_travels_with_its_signature() {
    let place = finished();
    let file = place.path().join("tiny.bundle");
    let path = file.to_str().unwrap();
    place
        .call(&["export", "tiny", "--bundle", path])
        .exits(0)
        .prints(" events and ");
    place
        .call(&["export", "tiny", "--bundle", path])
        .exits(2)
        .says(&["is there already"]);
    let key = place.call(&["checkpoint", "--json"]).exits(0).json_lines()[0]["key"].clone();

    let other = finished();
    let wrong = "00".repeat(32);
    let refused = other.call(&["import", path, "--key", &wrong]).exits(2);
    refused.says(&["the bundle is signed by key "]);
    let done = other
        .call(&["import", path, "--key", key.as_str().unwrap()])
        .exits(0);
    done.prints("imported study tiny~2: ");
    assert_eq!(other.events("tiny~2"), place.events("tiny"));
    let verified = other.call(&["verify"]).exits(0);
    verified.prints("imports: 1 checked, each as its own lab signed it");
    verified.prints("tiny~2: ");
    verified.prints(", 0 differ");
    assert_eq!(other.experiments("tiny~2"), place.experiments("tiny"));
    other
        .call(&["import", path, "--as", "tiny"])
        .exits(2)
        .says(&["the lab holds a study `tiny`"]);

    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let refused = other.call(&["import", path]).exits(2);
    refused.says(&[
        "the bundle is not as it was written",
        "nothing of it was taken",
    ]);
    fs::write(&file, &bytes[..middle]).unwrap();
    other
        .call(&["import", path])
        .exits(2)
        .says(&["the bundle is cut off after "]);
    other.assert_intact();
}

#[test]
fn a_whole_lab_travels_with_its_signatures() {
    let place = finished();
    let file = place.path().join("lab.bundle");
    let path = file.to_str().unwrap();
    place.call(&["export", "--all", "--bundle", path]).exits(0);
    place.call(&["checkpoint", "--output", "kept"]).exits(0);
    let kept = place.path().join("kept");

    let other = Place::new();
    other
        .call(&["import", path])
        .exits(0)
        .prints("imported a whole lab: ");
    assert_eq!(other.events("tiny"), place.events("tiny"));
    let words = ["verify", "--checkpoint", kept.to_str().unwrap()];
    other
        .call(&words)
        .exits(0)
        .prints("nothing was cut off or replaced");
    other
        .call(&["import", path])
        .exits(2)
        .says(&["holds a ledger already"]);
    assert!(!other.lab().join("ledger/key").exists());
}
