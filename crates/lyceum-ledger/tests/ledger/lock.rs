//! One process writes at a time, and others are told which.

use std::process;

use lyceum_ledger::{Error, Ledger, Options};
use tempfile::TempDir;

use crate::child::{self, Role};
use crate::support::{event, fresh, open};

#[test]
fn a_second_process_is_told_who_holds_the_lab() {
    let directory = TempDir::new().unwrap();
    let mut holder = child::spawn(Role::Hold, directory.path());
    assert_eq!(child::reports(&mut holder).next().as_deref(), Some("held"));
    let error = Ledger::open(directory.path(), Options::default()).unwrap_err();
    let Error::Locked {
        holder: Some(named),
        ..
    } = &error
    else {
        panic!("{error:?}")
    };
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!((named.pid, named.host.as_str()), (holder.id(), host.trim()));
    assert_eq!(named.command, "hold on");
    assert!(named.since.unix_ms() > 0);
    assert_eq!(
        error.to_string(),
        format!(
            "lab `{}` is in use by process {} on {} (`hold on`)",
            directory.path().display(),
            holder.id(),
            host.trim()
        )
    );
    assert!(error.hint().is_some());
    Ledger::open_read_only(directory.path())
        .unwrap()
        .verify()
        .unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
    open(&directory).append("a", vec![event(1)]).unwrap();
}

#[test]
fn a_second_handle_in_the_same_process_is_refused_until_the_first_is_gone() {
    let (directory, ledger) = fresh();
    let clone = ledger.clone();
    drop(ledger);
    let error = Ledger::open(directory.path(), Options::default()).unwrap_err();
    assert!(
        matches!(&error, Error::Locked { holder: Some(holder), .. } if holder.pid == process::id()),
        "{error:?}"
    );
    drop(clone);
    drop(open(&directory));
    assert_eq!(
        std::fs::read(directory.path().join("lock")).unwrap(),
        b"",
        "nobody is named"
    );
}

#[test]
fn a_lock_file_that_names_nobody_is_still_a_lock() {
    let (directory, _ledger) = fresh();
    std::fs::write(directory.path().join("lock"), "no JSON").unwrap();
    let error = Ledger::open(directory.path(), Options::default()).unwrap_err();
    assert!(
        matches!(error, Error::Locked { holder: None, .. }),
        "{error:?}"
    );
    assert!(error.to_string().ends_with("is in use by another process"));
}

#[test]
fn who_lost_the_lab_is_told_who_has_it() {
    let (directory, first) = fresh();
    first.append("a", vec![event(1)]).unwrap();
    // Somebody takes the lock away, and so two can begin.
    std::fs::remove_file(directory.path().join("lock")).unwrap();
    let options = Options {
        command: "the second".to_owned(),
        ..Options::default()
    };
    let second = Ledger::open(directory.path(), options).unwrap();
    let error = first.append("a", vec![event(2)]).unwrap_err();
    let Error::Fenced {
        holder: Some(holder),
        ..
    } = error.first_cause()
    else {
        panic!("{error:?}")
    };
    assert_eq!(holder.command, "the second");
    let text = error.first_cause().to_string();
    assert!(
        text.starts_with(
            "this process may not write to the lab any more: it was taken over by process "
        ),
        "{text}"
    );
    second.append("a", vec![event(2)]).unwrap();
    drop(first);
    assert_eq!(second.reader().unwrap().verify().unwrap().fault, None);
}
