//! A study from beginning to end.

use lyceum_models::scripted::Server;

use crate::{brain, place::Place};

#[test]
fn a_model_edits_code_runs_experiments_records_findings_and_satisfies_the_rubric() {
    let (place, server) = (Place::new(), Server::answering(brain::researcher).unwrap());
    let model = format!("{}/v1#scripted", server.base());
    let done = place.call(&Place::words(&model)).exits(0);
    assert!(done.err.contains("e1"), "{}", done.err);

    let proposed = place.study("experiment.proposed");
    let search: Vec<_> = proposed
        .iter()
        .filter(|one| one["role"]["role"] == "search")
        .collect();
    assert_eq!(search.len(), 3);
    for one in &search {
        assert_eq!(one["researcher"], model.as_str());
        assert_eq!(one["files"][0]["name"], "train.sh");
        assert!(one["call"].as_str().unwrap().starts_with("parabola#"));
    }
    assert_eq!(search[2]["settings"]["rate"], 0.3);
    assert_eq!(place.study("study.finished")[0]["satisfied"], true);
    // What stands beside a claim is computed by the lab, whatever the model says.
    let found = place.session("agent.finding");
    assert_eq!(found.len(), 2);
    let gain = found[0]["evidence"]["gain"].as_f64().unwrap();
    assert!((gain - 0.5).abs() < 0.01, "{gain}");
    assert!(!found[0]["runs"].as_array().unwrap().is_empty());
    // Each request is reserved for and settled; the server counts 120 tokens a turn.
    let (asked, answered) = (
        place.session("span.model_request_start"),
        place.session("span.model_request_end"),
    );
    assert_eq!(asked.len(), answered.len());
    assert!(
        answered.iter().all(|one| one["tokens"] == 120),
        "{answered:?}"
    );
    assert_eq!(place.session("session.status_terminated").len(), 1);
    place.call(&["verify"]).exits(0);
    // The code that was measured is in the record: a run of it gives the same again.
    let started = place.study("run.started");
    let of_first = started.iter().find(|one| one["experiment"] == 1).unwrap();
    let run = format!("r{}", of_first["run"]);
    let rerun = place.call(&["rerun", "parabola", &run]);
    assert!(rerun.code == Some(0), "{}{}", rerun.out, rerun.err);
    // People see the code that was measured.
    let shown = place.call(&["show", "e1"]).exits(0).out;
    assert!(
        shown.contains("-    printf") && shown.contains("+    printf"),
        "{shown}"
    );
    // A second call finds the study finished, and asks nobody.
    let before = server.received().len();
    place.call(&Place::words(&model)).exits(0);
    assert_eq!(server.received().len(), before);
}

#[test]
fn each_request_holds_the_objective_the_rules_and_what_is_known() {
    let (place, server) = (Place::new(), Server::answering(brain::researcher).unwrap());
    let model = format!("{}/v1#scripted", server.base());
    let constraint = "use no file but train.sh";
    let mut words = vec!["session", "start"];
    words.extend(&Place::words(&model)[1..]);
    words.extend(["--constraint", constraint]);
    place.call(&words).exits(0);
    let received = server.received();
    for one in &received {
        let said = brain::statement(one);
        assert!(said.contains("objective: Which rate is best"), "{said}");
        assert!(said.contains(constraint), "{said}");
        assert!(
            said.contains("only these files of the workspace may be changed"),
            "{said}"
        );
    }
    let last = brain::statement(received.last().unwrap());
    assert!(
        last.contains("finding 1") && last.contains("finding 2"),
        "{last}"
    );
    assert!(last.contains("the claim about e3: confirmed"), "{last}");
    let listed = place.call(&["session", "list"]).exits(0).out;
    assert!(
        listed.contains("parabola: terminated (the study is finished)"),
        "{listed}"
    );
}
