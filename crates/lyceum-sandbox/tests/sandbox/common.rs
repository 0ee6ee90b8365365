//! What the integration tests share.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::BACKEND;
use lyceum_sandbox::{Access, Exit, Job, Mount, Policy, Record, Sandbox, scratch};

/// One sandbox for all tests of a program, as the lab has one.
pub(crate) static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| match Sandbox::with(BACKEND) {
    Ok(sandbox) => sandbox,
    Err(refusal) => panic!(
        "these tests need a sandbox: {refusal}\nhint: {}",
        refusal.remedy
    ),
});

/// A directory on disk with a scratch and a lower tree; gone, and checked to be gone, at the end.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    pub(crate) scratch: scratch::Scratch,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory =
            tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("makes a directory");
        let scratch = scratch::create(directory.path(), "run").expect("makes a scratch");
        std::fs::create_dir_all(directory.path().join("lower/data")).expect("makes a lower tree");
        std::fs::write(directory.path().join("lower/file"), "original").expect("writes");
        std::fs::write(directory.path().join("lower/data/d"), "data").expect("writes");
        Self { directory, scratch }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn lower(&self) -> PathBuf {
        self.path().join("lower")
    }

    /// A policy with the lower tree as a copy-on-write `/workspace`.
    pub(crate) fn policy(&self) -> Policy {
        let access = Access::Overlay {
            upper: self.scratch.upper(),
            work: self.scratch.work(),
        };
        Policy {
            mounts: vec![mount(&self.lower(), "/workspace", access)],
            directory: "/workspace".into(),
            ..Policy::default()
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        scratch::remove(self.scratch.path()).expect("removes the scratch");
        assert_eq!(
            scratch::leftovers(self.path(), "run").expect("lists"),
            Vec::<PathBuf>::new()
        );
    }
}

pub(crate) fn mount(source: &Path, target: &str, access: Access) -> Mount {
    Mount {
        source: source.into(),
        target: target.into(),
        access,
    }
}

pub(crate) fn shell(script: &str, policy: Policy) -> Job {
    Job::new(["sh", "-c", script], policy)
}

pub(crate) fn run(job: &Job) -> Record {
    let running = SANDBOX.spawn(job).expect("starts");
    let identity = running.identity();
    let record = running.wait().expect("ends");
    assert!(
        !identity.is_alive(),
        "pid 1 outlived its record: {record:?}"
    );
    record
}

/// Runs a script that must succeed and returns its standard output.
pub(crate) fn output(script: &str, policy: Policy) -> String {
    let record = run(&shell(script, policy));
    assert_eq!(record.exit, Exit::Code(0), "{}", text(&record));
    String::from_utf8(record.stdout.joined()).expect("prints text")
}

pub(crate) fn text(record: &Record) -> String {
    let show = |stream: &lyceum_sandbox::Captured| lyceum_sandbox::show_untrusted(&stream.joined());
    format!(
        "{:?}\nout: {}\nerr: {}",
        record.exit,
        show(&record.stdout),
        show(&record.stderr)
    )
}

/// Returns host pids of processes whose command line holds `marker`.
pub(crate) fn processes_with(marker: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("lists").flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if pid != std::process::id() as i32 && String::from_utf8_lossy(&command).contains(marker) {
            found.push(pid);
        }
    }
    found
}

/// Waits until a condition holds; fails after half a minute.
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "never happened: {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}
