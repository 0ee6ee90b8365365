//! One question to a model, over real sockets.

use lyceum_models::scripted::{Fault, Said, Server, Turn};
use serde_json::Value;

use crate::support::{Done, Place};

const KEY: &str = "sk-secret-0123456789abcdef";

fn ask(script: Vec<Turn>, more: &[&str]) -> (Done, Server) {
    let (place, server) = (Place::new(), Server::start(script).unwrap());
    let words = [&["ask", "anthropic:claude-opus-5-5", "hello?"], more].concat();
    let mut command = place.command(&words);
    command
        .env("ANTHROPIC_BASE_URL", server.base())
        .env("ANTHROPIC_API_KEY", KEY);
    let done = Done::from(command.output().unwrap());
    (done, server)
}

#[test]
fn an_answer_is_printed_with_its_price() {
    let said = Said::text("hello \u{1b}[31mred\nsecond line").after_reasoning("greet");
    let (done, server) = ask(vec![said.clone().into()], &["--output-tokens", "77"]);
    let done = done.exits(0);
    assert_eq!(done.out.lines().count(), 2);
    assert!(
        done.out.starts_with("hello ") && !done.out.contains('\u{1b}'),
        "{}",
        done.out
    );
    done.says(&["claude-opus-5-5: done; 100 tokens in (0 from a cache), 20 out; $0.0008"]);
    let received = server.received();
    assert_eq!(received[0].body["max_tokens"], 77);
    assert_eq!(received[0].header("x-api-key"), Some(KEY));

    let (done, _server) = ask(vec![said.into()], &["--json"]);
    let shown: Value = serde_json::from_str(&done.exits(0).out).unwrap();
    assert_eq!(shown["text"], "hello \u{1b}[31mred\nsecond line");
    assert_eq!(
        (&shown["price_usd"], &shown["reasoning"]),
        (&"$0.0008".into(), &"greet".into())
    );
}

#[test]
fn what_goes_wrong_is_said_without_the_key() {
    let (done, _server) = ask(vec![Fault::Unauthorized.into()], &[]);
    let done = done.exits(2);
    assert!(!format!("{}{}", done.out, done.err).contains(KEY));
    done.says(&[
        "the key was refused (status 401)",
        "[key]",
        "req_scripted",
        "hint: check the key",
    ]);

    let (done, _server) = ask(vec![Said::refusal("not this").into()], &[]);
    done.exits(1).says(&["refused: not this"]);

    let place = Place::new();
    place
        .call(&["ask", "gpt-6", "hello?"])
        .exits(2)
        .says(&["expected `anthropic:MODEL`", "found `gpt-6`"]);
    place
        .call(&[
            "ask",
            "http://127.0.0.1:1/v1#m",
            "hello?",
            "--replay",
            "none.jsonl",
        ])
        .exits(2)
        .says(&["`none.jsonl`"]);
}
