//! People and a session that waits for their word: the real program, killed, interrupted and answered.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use lyceum_models::scripted::{Received, Said, Server, Turn};
use serde_json::{Value, json};

use crate::{
    brain,
    place::{Done, Place},
};

/// A study whose model needs a person's word for each edit.
fn asked() -> Place {
    with("\n[session]\nask = [\"edit\"]\n")
}

fn with(session: &str) -> Place {
    let place = Place::new();
    let path = place.path().join("parabola/study.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text + session).unwrap();
    place
}

/// A process of the lab that ends with its test.
struct Running(Child);

impl Running {
    fn start(place: &Place, words: &[&str]) -> Running {
        let mut command = place.command(words);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().unwrap())
    }

    fn code(mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Returns what waits; waits itself until something does that is not this call.
fn awaited(place: &Place, running: &mut Running, not: &str) -> Value {
    loop {
        let over = running.0.try_wait().unwrap();
        let shown = place.call(&["session", "show", "parabola", "--json"]);
        if shown.code == Some(0) {
            let object: Value = serde_json::from_str(&shown.out).unwrap();
            let first = &object["awaited"][0];
            if !first.is_null() && first["call"] != not && object["status"] == "idle" {
                return first.clone();
            }
        }
        assert!(over.is_none(), "it ended and waited for nobody: {over:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn call_of(waiting: &Value) -> String {
    waiting["call"].as_str().unwrap().to_owned()
}

fn session(place: &Place, words: &[&str]) -> Done {
    place.call(&[&["session"], words].concat())
}

#[test]
fn a_denied_call_is_told_with_its_reason_and_an_approved_one_survives_a_kill() {
    let (place, server) = (asked(), Server::answering(brain::researcher).unwrap());
    let model = format!("{}/v1#scripted", server.base());
    let mut running = Running::start(&place, &Place::words(&model));
    let first = awaited(&place, &mut running, "");
    assert_eq!(first["tool"], "edit");
    assert_eq!(first["arguments"]["path"], "train.sh");
    let id = call_of(&first);

    // What waits is seen in full, and in the list.
    let shown = session(&place, &["show"]).exits(0).out;
    assert!(shown.contains("idle (requires_action 1.0)"), "{shown}");
    assert!(shown.contains("old | 0.5 + "), "{shown}");
    let object: Value =
        serde_json::from_str(&session(&place, &["show", "--json"]).exits(0).out).unwrap();
    assert_eq!(object["asks"]["tools"], serde_json::json!(["edit"]));
    assert!(
        object["objective"]
            .as_str()
            .is_some_and(|one| !one.is_empty())
    );
    let listed = session(&place, &["list"]).exits(0).out;
    assert!(
        listed.contains("waits: 1.0 edit: each `edit` needs a person's word"),
        "{listed}"
    );
    // A word on what was never asked, or of another kind, is an error and changes nothing.
    let never = session(&place, &["approve", "parabola", "9.9"]).exits(2);
    assert!(
        never.err.contains("waits for no word on a call `9.9`"),
        "{}",
        never.err
    );
    assert!(
        never.err.contains("waits for a word on: 1.0"),
        "{}",
        never.err
    );
    let other = session(&place, &["answer", "parabola", &id, "yes"]).exits(2);
    assert!(
        other.err.contains("waits for another word"),
        "{}",
        other.err
    );

    let denied = session(&place, &["deny", "parabola", &id, "--why", "too early"]).exits(0);
    assert!(denied.out.contains("sent to the process"), "{}", denied.out);
    // It tries again: another call, which the word on the first does not let pass.
    let second = call_of(&awaited(&place, &mut running, &id));
    assert_ne!(second, id);
    let again = session(&place, &["approve", "parabola", &id]).exits(2);
    assert!(again.err.contains("was denied already"), "{}", again.err);
    let told = server.received().last().unwrap().text.clone();
    assert!(
        told.contains("their reason, in their words: too early"),
        "{told}"
    );

    // A word that is on its way when the process dies stands: a contrary one does not pass it.
    running.signal("-STOP");
    let sent = session(&place, &["deny", "parabola", &second]).exits(0);
    assert!(sent.out.contains("sent to the process"), "{}", sent.out);
    running.0.kill().unwrap();
    running.0.wait().unwrap();
    let late = session(&place, &["approve", "parabola", &second]).exits(2);
    assert!(late.err.contains("was denied already"), "{}", late.err);
    let mut running = Running::start(&place, &Place::words(&model));
    let third = call_of(&awaited(&place, &mut running, &second));

    running.0.kill().unwrap();
    running.0.wait().unwrap();
    let approved = session(&place, &["approve", "parabola", &third]).exits(0);
    assert!(approved.out.contains("written down"), "{}", approved.out);
    let twice = session(&place, &["approve", "parabola", &third]).exits(2);
    assert!(twice.err.contains("was approved already"), "{}", twice.err);
    place.call(&Place::words(&model)).exits(0);

    assert_eq!(place.session("agent.approval_requested").len(), 3);
    assert_eq!(place.session("user.tool_confirmation").len(), 3);
    let started = place.session("agent.tool_started");
    let of = |id: &str| started.iter().filter(|one| one["call"] == id).count();
    assert_eq!((of(&id), of(&second), of(&third)), (0, 0, 1));
    place.call(&["verify"]).exits(0);
}

#[test]
fn waiting_ends_with_a_stop_keeps_its_request_and_uses_no_budget() {
    let (place, server) = (asked(), Server::answering(brain::researcher).unwrap());
    let model = format!("{}/v1#scripted", server.base());
    let mut running = Running::start(&place, &Place::words(&model));
    let id = call_of(&awaited(&place, &mut running, ""));
    running.signal("-INT");
    assert_eq!(running.code(), Some(130));

    // A bound that comes too late would be none, and nobody is to believe in it.
    let begin = ["session", "start", "parabola", "--researcher", &model];
    for (late, said) in [
        (["--ask", "bash"], "begun without `--ask bash`"),
        (["--tokens", "5"], "begun without `--tokens 5`"),
        (["--constraint", "be quick"], "`--constraint`"),
    ] {
        let refused = place.call(&[&begin[..], &late].concat()).exits(2).err;
        assert!(refused.contains(said), "{refused}");
    }

    let began = Instant::now();
    let mut running = Running::start(&place, &Place::words(&model));
    assert_eq!(call_of(&awaited(&place, &mut running, "")), id);
    // So long that it would show if it were charged.
    std::thread::sleep(Duration::from_secs(3));
    session(&place, &["approve", "parabola", &id, "--why", "go on"]).exits(0);
    assert_eq!(running.code(), Some(0));
    let lifetime = began.elapsed().as_millis();
    assert_eq!(place.session("agent.approval_requested").len(), 1);
    let sum = |kind: &str, from: usize| -> u128 {
        let all = place.study(kind).into_iter().skip(from);
        all.map(|one| u128::from(one["wall_ms"].as_u64().unwrap()))
            .sum()
    };
    // The first session's wait ended with it.
    let before = place.study("person.awaited").len() - 1;
    let (worked, waited) = (sum("session.ended", 1), sum("person.awaited", before));
    assert!(
        worked + waited <= lifetime,
        "{worked} + {waited} of {lifetime}"
    );
    place.call(&["verify"]).exits(0);
}

/// Asks a person which rate to begin with, and follows the answer.
fn asks(received: &Received) -> Turn {
    let said = brain::statement(received);
    if received.text.contains("in their words: 0.3")
        || received.text.contains("decide yourself, and keep")
    {
        return brain::researcher(received);
    }
    assert_eq!(brain::proposed(&said), 0);
    let question = json!({ "question": "which rate?", "choices": ["0.9", "0.3", "1"] });
    Said::tool("q", "ask_person", &question).into()
}

#[test]
fn a_question_waits_for_its_answer_or_is_told_that_nobody_is_there() {
    let server = Server::answering(asks).unwrap();
    let model = format!("{}/v1#scripted", server.base());
    let words = Place::words(&model);
    let place = Place::new();
    let mut running = Running::start(&place, &[&words[..], &["--person"]].concat());
    let waiting = awaited(&place, &mut running, "");
    assert_eq!(waiting["question"]["choices"], json!(["0.9", "0.3", "1"]));
    let shown = session(&place, &["show"]).exits(0).out;
    assert!(
        shown.contains("1.0 ask_person: which rate? 1) 0.9 2) 0.3 3) 1"),
        "{shown}"
    );
    session(&place, &["deny", "parabola", "1.0"]).exits(2);
    let no = session(&place, &["answer", "parabola", "1.0", "4"]).exits(2);
    assert!(no.err.contains("a choice from 1 to 3"), "{}", no.err);
    let taken = session(&place, &["answer", "parabola", "1.0", "2"]).exits(0);
    assert!(taken.out.contains("the answer: "), "{}", taken.out);
    assert_eq!(running.code(), Some(0));
    assert_eq!(place.session("user.answer")[0]["text"], "0.3");
    let twice = session(&place, &["answer", "parabola", "1.0", "2"]).exits(2);
    assert!(twice.err.contains("was answered already"), "{}", twice.err);

    // Without a terminal and without anybody's word that a person is there, nobody is.
    for more in [&[][..], &["--no-person"]] {
        let place = Place::new();
        place.call(&[&words[..], more].concat()).exits(0);
        assert!(place.session("agent.question").is_empty());
    }
    let unattended = with("\n[session]\nask = [\"edit\"]\nask_outside = []\nperson = false\n");
    let done = unattended.call(&words);
    assert!(matches!(done.code, Some(0 | 1 | 3)), "{}", done.err);
    assert!(unattended.session("agent.approval_requested").is_empty());
    assert!(
        server
            .received()
            .last()
            .unwrap()
            .text
            .contains("no person is there to give it")
    );
}
