//! A session without a study: on a copy of a directory, killed, spoken to, and taken from.

use std::{fs, process::Stdio};

use lyceum_models::scripted::{Received, Said, Server, Turn};
use serde_json::{Value, json};

use crate::{brain, faults::by_command, place::Place};

/// Mends the file that its tests find wrong, tries it, notes what it did, and says so.
pub(crate) fn mender(received: &Received) -> Turn {
    let said = brain::statement(received);
    let id = format!("call_{}", received.model_turns());
    let call = |name: &str, arguments: Value| -> Turn { Said::tool(&id, name, &arguments).into() };
    if said.contains("a person said: add a readme") && !said.contains("README.md") {
        return call("write", json!({ "path": "README.md", "content": "adds\n" }));
    }
    if !said.contains("differ from the beginning: [add.sh") && !said.contains("README.md add.sh") {
        return call(
            "edit",
            json!({ "path": "add.sh", "old": "$1 - $2", "new": "$1 + $2" }),
        );
    }
    if !said.contains("your note: mended") {
        let script =
            "test \"$(sh add.sh 2 3)\" = 5 && ls -a .. > seen.txt && rm try.sh; ls /outside";
        if !said.contains("seen.txt") {
            return call("bash", json!({ "command": script }));
        }
        return call("note", json!({ "text": "mended" }));
    }
    Said::text("add.sh subtracted; it adds now").into()
}

pub(crate) fn with_files() -> Place {
    let place = Place::new();
    let work = place.path().join("work");
    fs::create_dir_all(work.join("deep")).unwrap();
    fs::write(work.join("add.sh"), "echo $(($1 - $2))\n").unwrap();
    fs::write(work.join("try.sh"), "sh add.sh 2 3\n").unwrap();
    fs::write(work.join("deep/data.txt"), "1\n").unwrap();
    place
}

pub(crate) const START: [&str; 7] = [
    "session",
    "start",
    "--objective",
    "make add.sh add",
    "--workspace",
    "work",
    "--no-person",
];

pub(crate) fn events(place: &Place, name: &str, kind: &str) -> Vec<Value> {
    let out = place.call(&["session", "log", name, "--json"]).exits(0).out;
    let all = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|one| one["kind"] == kind)
        .map(|one| one["body"].clone())
        .collect()
}

#[test]
fn it_works_on_a_copy_is_killed_goes_on_and_its_files_are_taken() {
    let place = with_files();
    let directory = place.path().to_owned();
    let mut left = 2;
    let answer = move |received: &Received| {
        // Killed while the model is asked, twice: before anything was done, and after the first change.
        let made = brain::statement(received).contains("[add.sh]");
        if left == 2 || (left == 1 && made) {
            left -= 1;
            let log = by_command(&directory, &["session", "log", "session-1", "--json"]);
            let mut pids = log.lines().filter_map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["body"]["pid"].as_i64()
            });
            let pid = pids.next_back().unwrap().to_string();
            let killed = std::process::Command::new("kill")
                .args(["-9", &pid])
                .status();
            assert!(killed.unwrap().success());
        }
        mender(received)
    };
    let server = Server::answering(answer).unwrap();
    let model = format!("{}/v1#scripted", server.base());
    let mut words = START.to_vec();
    words.extend(["--researcher", &model]);
    let status = place
        .command(&words)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), None, "it was not killed");
    // The same name again would be another session.
    let mut again = words.clone();
    again.extend(["--name", "session-1"]);
    let refused = place.call(&again).exits(2);
    assert!(
        refused.err.contains("session resume session-1"),
        "{}",
        refused.err
    );
    let killed = place.command(&["session", "resume"]).status().unwrap();
    assert_eq!(killed.code(), None, "it was not killed again");
    let done = place.call(&["session", "resume", "session-1"]);
    assert_eq!(
        done.code,
        Some(0),
        "{:?}",
        events(&place, "session-1", "agent.tool_result")
    );
    assert!(done.out.contains("it adds now"), "{}", done.out);

    // Requests that nobody saw answered are charged; nothing was done twice.
    let ends = events(&place, "session-1", "span.model_request_end");
    let unknown = ends.iter().filter(|one| one["end"]["type"] == "unknown");
    assert_eq!(unknown.count(), 2, "{ends:?}");
    let used = events(&place, "session-1", "agent.tool_use");
    let names: Vec<&str> = used
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["edit", "bash", "note"]);
    let results = events(&place, "session-1", "agent.tool_result");
    let bash = results[1]["text"].as_str().unwrap();
    assert!(
        bash.contains("not kept") && bash.contains("/outside"),
        "{bash}"
    );

    taken_and_sent_on(&place);
}

/// The original is as it was; what was made is seen and taken. A person's word lets the session go on.
fn taken_and_sent_on(place: &Place) {
    let original = fs::read_to_string(place.path().join("work/add.sh")).unwrap();
    assert_eq!(original, "echo $(($1 - $2))\n");
    let diff = place.call(&["session", "diff"]).exits(0).out;
    assert!(
        diff.contains("-echo $(($1 - $2))") && diff.contains("+echo $(($1 + $2))"),
        "{diff}"
    );
    let taken = place
        .call(&["session", "export", "session-1", "taken"])
        .exits(0);
    assert!(taken.out.contains("4 files in taken"), "{}", taken.out);
    let made = fs::read_to_string(place.path().join("taken/add.sh")).unwrap();
    assert_eq!(made, "echo $(($1 + $2))\n");
    assert_eq!(
        fs::read_to_string(place.path().join("taken/deep/data.txt")).unwrap(),
        "1\n"
    );
    place
        .call(&["session", "export", "session-1", "taken"])
        .exits(2);
    let shown = place.call(&["session", "list"]).exits(0).out;
    assert!(shown.starts_with("session-1: idle (end_turn)"), "{shown}");

    place.call(&["session", "send", "add a readme"]).exits(0);
    place.call(&["session", "resume"]).exits(0);
    let diff = place.call(&["session", "diff", "--json"]).exits(0).out;
    let diff: Value = serde_json::from_str(&diff).unwrap();
    assert_eq!(diff["changed"], json!(["README.md", "add.sh", "seen.txt"]));
    place.call(&["verify"]).exits(0);
}

#[test]
fn its_budget_stops_it_and_a_larger_one_lets_it_go_on() {
    let (place, server) = (with_files(), Server::answering(mender).unwrap());
    let model = format!("{}/v1#scripted", server.base());
    let mut words = START.to_vec();
    words.extend(["--researcher", &model, "--tokens", "100", "--name", "small"]);
    let stopped = place.call(&words);
    assert!(stopped.err.contains("budget_reached"), "{}", stopped.err);
    assert_eq!(server.received().len(), 0);
    place
        .call(&["session", "resume", "small", "--tokens", "900000"])
        .exits(0);
    assert_eq!(
        events(&place, "small", "session.limits")[0]["limits"]["tokens"],
        900_000
    );
    // What belongs to studies is refused, and nothing is begun.
    let mut wrong = START.to_vec();
    wrong.extend(["--researcher", &model, "--seed", "1"]);
    let refused = place.call(&wrong).exits(2);
    assert!(
        refused.err.contains("`--seed` is for studies"),
        "{}",
        refused.err
    );
    let mut unpriced = START.to_vec();
    unpriced.extend(["--researcher", &model, "--money", "1", "--name", "dear"]);
    let refused = place.call(&unpriced).exits(2);
    assert!(refused.err.contains("price is known"), "{}", refused.err);
    let listed = place.call(&["session", "list"]).exits(0).out;
    assert!(!listed.contains("dear"), "{listed}");
    let mut nowhere = START.to_vec();
    nowhere[5] = "nowhere";
    nowhere.extend(["--researcher", &model]);
    let refused = place.call(&nowhere).exits(2);
    assert!(refused.err.contains("the workspace"), "{}", refused.err);
    let listed = place.call(&["session", "list"]).exits(0).out;
    assert_eq!(listed.lines().count(), 1, "{listed}");
}
