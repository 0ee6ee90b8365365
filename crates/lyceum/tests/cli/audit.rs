//! Checking a lab: edited rows, edited blobs, repeated measurements and runs, other keep rules.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use crate::support::{Place, Tiny};

fn finished() -> Place {
    let place = Place::new();
    place.study(&Tiny::default());
    place.run("tiny", &[]).exits(0);
    place
}

fn edit(place: &Place, sql: &str) -> usize {
    let store = rusqlite::Connection::open(place.lab().join("ledger/ledger.db")).unwrap();
    store.execute(sql, []).unwrap()
}

#[test]
fn an_edited_row_is_found() {
    let place = finished();
    let sql = "UPDATE event SET body = replace(body, '\"kept\"', '\"discarded\"') \
               WHERE kind = 'experiment.decided' AND body LIKE '%\"kept\"%'";
    assert!(edit(&place, sql) > 0);
    let done = place.call(&["verify"]).exits(1);
    done.prints("chain: ");
    assert!(
        !done.out.contains("all as they were written"),
        "{}",
        done.out
    );
    done.prints(
        "the verdict on e1 does not follow from the events before it: computed again, e1 is kept",
    );
    let json = place.call(&["verify", "--json"]).exits(1);
    assert_eq!(json.json_lines()[0]["intact"], false);
}

#[test]
fn an_edited_number_is_found_in_the_chain_and_in_the_verdicts() {
    let place = finished();
    let sql = "UPDATE event SET body = replace(body, '\"loss\":0.', '\"loss\":0.9') WHERE kind = 'run.measured'";
    assert!(edit(&place, sql) > 0);
    let done = place.call(&["verify"]).exits(1);
    assert!(!done.out.contains(", 0 differ"), "{}", done.out);
    assert!(
        !done.out.contains("all as they were written"),
        "{}",
        done.out
    );
}

#[test]
fn a_removed_row_is_found() {
    let place = finished();
    assert_eq!(edit(&place, "DELETE FROM event WHERE seq = 9"), 1);
    let done = place.call(&["verify"]).exits(1);
    assert!(
        !done.out.contains("all as they were written"),
        "{}",
        done.out
    );
}

fn some_blob(place: &Place) -> PathBuf {
    let output = &place.bodies("tiny", "run.finished")[0]["outputs"][0]["blob"];
    let name = output.as_str().unwrap().to_owned();
    let mut open = vec![place.lab().join("ledger/blobs")];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.file_stem().is_some_and(|stem| *stem == *name) {
                return path;
            }
        }
    }
    panic!("no file for blob {name}");
}

#[test]
fn an_edited_or_missing_blob_is_found() {
    let place = finished();
    let blob = some_blob(&place);
    let before = fs::read(&blob).unwrap();
    fs::set_permissions(&blob, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&blob, [before.as_slice(), b" "].concat()).unwrap();
    let done = place.call(&["verify"]).exits(1);
    done.prints("chain: ");
    assert!(
        !done.out.contains("all as they were written"),
        "{}",
        done.out
    );
    fs::remove_file(&blob).unwrap();
    place.call(&["verify"]).exits(1);
    fs::write(&blob, before).unwrap();
    place.assert_intact();
}

#[test]
fn measurements_are_repeated_on_request() {
    let place = finished();
    let done = place.call(&["verify", "--measure", "2"]).exits(0);
    done.prints("tiny: 2 of 2 measurements repeated as recorded");
    done.says(&["measuring r1 again"]);
    place.assert_intact();
    place.assert_no_scratch();
}

#[test]
fn an_evaluator_that_cannot_repeat_itself_is_found() {
    let place = Place::new();
    let evaluate = r#"noise=$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')
printf '{"nonce":"%s","metrics":{"loss":%s}}' "$LYCEUM_NONCE" "$noise" >&3"#;
    place.study(&Tiny {
        evaluate: evaluate.into(),
        ..Tiny::default()
    });
    let done = place.run("tiny", &[]);
    assert!(matches!(done.code, 0 | 1), "{}", done.err);
    let done = place.call(&["verify", "--measure", "3"]).exits(1);
    done.prints("measured again Some(");
    done.prints("of 3 measurements repeated as recorded");
    place.assert_intact();
}

#[test]
fn a_run_can_be_repeated_byte_for_byte() {
    let place = finished();
    for run in ["r1", "r5"] {
        let done = place.call(&["rerun", "tiny", run]).exits(0);
        done.prints(&format!("{run} outputs are the same, byte for byte"));
        done.prints("loss: recorded 0.");
    }
    let done = place.call(&["rerun", "tiny", "r1", "--json"]).exits(0);
    let json = &done.json_lines()[0];
    assert_eq!(
        (&json["same_outputs"], &json["same_measurement"]),
        (&true.into(), &true.into())
    );
    assert_eq!(json["recorded"], json["repeated"]);
    place.assert_intact();
    place.assert_no_scratch();
}

#[test]
fn a_run_that_cannot_be_repeated_says_so() {
    let place = Place::new();
    let train = "od -An -N4 -tu4 /dev/urandom | tr -d ' ' > \"$LYCEUM_OUTPUTS/out.txt\"";
    place.study(&Tiny {
        train: train.into(),
        ..Tiny::default()
    });
    let done = place.run("tiny", &[]);
    assert!(matches!(done.code, 0 | 1), "{}", done.err);
    place
        .call(&["rerun", "tiny", "r1"])
        .exits(1)
        .prints("r1 outputs differ");
    place.assert_intact();
}

#[test]
fn another_keep_rule_is_replayed_on_the_same_log() {
    let place = finished();
    let before = place.events("tiny").len();
    let done = place.call(&["replay", "tiny", "--rule", "greedy"]).exits(0);
    done.prints("rule greedy keeps ");
    done.prints("it would have claimed a gain of 0.");
    done.prints("confirmed on fresh paired seeds: 0.");
    for rule in ["adaptive", "two-sigma", "best-of-three", "always-confirm"] {
        let done = place
            .call(&["replay", "tiny", "--rule", rule, "--json"])
            .exits(0);
        assert_eq!(done.json_lines()[0]["rule"], rule);
    }
    assert_eq!(place.events("tiny").len(), before);
    place.assert_intact();
}
