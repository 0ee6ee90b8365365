//! Runs that die with the lab again and again: each is resolved, and the budget pays for all of them.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    thread::sleep,
    time::Duration,
};

use crate::support::{Done, Place, Tiny};

/// Sessions after which a budget of three seconds must be spent: each burns four tenths of a second.
const SESSIONS_MAX: usize = 20;

#[test]
fn runs_that_die_with_the_lab_are_void_and_paid_for() {
    let place = Place::new();
    place.study(&Tiny {
        train: "while :; do :; done".into(),
        budget: "experiments = 3\ncpu = \"3s\"".into(),
        ..Tiny::default()
    });
    let words = [
        "run",
        "tiny",
        "--researcher",
        "random",
        "--slots",
        "1",
        "--seed",
        "1",
        "--json",
    ];
    let mut sessions = 0;
    let last = loop {
        sessions += 1;
        assert!(sessions < SESSIONS_MAX, "the budget is never spent");
        let mut command = place.command(&words);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let started = lines.any(|line| line.unwrap().contains("\"run.started\""));
        std::thread::spawn(move || lines.for_each(drop));
        sleep(Duration::from_millis(if started { 400 } else { 0 }));
        if started && child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
        } else {
            break Done::from(child.wait_with_output().unwrap());
        }
    };
    assert!(
        matches!(last.code, 1 | 3),
        "exit code {}: {}",
        last.code,
        last.err
    );
    let voided = place.bodies("tiny", "run.voided");
    assert!(voided.len() > 1 && voided.len() <= sessions, "{voided:?}");
    let mut charged = 0;
    for one in &voided {
        let cpu_ms = one["cpu_ms"].as_u64().unwrap();
        assert!(cpu_ms > 0, "{one}");
        let why = one["why"].as_str().unwrap();
        assert!(
            why.contains("the lab died") && why.contains("the most that it can have used"),
            "{why}"
        );
        charged += cpu_ms;
    }
    assert!(charged <= 3_000, "{charged} ms of 3,000 were charged");
    place.assert_intact();
    place.assert_no_scratch();
}
