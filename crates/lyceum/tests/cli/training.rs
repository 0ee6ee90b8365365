//! `lyceum train network`: the same steps and seed give the same file, however often it is interrupted.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::{Done, Place, Tiny};

fn train(place: &Place, more: &[&str]) -> Done {
    place.call(&[&["train", "network"], more].concat())
}

fn bytes(place: &Place, name: &str) -> Vec<u8> {
    fs::read(place.path().join(name)).unwrap()
}

#[test]
fn the_same_steps_and_seed_give_the_same_file() {
    let place = Place::new();
    train(&place, &["--steps", "6"])
        .exits(0)
        .prints("`network.safetensors`, and its record in `network.json`\njudged ");
    let again = train(
        &place,
        &["--steps", "6", "--out", "b.safetensors", "--json"],
    )
    .exits(0);
    assert_eq!(again.err, "", "with --json nothing but JSON is said");
    let lines = again.json_lines();
    let made = &lines.last().unwrap()["made"];
    assert_eq!(made["record"]["recipe"]["steps"], 6);
    assert_eq!(made["parameters"], 137_209);
    let beside: Value = serde_json::from_slice(&bytes(&place, "b.json")).unwrap();
    assert_eq!(beside, *made);
    let points = made["record"]["curve"].as_array().unwrap().len();
    assert_eq!(
        lines.len(),
        points + 1,
        "each point is told when it is there"
    );
    let first = bytes(&place, "network.safetensors");
    assert!(first == bytes(&place, "b.safetensors"), "two files differ");
    train(
        &place,
        &["--steps", "6", "--seed", "2", "--out", "c.safetensors"],
    )
    .exits(0);
    assert!(first != bytes(&place, "c.safetensors"), "a seed is nothing");
    let left: Vec<_> = fs::read_dir(place.path()).unwrap().collect();
    assert_eq!(left.len(), 6, "three files with three records: {left:?}");
}

/// Trains, and ends it with this signal after the first point of the curve. Returns the steps, or nothing when the
/// training was faster than the signal.
fn broken_off(place: &Place, steps: &str, signal: &str, code: Option<i32>) -> Option<()> {
    let mut child = place
        .command(&[
            "train",
            "network",
            "--json",
            "--steps",
            steps,
            "--out",
            "b.safetensors",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.contains("\"judged\":"), "{line}");
    // A training that has ended cannot be reached: then there is nothing to end.
    let _ = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    let status = child.wait().unwrap();
    if status.success() {
        fs::remove_file(place.path().join("b.safetensors")).unwrap();
        fs::remove_file(place.path().join("b.json")).unwrap();
        return None;
    }
    assert_eq!(status.code(), code);
    Some(())
}

#[test]
fn an_interrupted_training_goes_on_to_the_same_file() {
    for (signal, code) in [("-INT", Some(130)), ("-KILL", None)] {
        // Where the training outruns the signal, a longer one is interrupted.
        let place = Place::new();
        let mut steps = ["40", "160", "640", "2560"].into_iter();
        let steps = steps.find(|steps| broken_off(&place, steps, signal, code).is_some());
        let steps = steps.expect("a training that takes longer than a signal");
        assert!(!place.path().join("b.safetensors").exists());
        train(&place, &["--steps", steps, "--out", "b.safetensors"])
            .exits(2)
            .says(&[
                "`b.safetensors.training` holds a training",
                "--resume b.safetensors.training",
            ]);
        train(&place, &["--resume", "b.safetensors.training"]).exits(0);
        train(&place, &["--steps", steps, "--out", "whole.safetensors"]).exits(0);
        assert!(
            bytes(&place, "b.safetensors") == bytes(&place, "whole.safetensors"),
            "an interrupted training gives another file"
        );
        assert!(!place.path().join("b.safetensors.training").exists());
    }
}

#[test]
fn a_network_of_ones_own_proposes_and_is_named_by_its_weights() {
    let place = Place::new();
    train(&place, &["--steps", "2", "--out", "own.safetensors"]).exits(0);
    place.study(&Tiny {
        budget: "experiments = 7".into(),
        ..Tiny::default()
    });
    let own = ["--researcher", "network:own.safetensors", "--slots", "1"];
    let run = |more: &[&str]| place.call(&[&["run", "tiny", "--seed", "1"], more].concat());
    assert!(run(&own).code <= 1);
    let beside: Value = serde_json::from_slice(&bytes(&place, "own.json")).unwrap();
    let hash = beside["record"]["weights"].as_str().unwrap();
    let name = format!("network@{}", &hash[..16]);
    let proposed = place.bodies("tiny", "experiment.proposed");
    let searched = proposed
        .iter()
        .filter(|one| one["role"]["role"] == "search");
    let who: Vec<&Value> = searched.map(|one| &one["researcher"]).collect();
    assert_eq!(who.len(), 7);
    assert!(who.iter().all(|one| **one == name), "{who:?}");
    // The record is checked and shown without the weights; to propose more they are needed.
    fs::remove_file(place.path().join("own.safetensors")).unwrap();
    place.assert_intact();
    run(&["--again", "--researcher", &name]).exits(2).says(&[
        "the weights of researcher `network@",
        "--researcher network:FILE",
    ]);
    run(&["--again", "--researcher", "network:own.json"])
        .exits(2)
        .says(&[
            "no network in `own.json`: ",
            "`lyceum train network` makes one",
        ]);
    run(&["--again", "--researcher", "oracle"])
        .exits(2)
        .says(&["no researcher `oracle`; expected one of gp, portfolio, network, "]);
}

#[test]
fn what_cannot_be_trained_is_told_before_the_work() {
    let place = Place::new();
    let write = |name: &str, text: &str| fs::write(place.path().join(name), text).unwrap();
    write("there.safetensors", "mine");
    write("text.training", "no tensors");
    fs::create_dir(place.path().join("directory")).unwrap();
    let cases: [(&[&str], &[&str]); 8] = [
        (&["--steps", "0"], &["steps 0, expected 1 to"]),
        (
            &["--out", "there.safetensors"],
            &["`there.safetensors` is there already", "hint: "],
        ),
        (
            &["--out", "record.json"],
            &["`record.json` cannot hold the weights"],
        ),
        (
            &["--out", "nowhere/x.safetensors"],
            &["failed to write `nowhere/x.safetensors.training`"],
        ),
        (
            &["--resume", "absent.training"],
            &["cannot go on from `absent.training`: "],
        ),
        (
            &["--resume", "text.training"],
            &["cannot go on from `text.training`: "],
        ),
        (&["--resume", "directory"], &["expected a file of at most"]),
        (
            &["--resume", "text.training", "--steps", "5"],
            &["cannot be used with"],
        ),
    ];
    for (words, said) in cases {
        train(&place, words).exits(2).says(said);
    }
    assert_eq!(bytes(&place, "there.safetensors"), b"mine");
    assert!(!Path::new(&place.path().join("network.safetensors")).exists());
}
