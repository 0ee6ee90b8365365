//! Files that are not what they should be: pipes, links and directories in the place of blobs, and blobs that hold too much.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use lyceum_ledger::{Bundle, Error, Fault, Ledger, Options};
use tempfile::TempDir;

use crate::support::{event, open};

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.expect("`mkfifo` is needed").success());
}

#[test]
fn what_is_no_file_in_the_place_of_a_blob_is_found() {
    let replace: [fn(&Path); 3] = [
        pipe,
        |path| fs::create_dir(path).unwrap(),
        |path| symlink("/dev/zero", path).unwrap(),
    ];
    for replace in replace {
        let directory = TempDir::new().unwrap();
        let ledger = open(&directory);
        let id = ledger.put_blob(b"weights").unwrap();
        ledger.append("s", vec![event(1).with_blobs([id])]).unwrap();
        drop(ledger);
        let reader = Ledger::open_read_only(directory.path()).unwrap();
        let path = reader.blob_path(id);
        fs::remove_file(&path).unwrap();
        replace(&path);
        let position = Some(1);
        assert_eq!(
            reader.verify().unwrap().fault,
            Some(Fault::BlobDamaged { id, position })
        );
    }
}

#[test]
fn what_is_no_file_in_the_place_of_the_key_or_a_bundle_is_refused() {
    let directory = TempDir::new().unwrap();
    drop(open(&directory));
    let key = directory.path().join("key");
    fs::rename(&key, directory.path().join("kept")).unwrap();
    pipe(&key);
    let opened = Ledger::open(directory.path(), Options::default());
    assert!(matches!(opened, Err(Error::NotAKey { .. })), "{opened:?}");
    Bundle::open(&key).unwrap_err();
    Bundle::open(directory.path()).unwrap_err();
}

#[test]
fn a_blob_is_read_only_as_far_as_is_asked_for() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory);
    let id = ledger.put_blob(&vec![0; 1 << 20]).unwrap();
    let reader = ledger.reader().unwrap();
    assert_eq!(reader.blob_at_most(id, 1 << 20).unwrap().len(), 1 << 20);
    let error = reader.blob_at_most(id, (1 << 20) - 1).unwrap_err();
    let Error::BlobTooLarge { id: named, allowed } = error else {
        panic!("{error}");
    };
    assert_eq!((named, allowed), (id, (1 << 20) - 1));
    assert!(error.to_string().contains(&id.to_string()));
}
