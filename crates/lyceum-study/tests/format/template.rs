//! What `lyceum new` writes is a study, and its programs run for real.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use lyceum_study::{
    format::{self, Measure, Opened, Placeholder},
    knobs,
    template::{self, NewFile},
};
use lyceum_types::{Setting, Settings, Trust};

fn write(files: &[NewFile], root: &Path) {
    for file in files {
        let path = root.join(&file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &file.contents).unwrap();
        let mode = if file.executable { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn new_study() -> (tempfile::TempDir, Opened) {
    let root = tempfile::tempdir().unwrap();
    write(&template::new_study(), root.path());
    let opened = format::open(root.path()).unwrap_or_else(|error| panic!("{error}"));
    (root, opened)
}

/// Runs the candidate with these settings in a copy of the workspace and returns its directory of outputs.
fn run(opened: &Opened, settings: &Settings, seed: u64) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let workspace = opened.workspace();
    for entry in fs::read_dir(&workspace).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), place.path().join(entry.file_name())).unwrap();
    }
    let read = |file: &str| knobs::read_plain(&workspace, file);
    let patch = knobs::write(&opened.study, settings, read).unwrap();
    for (file, bytes) in patch.files {
        fs::write(place.path().join(file), bytes).unwrap();
    }
    let outputs = tempfile::tempdir().unwrap();
    let words = opened.study.run.command.fill(&[]);
    let output = Command::new(&words[0])
        .args(&words[1..])
        .args(patch.arguments)
        .envs(patch.environment)
        .current_dir(place.path())
        .env("LYCEUM_SEED", seed.to_string())
        .env("LYCEUM_OUTPUTS", outputs.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    outputs
}

/// Runs an evaluator with descriptor 3 on a file; returns what it answered.
fn evaluate(opened: &Opened, command: &format::Command, outputs: &Path) -> (Output, String) {
    let answer = tempfile::NamedTempFile::new().unwrap();
    let words = command.fill(&[
        (Placeholder::Outputs, outputs.to_str().unwrap()),
        (Placeholder::Private, opened.directory.to_str().unwrap()),
    ]);
    let output = Command::new("sh")
        .args(["-c", "answer=$1; shift; exec \"$@\" 3>\"$answer\"", "sh"])
        .arg(answer.path())
        .args(words)
        .env("LYCEUM_NONCE", "n-1")
        .output()
        .unwrap();
    (output, fs::read_to_string(answer.path()).unwrap())
}

fn loss(opened: &Opened, command: &format::Command, outputs: &Path) -> f64 {
    let (output, answer) = evaluate(opened, command, outputs);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["nonce"], "n-1");
    answer["metrics"]["loss"].as_f64().unwrap()
}

fn evaluator(opened: &Opened) -> &format::Command {
    match &opened.study.measure {
        Measure::Evaluator(evaluator) => &evaluator.command,
        other => panic!("the new study has an evaluator, found {other:?}"),
    }
}

#[test]
fn the_new_study_runs_and_can_be_improved() {
    let (_root, opened) = new_study();
    assert_eq!(opened.study.trust(), Trust::Measured);
    let start = knobs::start_settings(&opened.study, &opened.workspace()).unwrap();
    assert!(
        !start.contains_key("momentum"),
        "it is not active at the start"
    );
    let mut better = start.clone();
    better.insert("rate".into(), Setting::Float(0.03));
    better.insert("steps".into(), Setting::Integer(2000));
    better.insert("method".into(), Setting::Text("momentum".into()));
    better.insert("momentum".into(), Setting::Float(0.5));
    better.insert("average".into(), Setting::Boolean(true));
    let sealed = &opened.study.sealed.as_ref().unwrap().command;
    for seed in [1, 2, (1 << 53) - 1] {
        let (one, other) = (run(&opened, &start, seed), run(&opened, &better, seed));
        let before = loss(&opened, evaluator(&opened), one.path());
        let after = loss(&opened, evaluator(&opened), other.path());
        assert!(
            before > 0.1 && (0.0399..0.05).contains(&after),
            "{before} {after}"
        );
        assert!((0.0399..0.06).contains(&loss(&opened, sealed, other.path())));
    }
}

#[test]
fn a_run_follows_from_its_seed() {
    let (_root, opened) = new_study();
    let start = knobs::start_settings(&opened.study, &opened.workspace()).unwrap();
    let weights = |seed| fs::read(run(&opened, &start, seed).path().join("weights.txt")).unwrap();
    assert_eq!(weights(7), weights(7));
    assert_ne!(weights(7), weights(8));
}

#[test]
fn the_evaluator_of_the_new_study_refuses_what_is_not_four_numbers() {
    let (_root, opened) = new_study();
    let outputs = tempfile::tempdir().unwrap();
    for bad in [
        "",
        "1\n2\n3\n",
        "1\n2\n3\nnan\n",
        "0\n0\n0\nsystem(\"id\")\n",
        "1 2\n1\n1\n1\n",
    ] {
        fs::write(outputs.path().join("weights.txt"), bad).unwrap();
        let (output, answer) = evaluate(&opened, evaluator(&opened), outputs.path());
        assert!(!output.status.success(), "{bad:?}");
        assert_eq!(answer, "", "{bad:?}");
    }
}

fn wrapped(name: &str, script: &str, executable: bool) -> (tempfile::TempDir, Opened) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join(name);
    fs::write(&path, script).unwrap();
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    let study = root.path().join("wrapped");
    write(&template::from_script(&path).unwrap(), &study);
    let opened = format::open(&study).unwrap_or_else(|error| panic!("{error}"));
    (root, opened)
}

#[test]
fn a_script_becomes_a_self_reported_study() {
    let (_root, opened) = wrapped("try.sh", "echo \"METRIC val_loss=$LYCEUM_SEED.5\"\n", false);
    assert_eq!(opened.study.trust(), Trust::SelfReported);
    assert_eq!(opened.study.metric.name, "val_loss");
    assert_eq!(opened.study.metric.goal, lyceum_types::Goal::Minimize);
    assert!(opened.definition.contains("labelled self-reported"));
    let words = opened.study.run.command.fill(&[]);
    let output = Command::new(&words[0])
        .args(&words[1..])
        .current_dir(opened.workspace())
        .env("LYCEUM_SEED", "3")
        .output()
        .unwrap();
    let reported = format::parse_metric_lines(&String::from_utf8(output.stdout).unwrap());
    let expected = std::collections::BTreeMap::from([("val_loss".to_owned(), 3.5)]);
    assert_eq!(reported.values, expected);
}

#[test]
fn the_command_follows_the_script() {
    let command = |name, text, executable| {
        let (_root, opened) = wrapped(name, text, executable);
        (
            opened.study.run.command.words().join(" "),
            opened.study.metric.goal,
        )
    };
    let (words, goal) = command("a.py", "print(f'METRIC accuracy={a}')", true);
    assert_eq!(
        (words.as_str(), goal),
        ("python3 a.py", lyceum_types::Goal::Maximize)
    );
    assert_eq!(command("run", "#!/bin/sh\n", true).0, "./run");
    assert_eq!(command("run", "#!/bin/sh\n", false).0, "sh run");
}

#[test]
fn the_example_in_a_wrapped_study_is_valid_once_uncommented() {
    let (_root, opened) = wrapped("try.sh", "echo METRIC x=1\n", false);
    let uncommented = opened
        .definition
        .lines()
        .skip_while(|line| !line.starts_with("# What a researcher"))
        .take_while(|line| !line.starts_with("[budget]"))
        .filter_map(|line| line.strip_prefix("#   "))
        .collect::<Vec<_>>()
        .join("\n");
    let text = opened
        .definition
        .replace("[budget]", &format!("{uncommented}\n[budget]"));
    let study = format::parse(&text, "study.toml", "x").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(study.space.knobs().len(), 1);
}

#[test]
fn scripts_that_cannot_be_wrapped() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    fs::write(path.join("a\"b.sh"), "").unwrap();
    fs::write(path.join("big.sh"), vec![b'#'; (4 << 20) + 1]).unwrap();
    let error = |name: &str| template::from_script(&path.join(name)).unwrap_err();
    assert!(matches!(
        error("none.sh"),
        template::Error::Unreadable { .. }
    ));
    assert!(matches!(error(""), template::Error::NotPlain { .. }));
    assert!(matches!(error("a\"b.sh"), template::Error::Name { .. }));
    assert!(matches!(error("big.sh"), template::Error::TooBig { .. }));
}
