//! `lyceum sandbox run`: what goes in, what comes out, and how it ends.

use std::{
    fs,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::{Done, Place};

fn run(place: &Place, words: &[&str]) -> Done {
    place.call(&[&["sandbox", "run"], words].concat())
}

fn record(place: &Place, words: &[&str], code: i32) -> Value {
    let done = run(place, &[&["--json"], words].concat()).exits(code);
    serde_json::from_str(&done.out).unwrap()
}

#[test]
fn streams_and_codes_pass_through() {
    let place = Place::new();
    let done = run(
        &place,
        &["--", "sh", "-c", "echo out; echo err >&2; exit 7"],
    )
    .exits(7);
    assert_eq!((&*done.out, &*done.err), ("out\n", "err\n"));
    run(&place, &["--", "sh", "-c", "kill -SEGV $$"]).exits(139);
    run(&place, &["--", "no-such-program"])
        .exits(127)
        .says(&["the command did not start: failed to execute the command: `no-such-program`"]);
    run(&place, &["--", "/etc/passwd"]).exits(126);
    run(&place, &["--directory", "/nowhere", "--", "true"]).exits(125);
    run(&place, &["--wall", "200ms", "--", "sleep", "60"])
        .exits(124)
        .says(&["lyceum: the wall-clock limit stopped the command (`--wall`)"]);
    run(&place, &["--", "sh", "-c", "read x || echo no input"])
        .exits(0)
        .prints("no input");
}

#[test]
fn directories_are_read_written_or_copied() {
    let place = Place::new();
    for name in ["read", "write", "copy"] {
        fs::create_dir(place.path().join(name)).unwrap();
        fs::write(place.path().join(name).join("file"), name).unwrap();
    }
    let at = |name: &str| {
        place
            .path()
            .canonicalize()
            .unwrap()
            .join(name)
            .display()
            .to_string()
    };
    let script = "pwd; cat /r/file; (echo x > /r/file) 2>/dev/null || echo held; echo new > file; \
                  echo new > /w/file; cat file";
    let done = run(
        &place,
        &[
            "--read",
            &format!("{}:/r", at("read")),
            "--write",
            &format!("{}:/w", at("write")),
            "--overlay",
            &at("copy"),
            "--env",
            "A=b c",
            "--",
            "sh",
            "-c",
            &format!("{script}; echo $A"),
        ],
    )
    .exits(0);
    assert_eq!(done.out, format!("{}\nreadheld\nnew\nb c\n", at("copy")));
    let text = |name: &str| fs::read_to_string(place.path().join(name).join("file")).unwrap();
    assert_eq!(
        [text("read"), text("write"), text("copy")],
        ["read", "new\n", "copy"]
    );
    run(&place, &["--read", "/no/such/directory", "--", "true"])
        .exits(2)
        .says(&["failed to find `/no/such/directory`: No such file or directory"]);
    run(&place, &["--read", "/usr/bin:/usr", "--", "true"])
        .exits(2)
        .says(&["target `/usr` belongs to the sandbox itself"]);
}

#[test]
fn output_beyond_the_limit_is_dropped_and_told() {
    let place = Place::new();
    let done = run(
        &place,
        &[
            "--output-limit",
            "100B",
            "--",
            "sh",
            "-c",
            "head -c 1000 /dev/zero; echo e >&2",
        ],
    )
    .exits(0);
    assert_eq!(done.out.len(), 100);
    done.says(&["lyceum: 902 bytes of output were dropped (`--output-limit`)"]);
    run(
        &place,
        &[
            "--output-total",
            "1MiB",
            "--output-limit",
            "1kB",
            "--",
            "yes",
        ],
    )
    .exits(124)
    .says(&["the output limit stopped the command (`--output-total`)"]);
}

#[test]
fn the_record_says_what_held_and_what_was_used() {
    let place = Place::new();
    let script =
        "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; printf 'a\\377'; echo b >&2; exit 3";
    let words = ["--pids", "20", "--threads", "2", "--", "sh", "-c", script];
    let shown = record(&place, &words, 3);
    assert_eq!(shown["level"], "namespace");
    assert_eq!(
        shown["exit"],
        serde_json::json!({ "cause": "code", "code": 3 })
    );
    assert_eq!(shown["exit_code"], 3);
    assert_eq!(shown["limits"]["processes"]["value"], 20);
    assert!(shown["limits"]["memory_bytes"]["held_by"].is_string());
    assert!(
        shown["usage"]["cpu_seconds"].as_f64().unwrap() > 0.01,
        "{shown}"
    );
    assert!(
        shown["usage"]["peak_memory_bytes"].as_u64().unwrap() > 100_000,
        "{shown}"
    );
    assert!(shown["usage"]["read_bytes"].is_u64() && shown["usage"]["written_bytes"].is_u64());
    assert_eq!(shown["stdout"]["text"], "a\u{fffd}");
    assert_eq!(
        (&shown["stdout"]["bytes_total"], &shown["stderr"]["text"]),
        (&2.into(), &"b\n".into())
    );
    assert_eq!(
        (&shown["threads"], &shown["environment"]["OMP_NUM_THREADS"]),
        (&2.into(), &"2".into())
    );
    let file = place.path().join("record.json");
    run(
        &place,
        &[
            "--record",
            &file.display().to_string(),
            "--memory",
            "64MiB",
            "--",
            "tail",
            "/dev/zero",
        ],
    )
    .exits(124);
    let shown: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(shown["exit"]["cause"], "memory-limit");
}

#[test]
fn a_record_is_written_through_no_link() {
    let place = Place::new();
    let victim = place.path().join("victim");
    fs::write(&victim, "mine").unwrap();
    let written = place.path().join("w");
    fs::create_dir(&written).unwrap();
    let mount = written.display().to_string();
    let file = written.join("record.json");
    let words = [
        "--write",
        &mount,
        "--record",
        &file.display().to_string(),
        "--",
    ];
    let link = format!("rm record.json; ln -s {} record.json", victim.display());
    // A link that the command made, and one that was there before.
    run(&place, &[&words[..], &["sh", "-c", &link]].concat()).exits(0);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
    run(&place, &[&words[..], &["true"]].concat())
        .exits(2)
        .says(&["cannot write the record", "hint: name a new file"]);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
    // A pipe that nobody reads.
    fs::remove_file(&file).unwrap();
    let pipe = Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(pipe.success());
    run(&place, &[&words[..], &["true"]].concat()).exits(2);
}

#[test]
fn a_signal_stops_the_command_and_leaves_nothing() {
    let place = Place::new();
    let temporary = place.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    fs::create_dir(place.path().join("copy")).unwrap();
    let copy = place.path().join("copy").display().to_string();
    let mut child = place
        .command(&[
            "sandbox",
            "run",
            "--overlay",
            &copy,
            "--",
            "sh",
            "-c",
            "echo on; sleep 600",
        ])
        .env("TMPDIR", &temporary)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 3];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();

    let mut killed = Command::new("kill");
    killed.args(["-TERM", &child.id().to_string()]);
    assert!(killed.status().unwrap().success());
    let done = Done::from(child.wait_with_output().unwrap()).exits(130);
    done.says(&["the command was stopped: interrupted"]);

    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn the_other_backend_is_chosen_by_hand_and_recorded() {
    let place = Place::new();
    fs::create_dir(place.path().join("copy")).unwrap();
    fs::write(place.path().join("copy/file"), "original").unwrap();
    let copy = place.path().join("copy").display().to_string();
    let words = [
        "--backend",
        "bwrap",
        "--overlay",
        &copy,
        "--",
        "sh",
        "-c",
        "cat file; echo x > file",
    ];
    let shown = record(&place, &words, 0);
    assert_eq!(
        (&shown["backend"], &shown["level"]),
        (&"bwrap".into(), &"namespace".into())
    );
    assert_eq!(shown["stdout"]["text"], "original");
    assert_eq!(
        fs::read_to_string(place.path().join("copy/file")).unwrap(),
        "original"
    );
    assert_eq!(record(&place, &["--", "true"], 0)["backend"], "native");
}
