//! `lyceum new`: what it writes runs as it is.

use std::fs;

use crate::support::{Place, Tiny};

#[test]
fn a_new_study_runs_and_ends_as_its_rubric_says() {
    let place = Place::new();
    let done = place.call(&["new", "fresh"]).exits(0);
    done.prints("fresh/study.toml");
    done.says(&["next: lyceum run fresh"]);
    let done = place.call(&["run", "fresh", "--experiments", "5"]);
    assert!(
        matches!(done.code, 0 | 1),
        "exit {}: {}",
        done.code,
        done.err
    );
    let satisfied = place.bodies("fresh", "study.finished")[0]["satisfied"] == true;
    assert_eq!(done.code == 0, satisfied);
    let grades = done
        .out
        .lines()
        .filter(|line| line.starts_with('✓') || line.starts_with('✗'));
    assert_eq!(grades.count(), 2, "each criterion says why: {}", done.out);
    done.prints("sealed loss: ");
    assert_eq!(place.bodies("fresh", "sealed.opened").len(), 1);
    place.assert_intact();
}

#[test]
fn a_directory_that_is_in_use_is_left_alone() {
    let place = Place::new();
    place.study(&Tiny::default());
    let before = fs::read(place.path().join("tiny/study.toml")).unwrap();
    for words in [&["new", "tiny"][..], &["new", "tiny/study.toml"]] {
        place
            .call(words)
            .exits(2)
            .says(&["is there already", "hint: choose a directory"]);
    }
    assert_eq!(
        fs::read(place.path().join("tiny/study.toml")).unwrap(),
        before
    );
    fs::create_dir(place.path().join("empty")).unwrap();
    place
        .call(&["new", "empty"])
        .exits(0)
        .prints("empty/study.toml");
    place
        .call(&["new", "wrapped", "--from", "no-script.sh"])
        .exits(2)
        .says(&["no-script.sh"]);
    assert!(!place.path().join("wrapped").exists());
}

#[test]
fn a_wrapped_script_runs_and_everything_is_called_self_reported() {
    let place = Place::new();
    let script = "#!/bin/sh\necho working\necho \"METRIC accuracy=0.7$LYCEUM_SEED\"\n";
    fs::write(place.path().join("score.sh"), script).unwrap();
    let done = place
        .call(&["new", "wrapped", "--from", "score.sh"])
        .exits(0);
    done.says(&["every number of this study is self-reported"]);
    let done = place.call(&["run", "wrapped", "--slots", "1"]).exits(1);
    done.says(&["self-reported: the candidate prints its own score"]);
    assert_eq!(
        place.bodies("wrapped", "study.opened")[0]["trust"],
        "self-reported"
    );
    for measured in place.bodies("wrapped", "run.measured") {
        assert_eq!(measured["trust"], "self-reported");
    }
    place
        .call(&["show", "e0"])
        .exits(0)
        .prints("(self-reported)");
    let page = fs::read_to_string(place.lab().join("studies/wrapped/report.html")).unwrap();
    assert!(page.contains("self-reported"));
    place.assert_intact();
}

#[test]
fn the_trust_of_a_self_reported_gain_is_said_where_it_is_printed() {
    let place = Place::new();
    let train = "rate=$(sed -n 's/^rate *= *//p' settings.toml); echo \"METRIC loss=$rate\"";
    let tiny = Tiny {
        train: train.into(),
        measure: "kind = \"self-reported\"".into(),
        ..Tiny::default()
    };
    let directory = place.study(&tiny);
    let file = directory.join("study.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("outputs = [\"out.txt\"]\n", "")).unwrap();
    let done = place.run("tiny", &[]).exits(0);
    done.prints("self-reported");
    place.call(&["status"]).exits(0).prints("self-reported");
    place
        .call(&["show", "best"])
        .exits(0)
        .prints("(self-reported)");
    let page = fs::read_to_string(place.lab().join("studies/tiny/report.html")).unwrap();
    assert!(
        page.matches("self-reported").count() > 3,
        "the report hardly says it"
    );
    place.assert_intact();
}
