//! Group F: attacks that try to outlive the command.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lyceum_sandbox::{Exit, Job, ProcessIdentity, reap, scratch};

use crate::arena::{Arena, Side};
use crate::check::{Check, How, Trial};
use crate::residue::{self, watch};
use crate::start::{Control, Mode, control};
use crate::{raw, residue::tree};

/// A tree that was stopped is gone within this time.
pub(crate) const GONE: Duration = Duration::from_secs(2);

const fn own(id: &'static str, what: &'static str, how: fn(&Mode) -> Trial) -> Check {
    Check {
        id,
        what,
        how: How::Own(how),
    }
}

pub(crate) const LIFETIME: &[Check] = &[
    own("F1", "leave a daemon that is deaf to signals", daemon),
    own(
        "F2",
        "let a tree of two hundred outlive the time limit",
        deaf_tree,
    ),
    own("F3", "outlive a supervisor that was killed", orphaned),
    own(
        "F4",
        "exhaust process numbers with a thousand orphans",
        zombies,
    ),
    own("F5", "stop itself, so that no time passes", stopped),
    own(
        "F6",
        "leave something when twenty are killed at random times",
        killed,
    ),
];

/// Returns how many processes of an attack live, beside the arena's own.
pub(crate) fn alive(arena: &Arena) -> usize {
    let mark = format!("nonce={}", arena.nonce);
    let members = tree(&[arena.own_process()]);
    let living = members.iter().filter(|member| member.state != 'Z');
    living
        .filter(|member| {
            let line = fs::read(format!("/proc/{}/cmdline", member.pid)).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&mark)
        })
        .count()
}

/// Waits until a number of processes live; gives up after a while.
pub(crate) fn wait_for(arena: &Arena, at_least: usize) -> bool {
    let begun = Instant::now();
    while alive(arena) < at_least {
        if begun.elapsed() > Duration::from_secs(20) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// Returns whether something still lives when it should be gone, and how long it took.
pub(crate) fn survives(arena: &Arena) -> (bool, Duration) {
    let begun = Instant::now();
    while alive(arena) > 0 {
        if begun.elapsed() > GONE {
            return (true, begun.elapsed());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    (false, begun.elapsed())
}

/// Starts an attack outside, without waiting for its end.
pub(crate) fn loose(arena: &Arena, attack: &str) -> Child {
    let words = arena.arguments(attack, Side::Outside);
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.spawn().expect("the attack program starts")
}

/// Returns whether something of an attack lives on when its first process is killed.
fn survives_its_first(arena: &Arena, attack: &str, processes: usize) -> bool {
    let mut first = loose(arena, attack);
    wait_for(arena, processes);
    let _ = first.kill().and_then(|()| first.wait());
    std::thread::sleep(Duration::from_millis(50));
    let lives = alive(arena) > 0;
    residue::kill_descendants(&[arena.own_process()]);
    lives
}

fn exit_of(record: Option<lyceum_sandbox::Record>) -> Exit {
    record.map_or(Exit::Lost, |record| record.exit)
}

fn daemon(mode: &Mode) -> Trial {
    let arena = Arena::new();
    let _ = loose(&arena, "daemon").wait();
    let free = alive(&arena) > 0;
    residue::kill_descendants(&[arena.own_process()]);
    drop(arena);
    let arena = Arena::new();
    let begun = Instant::now();
    let ended = mode.attack(&arena, "daemon", arena.policy());
    let waited = begun.elapsed();
    let (lives, _) = survives(&arena);
    let exit = exit_of(ended.record);
    Trial::of("alive", free, lives)
        .and(Trial::of(
            "kept waiting",
            true,
            waited > Duration::from_secs(5) || exit != Exit::Code(0),
        ))
        .with_twin(mode.twin(&arena, "sleep 0.1 & wait", arena.policy()))
        .with_note(format!("the record came after {} ms", waited.as_millis()))
}

fn deaf_tree(mode: &Mode) -> Trial {
    let arena = Arena::new();
    let free = survives_its_first(&arena, "tree count=30", 30);
    let mut policy = arena.policy();
    policy.limits.wall = Duration::from_millis(1_500);
    let ended = mode.attack(&arena, "tree count=200", policy);
    let (lives, _) = survives(&arena);
    let record = ended.record.expect("an attack inside has a record");
    let grown = record.usage.processes_peak;
    let over = record
        .usage
        .wall
        .saturating_sub(Duration::from_millis(1_500));
    Trial::of("alive", free, lives || over > GONE + Duration::from_secs(1))
        .and(Trial::of(
            "end without its reason",
            true,
            record.exit != Exit::WallLimit,
        ))
        .and(Trial::of("grown tree", grown >= 200, false))
        .with_twin(mode.twin(&arena, "sleep 0.2 & sleep 0.1; wait", arena.policy()))
        .with_note(format!(
            "{grown} processes gone {} ms after the limit",
            over.as_millis()
        ))
}

/// A copy of the supervisor that tests can start and kill, with a job file.
pub(crate) fn supervisor(mode: &Mode, arena: &Arena, job: &Job) -> (PathBuf, Vec<String>) {
    let path = arena.path("job.json");
    fs::write(
        &path,
        serde_json::to_vec(job).expect("a job can be written"),
    )
    .expect("writes");
    let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o644));
    let mut arguments = vec![path.display().to_string()];
    arguments.extend(mode.supervisor_arguments());
    (
        PathBuf::from(env!("CARGO_BIN_EXE_lyceum-sandbox-probe")),
        arguments,
    )
}

fn orphaned(mode: &Mode) -> Trial {
    let arena = Arena::new();
    let free = survives_its_first(&arena, "tree count=10", 10);
    let job = Job::new(
        arena.arguments("tree count=50", Side::Inside),
        arena.policy(),
    );
    let (program, arguments) = supervisor(mode, &arena, &job);
    let mut supervisor = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the supervisor starts");
    let mut line = String::new();
    if let Some(stdout) = supervisor.stdout.take() {
        let _ = BufReader::new(stdout).read_line(&mut line);
    }
    let identity = serde_json::from_str::<serde_json::Value>(&line)
        .ok()
        .and_then(|value| {
            serde_json::from_value::<ProcessIdentity>(value.get("identity")?.clone()).ok()
        });
    let grown = wait_for(&arena, 50);
    let _ = supervisor.kill().and_then(|()| supervisor.wait());
    let (lives, after) = survives(&arena);
    let begun = Instant::now();
    while identity.as_ref().is_some_and(ProcessIdentity::is_alive) && begun.elapsed() < GONE {
        std::thread::sleep(Duration::from_millis(2));
    }
    let stray = identity.as_ref().is_none_or(reap);
    Trial::of("alive", free, lives)
        .and(Trial::of("stray identity", grown, stray))
        .with_twin(mode.twin(&arena, "sleep 0.1", arena.policy()))
        .with_note(format!(
            "gone {} ms after the supervisor",
            after.as_millis()
        ))
}

fn zombies(mode: &Mode) -> Trial {
    const FEW: u64 = 200;
    let arena = Arena::new();
    let except = [arena.own_process()];
    let (_, free) = watch(&except, || {
        control(&arena, "orphans count=1000", Control::Plain)
    });
    let (ended, bound) = watch(&except, || {
        mode.attack(&arena, "orphans count=1000", arena.policy())
    });
    let made = exit_of(ended.record) == Exit::Code(0);
    Trial::of("zombies", free.zombies > FEW, bound.zombies > FEW)
        .and(Trial::of("a thousand orphans", made, false))
        .with_twin(mode.twin(
            &arena,
            "for i in $(seq 50); do (/bin/true &); done",
            arena.policy(),
        ))
        .with_note(format!("{} zombies seen at once", bound.zombies))
}

fn stopped(mode: &Mode) -> Trial {
    let arena = Arena::new();
    let mut first = loose(&arena, "stop");
    std::thread::sleep(Duration::from_millis(900));
    let free = matches!(first.try_wait(), Ok(None));
    residue::kill_descendants(&[arena.own_process()]);
    let _ = first.wait();
    let mut policy = arena.policy();
    policy.limits.wall = Duration::from_millis(600);
    let ended = mode.attack(&arena, "stop", policy);
    let (lives, _) = survives(&arena);
    let exit = exit_of(ended.record);
    Trial::of("alive", free, lives || exit != Exit::WallLimit).with_twin(mode.twin(
        &arena,
        "sleep 9 & kill -STOP $!; kill -CONT $!; kill $!; wait $! || test $? = 143",
        arena.policy(),
    ))
}

/// Ends a sandbox in one of several rude ways.
fn end_somehow(way: usize, running: lyceum_sandbox::Running) {
    let identity = running.identity();
    match way % 5 {
        0 => {
            running.killer().kill("chance");
            let _ = running.wait();
        }
        1 => drop(running),
        2 => {
            reap(&identity);
            let _ = running.wait();
        }
        3 => {
            // Its first process outside: what watches it is gone, so it must go.
            if let Some(keeper) = parent(identity.pid) {
                raw::kill(keeper);
            }
            let _ = running.wait();
        }
        _ => {
            running.killer().kill("chance");
            drop(running);
        }
    }
}

/// Returns the parent of a process, if that is not this one.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after = stat.get(stat.rfind(')')? + 1..)?;
    let parent = after.split_ascii_whitespace().nth(1)?.parse().ok()?;
    (parent != std::process::id() as i32 && parent > 1).then_some(parent)
}

fn killed(mode: &Mode) -> Trial {
    let arena = Arena::new();
    let free = survives_its_first(&arena, "tree count=5", 5);
    let mut places = Vec::new();
    let mut threads = Vec::new();
    for way in 0..20 {
        let place = scratch::create(&arena.path("more"), "run").or_else(|_| {
            fs::create_dir_all(arena.path("more"))?;
            scratch::create(&arena.path("more"), "run")
        });
        let place = place.expect("makes a scratch");
        let mut policy = arena.policy();
        policy.mounts[0].access = lyceum_sandbox::Access::Overlay {
            upper: place.upper(),
            work: place.work(),
        };
        let job = Job::new(arena.arguments("tree count=5", Side::Inside), policy);
        let running = mode.sandbox.spawn(&job).expect("starts");
        let random = u64::from_str_radix(&raw::random(1), 16).unwrap_or(0);
        threads.push(std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(random / 2));
            end_somehow(way, running);
        }));
        places.push(place);
    }
    let ended = threads.into_iter().all(|thread| thread.join().is_ok());
    let (lives, after) = survives(&arena);
    let removed = places
        .iter()
        .all(|place| scratch::remove(place.path()).is_ok());
    let left = scratch::leftovers(&arena.path("more"), "run").map_or(1, |left| left.len());
    Trial::of("alive", free, lives || !ended)
        .and(Trial::of("directories", true, !removed || left > 0))
        .with_twin(mode.twin(&arena, "true", arena.policy()))
        .with_note(format!("all gone after {} ms", after.as_millis()))
}
