//! Workflows with the real program: sandboxes, a model over a socket, a study; killed, stopped, gone on with.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use lyceum_models::scripted::{Fault, Received, Said, Server, Turn};
use serde_json::Value;

use crate::place::{Done, Place};

const FILE: &str = r#"
name = "w"

[[phase]]
name = "count"
files = "texts/*.txt"
parallel = 2
[phase.command]
run = ["sh", "-c", "wc -w < \"$1\"", "_", "{item}"]

[[phase]]
name = "ask"
results = "count"
parallel = 2
[phase.model]
prompt = "{item} words: {results.count}"
schema = "answer.json"

[[phase]]
name = "sum"
[phase.command]
run = ["sh", "-c", "cat /step/results/ask/*; pwd; ls"]
uses = ["ask"]
"#;

const SCHEMA: &str =
    r#"{ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] }"#;

fn place() -> Place {
    let place = Place::new();
    let directory = place.path().join("flow");
    fs::create_dir_all(directory.join("texts")).unwrap();
    fs::write(directory.join("workflow.toml"), FILE).unwrap();
    fs::write(directory.join("answer.json"), SCHEMA).unwrap();
    for (name, text) in [("a", "one"), ("b", "one two"), ("c", "one two three")] {
        fs::write(directory.join(format!("texts/{name}.txt")), text).unwrap();
    }
    place
}

/// Answers with the number that it is told.
fn counts(received: &Received) -> Turn {
    let number: String = prompt(received)
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    Said::text(format!("```json\n{{\"n\": {number}}}\n```")).into()
}

fn prompt(received: &Received) -> String {
    let content = &received.body["messages"][0]["content"];
    let text = content.as_str().or_else(|| content[0]["text"].as_str());
    text.unwrap().to_owned()
}

fn run(place: &Place, model: &str) -> Done {
    place.call(&["workflow", "run", "flow", "--model", model])
}

fn shown(place: &Place, run: &str) -> Value {
    let out = place
        .call(&["workflow", "show", run, "--json"])
        .exits(0)
        .out;
    serde_json::from_str(&out).unwrap()
}

fn results(shown: &Value) -> Value {
    let phases = shown["phases"].as_array().unwrap().iter();
    let ends = phases.map(|phase| {
        let steps = phase["results"].as_array().unwrap().iter();
        steps
            .map(|step| step["end"]["result"].clone())
            .collect::<Value>()
    });
    ends.collect()
}

#[test]
fn commands_and_models_work_through_their_phases_and_nothing_is_done_twice() {
    let server = Server::answering(counts).unwrap();
    let model = format!("{}/v1#m", server.base());
    let place = place();
    let done = run(&place, &model).exits(0);
    assert_eq!(
        done.out, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n/workspace\n",
        "{}",
        done.err
    );
    assert_eq!(server.received().len(), 3);
    let first = shown(&place, "w");
    assert_eq!(first["status"], "completed");
    assert_eq!(first["tokens"], 360);
    // Once more: every step was done before.
    let again = run(&place, &model).exits(0);
    assert_eq!((again.out, server.received().len()), (done.out, 3));
    // One file changes: its own steps are done, and those that see its result.
    fs::write(place.path().join("flow/texts/c.txt"), "four words are here").unwrap();
    run(&place, &model).exits(0);
    let third = shown(&place, "w~3");
    let anew = |phase: usize| {
        let steps = third["phases"][phase]["results"].as_array().unwrap();
        steps
            .iter()
            .map(|step| step["end"]["reused"].is_null())
            .collect::<Vec<_>>()
    };
    assert_eq!(anew(0), [false, false, true]);
    assert_eq!(anew(1), [true, true, true]);
    let list = place.call(&["workflow", "list"]).exits(0).out;
    assert_eq!(list.lines().count(), 3, "{list}");
    place.call(&["verify"]).exits(0);
}

#[test]
fn a_step_that_fails_loses_no_other_and_an_answer_of_another_form_is_asked_for_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let times = Arc::clone(&asked);
    let server = Server::answering(move |received| {
        let number = times.fetch_add(1, Ordering::Relaxed);
        match prompt(received).chars().next() {
            Some('1') => Said::text("not at all").into(),
            Some('2') if number < 100 => counts(received),
            _ => Turn::Fault(Fault::BadRequest),
        }
    })
    .unwrap();
    let place = place();
    let done = run(&place, &format!("{}/v1#m", server.base())).exits(1);
    assert!(
        done.out.starts_with("{\"n\":2}\n/workspace"),
        "{}",
        done.out
    );
    assert!(done.err.contains("it is no JSON"), "{}", done.err);
    let shown = shown(&place, "w");
    assert_eq!(shown["phases"][1]["done"], 1);
    assert_eq!(shown["phases"][1]["failed"], 2);
    // Two tries at the first, one at each other.
    assert_eq!(asked.load(Ordering::Relaxed), 4);
}

#[test]
fn without_a_model_or_its_server_a_run_waits_and_says_so() {
    let place = place();
    let done = place.call(&["workflow", "run", "flow"]).exits(2);
    assert!(done.err.contains("none is named"), "{}", done.err);
    let server = Server::answering(|_| Turn::Fault(Fault::Unauthorized)).unwrap();
    let done = run(&place, &format!("{}/v1#m", server.base())).exits(2);
    assert!(done.err.contains("retries exhausted"), "{}", done.err);
    let shown = shown(&place, "w");
    assert_eq!(
        (&shown["status"], &shown["phases"][1]["failed"]),
        (&"idle".into(), &0.into())
    );
}

/// Waits until something holds; who waits longer than anything takes has found a fault.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_mins(3), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn killed_while_a_model_is_asked_it_goes_on_and_charges_what_nobody_knows() {
    let held = Arc::new(Mutex::new(()));
    let asked = Arc::new(AtomicUsize::new(0));
    let (gate, times) = (Arc::clone(&held), Arc::clone(&asked));
    let server = Server::answering(move |received| {
        times.fetch_add(1, Ordering::SeqCst);
        drop(gate.lock().unwrap());
        counts(received)
    })
    .unwrap();
    let model = format!("{}/v1#m", server.base());
    let place = place();
    let whole = self::place();
    run(&whole, &model).exits(0);
    let closed = held.lock().unwrap();
    let before = asked.load(Ordering::SeqCst);
    let mut command = place.command(&["workflow", "run", "flow", "--model", &model]);
    let mut running = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("a request", || asked.load(Ordering::SeqCst) > before);
    running.kill().unwrap();
    running.wait().unwrap();
    drop(closed);
    let known = shown(&place, "w");
    assert_eq!(
        (&known["status"], &known["phases"][0]["done"]),
        (&"running".into(), &3.into())
    );
    run(&place, &model).exits(0);
    let state = shown(&place, "w");
    assert_eq!(results(&state), results(&shown(&whole, "w")));
    // No command of the first phase ran again, and the open requests are charged with all that was reserved.
    assert!(
        state["phases"][0]["results"]
            .as_array()
            .unwrap()
            .iter()
            .all(|step| step["attempts"] == 1)
    );
    assert!(state["tokens"].as_u64() > shown(&whole, "w")["tokens"].as_u64());
    place.call(&["verify"]).exits(0);
}

const SLOW: &str = r#"
name = "w"
[[phase]]
name = "count"
files = "texts/*.txt"
[phase.command]
run = ["sh", "-c", "case $1 in *c.txt) sleep 600;; esac; wc -w < \"$1\"", "_", "{item}"]
timeout = "20m"
"#;

#[test]
fn a_run_is_stopped_by_its_own_name_and_not_by_that_of_a_study() {
    let place = place();
    fs::write(place.path().join("flow/workflow.toml"), SLOW).unwrap();
    let words = [
        "run",
        "parabola",
        "--researcher",
        "random",
        "--experiments",
        "1",
        "--seed",
        "1",
    ];
    place.call(&words).exits(1);
    leave_a_study_unfinished(&place);
    let mut command = place.command(&["workflow", "run", "flow"]);
    let mut running = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("two results", || {
        let out = place.call(&["workflow", "show", "w", "--json"]);
        out.code == Some(0)
            && serde_json::from_str::<Value>(&out.out)
                .is_ok_and(|shown| shown["phases"][0]["done"] == 2)
    });
    let other = place.call(&["stop", "other"]).exits(2);
    assert!(other.err.contains("not on study `other`"), "{}", other.err);
    // Who stops a study that is finished does not stop what else works in the lab.
    let other = place.call(&["stop", "parabola"]).exits(0);
    assert!(other.out.contains("nothing to stop"), "{}", other.out);
    assert_eq!(shown(&place, "w")["status"], "running");
    place
        .call(&["workflow", "stop", "w", "--why", "enough"])
        .exits(0);
    assert_eq!(running.wait().unwrap().code(), Some(130));
    let state = shown(&place, "w");
    assert_eq!(
        (&state["status"], &state["why"]),
        (&"stopped".into(), &"enough".into())
    );
    let again = place.call(&["workflow", "stop", "w"]).exits(0);
    assert!(again.out.contains("nothing to stop"), "{}", again.out);
}

#[test]
fn a_study_is_split_among_samplers() {
    let place = Place::new();
    let directory = place.path().join("flow");
    fs::create_dir_all(&directory).unwrap();
    fs::rename(place.path().join("parabola"), directory.join("parabola")).unwrap();
    let file = r#"
name = "split"
[[phase]]
name = "search"
list = ["sobol", "random", "nobody"]
[phase.study]
path = "parabola"
researcher = "{item}"
experiments = 2
seed = 5
"#;
    fs::write(directory.join("workflow.toml"), file).unwrap();
    let done = place.call(&["workflow", "run", "flow", "--json"]).exits(1);
    let shown: Value = serde_json::from_str(&done.out).unwrap();
    let steps = shown["phases"][0]["results"].as_array().unwrap();
    for (step, sampler) in steps.iter().zip(["sobol", "random"]) {
        let text = step["end"]["result"]
            .as_str()
            .unwrap_or_else(|| panic!("{step}"));
        let result: Value = serde_json::from_str(text).unwrap();
        assert_eq!(result["researcher"], sampler);
        assert_eq!(result["experiments"], 2);
        // Its own lab holds all of it.
        let lab = place
            .path()
            .join("lab/workflows/labs")
            .join(step["key"].as_str().unwrap());
        place.call(&["--lab", lab.to_str().unwrap(), "verify"]);
        assert!(lab.join("ledger").is_dir());
    }
    assert!(
        steps[2]["end"]["why"]
            .as_str()
            .unwrap()
            .contains("no sampler")
    );
}

#[test]
fn a_file_that_stops_the_lab_makes_a_run_wait_and_what_changed_meanwhile_is_done_anew() {
    let place = place();
    fs::create_dir_all(place.path().join("lab")).unwrap();
    let file = place.path().join("lab/stop");
    fs::write(&file, "a moment").unwrap();
    let server = Server::answering(counts).unwrap();
    let model = format!("{}/v1#m", server.base());
    let done = run(&place, &model).exits(130);
    assert!(
        done.err.contains("the lab was stopped: a moment"),
        "{}",
        done.err
    );
    assert_eq!(shown(&place, "w")["status"], "idle");
    fs::remove_file(&file).unwrap();
    // The model cannot be asked: the commands are done, and the run waits.
    let away = Server::answering(|_| Turn::Fault(Fault::Unauthorized)).unwrap();
    let fresh = ["workflow", "run", "flow", "--fresh", "--model"];
    let gone = format!("{}/v1#m", away.base());
    place.call(&[&fresh[..], &[&gone]].concat()).exits(2);
    fs::write(place.path().join("flow/texts/a.txt"), "one two three four").unwrap();
    let done = place
        .call(&["workflow", "run", "flow", "--model", &gone])
        .exits(2);
    assert!(
        done.err.contains("what step count/1 of w~2"),
        "{}",
        done.err
    );
    // The commands of the run that begins see the text as it is, and take over the others.
    let third = shown(&place, "w~3");
    let steps = third["phases"][0]["results"].as_array().unwrap();
    let ends: Vec<_> = steps.iter().map(|step| &step["end"]["result"]).collect();
    assert_eq!(ends, ["4", "2", "3"]);
    let anew: Vec<bool> = steps
        .iter()
        .map(|step| step["end"]["reused"].is_null())
        .collect();
    assert_eq!(anew, [true, false, false]);
    assert_eq!(shown(&place, "w~2")["status"], "idle");
}

#[test]
fn what_a_recording_answered_is_not_taken_for_a_model() {
    let place = place();
    let server = Server::answering(counts).unwrap();
    let model = format!("{}/v1#m", server.base());
    let taped = |how: &str| {
        let words = [
            "workflow",
            "run",
            "flow",
            "--model",
            &model,
            how,
            "tape.jsonl",
        ];
        place.call(&words).exits(0);
    };
    taped("--record");
    taped("--replay");
    assert_eq!(server.received().len(), 3);
    let replayed = shown(&place, "w~2");
    for phase in [0, 1] {
        let steps = replayed["phases"][phase]["results"].as_array().unwrap();
        assert!(
            steps
                .iter()
                .all(|step| step["end"]["reused"].is_null() == (phase == 1)),
            "{steps:?}"
        );
    }
}

#[test]
fn what_is_no_workflow_is_refused_before_a_run_is_made() {
    let place = place();
    let says = |words: &str| {
        let done = place.call(&["workflow", "run", "flow"]).exits(2);
        assert!(done.err.contains(words), "{}", done.err);
    };
    let done = place.call(&["workflow", "run", "/dev/zero"]).exits(2);
    assert!(done.err.contains("expected a plain file"), "{}", done.err);
    let directory = place.path().join("flow");
    let written = |over: &str| {
        let text = SLOW.replace("files = \"texts/*.txt\"", over);
        fs::write(directory.join("workflow.toml"), text).unwrap();
    };
    let forged = directory.join("texts/d.txt\n== a.txt");
    fs::write(&forged, "").unwrap();
    written("files = \"texts/**\"");
    says("control characters");
    fs::remove_file(&forged).unwrap();
    written("lines = \"lines\"");
    fs::write(directory.join("lines"), "\n \n").unwrap();
    says("no line that is not empty");
    fs::write(directory.join("lines"), vec![1; 6 << 20]).unwrap();
    says("expected items of at most");
    let list = place.call(&["workflow", "list"]).exits(0);
    assert!(!list.out.contains("w:"), "{}", list.out);
}

/// Leaves a study `other` that was killed while it worked.
fn leave_a_study_unfinished(place: &Place) {
    let (from, to) = (place.path().join("parabola"), place.path().join("other"));
    fs::create_dir_all(to.join("workspace")).unwrap();
    for name in ["study.toml", "evaluate.sh", "workspace/settings.toml"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
    fs::write(to.join("workspace/train.sh"), "sleep 600\n").unwrap();
    let mut command = place.command(&["run", "other", "--researcher", "random"]);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = command.spawn().unwrap();
    until("a run of the other study", || {
        let log = place.call(&["log", "other", "--json"]);
        log.out.contains("run.started")
    });
    running.kill().unwrap();
    running.wait().unwrap();
}

/// Returns a place with a workflow of one study.
fn with_study() -> Place {
    let place = Place::new();
    let directory = place.path().join("flow");
    fs::create_dir_all(&directory).unwrap();
    fs::rename(place.path().join("parabola"), directory.join("parabola")).unwrap();
    fs::write(directory.join("workflow.toml"), STUDY).unwrap();
    place
}

const STUDY: &str = r#"
name = "one"
[[phase]]
name = "search"
[phase.study]
path = "parabola"
researcher = "random"
experiments = 1
seed = 5
"#;

/// Returns the labs of a place's studies.
fn labs(place: &Place) -> Vec<PathBuf> {
    let all = fs::read_dir(place.path().join("lab/workflows/labs"));
    let paths = all.into_iter().flatten().map(|entry| entry.unwrap().path());
    paths.collect()
}

#[test]
fn a_link_elsewhere_is_another_study_and_a_fresh_run_has_labs_of_its_own() {
    let place = with_study();
    let inside = place.path().join("flow/parabola/workspace");
    for name in ["one", "two"] {
        fs::create_dir(inside.join(name)).unwrap();
        fs::write(inside.join(name).join("data.txt"), name).unwrap();
    }
    std::os::unix::fs::symlink("one", inside.join("data")).unwrap();
    let run = |words: &[&str]| {
        let all = [&["workflow", "run", "flow", "--json"], words].concat();
        let shown: Value = serde_json::from_str(&place.call(&all).exits(0).out).unwrap();
        let step = shown["phases"][0]["results"][0].clone();
        (
            step["key"].clone(),
            step["end"]["reused"].is_null(),
            shown["cpu_ms"].as_u64(),
        )
    };
    let (first, anew, cpu) = run(&[]);
    assert!(anew && cpu > Some(0));
    assert_eq!(run(&[]), (first.clone(), false, Some(0)));
    let (again, anew, cpu) = run(&["--fresh"]);
    assert_eq!((&again, anew, labs(&place).len()), (&first, true, 2));
    assert!(cpu > Some(0));
    fs::remove_file(inside.join("data")).unwrap();
    std::os::unix::fs::symlink("two", inside.join("data")).unwrap();
    let (other, anew, _) = run(&[]);
    assert!(anew && other != first, "{other}");
}

#[test]
fn a_study_that_waits_for_a_person_makes_the_run_wait_and_says_for_whose_word() {
    let place = with_study();
    let train = place.path().join("flow/parabola/workspace/train.sh");
    fs::write(train, "sleep 600\n").unwrap();
    let mut command = place.command(&["workflow", "run", "flow"]);
    let mut running = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let inner = |words: &[&str]| {
        let lab = labs(&place).first().cloned().unwrap_or_default();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lyceum"));
        command.arg("--lab").arg(lab).args(words);
        Done::from(command.stdin(Stdio::null()).output().unwrap())
    };
    until("a run of the study", || {
        let told = !labs(&place).is_empty();
        told && inner(&["log", "parabola", "--json"])
            .out
            .contains("run.started")
    });
    let interrupt = ["-INT".to_owned(), running.id().to_string()];
    assert!(
        Command::new("kill")
            .args(interrupt)
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(running.wait().unwrap().code(), Some(130));
    let used = shown(&place, "one")["cpu_ms"].clone();
    inner(&["autonomy", "--lower", "L2", "--why", "not alone"]).exits(0);
    let held = place.call(&["workflow", "run", "flow"]).exits(4);
    assert!(held.err.contains("a person is waited for"), "{}", held.err);
    assert!(
        held.err.contains("autonomy parabola --lend"),
        "{}",
        held.err
    );
    inner(&["stop", "parabola", "--why", "odd"]).exits(0);
    let stopped = place.call(&["workflow", "run", "flow"]).exits(4);
    assert!(stopped.err.contains("by a person: odd"), "{}", stopped.err);
    assert!(
        stopped.err.contains("stop parabola --lift"),
        "{}",
        stopped.err
    );
    let state = shown(&place, "one");
    assert_eq!(state["phases"][0]["results"][0]["attempts"], 3);
    assert_eq!(state["status"], "idle");
    // What the study used before is not charged once more.
    assert_eq!(state["cpu_ms"], used);
}

#[test]
fn what_holds_a_study_back_in_the_lab_holds_it_back_as_a_step() {
    let place = with_study();
    let key = place.call(&["approve", "--new-key", "key"]).exits(0);
    let person = serde_json::json!({ "name": "person 1", "key": key.out.trim() });
    let rules = serde_json::json!({ "subjects": ["budget"], "needed": 1, "approvers": [person] });
    let run = || place.call(&["workflow", "run", "flow"]);
    let study = place.path().join("flow/parabola");
    let study = study.to_str().unwrap();
    let one = ["run", study, "--researcher", "random", "--experiments", "1"];
    assert!(place.call(&one).code.is_some_and(|code| code <= 3));
    place
        .call(&["autonomy", "parabola", "--lower", "L1", "--why", "new"])
        .exits(0);
    let held = run().exits(4);
    for said in [
        "`parabola` is at autonomy level L1",
        "as a step it would begin at L3",
    ] {
        assert!(held.err.contains(said), "{}", held.err);
    }
    assert!(labs(&place).is_empty());
    // Another study's name is not held; more experiments than its own want a signature.
    let other = place.path().join("flow/other");
    fs::rename(study, &other).unwrap();
    let file = place.path().join("flow/workflow.toml");
    let more = STUDY
        .replace("\"parabola\"", "\"other\"")
        .replace("experiments = 1", "experiments = 4");
    fs::write(&file, &more).unwrap();
    fs::write(place.path().join("lab/approvers.json"), rules.to_string()).unwrap();
    let held = run().exits(4);
    let said = "want signatures under more than the study's own 3 experiments, found 4";
    assert!(held.err.contains(said), "{}", held.err);
    fs::write(&file, more.replace("experiments = 4", "experiments = 1")).unwrap();
    run().exits(0);
}

#[test]
fn a_criterion_that_a_model_judges_is_asked_for_in_a_study_that_is_a_step() {
    let yes = r#"{"answer": "yes", "reason": "it is"}"#;
    let server = Server::answering(move |_| Said::text(yes).into()).unwrap();
    let place = with_study();
    let file = place.path().join("flow/parabola/study.toml");
    let text = fs::read_to_string(&file).unwrap();
    let (head, _) = text.split_once("[[rubric]]").unwrap();
    let judged = format!(
        "[[rubric]]\nkind = \"judgement\"\nmodel = \"{}/v1#m\"\nquestion = \"Is it a number?\"\nfile = \"settings.toml\"\n",
        server.base()
    );
    fs::write(&file, format!("{head}{judged}")).unwrap();
    place.call(&["workflow", "run", "flow"]).exits(0);
    assert!(!server.received().is_empty());
}
