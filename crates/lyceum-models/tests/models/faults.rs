//! Whatever a server does, the error says what it was, whether to try again, and what was tried.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use lyceum_models::{
    Cancel, Clock, ErrorKind, Event, Model as _, ModelError, SystemPace, WireKind, connect,
    scripted::{Fault, Said, Server, Turn},
};

use crate::support::{WIRES, ask, listen, model, once, patient, request};

fn error(wire: WireKind, fault: Fault) -> ModelError {
    let server = Server::start(vec![fault.into()]).unwrap();
    let (result, _) = listen(&model(wire, &server, once()), &request());
    result.unwrap_err()
}

/// The name of an error's kind.
fn name(error: &ModelError) -> String {
    let shown = format!("{:?}", error.kind);
    let end = shown.find([' ', '(', '{']).unwrap_or(shown.len());
    shown[..end].to_owned()
}

#[test]
fn each_fault_has_its_kind_on_each_wire() {
    let faults = [
        (
            Fault::RateLimited { retry_after: None },
            "RateLimited",
            true,
        ),
        (Fault::Overloaded, "Overloaded", true),
        (Fault::OverloadedInside, "Overloaded", true),
        (Fault::ServerError, "Server", true),
        (Fault::Disconnected, "Cut", true),
        (Fault::MalformedEvent, "Malformed", true),
        (Fault::Page, "Cut", true),
        (Fault::Unauthorized, "Unauthorized", false),
        (Fault::Billing, "Billing", false),
        (Fault::NotFound, "NotFound", false),
        (Fault::ContextOverflow, "ContextOverflow", false),
        (Fault::BadRequest, "BadRequest", false),
    ];
    for wire in WIRES {
        for (fault, expected, again) in &faults {
            let error = error(wire, fault.clone());
            assert_eq!(&name(&error), expected, "{wire:?} {fault:?}: {error}");
            assert_eq!(error.is_retryable(), *again, "{wire:?} {fault:?}: {error}");
            assert_eq!(error.attempts, 1);
        }
    }
}

#[test]
fn a_cut_answer_is_never_taken_for_a_whole_one() {
    for wire in WIRES {
        // Calls of tools, cut inside of their arguments: the dearest mistake.
        let arguments = r#"{"command":"rm -r build && make"}"#;
        let said = Said::text_and_tools("I run it.", &[("call_1", "bash", arguments)]);
        let whole = Arc::new(AtomicUsize::new(0));
        let length = Arc::clone(&whole);
        let of = said.clone();
        // The first request tells the length, by being answered; then each place is tried.
        let script = (0..).step_by(97).map(move |after| Fault::Cut {
            said: of.clone(),
            after,
            clean: after % 2 == 0,
        });
        let mut script = script;
        let server = Server::answering(move |_| {
            length.fetch_add(1, Ordering::SeqCst);
            Turn::Fault(script.next().unwrap())
        })
        .unwrap();
        let model = model(wire, &server, once());
        let mut cuts = 0;
        let answer = loop {
            match ask(&model, &request()) {
                Ok(answer) => break answer,
                Err(error) => {
                    assert_eq!(name(&error), "Cut", "{wire:?}: {error}");
                    assert!(error.is_retryable());
                    cuts += 1;
                }
            }
            assert!(cuts < 200, "no length was enough");
        };
        assert!(cuts > 5, "{wire:?}: only {cuts} cuts");
        assert_eq!(whole.load(Ordering::SeqCst), cuts + 1);
        assert_eq!(answer.tool_uses().count(), 1);
    }
}

#[test]
fn silence_and_endlessness_are_different_clocks() {
    for wire in WIRES {
        for fault in [
            Fault::NoAnswer,
            Fault::Silent {
                said: Said::text("and then"),
                after: 200,
            },
        ] {
            let server = Server::start(vec![fault.into()]).unwrap();
            let mut options = once();
            options.limits.idle = Duration::from_millis(300);
            let error = ask(&model(wire, &server, options), &request()).unwrap_err();
            let after = Duration::from_millis(300);
            let clock = Clock::Idle;
            assert_eq!(error.kind, ErrorKind::Timeout { clock, after });
            assert_eq!(error.to_string(), "nothing came within 0.3 s");
        }
        let pause = Duration::from_millis(5);
        let server = Server::start(vec![Fault::Alive { pause }.into()]).unwrap();
        let mut options = once();
        options.limits.total = Duration::from_millis(300);
        let error = ask(&model(wire, &server, options), &request()).unwrap_err();
        let after = Duration::from_millis(300);
        let clock = Clock::Total;
        assert_eq!(error.kind, ErrorKind::Timeout { clock, after });
    }
}

#[test]
fn an_answer_without_end_is_refused() {
    for fault in [Fault::Endless, Fault::Flood] {
        let error = error(WireKind::Chat, fault);
        assert_eq!(name(&error), "AnswerTooLarge", "{error}");
        assert!(!error.is_retryable());
    }
}

#[test]
fn nobody_follows_a_redirect_with_a_key() {
    let other = Server::start(vec![Said::text("give me the key").into()]).unwrap();
    for wire in WIRES {
        let to = format!("{}/v1/messages?key=1", other.base());
        let error = error(wire, Fault::Redirect { to });
        assert_eq!(name(&error), "Redirect");
        assert!(!error.to_string().contains("key=1"), "{error}");
    }
    assert_eq!(other.received(), []);
}

#[test]
fn no_connection_is_said_with_its_host() {
    // Port 1 is for a service that nothing has run for decades.
    let spec = "http://127.0.0.1:1/v1#m".parse().unwrap();
    let model = connect(&spec, once(), &|_| None).unwrap();
    let error = ask(&model, &request()).unwrap_err();
    assert_eq!(name(&error), "Connect");
    assert!(error.to_string().contains("`127.0.0.1:1`"), "{error}");
}

#[test]
fn a_turn_is_tried_again_and_the_listener_told() {
    for wire in WIRES {
        let limited = Fault::RateLimited {
            retry_after: Some("7".to_owned()),
        };
        let cut = Fault::Cut {
            said: Said::text("half of it"),
            after: 600,
            clean: false,
        };
        let script = vec![limited.into(), cut.into(), Said::text("all of it").into()];
        let server = Server::start(script).unwrap();
        let (options, pace) = patient(5);
        let (answer, events) = listen(&model(wire, &server, options), &request());
        let answer = answer.unwrap();
        assert_eq!((answer.text().as_str(), answer.attempts), ("all of it", 3));
        let waits = pace.waits.lock().unwrap().clone();
        assert_eq!(waits, [Duration::from_secs(7), Duration::from_secs(2)]);
        let retries = events.iter().filter_map(|event| match event {
            Event::Retrying { failed, after, .. } => Some((*failed, *after)),
            _ => None,
        });
        assert_eq!(retries.collect::<Vec<_>>(), [(1, waits[0]), (2, waits[1])]);
        // The same bytes each time: nothing of an attempt goes into the next.
        let received = server.received();
        assert!(received.iter().all(|one| one.text == received[0].text));
        // What was told after the last beginning is the answer.
        let last = events
            .iter()
            .rposition(|event| matches!(event, Event::Started { .. }));
        let told = events[last.unwrap()..]
            .iter()
            .filter_map(|event| match event {
                Event::Text { text } => Some(text.as_str()),
                _ => None,
            });
        assert_eq!(told.collect::<String>(), "all of it");
    }
}

#[test]
fn patience_ends() {
    let server = Server::answering(|_| Fault::Overloaded.into()).unwrap();
    let (options, pace) = patient(4);
    let error = ask(&model(WireKind::Anthropic, &server, options), &request()).unwrap_err();
    assert_eq!((name(&error).as_str(), error.attempts), ("Overloaded", 4));
    assert_eq!(error.request_id.as_deref(), Some("req_scripted"));
    assert_eq!(pace.waits.lock().unwrap().len(), 3);
    assert_eq!(server.received().len(), 4);

    // A server that wants more patience than there is leaves the caller to it.
    let long = Fault::RateLimited {
        retry_after: Some("3600".to_owned()),
    };
    let server = Server::start(vec![long.into()]).unwrap();
    let (options, pace) = patient(4);
    let error = ask(&model(WireKind::Chat, &server, options), &request()).unwrap_err();
    assert_eq!(error.retry_after, Some(Duration::from_hours(1)));
    assert_eq!((error.attempts, pace.waits.lock().unwrap().len()), (1, 0));
}

#[test]
fn a_turn_is_cancelled_wherever_it_is() {
    // Before it begins.
    let server = Server::answering(|_| Fault::NoAnswer.into()).unwrap();
    let model = model(WireKind::Chat, &server, once());
    let cancel = Cancel::new();
    cancel.cancel();
    let error = model.turn(&request(), &cancel, &mut |_| {}).unwrap_err();
    assert_eq!((error.kind, error.attempts), (ErrorKind::Cancelled, 0));
    assert_eq!(server.received(), []);

    // While a server is silent.
    let cancel = Cancel::new();
    let from = cancel.clone();
    let error = thread::scope(|scope| {
        scope.spawn(|| {
            while server.received().is_empty() {
                thread::sleep(Duration::from_millis(5));
            }
            from.cancel();
        });
        model.turn(&request(), &cancel, &mut |_| {}).unwrap_err()
    });
    assert_eq!((error.kind, error.attempts), (ErrorKind::Cancelled, 1));
}

#[test]
fn a_turn_is_cancelled_by_its_own_listener() {
    // While words come.
    let said = Said::text("a long story ".repeat(50)).trickling(40, Duration::from_millis(1));
    let server = Server::start(vec![said.into()]).unwrap();
    let cancel = Cancel::new();
    let error = model(WireKind::Anthropic, &server, once())
        .turn(&request(), &cancel, &mut |event| {
            if matches!(event, Event::Text { .. }) {
                cancel.cancel();
            }
        })
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cancelled);

    // While it is waited for the next attempt.
    let server = Server::answering(|_| Fault::Overloaded.into()).unwrap();
    let (mut options, _) = patient(2);
    options.pace = Arc::new(SystemPace);
    options.patience.first = Duration::from_hours(1);
    options.patience.most = Duration::from_hours(1);
    let cancel = Cancel::new();
    let error = model(WireKind::Anthropic, &server, options)
        .turn(&request(), &cancel, &mut |event| {
            if matches!(event, Event::Retrying { .. }) {
                cancel.cancel();
            }
        })
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cancelled);
    assert_eq!(server.received().len(), 1);
}
