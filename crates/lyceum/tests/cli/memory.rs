//! What finished studies teach the next one, and what people may do about it.

use std::fs;

use serde_json::Value;

use crate::{
    goes_on::start_of,
    support::{Place, Tiny},
};

/// Three finished studies of one family.
fn finished() -> Place {
    finished_of(8)
}

/// The same of so many experiments each.
fn finished_of(experiments: u32) -> Place {
    let place = Place::new();
    for (number, name) in ["one", "two", "three"].into_iter().enumerate() {
        place.study(&Tiny {
            name: name.into(),
            budget: format!("experiments = {experiments}"),
            ..Tiny::default()
        });
        let done = place.run(name, &["--seed", &(number + 1).to_string()]);
        assert!(done.code <= 1, "{}", done.err);
    }
    place
}

/// Dreams and has the new store read in any case; returns what was printed.
fn dreamt(place: &Place) -> Value {
    let done = place.call(&["dream", "--json"]);
    assert!(done.code <= 1, "{}", done.err);
    let told: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(done.code, i32::from(told["verdict"] == "review"), "{told}");
    assert_eq!(told["store"], "lab-2");
    if done.code == 1 {
        place
            .call(&["memory", "accept", "lab-2", "--why", "looked at"])
            .exits(0);
    }
    told
}

#[test]
fn a_study_begins_with_what_others_found() {
    let place = finished();
    let told = dreamt(&place);
    assert_eq!(told["studies"], serde_json::json!(["one", "three", "two"]));
    let held = told["replays"][0]["held"].as_array().unwrap();
    assert_eq!(held.len(), 3);
    let changes = told["changes"].to_string();
    assert!(
        changes.contains("`rate` ") && changes.contains("[study/one "),
        "{changes}"
    );
    place.study(&Tiny {
        name: "four".into(),
        budget: "experiments = 8".into(),
        ..Tiny::default()
    });
    let done = place.run("four", &["--memory", "lab"]);
    assert!(done.code <= 1, "{}", done.err);
    let recalled = place.bodies("four", "memory.recalled").remove(0);
    assert_eq!(
        (&recalled["asked"], &recalled["store"]),
        (&"lab".into(), &"lab-2".into())
    );
    let proposed = place.bodies("four", "experiment.proposed");
    let searched: Vec<&Value> = proposed
        .iter()
        .filter(|one| one["role"]["role"] == "search")
        .collect();
    // A quarter of the budget at most.
    for (one, settings) in searched
        .iter()
        .zip(recalled["settings"].as_array().unwrap())
        .take(2)
    {
        assert_eq!(
            (&one["settings"], &one["researcher"]),
            (settings, &"warm-start".into())
        );
        let rate = settings["rate"].as_f64().unwrap();
        assert!(
            (0.05..0.6).contains(&rate),
            "the best is 0.3, suggested was {rate}"
        );
    }
    assert_eq!(searched[2]["researcher"], "random");
    place.assert_intact();
    // The study keeps to it, and to nothing else.
    place.run("four", &["--memory", "lab"]);
    place
        .run("four", &["--memory", "lab-2"])
        .exits(2)
        .says(&["the memory of study `four` changed"]);
    place
        .run("one", &["--memory", "lab"])
        .exits(2)
        .says(&["the memory of study `one` changed"]);
}

#[test]
fn a_study_with_priors_that_was_killed_ends_as_if_nothing_had_been() {
    // Enough of each study to tell whether the knob mattered.
    let place = finished_of(16);
    dreamt(&place);
    let words = |name: &'static str| {
        let memory = ["--memory", "lab", "--researcher", "tpe", "--slots", "1"];
        [&["run", name, "--seed", "4"][..], &memory].concat()
    };
    for name in ["calm", "killed"] {
        place.study(&Tiny {
            name: name.into(),
            budget: "experiments = 14".into(),
            ..Tiny::default()
        });
    }
    let proposed = |name: &str| -> Vec<Value> {
        let all = place.bodies(name, "experiment.proposed").into_iter();
        all.map(|one| serde_json::json!([one["settings"], one["researcher"], one["hypothesis"]]))
            .collect()
    };
    assert!(place.call(&words("calm")).code <= 1);
    let recalled = place.bodies("calm", "memory.recalled").remove(0);
    let prior = &recalled["priors"][0];
    assert_eq!(prior["knob"], "rate", "{recalled}");
    assert!(prior["explains"].as_f64().unwrap() > 0.05, "{prior}");
    let between = &prior["good"]["between"];
    let (low, high) = (between["low"].as_f64(), between["high"].as_f64());
    assert!(
        low.unwrap() < 0.3 && 0.3 < high.unwrap(),
        "the best is 0.3: {prior}"
    );
    let mut child = start_of(&place, &words("killed"), "\"experiment\":7,");
    child.kill().unwrap();
    child.wait().unwrap();
    // What becomes of the store is nothing to a study that has begun.
    fs::write(place.path().join("note"), "words\n").unwrap();
    let write = ["memory", "write", "lab-2", "note.md", "--from", "note"];
    place.call(&write).exits(0);
    assert!(place.call(&words("killed")).code <= 1);
    assert_eq!(proposed("calm"), proposed("killed"));
    place.assert_intact();
}

#[test]
fn nothing_is_written_by_a_dream_that_is_only_looked_at() {
    let place = finished();
    let events = place.call(&["log", "one", "--json"]).exits(0).out;
    let done = place.call(&["dream", "--dry-run"]);
    done.prints("replay of loss-");
    assert!(done.out.contains("would be "), "{}", done.out);
    place
        .call(&["memory", "list"])
        .exits(0)
        .prints("no memory stores");
    assert_eq!(place.call(&["log", "one", "--json"]).exits(0).out, events);
    place.assert_intact();
}

#[test]
fn what_a_memory_cannot_do_is_said() {
    let place = finished();
    place
        .call(&["memory", "show", "lab"])
        .exits(2)
        .says(&["no memory store `lab`", "`lyceum dream` makes one"]);
    place.study(&Tiny {
        name: "four".into(),
        ..Tiny::default()
    });
    place
        .run("four", &["--memory", "lab"])
        .exits(2)
        .says(&["no memory store `lab`"]);
    fs::write(place.path().join("note"), "small rates \u{1b}[31mwork\n").unwrap();
    let write = |more: &[&str]| {
        let words = ["memory", "write", "lab", "notes/rates.md", "--from", "note"];
        place.call(&[&words, more].concat())
    };
    write(&["--cite", "one:3,2", "--new"])
        .exits(0)
        .prints("version 2");
    write(&["--new"])
        .exits(2)
        .says(&["is not as expected", "no entry"]);
    write(&["--cite", "one"]).exits(2);
    write(&["--expect", "00"]).exits(2).says(&["expected 00"]);
    let text = place
        .call(&["memory", "show", "lab", "notes/rates.md"])
        .exits(0)
        .out;
    assert!(
        text.starts_with("small rates ") && !text.contains('\u{1b}'),
        "{text:?}"
    );
    place
        .run("four", &["--memory", "lab"])
        .exits(2)
        .says(&["knows no study with metric `loss`"]);
    place.call(&["dream", "four"]).exits(2);
    dreamt(&place);
    place
        .call(&["memory", "show", "lab-2", "notes/rates.md"])
        .exits(0)
        .prints("small rates");
    place
        .call(&["dream"])
        .exits(2)
        .says(&["nothing to dream of"]);
    place
        .call(&["memory", "accept", "lab"])
        .exits(2)
        .says(&["was not dreamt from another"]);
    place.call(&["memory", "redact", "lab", "2"]).exits(0);
    place
        .call(&["memory", "show", "lab", "--version", "2"])
        .exits(2)
        .says(&["was redacted"]);
    place
        .call(&["memory", "history", "lab"])
        .exits(0)
        .prints("redacted");
    place.assert_intact();
}

#[test]
fn no_note_is_lost_when_a_dream_is_accepted() {
    let place = Place::new();
    // One study: none can be held out, so that the dream is kept for review.
    place.study(&Tiny {
        name: "one".into(),
        budget: "experiments = 4".into(),
        ..Tiny::default()
    });
    assert!(place.run("one", &[]).code <= 1);
    fs::write(place.path().join("note"), "later words\n").unwrap();
    let write =
        |store: &str, path: &str| place.call(&["memory", "write", store, path, "--from", "note"]);
    write("lab", "early").exits(0);
    place.call(&["dream"]).exits(1);
    let accept = || place.call(&["memory", "accept", "lab-2"]);
    write("lab", "later").exits(0);
    accept()
        .exits(2)
        .says(&["changed after `lab-2` was dreamt", "`later`"]);
    // Nothing was lost and nothing accepted: the old store is read and written as before.
    write("lab", "more").exits(0);
    place.call(&["memory", "delete", "lab", "more"]).exits(0);
    write("lab-2", "later").exits(0);
    accept().exits(0);
    accept().exits(2).says(&["`lab-2` is read in place"]);
    write("lab", "late")
        .exits(2)
        .says(&["`lab-2` is read in place", "write to `lab-2`"]);
    place
        .call(&["memory", "show", "lab-2", "later"])
        .exits(0)
        .prints("later words");
    place.assert_intact();
}

#[test]
fn what_steers_a_terminal_is_escaped_for_programs_too() {
    let place = Place::new();
    let note = place.path().join("note");
    fs::write(&note, "a\u{9b}31mb\u{202e}c").unwrap();
    let from = note.to_str().unwrap();
    place
        .call(&["memory", "write", "a", "note.md", "--from", from])
        .exits(0);
    for words in [
        &["memory", "show", "a", "note.md", "--json"][..],
        &["memory", "show", "a", "note.md"],
    ] {
        let out = place.call(words).exits(0).out;
        assert!(
            out.contains('b') && !out.contains(['\u{9b}', '\u{202e}']),
            "{out}"
        );
    }
    let told = place
        .call(&["memory", "show", "a", "note.md", "--json"])
        .exits(0);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(told["text"], "a\u{9b}31mb\u{202e}c");
}

#[test]
fn what_a_person_would_lose_or_get_twice_is_told() {
    let place = Place::new();
    place.study(&Tiny::default());
    place.run("tiny", &["--experiments", "2"]);
    let file = place.path().join("note.txt");
    fs::write(&file, "a key that slipped in\n").unwrap();
    let from = ["--from", file.to_str().unwrap()];
    let write = |more: &[&str]| {
        let all = [
            &["memory", "write", "lab-2024", "a/note.md"],
            &from[..],
            more,
        ]
        .concat();
        place.call(&all)
    };
    let refused = write(&["--cite", "tiny:1,99999"]).exits(2);
    refused.says(&["`study/tiny` has no event 99999"]);
    write(&["--cite", "tiny:1"]).exits(0);
    fs::write(&file, "x".repeat(1 << 20)).unwrap();
    write(&[]).exits(2).says(&["the most that an entry holds"]);
    // A dream that waits for review is not dreamt again at the next time, by another schedule neither.
    let schedule = |more: &[&str]| {
        let all = [
            "dream",
            "--schedule",
            "0 3 1 * *",
            "--once",
            "--store",
            "lab-2024",
        ];
        place.call(&[&all[..], more].concat())
    };
    let since = ["--since", "2026-01-15T00:00:00Z"];
    let first = schedule(&since).exits(1).out;
    assert!(first.contains("`lab-2024-2`"), "{first}");
    let rests = schedule(&["--since", "2026-01-15T00:00:00Z", "--zone", "Europe/Berlin"]).exits(0);
    rests.says(&["`lab-2024-2` was dreamt of the same and waits for review"]);
    let stores = place.call(&["memory", "list"]).exits(0).out;
    assert_eq!(stores.lines().count(), 2, "{stores}");
    let other = schedule(&["--since", "2026-02-15T00:00:00Z"]).exits(2);
    other.says(&["counts from", "expected no other `--since`"]);
    let unknown = schedule(&["--sessions", "nobody"]).exits(2);
    unknown.says(&["nobody"]);
    let named = place.call(&["memory", "dreams"]).exits(0).out;
    assert!(!named.contains("sessions nobody"), "{named}");
    // The copy that a dream took over is named where the first is redacted, and the store that is read where one is changed.
    place.call(&["memory", "accept", "lab-2024-2"]).exits(0);
    let deleted = place
        .call(&["memory", "delete", "lab-2024", "a/note.md"])
        .exits(2);
    deleted.says(&[
        "`lab-2024-2` is read in place",
        "delete it from `lab-2024-2`",
    ]);
    let history = place
        .call(&["memory", "history", "lab-2024", "--json"])
        .exits(0)
        .out;
    let first: Value = serde_json::from_str(history.lines().next().unwrap()).unwrap();
    let version = first["version"].to_string();
    let redacted = place
        .call(&["memory", "redact", "lab-2024", &version])
        .exits(0)
        .out;
    assert!(
        redacted.contains("`lyceum memory redact lab-2024-2 "),
        "{redacted}"
    );
}
