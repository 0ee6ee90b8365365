//! Attacks that once ended a study, a session or a listing.

use std::{fs, path::Path, thread, time::Duration};

use lyceum_ledger::{Ledger, NewEvent, Options};
use lyceum_models::scripted::{Received, Said, Server, Turn};
use serde_json::{Value, json};

use crate::{brain, faults::by_command, place::Place};

fn model(server: &Server) -> String {
    format!("{}/v1#scripted", server.base())
}

fn call(received: &Received, name: &str, arguments: &Value) -> Turn {
    Said::tool(&format!("call_{}", received.model_turns()), name, arguments).into()
}

/// Returns a place whose study lets all files be changed, with more lines in its definition.
fn all_editable(more: &str) -> Place {
    let place = Place::new();
    let file = place.path().join("parabola/study.toml");
    let text = fs::read_to_string(&file).unwrap();
    let narrow = r#"editable = ["settings.toml", "train.sh"]"#;
    assert!(text.contains(narrow));
    let text = text.replace(narrow, r#"editable = ["**"]"#);
    let text = text.replace("[budget]\n", &format!("[budget]\n{more}"));
    fs::write(file, text).unwrap();
    place
}

#[test]
fn a_directory_in_place_of_the_settings_is_a_refused_call_and_arguments_without_an_end_are_answered()
 {
    let place = all_editable("cpu = \"30m\"\n");
    let answer = |received: &Received| match received.model_turns() {
        0 => {
            let script = "rm settings.toml; mkdir settings.toml; echo 1 > settings.toml/x";
            call(received, "bash", &json!({ "command": script }))
        }
        1 => call(
            received,
            "run_experiment",
            &json!({ "hypothesis": "h", "settings": { "rate": 0.5 } }),
        ),
        2 => call(received, "reset_workspace", &json!({ "to": "start" })),
        3 => {
            // Deeper than a record takes, and not so deep that the answer itself is refused.
            let deep = "{\"a\":".repeat(80) + "{}" + &"}".repeat(80);
            Said::text_and_tools("", &[("deep", "note", deep.as_str())]).into()
        }
        _ => brain::researcher(received),
    };
    let server = Server::answering(answer).unwrap();
    place.call(&Place::words(&model(&server))).exits(0);
    let results = place.session("agent.tool_result");
    let said = |at: usize| results[at]["text"].as_str().unwrap().to_owned();
    assert_eq!(results[0]["is_error"], false, "{}", said(0));
    assert_eq!(results[1]["is_error"], true, "{}", said(1));
    assert!(
        said(1).contains("`settings.toml` must be a file"),
        "{}",
        said(1)
    );
    assert!(said(3).contains("at most 64 levels"), "{}", said(3));
    // The last words are bounded by what the study has left, too.
    let last = brain::statement(server.received().last().unwrap());
    assert!(last.contains("the search is over"), "{last}");
    assert!(last.contains("cpu time left: "), "{last}");
    a_session_that_cannot_be_read_is_named_and_the_others_are_listed(&place);
}

fn a_session_that_cannot_be_read_is_named_and_the_others_are_listed(place: &Place) {
    let ledger = Ledger::open(&place.path().join("lab/ledger"), Options::default()).unwrap();
    let event = NewEvent::new("agent.from_the_future", 1, "{}".to_owned());
    ledger
        .append_expecting("session/other", 0, vec![event])
        .unwrap();
    drop(ledger);
    let listed = place.call(&["session", "list"]).exits(0).out;
    assert!(
        listed.contains("other: cannot be read: event `agent.from_the_future`"),
        "{listed}"
    );
    // Nobody knows what a model without a price costs.
    assert!(
        listed.contains("parabola: terminated") && listed.contains("cost unknown"),
        "{listed}"
    );
    let listed = place.call(&["session", "list", "--json"]).exits(0).out;
    let all: Vec<Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(all[0]["status"], "unreadable", "{listed}");
    assert!(all[1]["money"].is_null(), "{listed}");
}

/// Waits until the command of a session has begun; whoever holds the lab, its record can be read.
fn until_a_tool_works(directory: &Path) {
    const LOOKS_MAX: u32 = 600;
    for _ in 0..LOOKS_MAX {
        let log = by_command(directory, &["session", "log", "--json"]);
        if log.contains("agent.tool_started") {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("no tool began");
}

#[test]
fn a_person_interrupts_a_tool_that_works() {
    let place = Place::new();
    let directory = place.path().to_owned();
    let mut first = true;
    let answer = move |received: &Received| {
        if std::mem::take(&mut first) {
            let directory = directory.clone();
            thread::spawn(move || {
                until_a_tool_works(&directory);
                by_command(&directory, &["session", "interrupt", "--why", "too slow"]);
            });
            let sleep = json!({ "command": "sleep 100", "timeout_s": 120 });
            return call(received, "bash", &sleep);
        }
        brain::researcher(received)
    };
    let server = Server::answering(answer).unwrap();
    let done = place.call(&Place::words(&model(&server)));
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.err);
    let results = place.session("agent.tool_result");
    let said = results[0]["text"].as_str().unwrap();
    assert!(
        said.contains("ended: the session was told to stop"),
        "{said}"
    );
    let idle = place.session("session.status_idle");
    assert_eq!(idle[0]["stop_reason"]["type"], "interrupted", "{idle:?}");
}

#[test]
fn a_mode_is_kept_what_a_new_directory_hides_is_told_and_a_letter_to_nobody_is_refused() {
    let place = all_editable("");
    let workspace = place.path().join("parabola/workspace");
    fs::create_dir(workspace.join("sub")).unwrap();
    fs::write(workspace.join("sub/old"), "old").unwrap();
    let answer = |received: &Received| match received.model_turns() {
        0 => {
            let script = "chmod +x train.sh; rm -r sub; mkdir sub; echo 1 > sub/new";
            call(received, "bash", &json!({ "command": script }))
        }
        _ => Said::text("that is all").into(),
    };
    let server = Server::answering(answer).unwrap();
    let run = place.call(&Place::words(&model(&server)));
    assert!(matches!(run.code, Some(0 | 1)), "{}{}", run.out, run.err);
    let results = place.session("agent.tool_result");
    let files = results[0]["files"].as_array().unwrap();
    let kept = files.iter().find(|one| one["name"] == "train.sh");
    assert_eq!(kept.unwrap()["executable"], true, "{files:?}");
    assert!(files.iter().any(|one| one["name"] == "sub/new"));
    let text = results[0]["text"].as_str().unwrap();
    assert!(
        text.contains("back again, since an experiment removes no files: sub"),
        "{text}"
    );
    let long = "x".repeat(100_000);
    for (words, why) in [
        (
            vec!["session", "send", "hello"],
            "session `parabola` is over",
        ),
        (
            vec!["session", "interrupt", "--why", long.as_str()],
            "expected 1 to 16384 bytes of text, found 100000",
        ),
    ] {
        let refused = place.call(&words).exits(2);
        assert!(refused.err.contains(why), "{}", refused.err);
    }
}
