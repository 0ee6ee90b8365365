//! Workspaces with very many files, and with names and texts that would act on a terminal or a page.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _};

use crate::support::{Done, Place, Tiny};

/// Asserts that no byte reaches a terminal that would act on it.
#[track_caller]
fn assert_harmless(text: &str) {
    let acts = |character: char| character.is_control() && character != '\n' && character != '\t';
    if let Some(at) = text.find(acts) {
        panic!(
            "a control character reaches the terminal: {:?}",
            &text[at..].chars().take(40).collect::<String>()
        );
    }
}

fn harmless(done: Done) -> Done {
    assert_harmless(&done.out);
    assert_harmless(&done.err);
    done
}

#[test]
fn a_workspace_of_a_hundred_thousand_files_runs() {
    let place = Place::new();
    let count =
        "n=0; for f in many/*/*; do n=$((n + 1)); done; echo $n > \"$LYCEUM_OUTPUTS/out.txt\"";
    let directory = place.study(&Tiny {
        train: count.into(),
        knobs: String::new(),
        ..Tiny::default()
    });
    for outer in 0..100 {
        let below = directory.join(format!("workspace/many/{outer}"));
        fs::create_dir_all(&below).unwrap();
        for inner in 0..1000 {
            fs::File::create(below.join(inner.to_string())).unwrap();
        }
    }
    let done = place.run("tiny", &["--experiments", "1"]);
    assert!(
        matches!(done.code, 1 | 2),
        "exit {}: {}",
        done.code,
        done.err
    );
    if done.code == 2 {
        // A bound is an answer too, when it says what it is.
        done.says(&["100000", "hint: "]);
        return;
    }
    done.prints("loss 100000.0");
    assert_eq!(
        place.bodies("tiny", "study.opened")[0]["workspace_files"],
        100_002
    );
    place.assert_intact();
}

#[test]
fn names_and_texts_that_act_on_terminals_are_shown_escaped() {
    let place = Place::new();
    let evil = b"line\nbreak\x1b[31mred\x1b]0;title\x07\xff\xe2\x80\xae.txt";
    let train = "printf '\\033]0;owned\\007\\033[2J\\rMETRIC loss=0\\n'; printf '\\033[1mbold' >&2
if [ \"$mode\" = good ]; then echo 5 > \"$LYCEUM_OUTPUTS/out.txt\"; exit 0; fi
if [ \"$mode\" = protected ]; then echo 5 > \"$LYCEUM_OUTPUTS/out.txt\"; for f in line*; do echo x >> \"$f\"; done; exit 0; fi
exit 3";
    let evaluate = r#"printf '\033[2Jhello' >&2
printf '{"nonce":"%s","metrics":{"loss":5}}' "$LYCEUM_NONCE" >&3"#;
    let directory = place.study(&Tiny {
        evaluate: evaluate.into(),
        workspace: "protected = [\"line*\"]".into(),
        ..Tiny::modes(&["good", "bad", "protected"], train)
    });
    fs::write(
        directory.join("workspace").join(OsStr::from_bytes(evil)),
        "x",
    )
    .unwrap();
    let done = harmless(place.run("tiny", &[])).exits(1);
    done.says(&["failed: exit status 3", "changed protected file `line"]);
    let calls: [&[&str]; 12] = [
        &["log"],
        &["log", "--json"],
        &["show", "e0"],
        &["show", "e1"],
        &["show", "e2"],
        &["show", "e1", "--json"],
        &["status"],
        &["export"],
        &["export", "--format", "json"],
        &["replay"],
        &["verify"],
        &["report", "--output", "report.html"],
    ];
    for words in calls {
        harmless(place.call(words)).exits(0);
    }
    assert_harmless(&fs::read_to_string(place.path().join("report.html")).unwrap());
    place.assert_intact();
}

#[test]
fn words_of_the_command_line_are_shown_escaped() {
    let place = Place::new();
    place.study(&Tiny::default());
    place.run("tiny", &[]).exits(0);
    let evil = "no\x1b[31m\nsuch\x07";
    for words in [
        &["run", evil][..],
        &["log", evil],
        &["show", evil],
        &["report", evil],
        &["run", "tiny", "--researcher", evil],
        &["run", "tiny", "--input", "a\x1b[31m=b"],
        &["program", evil],
        &["new", "tiny", "--from", evil],
    ] {
        let done = harmless(place.call(words)).exits(2);
        done.says(&["error: "]);
    }
}

#[test]
fn hostile_text_cannot_act_on_the_report() {
    let place = Place::new();
    let train = "echo '<script>alert(1)</script><img src=http://example.org/x onerror=alert(1)>' >&2; exit 3";
    let directory = place.study(&Tiny::default());
    let file = directory.join("study.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.replace("Which rate", "<script>alert(2)</script>Which rate"),
    )
    .unwrap();
    fs::write(directory.join("workspace/train.sh"), train).unwrap();
    place.run("tiny", &[]).exits(1);
    let report = fs::read_to_string(place.lab().join("studies/tiny/report.html")).unwrap();
    assert!(
        !report.contains("<script>") && !report.contains("<img"),
        "markup of a candidate is in the page"
    );
    assert!(
        report.contains("&lt;script&gt;"),
        "the question is not shown"
    );
    place.assert_intact();
}
