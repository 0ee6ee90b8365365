//! What people and programs see: streams, tables, states, exit codes.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Done, LYCEUM, Place, Tiny};

#[test]
fn standard_output_holds_the_result_and_nothing_else() {
    let place = Place::new();
    place.study(&Tiny::default());
    let done = place.run("tiny", &[]).exits(0);
    let lines: Vec<&str> = done.out.lines().collect();
    let begins = [
        "tiny: loss 0.36",
        "the search saw a gain of ",
        "✓ a confirmed improvement of loss: confirmed: ",
        "report: ",
    ];
    assert_eq!(lines.len(), begins.len(), "{}", done.out);
    for (line, begin) in lines.iter().zip(begins) {
        assert!(line.starts_with(begin), "{line}");
    }
    done.says(&[
        "Which rate is best?",
        "measured by a separate evaluator",
        "(noise floor)",
        "(search)",
    ]);
}

#[test]
fn a_terminal_shows_the_same_result_and_is_left_clean() {
    let place = Place::new();
    place.study(&Tiny::default());
    let inside = format!("{LYCEUM} --lab lab run tiny --researcher random --slots 1 --seed 1");
    let mut terminal = Command::new("script");
    terminal
        .args(["-qec", &inside, "/dev/null"])
        .current_dir(place.path());
    terminal
        .env("TERM", "xterm")
        .env_remove("LYCEUM_LAB")
        .stdin(Stdio::null());
    let done = Done::from(
        terminal
            .output()
            .expect("this test needs `script` of util-linux"),
    );
    let done = done.exits(0);
    done.prints("confirmed: better in");
    done.prints("report: ");
    // What hides the cursor must show it again.
    assert_eq!(
        done.out.matches("\x1b[?25l").count(),
        done.out.matches("\x1b[?25h").count()
    );
    place.assert_intact();
}

#[test]
fn tables_can_be_read_by_programs() {
    let place = Place::new();
    place.study(&Tiny::default());
    place.run("tiny", &[]).exits(0);
    let tsv = place.call(&["export", "--format", "tsv"]).exits(0).out;
    let rows: Vec<Vec<&str>> = tsv.lines().map(|line| line.split('\t').collect()).collect();
    let head = [
        "experiment",
        "verdict",
        "loss",
        "looks",
        "gain",
        "researcher",
        "rate",
        "hypothesis",
    ];
    assert_eq!(rows[0], head);
    let json = place.experiments("tiny");
    assert_eq!(rows.len() - 1, json.len());
    for (row, one) in rows[1..].iter().zip(&json) {
        assert_eq!(row.len(), head.len());
        assert_eq!(row[0], one["experiment"]);
        assert_eq!(row[2].parse::<f64>().ok(), one["value"].as_f64());
        assert_eq!(row[6].parse::<f64>().ok(), one["settings"]["rate"].as_f64());
    }
}

#[test]
fn the_state_of_the_lab_is_there_for_people_and_programs() {
    let place = Place::new();
    place.study(&Tiny::default());
    place.run("tiny", &[]).exits(0);
    let status = place.call(&["status", "--json"]).exits(0);
    let status: Value = serde_json::from_str(&status.out).unwrap();
    let one = &status[0];
    assert_eq!(
        (&one["study"], &one["satisfied"], &one["confirmed"]),
        (&"tiny".into(), &true.into(), &true.into())
    );
    assert_eq!(
        (
            one["experiments"].as_u64(),
            one["experiments_most"].as_u64()
        ),
        (Some(3), Some(3))
    );
    assert!(one["best"].as_f64() < one["start"].as_f64());
    let best = one["best_experiment"].as_str().unwrap();
    let shown = place.call(&["show", "best"]).exits(0);
    shown.prints(&format!("{best} of study tiny, proposed by random"));
    for text in [
        "hypothesis  ",
        "verdict     kept: ",
        "* rate = ",
        "(start: 0.9)",
        "-rate = 0.9",
        "+rate = 0.",
    ] {
        shown.prints(text);
    }
    shown.prints("(measured)");
    shown.prints("repeat with: lyceum rerun tiny r");
    let json = place.call(&["show", best, "--json"]).exits(0);
    assert_eq!(
        serde_json::from_str::<Value>(&json.out).unwrap()["study"],
        "tiny"
    );
}

#[test]
fn exit_codes_tell_the_ends_of_a_study_apart() {
    let place = Place::new();
    place.study(&Tiny::default());
    place
        .run("tiny", &[])
        .exits(0)
        .prints("confirmed: better in");
    place
        .run("tiny", &[])
        .exits(0)
        .says(&["already finished: every criterion of the rubric is satisfied"]);
    // Nothing can be better than the start here.
    let flat = "echo 5 > \"$LYCEUM_OUTPUTS/out.txt\"";
    place.study(&Tiny {
        name: "flat".into(),
        train: flat.into(),
        ..Tiny::default()
    });
    let done = place.run("flat", &[]).exits(1);
    done.prints("flat: nothing was found that is better than the start, loss 5.0000");
    done.prints(
        "✗ a confirmed improvement of loss: no experiment was kept: there is nothing to confirm",
    );
    place.run("flat", &[]).exits(1);
    let help = place.call(&["--help"]).exits(0);
    for code in [
        "0 done",
        "1 finished",
        "2 bad input",
        "3 budget",
        "70 internal",
        "75 lab in use",
        "78 refused",
        "130",
    ] {
        help.prints(code);
    }
    place.assert_intact();
}

#[test]
fn runs_side_by_side_have_processors_of_their_own() {
    let place = Place::new();
    place.study(&Tiny::default());
    place
        .call(&[
            "run",
            "tiny",
            "--slots",
            "2",
            "--researcher",
            "random",
            "--seed",
            "1",
        ])
        .exits(0);
    let slots = place.bodies("tiny", "session.started")[0]["slots"]
        .as_u64()
        .unwrap();
    let processors = std::thread::available_parallelism().unwrap().get() as u64;
    assert_eq!(slots, processors.min(2));
    let pinned = place
        .bodies("tiny", "run.started")
        .into_iter()
        .map(|run| run["cpus"].to_string());
    let mut pinned: Vec<String> = pinned.collect();
    pinned.sort();
    pinned.dedup();
    assert_eq!(pinned.len() as u64, slots, "{pinned:?}");
    place.assert_intact();
}

#[test]
fn the_schema_is_json_and_the_doctor_is_content() {
    let place = Place::new();
    let schema = place.call(&["schema", "study"]).exits(0);
    let schema: Value = serde_json::from_str(&schema.out).unwrap();
    assert!(schema["properties"]["metric"].is_object());
    place
        .call(&["schema", "study", "--markdown"])
        .exits(0)
        .prints("`metric");
    let doctor = place.call(&["doctor"]).exits(0);
    doctor.prints("sandbox    works: a sandboxed command ran, and attacks from inside it failed");
    let doctor = place.call(&["doctor", "--json"]).exits(0);
    assert!(serde_json::from_str::<Value>(&doctor.out).unwrap()["sandbox"].is_object());
    assert!(!place.lab().exists(), "the doctor made a lab");
}
