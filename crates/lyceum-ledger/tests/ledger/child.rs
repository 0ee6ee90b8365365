//! Second processes: this test binary, run again in a role.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use lyceum_ledger::{Ledger, NewEvent, Options};

use crate::disk;

const ROLE: &str = "LYCEUM_LEDGER_TEST_ROLE";
const DIRECTORY: &str = "LYCEUM_LEDGER_TEST_DIRECTORY";

/// What the child does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Appends from three threads until it is killed, and reports each acknowledgement.
    Write,
    /// Follows a stream slowly until it has seen an event of kind `last`, and reports each number.
    Follow,
    /// Holds the lock until its input ends.
    Hold,
    /// Fills the disk that the directory is on.
    FillDisk,
    /// Meets a directory that cannot be written to.
    ReadOnly,
    /// Meets a disk whose syncs fail while a file named `fail` is in the directory.
    SyncFails,
}

const ROLES: [Role; 6] = [
    Role::Write,
    Role::Follow,
    Role::Hold,
    Role::FillDisk,
    Role::ReadOnly,
    Role::SyncFails,
];

/// Returns the arguments with which this binary plays a role.
fn arguments() -> [OsString; 5] {
    let binary = env::current_exe().unwrap().into_os_string();
    [
        binary,
        "--ignored".into(),
        "--exact".into(),
        "--nocapture".into(),
        "child::child".into(),
    ]
}

/// Starts a child in `role`, its output piped.
pub(crate) fn spawn(role: Role, directory: &Path) -> Child {
    let [binary, rest @ ..] = arguments();
    Command::new(binary)
        .args(rest)
        .env(ROLE, format!("{role:?}"))
        .env(DIRECTORY, directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs a child in `role` to its end under `environment`, inside a mount namespace of its own in
/// which `preparation` (shell, `$1` is the directory) has been run first.
pub(crate) fn run_in_namespace(
    role: Role,
    directory: &Path,
    preparation: &str,
    environment: &[(&str, &Path)],
) {
    let script = format!("set -e; {preparation}; shift; exec \"$@\"");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"])
        .arg(directory)
        .args(arguments())
        .env(ROLE, format!("{role:?}"))
        .env(DIRECTORY, directory)
        .envs(environment.iter().copied())
        .output()
        .expect("this test needs `unshare` of util-linux");
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("role played to its end"),
        "{role:?} failed; this test needs user namespaces that may mount:\n{text}"
    );
}

/// Reads the lines that the child reports.
pub(crate) fn reports(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let output = BufReader::new(child.stdout.take().unwrap());
    output
        .split(b'\n')
        .map_while(Result::ok)
        .filter_map(|line| String::from_utf8(line).ok())
        .filter_map(|line| line.strip_prefix("report ").map(str::to_owned))
        // The last line may have been cut by the kill.
        .filter_map(|line| line.strip_suffix(" end").map(str::to_owned))
}

/// Reports one line to the parent, in one write, so that it is there or not.
fn report(text: &str) {
    std::io::stdout()
        .write_all(format!("\nreport {text} end\n").as_bytes())
        .unwrap();
}

#[test]
#[ignore = "the other side of tests that need a second process"]
fn child() {
    let name = env::var(ROLE).expect("started by another test");
    let directory = PathBuf::from(env::var_os(DIRECTORY).expect("started by another test"));
    let role = ROLES
        .into_iter()
        .find(|role| format!("{role:?}") == name)
        .expect("a known role");
    match role {
        Role::Write => write(&directory),
        Role::Follow => follow(&directory),
        Role::Hold => hold(&directory),
        Role::FillDisk => disk::fill(&directory),
        Role::ReadOnly => disk::meet_read_only(&directory),
        Role::SyncFails => disk::meet_failing_syncs(&directory),
    }
    println!("role played to its end");
}

fn hold(directory: &Path) {
    let options = Options {
        command: "hold on".to_owned(),
        ..Options::default()
    };
    let _ledger = Ledger::open(directory, options).unwrap();
    report("held");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn follow(directory: &Path) {
    let reader = Ledger::open_read_only(directory).unwrap();
    let mut seen = 0;
    loop {
        for event in reader.read("a", seen, 7).unwrap() {
            seen = event.seq;
            report(&seen.to_string());
            if event.kind == "last" {
                return;
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Every third append has a body that goes to a blob, every fifth names a blob.
fn write(directory: &Path) {
    let ledger = Ledger::open(directory, Options::default()).unwrap();
    report("open");
    thread::scope(|scope| {
        for writer in 0..3 {
            let ledger = ledger.clone();
            scope.spawn(move || {
                for number in 0_u64.. {
                    let padding = if number % 3 == 0 { 5000 } else { 100 };
                    let unique = std::process::id();
                    let body = format!("\"{unique}/{writer}/{number}/{}\"", "x".repeat(padding));
                    let mut event = NewEvent::new("written", 1, body);
                    if number % 5 == 0 {
                        let bytes = format!("{unique}/{writer}/{number}");
                        event = event.with_blobs([ledger.put_blob(bytes.as_bytes()).unwrap()]);
                    }
                    let batch = vec![event; 1 + (number % 3) as usize];
                    for event in ledger.append(&format!("writer/{writer}"), batch).unwrap() {
                        report(&format!("{} {}", event.position, event.hash));
                    }
                }
            });
        }
    });
}

/// Returns a copy of a directory in which there are only plain files and directories.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
