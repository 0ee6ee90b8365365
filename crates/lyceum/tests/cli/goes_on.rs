//! Interrupted, the same command goes on and ends as if nothing had been. For kills see `tests/soak`.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use serde_json::Value;

use crate::support::{Done, Place, Tiny, found, nothing_alive};

const SEALED: &str = r#"[sealed]
command = ["sh", "{private}/sealed/evaluate.sh", "{outputs}/out.txt"]
private = ["sealed/**"]"#;

fn study() -> Tiny {
    Tiny {
        budget: "experiments = 8".into(),
        rest: SEALED.into(),
        ..Tiny::default()
    }
}

/// Writes the study; the sealed evaluation has a script of its own.
fn write(place: &Place, tiny: &Tiny) {
    let sealed = place.study(tiny).join("sealed");
    fs::create_dir_all(&sealed).unwrap();
    fs::write(sealed.join("evaluate.sh"), &tiny.evaluate).unwrap();
}

/// Returns what the study finds when nothing disturbs it.
fn undisturbed() -> Value {
    let place = Place::new();
    write(&place, &study());
    place.run("tiny", &[]).exits(0);
    found(&place, "tiny")
}

fn assert_whole(place: &Place, name: &str, expected: &Value) {
    assert_eq!(found(place, name), *expected);
    assert_eq!(
        place.bodies(name, "sealed.opened").len(),
        1,
        "the sealed split is opened once"
    );
    assert_eq!(place.bodies(name, "study.finished").len(), 1);
    let events = place.events(name);
    let numbers = events.iter().map(|event| event["seq"].as_u64().unwrap());
    assert!(
        numbers.eq(1..=events.len() as u64),
        "the numbers of the events have a gap"
    );
    place.assert_intact();
    place.assert_no_scratch();
}

pub(crate) fn interrupt(child: &Child) {
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Starts the lab and returns it once it has written an event that holds the word.
fn start(place: &Place, word: &str) -> Child {
    start_with(place, "random", word)
}

/// Starts the lab with this researcher.
pub(crate) fn start_with(place: &Place, researcher: &str, word: &str) -> Child {
    let words = [
        "run",
        "tiny",
        "--researcher",
        researcher,
        "--slots",
        "1",
        "--seed",
        "1",
    ];
    start_of(place, &words, word)
}

/// Starts a command that works on a study, and returns when a line of its events has this word.
pub(crate) fn start_of(place: &Place, words: &[&str], word: &str) -> Child {
    let mut command = place.command(words);
    let mut child = command
        .arg("--json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines
        .find(|line| line.as_ref().unwrap().contains(word))
        .unwrap()
        .unwrap();
    // Goes on reading, so that the lab is never without a reader.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

#[test]
fn interrupted_at_any_stage_the_same_command_goes_on_to_the_same_end() {
    let expected = undisturbed();
    let place = Place::new();
    write(&place, &study());
    for stage in [
        "run.started",
        "experiment.decided",
        "confirm",
        "sealed.opened",
    ] {
        let child = start(&place, stage);
        interrupt(&child);
        let done = Done::from(child.wait_with_output().unwrap()).exits(130);
        assert!(!done.err.contains("panicked"), "{}", done.err);
        let ended = place.bodies("tiny", "session.ended");
        assert_eq!(ended.last().unwrap()["reason"], "interrupted", "at {stage}");
        place
            .call(&["status"])
            .exits(0)
            .prints("tiny  stopped; `lyceum run` goes on");
        place.assert_intact();
        place.assert_no_scratch();
    }
    place
        .run("tiny", &[])
        .exits(0)
        .says(&["goes on after event"]);
    assert_whole(&place, "tiny", &expected);
}

#[test]
fn an_interrupted_measurement_is_charged_and_made_again() {
    let place = Place::new();
    let tiny = Tiny::default();
    let evaluate = "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done\n";
    place.study(&Tiny {
        evaluate: format!("{evaluate}{}", tiny.evaluate),
        ..tiny
    });
    let child = start(&place, "run.finished");
    sleep(Duration::from_millis(50));
    interrupt(&child);
    Done::from(child.wait_with_output().unwrap()).exits(130);
    let cut = place.bodies("tiny", "run.measure_cut");
    assert_eq!(cut.len(), 1, "one measurement was on its way");
    assert_eq!(cut[0]["cause"], "stopped by a person");
    let run = cut[0]["run"].clone();
    place.run("tiny", &[]).exits(0);
    let again = place.bodies("tiny", "run.measured");
    assert!(
        again.iter().any(|one| one["run"] == run),
        "{run} was not measured again"
    );
    place.assert_intact();
    place.assert_no_scratch();
}

#[test]
fn a_workspace_that_changes_meanwhile_stops_the_study_and_put_back_lets_it_go_on() {
    let place = Place::new();
    let directory = place.study(&Tiny {
        budget: "experiments = 40".into(),
        ..study()
    });
    let sealed = directory.join("sealed");
    fs::create_dir_all(&sealed).unwrap();
    fs::write(sealed.join("evaluate.sh"), Tiny::default().evaluate).unwrap();
    let file = directory.join("workspace/train.sh");
    let before = fs::read(&file).unwrap();
    let child = start(&place, "experiment.proposed");
    fs::write(&file, "echo 0 > \"$LYCEUM_OUTPUTS/out.txt\"\n").unwrap();
    let done = Done::from(child.wait_with_output().unwrap()).exits(2);
    done.says(&[
        "checking the workspace",
        "`train.sh` was written while the study ran on it",
        "put the file back and the same command goes on",
    ]);
    assert!(place.bodies("tiny", "study.finished").is_empty());
    let measured = place.bodies("tiny", "run.measured");
    let zero = |one: &Value| one["measured"]["values"]["loss"] == 0.0;
    assert!(
        !measured.iter().any(zero),
        "a run on the changed workspace was measured"
    );
    fs::write(&file, before).unwrap();
    place.run("tiny", &[]).exits(0);
    place.assert_intact();
    place.assert_no_scratch();
}

#[test]
fn an_interrupted_lab_says_how_to_go_on() {
    let place = Place::new();
    let mark = format!("600.1{}", std::process::id());
    let train = format!("sleep {mark}");
    place.study(&Tiny {
        train,
        run: "timeout = \"700s\"".into(),
        ..Tiny::default()
    });
    let mut command = place.command(&["run", "tiny"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !place.lab().join("studies").exists()
        && place.call(&["log"]).out.matches("run.started").count() == 0
    {
        sleep(Duration::from_millis(20));
    }
    interrupt(&child);
    let done = Done::from(child.wait_with_output().unwrap()).exits(130);
    done.says(&[
        "cut short: stopped by a person",
        "stopped; nothing is lost. Go on with: ",
        " run tiny",
    ]);
    nothing_alive(None, &mark);
    place.assert_intact();
    place.assert_no_scratch();
}
