//! Words on the command line that mean nothing here, and labs that are not there.

use std::fs;

use crate::support::{Place, Tiny};

#[test]
fn a_study_that_is_not_there_makes_nothing() {
    let place = Place::new();
    let done = place.call(&["run", "nowhere"]).exits(2);
    done.says(&[
        "error: study directory `nowhere` does not exist",
        "`lyceum new nowhere`",
    ]);
    assert!(!place.lab().exists(), "a lab was made");
}

#[test]
fn a_study_that_is_not_right_makes_nothing() {
    let place = Place::new();
    place.study(&Tiny {
        budget: "experimenst = 3".into(),
        ..Tiny::default()
    });
    let done = place.call(&["run", "tiny"]).exits(2);
    done.says(&[
        "unknown key `experimenst`",
        "study.toml:",
        "did you mean `experiments`?",
    ]);
    assert!(!place.lab().exists(), "a lab was made");
}

#[test]
fn reading_a_lab_that_is_not_there_makes_nothing() {
    let place = Place::new();
    let readers: [&[&str]; 9] = [
        &["status"],
        &["log"],
        &["show", "e1"],
        &["report"],
        &["verify"],
        &["replay"],
        &["export"],
        &["rerun", "tiny", "r1"],
        &["verify", "--measure", "1"],
    ];
    for words in readers {
        let done = place.call(words).exits(2);
        done.says(&[
            "error: no ledger in `",
            "hint: begin with `lyceum run STUDY`",
        ]);
    }
    assert!(!place.lab().exists(), "a lab was made");
}

#[test]
fn unknown_studies_experiments_and_runs_are_named_with_what_there_is() {
    let place = Place::new();
    place.study(&Tiny::default());
    place.run("tiny", &[]).exits(0);
    let unknown_study: [&[&str]; 7] = [
        &["log", "other"],
        &["report", "other"],
        &["replay", "other"],
        &["export", "other"],
        &["verify", "other"],
        &["rerun", "other", "r1"],
        &["show", "e1", "--study", "other"],
    ];
    for words in unknown_study {
        let done = place.call(words).exits(2);
        done.says(&[
            "error: the lab holds no study `other`",
            "hint: it holds: tiny",
        ]);
    }
    let done = place.call(&["show", "e99"]).exits(2);
    let most = place.experiments("tiny").len() - 1;
    done.says(&[
        "study `tiny` has no experiment e99",
        &format!("hint: it has e0 to e{most}"),
    ]);
    place
        .call(&["show", "seven"])
        .exits(2)
        .says(&["`seven` is no experiment; expected one like e7, or `best`"]);
    let done = place.call(&["rerun", "tiny", "r999"]).exits(2);
    done.says(&[
        "run r999 of study `tiny` has no receipt to compare with",
        "hint: it has r1 to r",
    ]);
    place
        .call(&["rerun", "tiny", "seven"])
        .exits(2)
        .says(&["expected a run like r12"]);
    place
        .call(&["replay", "--rule", "lucky"])
        .exits(2)
        .says(&["lucky", "greedy, two-sigma"]);
    place.assert_intact();
}

#[test]
fn unknown_researchers_and_inputs_begin_no_study() {
    let place = Place::new();
    place.study(&Tiny::default());
    let done = place
        .call(&["run", "tiny", "--researcher", "oracle"])
        .exits(2);
    done.says(&["no researcher `oracle`; expected one of", "random"]);
    fs::write(place.path().join("file.txt"), "x").unwrap();
    let done = place
        .call(&["run", "tiny", "--input", "words=file.txt"])
        .exits(2);
    done.says(&["study `tiny` has no input `words`; it has: none"]);
    place
        .call(&["run", "tiny", "--input", "words"])
        .exits(2)
        .says(&["expected NAME=FILE"]);
    place
        .call(&["run", "tiny", "--slots", "0"])
        .exits(2)
        .says(&["--slots"]);
    place
        .call(&["run", "tiny", "--experiments", "0"])
        .exits(2)
        .says(&["--experiments"]);
    place
        .call(&["log"])
        .exits(2)
        .says(&["the lab holds no study"]);
    place.assert_intact();
}

#[test]
fn unknown_commands_and_programs_are_bad_input() {
    let place = Place::new();
    place
        .call(&["dance"])
        .exits(2)
        .says(&["unrecognized subcommand 'dance'"]);
    let done = place.call(&["program", "dance"]).exits(2);
    done.says(&["no built-in program `dance`", "null-candidate"]);
}

#[test]
fn a_lab_named_by_a_relative_path_or_a_link_is_the_same_lab() {
    let place = Place::new();
    place.study(&Tiny::default());
    fs::create_dir(place.path().join("deep")).unwrap();
    std::os::unix::fs::symlink(place.path(), place.path().join("link")).unwrap();
    let mut command = place.command(&[
        "run",
        "tiny",
        "--researcher",
        "random",
        "--seed",
        "1",
        "--lab",
        "deep/../link/lab",
    ]);
    let done = crate::support::Done::from(command.output().unwrap()).exits(0);
    done.prints(&format!(
        "report: {}",
        place.lab().join("studies/tiny/report.html").display()
    ));
    place.assert_intact();
}

#[test]
fn a_lab_that_the_candidate_would_see_is_refused() {
    let place = Place::new();
    let study = place.study(&Tiny::default());
    let run = |lab: &std::path::Path, study: &std::path::Path| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lyceum"));
        command.arg("--lab").arg(lab).arg("run").arg(study);
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, err) = run(&study.join("workspace/.lyceum"), &study);
    assert_eq!(code, Some(2), "{err}");
    assert!(
        err.contains("the lab lies in the workspace, which the candidate sees"),
        "{err}"
    );
    assert!(
        err.contains("hint: name another place for the lab"),
        "{err}"
    );
    // Beside the workspace, in the study's own directory, nobody but the lab sees it.
    let (code, err) = run(&study.join(".lyceum"), &study);
    assert!(matches!(code, Some(0 | 1)), "{err}");
}

#[test]
fn a_study_inside_the_lab_is_refused_and_left_alone() {
    let place = Place::new();
    let study = place.study(&Tiny::default());
    let inside = place.lab().join("data/tiny");
    std::fs::create_dir_all(inside.parent().unwrap()).unwrap();
    std::fs::rename(&study, &inside).unwrap();
    let done = place.run(&inside.display().to_string(), &[]).exits(2);
    done.says(&["the study lies in the lab", "hint: move the study"]);
    assert!(inside.join("study.toml").is_file(), "the study was removed");
}
