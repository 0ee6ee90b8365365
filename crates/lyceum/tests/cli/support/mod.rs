//! A lab in a temporary directory, tiny studies beside it, and the program itself.

mod found;
mod processes;
mod tiny;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) use found::found;
pub(crate) use processes::nothing_alive;
pub(crate) use tiny::Tiny;

/// The program under test.
pub(crate) const LYCEUM: &str = env!("CARGO_BIN_EXE_lyceum");

/// A directory with a lab and studies.
pub(crate) struct Place {
    root: TempDir,
}

/// What a call of the program gave.
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Place {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::Builder::new()
            .prefix("lyceum-test-")
            .tempdir()
            .unwrap();
        // Sandboxes of a lab that root runs belong to another user, who must reach the studies.
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Place { root }
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn lab(&self) -> PathBuf {
        self.path().join("lab")
    }

    /// Writes a study and returns its directory.
    pub(crate) fn study(&self, tiny: &Tiny) -> PathBuf {
        let directory = self.path().join(&tiny.name);
        tiny.write(&directory);
        directory
    }

    /// Returns the program, told which lab is meant.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(LYCEUM);
        command
            .arg("--lab")
            .arg(self.lab())
            .args(words)
            .current_dir(self.path());
        command.env_remove("LYCEUM_LAB").stdin(Stdio::null());
        command
    }

    pub(crate) fn call(&self, words: &[&str]) -> Done {
        Done::from(self.command(words).output().unwrap())
    }

    /// Runs a study of this place in the one way that gives the same events each time.
    pub(crate) fn run(&self, study: &str, more: &[&str]) -> Done {
        let mut words = [
            &["run", study, "--researcher", "random", "--slots", "1"],
            more,
        ]
        .concat();
        if !more.contains(&"--seed") {
            words.extend(["--seed", "1"]);
        }
        self.call(&words)
    }

    /// Runs a study, letting it go on each time when its level of autonomy holds it back: with each blocked run it falls.
    pub(crate) fn run_while_held(&self, study: &str) -> Done {
        let mut done = self.run(study, &[]);
        // More than any study here has experiments.
        for _ in 0..60 {
            if done.code != 4 {
                break;
            }
            done.says(&["held at autonomy level L0"]);
            let lend = ["autonomy", "--lend", "--why", "somebody looks on"];
            self.call(&lend).exits(0);
            done = self.run(study, &[]);
        }
        done
    }

    /// Asserts that nothing in the ledger is lost or changed.
    pub(crate) fn assert_intact(&self) {
        let verified = self.call(&["verify"]).exits(0);
        verified.prints("all as they were written");
        assert!(!verified.out.contains(" differ\n") || verified.out.contains(", 0 differ\n"));
    }

    /// Returns a study's events as the log prints them.
    pub(crate) fn events(&self, study: &str) -> Vec<Value> {
        self.call(&["log", study, "--json"]).exits(0).json_lines()
    }

    /// Returns the bodies of a study's events of one kind.
    pub(crate) fn bodies(&self, study: &str, kind: &str) -> Vec<Value> {
        let events = self.events(study).into_iter();
        let of_kind = events.filter(|event| event["kind"] == kind);
        of_kind.map(|event| event["body"].clone()).collect()
    }

    /// Returns the experiments as `export` gives them.
    pub(crate) fn experiments(&self, study: &str) -> Vec<Value> {
        let exported = self.call(&["export", study, "--format", "json"]).exits(0);
        serde_json::from_str(&exported.out).unwrap()
    }

    /// Asserts that no run left its files in the lab.
    pub(crate) fn assert_no_scratch(&self) {
        let left: Vec<_> = fs::read_dir(self.lab().join("scratch")).unwrap().collect();
        assert!(left.is_empty(), "scratch directories are left: {left:?}");
    }
}

impl Done {
    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Done {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.out, self.err
        );
        self
    }

    /// Asserts that standard error holds each of the texts.
    #[track_caller]
    pub(crate) fn says(&self, texts: &[&str]) {
        for text in texts {
            assert!(
                self.err.contains(text),
                "missing `{text}` in stderr:\n{}",
                self.err
            );
        }
    }

    /// Asserts that standard output holds the text.
    #[track_caller]
    pub(crate) fn prints(&self, text: &str) {
        assert!(
            self.out.contains(text),
            "missing `{text}` in stdout:\n{}",
            self.out
        );
    }

    /// Reads standard output as one JSON value a line.
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let lines = self.out.lines();
        lines
            .map(|line| serde_json::from_str(line).expect(line))
            .collect()
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Done {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Done {
            // A shell's way to number signals, so that every end has a number.
            code: output.status.code().unwrap_or_else(|| {
                use std::os::unix::process::ExitStatusExt as _;
                128 + output.status.signal().unwrap_or(0)
            }),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

/// Tells whether the tests run as root.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Runs a shell script in a mount namespace of its own, where it may mount.
pub(crate) fn with_mounts(script: &str, words: &[&str]) -> Done {
    let flags = if is_root() { "-m" } else { "-rm" };
    let mut command = Command::new("unshare");
    command
        .args([flags, "--", "sh", "-euc", script, "sh"])
        .args(words);
    command.env_remove("LYCEUM_LAB").stdin(Stdio::null());
    Done::from(
        command
            .output()
            .expect("these tests need `unshare` of util-linux"),
    )
}
