//! The containment suite: attacks that must fail in a sandbox and must succeed outside one.
//!
//! `cargo test -p lyceum-sandbox --test containment [ID…]`. Each check is made with a control outside
//! the sandbox that must breach, a legitimate twin inside that must work, and a look at what is left
//! afterwards. The user who starts it decides half of the mode, the backend the other half:
//! `held.txt` beside this file lists what holds today, and exactly that is demanded here.
#![expect(clippy::expect_used, reason = "a suite that cannot go on has failed")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a suite prints its table"
)]

mod arena;
mod attacks;
mod beyond;
mod check;
mod lifetimes;
mod outputs;
mod policies;
mod raw;
mod residue;
mod resources;
mod start;
mod surroundings;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Instant;

use check::{Check, Verdict};
use lyceum_sandbox::Backend;
use start::Mode;

const GROUPS: &[&[Check]] = &[
    attacks::FILES,
    attacks::PROCESSES,
    attacks::NETWORK,
    attacks::KERNEL,
    resources::RESOURCES,
    lifetimes::LIFETIME,
    outputs::OUTPUTS,
    policies::POLICY,
    surroundings::SURROUNDINGS,
    beyond::BEYOND,
];

fn main() -> ExitCode {
    lyceum_sandbox::run_helper_if_asked();
    if std::env::var_os(arena::SECRET_VARIABLE).is_none() {
        return again();
    }
    raw::adopt_orphans();
    raw::join_new_keyring();
    for number in arena::PLANTED {
        raw::reserve(number).expect("a few descriptors can be had");
    }
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    for backend in [Backend::Native, Backend::Bwrap] {
        let mode = Mode::new(backend);
        for check in GROUPS.iter().copied().flatten() {
            if !wanted.is_empty() && !wanted.iter().any(|id| id == check.id) {
                continue;
            }
            let begun = Instant::now();
            let verdict = match &mode {
                Ok(mode) => check::run(check, mode),
                Err(why) => Verdict::NotBuilt(why.clone()),
            };
            println!(
                "{:<4} {backend:?} {:<12} {:>5} ms  {}",
                check.id,
                verdict.word(),
                begun.elapsed().as_millis(),
                verdict.detail()
            );
        }
    }
    ExitCode::SUCCESS
}

/// Starts this program again with a secret in its environment, and a directory of its own for
/// everything that is made: what is left there at the end is residue.
fn again() -> ExitCode {
    let place = tempfile::Builder::new()
        .prefix("containment-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"));
    let place = place.expect("cargo's directory for tests can be written");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(place.path(), open).expect("its own directory can be opened");
    let status = Command::new("/proc/self/exe")
        .arg0("containment")
        .args(std::env::args_os().skip(1))
        .env(arena::SECRET_VARIABLE, raw::random(16))
        .env("TMPDIR", place.path())
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("failed to start again: {error}");
            ExitCode::FAILURE
        }
    }
}
