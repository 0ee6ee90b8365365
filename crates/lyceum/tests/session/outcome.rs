//! A model that hands in, is told by graders what is not met, and revises.

use std::fs;

use lyceum_models::scripted::Server;
use serde_json::Value;

use crate::{brain, place::Place};

#[test]
fn a_model_that_hands_in_too_early_revises_what_the_graders_found() {
    let (place, server) = (Place::judged(), Server::answering(brain::reviser).unwrap());
    let model = format!("{}/v1#scripted", server.base());
    place.call(&Place::words(&model)).exits(0);
    let ended = place.study("span.outcome_evaluation_end");
    let results: Vec<&Value> = ended.iter().map(|one| &one["result"]).collect();
    assert_eq!(results, ["needs_revision", "satisfied"], "{ended:?}");
    // Its own word is beside the verified result, and not part of it.
    assert_eq!(ended[0]["claim"], "a rate of 0.5 is as good as it gets");
    assert_eq!(ended[0]["grades"][1]["grade"], "unmet");
    assert_eq!(ended[0]["grades"][3]["grade"], "open");
    assert_eq!(ended[1]["execution"], "completed");
    assert_eq!(
        place
            .study("experiment.proposed")
            .iter()
            .filter(|one| one["role"]["role"] == "search")
            .count(),
        2
    );
    // What the grader printed reaches the model as data on one line, with the lab's marks escaped.
    let told = place.session("agent.tool_result").into_iter().find(|one| {
        let text = one["text"].as_str().unwrap();
        text.starts_with("evaluation 1: needs_revision")
    });
    let told = told.unwrap()["text"].as_str().unwrap().to_owned();
    assert_eq!(told.matches("</lab-grades>").count(), 1, "{told}");
    assert!(
        told.contains("2. not met (must): the program adds no handicap"),
        "{told}"
    );
    let idle = place.session("session.status_idle");
    let waits = idle
        .iter()
        .filter(|one| one["stop_reason"]["type"] == "awaits_outcome");
    assert_eq!(waits.count(), 2);
    // Three fields, for programs and for people.
    let shown = place.call(&["outcome", "parabola", "--json"]).exits(0).out;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (
            &shown["execution"],
            &shown["verified"],
            &shown["claim"]["by"]
        ),
        (
            &"completed".into(),
            &"satisfied".into(),
            &model.as_str().into()
        )
    );
    let report = place.call(&["report", "parabola"]).exits(0).out;
    let page = fs::read_to_string(report.trim().trim_start_matches("report: ")).unwrap();
    assert!(page.contains("Evaluation 2: satisfied") && !page.contains("</lab-grades> <lab>"));
    place.call(&["verify"]).exits(0);
}

#[test]
fn another_rubric_than_the_frozen_one_is_refused() {
    let (place, server) = (Place::judged(), Server::answering(brain::reviser).unwrap());
    let model = format!("{}/v1#scripted", server.base());
    place.call(&Place::words(&model)).exits(0);
    let grader = place.path().join("parabola/grader/no-handicap.sh");
    fs::write(&grader, "exit 0\n").unwrap();
    let refused = place.call(&Place::words(&model)).exits(2);
    assert!(refused.err.contains("the rubric (its criteria, their weights, or the files of its graders) of study `parabola` changed since it was begun"), "{}", refused.err);
}
