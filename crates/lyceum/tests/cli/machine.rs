//! Machines that refuse: permissions, read-only and full disks, a lab in use, a newer lab, no user namespaces.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::support::{Done, LYCEUM, Place, Tiny, is_root};

/// An ordinary user without a home or a name.
const SOMEBODY: &str = "4242";

/// Calls the program as a user who is not root.
fn as_somebody(words: &[&str]) -> Done {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid",
            SOMEBODY,
            "--regid",
            SOMEBODY,
            "--clear-groups",
            LYCEUM,
        ]);
        command
    } else {
        Command::new(LYCEUM)
    };
    command
        .args(words)
        .env_remove("LYCEUM_LAB")
        .current_dir("/");
    Done::from(
        command
            .output()
            .expect("started as root, this test needs `setpriv` of util-linux"),
    )
}

/// Makes a directory in which anybody may make a lab, and returns the lab's path in it.
fn lab_for_anybody(place: &Place) -> PathBuf {
    let open = place.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    open.join("lab")
}

#[test]
fn an_unreadable_study_is_named_with_the_reason() {
    let place = Place::new();
    let directory = place.study(&Tiny::default()).display().to_string();
    let lab = lab_for_anybody(&place);
    for closed in [
        "",
        "/study.toml",
        "/workspace",
        "/workspace/train.sh",
        "/evaluate.sh",
    ] {
        let path = format!("{directory}{closed}");
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
        let done = as_somebody(&["--lab", &lab.display().to_string(), "run", &directory]);
        fs::set_permissions(&path, before).unwrap();
        let done = done.exits(2);
        done.says(&[closed]);
        let said = done.err.to_lowercase();
        assert!(said.contains("permission denied"), "{closed}: {}", done.err);
    }
    let log = as_somebody(&["--lab", &lab.display().to_string(), "log"]).exits(2);
    assert!(log.err.contains("no ledger in") || log.err.contains("the lab holds no study"));
}

#[test]
fn an_ordinary_user_can_run_a_study() {
    let place = Place::new();
    let directory = place.study(&Tiny::default()).display().to_string();
    let lab = lab_for_anybody(&place).display().to_string();
    as_somebody(&["--lab", &lab, "run", &directory, "--seed", "1"])
        .exits(0)
        .prints("confirmed: better in");
    as_somebody(&["--lab", &lab, "verify"])
        .exits(0)
        .prints("all as they were written");
}

#[test]
fn a_lab_in_use_is_left_alone() {
    let place = Place::new();
    place.study(&Tiny {
        train: "sleep 600".into(),
        ..Tiny::default()
    });
    let mut first = place.command(&["run", "tiny", "--json"]);
    let mut first = first
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines();
    lines
        .find(|line| line.as_ref().unwrap().contains("run.started"))
        .unwrap()
        .unwrap();
    for words in [&["run", "tiny"][..], &["run", "tiny", "--again"]] {
        let done = place.call(words).exits(75);
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        done.says(&[
            "error: lab `",
            "is in use by process ",
            &format!("process {} on {}", first.id(), host.trim()),
            ", since 20",
            " UTC",
            "hint: wait for that process or stop it; reading works while it runs",
        ]);
    }
    place.call(&["status"]).exits(0).prints("tiny  running");
    place
        .call(&["verify"])
        .exits(0)
        .prints("all as they were written");
    first.kill().unwrap();
    first.wait().unwrap();
    place.assert_intact();
}

#[test]
fn a_lab_of_a_newer_version_is_refused_and_not_touched() {
    let place = Place::new();
    place.study(&Tiny::default());
    place.run("tiny", &[]).exits(0);
    let file = place.lab().join("ledger/ledger.db");
    let version = |set: Option<u32>| -> u32 {
        let store = rusqlite::Connection::open(&file).unwrap();
        if let Some(set) = set {
            store.pragma_update(None, "user_version", set).unwrap();
        }
        store
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap()
    };
    let own = version(None);
    version(Some(own + 1));
    for words in [
        &["run", "tiny"][..],
        &["status"],
        &["verify"],
        &["log"],
        &["report"],
    ] {
        let done = place.call(words).exits(2);
        done.says(&[
            &format!(
                "has schema version {}, but this program reads versions up to {own}",
                own + 1
            ),
            "hint: use the version of the program that wrote it, or a later",
        ]);
    }
    assert_eq!(version(Some(own)), own);
    place.assert_intact();
}

#[test]
fn a_file_that_is_no_ledger_is_refused_and_not_touched() {
    let place = Place::new();
    place.study(&Tiny::default());
    let file = place.lab().join("ledger/ledger.db");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let text =
        "my precious notes, which are longer than the header of a database file is\n".repeat(20);
    fs::write(&file, &text).unwrap();
    for words in [&["run", "tiny"][..], &["status"]] {
        place
            .call(words)
            .exits(2)
            .says(&["is not a ledger: not an SQLite database"]);
    }
    assert_eq!(fs::read_to_string(file).unwrap(), text);
}

#[test]
fn without_user_namespaces_nothing_runs_and_nothing_is_made() {
    let place = Place::new();
    let directory = place.study(&Tiny::default()).display().to_string();
    let lab = place.lab().display().to_string();
    let refused = |words: &[&str]| {
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
    };
    let done = refused(&["--lab", &lab, "run", &directory]).exits(78);
    done.says(&[
        "error: refused to run without isolation: failed to create namespaces",
        "hint: as root: `sysctl -w user.max_user_namespaces=10000`; `lyceum doctor` shows each part",
    ]);
    assert!(!place.lab().exists(), "a lab was made");
    let done = refused(&["doctor"]).exits(78);
    done.prints("refused to run without isolation");
    done.prints("remedy     as root: `sysctl -w user.max_user_namespaces=10000`");
}
