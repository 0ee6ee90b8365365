//! Interrupted and killed, the same command goes on and ends as if nothing had been.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{Done, LYCEUM, Place, Tiny, nothing_alive};

/// Kills that must land while the lab works.
const KILLS: usize = 24;

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

/// What a study found, without the numbers of its runs: those differ where a run was cut and done again.
fn found(place: &Place, name: &str) -> Value {
    let verdicts: Vec<Value> = place
        .experiments(name)
        .iter()
        .map(|one| {
            json!([
                one["experiment"],
                one["role"],
                one["settings"],
                one["value"],
                one["verdict"],
                one["gain"]
            ])
        })
        .collect();
    let claims: Vec<Value> = place
        .bodies(name, "claim.tested")
        .into_iter()
        .map(|mut claim| {
            for pair in claim["pairs"].as_array_mut().unwrap() {
                let pair = pair.as_object_mut().unwrap();
                pair.retain(|key, _| !key.ends_with("_run"));
            }
            claim
        })
        .collect();
    let grades: Vec<Value> = place
        .bodies(name, "rubric.graded")
        .iter()
        .map(|grade| json!([grade["satisfied"], grade["value"], grade["why"]]))
        .collect();
    json!({ "verdicts": verdicts, "claims": claims, "grades": grades })
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

fn interrupt(child: &Child) {
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Starts the lab and returns it once it has written an event that holds the word.
fn start(place: &Place, word: &str) -> Child {
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
    let mut command = place.command(&words);
    let mut child = command
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

/// A small generator, so that a failure can be repeated with the seed that it prints.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[test]
fn killed_at_random_instants_the_same_command_goes_on_to_the_same_end() {
    let expected = undisturbed();
    let place = Place::new();
    write(&place, &study());
    // A copy of the program by which its helpers in every sandbox are known.
    let program: PathBuf = place.path().join("lyceum-under-test");
    fs::copy(LYCEUM, &program).unwrap();
    let (mut dice, mut kills, mut finished) = (Dice(20_261_122), 0, 0);
    let run = |again: bool| {
        let mut command = Command::new(&program);
        command
            .arg("--lab")
            .arg(place.lab())
            .args(["run", "tiny", "--researcher", "random"]);
        command.args(["--slots", "1", "--seed", "1"]);
        command
            .args(again.then_some("--again"))
            .current_dir(place.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command
    };
    let mut again = false;
    while kills < KILLS {
        let mut child = run(again).spawn().unwrap();
        // Long enough for some to reach the runs, short enough for some to meet the opening.
        sleep(Duration::from_millis(100 + dice.below(1200)));
        let over = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        let done = Done::from(child.wait_with_output().unwrap());
        again = over;
        if over {
            assert_eq!(done.code, 0, "after {kills} kills: {}", done.out);
            finished += 1;
        } else {
            kills += 1;
            // Killed before its first event, a study that was to begin anew is still to begin.
            again = finished > 0
                && place
                    .call(&["status"])
                    .out
                    .matches("finished, rubric satisfied")
                    .count()
                    == studies(&place);
        }
    }
    let done = Done::from(run(false).output().unwrap()).exits(0);
    done.prints("confirmed: better in");
    nothing_alive(Some(&program), "under-test");
    for number in 1..=studies(&place) {
        let name = if number == 1 {
            "tiny".to_owned()
        } else {
            format!("tiny~{number}")
        };
        assert_whole(&place, &name, &expected);
    }
}

fn studies(place: &Place) -> usize {
    let status = place.call(&["status", "--json"]);
    serde_json::from_str::<Value>(&status.out).map_or(0, |all| all.as_array().unwrap().len())
}
