//! Streams of events and what reads them: logs, followers, readers that go away.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::Stdio,
    thread::sleep,
    time::Duration,
};

use serde_json::Value;

use crate::support::{Done, Place, Tiny};

fn numbers(events: &[Value]) -> Vec<u64> {
    events
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect()
}

#[test]
fn json_streams_one_event_a_line_without_a_gap() {
    let place = Place::new();
    place.study(&Tiny::default());
    let done = place.run("tiny", &["--json"]).exits(0);
    let streamed = done.json_lines();
    assert_eq!(
        numbers(&streamed),
        (1..=streamed.len() as u64).collect::<Vec<_>>()
    );
    for event in &streamed {
        let keys: Vec<&String> = event.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["at", "body", "kind", "seq", "version"]);
    }
    assert_eq!(streamed.first().unwrap()["kind"], "study.opened");
    assert_eq!(streamed.last().unwrap()["kind"], "session.ended");
    assert_eq!(
        place.events("tiny"),
        streamed,
        "the log says the same again"
    );
}

#[test]
fn a_log_is_continued_by_number() {
    let place = Place::new();
    place.study(&Tiny::default());
    place.run("tiny", &[]).exits(0);
    let all = place.events("tiny");
    let after = place
        .call(&["log", "tiny", "--json", "--after", "7"])
        .exits(0)
        .json_lines();
    assert_eq!(after, all[7..]);
    let past = place
        .call(&["log", "--json", "--after", &all.len().to_string()])
        .exits(0);
    assert_eq!(past.out, "");
    let plain = place.call(&["log", "--after", "7"]).exits(0);
    assert_eq!(plain.out.lines().count(), all.len() - 7);
    assert!(plain.out.trim_start().starts_with("8 20"), "{}", plain.out);
}

#[test]
fn a_follower_sees_every_event_of_a_running_study() {
    let place = Place::new();
    place.study(&Tiny {
        train: format!("sleep 0.05\n{}", Tiny::default().train),
        ..Tiny::default()
    });
    let mut runner = place.command(&["run", "tiny", "--json"]);
    let mut runner = runner
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = [0];
    let mut stream = runner.stdout.take().unwrap();
    stream.read_exact(&mut first).unwrap();
    let mut follower = place.command(&["log", "--follow", "--json", "tiny"]);
    let follower = follower
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(runner.wait().unwrap().code().is_some());
    let followed = Done::from(follower.wait_with_output().unwrap()).exits(0);
    assert_eq!(followed.out, format!("{}{rest}", char::from(first[0])));
}

#[test]
fn a_follower_ends_when_the_labs_process_is_killed() {
    let place = Place::new();
    place.study(&Tiny {
        train: "sleep 600".into(),
        ..Tiny::default()
    });
    let mut runner = place.command(&["run", "tiny", "--json"]);
    let mut runner = runner
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines();
    let started = |line: &str| line.contains("\"run.started\"");
    assert!(lines.by_ref().any(|line| started(&line.unwrap())));
    let mut follower = place.command(&["log", "--follow", "--json", "tiny"]);
    let mut follower = follower
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut followed = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert!(followed.by_ref().any(|line| started(&line.unwrap())));
    // Long enough to find the lab's process alive a few times.
    sleep(Duration::from_secs(3));
    assert!(
        follower.try_wait().unwrap().is_none(),
        "it follows while somebody works"
    );
    runner.kill().unwrap();
    runner.wait().unwrap();
    followed.for_each(|line| assert!(started(&line.unwrap()), "all that was left to start"));
    let done = Done::from(follower.wait_with_output().unwrap()).exits(0);
    done.says(&["nobody works in the lab any more"]);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::new();
    place.study(&Tiny::default());
    place.run("tiny", &[]).exits(0);
    for words in [
        &["log"][..],
        &["export"],
        &["doctor"],
        &["schema", "study"],
        &["status"],
        &["show", "e0"],
    ] {
        let mut child = place
            .command(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let done = Done::from(child.wait_with_output().unwrap());
        assert!(
            matches!(done.code, 0 | 141),
            "{words:?} exits with {}",
            done.code
        );
        assert_eq!(done.err, "", "{words:?}");
    }
}

#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let place = Place::new();
    place.study(&Tiny::default());
    place.run("tiny", &[]).exits(0);
    for words in [
        &["status"][..],
        &["export", "tiny"],
        &["log", "tiny"],
        &["show", "e0"],
    ] {
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut command = place.command(words);
        let done = Done::from(command.stdout(full).output().unwrap()).exits(70);
        done.says(&["cannot write to standard output: No space left on device"]);
        assert!(!done.err.contains("panicked"), "{}", done.err);
    }
}
