//! Group X: attacks that are on no list. Some were found by looking for what the others miss.

use std::process::Command;
use std::time::Duration;

use lyceum_sandbox::{Exit, Job, Limits};

use crate::arena::Arena;
use crate::attacks::devices;
use crate::check::{Attack, Check, How, Trial, attack};
use crate::lifetimes::{alive, loose, supervisor, survives};
use crate::residue::{self, Peaks, watch};
use crate::resources::{MEMORY_OVERSHOOT, TRIES, least};
use crate::start::Control::{Namespaces, Plain};
use crate::start::{Control, Mode, control, outside};

const MEBIBYTE: u64 = 1 << 20;

const fn check(id: &'static str, what: &'static str, attack: Attack) -> Check {
    Check {
        id,
        what,
        how: How::Attack(attack),
    }
}

const fn own(id: &'static str, what: &'static str, how: fn(&Mode) -> Trial) -> Check {
    Check {
        id,
        what,
        how: How::Own(how),
    }
}

pub(crate) const BEYOND: &[Check] = &[
    check(
        "X1",
        "connect to a host's socket that lies in a mounted directory",
        attack(
            "connect paths={data}/service.sock",
            &["reached path socket"],
            "test -S /data/service.sock",
        ),
    ),
    check(
        "X2",
        "write to a host's pipe that lies in a mounted directory",
        attack(
            "pipes paths={data}/pipe",
            &["reached pipe"],
            "mkfifo /workspace/own; (echo x > /workspace/own &); read -r line < /workspace/own",
        ),
    ),
    check(
        "X3",
        "use devices through a mounted /dev",
        Attack {
            adjust: devices,
            ..attack(
                "devices-at place={devices} terminal={terminal}",
                &["reached terminal", "reach device"],
                "test -e /devices/null",
            )
        },
    ),
    check(
        "X4",
        "leave a program with capabilities",
        Attack {
            controls: &[Plain, Namespaces("")],
            ..attack(
                "mark places={out},{workspace}",
                &["made capable", "reach file capability"],
                "cp /bin/true /out/own",
            )
        },
    ),
    check(
        "X5",
        "write to the page cache of a read-only file",
        attack(
            "mapping paths={data}/victim",
            &["changed data"],
            "perl -e 'open(my $f, \"+<\", \"/workspace/original\") or exit 1'",
        ),
    ),
    check(
        "X6",
        "crash into the host's handler of crashes",
        attack(
            "crash",
            &["reach core handler"],
            "ulimit -c 0; sh -c 'kill -SEGV $$' || test $? = 139",
        ),
    ),
    own(
        "X7",
        "hide memory in a process without its first thread",
        headless,
    ),
    own(
        "X8",
        "hide memory files without a first thread",
        headless_file,
    ),
    own("X9", "hide memory files in a socket", in_flight),
    own("X10", "fill buffers of the kernel through sockets", buffers),
    own(
        "X11",
        "fill the kernel with semaphores and messages",
        semaphores,
    ),
    own("X12", "wait where signals do not reach", stall),
    check(
        "X13",
        "more calls of the kernel",
        Attack {
            root_breaches: &["reach fanotify_init"],
            ..attack(
                "calls group=more",
                &[
                    "reach kcmp",
                    "reach name_to_handle_at",
                    "reach process_madvise",
                    "reach move_pages",
                ],
                "true",
            )
        },
    ),
    check(
        "X14",
        "be spared when memory runs out",
        attack(
            "spare-me",
            &["reach spared"],
            "cat /proc/self/oom_score > /dev/null",
        ),
    ),
    own(
        "X15",
        "hide memory files in a thread with its own descriptors",
        own_table,
    ),
    own(
        "X16",
        "hide memory in a shared mapping that is let go",
        |mode| memory(mode, "shared-mapping bytes=234881024", |peaks| peaks.shared),
    ),
    own("X17", "hide memory in tables of pages", |mode| {
        memory(mode, "page-tables bytes=234881024", |peaks| peaks.kernel)
    }),
    own("X18", "leave messages of senders that are gone", |mode| {
        memory(mode, "datagrams pairs=450 processes=4", |peaks| {
            peaks.kernel
        })
    }),
    check(
        "X19",
        "make pipes longer",
        attack("long-pipe", &["reach long pipe"], "seq 9000 | tail -n 1"),
    ),
    check(
        "X20",
        "each refused call, one by one",
        attack(
            "calls group=each",
            &[
                "reach unshare",
                "reach setns",
                "reach clone3",
                "reach openat2",
                "reach ptrace",
                "reach process_vm_readv",
                "reach process_vm_writev",
                "reach pidfd_getfd",
                "reach keyctl",
                "reach add_key",
                "reach request_key",
                "reach msgget",
                "reach vmsplice",
            ],
            "true",
        ),
    ),
    own(
        "X21",
        "let mounts of the sandbox spread to the host",
        propagation,
    ),
    own(
        "X22",
        "leave answers of the kernel unread in netlink sockets",
        |mode| {
            memory(
                mode,
                "unread-answers sockets=400 processes=4 bytes=234881024",
                |peaks| peaks.kernel,
            )
        },
    ),
    own("X23", "leave notices about files unread", |mode| {
        memory(
            mode,
            "unread-notices place=/dev/shm instances=60",
            |peaks| peaks.kernel,
        )
    }),
    own("X24", "hide memory in links in memory", |mode| {
        memory(mode, "links-in-memory links=300000", |peaks| peaks.kernel)
    }),
    own(
        "X25",
        "begin the queues of gone senders with nothing",
        |mode| {
            let attack = "datagrams pairs=450 processes=4 first=empty";
            memory(mode, attack, |peaks| peaks.kernel)
        },
    ),
];

/// Memory that an attack gets past its limit of 64 MiB; it tries for 224.
fn memory(mode: &Mode, attack: &str, of: fn(Peaks) -> u64) -> Trial {
    const LIMIT: u64 = 64 * MEBIBYTE;
    let over = |peaks: Peaks| of(peaks) > LIMIT + MEMORY_OVERSHOOT;
    let arena = Arena::new();
    // Memory that others give back meanwhile hides what the control takes.
    let mut free = Peaks::default();
    for _ in 0..TRIES {
        (_, free) = watch(&[arena.own_process()], || {
            control(&arena, attack, Control::Plain)
        });
        if over(free) {
            break;
        }
    }
    let limit = |limits: &mut Limits| limits.memory_bytes = LIMIT;
    let (bound, ended) = least(mode, attack, limit, over);
    let exit = ended.record.map_or(Exit::Lost, |record| record.exit);
    let seen = format!(
        "{} MiB seen of {} allowed, {exit:?}",
        of(bound) / MEBIBYTE,
        LIMIT / MEBIBYTE
    );
    Trial::of("more memory", over(free), over(bound))
        .with_twin(mode.twin(&arena, "perl -e '$x = \"a\" x (8 << 20)'", arena.policy()))
        .with_note(seen)
}

fn headless(mode: &Mode) -> Trial {
    memory(mode, "headless bytes=234881024", |peaks| peaks.anonymous)
}

fn headless_file(mode: &Mode) -> Trial {
    memory(mode, "headless bytes=234881024 in=memfd", |peaks| {
        peaks.shared
    })
}

fn own_table(mode: &Mode) -> Trial {
    memory(mode, "own-table bytes=234881024", |peaks| peaks.shared)
}

fn in_flight(mode: &Mode) -> Trial {
    memory(mode, "in-flight bytes=234881024", |peaks| peaks.shared)
}

fn buffers(mode: &Mode) -> Trial {
    memory(mode, "buffers pairs=300 processes=4", |peaks| peaks.kernel)
}

fn semaphores(mode: &Mode) -> Trial {
    memory(mode, "semaphores megabytes=200", |peaks| peaks.kernel)
}

fn stall(mode: &Mode) -> Trial {
    let arena = Arena::new();
    let mut first = loose(&arena, "stall");
    std::thread::sleep(Duration::from_millis(900));
    let free = matches!(first.try_wait(), Ok(None)) && alive(&arena) > 0;
    residue::kill_descendants(&[arena.own_process()]);
    let _ = first.wait();
    let mut policy = arena.policy();
    policy.limits.wall = Duration::from_millis(600);
    let ended = mode.attack(&arena, "stall", policy);
    let (lives, _) = survives(&arena);
    let exit = ended.record.map_or(Exit::Lost, |record| record.exit);
    Trial::of("alive", free, lives || exit != Exit::WallLimit)
        .with_twin(mode.twin(&arena, "sh -c true", arena.policy()))
        .with_note(format!("{exit:?}"))
}

/// Mounts of the host while something runs: where mounts are shared, a carelessly made one spreads.
fn propagation(mode: &Mode) -> Trial {
    let arena = Arena::new();
    let job = Job::new(["sleep", "0.4"], arena.policy());
    let (program, arguments) = supervisor(mode, &arena, &job);
    let careless =
        "unshare --mount --propagation unchanged sh -c 'mount -t tmpfs none /mnt; sleep 0.4'";
    let careful = format!("'{}' {}", program.display(), arguments.join(" "));
    let spread = |what: &str| {
        // A namespace of its own takes the place of the host, so that this one's stay as they are.
        let script = format!(
            "mount --make-rshared /\nbefore=$(cat /proc/self/mountinfo)\n{what} > /dev/null & child=$!\n\
             changed=0\nwhile kill -0 $child 2> /dev/null; do\n\
             [ \"$(cat /proc/self/mountinfo)\" = \"$before\" ] || changed=1\nsleep 0.02\ndone\n\
             wait $child || echo failed $?\necho changed $changed"
        );
        let mut command = Command::new("unshare");
        if !mode.root {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
        String::from_utf8_lossy(&outside(&mut command, &arena)).into_owned()
    };
    let (free, bound) = (spread(careless), spread(&careful));
    let mut trial = Trial::of(
        "spread mount",
        free.contains("changed 1"),
        bound.contains("changed 1"),
    );
    if !bound.contains("changed 0") || bound.contains("failed") {
        trial.made = Err(bound);
    }
    trial.with_twin(mode.twin(&arena, "cat /proc/self/mounts > /dev/null", arena.policy()))
}
