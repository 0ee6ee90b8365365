//! The recordings of the examples: made here by a scripted server in the place of a real model, which has no place in tests.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use lyceum_models::scripted::{Received, Said, Server, Turn};
use serde_json::{Value, json};

use crate::place::Place;

fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name)
}

/// Returns the words of the user in a request, in their order.
fn asked(received: &Received) -> Vec<String> {
    let messages = received.body["messages"].as_array().unwrap().iter();
    let users = messages.filter(|message| message["role"] == "user");
    let words = users.map(|message| match &message["content"] {
        Value::String(text) => text.clone(),
        parts => parts[0]["text"].as_str().unwrap().to_owned(),
    });
    words.collect()
}

fn causes(found: &BTreeMap<String, Vec<Value>>) -> Turn {
    let causes = found
        .iter()
        .map(|(name, evidence)| json!({ "name": name, "evidence": evidence }));
    Said::text(json!({ "causes": causes.collect::<Vec<_>>() }).to_string()).into()
}

/// Groups lines by what they say; the first reader of a full disk counts its lines wrong at first.
fn reader_of_builds(received: &Received) -> Turn {
    const SIGNS: [(&str, &str); 5] = [
        ("No space left", "the disk of the runner is full"),
        ("timed out after", "net::reconnect waits for a port in vain"),
        ("HTTP 503", "a mirror of the package index is down"),
        ("--locked", "the lock file is out of date"),
        ("compiler panic", "the compiler panics"),
    ];
    let asked = asked(received);
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    if asked[0].contains("Merge causes") {
        for line in asked[0]
            .lines()
            .filter(|line| line.starts_with("{\"causes\""))
        {
            let value: Value = serde_json::from_str(line).unwrap();
            for cause in value["causes"].as_array().unwrap() {
                let evidence = cause["evidence"].as_array().unwrap().clone();
                found
                    .entry(cause["name"].as_str().unwrap().into())
                    .or_default()
                    .extend(evidence);
            }
        }
        found.retain(|_, evidence| evidence.len() >= 3);
        return causes(&found);
    }
    let careless = asked.len() == 1 && asked[0].contains("logs/0001.log");
    for line in asked[0].lines().filter(|line| line.starts_with("logs/")) {
        let mut parts = line.splitn(3, ':');
        let (file, number, text) = (parts.next(), parts.next(), parts.next());
        let (file, text) = (file.unwrap(), text.unwrap());
        let number: u32 = number.unwrap().parse().unwrap();
        if let Some((_, name)) = SIGNS.iter().find(|(sign, _)| text.contains(sign)) {
            let cited =
                json!({ "file": file, "line": number - u32::from(careless), "quote": text });
            found.entry((*name).to_owned()).or_default().push(cited);
        }
    }
    causes(&found)
}

const FACTS: [&str; 6] = [
    "A process that is killed with SIGKILL gets no chance to write anything.",
    "A write is on the disk after fsync has returned, and not before.",
    "A file that is replaced by rename is either the old one or the new one.",
    "A step that was begun and has no recorded end may have happened.",
    "A log that only grows can be read again from its beginning.",
    "A checkpoint that nobody has ever restored is a guess.",
];
const FIRST: &str = "After reading this you can";
const LAST: &str = "What to do:";

/// Plans, writes, grades and revises by what it is shown.
fn editor(received: &Received) -> Turn {
    let asked = asked(received).remove(0);
    let text = if asked.contains("Plan the page") {
        let section =
            |heading: &str, facts: [u32; 2]| json!({ "heading": heading, "facts": facts });
        json!({ "sections": [
            section("What a kill leaves behind", [1, 2]),
            section("Steps that nobody saw end", [3, 4]),
            section("Coming back", [5, 6]),
        ] })
        .to_string()
    } else if asked.contains("Write this section") {
        let item = asked.lines().rfind(|line| line.starts_with('{')).unwrap();
        let item: Value = serde_json::from_str(item).unwrap();
        let facts = item["facts"].as_array().unwrap().iter();
        let facts: Vec<&str> = facts
            .map(|one| FACTS[one.as_u64().unwrap() as usize - 1])
            .collect();
        format!(
            "{}\n{}",
            item["heading"].as_str().unwrap(),
            facts.join("\n")
        )
    } else if asked.contains("The draft, which is the file `item`") {
        grades(between(&asked, "file `item`:\n\n", "\n\nGrade the draft"))
    } else {
        let draft = between(&asked, "as it is:\n\n", "\n\nThe grades of all");
        let (heading, rest) = draft.split_once('\n').unwrap();
        format!(
            "{heading}\n{FIRST} say what is on the disk.\n{rest}\n{LAST} kill your run on purpose and start it again."
        )
    };
    Said::text(text).into()
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let text = &text[text.find(begin).unwrap() + begin.len()..];
    &text[..text.find(end).unwrap()]
}

fn grades(draft: &str) -> String {
    let lines: Vec<&str> = draft.lines().collect();
    let line_of = |wanted: &str| lines.iter().position(|line| line.starts_with(wanted));
    let grades = (1..=5).map(|principle| {
        let wanted = match principle {
            1 => line_of(FIRST),
            5 => line_of(LAST),
            _ => Some(1),
        };
        let at = wanted.unwrap_or(lines.len() - 1);
        json!({
            "principle": principle,
            "result": if wanted.is_some() { "met" } else { "not_met" },
            "file": "item",
            "line": at + 1,
            "quote": lines[at],
            "change": if wanted.is_some() { "" } else { "say it" },
        })
    });
    json!({ "grades": grades.collect::<Vec<_>>() }).to_string()
}

fn record(name: &str, answer: fn(&Received) -> Turn) {
    let server = Server::answering(answer).unwrap();
    let directory = example(name);
    let tape = directory.join("recording.jsonl");
    drop(fs::remove_file(&tape));
    let place = Place::new();
    let model = format!("{}/v1#scripted", server.base());
    let path = directory.to_str().unwrap();
    let tape = tape.to_str().unwrap();
    let done = place.call(&["workflow", "run", path, "--model", &model, "--record", tape]);
    done.exits(0);
}

#[test]
#[ignore = "writes into the source tree"]
fn make_the_recordings() {
    let made = Command::new("sh")
        .arg(example("builds").join("generate.sh"))
        .status()
        .unwrap();
    assert!(made.success());
    record("builds", reader_of_builds);
    record("document", editor);
}
