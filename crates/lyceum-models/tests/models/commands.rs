//! A local program as a model.

use std::{fs, path::Path, sync::Arc, thread, time::Duration};

use lyceum_models::{
    Arguments, Cancel, Client, Clock, ErrorKind, FileTape, Model as _, Options, Price, Recording,
    Stop, Tape, connect,
};

use crate::support::{ask, once, request};

/// Returns a program of these lines of shell.
fn program(directory: &Path, script: &str) -> String {
    let path = directory.join("answer.sh");
    fs::write(&path, script).unwrap();
    format!("command:sh {}", path.display())
}

fn model(spec: &str, options: Options) -> Client {
    connect(&spec.parse().unwrap(), options, &|_| None).unwrap()
}

fn answer(script: &str) -> Result<lyceum_models::Response, lyceum_models::ModelError> {
    let directory = tempfile::tempdir().unwrap();
    ask(
        &model(&program(directory.path(), script), once()),
        &request(),
    )
}

#[test]
fn a_program_reads_a_request_and_writes_an_answer() {
    let directory = tempfile::tempdir().unwrap();
    let seen = directory.path().join("seen");
    let script = format!(
        r#"cat > {}
echo 'thinking about it' >&2
cat <<'END'
{{"blocks": [{{"type": "reasoning", "text": "hm"}}, {{"type": "text", "text": "yes"}},
 {{"type": "tool_use", "id": "1", "name": "bash", "arguments": {{"command": "ls"}}}},
 {{"type": "tool_use", "id": "2", "name": "bash", "arguments": "not json"}}],
 "usage": {{"input_tokens": 12, "output_tokens": 3}}, "price": "0.002", "model": "mine"}}
END
"#,
        seen.display()
    );
    let answer = ask(
        &model(&program(directory.path(), &script), once()),
        &request(),
    )
    .unwrap();
    assert_eq!(
        (answer.text().as_str(), answer.stop),
        ("yes", Stop::ToolUse)
    );
    let calls: Vec<_> = answer.blocks.iter().skip(2).collect();
    assert_eq!(calls.len(), 2);
    assert!(matches!(answer.price, Price::Known { amount } if amount.to_string() == "$0.002"));
    assert_eq!(
        (answer.usage.output_tokens, answer.model.as_str()),
        (3, "mine")
    );
    let seen: serde_json::Value = serde_json::from_str(&fs::read_to_string(seen).unwrap()).unwrap();
    assert_eq!(seen["version"], 1);
    let asked: lyceum_models::Request = serde_json::from_value(seen["request"].clone()).unwrap();
    assert_eq!(asked, request());
}

#[test]
fn arguments_that_are_no_object_are_told() {
    let answer = answer(
        r#"echo '{"blocks": [{"type": "tool_use", "id": "1", "name": "b", "arguments": 5}]}'"#,
    );
    let answer = answer.unwrap();
    let call = answer.tool_uses().next().unwrap();
    assert!(matches!(&call.arguments, Arguments::Malformed { text, .. } if text == "5"));
}

#[test]
fn what_a_program_does_wrong_is_said() {
    for (script, says) in [
        ("echo 'no such weights' >&2; exit 3", "no such weights"),
        ("kill -9 $$", "SIGKILL"),
        ("exit 0", "expected a JSON object"),
        ("echo '{'", "expected a JSON object"),
        ("echo '{\"words\": 1}'", "unknown field `words`"),
        ("echo '{\"price\": \"cheap\"}'", "expected dollars"),
    ] {
        let error = answer(script).unwrap_err();
        assert!(error.to_string().contains(says), "{script}: {error}");
    }
    let error = ask(&model("command:/no/such/program", once()), &request()).unwrap_err();
    assert!(error.to_string().contains("cannot be started"), "{error}");
    for (kind, name) in [
        ("context_overflow", "ContextOverflow"),
        ("rate_limited", "RateLimited"),
        ("unauthorized", "Unauthorized"),
        ("bad_request", "BadRequest"),
        ("failed", "Server"),
    ] {
        let script = format!(r#"echo '{{"error": {{"kind": "{kind}", "message": "no"}}}}'"#);
        let error = answer(&script).unwrap_err();
        assert!(format!("{:?}", error.kind).starts_with(name), "{error:?}");
    }
}

#[test]
fn a_program_that_was_started_may_have_cost() {
    for script in ["exit 3", "kill -9 $$"] {
        let directory = tempfile::tempdir().unwrap();
        let tape = directory.path().join("tape");
        let spec = program(directory.path(), script);
        let mut options = once();
        options.tape = Tape::Record(Arc::new(FileTape::open(&tape).unwrap()));
        let live = ask(&model(&spec, options), &request()).unwrap_err();
        assert!(live.kind.may_have_cost(), "{script}: {live}");
        let mut options = once();
        options.tape = Tape::Replay(Recording::open(&tape).unwrap());
        assert_eq!(ask(&model(&spec, options), &request()).unwrap_err(), live);
    }
    let error = ask(&model("command:/no/such/program", once()), &request()).unwrap_err();
    assert!(!error.kind.may_have_cost(), "{error}");
}

#[test]
fn a_program_that_lives_on_after_its_output_is_ended_with_all_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let script = format!(
        r#"echo '{{"blocks": [{{"type": "text", "text": "yes"}}]}}'
exec >&- 2>&-
sh -c 'sleep 3600; : {0}' &
sleep 3600; : {0}"#,
        directory.path().display()
    );
    let spec = program(directory.path(), &script);
    let error = ask(&model(&spec, once()), &request()).unwrap_err();
    assert!(error.to_string().contains("did not end"), "{error}");
    assert!(error.kind.may_have_cost());
    gone(directory.path());
}

#[test]
fn what_a_program_started_holds_nothing_up() {
    let directory = tempfile::tempdir().unwrap();
    // Its child keeps the place for complaints open.
    let script = format!(
        r#"sh -c 'sleep 3600; : {}' >&- &
echo '{{"blocks": [{{"type": "text", "text": "yes"}}]}}'"#,
        directory.path().display()
    );
    let spec = program(directory.path(), &script);
    let answer = ask(&model(&spec, once()), &request()).unwrap();
    assert_eq!(answer.text(), "yes");
    gone(directory.path());
}

#[test]
fn a_program_that_does_not_end_is_ended_with_all_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("child");
    // The child writes down that it lived to the end.
    let script = format!("(sleep 3600; touch {}) & sleep 3600", mark.display());
    let spec = program(directory.path(), &script);
    let mut options = once();
    options.limits.idle = Duration::from_millis(200);
    let error = ask(&model(&spec, options), &request()).unwrap_err();
    let (clock, after) = (Clock::Idle, Duration::from_millis(200));
    assert_eq!(error.kind, ErrorKind::Timeout { clock, after });

    let mut options = once();
    options.limits.total = Duration::from_millis(200);
    let error = ask(&model(&spec, options), &request()).unwrap_err();
    assert!(
        matches!(
            error.kind,
            ErrorKind::Timeout {
                clock: Clock::Total,
                ..
            }
        ),
        "{error}"
    );

    let (model, cancel) = (model(&spec, once()), Cancel::new());
    let from = cancel.clone();
    let error = thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(50));
            from.cancel();
        });
        model.turn(&request(), &cancel, &mut |_| {}).unwrap_err()
    });
    assert_eq!(error.kind, ErrorKind::Cancelled);
    gone(directory.path());
}

/// Fails unless all processes with this directory in their command end soon.
fn gone(directory: &Path) {
    // A process that was killed takes its time to die; one that was not would sleep for an hour.
    for _ in 0..600 {
        if sleeping_in(directory) == 0 {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("{} processes are left", sleeping_in(directory));
}

/// Returns how many processes have this directory in their command.
fn sleeping_in(directory: &Path) -> usize {
    let wanted = directory.to_str().unwrap();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let commands = processes.filter_map(|one| fs::read(one.path().join("cmdline")).ok());
    let commands = commands.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    commands.filter(|command| command.contains(wanted)).count()
}

#[test]
fn a_program_is_recorded_and_replayed() {
    let directory = tempfile::tempdir().unwrap();
    let tape = directory.path().join("tape");
    let script = r#"echo '{"blocks": [{"type": "text", "text": "once"}]}'"#;
    let spec = program(directory.path(), script);
    let mut options = once();
    options.tape = Tape::Record(Arc::new(FileTape::open(&tape).unwrap()));
    let live = ask(&model(&spec, options), &request()).unwrap();
    fs::remove_file(directory.path().join("answer.sh")).unwrap();
    let mut options = once();
    options.tape = Tape::Replay(Recording::open(&tape).unwrap());
    assert_eq!(ask(&model(&spec, options), &request()).unwrap(), live);
}
