//! A try at the model that failed is in the session's record while the next one is waited for.

use std::{sync::Arc, time::Duration};

use lyceum_agents::{
    Advance, Options,
    session::{
        Log,
        event::{FaultKind, StopReason},
    },
};
use lyceum_models::{
    Cancel, ErrorKind, Pace,
    scripted::{Fault, Said, Server},
};
use serde_json::Value;

use crate::world::{Tools, created, drive_with, ledger, mind_at};

/// Waits for nothing.
struct Hurried;

impl Pace for Hurried {
    fn wait(&self, _: Duration, cancel: &Cancel) -> Result<(), ErrorKind> {
        cancel.check()
    }

    fn chance(&self) -> f64 {
        0.0
    }
}

#[test]
fn each_try_that_failed_is_an_event_between_the_request_and_its_answer() {
    let retry_after = Some("1".to_owned());
    let turns = vec![
        Fault::RateLimited { retry_after }.into(),
        Fault::Overloaded.into(),
        Said::text("at last").into(),
    ];
    let server = Server::start(turns).unwrap();
    let options = lyceum_models::Options {
        pace: Arc::new(Hurried),
        ..lyceum_models::Options::default()
    };
    let mind = mind_at(&server, "anthropic:claude-opus-5-5", options);
    let ledger = ledger();
    let mut log = Log::open(ledger.clone(), "s").unwrap();
    log.write(vec![created()]).unwrap();
    let end = drive_with(&mut log, &mind, &Tools::default(), Options::default());
    assert_eq!(end, Advance::Stopped(StopReason::EndTurn));
    // The answer ends the errors in a row, as it does after those of whole requests.
    assert_eq!((log.state().faults, log.state().requests), (0, 1));
    let events = ledger.reader().unwrap().read("session/s", 0, 100).unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "session.created",
            "span.model_request_start",
            "session.error",
            "session.error",
            "span.model_request_end",
        ]
    );
    for (at, kind) in [
        (2, FaultKind::ModelRateLimitedError),
        (3, FaultKind::ModelOverloadedError),
    ] {
        let body: Value = serde_json::from_str(&events[at].body).unwrap();
        assert_eq!(body["retry_status"], "retrying");
        assert_eq!(body["error"], serde_json::to_value(kind).unwrap());
        assert_ne!(body["message"], "");
    }
    drop(log);
    let again = Log::open(ledger, "s").unwrap();
    assert_eq!(again.state().last_seq, events.len() as u64);
}
