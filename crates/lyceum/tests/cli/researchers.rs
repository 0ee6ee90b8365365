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
