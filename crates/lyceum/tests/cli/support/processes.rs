//! Which processes are alive.

use std::{
    fs,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long a process that was killed may take to disappear.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process that should not be there.
#[derive(Debug)]
#[expect(dead_code, reason = "shown in the message of a failed test")]
struct Alive {
    pid: String,
    command: String,
}

/// Asserts that no process runs this program, and none has this word on its command line, once the dying are gone.
#[track_caller]
pub(crate) fn nothing_alive(program: Option<&Path>, word: &str) {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let alive = alive(program, word);
        if alive.is_empty() {
            return;
        }
        assert!(Instant::now() < give_up, "processes are left: {alive:?}");
        sleep(Duration::from_millis(50));
    }
}

fn alive(program: Option<&Path>, word: &str) -> Vec<Alive> {
    let own = std::process::id().to_string();
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().into_string().ok());
    let pids = pids.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own);
    pids.filter_map(|pid| {
        let place = PathBuf::from("/proc").join(&pid);
        let command = fs::read(place.join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let executable = fs::read_link(place.join("exe")).ok();
        let same = program.is_some() && executable.as_deref() == program;
        (same || command.contains(word)).then_some(Alive { pid, command })
    })
    .collect()
}
