//! What is refused, and in which words: a lab taken over, events gone, bundles that cannot be written or taken.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use lyceum_ledger::{Ledger, Options};

use crate::support::{Done, Place, Tiny};

fn finished() -> Place {
    let place = Place::new();
    place.study(&Tiny::default());
    place.run("tiny", &[]).exits(0);
    place
}

#[test]
fn a_lab_that_lost_its_lock_says_who_has_it_and_can_be_tried_again() {
    let place = Place::new();
    place.study(&Tiny {
        // Many runs of a second each: it is far from its end when the other has begun.
        train: format!("sleep 1\n{}", Tiny::default().train),
        ..Tiny::default()
    });
    let mut runner = place.command(&["run", "tiny", "--json"]);
    let mut runner = runner
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines();
    let started = |line: &str| line.contains("\"run.started\"");
    assert!(lines.by_ref().any(|line| started(&line.unwrap())));
    // Somebody removes the lock of a lab at work, and another process begins.
    let directory = place.lab().join("ledger");
    fs::remove_file(directory.join("lock")).unwrap();
    let options = Options {
        command: "the second".into(),
        ..Options::default()
    };
    let second = Ledger::open(&directory, options).unwrap();
    lines.for_each(|line| drop(line.unwrap()));
    let done = Done::from(runner.wait_with_output().unwrap()).exits(75);
    let object: serde_json::Value = serde_json::from_str(done.err.lines().last().unwrap()).unwrap();
    let said = object["error"].as_str().unwrap();
    assert!(
        said.contains("it was taken over by process ") && said.contains("`the second`"),
        "{said}"
    );
    assert_eq!(object["exit"], 75);
    assert!(object["hint"].as_str().unwrap().contains("`lock`"));
    drop(second);
    place.assert_intact();
}

#[test]
fn a_lab_whose_events_are_gone_is_not_begun_anew() {
    let place = finished();
    let store = place.lab().join("ledger/ledger.db");
    fs::remove_file(&store).unwrap();
    let words = [
        "the events of the ledger in ",
        "its key or its blobs are there, but `ledger.db` is missing or empty",
        "hint: put `ledger.db` back",
    ];
    place.run("tiny", &[]).exits(2).says(&words);
    place.call(&["verify"]).exits(2).says(&words);
    assert!(!store.exists());
}

#[test]
fn a_failure_is_an_object_for_programs() {
    let place = Place::new();
    let done = place.call(&["status", "--json"]).exits(2);
    assert_eq!(done.out, "");
    let object: serde_json::Value = serde_json::from_str(done.err.trim_end()).unwrap();
    assert_eq!(object["exit"], 2);
    let error = object["error"].as_str().unwrap();
    assert!(error.starts_with("no ledger in "), "{error}");
    let hint = object["hint"].as_str().unwrap();
    assert!(hint.starts_with("begin with "), "{hint}");
}

#[test]
fn a_bundle_takes_the_place_of_nothing() {
    let place = finished();
    place
        .call(&["export", "--bundle", "nope/x"])
        .exits(2)
        .says(&[
            "cannot write bundle `nope/x`: ",
            "hint: its directory is not there",
        ]);
    let theirs = place.path().join("x.unfinished-0");
    fs::write(&theirs, "theirs").unwrap();
    place.call(&["export", "--bundle", "x"]).exits(0);
    assert_eq!(fs::read(&theirs).unwrap(), b"theirs");
    assert!(!place.path().join("x.unfinished-1").exists());
    place.call(&["export", "--bundle", "x"]).exits(2).says(&[
        "`x` is there already",
        "hint: a bundle is never written over",
    ]);
    std::os::unix::fs::symlink("nowhere", place.path().join("y")).unwrap();
    place
        .call(&["export", "--bundle", "y"])
        .exits(2)
        .says(&["`y` is there already"]);
}

#[test]
fn a_whole_lab_goes_where_nothing_is_but_its_key() {
    let place = finished();
    let path = place.path().join("lab.bundle");
    let path = path.to_str().unwrap();
    place.call(&["export", "--all", "--bundle", path]).exits(0);
    let other = Place::new();
    let ledger = other.lab().join("ledger");
    fs::create_dir_all(&ledger).unwrap();
    fs::write(ledger.join("notes"), "mine").unwrap();
    other.call(&["import", path]).exits(2).says(&[
        "holds `notes`, but a whole lab is imported into an empty place",
        "hint: name another place",
    ]);
    fs::remove_file(ledger.join("notes")).unwrap();
    fs::copy(place.lab().join("ledger/key"), ledger.join("key")).unwrap();
    other.call(&["import", path]).exits(0);
    // With its key the lab goes on there, signed.
    other.call(&["checkpoint", "--new-key"]).exits(0);
    let verified = other.call(&["verify"]).exits(0);
    verified.prints("signatures: the lab's key has signed all ");
}
