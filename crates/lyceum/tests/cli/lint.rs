//! Faults planted in studies, each of which `lint` must find; and studies without, in which it must find nothing.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::{Place, Tiny};

/// Lints a study and returns the names of the checks that found something that the study does not accept.
fn found(place: &Place, study: &str, more: &[&str]) -> Vec<String> {
    let done = place.call(&[&["lint", study, "--json"], more].concat());
    let said: Value = serde_json::from_str(&done.out).expect(&done.err);
    let findings = said["findings"].as_array().unwrap();
    let open = findings.iter().filter(|one| one["accepted"] == false);
    let names: Vec<String> = open
        .map(|one| one["check"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        findings
            .iter()
            .all(|one| !one["change"].as_str().unwrap().is_empty())
    );
    assert_eq!(said["clean"], names.is_empty());
    assert_eq!(done.code, i32::from(!names.is_empty()), "{}", done.out);
    names
}

#[track_caller]
fn finds(tiny: &Tiny, plant: impl Fn(&Path), check: &str, more: &[&str]) {
    let place = Place::new();
    plant(&place.study(tiny));
    let names = found(&place, "tiny", more);
    assert!(
        names.iter().any(|name| name == check),
        "no {check} in {names:?}"
    );
    assert!(!place.lab().exists(), "lint made a lab");
}

/// A study whose evaluator computes its number: nothing is wrong with it.
fn honest() -> Tiny {
    let evaluate = r#"read -r x < "$1"
loss=$(awk -v x="$x" 'BEGIN { if (x !~ /^[0-9.]+$/) exit 1; printf "%.9f", 1 + x * x }')
printf '{"nonce":"%s","metrics":{"loss":%s}}' "$LYCEUM_NONCE" "$loss" >&3
"#;
    Tiny {
        evaluate: format!("set -eu\n{evaluate}"),
        ..Tiny::default()
    }
}

fn with_evaluator(line: &str) -> Tiny {
    let honest = honest();
    Tiny {
        evaluate: format!("{line}\n{}", honest.evaluate),
        ..honest
    }
}

fn nothing(_: &Path) {}

fn write(name: &'static str, text: &'static str) -> impl Fn(&Path) {
    move |directory| {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Replaces a text of the study file.
fn edit(from: &'static str, to: &'static str) -> impl Fn(&Path) {
    move |directory| {
        let path = directory.join("study.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }
}

/// Numbers that nobody writes twice by chance.
const HELD: &str = "0.112358 0.314159 0.271828\n0.141421 0.173205 0.223606\n0.577215 0.915965 0.693147\n0.434294 0.618033 0.662743\n";

#[test]
fn an_honest_study_is_clean_read_and_tried() {
    let place = Place::new();
    place.study(&honest());
    assert_eq!(found(&place, "tiny", &[]), [""; 0]);
    let done = place.call(&["lint", "tiny"]).exits(0);
    done.prints("tiny was read and tried: nothing found");
    done.says(&["trying the unchanged workspace, seed 1 of 3"]);
}

#[test]
fn the_built_in_studies_are_clean() {
    let place = Place::new();
    let studies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../studies");
    for study in fs::read_dir(studies).unwrap() {
        let path = study.unwrap().path();
        assert_eq!(
            found(&place, path.to_str().unwrap(), &["--no-runs"]),
            [""; 0],
            "{}",
            path.display()
        );
    }
    let null = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../studies/null");
    let done = place.call(&["lint", null.to_str().unwrap()]).exits(0);
    done.prints("claimed-number (accepted by the study)");
    done.prints("0 findings, 1 accepted");
}

#[test]
fn what_reading_finds() {
    let read =
        |tiny: &Tiny, plant: &dyn Fn(&Path), check: &str| finds(tiny, plant, check, &["--no-runs"]);
    let reported = Tiny {
        measure: "kind = \"self-reported\"".into(),
        ..Tiny::default()
    };
    read(&reported, &nothing, "self-reported");
    read(
        &honest(),
        &write("workspace/test_labels.csv", "1"),
        "reference-reachable",
    );
    read(
        &honest(),
        &write("workspace/.git/HEAD", "ref"),
        "history-reachable",
    );
    read(&with_evaluator(". \"$1\""), &nothing, "runs-outputs");
    read(
        &honest(),
        &edit(
            "[\"sh\", \"{private}/evaluate.sh\", \"{outputs}/out.txt\"]",
            "[\"sh\", \"{outputs}/out.txt\"]",
        ),
        "runs-outputs",
    );
    read(
        &with_evaluator("grep -q PASS \"$1\" && loss=0"),
        &nothing,
        "substring-match",
    );
    read(
        &with_evaluator("./check \"$1\" || true"),
        &nothing,
        "hidden-failure",
    );
    read(
        &honest(),
        &write("workspace/model.py", "torch.manual_seed(42)\n"),
        "constant-seed",
    );
    let seeded = Tiny {
        knobs: Tiny::default()
            .knobs
            .replace("[knobs.rate]", "[knobs.seed]"),
        ..honest()
    };
    read(&seeded, &nothing, "constant-seed");
    read(
        &honest(),
        &edit("goal = \"minimize\"", "goal = \"maximize\""),
        "ambiguous-goal",
    );
    let strict = Tiny {
        rest: "[[rubric]]\nkind = \"improvement\"\nconfidence = 0.99999\n".into(),
        ..honest()
    };
    read(&strict, &nothing, "unreachable-criterion");
    let timed = Tiny {
        measure: "kind = \"timed\"\ncommand = [\"{outputs}/out.txt\", \"{input}\", \"{output}\"]\n\
                  input = [\"sh\", \"-c\", \"echo 1 > {input}\"]\ncheck = [\"cmp\", \"{baseline}\", \"{output}\"]\npairs = 1"
            .into(),
        ..Tiny::default()
    };
    read(
        &timed,
        &edit("goal = \"minimize\"", "goal = \"maximize\""),
        "constant-input",
    );
}

#[test]
fn what_trying_finds() {
    let tried = |tiny: &Tiny, plant: &dyn Fn(&Path), check: &str| finds(tiny, plant, check, &[]);
    tried(&Tiny::default(), &nothing, "claimed-number");
    let train = |train: &str| Tiny {
        train: train.into(),
        ..honest()
    };
    tried(&train("exit 1"), &nothing, "start-fails");
    tried(
        &train("echo 0.5 > \"$LYCEUM_OUTPUTS/out.txt\""),
        &nothing,
        "constant-seed",
    );
    tried(
        &train("echo \"0.${LYCEUM_SEED}\" > \"$LYCEUM_OUTPUTS/out.txt\""),
        &nothing,
        "settings-without-effect",
    );
    let answer = |loss: &str| Tiny {
        evaluate: format!(
            "loss={loss}\nprintf '{{\"nonce\":\"%s\",\"metrics\":{{\"loss\":%s}}}}' \"$LYCEUM_NONCE\" \"$loss\" >&3\n"
        ),
        ..Tiny::default()
    };
    tried(&answer("5"), &nothing, "outputs-without-effect");
    tried(&answer("5"), &nothing, "no-spread");
    tried(
        &answer("$(od -An -N2 -tu2 /dev/urandom)"),
        &nothing,
        "evaluator-varies",
    );
    tried(
        &answer("$(awk '{ s += $1 + 1 } END { print s + 0 }' \"$1\")"),
        &nothing,
        "degenerate-outputs",
    );
    tried(
        &answer("0.00$(awk '{ print int($1 * 1000) }' \"$1\")"),
        &nothing,
        "near-zero",
    );
    let private = Tiny {
        measure: Tiny::default()
            .measure
            .replace("[\"evaluate.sh\"]", "[\"evaluate.sh\", \"held.txt\"]"),
        ..honest()
    };
    let plant = |directory: &Path| {
        write("held.txt", HELD)(directory);
        fs::write(
            directory.join("workspace/data.txt"),
            format!("more\n{HELD}"),
        )
        .unwrap();
    };
    tried(&private, &plant, "answers-readable");
}
