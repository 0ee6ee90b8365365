//! Every researcher works a whole study, and one that was interrupted ends as if nothing had been.

use serde_json::Value;

use crate::{
    goes_on::{interrupt, start_with},
    support::{Done, Place, Tiny, found},
};

fn study() -> Tiny {
    Tiny {
        budget: "experiments = 10".into(),
        ..Tiny::default()
    }
}

/// Returns who proposed each experiment of the search.
fn proposers(place: &Place) -> Vec<String> {
    let proposed = place.bodies("tiny", "experiment.proposed");
    let searched = proposed
        .iter()
        .filter(|one| one["role"]["role"] == "search");
    searched
        .map(|one| one["researcher"].as_str().unwrap().to_owned())
        .collect()
}

fn run(place: &Place, researcher: &str) -> (Value, Vec<String>) {
    let words = [
        "run",
        "tiny",
        "--researcher",
        researcher,
        "--slots",
        "1",
        "--seed",
        "1",
    ];
    let done = place.call(&words);
    assert!(
        done.code <= 1,
        "{researcher}: exit {}\n{}",
        done.code,
        done.err
    );
    (found(place, "tiny"), proposers(place))
}

#[test]
fn every_researcher_goes_on_to_the_same_end() {
    for researcher in [
        "gp",
        "portfolio",
        "network",
        "tpe",
        "cma",
        "evolution",
        "sobol",
        "sweep",
    ] {
        let undisturbed = Place::new();
        undisturbed.study(&study());
        let expected = run(&undisturbed, researcher);
        let place = Place::new();
        place.study(&study());
        let child = start_with(&place, researcher, "\"experiment\":5,");
        interrupt(&child);
        Done::from(child.wait_with_output().unwrap()).exits(130);
        assert_eq!(run(&place, researcher), expected, "{researcher}");
        assert_eq!(expected.1.len(), 10, "{researcher}: {:?}", expected.1);
        place.assert_intact();
        let members: &[&str] = match researcher {
            "portfolio" => &["gp", "tpe", "cma"],
            _ => &[researcher],
        };
        let stranger = expected
            .1
            .iter()
            .find(|name| !members.contains(&name.as_str()));
        assert_eq!(stranger, None, "{researcher} names its members");
    }
}

/// A study without knobs, whose program is a file with a number in it.
fn without_knobs(settings: &str) -> Tiny {
    Tiny {
        settings: settings.into(),
        knobs: String::new(),
        ..study()
    }
}

#[test]
fn what_is_found_in_files_without_knobs_is_edited_and_goes_on_to_the_same_end() {
    let settings = "rate = 0.9  # of 1\nfast = true\n";
    let calm = Place::new();
    calm.study(&without_knobs(settings));
    let expected = run(&calm, "evolution");
    let place = Place::new();
    let directory = place.study(&without_knobs(settings));
    let mut child = start_with(&place, "evolution", "\"experiment\":5,");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(run(&place, "evolution"), expected);
    assert_eq!(expected.1, ["evolution"; 10]);
    place.assert_intact();
    let own = std::fs::read_to_string(directory.join("workspace/settings.toml")).unwrap();
    assert_eq!(own, settings, "edits are in the copies of the runs alone");
    let rates = place.experiments("tiny");
    let rates: Vec<f64> = rates
        .iter()
        .map(|one| one["settings"]["rate"].as_f64().unwrap())
        .collect();
    let other = rates
        .iter()
        .filter(|rate| (**rate - 0.9).abs() > 1e-9)
        .count();
    assert!(
        other > 2 && rates.iter().all(|rate| (0.05..=14.4).contains(rate)),
        "{rates:?}"
    );
    let better = place.experiments("tiny");
    let kept = better
        .iter()
        .find(|one| one["verdict"] == "kept")
        .expect("an edit was kept");
    assert_ne!(kept["settings"]["rate"], 0.9);
}

#[test]
fn a_study_without_anything_to_edit_is_refused_with_what_to_do() {
    let place = Place::new();
    place.study(&without_knobs("rate = \"0.9\"\n"));
    let done = place
        .call(&["run", "tiny", "--researcher", "evolution"])
        .exits(2);
    done.says(&[
        "nothing to edit: study `tiny` has no knobs",
        "in 1 editable files",
        "workspace.editable",
    ]);
}
