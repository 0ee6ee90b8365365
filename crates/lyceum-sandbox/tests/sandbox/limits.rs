//! Each limit has its own end, and nothing gets past it.

use std::time::Duration;

use crate::common::{Place, SANDBOX, mount, run, shell, text};
use lyceum_sandbox::{Access, Exit, Job, Policy};

fn policy(change: impl FnOnce(&mut lyceum_sandbox::Limits)) -> Policy {
    let mut policy = Policy::default();
    policy.limits.wall = Duration::from_mins(2);
    change(&mut policy.limits);
    policy
}

#[test]
fn wall_clock() {
    let limited = policy(|limits| limits.wall = Duration::from_millis(300));
    let record = run(&shell(
        "trap '' TERM HUP; sleep 1000 & sleep 1000",
        limited.clone(),
    ));
    assert_eq!(record.exit, Exit::WallLimit);
    assert!(
        record.usage.wall >= Duration::from_millis(300),
        "{:?}",
        record.usage
    );
    // Stopping itself does not stop the clock.
    assert_eq!(run(&shell("kill -STOP $$", limited)).exit, Exit::WallLimit);
}

#[test]
fn processor_time_of_the_whole_tree() {
    let limited = policy(|limits| limits.cpu = Duration::from_millis(500));
    let record = run(&shell(
        "for i in 1 2 3; do (while :; do :; done) & done; wait",
        limited.clone(),
    ));
    assert_eq!(record.exit, Exit::CpuLimit, "{}", text(&record));
    assert!(
        record.usage.cpu >= Duration::from_millis(400),
        "{:?}",
        record.usage
    );
    // Short-lived children count too.
    let fleeting = "while :; do (i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done) & wait; done";
    assert_eq!(run(&shell(fleeting, limited)).exit, Exit::CpuLimit);
}

#[test]
fn processor_time_is_measured() {
    let record = run(&shell(
        "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done",
        policy(|_| {}),
    ));
    let usage = &record.usage;
    assert!(usage.cpu > Duration::from_millis(20), "{usage:?}");
    assert!(
        usage.workload_wall > Duration::from_millis(20) && usage.workload_wall < usage.wall,
        "{usage:?}"
    );
    let slept = run(&shell("sleep 0.3", policy(|_| {}))).usage;
    assert!(
        slept.workload_wall >= Duration::from_millis(300),
        "{slept:?}"
    );
    assert!(slept.cpu < Duration::from_millis(150), "{slept:?}");
}

#[test]
fn processor_time_of_children_that_nobody_reaps_is_counted() {
    // The kernel ends the child after one second of its own processor time.
    // (Not by a trap: `dash` catches this signal whatever the trap says.)
    let script = r#"$SIG{CHLD} = "IGNORE";
        fork or exec "sh", "-c", "ulimit -t 1; while :; do :; done";
        print wait;"#;
    let record = run(&Job::new(["perl", "-e", script], policy(|_| {})));
    // It waited until the child was gone, and there was none to reap.
    assert_eq!(record.stdout.joined(), b"-1", "{}", text(&record));
    assert!(
        record.usage.cpu >= Duration::from_millis(500),
        "{:?}",
        record.usage
    );
}

#[test]
fn a_single_process_starts_threads_only() {
    let probe = std::path::Path::new(env!("CARGO_BIN_EXE_lyceum-sandbox-probe"));
    let probe = probe.canonicalize().expect("resolves");
    let mut single = Policy {
        mounts: vec![mount(&probe, "/probe", Access::Read)],
        single_process: true,
        ..Policy::default()
    };
    let job = |policy: &Policy| Job::new(["/probe", "start"], policy.clone());
    let record = run(&job(&single));
    assert_eq!(
        String::from_utf8_lossy(&record.stdout.joined()),
        "threads Some(6), process Err(PermissionDenied)\n",
        "{}",
        text(&record)
    );
    assert_eq!(run(&shell("(:); echo on", single.clone())).stdout.total, 0);
    // Replacing itself starts no process.
    let replaced = run(&shell("exec echo on", single.clone()));
    assert_eq!(replaced.stdout.joined(), b"on\n", "{}", text(&replaced));
    if cfg!(target_arch = "x86_64") {
        // fork, vfork, and clone of a process that shares its memory but is no thread.
        for call in ["57", "58", "56, 0x4111, 0, 0, 0, 0"] {
            let script = format!("exec perl -e '$r = syscall({call}); print \"$r \", $! + 0'");
            let refused = run(&shell(&script, single.clone()));
            assert_eq!(
                refused.stdout.joined(),
                b"-1 1",
                "{call}: {}",
                text(&refused)
            );
        }
    }
    // The benign twin.
    single.single_process = false;
    let twin = run(&job(&single));
    assert!(
        twin.stdout
            .joined()
            .starts_with(b"threads Some(6), process Ok("),
        "{}",
        text(&twin)
    );
}

#[test]
fn memory_of_one_process() {
    let limited = policy(|limits| limits.memory_bytes = 128 << 20);
    // `tail` keeps the last line, which never ends.
    let record = run(&Job::new(["tail", "/dev/zero"], limited));
    assert_eq!(record.exit, Exit::MemoryLimit, "{}", text(&record));
    assert!(
        record.usage.peak_memory_bytes > 128 << 20,
        "{:?}",
        record.usage
    );
}

#[test]
fn memory_spread_over_many_processes() {
    let limited = policy(|limits| limits.memory_bytes = 200 << 20);
    let script = "for i in $(seq 10); do perl -e '$x = \"a\" x (40 << 20); sleep 60' & done; wait";
    let record = run(&shell(script, limited.clone()));
    assert_eq!(record.exit, Exit::MemoryLimit, "{}", text(&record));
    // The benign twin: each of them alone is within the limit.
    let twin = run(&shell("perl -e '$x = \"a\" x (40 << 20)'", limited));
    assert_eq!(twin.exit, Exit::Code(0));
}

#[test]
fn files_in_memory_are_bounded_and_count() {
    let limited = policy(|limits| limits.memory_bytes = 64 << 20);
    let filled = run(&shell(
        "head -c 200M /dev/zero > /dev/shm/big; sleep 5",
        limited.clone(),
    ));
    // The size of the file system or the keeper, whichever sees it first.
    assert!(
        matches!(filled.exit, Exit::MemoryLimit | Exit::Code(0)),
        "{}",
        text(&filled)
    );
    assert!(
        filled.usage.peak_memory_bytes >= 60 << 20,
        "{:?}",
        filled.usage
    );
    let together = "head -c 40M /dev/zero > /tmp/big; perl -e '$x = \"a\" x (50 << 20); sleep 60'";
    assert_eq!(
        run(&shell(together, limited.clone())).exit,
        Exit::MemoryLimit
    );
    if cfg!(target_arch = "x86_64") {
        let nameless = r#"perl -e 'my $f = syscall(319, my $n = "m", 0); open(my $h, ">&=", $f) or die;
            my $x = "a" x (1 << 20); for (1 .. 100) { print $h $x } $h->flush; sleep 60'"#;
        let record = run(&shell(nameless, limited));
        assert_eq!(record.exit, Exit::MemoryLimit, "{}", text(&record));
    }
}

#[test]
fn processes() {
    let limited = policy(|limits| limits.processes = 40);
    // The shell ends as soon as it can start no more: the limit is what ended it.
    let crowd = "while :; do sleep 60 & done";
    let record = run(&shell(crowd, limited.clone()));
    assert_eq!(record.exit, Exit::ProcessLimit, "{}", text(&record));
    // A bomb whose own processes die of it may leave nothing to stop; it must only stay small.
    let bomb = run(&shell("f() { f | f & }; f; sleep 1", limited.clone()));
    // Sixteen to spare for the sandbox's own, and what is between being born and being refused.
    for record in [&record, &bomb] {
        assert!(record.usage.processes_peak <= 40 + 32, "{:?}", record.usage);
    }
    let twin = run(&shell(
        "for i in $(seq 20); do sleep 0.2 & done; wait",
        limited,
    ));
    assert_eq!(twin.exit, Exit::Code(0), "{}", text(&twin));
}

#[test]
fn disk_bytes_in_one_file_many_files_and_files_without_a_name() {
    for script in [
        "head -c 200M /dev/zero > big; sleep 60",
        "for i in $(seq 100); do head -c 2M /dev/zero > part$i; done; sleep 60",
        "exec 5> gone; rm gone; head -c 60M /dev/zero >&5; sleep 60",
        "mkdir d; head -c 60M /dev/zero > d/x; chmod 000 d; sleep 60",
        // Over the limit and gone before anybody looked.
        "head -c 35M /dev/zero > big",
    ] {
        let place = Place::new();
        let mut limited = place.policy();
        limited.limits.disk_bytes = 32 << 20;
        let record = run(&shell(script, limited));
        assert_eq!(
            record.exit,
            Exit::DiskLimit,
            "`{script}`: {}",
            text(&record)
        );
        assert!(
            record.usage.disk_bytes <= 64 << 20,
            "`{script}`: {:?}",
            record.usage
        );
    }
}

#[test]
fn disk_files() {
    let place = Place::new();
    let mut limited = place.policy();
    limited.limits.disk_files = 500;
    let record = run(&shell(
        "for i in $(seq 5000); do : > f$i; done; sleep 60",
        limited,
    ));
    assert_eq!(record.exit, Exit::DiskLimit, "{}", text(&record));
    let place = Place::new();
    let twin = run(&shell(
        "for i in $(seq 50); do : > f$i; done",
        place.policy(),
    ));
    assert_eq!((twin.exit, twin.usage.disk_files), (Exit::Code(0), 50));
}

#[test]
fn a_flood_of_output_is_counted_stopped_and_bounded_in_memory() {
    let before = resident_bytes();
    let limited = policy(|limits| {
        limits.output_bytes = 64 << 10;
        limits.output_total_bytes = 2 << 30;
    });
    let record = run(&shell("head -c 1G /dev/zero; echo end", limited.clone()));
    assert_eq!(record.exit, Exit::Code(0), "{}", text(&record));
    assert_eq!(record.stdout.total, (1 << 30) + 4);
    assert!(record.stdout.truncated && record.stdout.tail.ends_with(b"end\n"));
    assert!(record.stdout.head.len() + record.stdout.tail.len() <= 64 << 10);
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "the supervisor grew by {grown} bytes");
    let endless = policy(|limits| limits.output_total_bytes = 10 << 20);
    assert_eq!(run(&shell("yes", endless)).exit, Exit::OutputLimit);
}

#[test]
fn open_files_are_bounded() {
    let limited = policy(|limits| limits.open_files = 64);
    let script = "perl -e 'my @f; while (open(my $f, \"<\", \"/dev/null\")) { push @f, $f } print scalar @f'";
    let record = run(&shell(script, limited));
    let opened: usize = String::from_utf8(record.stdout.head)
        .expect("text")
        .parse()
        .expect("a number");
    assert!((50..64).contains(&opened), "{opened}");
}

#[test]
fn processors_are_pinned() {
    let pinned = Policy {
        cpus: vec![0],
        ..Policy::default()
    };
    let record = run(&shell("grep Cpus_allowed_list /proc/self/status", pinned));
    assert_eq!(record.stdout.head, b"Cpus_allowed_list:\t0\n");
}

#[test]
fn a_kill_names_its_cause_and_the_first_one_stays() {
    let running = SANDBOX
        .spawn(&shell("sleep 1000", policy(|_| {})))
        .expect("starts");
    let killer = running.killer();
    std::thread::spawn(move || {
        killer.kill("budget spent");
        killer.kill("second thoughts");
    });
    let record = running.wait().expect("ends");
    assert_eq!(
        record.exit,
        Exit::Killed {
            cause: "budget spent".into()
        }
    );
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("reads");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("has a line");
    line.trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .expect("a number")
        * 1_024
}

#[test]
fn output_in_all_is_judged_exactly_when_the_command_ends() {
    for (bytes, exit) in [(1_000, Exit::Code(0)), (1_001, Exit::OutputLimit)] {
        let limited = policy(|limits| limits.output_total_bytes = 1_000);
        let script = format!(
            "head -c {} /dev/zero; head -c {} /dev/zero >&2",
            bytes - 400,
            400
        );
        let record = run(&shell(&script, limited));
        assert_eq!((record.exit, record.usage.output_bytes), (exit, bytes));
    }
}

#[test]
fn a_record_says_what_held_each_limit() {
    let record = run(&shell("true", policy(|_| {})));
    assert_eq!(record.limits, SANDBOX.capabilities().limits);
}
