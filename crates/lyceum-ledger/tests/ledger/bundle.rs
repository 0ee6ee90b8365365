//! Labs and streams as one signed file.

use std::fs;
use std::path::{Path, PathBuf};

use lyceum_ledger::{Bundle, BundleError, Fault, Ledger, NewEvent, Options, Reader};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{event, fresh, open};

/// A lab with two interleaved streams, bodies and blobs, a change of key, and its bundles.
struct Source {
    directory: TempDir,
}

impl Source {
    fn new(rounds: u64) -> Self {
        let (directory, ledger) = fresh();
        for number in 0..rounds {
            let blob = ledger
                .put_blob(format!("weights {number}").as_bytes())
                .unwrap();
            ledger
                .append("study/a", vec![event(number).with_blobs([blob])])
                .unwrap();
            ledger
                .append("study/b", vec![event(number), event(number)])
                .unwrap();
        }
        let long = NewEvent::new("log", 3, format!("\"{number:>9000}\"", number = "long"));
        ledger.append("study/a", vec![long, event(7)]).unwrap();
        ledger.change_key().unwrap();
        ledger.append("study/b", vec![event(8)]).unwrap();
        Self { directory }
    }

    fn reader(&self) -> Reader {
        Ledger::open_read_only(self.directory.path()).unwrap()
    }

    fn bundle(&self, stream: Option<&str>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let exported = self.reader().export(stream, &mut bytes).unwrap();
        assert_eq!(exported.bytes, bytes.len() as u64);
        bytes
    }
}

/// Writes bytes to a file and opens them as a bundle.
fn opened(directory: &TempDir, bytes: &[u8]) -> Result<Bundle, BundleError> {
    let path = directory.path().join("bundle.tar");
    fs::write(&path, bytes).unwrap();
    Bundle::open(&path)
}

fn place(directory: &TempDir) -> PathBuf {
    directory.path().join("imported/ledger")
}

fn verified(directory: &Path) -> Option<Fault> {
    Ledger::open_read_only(directory)
        .unwrap()
        .verify()
        .unwrap()
        .fault
}

#[test]
fn a_whole_lab_is_imported_as_it_was() {
    let source = Source::new(400);
    let bytes = source.bundle(None);
    let directory = TempDir::new().unwrap();
    let bundle = opened(&directory, &bytes).unwrap();
    assert_eq!(
        (bundle.lab(), bundle.stream()),
        (source.reader().lab(), None)
    );
    fs::create_dir(directory.path().join("imported")).unwrap();
    let imported = bundle.import_lab(&place(&directory)).unwrap();
    assert_eq!((imported.events, imported.blobs), (1204, 401));
    let reader = Ledger::open_read_only(&place(&directory)).unwrap();
    assert_eq!(
        reader.read_all(0, 9999).unwrap(),
        source.reader().read_all(0, 9999).unwrap()
    );
    assert_eq!(
        reader.tree_head().unwrap(),
        source.reader().tree_head().unwrap()
    );
    let found = reader.verify().unwrap();
    assert_eq!((found.fault, found.events_signed), (None, 1204));
    assert!(
        !place(&directory).join("key").exists(),
        "the lab's key stays at home"
    );
    let again = opened(&directory, &bytes)
        .unwrap()
        .import_lab(&place(&directory));
    assert!(matches!(again, Err(BundleError::Occupied { .. })));
    let kept = source.reader().checkpoint().unwrap();
    assert_eq!(reader.verify_against(&kept).unwrap().fault, None);
}

#[test]
fn any_tar_lists_a_bundle() {
    let source = Source::new(2);
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("bundle.tar");
    fs::write(&path, source.bundle(Some("study/a"))).unwrap();
    let listed = std::process::Command::new("tar")
        .arg("tf")
        .arg(&path)
        .output()
        .unwrap();
    let names = String::from_utf8(listed.stdout).unwrap();
    let first: Vec<&str> = names.lines().take(4).collect();
    assert_eq!(
        first,
        [
            "lyceum-bundle.json",
            "checkpoint",
            "events/00000001.jsonl",
            "proof"
        ]
    );
    assert_eq!(names.lines().last(), Some("signature"));
}

#[test]
fn one_stream_is_imported_with_its_own_signature() {
    let source = Source::new(300);
    let bytes = source.bundle(Some("study/a"));
    let (directory, ledger) = fresh();
    ledger.append("study/a", vec![event(99)]).unwrap();
    let error = opened(&directory, &bytes)
        .unwrap()
        .import_stream(&ledger, "study/a")
        .unwrap_err();
    assert!(
        matches!(error, BundleError::Ledger(_)),
        "the name is taken: {error:?}"
    );
    let bundle = opened(&directory, &bytes).unwrap();
    let imported = bundle.import_stream(&ledger, "study/a~2").unwrap();
    assert_eq!((imported.events, imported.blobs), (302, 301));
    let reader = ledger.reader().unwrap();
    let theirs = source.reader().read("study/a", 0, 999).unwrap();
    let ours = reader.read("study/a~2", 0, 999).unwrap();
    assert_eq!(ours.len(), theirs.len());
    for (our, their) in ours.iter().zip(&theirs) {
        assert_eq!((our.seq, our.at), (their.seq, their.at));
        assert_eq!(
            (&our.kind, our.version, &our.body),
            (&their.kind, their.version, &their.body)
        );
        assert_eq!(our.blobs, their.blobs);
    }
    let found = reader.verify().unwrap();
    assert_eq!((found.fault, found.imported), (None, 1));
    // Work can go on where it stopped.
    ledger.append("study/a~2", vec![event(1)]).unwrap();
    assert_eq!(reader.verify().unwrap().fault, None);
}

#[test]
fn an_imported_stream_that_its_lab_did_not_sign_is_found() {
    let source = Source::new(3);
    let (directory, ledger) = fresh();
    let bytes = source.bundle(Some("study/a"));
    opened(&directory, &bytes)
        .unwrap()
        .import_stream(&ledger, "study/x")
        .unwrap();
    drop(ledger);
    // Someone with this lab's key signs another history of the imported study.
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    connection
        .execute_batch(
            "UPDATE event SET body = '[]' WHERE stream = 'study/x' AND seq = 2; DELETE FROM head;",
        )
        .unwrap();
    for position in 1..=6 {
        let hash = crate::format::hash_of(&connection, position);
        let sql = "UPDATE event SET hash = ?1 WHERE position = ?2";
        connection.execute(sql, (hash, position)).unwrap();
    }
    drop(connection);
    drop(open(&directory));
    let fault = verified(directory.path()).unwrap();
    assert_eq!(
        fault.to_string(),
        "imported stream `study/x` is not the one that its lab signed: its events are not in the tree \
         that was signed"
    );
}

#[test]
fn a_bundle_that_was_changed_anywhere_is_refused() {
    let source = Source::new(2);
    for stream in [None, Some("study/a")] {
        let bytes = source.bundle(stream);
        let directory = TempDir::new().unwrap();
        assert!(opened(&directory, &bytes).is_ok());
        for place in (0..bytes.len()).step_by(23) {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << (place % 8);
            let error = opened(&directory, &changed).unwrap_err();
            let named = matches!(
                error,
                BundleError::Changed { .. }
                    | BundleError::CutOff { .. }
                    | BundleError::Newer { .. }
            );
            assert!(named && error.hint().is_some(), "byte {place}: {error:?}");
        }
        for end in (0..bytes.len()).step_by(211) {
            let error = opened(&directory, &bytes[..end]).unwrap_err();
            assert!(
                matches!(error, BundleError::CutOff { .. }),
                "{end} bytes: {error:?}"
            );
        }
        let error = opened(&directory, &[bytes.as_slice(), &[0; 512]].concat()).unwrap_err();
        assert!(matches!(error, BundleError::Changed { .. }), "{error:?}");
    }
}

/// Returns the archive with the header of its file `name` naming `instead`, its sum made right.
fn renamed(bytes: &[u8], name: &str, instead: &str) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = (0..bytes.len())
        .step_by(512)
        .find(|at| {
            bytes[*at..].starts_with(name.as_bytes()) && bytes[at + 257..].starts_with(b"ustar")
        })
        .unwrap();
    bytes[at..at + 100].fill(0);
    bytes[at..at + instead.len()].copy_from_slice(instead.as_bytes());
    bytes[at + 148..at + 156].fill(b' ');
    let sum: u32 = bytes[at..at + 512]
        .iter()
        .map(|byte| u32::from(*byte))
        .sum();
    bytes[at + 148..at + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bytes
}

#[test]
fn no_name_in_a_bundle_leads_out_of_its_place() {
    let source = Source::new(1);
    let bytes = source.bundle(None);
    let directory = TempDir::new().unwrap();
    for instead in [
        "../../escape",
        "/etc/escape",
        "blobs/../escape.zst",
        "events/../../x",
        "a\nb",
    ] {
        for name in [
            "blobs/",
            "checkpoint",
            "events/",
            "heads.jsonl",
            "signature",
        ] {
            let error = opened(&directory, &renamed(&bytes, name, instead)).unwrap_err();
            assert!(matches!(error, BundleError::Changed { .. }), "{error:?}");
        }
    }
    let only: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(only.len(), 1, "nothing but the bundle itself");
}

#[test]
fn a_bundle_of_a_later_version_is_refused_as_such() {
    let source = Source::new(1);
    let bytes = source.bundle(None);
    let text = b"{\"version\":1,";
    let at = bytes
        .windows(text.len())
        .position(|window| window == text)
        .unwrap();
    let mut later = bytes;
    later[at + 11] = b'7';
    let error = opened(&TempDir::new().unwrap(), &later).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the bundle has version 7, but this program reads versions up to 1"
    );
}

#[test]
fn a_bundle_of_the_other_kind_or_of_nothing_is_refused() {
    let source = Source::new(1);
    let (directory, ledger) = fresh();
    let whole = opened(&directory, &source.bundle(None)).unwrap();
    let error = whole.import_stream(&ledger, "x").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the bundle holds a whole lab, but one study was expected"
    );
    let one = opened(&directory, &source.bundle(Some("study/a"))).unwrap();
    let error = one.import_lab(&directory.path().join("new")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the bundle holds one study, but a whole lab was expected"
    );
    let error = source
        .reader()
        .export(Some("study/c"), &mut Vec::new())
        .unwrap_err();
    assert_eq!(error.to_string(), "the lab has no stream `study/c`");
}

#[test]
fn an_empty_lab_and_a_lab_that_began_without_a_key_are_exported_too() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/version-1");
    for is_old in [false, true] {
        let directory = TempDir::new().unwrap();
        if is_old {
            crate::child::copy(&fixture, directory.path());
        }
        drop(Ledger::open(directory.path(), Options::default()).unwrap());
        let source = Source { directory };
        let target = TempDir::new().unwrap();
        let bundle = opened(&target, &source.bundle(None)).unwrap();
        bundle.import_lab(&target.path().join("ledger")).unwrap();
        assert_eq!(verified(&target.path().join("ledger")), None);
    }
}
