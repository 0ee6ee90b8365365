//! A lead and its specialists with the real program: sandboxes, a model over a socket; conflicts, budgets, a lead that dies.

use std::{
    collections::BTreeSet,
    fs,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use lyceum_models::scripted::{Received, Said, Server, Turn};
use serde_json::{Value, json};

use crate::place::{Done, Place};

const FILE: &str = r#"
name = "t"
objective = "write two files"
workspace = "files"

[lead]
specialists = ["one", "two"]

[[specialist]]
name = "one"
prompt = "You are the first writer."
tools = ["write"]

[[specialist]]
name = "two"
prompt = "You are the second writer."
tools = ["write", "read"]
"#;

fn place() -> Place {
    let place = Place::new();
    fs::create_dir(place.path().join("files")).unwrap();
    fs::write(place.path().join("files/shared.txt"), "as it was\n").unwrap();
    fs::write(place.path().join("team.toml"), FILE).unwrap();
    place
}

fn run(place: &Place, model: &str) -> Done {
    place.call(&["team", "run", "team.toml", "--model", model])
}

fn shown(place: &Place) -> Value {
    let out = place.call(&["team", "show", "t", "--json"]).exits(0).out;
    serde_json::from_str(&out).unwrap()
}

/// Returns the lab's last statement, and all that was sent with line ends as they are.
fn statement(received: &Received) -> (String, String) {
    let all = received.text.replace("\\n", "\n");
    let at = all.rfind("<lab>").unwrap();
    (all[at..].to_owned(), all)
}

fn tool(name: &str, arguments: &Value) -> Turn {
    Said::tool("c", name, arguments).into()
}

/// Whether the files that somebody has are not the newest.
fn is_behind(now: &str) -> bool {
    let line = now
        .lines()
        .find(|line| line.starts_with("you have version"))
        .unwrap();
    let mut numbers = line
        .split(|one: char| !one.is_ascii_digit())
        .filter(|part| !part.is_empty());
    numbers.next() != numbers.next()
}

/// What each says follows from the lab's statement, so that whoever died goes on.
fn team(received: &Received) -> Turn {
    let (now, all) = statement(received);
    if now.contains("(lead)") {
        return lead(&now, &all);
    }
    writer(
        if now.contains("(one)") { "one" } else { "two" },
        &now,
        &all,
    )
}

/// Asks both, waits, looks, takes what they made, ends.
fn lead(now: &str, all: &str) -> Turn {
    for (thread, who) in [("thread 1 (one)", "one"), ("thread 2 (two)", "two")] {
        if !now.contains(thread) {
            return tool(
                "delegate",
                &json!({ "specialist": who, "task": format!("write {who}.txt") }),
            );
        }
    }
    if now.contains("): at work") {
        tool("wait", &json!({}))
    } else if !all.contains("no changes that are not handed off") {
        tool("look", &json!({ "thread": 1 }))
    } else if is_behind(now) {
        tool("take_shared", &json!({}))
    } else if !all.contains("exit status 0") {
        tool(
            "bash",
            &json!({ "command": "cat one.txt two.txt shared.txt" }),
        )
    } else {
        Said::text("both are written").into()
    }
}

/// Changes a file of its own and one that the other changes too; who is refused brings both together.
fn writer(who: &str, now: &str, all: &str) -> Turn {
    let write =
        |path: &str, content: &str| tool("write", &json!({ "path": path, "content": content }));
    let own = now
        .lines()
        .find(|line| line.starts_with("your changes"))
        .unwrap();
    let refused = all.contains("refused: others handed off shared.txt");
    let together = all.rfind("both were here");
    if all.contains("your changes are version") {
        Said::text(format!("{who} is done")).into()
    } else if !own.contains(&format!("{who}.txt")) {
        write(&format!("{who}.txt"), &format!("by {who}\n"))
    } else if !own.contains("shared.txt") {
        write("shared.txt", &format!("{who} was here\n"))
    } else if refused && is_behind(now) {
        tool("take_shared", &json!({}))
    } else if refused && (together.is_none() || all.rfind("It is not repeated") > together) {
        write("shared.txt", "both were here\n")
    } else {
        tool(
            "hand_off",
            &json!({ "message": format!("what {who} wrote") }),
        )
    }
}

/// What everything must have come to, whoever died meanwhile.
fn assert_whole(place: &Place) {
    let state = shown(place);
    assert_eq!(state["status"], "completed", "{state}");
    let threads = state["threads"].as_array().unwrap();
    assert_eq!(threads.len(), 3, "{state}");
    assert!(
        threads.iter().all(|one| one["stop_reason"] == "end_turn"),
        "{state}"
    );
    let out = place.path().join("out");
    place.call(&["team", "show", "t", "--into", "out"]).exits(0);
    let file = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    assert_eq!(
        (file("one.txt"), file("two.txt")),
        ("by one\n".into(), "by two\n".into())
    );
    // Whoever handed off second was shown what the first did; nothing was overwritten unseen.
    let handoffs = state["handoffs"].as_array().unwrap();
    let by: BTreeSet<u64> = handoffs
        .iter()
        .map(|one| one["thread"].as_u64().unwrap())
        .collect();
    assert_eq!((handoffs.len(), by.len()), (2, 2), "{state}");
    // The user's own files are as they were.
    let own = fs::read_to_string(place.path().join("files/shared.txt")).unwrap();
    assert_eq!(own, "as it was\n");
    for session in ["t", "t.1", "t.2"] {
        let log = place
            .call(&["session", "log", session, "--json"])
            .exits(0)
            .out;
        let mut calls = BTreeSet::new();
        for line in log
            .lines()
            .filter(|line| line.contains("\"agent.tool_started\""))
        {
            let event: Value = serde_json::from_str(line).unwrap();
            assert!(
                calls.insert(event["body"]["call"].as_str().unwrap().to_owned()),
                "{session}: {line}"
            );
        }
    }
    place.call(&["verify"]).exits(0);
}

#[test]
fn specialists_work_side_by_side_and_what_clashes_is_refused_and_brought_together() {
    let (asked, both) = mpsc::channel();
    let server = Server::answering(move |received| {
        let (now, _) = statement(received);
        if now.contains("(lead)") && now.contains("thread 2 (two)") {
            // Who hears it may have heard it before.
            let _ = asked.send(());
        }
        team(received)
    })
    .unwrap();
    // The first writer says nothing before both began: each begins with the same version, so one must be refused.
    let mut waited = false;
    let first = Server::answering(move |received| {
        if !waited {
            both.recv().unwrap();
            waited = true;
        }
        team(received)
    })
    .unwrap();
    let place = place();
    let own = format!("name = \"one\"\nmodel = \"{}/v1#first\"", first.base());
    fs::write(
        place.path().join("team.toml"),
        FILE.replace("name = \"one\"", &own),
    )
    .unwrap();
    let model = format!("{}/v1#m", server.base());
    let done = run(&place, &model).exits(0);
    assert_eq!(done.out, "both are written\n", "{}", done.err);
    assert_whole(&place);
    let shared = fs::read_to_string(place.path().join("out/shared.txt")).unwrap();
    assert_eq!(shared, "both were here\n");
    // Each had its own prompt, tools and model.
    let told = first.received().into_iter().chain(server.received());
    for received in told {
        let (now, _) = statement(&received);
        let tools = received.body["tools"].as_array().unwrap();
        let has = |name: &str| tools.iter().any(|one| one["function"]["name"] == name);
        let is = |who: &str| now.contains(&format!("you are thread {who}"));
        assert_eq!(has("read"), !is("1 (one)"));
        assert_eq!(has("bash"), is("0 (lead)"));
        assert_eq!(has("delegate"), is("0 (lead)"));
        assert_eq!(
            received.text.contains("You are the second writer."),
            is("2 (two)")
        );
    }
    // What is done is done: nobody is asked again.
    let asked = server.received().len();
    run(&place, &model).exits(0);
    assert_eq!(server.received().len(), asked);
}

/// Returns what happened in a thread's session, without what no two runs have in common.
fn events(place: &Place, session: &str) -> Vec<Value> {
    let log = place.call(&["session", "log", session, "--json"]);
    let lines = log.exits(0).out;
    let events = lines.lines().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        let (mut body, kind) = (event["body"].clone(), event["kind"].clone());
        for own in ["pid", "cpu_ms"] {
            body.as_object_mut().unwrap().remove(own);
        }
        json!([kind, body])
    });
    events.collect()
}

#[test]
fn a_recorded_team_does_the_same_in_another_lab_without_a_network() {
    let server = Server::answering(team).unwrap();
    let model = format!("{}/v1#m", server.base());
    let first = place();
    let tape = first.path().join("tape.jsonl");
    let tape = tape.to_str().unwrap();
    let call = |place: &Place, way: &str| {
        place.call(&["team", "run", "team.toml", "--model", &model, way, tape])
    };
    let recorded = call(&first, "--record").exits(0);
    assert_whole(&first);
    let asked = server.received().len();
    drop(server);
    let lines = fs::read_to_string(tape).unwrap().lines().count();
    assert_eq!(lines, asked);
    // Whoever is faster this time, the order of the recording decides.
    for _ in 0..3 {
        let again = place();
        let replayed = call(&again, "--replay").exits(0);
        assert_eq!(replayed.out, recorded.out);
        assert_whole(&again);
        assert_eq!(shown(&again), shown(&first));
        for session in ["t", "t.1", "t.2"] {
            let (now, then) = (events(&again, session), events(&first, session));
            for (now, then) in now.iter().zip(&then) {
                assert_eq!(now, then, "{session}");
            }
            assert_eq!(now.len(), then.len(), "{session}");
        }
    }
    // Another objective is another team, which the recording does not know.
    let other = place();
    let changed = FILE.replace("write two files", "write three files");
    fs::write(other.path().join("team.toml"), changed).unwrap();
    let done = call(&other, "--replay").exits(1);
    assert!(done.err.contains("retries_exhausted"), "{}", done.err);
    let log = other.call(&["session", "log", "t"]).exits(0).out;
    assert!(
        log.contains("differs from exchange 1 of the recording"),
        "{log}"
    );
}

/// Waits until something holds; who waits longer than anything takes has found a fault.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_mins(3), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_lead_that_is_killed_goes_on_with_its_children() {
    let held = Arc::new(Mutex::new(()));
    let (came, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate, coming, done) = (Arc::clone(&held), Arc::clone(&came), Arc::clone(&answered));
    let server = Server::answering(move |received| {
        coming.fetch_add(1, Ordering::SeqCst);
        drop(gate.lock().unwrap());
        done.fetch_add(1, Ordering::SeqCst);
        team(received)
    })
    .unwrap();
    let model = format!("{}/v1#m", server.base());
    let place = place();
    // It dies while somebody is asked: at the first question, and after some more each time.
    for after in [0, 2, 3, 5] {
        let mut command = place.command(&["team", "run", "team.toml", "--model", &model]);
        let before = answered.load(Ordering::SeqCst);
        let mut running = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("answers", || {
            answered.load(Ordering::SeqCst) >= before + after
                || running.try_wait().unwrap().is_some()
        });
        let closed = held.lock().unwrap();
        // Whoever asks now is not answered before the process is dead.
        until("a question", || {
            came.load(Ordering::SeqCst) > answered.load(Ordering::SeqCst)
                || running.try_wait().unwrap().is_some()
        });
        running.kill().unwrap();
        running.wait().unwrap();
        drop(closed);
    }
    run(&place, &model).exits(0);
    assert_whole(&place);
}

#[test]
fn a_budget_pauses_and_a_larger_one_goes_on() {
    let server = Server::answering(team).unwrap();
    let model = format!("{}/v1#m", server.base());
    let place = place();
    // Less than is reserved for one request.
    let small = FILE.replace("[lead]\n", "[lead]\ntokens = 5000\n");
    fs::write(place.path().join("team.toml"), &small).unwrap();
    let done = run(&place, &model).exits(3);
    assert!(done.err.contains("budget_reached"), "{}", done.err);
    assert_eq!(server.received().len(), 0);
    let larger = small.replace("5000", "9000000");
    fs::write(place.path().join("team.toml"), larger).unwrap();
    run(&place, &model).exits(0);
    assert_whole(&place);
    let other = small.replace("write two files", "write three files");
    fs::write(place.path().join("team.toml"), other).unwrap();
    let done = run(&place, &model).exits(2);
    assert!(done.err.contains("another name"), "{}", done.err);
}

#[test]
fn nobody_is_below_the_third_level_and_mistakes_in_a_file_are_named() {
    let file = FILE.replace("tools = [\"write\"]", "specialists = [\"one\"]");
    let server = Server::answering(|received| {
        let (now, all) = statement(received);
        if !all.contains("is at work")
            && !all.contains("you have no tool")
            && !all.contains("no tool `delegate`")
        {
            tool(
                "delegate",
                &json!({ "specialist": "one", "task": "deeper" }),
            )
        } else if now.contains("): at work") {
            tool("wait", &json!({}))
        } else {
            Said::text("enough").into()
        }
    })
    .unwrap();
    let model = format!("{}/v1#m", server.base());
    let place = place();
    fs::write(place.path().join("team.toml"), &file).unwrap();
    run(&place, &model).exits(0);
    let state = shown(&place);
    let depths: Vec<u64> = state["threads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["depth"].as_u64().unwrap())
        .collect();
    assert_eq!(depths, [0, 1, 2, 3]);
    for (from, to, said) in [
        (
            "specialists = [\"one\", \"two\"]",
            "specialists = [\"six\"]",
            "no specialist is called `six`",
        ),
        ("tools = [\"write\"]", "tools = [\"fly\"]", "no tool `fly`"),
        ("name = \"two\"", "name = \"one\"", "two are called `one`"),
        (
            "workspace = \"files\"",
            "workspace = \"/etc\"",
            "no plain path",
        ),
    ] {
        fs::write(place.path().join("team.toml"), FILE.replace(from, to)).unwrap();
        let done = run(&place, &model).exits(2);
        assert!(done.err.contains(said), "{}", done.err);
    }
}
