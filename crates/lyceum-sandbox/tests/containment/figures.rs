//! Figures that belong to containment, measured from the host, as lines of a table.

use std::time::{Duration, Instant};

use lyceum_sandbox::{Exit, Job};

use crate::arena::{Arena, Side};
use crate::lifetimes::{survives, wait_for};
use crate::residue::{Peaks, own_memory, watch};
use crate::start::{Mode, name};
use crate::workloads::{self, WORKLOADS};

const MEBIBYTE: u64 = 1 << 20;

/// Each figure is the worst of so many measurements.
const ROUNDS: usize = 5;

/// Prints the figures of one mode as rows of a table: mode, figure, bar, found.
pub(crate) fn print(mode: &Mode) {
    let name = name(mode.backend);
    let row =
        |what: &str, bar: &str, found: String| println!("| {name} | {what} | {bar} | {found} |");
    let worst = (0..ROUNDS)
        .map(|_| tree_kill(mode))
        .max()
        .unwrap_or_default();
    row(
        "a tree of 256 deaf processes is gone",
        "2,000 ms",
        format!("{} ms", worst.as_millis()),
    );
    for (what, attack, of) in [
        (
            "memory past 512 MiB: one process",
            "allocate bytes=1610612736 processes=1",
            anonymous as fn(Peaks) -> u64,
        ),
        (
            "memory past 512 MiB: twenty processes",
            "allocate bytes=83886080 processes=20",
            anonymous,
        ),
        (
            "memory past 512 MiB: memory files",
            "fill places=memfd bytes=1610612736 files=4",
            shared,
        ),
        (
            "memory past 512 MiB: /dev/shm",
            "fill places=/dev/shm bytes=1610612736 files=4",
            shared,
        ),
    ] {
        let worst = (0..ROUNDS)
            .map(|_| overshoot(mode, attack, of))
            .max()
            .unwrap_or(0);
        row(what, "64 MiB", format!("{} MiB", worst / MEBIBYTE));
    }
    let (rate, grown) = flood(mode);
    row(
        "supervisor's growth in a flood of 4 GiB",
        "64 MiB at 500 MB/s",
        format!("{} MiB at {rate:.0} MB/s", grown / MEBIBYTE),
    );
    let outcome = workloads::run(mode);
    let mut found = outcome.good.to_string();
    for (what, names) in [
        ("not installed for this user", &outcome.missing),
        ("**failed**", &outcome.failed),
    ] {
        if !names.is_empty() {
            found = format!("{found}; {what}: {}", names.join(", "));
        }
    }
    row(
        "ordinary workloads that work",
        &format!("{}", WORKLOADS.len()),
        found,
    );
}

fn anonymous(peaks: Peaks) -> u64 {
    peaks.anonymous
}

fn shared(peaks: Peaks) -> u64 {
    peaks.shared
}

/// Returns the time from the order to stop to the last of 256 processes gone.
fn tree_kill(mode: &Mode) -> Duration {
    let arena = Arena::new();
    let mut policy = arena.policy();
    policy.limits.processes = 300;
    let job = Job::new(arena.arguments("tree count=256", Side::Inside), policy);
    let running = mode.sandbox.spawn(&job).expect("starts");
    assert!(wait_for(&arena, 256), "the tree did not grow");
    let begun = Instant::now();
    running.killer().kill("measured");
    let record = running.wait().expect("ends");
    let (lives, _) = survives(&arena);
    assert!(
        !lives
            && record.exit
                == Exit::Killed {
                    cause: "measured".into()
                }
    );
    begun.elapsed()
}

/// Returns bytes by which an attack got past its limit.
fn overshoot(mode: &Mode, attack: &str, of: fn(Peaks) -> u64) -> u64 {
    const LIMIT: u64 = 512 * MEBIBYTE;
    let arena = Arena::new();
    let mut policy = arena.policy();
    policy.limits.memory_bytes = LIMIT;
    let (_, peaks) = watch(&[arena.own_process()], || {
        mode.attack(&arena, attack, policy)
    });
    of(peaks).saturating_sub(LIMIT)
}

/// Returns megabytes a second of an output flood and bytes that the supervisor grew by.
fn flood(mode: &Mode) -> (f64, u64) {
    const BYTES: u64 = 4 << 30;
    let arena = Arena::new();
    let mut policy = arena.policy();
    policy.limits.output_bytes = 256 << 10;
    policy.limits.output_total_bytes = 2 * BYTES;
    policy.limits.wall = Duration::from_mins(5);
    policy.limits.cpu = Duration::from_mins(5);
    let before = own_memory();
    let attack = format!("flood bytes={BYTES}");
    let begun = Instant::now();
    let (ended, peaks) = watch(&[arena.own_process()], || {
        mode.attack(&arena, &attack, policy)
    });
    let elapsed = begun.elapsed().as_secs_f64();
    let total = ended.record.map_or(0, |record| record.stdout.total);
    assert!(total > BYTES, "the flood ended after {total} bytes");
    (
        BYTES as f64 / 1e6 / elapsed,
        peaks.own.saturating_sub(before),
    )
}
