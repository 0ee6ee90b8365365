//! Runs a program as the lab does: name, arguments, environment, an answer on descriptor 3.

use std::path::Path;
use std::process::{Command, Stdio};

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// What was written to descriptor 3.
    pub(crate) answer: String,
}

impl Ended {
    /// Returns the answered metric; panics with the whole record when there is none.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let answer: serde_json::Value =
            serde_json::from_str(&self.answer).unwrap_or_else(|_| panic!("no answer: {self:?}"));
        answer["metrics"][name]
            .as_f64()
            .unwrap_or_else(|| panic!("no number `{name}`: {self:?}"))
    }

    /// Checks the exit code and that stderr holds `text`; nothing may have been answered.
    pub(crate) fn refused(&self, code: i32, text: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains(text), "expected `{text}` in {self:?}");
        assert_eq!(self.answer, "", "{self:?}");
    }
}

/// Runs `arguments[0]` in `directory` with `LYCEUM_SEED=1`, outputs in `directory` itself.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> Ended {
    run_with(directory, arguments, &[])
}

/// The same with further environment variables; an empty value unsets one.
pub(crate) fn run_with(
    directory: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Ended {
    let answer = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "answer=$1; shift; exec \"$@\" 3>\"$answer\"", "sh"])
        .arg(answer.path())
        .arg(env!("CARGO_BIN_EXE_lyceum-programs"))
        .args(arguments)
        .current_dir(directory)
        .env("LYCEUM_SEED", "1")
        .env("LYCEUM_OUTPUTS", directory)
        .env("LYCEUM_NONCE", "nonce-1")
        .stdin(Stdio::null());
    for (name, value) in environment {
        if value.is_empty() {
            command.env_remove(name);
        } else {
            command.env(name, value);
        }
    }
    let output = command.output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        answer: std::fs::read_to_string(answer.path()).unwrap(),
    }
}
