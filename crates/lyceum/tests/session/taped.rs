//! Sessions that are recorded at a real socket, and replayed in another lab without a server and without a key.

use std::{fs, path::Path, process::Stdio};

use lyceum_models::scripted::{Received, Said, Server, Turn};
use serde_json::{Value, json};

use crate::{
    alone::{START, mender, with_files},
    brain,
    faults::by_command,
    place::{Done, Place},
};

const KEY: &str = "a-key-that-is-in-no-recording";

fn call(place: &Place, words: &[&str], tape: (&str, &Path)) -> Done {
    let mut command = place.command(words);
    command.arg(tape.0).arg(tape.1);
    if tape.0 == "--record" {
        command.env("LYCEUM_MODEL_KEY", KEY);
    }
    command.output().unwrap().into()
}

/// Returns kinds and bodies of a session's events, without what is of this process and of time.
fn log(place: &Place, name: &str) -> Vec<(String, Value)> {
    let out = place.call(&["session", "log", name, "--json"]).exits(0).out;
    let events = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let events = events.map(|event| {
        let mut body = event["body"].clone();
        for of_this_process in ["pid", "cpu_ms"] {
            body.as_object_mut().unwrap().remove(of_this_process);
        }
        (event["kind"].as_str().unwrap().to_owned(), body)
    });
    events.collect()
}

/// Returns the log without the beginnings of processes.
fn without_starts(log: Vec<(String, Value)>) -> Vec<(String, Value)> {
    let events = log.into_iter();
    events
        .filter(|(kind, _)| kind != "session.status_running")
        .collect()
}

fn start<'a>(model: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut words = START.to_vec();
    words.extend(["--researcher", model, "--tokens", "900000"]);
    words.extend(more);
    words
}

/// Works, and dreams of the work.
fn dreamer(received: &Received) -> Turn {
    if !received.text.contains("session/session-1") {
        return mender(received);
    }
    let cites = json!([{ "stream": "session/session-1", "events": [1] }]);
    let line = json!({ "text": "add.sh is to add", "cites": cites });
    let write = json!({ "kind": "write", "path": "add.md", "lines": [line] });
    Said::text(json!({ "operations": [write] }).to_string()).into()
}

/// What is recorded of a session and of a dream of it is replayed in another lab.
fn dreams(first: &Place, again: &Place, model: &str, server: Server) {
    let words = ["dream", "--sessions", "session-1", "--dreamer", model];
    let tape = first.path().join("dream.jsonl");
    let session = first.path().join("tape.jsonl");
    let refused = call(first, &words, ("--record", &session)).exits(2);
    assert!(refused.err.contains("a new file"), "{}", refused.err);
    // A dream that is kept for review ends with 1.
    let recorded = call(first, &words, ("--record", &tape)).exits(1);
    assert!(
        recorded.out.contains("add.sh is to add"),
        "{}",
        recorded.out
    );
    drop(server);
    let more = [&words[..], &["--instructions", "be short"]].concat();
    let refused = call(again, &more, ("--replay", &tape)).exits(2);
    assert!(refused.err.contains("differs from"), "{}", refused.err);
    let replayed = call(again, &words, ("--replay", &tape)).exits(1);
    let rest = |out: &str| out.replace("lab-2", "").replace("lab-3", "");
    assert_eq!(rest(&replayed.out), rest(&recorded.out));
    again.call(&["verify"]).exits(0);
}

#[test]
fn a_session_without_a_study_does_the_same_in_another_lab_without_a_server() {
    let (first, server) = (with_files(), Server::answering(dreamer).unwrap());
    let model = format!("{}/v1#scripted", server.base());
    let tape = first.path().join("tape.jsonl");
    let recorded = call(&first, &start(&model, &[]), ("--record", &tape)).exits(0);
    let text = fs::read_to_string(&tape).unwrap();
    assert!(!text.contains(KEY), "the key is in the recording");
    let asked = server.received().len();

    let again = with_files();
    let replayed = call(&again, &start(&model, &[]), ("--replay", &tape)).exits(0);
    assert_eq!(replayed.out, recorded.out);
    assert_eq!(log(&again, "session-1"), log(&first, "session-1"));
    assert_eq!(server.received().len(), asked, "the replay asked somebody");
    again.call(&["verify"]).exits(0);

    dreams(&first, &again, &model, server);

    // Another constraint is another request, and the session says where it differs.
    let other = with_files();
    let words = start(&model, &["--constraint", "be quick"]);
    let refused = call(&other, &words, ("--replay", &tape)).exits(2);
    let differs = "differs from exchange 1 of the recording";
    assert!(refused.err.contains(differs), "{}", refused.err);
    assert!(refused.err.contains("be quick"), "{}", refused.err);

    // A second session is no part of the first one's recording, and none is begun for it.
    let words = start(&model, &["--name", "second"]);
    let refused = call(&first, &words, ("--record", &tape)).exits(2);
    assert!(refused.err.contains("a new file"), "{}", refused.err);
    assert_eq!(fs::read_to_string(&tape).unwrap(), text);
    let listed = first.call(&["session", "list"]).exits(0).out;
    assert!(!listed.contains("second"), "{listed}");
}

/// Kills the process that drives a session, from inside of its model.
fn kill(place: &Path) {
    let log = by_command(place, &["session", "log", "session-1", "--json"]);
    let mut pids = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).unwrap()["body"]["pid"].as_i64());
    let pid = pids.next_back().unwrap().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-9", &pid])
        .status();
    assert!(killed.unwrap().success());
}

#[test]
fn a_recording_goes_on_after_a_kill_and_a_replay_of_it_meets_the_same_loss() {
    let first = with_files();
    let directory = first.path().to_owned();
    let mut left = 2;
    let answer = move |received: &Received| {
        let made = brain::statement(received).contains("[add.sh]");
        if left == 2 || (left == 1 && made) {
            left -= 1;
            kill(&directory);
        }
        mender(received)
    };
    let server = Server::answering(answer).unwrap();
    let model = format!("{}/v1#scripted", server.base());
    let tape = first.path().join("tape.jsonl");
    let mut command = first.command(&start(&model, &[]));
    command
        .arg("--record")
        .arg(&tape)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    assert_eq!(command.status().unwrap().code(), None, "it was not killed");
    let resume = ["session", "resume", "session-1"];
    let killed = call(&first, &resume, ("--record", &tape));
    assert_eq!(killed.code, None, "it was not killed again");
    call(&first, &resume, ("--record", &tape)).exits(0);
    drop(server);

    let again = with_files();
    call(&again, &start(&model, &[]), ("--replay", &tape)).exits(0);
    let (then, now) = (log(&first, "session-1"), log(&again, "session-1"));
    assert_eq!(without_starts(now), without_starts(then));

    // What went on without its recording is refused, before anything is asked.
    let behind = with_files();
    let server = Server::answering(mender).unwrap();
    let model = format!("{}/v1#scripted", server.base());
    let tape = behind.path().join("tape.jsonl");
    behind.call(&start(&model, &[])).exits(0);
    behind.call(&["session", "send", "add a readme"]).exits(0);
    let asked = server.received().len();
    let refused = call(&behind, &resume, ("--record", &tape)).exits(2);
    assert!(refused.err.contains("begun without it"), "{}", refused.err);
    assert_eq!(server.received().len(), asked);
}

/// Returns a place whose study has budgets of time, and whose rubric a model judges too.
fn judged(model: &str) -> Place {
    let place = Place::judged();
    let path = place.path().join("parabola/study.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("[budget]\n", "[budget]\nwall = \"1h\"\ncpu = \"1h\"\n");
    let judgement = format!(
        "\n[[rubric]]\nkind = \"judgement\"\nmodel = \"{model}\"\nquestion = \"Is it better?\"\nfile = \"train.sh\"\n"
    );
    fs::write(&path, text + &judgement).unwrap();
    place
}

/// Works as a researcher and as a judge, who is asked without a statement of the lab.
fn both(received: &Received) -> Turn {
    if received.text.contains("You judge one question") {
        return Said::text(r#"{"answer": "yes", "reason": "it is"}"#).into();
    }
    brain::reviser(received)
}

#[test]
fn a_study_with_a_model_as_researcher_and_as_judge_ends_the_same_without_a_server() {
    let server = Server::answering(both).unwrap();
    let model = format!("{}/v1#scripted", server.base());
    let first = judged(&model);
    let tape = first.path().join("tape.jsonl");
    // No seed is given: the one that was drawn is in the recording.
    let words = ["run", "parabola", "--researcher", &model];
    call(&first, &words, ("--record", &tape)).exits(0);
    let judgements = fs::read_to_string(&tape).unwrap();
    assert!(judgements.contains("You judge one question"));
    assert!(judgements.contains("cpu time left: "));
    drop(server);

    let again = judged(&model);
    // Another clock says other times, and the replay says those of the recording.
    let path = again.path().join("parabola/study.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("wall = \"1h\"", "wall = \"2h\"")).unwrap();
    call(&again, &words, ("--replay", &tape)).exits(0);
    assert_eq!(log(&again, "parabola"), log(&first, "parabola"));
    assert_eq!(again.result(), first.result());
    again.call(&["verify"]).exits(0);

    // Another question is another study, and no sampler takes the place of who is replayed.
    let other = judged(&model);
    let path = other.path().join("parabola/study.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("Which rate", "What rate")).unwrap();
    let refused = call(&other, &words, ("--replay", &tape)).exits(2);
    let differs = "differs from exchange 1 of the recording";
    assert!(refused.err.contains(differs), "{}", refused.err);
    assert_eq!(other.study("experiment.decided").len(), 0);
}
