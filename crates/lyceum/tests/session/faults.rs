//! What models, servers and people do wrong, and what a session makes of it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use lyceum_models::scripted::{Fault, Received, Said, Server, Turn};
use serde_json::{Value, json};

use crate::{brain, place::Place};

fn model(server: &Server) -> String {
    format!("{}/v1#scripted", server.base())
}

#[test]
fn words_that_propose_nothing_are_answered_and_then_a_sampler_takes_the_place() {
    let (place, server) = (
        Place::new(),
        Server::answering(|_| Said::text("I am done.").into()).unwrap(),
    );
    let name = model(&server);
    let done = place.call(&Place::words(&name));
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.err);
    assert!(
        done.err.contains("a sampler takes its place"),
        "{}",
        done.err
    );
    let proposed = place.study("experiment.proposed");
    let search = proposed
        .iter()
        .filter(|one| one["role"]["role"] == "search");
    assert!(search.clone().count() == 3 && search.clone().all(|one| one["researcher"] == "gp"));
    let idle = place.session("session.status_idle");
    assert!(
        idle.iter()
            .any(|one| one["stop_reason"]["type"] == "no_progress")
    );
    place.call(&["verify"]).exits(0);
}

/// Does everything wrong that a model can, each once, and then works.
fn clumsy(received: &Received) -> Turn {
    let turn = received.model_turns();
    let id = format!("call_{turn}");
    let text = |name: &str, arguments: &str| -> Turn {
        Said::text_and_tools("", &[(id.as_str(), name, arguments)]).into()
    };
    match turn {
        0 => text("launch_rocket", "{}"),
        1 => text("edit", "{\"path\": \"train.sh\", "),
        2 => text("run_experiment", "{\"hypothesis\": 7}"),
        3 => text("run_experiment", &json!({ "hypothesis": "h", "settings": { "speed": 1 } }).to_string()),
        4 => text("run_experiment", &json!({ "hypothesis": "h", "settings": { "rate": 7 } }).to_string()),
        5 => text("run_experiment", "{\"hypothesis\": \"the same again\"}"),
        6 => text("read", "{\"path\": \"/etc/shadow-of-nothing\"}"),
        7 => text("bash", &json!({ "command": "head -c 3000000 /dev/zero | tr '\\0' x" }).to_string()),
        8 => text("bash", &json!({ "command": "printf 'a\\033[2Jb'; rm settings.toml; echo x > other.txt; ls /outputs ../lab" }).to_string()),
        9 => text("record_finding", "{\"claim\": \"it flies\", \"experiment\": \"e9\"}"),
        _ => brain::researcher(received),
    }
}

#[test]
fn unknown_tools_bad_arguments_and_large_results_are_answered() {
    let (place, server) = (Place::new(), Server::answering(clumsy).unwrap());
    place.call(&Place::words(&model(&server))).exits(0);
    let results = place.session("agent.tool_result");
    let said = |at: usize| results[at]["text"].as_str().unwrap().to_owned();
    for at in [0, 1, 2, 3, 4, 5, 6, 8, 9] {
        assert_eq!(results[at]["is_error"], true, "{at}: {}", said(at));
    }
    assert!(said(0).contains("no tool `launch_rocket`"), "{}", said(0));
    assert!(said(1).contains("no JSON object"), "{}", said(1));
    assert!(said(3).contains("no knob `speed`"), "{}", said(3));
    assert!(said(5).contains("unchanged workspace"), "{}", said(5));
    assert!(
        said(7).len() < 20_000 && said(7).contains("not shown"),
        "{}",
        said(7).len()
    );
    assert!(said(8).contains("a\\e[2Jb"), "{}", said(8));
    assert!(
        said(8).contains("not kept") && said(8).contains("other.txt"),
        "{}",
        said(8)
    );
    assert!(
        said(8).contains("back again") && said(8).contains("settings.toml"),
        "{}",
        said(8)
    );
    assert!(said(9).contains("no experiment `e9`"), "{}", said(9));
    let shown = place.call(&["session", "log"]).exits(0).out;
    assert!(
        !shown.contains('\u{1b}'),
        "a control character reached the terminal"
    );
}

#[test]
fn a_spent_budget_pauses_the_agent_and_not_the_study() {
    let (place, server) = (Place::new(), Server::answering(brain::researcher).unwrap());
    let name = model(&server);
    let mut words = vec!["session", "start"];
    words.extend(&Place::words(&name)[1..]);
    words.extend(["--tokens", "30000"]);
    let done = place.call(&words);
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.err);
    assert!(server.received().len() < 3, "{}", server.received().len());
    let idle = place.session("session.status_idle");
    assert!(
        idle.iter()
            .any(|one| one["stop_reason"]["type"] == "budget_reached"),
        "{idle:?}"
    );
    assert_eq!(place.study("study.finished").len(), 1);
    // A model without a price cannot be held to a budget of money.
    let (other, before) = (Place::new(), server.received().len());
    words.truncate(words.len() - 2);
    words.extend(["--money", "5"]);
    let refused = other.call(&words).exits(2);
    assert!(
        refused.err.contains("whose price is known"),
        "{}",
        refused.err
    );
    assert_eq!(server.received().len(), before);
    assert!(!other.path().join("lab").exists());

    // The study's own budget of tokens does the same, and a person's wider word does not widen it.
    let bounded = Place::new();
    let path = bounded.path().join("parabola/study.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("[budget]\n", "[budget]\ntokens = 30000\n");
    fs::write(&path, text).unwrap();
    words.truncate(words.len() - 2);
    words.extend(["--tokens", "900000"]);
    let done = bounded.call(&words);
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.err);
    assert_eq!(
        bounded.session("session.created")[0]["limits"]["tokens"],
        30000
    );
    let idle = bounded.session("session.status_idle");
    let reached = |one: &Value| one["stop_reason"]["type"] == "budget_reached";
    assert!(idle.iter().any(reached), "{idle:?}");
    assert_eq!(bounded.study("study.finished").len(), 1);
}

/// Returns the words of a command with a model that has a price, on the server that stands in for its provider.
fn priced(server: &Server, place: &Place, words: &[&str]) -> Command {
    let mut command = place.command(words);
    command
        .env("ANTHROPIC_BASE_URL", server.base())
        .env("ANTHROPIC_API_KEY", "sk-of-a-test");
    command
}

/// Puts a line into the study's budget.
fn with_budget(place: &Place, line: &str) {
    let path = place.path().join("parabola/study.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace("[budget]\n", &format!("[budget]\n{line}\n")),
    )
    .unwrap();
}

#[test]
fn a_budget_of_money_in_the_study_is_reserved_before_each_request_and_settled_after() {
    let (place, server) = (Place::new(), Server::answering(brain::researcher).unwrap());
    with_budget(&place, "money = \"1.50\"");
    let words = Place::words("anthropic:claude-opus-5-5");
    let done: crate::place::Done = priced(&server, &place, &words).output().unwrap().into();
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.err);
    let created = &place.session("session.created")[0];
    assert_eq!(created["limits"]["money"], 1_500_000_000_u64, "{created}");
    let number = |one: &Value, key: &str| one[key].as_u64().unwrap();
    let (mut spent, mut requests) = (0, 0);
    let asked = place.session("span.model_request_start");
    let answered = place.session("span.model_request_end");
    for (asked, answered) in asked.iter().zip(&answered) {
        // What is reserved fits in what is left, and what is charged is less.
        let reserved = number(asked, "reserved_money");
        assert!(spent + reserved <= 1_500_000_000, "{asked}");
        assert!(number(answered, "money") < reserved, "{answered}");
        spent += number(answered, "money");
        requests += 1;
    }
    assert!(
        requests > 0 && server.received().len() == requests,
        "{requests}"
    );
    assert_eq!(place.study("study.finished").len(), 1);

    // What does not pay for one request lets none be made, and a sampler does the work.
    let (poor, before) = (Place::new(), server.received().len());
    with_budget(&poor, "money = \"0.01\"");
    let done: crate::place::Done = priced(&server, &poor, &words).output().unwrap().into();
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.err);
    let idle = poor.session("session.status_idle");
    assert_eq!(idle[0]["stop_reason"]["type"], "budget_reached", "{idle:?}");
    assert_eq!(server.received().len(), before);

    // A model without a price cannot be held to it.
    let (other, before) = (Place::new(), server.received().len());
    with_budget(&other, "money = \"1.50\"");
    let refused = other.call(&Place::words(&model(&server))).exits(2);
    assert!(
        refused
            .err
            .contains("`[budget] money` needs models whose price is known"),
        "{}",
        refused.err
    );
    assert_eq!(server.received().len(), before);
    assert!(!other.path().join("lab").exists());
}

#[test]
fn a_server_that_refuses_is_named_and_the_study_goes_on() {
    let answers = |_: &Received| Turn::Fault(Fault::Unauthorized);
    let (place, server) = (Place::new(), Server::answering(answers).unwrap());
    let name = model(&server);
    let mut command = place.command(&Place::words(&name));
    let done: crate::place::Done = command
        .env("LYCEUM_MODEL_KEY", "sk-very-secret-indeed")
        .output()
        .unwrap()
        .into();
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.err);
    let faults = place.session("session.error");
    assert_eq!(faults[0]["error"], "authentication_error", "{faults:?}");
    let all = place.call(&["session", "log", "--json"]).exits(0).out;
    for text in [&done.out, &done.err, &all] {
        assert!(!text.contains("sk-very-secret-indeed"), "{text}");
    }
    assert_eq!(place.study("study.finished").len(), 1);
}

#[test]
fn what_names_no_model_is_refused_before_anything_is_made() {
    let place = Place::new();
    for (name, says) in [
        ("http://127.0.0.1:1/v1", "expected `#MODEL`"),
        ("http://me:hidden@127.0.0.1:1/v1#m", "user or password"),
        ("anthropic:claude-opus-5-5", "ANTHROPIC_API_KEY"),
    ] {
        let done = place.call(&Place::words(name)).exits(2);
        assert!(done.err.contains(says), "{}", done.err);
        assert!(!done.err.contains("hidden"), "{}", done.err);
    }
    assert!(!place.path().join("lab").exists());
}

/// Has a person say something, by the command, while the program under test holds the lab.
pub(crate) fn by_command(place: &Path, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lyceum"));
    command.arg("--lab").arg(place.join("lab")).args(words);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn words_of_people_reach_the_model_that_works() {
    let place = Place::new();
    let directory = place.path().to_owned();
    let answer = move |received: &Received| {
        if received.model_turns() == 0 {
            by_command(&directory, &["session", "send", "try smaller rates"]);
        }
        brain::researcher(received)
    };
    let server = Server::answering(answer).unwrap();
    place.call(&Place::words(&model(&server))).exits(0);
    let received = server.received();
    let heard =
        |at: usize| brain::statement(&received[at]).contains("a person said: try smaller rates");
    assert!(!heard(0) && heard(1) && heard(received.len() - 1));
    assert_eq!(
        place.session("user.message").len(),
        1,
        "a letter is taken in once"
    );
    let over = place.call(&["session", "send", "one more word"]).exits(2);
    assert!(over.err.contains("is over"), "{}", over.err);
}

#[test]
fn a_person_interrupts_a_model_that_does_not_answer_and_the_study_goes_on() {
    let place = Place::new();
    let directory = place.path().to_owned();
    let mut first = true;
    let answer = move |received: &Received| {
        if std::mem::take(&mut first) {
            by_command(&directory, &["session", "interrupt", "--why", "too slow"]);
            return Turn::Fault(Fault::NoAnswer);
        }
        brain::researcher(received)
    };
    let server = Server::answering(answer).unwrap();
    let done = place.call(&Place::words(&model(&server)));
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.err);
    let idle = place.session("session.status_idle");
    assert_eq!(idle[0]["stop_reason"]["type"], "interrupted", "{idle:?}");
    let proposed = place.study("experiment.proposed");
    let search = proposed
        .iter()
        .filter(|one| one["role"]["role"] == "search");
    let by: Vec<&str> = search
        .map(|one| one["researcher"].as_str().unwrap())
        .collect();
    assert_eq!(by[0], "gp");
    assert!(
        by[1..].iter().all(|one| one.starts_with("http://")),
        "{by:?}"
    );
}
