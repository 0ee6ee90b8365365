//! Commands without namespaces: what holds there, and what a person is told that does not.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::LazyLock;

use crate::common::{Place, processes_with, text, wait_until};
use lyceum_sandbox::{
    Access, Error, Exit, Job, Level, Link, Mount, Network, Policy, PolicyError, Record, Sandbox,
};

static ALONE: LazyLock<Sandbox> = LazyLock::new(|| match Sandbox::landlock_only() {
    Ok(sandbox) => sandbox,
    Err(refusal) => panic!(
        "these tests need Landlock 6, Linux 6.12: {refusal}\nhint: {}",
        refusal.remedy
    ),
});

fn run(script: &str, policy: Policy) -> Record {
    let job = Job::new(["sh", "-c", script], policy);
    ALONE
        .spawn(&job)
        .and_then(lyceum_sandbox::Running::wait)
        .expect("runs")
}

fn said(script: &str, policy: Policy) -> String {
    let record = run(script, policy);
    assert_eq!(record.exit, Exit::Code(0), "{}", text(&record));
    String::from_utf8_lossy(&record.stdout.joined()).into_owned()
}

#[test]
fn the_level_is_in_the_record_and_says_what_it_lacks() {
    let record = run("exit 3", Policy::default());
    assert_eq!(
        (record.level, record.exit),
        (Level::Landlock, Exit::Code(3))
    );
    assert!(!record.local_sockets);
    assert!(Level::Landlock.losses().len() > 5 && Level::Namespace.losses().is_empty());
    assert_eq!(ALONE.capabilities().level, Level::Landlock);
}

#[test]
fn host_files_are_neither_read_nor_written_nor_executed() {
    let place = Place::new();
    let secret = place.path().join("secret");
    std::fs::write(&secret, "sentinel").expect("writes");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&secret, open).expect("opens to all");
    std::fs::set_permissions(
        place.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .expect("opens to all");
    let path = secret.display();
    let attack = format!(
        "cat {path}; echo x >> {path}; rm -f {path}; mv {path} {path}2; ln {path} own; chmod 600 {path}; \
         touch {path}3; cat /etc/passwd /proc/1/cmdline; ls /proc; {path}; true"
    );
    let record = run(&format!("({attack}) 2>&1"), Policy::default());
    assert!(!text(&record).contains("sentinel"), "{}", text(&record));
    assert!(!text(&record).contains("root:x:"), "{}", text(&record));
    assert_eq!(
        std::fs::read_to_string(&secret).expect("is there"),
        "sentinel"
    );
    assert!(!place.path().join("secret3").exists());
    let mode = std::fs::metadata(&secret)
        .expect("is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o777);
}

#[test]
fn mounts_are_read_written_and_copied_under_the_hosts_paths() {
    let place = Place::new();
    for path in [place.path(), &place.lower()] {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, open).expect("opens to all");
    }
    let mut policy = place.policy();
    policy.mounts.push(Mount {
        source: place.scratch.out(),
        target: "/outputs".into(),
        access: Access::Write,
    });
    policy.mounts.push(Mount {
        source: place.lower().join("data"),
        target: "/data".into(),
        access: Access::Read,
    });
    policy.links.push(Link {
        at: "/opt/tools/show".into(),
        to: "/usr/bin/cat".into(),
    });
    policy.path.push("/opt/tools".into());
    policy.environment.insert("OUT".into(), "/outputs".into());
    let script = "show file /data/d; echo new > file; echo made > $OUT/made; echo x > /data/d || echo held; \
                  echo t > /tmp/t && echo t > $TMPDIR/u && ls /tmp | tr '\\n' ' '";
    assert_eq!(
        said(&format!("({script}) 2>/dev/null"), policy),
        "originaldataheld\nt u "
    );
    let made = std::fs::read_to_string(place.scratch.out().join("made")).expect("was made");
    assert_eq!(made, "made\n");
    let upper =
        std::fs::read_to_string(place.scratch.upper().join("file")).expect("is in the upper");
    let lower = std::fs::read_to_string(place.lower().join("file")).expect("is as it was");
    assert_eq!((upper.as_str(), lower.as_str()), ("new\n", "original"));
}

#[test]
fn there_is_no_network_and_no_socket() {
    let script = r#"perl -e 'use Socket;
        for (AF_UNIX, AF_INET, 16, 40) { socket(my $s, $_, SOCK_STREAM, 0) and print "socket $_ " }
        socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) and print "pair"'"#;
    assert_eq!(said(script, Policy::default()), "pair");
    let policy = Policy {
        network: Network::Allow(vec!["example.com:443".parse().expect("is a destination")]),
        ..Policy::default()
    };
    let refused = ALONE
        .spawn(&Job::new(["true"], policy))
        .expect_err("is refused");
    assert!(
        matches!(refused, Error::Policy(PolicyError::NetworkAlone)),
        "{refused:?}"
    );
}

#[test]
fn other_processes_are_out_of_reach() {
    let mut victim = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .expect("starts");
    let pid = victim.id();
    let script = format!(
        "kill -9 {pid} && echo killed; kill -9 -1; renice 19 {pid} && echo reniced; \
         prlimit --pid {pid} --nofile=1 && echo limited; kill -9 $PPID && echo keeper; true"
    );
    let record = run(
        &format!("({script}) 2>/dev/null; echo end"),
        Policy::default(),
    );
    let shown = text(&record);
    for breach in ["killed", "reniced", "limited", "keeper"] {
        assert!(!shown.contains(breach), "{shown}");
    }
    assert!(
        victim.try_wait().expect("can be asked").is_none(),
        "the victim died"
    );
    victim.kill().expect("can be killed");
    victim.wait().expect("ends");
}

#[test]
fn daemons_and_whole_trees_end_with_the_command_and_with_the_limits() {
    let marker = format!("31{}", std::process::id());
    let script = format!(
        "for i in 1 2 3 4 5 6 7 8; do (trap '' TERM HUP; setsid sleep {marker} &) ; done; sleep 0.2"
    );
    let record = run(&script, Policy::default());
    assert_eq!(record.exit, Exit::Code(0), "{}", text(&record));
    wait_until("all daemons are gone", || {
        processes_with(&marker).is_empty()
    });
    let mut policy = Policy::default();
    policy.limits.wall = std::time::Duration::from_millis(300);
    let record = run(&format!("setsid sleep {marker} & sleep {marker}"), policy);
    assert_eq!(record.exit, Exit::WallLimit);
    wait_until("the tree is gone", || processes_with(&marker).is_empty());
    let mut policy = Policy::default();
    policy.limits.memory_bytes = 64 << 20;
    assert_eq!(run("tail /dev/zero", policy).exit, Exit::MemoryLimit);
    let mut policy = Policy::default();
    policy.limits.cpu = std::time::Duration::from_millis(300);
    assert_eq!(run("while :; do :; done", policy).exit, Exit::CpuLimit);
    let mut policy = Policy::default();
    policy.limits.disk_bytes = 1 << 20;
    let script = "head -c 3000000 /dev/urandom > /tmp/f; sleep 30";
    assert_eq!(run(script, policy).exit, Exit::DiskLimit);
}

#[test]
fn nothing_is_left_of_a_stage() {
    let stages = || {
        let parent = std::env::temp_dir().canonicalize().expect("is there");
        let own = format!("lyceum-stage-{:x}-", std::process::id());
        let entries = std::fs::read_dir(parent).expect("lists").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with(&own)).count()
    };
    let record = run(
        "mkdir -p /tmp/a/b; chmod 0 /tmp/a/b; echo x > /home/y",
        Policy::default(),
    );
    assert!(record.usage.disk_files > 0, "{record:?}");
    // Other tests of this process have stages of their own while they run.
    wait_until("the stage is gone", || stages() <= 8);
}
