//! A person's word on a call: asked for once, taken for this call alone, waited for across any crash.

use std::collections::BTreeMap;

use lyceum_agents::{
    Advance, Fold as _, Options, People,
    session::{
        Log, Said, State, Status,
        event::{Body, Confirmed, Permission, PersonAnswered, StopReason, ToolStarted},
    },
};
use lyceum_ledger::Ledger;
use lyceum_models::{Block, Request};
use serde_json::json;

use crate::world::{Script, Tools, call, created, drive, ledger};

/// Asks for four calls at once, the second and fourth of which need a word, then a question, then is done.
fn next(request: &Request) -> Vec<Block> {
    let mut calls = request.messages.iter().flat_map(|message| &message.blocks);
    let made = calls
        .by_ref()
        .filter(|block| matches!(block, Block::ToolUse(_)))
        .count();
    match made {
        0 => {
            let mut all = call("work", json!({ "step": 1 }));
            all.extend(call("bash", json!({ "command": "first" })));
            all.extend(call("work", json!({ "step": 2 })));
            all.extend(call("bash", json!({ "command": "second" })));
            all
        }
        4 => call("ask_person", json!({})),
        _ => vec![Block::text("done")],
    }
}

fn tools() -> Tools {
    Tools {
        asked: vec!["bash"],
        people: People {
            there: true,
            ..People::default()
        },
        ..Tools::default()
    }
}

fn step(log: &mut Log, tools: &Tools) -> Advance {
    drive(log, Script(Box::new(next)), tools, Options::default())
}

fn waits(ids: &[&str]) -> Advance {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    Advance::Stopped(StopReason::RequiresAction { ids })
}

/// Returns the word on a call that a person would give who denies the first command.
fn word(log: &Log, call: &str) -> Body {
    let (used, asked) = log
        .state()
        .awaited()
        .find(|(used, _)| used.call == call)
        .unwrap();
    let (call, digest) = (call.to_owned(), asked.digest.clone());
    if used.name == "ask_person" {
        return Body::PersonAnswered(PersonAnswered {
            call,
            digest,
            text: "that\n</lab>".into(),
            letter: None,
        });
    }
    let is_first = serde_json::to_string(&used.arguments)
        .unwrap()
        .contains("first");
    Body::Confirmed(Confirmed {
        call,
        digest,
        result: if is_first {
            Permission::Deny
        } else {
            Permission::Allow
        },
        why: Some("not\nthat </lab>".into()),
        letter: None,
    })
}

/// Works to the end, with a person who says something to whatever waits first.
fn to_the_end(log: &mut Log, tools: &Tools) {
    loop {
        match step(log, tools) {
            Advance::Stopped(StopReason::RequiresAction { ids }) => {
                let said = word(log, &ids[0]);
                log.write(vec![said]).unwrap();
            }
            end => return assert_eq!(end, Advance::Stopped(StopReason::EndTurn)),
        }
    }
}

fn events(ledger: &Ledger) -> Vec<Body> {
    let mut events = Vec::new();
    State::read(&ledger.reader().unwrap(), "s", 0, |_, _, body| {
        events.push(body);
        Ok(())
    })
    .unwrap();
    events
}

#[test]
fn calls_wait_for_their_word_in_order_and_all_of_an_answer_are_asked_for_at_once() {
    let mut log = Log::open(ledger(), "s").unwrap();
    log.write(vec![created()]).unwrap();
    let tools = tools();
    assert_eq!(step(&mut log, &tools), waits(&["1.1", "1.3"]));
    let done = |tools: &Tools| tools.done.lock().unwrap().clone();
    assert_eq!(done(&tools), ["1.0"], "what comes before is carried out");
    let idle = Status::Idle(StopReason::RequiresAction {
        ids: vec!["1.1".into(), "1.3".into()],
    });
    assert_eq!(log.state().status, idle);
    // The later word does not let the earlier call pass, and is not asked for again.
    let said = word(&log, "1.3");
    log.write(vec![said]).unwrap();
    assert_eq!(step(&mut log, &tools), waits(&["1.1"]));
    assert_eq!(done(&tools), ["1.0"]);
    let said = word(&log, "1.1");
    log.write(vec![said]).unwrap();
    assert_eq!(step(&mut log, &tools), waits(&["2.0"]));
    assert_eq!(done(&tools), ["1.0", "1.2", "1.3"]);
    let texts: Vec<&str> = log
        .state()
        .conversation
        .iter()
        .filter_map(|item| match &item.said {
            Said::Result {
                text,
                is_error: true,
                ..
            } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let denied = "a person did not allow this call, and it was not carried out; their reason, in their words: not\\nthat &lt;/lab>";
    assert_eq!(texts, [denied, "no such tool"]);
    let said = word(&log, "2.0");
    log.write(vec![said]).unwrap();
    assert_eq!(
        step(&mut log, &tools),
        Advance::Stopped(StopReason::EndTurn)
    );
    let answer = "a person answers, in their words: that\\n&lt;/lab>";
    let said = |item: &lyceum_agents::session::Item| matches!(&item.said, Said::Result { text, .. } if text == answer);
    assert!(log.state().conversation.iter().any(said));
    // What a person said stands before the model for good.
    assert_eq!(log.state().people.len(), 1);
}

#[test]
fn an_experiment_is_asked_for_once_nothing_can_change_its_files_any_more() {
    let mut log = Log::open(ledger(), "s").unwrap();
    log.write(vec![created()]).unwrap();
    let tools = Tools {
        asked: vec!["bash", "run_experiment", "submit_outcome"],
        ..tools()
    };
    let next = |request: &Request| {
        let mut blocks = request.messages.iter().flat_map(|message| &message.blocks);
        if blocks.any(|block| matches!(block, Block::ToolUse(_))) {
            return vec![Block::text("done")];
        }
        let mut all = call("ask_person", json!({}));
        all.extend(call("work", json!({ "step": 1 })));
        all.extend(call("run_experiment", json!({})));
        all.extend(call("bash", json!({ "command": "second" })));
        all.extend(call("submit_outcome", json!({})));
        all
    };
    let step = |log: &mut Log| drive(log, Script(Box::new(next)), &tools, Options::default());
    // What earlier calls leave is in neither the call nor its digest, so a word before them would cover it unseen.
    for waiting in [&["1.0", "1.3"][..], &["1.2", "1.3"], &["1.3"], &["1.4"]] {
        assert_eq!(step(&mut log), waits(waiting));
        let said = word(&log, waiting[0]);
        log.write(vec![said]).unwrap();
    }
    assert_eq!(step(&mut log), Advance::Stopped(StopReason::EndTurn));
}

#[test]
fn killed_between_any_two_events_a_request_is_made_once_and_a_word_counts_once() {
    let whole = ledger();
    let mut log = Log::open(whole.clone(), "s").unwrap();
    log.write(vec![created()]).unwrap();
    to_the_end(&mut log, &tools());
    let expected = events(&whole);
    for kept in 1..expected.len() {
        // What is written at once is there at once.
        let with_the_one_before = matches!(
            (&expected[kept - 1], &expected[kept]),
            (_, Body::ToolUsed(_)) | (Body::ApprovalRequested(_), Body::ApprovalRequested(_))
        );
        if with_the_one_before {
            continue;
        }
        let place = ledger();
        let mut log = Log::open(place.clone(), "s").unwrap();
        log.write(expected[..kept].to_vec()).unwrap();
        let tools = tools();
        to_the_end(&mut log, &tools);
        let mut requests: BTreeMap<String, usize> = BTreeMap::new();
        for body in events(&place) {
            match body {
                Body::ApprovalRequested(asked) => *requests.entry(asked.call).or_default() += 1,
                Body::PersonAsked(asked) => *requests.entry(asked.call).or_default() += 1,
                _ => {}
            }
        }
        // A request to the model that was lost is made again, and its calls have other names then.
        assert_eq!(requests.len(), 3, "after {kept}: {requests:?}");
        assert!(requests.values().all(|times| *times == 1), "after {kept}");
        let done = tools.done.lock().unwrap();
        let denied = done.iter().any(|call| call.ends_with(".1"));
        assert!(!denied, "after {kept}: {done:?}");
        assert!(log.state().calls.is_empty());
    }
}

#[test]
fn a_word_counts_for_the_very_call_that_was_asked_for_and_no_call_starts_without() {
    let mut log = Log::open(ledger(), "s").unwrap();
    log.write(vec![created()]).unwrap();
    step(&mut log, &tools());
    let before = log.state().clone();
    let Body::Confirmed(good) = word(&log, "1.3") else {
        panic!("an approval");
    };
    let allow = |call: &str, digest: &str| {
        Body::Confirmed(Confirmed {
            call: call.into(),
            digest: digest.into(),
            ..good.clone()
        })
    };
    for bad in [
        // Another call's word, words on what was never asked, on what is over, and an answer to no question.
        allow("1.1", &good.digest),
        allow("1.2", &good.digest),
        allow("1.0", &good.digest),
        allow("7.0", &good.digest),
        Body::PersonAnswered(PersonAnswered {
            call: "1.3".into(),
            digest: good.digest.clone(),
            text: "yes".into(),
            letter: None,
        }),
        Body::ToolStarted(ToolStarted { call: "1.1".into() }),
    ] {
        let mut state = before.clone();
        let error = state.apply(before.last_seq + 1, bad.clone()).unwrap_err();
        assert!(error.to_string().contains("does not follow"), "{bad:?}");
    }
    let mut state = before.clone();
    let said = Body::Confirmed(good.clone());
    state.apply(before.last_seq + 1, said.clone()).unwrap();
    assert!(state.apply(before.last_seq + 2, said).is_err(), "twice");
}

#[test]
fn where_no_person_is_there_nothing_waits() {
    let mut log = Log::open(ledger(), "s").unwrap();
    log.write(vec![created()]).unwrap();
    let tools = Tools {
        people: People::default(),
        ..tools()
    };
    assert_eq!(
        step(&mut log, &tools),
        Advance::Stopped(StopReason::EndTurn)
    );
    assert_eq!(*tools.done.lock().unwrap(), ["1.0", "1.2"]);
    let told: Vec<String> = log
        .state()
        .conversation
        .iter()
        .filter_map(|item| match &item.said {
            Said::Result { text, .. } if text.contains("no person is there") => Some(text.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 3, "{told:?}");
}
