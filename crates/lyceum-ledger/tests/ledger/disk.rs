//! Disks that are full, cannot be written to, or fail to sync.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lyceum_ledger::{Error, Event, Ledger, NewEvent, Options, Reader};
use tempfile::TempDir;

use crate::child::{self, Role};
use crate::support::{event, open};

fn reopen(directory: &Path) -> Ledger {
    Ledger::open(directory, Options::default()).unwrap()
}

fn assert_holds(reader: &Reader, acknowledged: &[Event]) {
    let events = reader.read_all(0, usize::MAX).unwrap();
    for event in acknowledged {
        assert_eq!(events.get(event.position as usize - 1), Some(event));
    }
    assert_eq!(reader.verify().unwrap().fault, None);
}

#[test]
fn a_full_disk_loses_nothing_and_work_goes_on_when_there_is_room() {
    let directory = TempDir::new().unwrap();
    let mount = "mount -t tmpfs -o size=8m none \"$1\"";
    child::run_in_namespace(Role::FillDisk, directory.path(), mount, &[]);
}

/// Takes all room that is left on the disk.
fn take_all_room(directory: &Path) -> PathBuf {
    use std::io::Write as _;
    let ballast = directory.join("ballast");
    let mut file = fs::File::options()
        .create(true)
        .append(true)
        .open(&ballast)
        .unwrap();
    while file.write_all(&[1; 512]).is_ok() {}
    ballast
}

pub(crate) fn fill(directory: &Path) {
    let lab = directory.join("lab");
    let ledger = reopen(&lab);
    let mut acknowledged = Vec::new();
    let small = |number: usize| vec![NewEvent::new("e", 1, format!("\"{number:0900}\""))];
    for number in 0..200 {
        acknowledged.extend(ledger.append("a", small(number)).unwrap());
    }
    let ballast = take_all_room(directory);
    let full = loop {
        match ledger.append("a", small(acknowledged.len())) {
            Ok(written) => acknowledged.extend(written),
            Err(error) => break error,
        }
        assert!(acknowledged.len() < 100_000, "the disk never fills");
    };
    assert!(matches!(full, Error::DiskFull { .. }), "{full:?}");
    assert!(matches!(
        ledger.put_blob(&[7; 8192]),
        Err(Error::DiskFull { .. })
    ));
    let large = vec![NewEvent::new("e", 1, format!("\"{}\"", "z".repeat(8192)))];
    assert!(matches!(
        ledger.append("a", large.clone()),
        Err(Error::DiskFull { .. })
    ));
    assert_holds(&ledger.reader().unwrap(), &acknowledged);
    let no_room = Ledger::open(&directory.join("another"), Options::default());
    assert!(no_room.is_err(), "a new ledger on a full disk");
    fs::remove_file(&ballast).unwrap();
    acknowledged.extend(ledger.append("a", large).unwrap());
    take_all_room(directory);
    drop(ledger);
    fs::remove_file(&ballast).unwrap();
    let ledger = reopen(&lab);
    acknowledged.extend(ledger.append("a", small(1)).unwrap());
    assert_holds(&ledger.reader().unwrap(), &acknowledged);
    assert_eq!(
        ledger.reader().unwrap().head().unwrap().position,
        acknowledged.len() as u64
    );
    assert_eq!(fs::read_dir(lab.join("blobs/incoming")).unwrap().count(), 0);
    drop(ledger);
    // Also reading needs a little: shared memory with whoever may write.
    take_all_room(directory);
    let error = Ledger::open_read_only(&lab)
        .and_then(|reader| reader.verify())
        .unwrap_err();
    assert!(matches!(error, Error::DiskFull { .. }), "{error:?}");
    fs::remove_file(&ballast).unwrap();
    assert_holds(&Ledger::open_read_only(&lab).unwrap(), &acknowledged);
}

#[test]
fn a_lab_on_a_read_only_disk_is_read_but_not_written() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory);
    ledger.append("a", vec![event(1), event(2)]).unwrap();
    drop(ledger);
    let mount = "mount --bind \"$1\" \"$1\"; mount -o remount,ro,bind \"$1\"";
    child::run_in_namespace(Role::ReadOnly, directory.path(), mount, &[]);
}

pub(crate) fn meet_read_only(directory: &Path) {
    let error = Ledger::open(directory, Options::default()).unwrap_err();
    assert!(matches!(&error, Error::ReadOnly { directory: named, .. } if named == directory));
    let error = Ledger::open(&directory.join("new"), Options::default()).unwrap_err();
    assert!(matches!(&error, Error::ReadOnly { .. }), "{error:?}");
    let reader = Ledger::open_read_only(directory).unwrap();
    assert_eq!(reader.read("a", 0, 10).unwrap().len(), 2);
    assert_eq!(reader.verify().unwrap().fault, None);
}

/// Makes syncs fail with `EIO` while a file is there. Everything else works.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
static int failing(void) {
    const char *flag = getenv("LYCEUM_LEDGER_TEST_FAIL_FLAG");
    return flag && access(flag, F_OK) == 0;
}
int fsync(int file) {
    if (failing()) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}
int fdatasync(int file) {
    if (failing()) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file);
}
"#;

#[test]
fn after_a_failed_sync_nothing_more_is_accepted_until_the_ledger_is_opened_again() {
    let directory = TempDir::new().unwrap();
    let source = directory.path().join("shim.c");
    let library = directory.path().join("shim.so");
    fs::write(&source, SHIM).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status()
        .expect("this test needs a C compiler, `cc`");
    assert!(compiled.success(), "`cc` did not compile the shim");
    let lab = directory.path().join("lab");
    let flag = lab.join("fail");
    let environment: [(&str, &Path); 2] = [
        ("LD_PRELOAD", &library),
        ("LYCEUM_LEDGER_TEST_FAIL_FLAG", &flag),
    ];
    child::run_in_namespace(Role::SyncFails, &lab, ":", &environment);
}

pub(crate) fn meet_failing_syncs(directory: &Path) {
    let flag = directory.join("fail");
    let ledger = reopen(directory);
    let mut acknowledged = ledger.append("a", vec![event(1), event(2)]).unwrap();

    fs::write(&flag, "").unwrap();
    let error = ledger.append("a", vec![event(3)]).unwrap_err();
    assert!(matches!(error, Error::Unconfirmed { .. }), "{error:?}");
    fs::remove_file(&flag).unwrap();
    // The disk works again, but nobody may rely on what it was asked to keep before.
    let error = ledger.append("a", vec![event(4)]).unwrap_err();
    assert!(matches!(error, Error::Poisoned { .. }), "{error:?}");
    assert!(matches!(ledger.put_blob(b"x"), Err(Error::Poisoned { .. })));
    let reasons: Vec<_> = std::iter::successors(Some(&error as &dyn std::error::Error), |error| {
        error.source()
    })
    .map(ToString::to_string)
    .collect();
    assert!(
        reasons[1].starts_with("failed to commit events to"),
        "{reasons:?}"
    );
    assert_holds(&ledger.reader().unwrap(), &acknowledged);
    drop(ledger);

    let ledger = reopen(directory);
    acknowledged.extend(ledger.append("b", vec![event(5)]).unwrap());
    assert_holds(&ledger.reader().unwrap(), &acknowledged);

    fs::write(&flag, "").unwrap();
    let error = ledger.put_blob(b"a blob that is not synced").unwrap_err();
    assert!(matches!(error, Error::Poisoned { .. }), "{error:?}");
    fs::remove_file(&flag).unwrap();
    assert!(matches!(
        ledger.append("a", vec![event(6)]),
        Err(Error::Poisoned { .. })
    ));
    drop(ledger);

    fs::write(&flag, "").unwrap();
    assert!(
        Ledger::open(directory, Options::default()).is_err(),
        "opening syncs too"
    );
    fs::remove_file(&flag).unwrap();
    let ledger = reopen(directory);
    acknowledged.extend(ledger.append("a", vec![event(7)]).unwrap());
    assert_holds(&ledger.reader().unwrap(), &acknowledged);
}
