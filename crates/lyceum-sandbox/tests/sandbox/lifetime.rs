//! Nothing outlives its sandbox, and no sandbox outlives its supervisor.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{SANDBOX, output, processes_with, run, shell, text, wait_until};
use lyceum_sandbox::{
    Backend, Cause, Exit, Job, Policy, ProcessIdentity, Record, Refusal, Role, reap,
};

/// Tree kill within this time is a bar of the design.
const TREE_KILL_MAX: Duration = Duration::from_secs(5);

/// What the probe is told.
const BACKEND_NAME: &str = match crate::BACKEND {
    Backend::Native => "native",
    Backend::Bwrap => "bwrap",
};

fn marker(name: &str) -> String {
    format!("lyceum-{name}-{}", std::process::id())
}

#[test]
fn a_daemon_dies_with_the_command() {
    let marker = marker("daemon");
    let script = format!(
        "setsid bash -c 'trap \"\" TERM HUP; setsid bash -c \"exec -a {marker} sleep 1000\" &' </dev/null &
         sleep 0.3; echo done"
    );
    let begun = Instant::now();
    let record = run(&Job::new(["bash", "-c", &script], Policy::default()));
    assert_eq!(record.exit, Exit::Code(0), "{}", text(&record));
    assert_eq!(record.stdout.head, b"done\n");
    assert!(begun.elapsed() < TREE_KILL_MAX);
    assert_eq!(processes_with(&marker), Vec::<i32>::new());
}

#[test]
fn a_tree_of_two_hundred_dies_at_once() {
    let marker = marker("tree");
    let mut policy = Policy::default();
    policy.limits.processes = 300;
    let script = format!(
        "for i in $(seq 200); do (trap '' TERM HUP; exec -a {marker} sleep 1000) & done; wait"
    );
    let running = SANDBOX
        .spawn(&Job::new(["bash", "-c", &script], policy))
        .expect("starts");
    // The shell has the marker in its arguments, too.
    wait_until("200 processes", || processes_with(&marker).len() > 200);
    let begun = Instant::now();
    running.killer().kill("enough");
    let record = running.wait().expect("ends");
    assert!(begun.elapsed() < TREE_KILL_MAX, "{:?}", begun.elapsed());
    assert_eq!(
        record.exit,
        Exit::Killed {
            cause: "enough".into()
        }
    );
    assert!(record.usage.processes_peak >= 200, "{:?}", record.usage);
    assert_eq!(processes_with(&marker), Vec::<i32>::new());
}

#[test]
fn a_thousand_orphans_are_reaped() {
    let mut policy = Policy::default();
    policy.limits.processes = 200;
    let script = "i=0; while [ $i -lt 1000 ]; do (true &) ; i=$((i+1)); done; sleep 0.2; ls /proc | grep -c '^[0-9]*$'";
    let count: usize = output(script, policy).trim().parse().expect("a number");
    assert!(count <= 5, "{count} processes left");
}

#[test]
fn a_dropped_run_leaves_nothing() {
    let marker = marker("dropped");
    let running = SANDBOX
        .spawn(&Job::new(
            ["bash", "-c", &format!("exec -a {marker} sleep 1000")],
            Policy::default(),
        ))
        .expect("starts");
    wait_until("it runs", || !processes_with(&marker).is_empty());
    let identity = running.identity();
    assert!(identity.is_alive());
    drop(running);
    assert!(!identity.is_alive());
    assert_eq!(processes_with(&marker), Vec::<i32>::new());
}

#[test]
fn a_thread_that_ends_takes_no_sandbox_with_it() {
    // A parent-death signal would fire here: the kernel sends it when the spawning thread ends.
    let spawn = || {
        SANDBOX
            .spawn(&shell("sleep 0.5; echo alive", Policy::default()))
            .expect("starts")
    };
    let running = std::thread::spawn(spawn).join().expect("spawns");
    let record = running.wait().expect("ends");
    assert_eq!(
        (record.exit, &record.stdout.head[..]),
        (Exit::Code(0), &b"alive\n"[..])
    );
}

#[test]
fn many_at_once_leave_no_descriptor_and_no_process() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").expect("lists").count();
    let pass = || {
        let runs: Vec<_> = (0..20)
            .map(|number| {
                let script = format!("sleep 0.{}", number % 7);
                SANDBOX
                    .spawn(&shell(&script, Policy::default()))
                    .expect("starts")
            })
            .collect();
        for (number, running) in runs.into_iter().enumerate() {
            if number % 3 == 0 {
                running.killer().kill("chance");
            }
            let identity = running.identity();
            running.wait().expect("ends");
            assert!(!identity.is_alive());
        }
    };
    pass();
    // Other tests of this process come and go; a leak would grow with every pass.
    let before = descriptors();
    pass();
    pass();
    wait_until("descriptors come back", || descriptors() <= before + 10);
}

#[test]
fn a_killed_supervisor_leaves_nothing_alive() {
    let place = Place::new();
    let marker = marker("orphan");
    let script = format!("(exec -a {marker} sleep 1000) & exec -a {marker} sleep 1000");
    let mut supervisor = place.supervise(
        &Job::new(["bash", "-c", &script], Policy::default()),
        Who::Same,
    );
    let identity = identity(&mut supervisor);
    wait_until("it runs", || processes_with(&marker).len() == 2);
    assert!(identity.is_alive());
    supervisor.kill().expect("kills");
    supervisor.wait().expect("ends");
    wait_until("the sandbox is gone", || {
        !identity.is_alive() && processes_with(&marker).is_empty()
    });
    assert!(!reap(&identity), "there was still something to kill");
}

#[test]
fn reaping_kills_by_identity() {
    let running = SANDBOX
        .spawn(&shell("sleep 1000", Policy::default()))
        .expect("starts");
    let identity = running.identity();
    let text = serde_json::to_string(&identity).expect("encodes");
    let stored: ProcessIdentity = serde_json::from_str(&text).expect("decodes");
    assert!(reap(&stored));
    assert!(!identity.is_alive());
    assert!(!reap(&stored));
    assert_eq!(running.wait().expect("ends").exit, Exit::Lost);
}

#[test]
fn what_measures_is_another_user_of_the_host_than_what_is_measured() {
    let outside = |role| {
        let policy = Policy {
            role,
            ..Policy::default()
        };
        let running = SANDBOX.spawn(&shell("sleep 600", policy)).expect("starts");
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.identity().pid));
        let status = status.expect("is alive");
        let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        let uid = uid
            .expect("has a user")
            .split_whitespace()
            .next()
            .map(str::to_owned);
        running.killer().kill("seen");
        running.wait().expect("ends");
        uid
    };
    let [candidate, evaluator] = [Role::Candidate, Role::Evaluator].map(outside);
    // An ordinary user has no second one to give.
    let is_root = rustix::process::geteuid().is_root();
    assert_eq!(
        candidate != evaluator,
        is_root,
        "{candidate:?} {evaluator:?}"
    );
    assert_ne!(evaluator.as_deref(), Some("0"));
}

#[test]
fn an_ordinary_user_gets_the_same() {
    let place = Place::new();
    let who = if rustix::process::geteuid().is_root() {
        Who::User(4_242)
    } else {
        Who::Same
    };
    let script = "id -u; cat /proc/self/uid_map | tr -s ' '; grep CapBnd /proc/self/status; \
                  echo x > /usr/x; cat /proc/1/environ; exit 7";
    let record = place.record(&shell(script, Policy::default()), who);
    assert_eq!(record.exit, Exit::Code(7), "{}", text(&record));
    let printed = String::from_utf8(record.stdout.joined()).expect("text");
    let uid = if rustix::process::geteuid().is_root() {
        4_242
    } else {
        rustix::process::geteuid().as_raw()
    };
    // Bubblewrap nests two user namespaces; the inner one's map shows ids of the outer.
    let outside = match crate::BACKEND {
        Backend::Native => uid,
        Backend::Bwrap => 0,
    };
    assert_eq!(
        printed,
        format!("1000\n 1000 {outside} 1\nCapBnd:\t0000000000000000\n")
    );
}

#[test]
fn an_ordinary_user_gets_an_overlay_and_its_remains_can_be_removed() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: every other test here ran as an ordinary user already");
        return;
    }
    let place = Place::new();
    let own = place.own_directory(4_242);
    for name in ["lower", "s", "s/upper", "s/work"] {
        std::fs::create_dir(own.join(name)).expect("makes");
        std::os::unix::fs::chown(own.join(name), Some(4_242), Some(4_242)).expect("gives");
    }
    std::fs::write(own.join("lower/file"), "original").expect("writes");
    let access = lyceum_sandbox::Access::Overlay {
        upper: own.join("s/upper"),
        work: own.join("s/work"),
    };
    let policy = Policy {
        mounts: vec![lyceum_sandbox::Mount {
            source: own.join("lower"),
            target: "/w".into(),
            access,
        }],
        directory: "/w".into(),
        ..Policy::default()
    };
    let record = place.record(
        &shell("cat file; echo new > made", policy),
        Who::User(4_242),
    );
    assert_eq!(record.exit, Exit::Code(0), "{}", text(&record));
    assert_eq!(record.usage.disk_files, 1);
    assert!(own.join("s/upper/made").exists() && !own.join("lower/made").exists());
    lyceum_sandbox::scratch::remove(&own).expect("removes");
}

#[test]
fn without_user_namespaces_it_refuses_and_says_why() {
    let place = Place::new();
    let (line, code) = place.refusal("echo 0 > /proc/sys/user/max_user_namespaces");
    assert_eq!(code, Some(78));
    let setting = "/proc/sys/user/max_user_namespaces".to_owned();
    assert_eq!(line.cause, Cause::UserNamespacesOff { setting });
    assert!(
        line.remedy.contains("user.max_user_namespaces="),
        "{line:?}"
    );
}

#[test]
fn with_a_hidden_proc_it_refuses_and_says_why() {
    let place = Place::new();
    // As a container does: parts of `/proc` covered, so that a fresh one would show too much.
    let (line, code) =
        place.refusal("mount -t tmpfs none /proc/sys/fs && mount -t tmpfs none /proc/bus");
    assert_eq!(code, Some(78));
    assert_eq!(line.cause, Cause::ProcHidden, "{line:?}");
}

/// A copy of the probe that every user can start.
struct Place {
    directory: tempfile::TempDir,
}

#[derive(Clone, Copy)]
enum Who {
    Same,
    User(u32),
}

impl Place {
    fn new() -> Self {
        // Not below the target directory, which another user may not be able to reach.
        let directory = tempfile::Builder::new()
            .prefix("lyceum-probe-")
            .tempdir()
            .expect("makes a directory");
        std::fs::copy(
            env!("CARGO_BIN_EXE_lyceum-sandbox-probe"),
            directory.path().join("probe"),
        )
        .expect("copies");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(directory.path(), open).expect("opens");
        Self { directory }
    }

    fn probe(&self) -> PathBuf {
        self.directory.path().join("probe")
    }

    fn job_file(&self, job: &Job) -> PathBuf {
        let path = self.directory.path().join("job.json");
        std::fs::write(&path, serde_json::to_vec(job).expect("encodes")).expect("writes");
        path
    }

    fn own_directory(&self, uid: u32) -> PathBuf {
        let path = self.directory.path().join("own");
        std::fs::create_dir(&path).expect("makes");
        std::os::unix::fs::chown(&path, Some(uid), Some(uid)).expect("gives");
        path
    }

    fn supervise(&self, job: &Job, who: Who) -> Child {
        let mut command = Command::new(self.probe());
        command
            .arg(self.job_file(job))
            .arg(BACKEND_NAME)
            .stdout(Stdio::piped())
            .env("SECRET", "hunter2")
            .current_dir("/");
        if let Who::User(uid) = who {
            command.uid(uid).gid(uid);
        }
        command.spawn().expect("starts")
    }

    fn record(&self, job: &Job, who: Who) -> Record {
        let mut supervisor = self.supervise(job, who);
        let lines = lines(&mut supervisor);
        supervisor.wait().expect("ends");
        let value = lines
            .last()
            .and_then(|line| line.get("record"))
            .unwrap_or_else(|| panic!("{lines:?}"));
        serde_json::from_value(value.clone()).expect("a record")
    }

    /// Runs the probe as root of its own namespaces after `preparation`.
    fn refusal(&self, preparation: &str) -> (Refusal, Option<i32>) {
        let job = self.job_file(&shell("true", Policy::default()));
        let script = format!(
            "{preparation} && exec {} {} {BACKEND_NAME}",
            self.probe().display(),
            job.display()
        );
        let mut supervisor = Command::new("unshare")
            .args([
                "--map-root-user",
                "--mount",
                "--pid",
                "--fork",
                "--mount-proc",
                "sh",
                "-c",
                &script,
            ])
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs unshare(1) of util-linux");
        let lines = lines(&mut supervisor);
        let code = supervisor.wait().expect("ends").code();
        let value = lines
            .last()
            .and_then(|line| line.get("refusal"))
            .unwrap_or_else(|| panic!("{lines:?}"));
        (
            serde_json::from_value(value.clone()).expect("a refusal"),
            code,
        )
    }
}

fn lines(child: &mut Child) -> Vec<serde_json::Value> {
    let stdout = child.stdout.take().expect("is piped");
    let parse = |line: std::io::Result<String>| {
        serde_json::from_str(&line.expect("reads")).expect("is JSON")
    };
    BufReader::new(stdout).lines().map(parse).collect()
}

fn identity(child: &mut Child) -> ProcessIdentity {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("is piped"))
        .read_line(&mut line)
        .expect("reads");
    let value: serde_json::Value = serde_json::from_str(&line).expect("is JSON");
    serde_json::from_value(
        value
            .get("identity")
            .unwrap_or_else(|| panic!("{line}"))
            .clone(),
    )
    .expect("an identity")
}
