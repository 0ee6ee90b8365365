//! A key goes nowhere but into its header.

use std::{ffi::OsString, fs, os::unix::fs::PermissionsExt as _, sync::Arc};

use lyceum_models::{
    ErrorKind, FileTape, KeyError, ModelError, Options, Tape, connect,
    scripted::{Fault, Said, Server},
};

use crate::support::{KEY, WIRES, ask, listen, model, once, request};

fn tried(spec: &str, environment: &[(&str, &str)]) -> Result<(), ModelError> {
    let environment = |name: &str| {
        let mut found = environment.iter();
        found
            .find(|(of, _)| *of == name)
            .map(|(_, value)| OsString::from(value))
    };
    connect(&spec.parse().unwrap(), Options::default(), &environment).map(|_| ())
}

#[test]
fn without_a_key_nothing_begins() {
    for (spec, variable) in [
        ("anthropic:m", "ANTHROPIC_API_KEY"),
        ("openai:m", "OPENAI_API_KEY"),
    ] {
        let error = tried(spec, &[]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Key(KeyError::Missing { variable }));
        assert_eq!(error.attempts, 0);
        let expected = format!(
            "no key: set {variable}, or {variable}_FILE to a file of mode 0600 that holds it"
        );
        assert_eq!(error.to_string(), expected);
    }
    tried("http://localhost:8080/v1#m", &[]).unwrap();
    tried("command:true", &[]).unwrap();
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    fs::write(&path, KEY).unwrap();
    let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    let named = [("OPENAI_API_KEY_FILE", path.to_str().unwrap())];
    mode(0o644);
    let error = tried("openai:m", &named).unwrap_err();
    assert!(error.to_string().contains("has mode 0644"), "{error}");
    mode(0o600);
    tried("openai:m", &named).unwrap();
}

#[test]
fn a_key_crosses_no_network_unencrypted() {
    let key = [("LYCEUM_MODEL_KEY", KEY)];
    let error = tried("http://gpu.example.com:8000/v1#m", &key).unwrap_err();
    assert!(
        matches!(error.kind, ErrorKind::Key(KeyError::NotEncrypted { .. })),
        "{error}"
    );
    assert!(!error.to_string().contains(KEY));
    tried("http://gpu.example.com:8000/v1#m", &[]).unwrap();
    tried("https://gpu.example.com/v1#m", &key).unwrap();
    tried("http://127.0.0.1:8000/v1#m", &key).unwrap();
    let elsewhere = [
        ("ANTHROPIC_API_KEY", KEY),
        ("ANTHROPIC_BASE_URL", "http://proxy.example.com"),
    ];
    tried("anthropic:m", &elsewhere).unwrap_err();
}

#[test]
fn a_server_that_repeats_the_key_does_not_spread_it() {
    for wire in WIRES {
        let server = Server::start(vec![Fault::Unauthorized.into()]).unwrap();
        let model = model(wire, &server, once());
        assert!(!format!("{model:?}").contains(KEY));
        let (result, events) = listen(&model, &request());
        let error = result.unwrap_err();
        let told = format!("{error} {error:?} {events:?}");
        assert!(
            told.contains("[key]") && !told.contains(&KEY[..12]),
            "{told}"
        );
    }
}

#[test]
fn no_recording_holds_the_key() {
    let directory = tempfile::tempdir().unwrap();
    for wire in WIRES {
        let path = directory.path().join(format!("{wire:?}"));
        let script = vec![Said::text("yes").into(), Fault::Unauthorized.into()];
        let server = Server::start(script).unwrap();
        let mut options = once();
        options.tape = Tape::Record(Arc::new(FileTape::open(&path).unwrap()));
        let model = model(wire, &server, options);
        ask(&model, &request()).unwrap();
        // The second answer repeats the key: it is not kept, and not used.
        let error = ask(&model, &request()).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Record { .. }), "{error}");
        let tape = fs::read_to_string(&path).unwrap();
        assert_eq!(tape.lines().count(), 1);
        assert!(
            !tape.contains(KEY) && !tape.contains("authorization") && !tape.contains("x-api-key")
        );
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(WIRES.len(), fs::read_dir(directory.path()).unwrap().count());
}
