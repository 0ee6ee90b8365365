//! The chain as `FORMAT.md` specifies it, written a second time without the crate's own code.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use lyceum_ledger::{Clock, Entropy, LabId, Ledger, NewEvent, Options, Timestamp};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::child;

/// Returns the hash that `FORMAT.md` gives the row at `position`, after the row before it.
pub(crate) fn hash_of(connection: &Connection, position: i64) -> Vec<u8> {
    let previous = if position == 1 {
        let id: Vec<u8> = connection
            .query_row("SELECT id FROM lab", [], |row| row.get(0))
            .unwrap();
        let key: Vec<u8> = connection
            .query_row("SELECT public FROM key", [], |row| row.get(0))
            .unwrap();
        blake3::hash(&[b"lyceum genesis 2", id.as_slice(), &key].concat())
            .as_bytes()
            .to_vec()
    } else {
        connection
            .query_row(
                "SELECT hash FROM event WHERE position = ?1",
                [position - 1],
                |row| row.get::<_, Vec<u8>>(0),
            )
            .unwrap()
    };
    let sql = "SELECT seq, at, version, stream, kind, body, body_blob, blobs \
               FROM event WHERE position = ?1";
    connection
        .query_row(sql, [position], |row| {
            let stream: String = row.get(3)?;
            let kind: String = row.get(4)?;
            let body = match row.get::<_, Option<String>>(5)? {
                Some(body) => blake3::hash(body.as_bytes()).as_bytes().to_vec(),
                None => row.get::<_, Vec<u8>>(6)?,
            };
            let blobs: Vec<u8> = row.get::<_, Option<Vec<u8>>>(7)?.unwrap_or_default();
            let preimage = [
                b"lyceum event   1".to_vec(),
                previous.clone(),
                (position as u64).to_le_bytes().to_vec(),
                (row.get::<_, i64>(0)? as u64).to_le_bytes().to_vec(),
                row.get::<_, i64>(1)?.to_le_bytes().to_vec(),
                (row.get::<_, i64>(2)? as u32).to_le_bytes().to_vec(),
                (stream.len() as u64).to_le_bytes().to_vec(),
                stream.into_bytes(),
                (kind.len() as u64).to_le_bytes().to_vec(),
                kind.into_bytes(),
                body,
                (blobs.len() as u64 / 32).to_le_bytes().to_vec(),
                blobs,
            ];
            Ok(blake3::hash(&preimage.concat()).as_bytes().to_vec())
        })
        .unwrap()
}

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(1_763_780_000_123)
    }
}

struct Fours;

impl Entropy for Fours {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(4);
    }
}

/// The ledger that the fixtures hold, each in its version.
fn write_sample(directory: &Path) {
    let lab = Some(LabId::from_bytes(*b"a lab of fixture"));
    let options = Options {
        clock: Arc::new(Fixed),
        entropy: Arc::new(Fours),
        lab,
        ..Options::default()
    };
    let ledger = Ledger::open(directory, options).unwrap();
    let blob = ledger.put_blob(b"bytes of a model").unwrap();
    let small = NewEvent::new("study.opened", 1, "{\"question\":\"why?\"}");
    let large = NewEvent::new("run.log", 2, format!("\"{}\"", "0123456789".repeat(500)));
    ledger
        .append("study/é", vec![small, large.with_blobs([blob])])
        .unwrap();
    ledger
        .append("lab", vec![NewEvent::new("lab.closed", 0, "null")])
        .unwrap();
}

/// The heads of that ledger in versions 1 and 2. If one ever changes, no ledger of that version
/// verifies any more.
const SAMPLE_HEADS: [&str; 2] = [
    "c6ed7f497ae980817c8b753abfa0febade557fc4e342ee456974ea6e387b6148",
    "d1f7b0f388abf4938a545394f6423c7d531463ff9cd75fdddfddbe88fe36f3fa",
];

#[test]
fn the_chain_is_the_one_that_is_specified() {
    let directory = TempDir::new().unwrap();
    write_sample(directory.path());
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    for position in 1..=3 {
        let stored: Vec<u8> = connection
            .query_row(
                "SELECT hash FROM event WHERE position = ?1",
                [position],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(
            stored,
            hash_of(&connection, position),
            "position {position}"
        );
    }
    let head = Ledger::open_read_only(directory.path())
        .unwrap()
        .head()
        .unwrap();
    assert_eq!(head.hash.to_string(), SAMPLE_HEADS[1]);
}

/// The Merkle tree hash as RFC 6962 defines it.
fn root_of(leaves: &[Vec<u8>]) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    match leaves {
        [] => Sha256::digest([]).to_vec(),
        [one] => Sha256::digest([vec![0], one.clone()].concat()).to_vec(),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Sha256::digest([vec![1], root_of(left), root_of(right)].concat()).to_vec()
        }
    }
}

/// The lines of a checkpoint that are signed.
fn signed_text(lab: &[u8], size: usize, root: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let lab = LabId::from_bytes(lab.try_into().unwrap()).to_string();
    // 32 bytes are 42 digits of six bits, one of four, and one sign of padding.
    let bit = |at: usize| {
        root.get(at / 8)
            .map_or(0, |byte| usize::from(byte >> (7 - at % 8) & 1))
    };
    let digit = |start: usize| {
        let six = (start..start + 6).fold(0, |number, at| number * 2 + bit(at));
        char::from(DIGITS[six])
    };
    let root: String = (0..256).step_by(6).map(digit).collect();
    format!("lyceum-lab/{lab}\n{size}\n{root}=\n")
}

#[test]
fn the_tree_and_its_signatures_are_the_ones_that_are_specified() {
    let directory = TempDir::new().unwrap();
    for _ in 0..3 {
        write_sample(directory.path());
    }
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    let (lab, key): (Vec<u8>, [u8; 32]) = connection
        .query_row("SELECT id, public FROM lab, key", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    let key = ed25519_dalek::VerifyingKey::from_bytes(&key).unwrap();
    let leaves: Vec<Vec<u8>> = connection
        .prepare("SELECT hash FROM event ORDER BY position")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let mut heads = connection
        .prepare("SELECT size, root, signature FROM head ORDER BY size")
        .unwrap();
    let mut rows = heads.query([]).unwrap();
    let mut sizes = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let size: usize = row.get::<_, i64>(0).unwrap() as usize;
        let root = root_of(&leaves[..size]);
        assert_eq!(row.get::<_, Vec<u8>>(1).unwrap(), root);
        let signature = ed25519_dalek::Signature::from_bytes(&row.get(2).unwrap());
        let text = signed_text(&lab, size, &root);
        key.verify_strict(text.as_bytes(), &signature).unwrap();
        sizes.push(size);
    }
    assert_eq!(sizes, [0, 3, 6, 9]);
    let reader = Ledger::open_read_only(directory.path()).unwrap();
    let note = reader.checkpoint().unwrap().to_string();
    let text = signed_text(&lab, 9, &root_of(&leaves));
    assert!(
        note.starts_with(&format!("{text}\n\u{2014} lyceum-lab/")),
        "{note}"
    );
}

/// Returns a copy of the fixture of a version. Git keeps no mode, and a key must be its owner's alone.
fn fixture(version: usize) -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let directory = TempDir::new().unwrap();
    child::copy(
        &fixtures.join(format!("version-{version}")),
        directory.path(),
    );
    let key = directory.path().join("key");
    if key.exists() {
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }
    directory
}

#[test]
fn a_ledger_of_every_version_stays_readable() {
    for version in 1..=lyceum_ledger::SCHEMA_VERSION as usize {
        let directory = fixture(version);
        let reader = Ledger::open_read_only(directory.path()).unwrap();
        assert_eq!(reader.version().unwrap(), version as u32);
        let found = reader.verify().unwrap();
        assert_eq!(found.fault, None);
        assert_eq!(found.events_signed, if version == 1 { 0 } else { 3 });
        let head = reader.head().unwrap();
        assert_eq!(head.hash.to_string(), SAMPLE_HEADS[version - 1]);
        let events = reader.read("study/é", 0, 10).unwrap();
        assert_eq!(events[0].body, "{\"question\":\"why?\"}");
        assert_eq!(events[1].body.len(), 5002);
        assert_eq!(
            reader.blob(events[1].blobs[0]).unwrap(),
            b"bytes of a model"
        );
        let tree = reader.tree_head().unwrap();
        drop(reader);
        let ledger = Ledger::open(directory.path(), Options::default()).unwrap();
        let appended = ledger
            .append("lab", vec![NewEvent::new("lab.opened", 1, "null")])
            .unwrap();
        // A ledger of version 1 gets a key first, by an event.
        let position = if version == 1 { 5 } else { 4 };
        assert_eq!((appended[0].position, appended[0].seq), (position, 2));
        drop(ledger);
        let reader = Ledger::open_read_only(directory.path()).unwrap();
        assert_eq!(reader.version().unwrap(), lyceum_ledger::SCHEMA_VERSION);
        let found = reader.verify().unwrap();
        assert_eq!((found.fault, found.events_signed), (None, position));
        assert_eq!(
            reader.tree_head_at(3).unwrap(),
            tree,
            "nothing before was changed"
        );
        assert_eq!(
            reader.blob(events[1].blobs[0]).unwrap(),
            b"bytes of a model"
        );
    }
}

/// Writes the fixture anew: only when a new version of the format is made, into its own directory.
#[test]
#[ignore = "writes into the source tree"]
fn write_the_fixture() {
    let version = lyceum_ledger::SCHEMA_VERSION;
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let fixture = fixtures.join(format!("version-{version}"));
    assert!(
        !fixture.exists(),
        "a fixture that has been released is never written again"
    );
    write_sample(&fixture);
    fs::remove_file(fixture.join("lock")).unwrap();
}
