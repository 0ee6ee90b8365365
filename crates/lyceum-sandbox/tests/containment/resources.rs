//! Group E: attacks on what the machine has. The host measures; limits must hold and be named.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lyceum_sandbox::{Exit, Job, Limits};

use crate::arena::Arena;
use crate::check::{Check, How, Trial};
use crate::residue::{self, Peaks, watch};
use crate::start::{Control, Ended, Mode, control};

const MEBIBYTE: u64 = 1 << 20;

/// Bytes by which a limit on memory may be exceeded.
pub(crate) const MEMORY_OVERSHOOT: u64 = 64 * MEBIBYTE;

/// An attack on memory gets through only if it does so often: without a control group the watchdog waits
/// for a processor like everybody else, which on a busy machine it may do for once.
pub(crate) const TRIES: usize = 3;

/// What may be written past a limit on disk before the watchdog runs: a twentieth of the limit, or this
/// on a busy machine. The figures in the table say how much it was.
const DISK_OVERSHOOT: (u64, u64) = (192 * MEBIBYTE, 2_000);

/// Processes that the kernel lets a tree have beyond the limit, so that the limit is seen exceeded, and
/// the helper's own.
const PROCESS_HEADROOM: u64 = 16 + 16;

const fn own(id: &'static str, what: &'static str, how: fn(&Mode) -> Trial) -> Check {
    Check {
        id,
        what,
        how: How::Own(how),
    }
}

pub(crate) const RESOURCES: &[Check] = &[
    own("E1", "start processes without end", fork_bomb),
    own("E2", "fill memory in one process", memory_of_one),
    own("E3", "fill memory in twenty processes", memory_of_many),
    own(
        "E4",
        "fill /dev/shm, /tmp and anonymous files",
        files_in_memory,
    ),
    own("E5a", "fill the disk with large files", disk_bytes),
    own("E5b", "fill the disk with small files", disk_files),
    own("E6", "flood the output with one endless line", flood),
    own("E7", "use all processors, and never end", time),
    own(
        "E8",
        "exhaust descriptors, timers, watches and threads",
        descriptors,
    ),
];

/// An attack on one limit, and how it ended.
struct Overuse {
    control: Peaks,
    inside: Peaks,
    exit: Exit,
    ended: Ended,
}

/// Makes an attack outside and, under changed limits, inside, and watches both.
fn overuse(
    mode: &Mode,
    outside: &str,
    inside: &str,
    limit: impl Fn(&mut Limits),
    over: impl Fn(Peaks) -> bool,
) -> Overuse {
    let arena = Arena::new();
    let (_, control) = watch(&[arena.own_process()], || {
        control(&arena, outside, Control::Plain)
    });
    drop(arena);
    let (inside, ended) = least(mode, inside, limit, over);
    let exit = ended
        .record
        .as_ref()
        .map_or(Exit::Lost, |record| record.exit.clone());
    Overuse {
        control,
        inside,
        exit,
        ended,
    }
}

/// Makes an attack inside until it does not get past what is allowed, at most [`TRIES`] times; returns
/// the last one.
pub(crate) fn least(
    mode: &Mode,
    attack: &str,
    limit: impl Fn(&mut Limits),
    over: impl Fn(Peaks) -> bool,
) -> (Peaks, Ended) {
    let mut tries = 0;
    loop {
        tries += 1;
        let arena = Arena::new();
        let mut policy = arena.policy();
        limit(&mut policy.limits);
        let (ended, inside) = watch(&[arena.own_process()], || {
            mode.attack(&arena, attack, policy)
        });
        if tries == TRIES || !over(inside) {
            return (inside, ended);
        }
    }
}

/// Runs the legitimate neighbour under the same limits.
fn twin(mode: &Mode, script: &str, limit: impl Fn(&mut Limits)) -> Result<(), String> {
    let arena = Arena::new();
    let mut policy = arena.policy();
    limit(&mut policy.limits);
    mode.twin(&arena, script, policy)
}

/// The limit was named as the reason of the end.
fn named(exit: &Exit, expected: &Exit) -> Trial {
    let trial = Trial::of("end without its reason", true, exit != expected);
    if exit == expected {
        trial
    } else {
        trial.with_note(format!("ended with {exit:?}"))
    }
}

fn fork_bomb(mode: &Mode) -> Trial {
    const LIMIT: u64 = 60;
    let limit = |limits: &mut Limits| limits.processes = LIMIT;
    // Another program of the host starts while the bomb goes off.
    let neighbour = std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(1));
        let begun = Instant::now();
        let _ = Command::new("true").status();
        begun.elapsed()
    });
    let over = |peaks: Peaks| peaks.processes > LIMIT + PROCESS_HEADROOM;
    let used = overuse(
        mode,
        "fork-bomb count=200",
        "fork-bomb count=2000",
        limit,
        over,
    );
    let waited = neighbour.join().unwrap_or(Duration::MAX);
    Trial::of("more processes", over(used.control), over(used.inside))
        .and(named(&used.exit, &Exit::ProcessLimit))
        .and(Trial::of(
            "stalled host",
            true,
            waited > Duration::from_secs(2),
        ))
        .with_twin(twin(
            mode,
            "for i in $(seq 20); do sleep 0.1 & done; wait",
            limit,
        ))
        .with_note(format!(
            "{} processes seen of {LIMIT} allowed",
            used.inside.processes
        ))
}

fn memory(mode: &Mode, outside: &str, inside: &str) -> Trial {
    const LIMIT: u64 = 128 * MEBIBYTE;
    let limit = |limits: &mut Limits| limits.memory_bytes = LIMIT;
    let over = |peaks: Peaks| peaks.anonymous > LIMIT + MEMORY_OVERSHOOT.max(LIMIT / 10);
    let used = overuse(mode, outside, inside, limit, over);
    let most = used.inside.anonymous / MEBIBYTE;
    Trial::of("more memory", over(used.control), over(used.inside))
        .and(named(&used.exit, &Exit::MemoryLimit))
        .with_twin(twin(mode, "perl -e '$x = \"a\" x (48 << 20)'", limit))
        .with_note(format!("{most} MiB seen of {} allowed", LIMIT / MEBIBYTE))
}

fn memory_of_one(mode: &Mode) -> Trial {
    let attack = "allocate bytes=419430400 processes=1";
    memory(mode, "allocate bytes=335544320 processes=1", attack)
}

fn memory_of_many(mode: &Mode) -> Trial {
    let attack = "allocate bytes=25165824 processes=20";
    memory(mode, attack, attack)
}

fn files_in_memory(mode: &Mode) -> Trial {
    const LIMIT: u64 = 64 * MEBIBYTE;
    let limit = |limits: &mut Limits| limits.memory_bytes = LIMIT;
    let over = |peaks: Peaks| peaks.shared > LIMIT + MEMORY_OVERSHOOT;
    let mut all = Trial::of("", true, false);
    for (outside, inside) in [
        ("/dev/shm", "/dev/shm"),
        ("memfd", "memfd"),
        ("/dev/shm", "/tmp"),
    ] {
        let attack = |place: &str| format!("fill places={place} bytes=301989888 files=1");
        let used = overuse(mode, &attack(outside), &attack(inside), limit, over);
        let counted = used
            .ended
            .record
            .is_some_and(|record| record.usage.peak_memory_bytes >= LIMIT * 9 / 10);
        let seen = format!("{inside} {} MiB", used.inside.shared / MEBIBYTE);
        all = all
            .and(Trial::of(
                &format!("more in {inside}"),
                over(used.control),
                over(used.inside),
            ))
            .and(Trial::of(&format!("uncounted {inside}"), true, !counted))
            .with_note_added(&seen);
    }
    all.with_twin(twin(
        mode,
        "head -c 16M /dev/zero > /dev/shm/x; head -c 16M /dev/zero > /tmp/x",
        limit,
    ))
}

/// Returns allocated bytes and files below a directory.
fn on_disk(directory: &Path) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    let mut sum = (0, 0);
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(status) = entry.path().symlink_metadata() else {
            continue;
        };
        sum.0 += status.blocks() * 512;
        sum.1 += 1;
        if status.is_dir() {
            let (bytes, files) = on_disk(&entry.path());
            sum = (sum.0 + bytes, sum.1 + files);
        }
    }
    sum
}

/// Makes an attack on the disk; returns what it left there in a control and inside, and its trial so far.
fn disk(
    mode: &Mode,
    outside: &str,
    inside: &str,
    limit: impl Fn(&mut Limits),
    over: impl Fn((u64, u64)) -> bool,
) -> ([(u64, u64); 2], Trial) {
    let arena = Arena::new();
    control(&arena, outside, Control::Plain);
    let free = on_disk(&arena.scratch.out());
    drop(arena);
    let mut tries = 0;
    loop {
        tries += 1;
        let arena = Arena::new();
        let mut policy = arena.policy();
        limit(&mut policy.limits);
        let ended = mode.attack(&arena, inside, policy);
        let bound = on_disk(&arena.scratch.upper());
        let exit = ended.record.map_or(Exit::Lost, |record| record.exit);
        if tries == TRIES || !over(bound) {
            return ([free, bound], named(&exit, &Exit::DiskLimit));
        }
    }
}

fn disk_bytes(mode: &Mode) -> Trial {
    const LIMIT: u64 = 256 * MEBIBYTE;
    let limit = |limits: &mut Limits| limits.disk_bytes = LIMIT;
    let over = |bytes: u64| bytes > LIMIT + DISK_OVERSHOOT.0.max(LIMIT / 20);
    let ([free, bound], trial) = disk(
        mode,
        "fill places={out} bytes=671088640 files=8 keep=1",
        "fill places={workspace} bytes=2147483648 files=32 keep=1",
        limit,
        |(bytes, _)| over(bytes),
    );
    trial
        .and(Trial::of("more bytes", over(free.0), over(bound.0)))
        .with_twin(twin(mode, "head -c 64M /dev/zero > /workspace/x", limit))
        .with_note(format!(
            "{} MiB left of {} allowed",
            bound.0 / MEBIBYTE,
            LIMIT / MEBIBYTE
        ))
}

fn disk_files(mode: &Mode) -> Trial {
    const LIMIT: u64 = 4_000;
    let limit = |limits: &mut Limits| limits.disk_files = LIMIT;
    let over = |files: u64| files > LIMIT + DISK_OVERSHOOT.1.max(LIMIT / 20);
    let ([free, bound], trial) = disk(
        mode,
        "files place={out} count=8000",
        "files place={workspace} count=40000",
        limit,
        |(_, files)| over(files),
    );
    trial
        .and(Trial::of("more files", over(free.1), over(bound.1)))
        .with_twin(twin(
            mode,
            "for i in $(seq 100); do : > /workspace/f$i; done",
            limit,
        ))
        .with_note(format!("{} files left of {LIMIT} allowed", bound.1))
}

fn flood(mode: &Mode) -> Trial {
    const KEPT: usize = 64 << 10;
    const BYTES: u64 = 512 << 20;
    let arena = Arena::new();
    let mut policy = arena.policy();
    policy.limits.output_bytes = KEPT as u64;
    policy.limits.output_total_bytes = 2 * BYTES;
    let before = residue::own_memory();
    let begun = Instant::now();
    let flood = format!("flood bytes={BYTES}");
    let (ended, peaks) = watch(&[arena.own_process()], || {
        mode.attack(&arena, &flood, policy)
    });
    let rate = BYTES as f64 / 1e6 / begun.elapsed().as_secs_f64();
    let record = ended.record.expect("an attack inside has a record");
    let grown = peaks.own.saturating_sub(before);
    let stored = record.stdout.head.len() + record.stdout.tail.len();
    // The naive reader of a control keeps all that it looks at.
    let naive = control(&arena, "flood bytes=33554432", Control::Plain)
        .output
        .len();
    Trial::of("more stored", naive > KEPT, stored > KEPT)
        .and(Trial::of("supervisor grown", true, grown >= 64 * MEBIBYTE))
        .and(Trial::of(
            "truncated in silence",
            true,
            !record.stdout.truncated,
        ))
        .and(Trial::of("miscounted", true, record.stdout.total < BYTES))
        .with_twin(twin(mode, "echo few words", |limits| {
            limits.output_bytes = KEPT as u64;
        }))
        .with_note(format!(
            "{rate:.0} MB/s, supervisor grew by {} MiB",
            grown / MEBIBYTE
        ))
}

/// Returns processor time that children of this process used, in seconds, once all are gone.
fn processor_time() -> f64 {
    let begun = Instant::now();
    while residue::tree(&[]).len() > 1 && begun.elapsed() < Duration::from_secs(3) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace();
    let ticks: u64 = fields
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    ticks as f64 / 100.0
}

fn time(mode: &Mode) -> Trial {
    const LIMIT: f64 = 0.5;
    let limit = |limits: &mut Limits| limits.cpu = Duration::from_secs_f64(LIMIT);
    let begun = processor_time();
    let arena = Arena::new();
    control(
        &arena,
        "spin processes=2 threads=2 seconds=0.4",
        Control::Plain,
    );
    let free = processor_time() - begun;
    let mut policy = arena.policy();
    limit(&mut policy.limits);
    let ended = mode.attack(
        &arena,
        "spin processes=2 threads=2 seconds=4",
        policy.clone(),
    );
    let bound = processor_time() - begun - free;
    let exit = ended.record.map_or(Exit::Lost, |record| record.exit);
    policy.limits = Limits {
        wall: Duration::from_millis(500),
        ..Limits::default()
    };
    let slept = Instant::now();
    let endless = mode.run(&Job::new(["sleep", "infinity"], policy));
    let slept = slept.elapsed();
    let mut sleeper = Command::new("sleep")
        .arg("infinity")
        .stdin(Stdio::null())
        .spawn()
        .expect("sleeps");
    std::thread::sleep(Duration::from_millis(700));
    let still = matches!(sleeper.try_wait(), Ok(None));
    let _ = sleeper.kill().and_then(|()| sleeper.wait());
    Trial::of(
        "more processor time",
        free > LIMIT + 0.5,
        bound > LIMIT + 0.5,
    )
    .and(named(&exit, &Exit::CpuLimit))
    .and(named(&endless.exit, &Exit::WallLimit))
    .and(Trial::of("endless", still, slept > Duration::from_secs(3)))
    .with_twin(twin(
        mode,
        "i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done",
        limit,
    ))
    .with_note(format!("{bound:.2} s used of {LIMIT} allowed"))
}

fn descriptors(mode: &Mode) -> Trial {
    let limit = |limits: &mut Limits| (limits.open_files, limits.processes) = (64, 60);
    let over = |peaks: Peaks| peaks.descriptors > 64;
    let over_threads = |peaks: Peaks| peaks.threads > 60 + PROCESS_HEADROOM;
    let open = overuse(mode, "open count=400", "open count=4000", limit, over);
    let threads = overuse(
        mode,
        "threads count=200",
        "threads count=2000",
        limit,
        over_threads,
    );
    Trial::of("more descriptors", over(open.control), over(open.inside))
        .and(Trial::of(
            "more threads",
            over_threads(threads.control),
            over_threads(threads.inside),
        ))
        .with_twin(twin(
            mode,
            "exec 9< /workspace/token 8< /data/victim",
            limit,
        ))
        .with_note(format!(
            "{} descriptors, {} threads seen",
            open.inside.descriptors, threads.inside.threads
        ))
}
