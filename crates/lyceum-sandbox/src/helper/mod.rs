//! The helper: what the re-executed program does instead of its own `main`.
//!
//! It has one thread, so it may fork and allocate freely. `forker` is what is executed, once for a supervisor; it forks a
//! `keeper` for each command, that `init` (pid 1 inside), and that `workload`, which becomes the command.

mod alone;
mod bubblewrap;
mod disk;
mod fault;
mod forker;
mod init;
mod inner;
mod keeper;
mod landlock;
mod look;
mod measure;
mod memory_files;
mod mounts;
mod privileges;
mod remains;
mod root;
mod sockets;
mod sources;
mod survey;
mod tree;
mod watch;
mod workload;

use crate::owner;

pub(crate) use survey::SURVEY_ARGUMENT;

/// First argument of a re-executed helper.
pub(crate) const INIT_ARGUMENT: &str = "__sandbox-init";

/// Becomes the sandbox helper and never returns, if this process was started as one.
///
/// Every program that uses [`crate::Sandbox`] calls this first in `main`, before it starts a thread
/// or reads anything. Without the call, [`crate::Sandbox::new`] refuses.
pub fn run_helper_if_asked() {
    let asked = std::env::args_os().nth(1);
    match asked.as_deref().and_then(|argument| argument.to_str()) {
        Some(INIT_ARGUMENT) => forker::run(),
        Some(bubblewrap::INNER_ARGUMENT) => inner::run(),
        Some(owner::OWNER_MAP_ARGUMENT) => owner::lend(),
        Some(SURVEY_ARGUMENT) => survey::run(),
        _ => {}
    }
}

/// Makes a test program call [`run_helper_if_asked`] before its test harness starts.
///
/// Write `lyceum_sandbox::run_helper_before_tests!();` once in a test file that uses sandboxes.
#[macro_export]
macro_rules! run_helper_before_tests {
    () => {
        #[expect(
            unsafe_code,
            reason = "a constructor runs before the test harness starts threads"
        )]
        #[used]
        #[unsafe(link_section = ".init_array")]
        static RUN_HELPER_BEFORE_TESTS: extern "C" fn() = {
            extern "C" fn run() {
                $crate::run_helper_if_asked();
            }
            run
        };
    };
}

#[cfg(test)]
run_helper_before_tests!();
