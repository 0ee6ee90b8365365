//! What was recorded answers again, byte for byte, without a network and without a key.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use lyceum_models::{
    Client, ErrorKind, Event, Exchange, FileTape, Keep, Message, Note, Options, Recording,
    ReplayError, Request, Tape, ToolResult, WireKind, connect,
    scripted::{Fault, Said, Server, Turn},
};
use serde_json::Value;

use crate::support::{WIRES, listen, model, patient, request, spec};

#[derive(Default)]
struct Kept(Mutex<Vec<Exchange>>);

impl Keep for Kept {
    fn keep(&self, exchange: &Exchange) -> Result<(), String> {
        self.0.lock().unwrap().push(exchange.clone());
        Ok(())
    }
}

/// A conversation with a retry, a call and its result. Returns all that was told.
fn converse(model: &Client) -> (Vec<String>, Vec<Vec<Event>>) {
    let mut request = request();
    let (answer, first) = listen(model, &request);
    let answer = answer.unwrap();
    let mut answers = vec![serde_json::to_string(&answer).unwrap()];
    let results = answer.tool_uses().map(|call| ToolResult {
        id: call.id.clone(),
        text: "ünïcode ☀".to_owned(),
        failed: false,
    });
    let results = results.collect();
    request.messages.push(Message::assistant(answer.blocks));
    request.messages.push(Message::results(results));
    let (answer, second) = listen(model, &request);
    answers.push(serde_json::to_string(&answer.unwrap()).unwrap());
    (answers, vec![first, second])
}

fn script() -> Vec<Turn> {
    let cut = Fault::Cut {
        said: Said::text("this breaks off"),
        after: 500,
        clean: false,
    };
    let call = ("call_1", "weather", "{\"city\":\"Paris\"}");
    vec![
        Fault::RateLimited {
            retry_after: Some("3".to_owned()),
        }
        .into(),
        cut.into(),
        Said::text_and_tools("look", &[call])
            .after_reasoning("hm")
            .into(),
        Said::text("sunny").into(),
    ]
}

fn replaying(wire: WireKind, spec: &str, recording: &Recording) -> Client {
    let (mut options, _) = patient(5);
    options.tape = Tape::Replay(recording.clone());
    // No environment: no key is looked for. The address is one at which nothing is.
    let spec = match wire {
        WireKind::Chat => "http://192.0.2.1:9/v1#local-model",
        _ => spec,
    };
    connect(&spec.parse().unwrap(), options, &|_| None).unwrap()
}

fn recorded(wire: WireKind, path: &Path) -> (String, (Vec<String>, Vec<Vec<Event>>)) {
    let server = Server::start(script()).unwrap();
    let (mut options, _) = patient(5);
    options.tape = Tape::Record(Arc::new(FileTape::open(path).unwrap()));
    let live = converse(&model(wire, &server, options));
    (spec(wire, &server), live)
}

/// The waits that a replay does not make are drawn anew.
fn without_waits(events: &[Vec<Event>]) -> Vec<Event> {
    let told = events.iter().flatten();
    told.filter(|event| !matches!(event, Event::Retrying { .. }))
        .cloned()
        .collect()
}

#[test]
fn a_conversation_is_replayed() {
    let directory = tempfile::tempdir().unwrap();
    for wire in WIRES {
        let path = directory.path().join(format!("{wire:?}"));
        let (spec, live) = recorded(wire, &path);
        let recording = Recording::open(&path).unwrap();
        assert_eq!(recording.left(), 4);
        let again = converse(&replaying(wire, &spec, &recording));
        assert_eq!(again.0, live.0, "{wire:?}");
        assert_eq!(without_waits(&again.1), without_waits(&live.1), "{wire:?}");
        assert_eq!(recording.left(), 0);
    }
}

fn refused(model: &Client, request: &Request) -> ReplayError {
    match listen(model, request).0.unwrap_err().kind {
        ErrorKind::Replay(error) => *error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_that_differs_is_refused_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    for wire in WIRES {
        let path = directory.path().join(format!("{wire:?}"));
        let (spec, _) = recorded(wire, &path);
        let recording = Recording::open(&path).unwrap();
        let model = replaying(wire, &spec, &recording);
        let mut other = request();
        other.messages[0] = Message::user("what is the weather like?");
        let ReplayError::Differs {
            number,
            place,
            recorded,
            now,
        } = refused(&model, &other)
        else {
            panic!("not refused for a difference");
        };
        assert_eq!(number, 1);
        let expected = match wire {
            WireKind::Anthropic => "/messages/0/content/0/text, character 20",
            WireKind::Responses => "/input/0/content/0/text, character 20",
            _ => "/messages/0/content, character 20",
        };
        assert_eq!(place, expected);
        assert_eq!(
            (recorded.as_str(), now.as_str()),
            ("\"what is the weather?\"", "\"what is the weather like?\"")
        );
        other.messages.push(Message::user("more"));
        other.messages[0] = request().messages[0].clone();
        let ReplayError::Differs {
            place, recorded, ..
        } = refused(&model, &other)
        else {
            panic!("not refused for a difference");
        };
        assert!(place.ends_with("/1"), "{place}");
        assert_eq!(recorded, "nothing");
        assert_eq!(recording.left(), 4);
        converse(&model);
        assert_eq!(refused(&model, &request()), ReplayError::Over { count: 4 });
    }
}

#[test]
fn turns_that_ran_at_once_are_replayed_in_any_order() {
    let ask = |text: &str| Request {
        messages: vec![Message::user(text)],
        ..request()
    };
    let server = Server::answering(|received| {
        let text = received.body["messages"][0]["content"].as_str().unwrap();
        Said::text(format!("to {text}")).into()
    });
    let server = server.unwrap();
    let kept = Arc::new(Kept::default());
    let (mut options, _) = patient(1);
    options.tape = Tape::Record(kept.clone());
    let live = model(WireKind::Chat, &server, options);
    for text in ["a", "b", "c"] {
        listen(&live, &ask(text)).0.unwrap();
    }
    let recording = Recording::new(kept.0.lock().unwrap().clone());
    let model = replaying(WireKind::Chat, "", &recording);
    for text in ["c", "a", "b"] {
        assert_eq!(
            listen(&model, &ask(text)).0.unwrap().text(),
            format!("to {text}")
        );
    }
}

#[test]
fn a_recording_that_was_damaged_is_refused_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tape");
    recorded(WireKind::Chat, &path);
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let mut version: Value = serde_json::from_str(lines[0]).unwrap();
    version["version"] = 2.into();
    let mut pieces: Value = serde_json::from_str(lines[2]).unwrap();
    pieces["pieces"][0] = 1.into();
    for (text, line, says) in [
        (whole[..whole.len() - 30].to_owned(), 4, "EOF"),
        (format!("{version}\n"), 1, "expected version 1, found 2"),
        (format!("{}\n{pieces}\n", lines[0]), 2, "do not add up"),
        ("{}\n".to_owned(), 1, "missing field"),
    ] {
        fs::write(&path, text).unwrap();
        let error = Recording::open(&path).unwrap_err();
        let ReplayError::Unreadable { line: at, reason } = &error else {
            panic!("{error}");
        };
        assert_eq!(*at, line);
        assert!(reason.contains(says), "{reason}");
    }
    let error = Recording::open(&directory.path().join("none")).unwrap_err();
    assert!(error.to_string().starts_with("line 0"), "{error}");
}

#[test]
fn what_cannot_be_kept_is_not_used() {
    struct Full;
    impl Keep for Full {
        fn keep(&self, _: &Exchange) -> Result<(), String> {
            Err("no space left on device".to_owned())
        }
    }
    let server = Server::start(vec![Said::text("yes").into()]).unwrap();
    let options = Options {
        tape: Tape::Record(Arc::new(Full)),
        ..patient(1).0
    };
    let error = listen(&model(WireKind::Chat, &server, options), &request())
        .0
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the exchange could not be recorded: no space left on device"
    );
}

#[test]
fn a_line_that_a_crash_cut_is_taken_away_and_other_files_stay_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tape.jsonl");
    FileTape::open(&path)
        .unwrap()
        .note(&Note::Begun { seed: Some(7) })
        .unwrap();
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{whole}{{\"version\":1,\"path\":\"/v1/chat")).unwrap();
    // Read as it is, it is refused; opened to go on, it is whole again.
    let error = Recording::open(&path).unwrap_err();
    assert!(error.to_string().starts_with("line 2 of the recording"));
    let past = FileTape::open(&path).unwrap().past().unwrap();
    assert_eq!(past.notes(), [Note::Begun { seed: Some(7) }]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);

    let other = directory.path().join("settings.json");
    std::fs::write(&other, "{\"version\":1,\"name\":\"mine\"}").unwrap();
    FileTape::open(&other).unwrap().past().unwrap_err();
    let left = std::fs::read_to_string(&other).unwrap();
    assert_eq!(left, "{\"version\":1,\"name\":\"mine\"}");
}
