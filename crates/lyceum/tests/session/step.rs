//! A session with tools as a step of a workflow: what it leaves, and what becomes of it when the lab dies meanwhile.

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use lyceum_models::scripted::{Received, Said, Server, Turn};
use serde_json::{Value, json};

use crate::place::{Done, Place};

const FILE: &str = r#"
name = "w"

[[phase]]
name = "draft"
list = ["sea", "sky"]
parallel = 2
reads = ["facts.txt"]
[phase.session]
system = "You are brief."
prompt = "Write a line about {item}."
tools = ["write", "bash"]
outputs = ["draft.md"]
tokens = 900_000

[[phase]]
name = "title"
[phase.session]
prompt = "Name these: {results.draft}"
tools = []
tokens = 900_000

[[phase]]
name = "all"
[phase.command]
run = ["sh", "-c", "cat /step/results/title/1 /step/results/draft/*.files/draft.md /step/results/draft/1"]
uses = ["draft", "title"]
"#;

const RESULT: &str = "Sea and sky\nsea is blue\nsky is blue\nsea is written\n";

fn place() -> Place {
    let place = Place::new();
    fs::create_dir(place.path().join("flow")).unwrap();
    fs::write(place.path().join("flow/facts.txt"), "blue\n").unwrap();
    write(&place, FILE);
    place
}

fn write(place: &Place, file: &str) {
    fs::write(place.path().join("flow/workflow.toml"), file).unwrap();
}

fn run(place: &Place, model: &str) -> Done {
    place.call(&["workflow", "run", "flow", "--model", model])
}

fn shown(place: &Place) -> Value {
    let out = place.call(&["workflow", "show", "w", "--json"]);
    serde_json::from_str(&out.exits(0).out).unwrap()
}

/// What a session says follows from what the lab states, so that whoever died goes on.
fn writer(received: &Received) -> Turn {
    let all = received.text.replace("\\n", "\n");
    let now = &all[all.rfind("<lab>").unwrap()..];
    let now = &now[..now.find("</lab>").unwrap()];
    assert!(!now.contains("shared files") && !now.contains("thread"));
    let names = |name: &str| {
        let tools = received.body["tools"].as_array();
        let mut tools = tools.into_iter().flatten();
        tools.any(|one| one["function"]["name"] == name)
    };
    if all.contains("Name these") {
        // What the sessions before left is in front of it.
        for part in ["== draft.md", "sea is blue", "sky is written"] {
            assert!(all.contains(part), "{all}");
        }
        assert!(!names("write") && !names("hand_off"));
        return Said::text("Sea and sky").into();
    }
    assert!(all.contains("You are brief.") && names("write") && !names("read"));
    let about = if all.contains("about sea") {
        "sea"
    } else {
        "sky"
    };
    let tool = |name: &str, arguments: Value| Said::tool("c", name, &arguments).into();
    if now.contains("files that you changed: []") {
        let command = format!("echo {about} is $(cat facts.txt) > draft.md");
        tool("bash", json!({ "command": command }))
    } else if !all.contains("\"note.txt\"") && !all.contains("note.txt\\\"") {
        tool("write", json!({ "path": "note.txt", "content": "mine" }))
    } else {
        Said::text(format!("{about} is written")).into()
    }
}

/// Returns the names of the sessions that steps were.
fn sessions(place: &Place) -> Vec<String> {
    let out = place.call(&["session", "list", "--json"]).exits(0).out;
    let all = out.lines().map(|line| {
        let session: Value = serde_json::from_str(line).unwrap();
        session["session"].as_str().unwrap().to_owned()
    });
    all.collect()
}

#[test]
fn sessions_leave_words_and_files_to_later_phases_and_nothing_is_done_twice() {
    let server = Server::answering(writer).unwrap();
    let model = format!("{}/v1#m", server.base());
    let place = place();
    let done = run(&place, &model).exits(0);
    assert_eq!(done.out, RESULT, "{}", done.err);
    assert_eq!(server.received().len(), 7);
    assert_eq!(sessions(&place).len(), 3);
    // The same step is the same session, also in the next run.
    let larger = FILE.replace("tokens = 900_000", "tokens = 800_000");
    write(&place, &larger);
    let done = run(&place, &model).exits(0);
    assert_eq!((done.out.as_str(), server.received().len()), (RESULT, 7));
    // Another file is another one.
    fs::write(place.path().join("flow/facts.txt"), "grey\n").unwrap();
    write(&place, &larger.replace("sea is blue", "sea is grey"));
    let done = place.call(&["workflow", "run", "flow", "--model", "command:false"]);
    assert_eq!(done.code, Some(2), "{}", done.err);
    place.call(&["verify"]).exits(0);
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_mins(3), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn killed_in_the_middle_of_a_session_it_goes_on_and_no_call_is_made_twice() {
    let held = Arc::new(Mutex::new(()));
    let (came, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate, coming, done) = (Arc::clone(&held), Arc::clone(&came), Arc::clone(&answered));
    let server = Server::answering(move |received| {
        coming.fetch_add(1, Ordering::SeqCst);
        drop(gate.lock().unwrap());
        done.fetch_add(1, Ordering::SeqCst);
        writer(received)
    })
    .unwrap();
    let model = format!("{}/v1#m", server.base());
    let place = place();
    // What is reserved again for a session that goes on is what it has left, so that its phase still holds it.
    let whole = "outputs = [\"draft.md\"]\ntokens = 900_000\n[phase.budget]\ntokens = 1_800_000\n";
    let rest = "outputs = [\"draft.md\"]\ntokens = 900_000\n";
    write(&place, &FILE.replace(rest, whole));
    for after in [0, 1, 2, 3] {
        let mut command: Command = place.command(&["workflow", "run", "flow", "--model", &model]);
        let before = answered.load(Ordering::SeqCst);
        let silent = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = silent.spawn().unwrap();
        until("answers", || {
            answered.load(Ordering::SeqCst) >= before + after
                || running.try_wait().unwrap().is_some()
        });
        let closed = held.lock().unwrap();
        until("a question", || {
            came.load(Ordering::SeqCst) > answered.load(Ordering::SeqCst)
                || running.try_wait().unwrap().is_some()
        });
        running.kill().unwrap();
        running.wait().unwrap();
        drop(closed);
    }
    let done = run(&place, &model).exits(0);
    assert_eq!(done.out, RESULT, "{}", done.err);
    let all = sessions(&place);
    assert_eq!(all.len(), 3, "{all:?}");
    for session in all {
        let log = place.call(&["session", "log", &session, "--json"]).exits(0);
        let mut calls = BTreeSet::new();
        for line in log
            .out
            .lines()
            .filter(|line| line.contains("\"agent.tool_started\""))
        {
            let event: Value = serde_json::from_str(line).unwrap();
            let call = event["body"]["call"].as_str().unwrap().to_owned();
            assert!(calls.insert(call), "{session}: {line}");
        }
    }
    // What was open when the lab died is charged.
    let state = shown(&place);
    assert!(state["attempts"].as_u64().unwrap() > 4, "{state}");
    place.call(&["verify"]).exits(0);
}

#[test]
fn a_budget_pauses_a_session_and_what_it_does_not_leave_is_named() {
    let server = Server::answering(writer).unwrap();
    let model = format!("{}/v1#m", server.base());
    let place = place();
    // Less than is reserved for one request.
    let small = FILE.replacen("900_000", "5000", 1);
    write(&place, &small);
    let done = run(&place, &model).exits(3);
    assert!(done.err.contains("what session `draft-"), "{}", done.err);
    assert_eq!(server.received().len(), 0);
    // A phase that does not hold what its sessions may spend begins none.
    let tight = "outputs = [\"draft.md\"]\ntokens = 900_000\n[phase.budget]\ntokens = 400_000\n";
    write(
        &place,
        &FILE.replace("outputs = [\"draft.md\"]\ntokens = 900_000\n", tight),
    );
    let done = run(&place, &model).exits(3);
    assert!(done.err.contains("tokens of phase `draft`"), "{}", done.err);
    write(&place, &FILE.replace("\"draft.md\"", "\"other.md\""));
    let done = run(&place, &model).exits(1);
    assert!(done.err.contains("left no `other.md`"), "{}", done.err);
    // What failed in one run is tried again in the next.
    let asked = server.received().len();
    run(&place, &model).exits(1);
    assert_eq!(server.received().len(), 2 * asked);
    for (from, to, said) in [
        ("\"write\", \"bash\"", "\"fly\"", "no tool `fly`"),
        ("\"draft.md\"", "\"../d\"", "`../d` is no plain path"),
        ("tokens = 900_000\n", "", "tokens"),
        ("{item}", "{itm}", "`{itm}` is no place"),
    ] {
        write(&place, &FILE.replacen(from, to, 1));
        let done = run(&place, &model).exits(2);
        assert!(done.err.contains(said), "{}", done.err);
    }
}
