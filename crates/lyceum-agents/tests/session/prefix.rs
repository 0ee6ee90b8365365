//! What a provider keeps of a conversation is paid for once: each request begins with the bytes that the one before it
//! marked, and what changes with each request stands behind the marks.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use lyceum_agents::{
    Advance, Options,
    session::{Log, event::StopReason},
};
use lyceum_models::scripted::{Part, Said, Server, Turn};
use serde_json::{Value, json};

use crate::world::{Tools, created, drive_with, ledger, mind_at};

const MARK: &str = r#""cache_control":{"type":"ephemeral"},"#;
const STANDING: &str = r#"{"text":"<lab>\n"#;
const TURNS: usize = 24;
/// An answer with more calls than the blocks for which a provider looks back from a mark.
const MANY_CALLS: usize = 24;

/// Drives a session on a wire. Returns the bodies of its requests, and how often it was compacted.
fn sent(spec: &str) -> (Vec<String>, u32) {
    let turn = Arc::new(AtomicUsize::new(0));
    let server = Server::answering(move |_| -> Turn {
        let now = turn.fetch_add(1, Ordering::Relaxed);
        let call = |at: usize| Part::Tool {
            id: format!("c{now}_{at}"),
            name: if now == 2 { "look" } else { "work" }.into(),
            arguments: json!({ "step": now, "at": at }).to_string(),
        };
        if now == TURNS {
            return Said::text("that is all").into();
        }
        let calls = if now == 2 { MANY_CALLS } else { 1 };
        let mut parts = vec![Part::Reasoning(format!("thought {now}"))];
        parts.extend((0..calls).map(call));
        let mut said = Said::tool("c", "work", &json!({}));
        said.parts = parts;
        said.into()
    })
    .unwrap();
    let mind = mind_at(&server, spec, lyceum_models::Options::default());
    let mut log = Log::open(ledger(), "s").unwrap();
    log.write(vec![created()]).unwrap();
    let options = Options {
        context_tokens: 16_384,
        output_tokens_max: 512,
        ..Options::default()
    };
    let end = drive_with(&mut log, &mind, &Tools::default(), options);
    assert_eq!(end, Advance::Stopped(StopReason::EndTurn));
    let bodies = server.received().into_iter().map(|one| one.text);
    (bodies.collect(), log.state().compactions)
}

/// Returns the messages as sent up to where the standing part begins, without marks, and whether the last block has one.
fn conversation(body: &str) -> (String, bool) {
    let first = body.find(r#""messages":["#).unwrap();
    let standing = body.rfind(STANDING).unwrap();
    let before = &body[first..standing];
    let Some(last) = before.rfind(MARK) else {
        return (before.trim_end_matches(',').to_owned(), false);
    };
    // A mark is the first field of its block; behind the last one no other block begins.
    let is_last = !before[last..].contains(r#"{"text":"The lab"#)
        && before[last..].matches(r#""type":"tool_result""#).count() == 1;
    let text = before.replace(MARK, "");
    (text.trim_end_matches(',').to_owned(), is_last)
}

/// Returns what comes before the messages: tools, then the rules.
fn rules(body: &str) -> (Value, Value) {
    let mut body: Value = serde_json::from_str(body).unwrap();
    (body["tools"].take(), body["system"].take())
}

#[test]
fn each_request_repeats_what_the_one_before_it_marked() {
    let (bodies, compactions) = sent("anthropic:claude-opus-5-5");
    assert_eq!(bodies.len(), TURNS + 1);
    assert!((1..8).contains(&compactions), "{compactions} compactions");
    let (mut repeated, mut anew) = (0, 0);
    for pair in bodies.windows(2) {
        assert_eq!(rules(&pair[0]), rules(&pair[1]));
        let marks = pair[1].matches("cache_control").count();
        assert!((2..=4).contains(&marks), "{marks} marks");
        let (now, is_marked) = conversation(&pair[1]);
        assert!(is_marked, "the last block before the statement has no mark");
        let (before, _) = conversation(&pair[0]);
        if now.starts_with(&before) {
            repeated += 1;
        } else {
            assert!(
                now.starts_with(r#""messages":[{"content":[{"text":"Summary of the earlier"#),
                "{now}"
            );
            anew += 1;
        }
    }
    // Shortened, it starts anew; in between it only grows.
    assert_eq!(anew, compactions);
    assert_eq!(repeated + anew, TURNS as u32);
}

#[test]
fn the_end_of_the_request_before_is_marked_again_behind_an_answer_with_many_calls() {
    let (bodies, _) = sent("anthropic:claude-opus-5-5");
    // The answer to the third request has many calls; the fourth brings their results.
    let body: Value = serde_json::from_str(&bodies[3]).unwrap();
    let messages = body["messages"].as_array().unwrap();
    let is_marked = |block: &Value| block.get("cache_control").is_some();
    let marked = |message: &Value| message["content"].as_array().unwrap().iter().any(is_marked);
    let at: Vec<usize> = (0..messages.len())
        .filter(|at| marked(&messages[*at]))
        .collect();
    assert_eq!(at, [messages.len() - 3, messages.len() - 1]);
    let results = messages.last().unwrap()["content"].as_array().unwrap();
    assert_eq!(results.len(), MANY_CALLS + 1);
    assert!(is_marked(&results[MANY_CALLS - 1]) && !is_marked(&results[MANY_CALLS]));
    let earlier = messages[messages.len() - 3]["content"].as_array().unwrap();
    assert!(is_marked(earlier.last().unwrap()));
}

#[test]
fn requests_of_a_session_carry_one_key_where_a_wire_has_one() {
    let (bodies, _) = sent("openai:gpt-6-sol");
    let key = |body: &String| {
        let body: Value = serde_json::from_str(body).unwrap();
        body["prompt_cache_key"].as_str().unwrap().to_owned()
    };
    let keys: std::collections::BTreeSet<String> = bodies.iter().map(key).collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert!(keys.first().is_some_and(|one| one.len() <= 64));
}
