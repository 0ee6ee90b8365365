//! A supervisor for this crate's own tests: `lyceum-sandbox-probe JOB.json [bwrap|landlock]` runs
//! one job, with `landlock` also where no namespaces are to be had.
//!
//! It prints one line of JSON: first the identity of the sandbox, then the record, or one line with a
//! refusal. Tests start it as another user, in a namespace without user namespaces, or to kill it.
//!
//! As a command inside, `lyceum-sandbox-probe start` tries to start threads and a process, and prints
//! what came of it.

use std::io::Write;
use std::process::ExitCode;

use lyceum_sandbox::{Backend, Job, Level, ProcessIdentity, Record, Refusal, Sandbox};
use serde::Serialize;

/// Exit code of a refusal, as the command line of the lab uses.
const REFUSED: u8 = 78;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Refusal(Refusal),
    Identity(ProcessIdentity),
    Record(Box<Record>),
    Error(String),
}

fn main() -> ExitCode {
    lyceum_sandbox::run_helper_if_asked();
    if std::env::args_os()
        .nth(1)
        .is_some_and(|mode| mode == "start")
    {
        return start();
    }
    let (line, code) = match run() {
        Ok(line) => (line, 0),
        Err((line, code)) => (line, code),
    };
    if say(&line).is_err() {
        ExitCode::FAILURE
    } else {
        ExitCode::from(code)
    }
}

fn start() -> ExitCode {
    let threads: Vec<_> = (0..4)
        .map(|number| std::thread::Builder::new().spawn(move || number))
        .collect();
    let sum = threads
        .into_iter()
        .map(|thread| thread.ok()?.join().ok())
        .sum::<Option<u32>>();
    let process = std::process::Command::new("true").status();
    let process = process.map_err(|error| error.kind());
    let line = format!("threads {sum:?}, process {process:?}\n");
    let said = std::io::stdout().lock().write_all(line.as_bytes());
    said.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

fn run() -> Result<Line, (Line, u8)> {
    let failed = |error: &dyn std::error::Error| (Line::Error(error.to_string()), 1);
    let path = std::env::args_os().nth(1).unwrap_or_default();
    let text = std::fs::read(path).map_err(|error| failed(&error))?;
    let job: Job = serde_json::from_slice(&text).map_err(|error| failed(&error))?;
    let sandbox = match std::env::args().nth(2).as_deref() {
        Some("bwrap") => Sandbox::with(Backend::Bwrap),
        Some("landlock") => Sandbox::at_least(Level::Landlock),
        _ => Sandbox::new(),
    };
    let sandbox = sandbox.map_err(|refusal| (Line::Refusal(refusal), REFUSED))?;
    let running = sandbox.spawn(&job).map_err(|error| failed(&error))?;
    say(&Line::Identity(running.identity())).map_err(|error| failed(&error))?;
    let record = running.wait().map_err(|error| failed(&error))?;
    Ok(Line::Record(Box::new(record)))
}

fn say(line: &Line) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    std::io::stdout().lock().write_all(&text)
}
