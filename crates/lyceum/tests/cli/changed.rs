//! A study whose files change after it was begun, and a study that is begun again.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use crate::support::{Done, LYCEUM, Place, Tiny};

fn begun() -> (Place, std::path::PathBuf) {
    let place = Place::new();
    let directory = place.study(&Tiny::default());
    place.run("tiny", &[]).exits(0);
    (place, directory)
}

#[test]
fn what_changed_is_named_and_nothing_is_written() {
    let (place, directory) = begun();
    let events = place.events("tiny").len();
    let changes = [
        (
            "study.toml",
            "`study.toml` of study `tiny` changed since it was begun",
        ),
        (
            "workspace/train.sh",
            "the workspace of study `tiny` changed since it was begun",
        ),
        (
            "evaluate.sh",
            "the evaluator (its command, private files or the lab's own programs) of study `tiny`",
        ),
    ];
    for (file, message) in changes {
        let path = directory.join(file);
        let before = fs::read(&path).unwrap();
        fs::write(&path, [before.as_slice(), b"\n# more\n"].concat()).unwrap();
        for words in [&["run", "tiny"][..], &["rerun", "tiny", "r1"]] {
            let done = place.call(words).exits(2);
            done.says(&[
                message,
                "hint: put it back to go on, or begin anew with `--again`",
            ]);
        }
        fs::write(&path, before).unwrap();
    }
    assert_eq!(place.events("tiny").len(), events);
    place
        .run("tiny", &[])
        .exits(0)
        .says(&["already finished", "`--again` begins anew"]);
    place.assert_intact();
}

#[test]
fn a_new_file_in_the_workspace_is_a_change() {
    let (place, directory) = begun();
    fs::write(directory.join("workspace/new.txt"), "x").unwrap();
    place
        .run("tiny", &[])
        .exits(2)
        .says(&["the workspace of study `tiny` changed"]);
    place.assert_intact();
}

#[test]
fn earlier_attempts_and_what_they_saw_are_in_the_record_and_the_report() {
    let place = Place::new();
    let directory = place.study(&Tiny {
        rest: "[sealed]\ncommand = [\"sh\", \"{private}/sealed/evaluate.sh\", \"{outputs}/out.txt\"]\nprivate = [\"sealed/**\"]".into(),
        ..Tiny::default()
    });
    fs::create_dir(directory.join("sealed")).unwrap();
    let sealed = directory.join("sealed/evaluate.sh");
    fs::write(&sealed, Tiny::default().evaluate).unwrap();
    let first = place.run("tiny", &["--seed", "3"]).exits(0);
    assert!(!first.err.contains("attempt"), "{}", first.err);
    let second = place.run("tiny", &["--again", "--seed", "3"]).exits(0);
    second.says(&[
        "attempt 2 at this study in this lab",
        "its sealed split was opened once before",
        "its seeds are those of tiny: it repeats that attempt",
    ]);
    // Other sealed files are unseen.
    fs::write(&sealed, format!("{}# other\n", Tiny::default().evaluate)).unwrap();
    let third = place.run("tiny", &["--again", "--seed", "4"]).exits(0);
    third.says(&["attempt 3 at this study in this lab"]);
    assert!(
        !third.err.contains("sealed split was opened"),
        "{}",
        third.err
    );
    let opened = &place.bodies("tiny~2", "study.opened")[0]["earlier"];
    assert_eq!(
        *opened,
        serde_json::json!([{"study": "tiny", "same_seeds": true, "sealed_seen": true, "confirmed": true, "released": opened[0]["released"]}])
    );
    let page = |name: &str| {
        place.call(&["report", name]).exits(0);
        let file = place.lab().join("studies").join(name).join("report.html");
        fs::read_to_string(file).unwrap()
    };
    assert!(page("tiny~2").contains("1 had opened the sealed split: it was not unseen here."));
    assert!(page("tiny~3").contains("Of the earlier 2, 2 had confirmed a claim."));
    assert!(!page("tiny").contains("Attempt "));
    place.assert_intact();
}

/// Puts another lyceum in place, as a new build would be: the same program with other bytes. Returns it.
fn rebuilt(place: &Place) -> std::path::PathBuf {
    let path = place.path().join("rebuilt");
    let mut bytes = fs::read(LYCEUM).unwrap();
    bytes.extend_from_slice(b"another build");
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_rebuilt_lyceum_goes_on_with_the_programs_that_the_study_was_begun_with() {
    let place = Place::new();
    place.study(&Tiny::default());
    place.run("tiny", &["--seed", "5"]).exits(0);
    let programs = fs::read_dir(place.lab().join("programs")).unwrap();
    let first: Vec<_> = programs.map(|one| one.unwrap().path()).collect();
    assert_eq!(first.len(), 1);
    let other = rebuilt(&place);
    let call = |words: &[&str]| {
        let mut command = Command::new(&other);
        let like = place.command(words);
        command.args(like.get_args()).current_dir(place.path());
        for (name, value) in like.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Done::from(command.output().unwrap())
    };
    call(&["rerun", "tiny", "r1"]).exits(0);
    call(&["run", "tiny"]).exits(0).says(&["already finished"]);
    // Without the copy of the old programs nobody can measure as before.
    for old in first {
        fs::remove_file(old).unwrap();
    }
    call(&["rerun", "tiny", "r1"])
        .exits(2)
        .says(&["the evaluator (its command, private files or the lab's own programs)"]);
}

#[test]
fn a_study_begun_again_stands_beside_the_first() {
    let (place, directory) = begun();
    fs::write(directory.join("workspace/settings.toml"), "rate = 0.8\n").unwrap();
    place
        .run("tiny", &["--again", "--seed", "7"])
        .exits(0)
        .prints("tiny~2: loss 0.25");
    place
        .run("tiny", &["--again", "--seed", "1"])
        .exits(0)
        .prints("tiny~3: loss 0.25");
    for name in ["tiny", "tiny~2", "tiny~3"] {
        place
            .call(&["report", name])
            .exits(0)
            .prints(&format!("studies/{name}/report.html"));
        assert_eq!(place.bodies(name, "study.finished").len(), 1);
    }
    let seeds =
        ["tiny", "tiny~2"].map(|name| place.bodies(name, "study.opened")[0]["seed"].clone());
    assert_eq!(seeds.map(|seed| seed.as_u64()), [Some(1), Some(7)]);
    let done = place.call(&["status"]).exits(0);
    for name in ["tiny  ", "tiny~2  ", "tiny~3  "] {
        done.prints(&format!("{name}finished, rubric satisfied"));
    }
    place.assert_intact();
}
