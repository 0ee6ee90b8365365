//! Samplers and an agent that share a study: `--researcher mixed:SAMPLER+AGENT`.

use std::{collections::BTreeSet, fs, process::Stdio};

use lyceum_models::scripted::{Received, Said, Server, Turn};
use serde_json::{Value, json};

use crate::{brain, place::Place};

const EXPERIMENTS: usize = 12;

fn place() -> Place {
    let place = Place::new();
    let path = place.path().join("parabola/study.toml");
    let text = fs::read_to_string(&path).unwrap();
    let longer = text.replace("experiments = 3", &format!("experiments = {EXPERIMENTS}"));
    assert_ne!(text, longer);
    fs::write(path, longer).unwrap();
    place
}

/// Proposes a rate of its own for each experiment, and has nothing to say at the end.
fn proposer(received: &Received) -> Turn {
    let said = brain::statement(received);
    if said.contains("the search is over") {
        return Said::text("done").into();
    }
    let rate = 0.2 + 0.0137 * brain::proposed(&said) as f64;
    let settings = json!({ "hypothesis": "near the best", "settings": { "rate": rate } });
    let id = format!("call_{}", received.model_turns());
    Said::tool(&id, "run_experiment", &settings).into()
}

fn mixed(server: &Server) -> (String, String) {
    let agent = format!("{}/v1#scripted", server.base());
    (format!("mixed:gp+sobol+{agent}"), agent)
}

/// Returns the words that run the study one experiment after the other, so that nothing depends on who is faster.
fn words(name: &str) -> [&str; 8] {
    let [run, study, flag, _, seed, one] = Place::words(name);
    [run, study, flag, name, seed, one, "--slots", "1"]
}

fn searched(place: &Place) -> Vec<Value> {
    let proposed = place.study("experiment.proposed").into_iter();
    proposed
        .filter(|one| one["role"]["role"] == "search")
        .collect()
}

fn names(list: &[Value], key: &str) -> Vec<String> {
    list.iter()
        .map(|one| one[key].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn whoever_has_the_turn_proposes_and_the_record_and_the_report_say_why() {
    let (place, server) = (place(), Server::answering(proposer).unwrap());
    let (name, agent) = mixed(&server);
    let done = place.call(&words(&name));
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.err);
    let (turns, proposed) = (place.study("turn.given"), searched(&place));
    assert_eq!(turns.len(), EXPERIMENTS);
    assert_eq!(names(&turns, "to"), names(&proposed, "researcher"));
    let to: BTreeSet<String> = names(&turns, "to").into_iter().collect();
    assert!(to.contains(&agent) && to.contains("gp"), "{to:?}");
    for turn in &turns {
        assert_eq!(turn["researcher"], name.as_str());
        assert_eq!(turn["to_agent"], turn["to"] == agent.as_str());
        let shares = turn["shares"].as_object().unwrap();
        let sum: f64 = shares.values().filter_map(Value::as_f64).sum();
        assert!(shares.len() == 3 && (sum - 1.0).abs() < 1e-9, "{turn}");
    }
    let first = turns[0]["shares"][&agent].as_f64().unwrap();
    assert!((first - 0.3).abs() < 1e-9, "{first}");
    for one in &proposed {
        let by_agent = one["researcher"] == agent.as_str();
        assert_eq!(one["call"].is_string(), by_agent, "{one}");
    }
    let said = place.call(&["log", "parabola"]).exits(0).out;
    assert!(said.contains("next is gp: ") && said.contains(&format!("next is {agent}: ")));
    place.call(&["verify"]).exits(0);
    place
        .call(&["report", "parabola", "--output", "r.html"])
        .exits(0);
    let report = fs::read_to_string(place.path().join("r.html")).unwrap();
    assert!(report.contains("proposed by") && report.contains(&agent));
}

#[test]
fn an_agent_that_proposes_nothing_loses_its_turns_and_the_study_goes_on() {
    let place = place();
    let server = Server::answering(|_| Said::text("I am done.").into()).unwrap();
    let (name, agent) = mixed(&server);
    let done = place.call(&words(&name));
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.err);
    let (turns, proposed) = (place.study("turn.given"), searched(&place));
    assert_eq!(proposed.len(), EXPERIMENTS);
    let others = names(&proposed, "researcher");
    assert!(others.iter().all(|name| name == "gp" || name == "sobol"));
    let shares: Vec<f64> = turns
        .iter()
        .map(|turn| turn["shares"][&agent].as_f64().unwrap())
        .collect();
    let let_go = turns.iter().filter(|turn| turn["to_agent"] == true).count();
    assert!(let_go > 0, "the agent never had a turn");
    assert!(shares[EXPERIMENTS - 1] < shares[0], "{shares:?}");
    place.call(&["verify"]).exits(0);
}

#[test]
fn killed_after_any_turn_it_gives_the_same_turns_again() {
    let server = Server::answering(proposer).unwrap();
    let (name, _) = mixed(&server);
    let whole = place();
    let done = whole.call(&words(&name));
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.err);
    let expected = (whole.study("turn.given"), whole.result());
    let killed = place();
    for turns in [1, 4, 7, 11] {
        let mut command = killed.command(&words(&name));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = command.spawn().unwrap();
        let given = || {
            let log = killed.call(&["log", "parabola", "--json"]);
            log.out.matches("\"turn.given\"").count()
        };
        while given() < turns && running.try_wait().unwrap().is_none() {}
        running.kill().unwrap();
        running.wait().unwrap();
    }
    let done = killed.call(&words(&name));
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.err);
    assert_eq!((killed.study("turn.given"), killed.result()), expected);
    killed.call(&["verify"]).exits(0);
}

#[test]
fn a_name_that_is_no_mix_is_refused() {
    let place = place();
    for name in [
        "mixed:gp",
        "mixed:gp+tpe",
        "mixed:http://127.0.0.1:1/v1#m",
        "mixed:portfolio+http://127.0.0.1:1/v1#m",
        "mixed:gp+mixed:tpe+http://127.0.0.1:1/v1#m",
        "asha:mixed:gp+http://127.0.0.1:1/v1#m",
    ] {
        let refused = place.call(&words(name)).exits(2);
        assert!(
            refused.err.contains(&format!("no researcher `{name}`")),
            "{}",
            refused.err
        );
    }
}
