//! Group I: what a run learns about the host and about other runs.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lyceum_sandbox::Job;

use crate::arena::{Arena, Side};
use crate::check::{Check, How, Trial, attack};
use crate::residue;
use crate::start::{Control, Mode, control, outside};

const fn own(id: &'static str, what: &'static str, how: fn(&Mode) -> Trial) -> Check {
    Check {
        id,
        what,
        how: How::Own(how),
    }
}

pub(crate) const SURROUNDINGS: &[Check] = &[
    Check {
        id: "I1",
        what: "read secrets in environments and command lines",
        how: How::Attack(attack(
            "look",
            &[
                "read supervisor environment",
                "read process environment",
                "read process arguments",
            ],
            "test \"$HOME\" = /home; test -n \"$PATH\"",
        )),
    },
    own("I2", "tell two equal runs apart", equal),
    own("I3", "tell which host it is", host),
    own("I4", "find another run", other),
];

/// The whole environment of a command whose policy adds nothing.
const ENVIRONMENT: &str = "\
HOME=/home
LANG=C.UTF-8
LC_ALL=C.UTF-8
LOGNAME=lab
MKL_NUM_THREADS=1
NUMEXPR_NUM_THREADS=1
OMP_NUM_THREADS=1
OPENBLAS_NUM_THREADS=1
PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin
PYTHONHASHSEED=0
RAYON_NUM_THREADS=1
SOURCE_DATE_EPOCH=315532800
TMPDIR=/tmp
TZ=UTC
USER=lab
VECLIB_MAXIMUM_THREADS=1
";

fn equal(mode: &Mode) -> Trial {
    let strip = |output: Vec<u8>, nonce: &str| String::from_utf8_lossy(&output).replace(nonce, "");
    let mut inside = Vec::new();
    let mut free = Vec::new();
    for number in 0..2 {
        let arena = Arena::new();
        inside.push(strip(
            mode.attack(&arena, "environment", arena.policy()).output,
            &arena.nonce,
        ));
        let words = arena.arguments("environment", Side::Outside);
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .env("NUMBER", number.to_string())
            .current_dir(arena.path("lower"));
        free.push(strip(outside(&mut command, &arena), &arena.nonce));
    }
    let arena = Arena::new();
    let expected: String = arena
        .policy()
        .full_environment()
        .iter()
        .map(|(name, value)| [name, "=", value, "\0"].concat())
        .collect();
    // Names and values as they are written down here, and nothing else.
    let exact = expected.replace('\0', "\n") == ENVIRONMENT;
    let full = exact && inside[0].starts_with(&expected) && inside[0].contains("Max open files");
    Trial::of("differ", free[0] != free[1], inside[0] != inside[1])
        .and(Trial::of("a full dump", full, false))
        .with_twin(mode.twin(
            &arena,
            "test \"$TZ\" = UTC; test \"$(umask)\" = 0022",
            arena.policy(),
        ))
        .with_note(format!("{} bytes equal", inside[0].len()))
}

/// What tells this host from others, as far as it has it.
fn marks(arena: &Arena) -> Vec<(&'static str, String)> {
    let line = |file: &str| {
        fs::read_to_string(file)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let mut all = vec![
        ("kernel command line", line("/proc/cmdline")),
        ("machine id", line("/etc/machine-id")),
        (
            "path beside the mounts",
            arena.path("outside").display().to_string(),
        ),
        (
            "control group",
            line("/proc/self/cgroup")
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned(),
        ),
    ];
    let name = line("/proc/sys/kernel/hostname");
    all.push(("host name", name));
    for entry in fs::read_dir("/sys/class/net")
        .into_iter()
        .flatten()
        .flatten()
    {
        all.push((
            "hardware address",
            line(&entry.path().join("address").display().to_string()),
        ));
    }
    for account in line("/etc/passwd").lines() {
        let fields: Vec<&str> = account.split(':').collect();
        if let [name, _, id, ..] = fields[..]
            && id
                .parse::<u32>()
                .is_ok_and(|id| (1_000..60_000).contains(&id))
        {
            all.push(("user name", format!("{name}:x:{id}")));
        }
    }
    // What is too short or says nothing would be found anywhere.
    all.retain(|(_, mark)| mark.len() > 3 && mark != "localhost" && mark != "00:00:00:00:00:00");
    all
}

fn host(mode: &Mode) -> Trial {
    let arena = Arena::new();
    let found = |output: &[u8]| -> BTreeSet<&'static str> {
        let text = String::from_utf8_lossy(output);
        let marks = marks(&arena)
            .into_iter()
            .filter(|(_, mark)| text.contains(mark.as_str()));
        marks.map(|(name, _)| name).collect()
    };
    let free = found(&control(&arena, "dump", Control::Plain).output);
    let bound = found(&mode.attack(&arena, "dump", arena.policy()).output);
    let mut trial = Trial::of(
        "kernel command line",
        free.contains("kernel command line"),
        false,
    );
    trial.reached = bound
        .into_iter()
        .map(|name| format!("read {name}"))
        .collect();
    trial
        .with_twin(mode.twin(
            &arena,
            "test \"$(hostname)\" = sandbox; test \"$(id -un)\" = lab",
            arena.policy(),
        ))
        .with_note(
            "accepted: sources of the policy's mounts in mountinfo, kernel release, processor",
        )
}

fn other(mode: &Mode) -> Trial {
    let (one, two) = (Arena::new(), Arena::new());
    let free_port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let port = free_port.map_or(47_311, |address| address.port());
    let hide = format!("hide token={} port={port}", one.token);
    let seek = format!("seek of={} port={port}", one.nonce);
    let words = one.arguments(&hide, Side::Outside);
    let mut hidden = Command::new(&words[0]);
    hidden
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut hidden = hidden.spawn().expect("the attack program starts");
    let mut line = String::new();
    if let Some(stdout) = hidden.stdout.take() {
        let _ = BufReader::new(stdout).read_line(&mut line);
    }
    let mut two = two;
    let output = control(&two, &seek, Control::Plain).output;
    let free = two.breaches(&output);
    residue::kill_descendants(&[one.own_process(), two.own_process()]);
    let _ = hidden.wait();
    for place in ["/tmp", "/dev/shm", "/home", "/var/tmp"] {
        let _ = fs::remove_file(format!("{place}/lyceum-hidden-{}", one.nonce));
    }
    let wanted = ["tmp", "shared memory", "port", "abstract socket", "process"]
        .map(|part| format!("reach {part}"));
    let missed = wanted
        .into_iter()
        .filter(|part| !free.contains(part))
        .collect();
    // Again with both inside, side by side.
    let (mut one, mut two) = (Arena::new(), Arena::new());
    one.remove_sockets();
    two.remove_sockets();
    let hide = format!("hide token={} port={port}", one.token);
    let seek = format!("seek of={} port={port}", one.nonce);
    let job = Job::new(one.arguments(&hide, Side::Inside), one.policy());
    let running = mode.sandbox.spawn(&job).expect("starts");
    let begun = Instant::now();
    while crate::lifetimes::alive(&one) == 0 && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(100));
    let output = mode.attack(&two, &seek, two.policy()).output;
    let mut reached = two.breaches(&output);
    running.killer().kill("found enough");
    let record = running.wait().expect("ends");
    let printed = String::from_utf8_lossy(&record.stdout.joined()).into_owned();
    if String::from_utf8_lossy(&output).contains(&one.token) {
        reached.insert("read the other's secret".into());
    }
    let hidden = if printed.contains("hidden") {
        Ok(())
    } else {
        Err(printed)
    };
    Trial {
        missed,
        reached,
        made: Ok(()),
        twin: hidden,
        note: String::new(),
    }
}
