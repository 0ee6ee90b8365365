//! What a person takes from a session without a study obeys nobody, its name is its own, and it is stopped like a study.

use std::{
    fs,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use lyceum_models::scripted::{Received, Said, Server, Turn};
use serde_json::{Value, json};

use crate::{brain, place::Place};

const START: [&str; 6] = [
    "session",
    "start",
    "--objective",
    "make a file",
    "--no-person",
    "--researcher",
];

/// Writes what `git` and a lab would obey, and one file that is only a file.
fn setter_of_traps(received: &Received) -> Turn {
    const SCRIPT: &str = "cat deep/.git/config deep/.lyceum/key lab/ledger/ledger.db; mkdir -p .git/hooks sub/.GIT bare/objects/k bare/refs
        for i in .git/config .git/hooks/pre-commit sub/.GIT/config .lyceum bare/HEAD bare/config bare/objects/k/x bare/refs/y plain.sh
        do echo trap > $i; done; chmod +x plain.sh old.sh";
    let id = format!("call_{}", received.model_turns());
    if received.model_turns() == 0 {
        return Said::tool(&id, "bash", &json!({ "command": SCRIPT })).into();
    }
    Said::text("done").into()
}

#[test]
fn what_git_or_a_lab_would_obey_is_neither_shown_to_a_model_nor_taken_from_it() {
    let server = Server::answering(setter_of_traps).unwrap();
    let model = format!("{}/v1#scripted", server.base());
    let place = Place::new();
    let work = place.path().join("work");
    for (name, text) in [
        ("deep/.git/config", "secret of a remote"),
        ("deep/.lyceum/key", "secret of a lab"),
        ("old.sh", "true"),
    ] {
        fs::create_dir_all(work.join(name).parent().unwrap()).unwrap();
        fs::write(work.join(name), text).unwrap();
    }
    // The lab is below the directory whose files the session gets.
    let lab = work.join("lab");
    let lab = lab.to_str().unwrap();
    let call = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lyceum"));
        command.args(["--lab", lab]).args(words);
        let done = command.current_dir(place.path()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert!(done.status.success(), "{words:?}: {}", text(done.stderr));
        text(done.stdout)
    };
    call(&["doctor"]);
    let mut words = START.to_vec();
    words.extend([&model, "--workspace", "work"]);
    call(&words);
    let log = call(&["session", "log", "session-1", "--json"]);
    assert!(!log.contains("secret of"), "{log}");
    assert!(log.contains("not kept"), "{log}");
    let diff = call(&["session", "diff"]);
    assert!(diff.contains("old.sh: now executable"), "{diff}");
    let told = call(&["session", "export", "session-1", "taken"]);
    let mut names: Vec<String> = walk(&place.path().join("taken"));
    names.sort();
    let expected = [
        "bare/config",
        "bare/objects/k/x",
        "bare/refs/y",
        "old.sh",
        "plain.sh",
    ];
    assert_eq!(names, expected, "{told}");
    assert!(
        told.contains("left out") && told.contains("bare/HEAD"),
        "{told}"
    );
}

fn walk(directory: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(here) = open.pop() {
        for entry in fs::read_dir(here).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                let path = entry.path();
                let relative = path.strip_prefix(directory).unwrap();
                found.push(relative.to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn a_session_of_a_studys_name_is_not_the_studys_and_odd_names_are_refused() {
    let server = Server::answering(|_| Said::text("done").into()).unwrap();
    let model = format!("{}/v1#scripted", server.base());
    let place = Place::new();
    let named = |name| {
        let mut words = START.to_vec();
        words.extend([model.as_str(), "--name", name]);
        place.call(&words)
    };
    for name in ["TEAM", "tm.1", "x~0"] {
        let refused = named(name);
        assert_eq!(refused.code, Some(2), "{name}: {}", refused.err);
    }
    named("parabola").exits(0);
    let refused = place.call(&Place::words(&model)).exits(2);
    assert!(
        refused.err.contains("begun for something else"),
        "{}",
        refused.err
    );
    let used = place.call(&["session", "list", "--json"]).exits(0).out;
    let used: Value = serde_json::from_str(used.lines().next().unwrap()).unwrap();
    assert_eq!(used["requests"], 1, "{used}");
}

#[test]
fn lyceum_stop_ends_a_session_without_a_study_and_says_so() {
    let gate = Arc::new(Mutex::new(()));
    let held = Arc::clone(&gate);
    let server = Server::answering(move |received: &Received| {
        drop(held.lock().unwrap());
        assert!(!brain::statement(received).is_empty());
        Said::text("done").into()
    })
    .unwrap();
    let model = format!("{}/v1#scripted", server.base());
    let place = Place::new();
    let closed = gate.lock().unwrap();
    let mut words = START.to_vec();
    words.push(&model);
    let mut command = place.command(&words);
    let mut running = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while server.received().is_empty() {
        assert!(begun.elapsed() < Duration::from_mins(2), "nobody asked");
        std::thread::sleep(Duration::from_millis(5));
    }
    let done = place.call(&["stop", "--why", "enough"]).exits(0);
    assert!(done.out.contains("session-1: stopped"), "{}", done.out);
    let status = running.wait().unwrap();
    drop(closed);
    assert_eq!(status.code(), Some(130), "it was not asked to end");
    assert!(!place.path().join("lab/stop").exists());
    place.call(&["session", "resume", "session-1"]).exits(0);
    place.call(&["verify"]).exits(0);
}
