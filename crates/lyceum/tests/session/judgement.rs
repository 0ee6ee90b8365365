//! What judgements cost: charged to the study's budgets, whoever proposes.

use std::{
    fs,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use lyceum_ledger::Ledger;
use lyceum_models::scripted::{Received, Said, Server, Turn};
use serde_json::Value;

use crate::place::Place;

const WORDS: [&str; 6] = ["run", "parabola", "--researcher", "random", "--seed", "1"];

fn yes(_: &Received) -> Turn {
    Said::text(r#"{"answer": "yes", "reason": "it is"}"#).into()
}

/// Returns a place whose study is judged by a model of a server, with a line in its budget.
fn judged(server: &Server, budget: &str) -> Place {
    let place = Place::new();
    let path = place.path().join("parabola/study.toml");
    let text = fs::read_to_string(&path).unwrap();
    let (head, _) = text.split_once("[[rubric]]").unwrap();
    let head = head.replace("[budget]\n", &format!("[budget]\n{budget}\n"));
    let rubric = format!(
        "[[rubric]]\nkind = \"judgement\"\nmodel = \"{}/v1#m\"\nquestion = \"Is it a number?\"\nfile = \"settings.toml\"\n",
        server.base()
    );
    fs::write(&path, head + &rubric).unwrap();
    place
}

/// Returns what is on record about the study's judgements.
fn judgements(place: &Place) -> Vec<(String, Value)> {
    let reader = Ledger::open_read_only(&place.path().join("lab/ledger")).unwrap();
    let events = reader.read("judgement/parabola", 0, 100).unwrap();
    let body = |text: &str| serde_json::from_str(text).unwrap();
    let events = events.into_iter();
    events.map(|one| (one.kind, body(&one.body))).collect()
}

#[test]
fn a_judgement_is_reserved_for_and_settled_and_one_that_is_not_paid_for_stays_open() {
    let server = Server::answering(yes).unwrap();
    let place = judged(&server, "tokens = 200000");
    place.call(&WORDS).exits(0);
    let found = judgements(&place);
    let kinds: Vec<&str> = found.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["span.judgement_start", "span.judgement_end"]);
    let (reserved, charged) = (&found[0].1["reserved_tokens"], &found[1].1["tokens"]);
    let (reserved, charged) = (reserved.as_u64().unwrap(), charged.as_u64().unwrap());
    assert!(
        0 < charged && charged < reserved && reserved <= 200_000,
        "{found:?}"
    );
    place.call(&["verify"]).exits(0);

    let (poor, before) = (judged(&server, "tokens = 100"), server.received().len());
    let done = poor.call(&WORDS).exits(1);
    let shown = poor.call(&["outcome", "parabola"]).out + &done.out;
    assert!(
        shown.contains("not checked: it may use")
            && shown.contains("`[budget] tokens` has 100 left"),
        "{shown}"
    );
    assert_eq!(server.received().len(), before);
    assert_eq!(judgements(&poor), []);
    let ends = poor.study("span.outcome_evaluation_end");
    let last = ends.last().unwrap();
    assert_eq!(last["grades"][0]["grade"], "open", "{last}");
    assert_eq!(last["execution"], "budget_reached", "{last}");
    assert_eq!(last["result"], "max_iterations_reached", "{last}");
    poor.call(&["verify"]).exits(0);
}

#[test]
fn a_judgement_during_which_the_lab_died_is_charged_whole_and_asked_for_again() {
    let (gate, came) = (Arc::new(Mutex::new(())), Arc::new(AtomicUsize::new(0)));
    let (held, coming) = (Arc::clone(&gate), Arc::clone(&came));
    let server = Server::answering(move |received| {
        coming.fetch_add(1, Ordering::SeqCst);
        drop(held.lock().unwrap());
        yes(received)
    })
    .unwrap();
    let place = judged(&server, "tokens = 200000");
    let closed = gate.lock().unwrap();
    let mut command = place.command(&WORDS);
    let mut running = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while came.load(Ordering::SeqCst) == 0 {
        assert!(begun.elapsed() < Duration::from_mins(2), "nobody asked");
        assert!(running.try_wait().unwrap().is_none(), "it ended unasked");
        std::thread::sleep(Duration::from_millis(5));
    }
    running.kill().unwrap();
    running.wait().unwrap();
    drop(closed);
    place.call(&WORDS).exits(0);
    let found = judgements(&place);
    let numbers: Vec<(&str, u64)> = found
        .iter()
        .map(|(kind, body)| (kind.as_str(), body["judgement"].as_u64().unwrap()))
        .collect();
    let (start, end) = ("span.judgement_start", "span.judgement_end");
    assert_eq!(numbers, [(start, 1), (start, 2), (end, 2)]);
    place.call(&["verify"]).exits(0);
}
