//! `lyceum doctor`, part by part, and devices that a person gives.

use std::process::Command;

use serde_json::Value;

use crate::support::{Done, LYCEUM, Place, Tiny};

/// Calls the program where no user namespace can be made.
fn without_namespaces(words: &[&str]) -> Done {
    let script = r#"echo 0 > /proc/sys/user/max_user_namespaces; exec "$@""#;
    let mut command = Command::new("unshare");
    command
        .args(["-r", "--", "sh", "-euc", script, "sh", LYCEUM])
        .args(words);
    Done::from(
        command
            .output()
            .expect("this test needs `unshare` of util-linux"),
    )
}

fn part<'a>(shown: &'a Value, name: &str) -> &'a Value {
    let parts = shown["parts"].as_array().unwrap();
    let found = parts.iter().find(|part| part["name"] == name);
    found.unwrap_or_else(|| panic!("no part `{name}`: {shown}"))
}

#[test]
fn every_part_is_shown_with_what_it_was_tried_with() {
    let place = Place::new();
    let done = place.call(&["doctor", "--json"]).exits(0);
    let shown: Value = serde_json::from_str(&done.out).unwrap();
    for name in [
        "user namespace",
        "mount namespace",
        "pid namespace",
        "network namespace",
        "ipc namespace",
        "uts namespace",
        "cgroup namespace",
        "no further namespaces",
        "mounts by descriptor",
        "own /proc",
        "overlay",
        "landlock",
        "system call filter",
        "bubblewrap",
        "overlay on disk",
        "native: user map",
        "native: loopback only",
        "bwrap: empty capability sets",
    ] {
        let part = part(&shown, name);
        assert_eq!(part["state"], "works", "{part}");
        assert!(!part["tried"].as_str().unwrap().is_empty(), "{part}");
    }
    assert_eq!(part(&shown, "user.max_user_namespaces")["state"], "told");
    assert!(part(&shown, "control groups")["found"].is_string());
    assert!(part(&shown, "graphics processors")["found"].is_string());
    assert_eq!(shown["sandbox"]["level"], "namespace");
    let done = place.call(&["doctor"]).exits(0);
    done.prints("own /proc");
    done.prints("native: closed pid 1");
}

#[test]
fn where_the_whole_is_refused_each_part_is_still_tried() {
    let done = without_namespaces(&["doctor", "--json"]).exits(78);
    let shown: Value = serde_json::from_str(&done.out).unwrap();
    assert!(shown["refused"]["remedy"].is_string(), "{shown}");
    let missing = part(&shown, "user namespace");
    assert_eq!(missing["state"], "missing");
    assert!(
        missing["remedy"].as_str().unwrap().contains("sysctl"),
        "{missing}"
    );
    for name in ["landlock", "system call filter"] {
        assert_eq!(part(&shown, name)["state"], "works");
    }
    for name in ["native: attacks", "overlay on disk"] {
        assert_eq!(part(&shown, name)["state"], "not-tried", "{shown}");
    }
    assert_eq!(part(&shown, "user.max_user_namespaces")["found"], "0");
}

/// A `/dev` whose graphics processor is `/dev/zero`, in a mount namespace of its own.
const STAND_IN: &str = r#"
    mount -t tmpfs none "$1"; mkdir "$1/dri" "$1/pts" "$1/shm"
    ln -s /proc/self/fd "$1/fd"; ln -s pts/ptmx "$1/ptmx"
    for name in null zero full random urandom tty; do touch "$1/$name"; mount --bind "/dev/$name" "$1/$name"; done
    touch "$1/dri/renderD128" "$1/sda"; mount --bind /dev/zero "$1/dri/renderD128"; mount --bind /dev/zero "$1/sda"
    mount --rbind "$1" /dev; shift; exec "$@""#;

#[test]
fn devices_of_graphics_processors_are_given_when_asked_for_and_no_others() {
    let place = Place::new();
    let room = place.path().join("dev");
    std::fs::create_dir(&room).unwrap();
    let run = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command
            .args(["-r", "--mount", "--", "sh", "-euc", STAND_IN, "sh"])
            .arg(&room)
            .arg(LYCEUM)
            .args(["sandbox", "run"])
            .args(words);
        Done::from(
            command
                .output()
                .expect("this test needs `unshare` of util-linux"),
        )
    };
    let look = "ls /dev /dev/dri 2>&1; head -c 2 /dev/dri/renderD128 | od -An -tx1";
    for backend in ["native", "bwrap"] {
        let done = run(&[
            "--gpu",
            "--backend",
            backend,
            "--json",
            "--",
            "sh",
            "-c",
            look,
        ])
        .exits(0);
        let shown: Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!(shown["devices"], serde_json::json!(["/dev/dri/renderD128"]));
        let seen = shown["stdout"]["text"].as_str().unwrap();
        assert!(
            seen.contains("renderD128") && seen.contains("00 00"),
            "{backend}: {seen}"
        );
        assert!(!seen.contains("sda"), "{backend}: {seen}");
        let done = run(&["--backend", backend, "--", "sh", "-c", "ls /dev"]).exits(0);
        assert!(!done.out.contains("dri"), "{backend}: {}", done.out);
    }
}

#[test]
fn a_machine_without_a_graphics_processor_says_so() {
    let place = Place::new();
    if !lyceum_sandbox::graphics_devices().is_empty() {
        println!("SKIPPED: this machine has graphics processors, so nothing is missing");
        return;
    }
    place
        .call(&["sandbox", "run", "--gpu", "--", "true"])
        .exits(2)
        .says(&["there is no graphics processor here"]);
}

#[test]
fn a_weaker_level_is_used_only_where_a_person_allows_it_and_is_recorded() {
    let words = ["sandbox", "run", "--json", "--", "sh", "-c", "echo ran"];
    let refused = without_namespaces(&words).exits(78);
    assert!(!refused.out.contains("ran"), "{}", refused.out);
    let mut allowed = words.to_vec();
    allowed.splice(2..2, ["--minimum", "landlock"]);
    let done = without_namespaces(&allowed).exits(0);
    done.says(&["runs commands with less isolation", "no network"]);
    let shown: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(
        (&shown["level"], &shown["stdout"]["text"]),
        (&"landlock".into(), &"ran\n".into())
    );
    assert!(shown["losses"].as_array().unwrap().len() > 5, "{shown}");
    // Where the stronger level works, the permission changes nothing.
    let place = Place::new();
    let done = place.call(&allowed).exits(0);
    let shown: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(shown["level"], "namespace");
    assert_eq!(done.err, "");
}

#[test]
fn a_study_runs_at_the_weaker_level_and_its_log_says_so() {
    let place = Place::new();
    let directory = place.study(&Tiny::default()).display().to_string();
    let lab = place.lab().display().to_string();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(place.path(), open).unwrap();
    without_namespaces(&["--lab", &lab, "run", &directory, "--seed", "1"]).exits(78);
    let words = [
        "--lab",
        &lab,
        "run",
        &directory,
        "--seed",
        "1",
        "--minimum",
        "landlock",
    ];
    let done = without_namespaces(&words).exits(0);
    done.says(&["runs commands with less isolation"]);
    let log = place.call(&["log", "--json"]).exits(0);
    assert!(log.out.contains(r#"\"level\":\"landlock\""#), "{}", log.out);
}
