//! A model that needs no memory: what it does next follows from what the lab states at the end of each request.

use lyceum_models::scripted::{Received, Said, Turn};
use serde_json::{Value, json};

/// Returns the lab's statement at the end of a request.
pub(crate) fn statement(received: &Received) -> String {
    let mut texts = Vec::new();
    collect(&received.body["messages"], &mut texts);
    let last = texts
        .iter()
        .rev()
        .find(|text| text.contains("<lab>\nobjective"));
    let last = last.unwrap_or_else(|| panic!("no statement in {}", received.text));
    let at = last.rfind("<lab>\n").unwrap();
    last[at..].to_owned()
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|one| collect(one, texts)),
        Value::Object(all) => all.values().for_each(|one| collect(one, texts)),
        _ => {}
    }
}

fn call(received: &Received, name: &str, arguments: &Value) -> Turn {
    let id = format!("call_{}", received.model_turns());
    Said::tool(&id, name, arguments).into()
}

/// Returns how many experiments are proposed by the statement.
pub(crate) fn proposed(statement: &str) -> usize {
    let line = statement
        .lines()
        .find(|line| line.starts_with("experiments: "));
    line.unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}

fn findings(statement: &str) -> usize {
    statement
        .lines()
        .filter(|line| line.starts_with("finding "))
        .count()
}

/// Hands in too early, is told what is not met, takes the handicap out, and hands in again.
pub(crate) fn reviser(received: &Received) -> Turn {
    let said = statement(received);
    let (proposed, findings) = (proposed(&said), findings(&said));
    let propose = |rate: f64| {
        let settings =
            json!({ "hypothesis": format!("a rate of {rate}"), "settings": { "rate": rate } });
        call(received, "run_experiment", &settings)
    };
    let hand_in = |claim: &str| call(received, "submit_outcome", &json!({ "claim": claim }));
    if said.contains("the search is over") {
        return Said::text("done").into();
    }
    if proposed == 0 {
        return propose(0.5);
    }
    if !said.contains("evaluation 1: needs_revision") {
        return hand_in("a rate of 0.5 is as good as it gets");
    }
    if !said.contains("differ from the study's workspace: [train.sh]") {
        let edit = json!({ "path": "train.sh", "old": "0.5 + ", "new": "" });
        return call(received, "edit", &edit);
    }
    if proposed == 1 {
        return propose(0.3);
    }
    if findings == 0 {
        let claim = json!({ "claim": "the handicap costs half a point", "experiment": "e2" });
        return call(received, "record_finding", &claim);
    }
    hand_in("no handicap is left, and a rate of 0.3 is best")
}

/// Takes the handicap out of the program, tries rates, and records what it found.
pub(crate) fn researcher(received: &Received) -> Turn {
    let said = statement(received);
    let (proposed, findings) = (proposed(&said), findings(&said));
    let edited = said.contains("differ from the study's workspace: [train.sh]");
    if said.contains("the search is over") {
        return if findings < 2 {
            let claim = json!({ "claim": "a rate of 0.3 is best", "experiment": "e3" });
            call(received, "record_finding", &claim)
        } else {
            Said::text("done").into()
        };
    }
    if !edited {
        let edit = json!({ "path": "train.sh", "old": "0.5 + ", "new": "" });
        return call(received, "edit", &edit);
    }
    if proposed > 0 && findings == 0 {
        let claim = json!({ "claim": "the handicap costs half a point", "experiment": "e1" });
        return call(received, "record_finding", &claim);
    }
    let rate = [0.9, 0.5, 0.3][proposed.min(2)];
    let settings =
        json!({ "hypothesis": format!("a rate of {rate}"), "settings": { "rate": rate } });
    call(received, "run_experiment", &settings)
}
