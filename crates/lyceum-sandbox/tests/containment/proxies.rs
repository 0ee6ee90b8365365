//! The last of group C: past the list of the proxy.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use lyceum_sandbox::{Destination, Exit, Job, Network, Policy};

use crate::arena::{Arena, Side};
use crate::check::{Check, How, Trial};
use crate::lifetimes::supervisor;
use crate::residue;
use crate::start::{Control, Mode, control};

const fn own(id: &'static str, what: &'static str, how: fn(&Mode) -> Trial) -> Check {
    Check {
        id,
        what,
        how: How::Own(how),
    }
}

pub(crate) const PROXY: &[Check] = &[
    own(
        "C8",
        "reach a host, port or method that is not allowed through the proxy",
        unlisted,
    ),
    own(
        "C9",
        "reach a private address by a name that is allowed",
        private,
    ),
    own("C10", "change the network policy while it runs", edited),
];

/// Names and numbers of this very host.
const FORMS: &str =
    "127.0.0.1,localhost,localhost.,127.1,2130706433,0x7f000001,0177.0.0.1,[::ffff:127.0.0.1]";

/// A server that answers each connection with a word, until the suite ends.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    let address = listener.local_addr().expect("has an address");
    // The one thread and the one descriptor of all servers are no residue: they end with the suite.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4_096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nallowed");
        }
    });
    address
}

/// One server for all checks, so that it is no residue of any.
static ALLOWED: std::sync::LazyLock<SocketAddr> = std::sync::LazyLock::new(server);

/// Starts the server before what was there is counted.
pub(crate) fn begin() {
    std::sync::LazyLock::force(&ALLOWED);
}

fn allowing(arena: &Arena, list: &[String]) -> Policy {
    let parse = |one: &String| one.parse::<Destination>().expect("a destination");
    let mut policy = arena.policy();
    policy.network = Network::Allow(list.iter().map(parse).collect());
    policy
}

fn attack(arena: &Arena, hosts: &str) -> String {
    format!(
        "proxy port={} hosts={hosts} allowed={}",
        arena.tcp_port(),
        *ALLOWED
    )
}

/// The control: the same attack outside needs no proxy.
fn reaches_outside(hosts: &str) -> bool {
    let mut arena = Arena::new();
    let attack = attack(&arena, hosts);
    let ended = control(&arena, &attack, Control::Plain);
    arena.breaches(&ended.output).contains("reached tcp")
}

/// The legitimate neighbour: what is listed answers.
fn listed(mode: &Mode) -> Result<(), String> {
    let arena = Arena::new();
    let policy = allowing(&arena, &[ALLOWED.to_string()]);
    let script = format!(
        "perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(PeerAddr => \"127.0.0.1:3128\") or exit 1;
         print $s \"GET http://{}/ HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"; local $/; <$s> =~ /allowed/ or exit 2'",
        *ALLOWED
    );
    mode.twin(&arena, &script, policy)
}

fn unlisted(mode: &Mode) -> Trial {
    let free = reaches_outside("127.0.0.1");
    let mut arena = Arena::new();
    let policy = allowing(&arena, &[ALLOWED.to_string()]);
    let ended = mode.attack(&arena, &attack(&arena, FORMS), policy);
    let reached = arena.breaches(&ended.output);
    let record = ended.record.expect("an attack inside has a record");
    let refused = record.network.iter().filter(|one| !one.allowed).count();
    let mut trial = Trial::of("reached tcp", free, false).and(Trial::of(
        "nothing written down",
        true,
        refused < 40,
    ));
    trial.reached.extend(reached);
    if record.exit != Exit::Code(0) {
        trial.made = Err(format!("{:?}", record.exit));
    }
    trial
        .with_twin(listed(mode))
        .with_note(format!("{refused} requests refused and written down"))
}

fn private(mode: &Mode) -> Trial {
    let free = reaches_outside("localhost");
    let mut arena = Arena::new();
    let port = arena.tcp_port();
    // The names are allowed; what they lead to is not.
    let names = ["localhost", "localhost.localdomain", "ip6-localhost"];
    let policy = allowing(&arena, &names.map(|name| format!("{name}:{port}")));
    let ended = mode.attack(&arena, &attack(&arena, &names.join(",")), policy);
    let reached = arena.breaches(&ended.output);
    let record = ended.record.expect("an attack inside has a record");
    let refused = record.network.iter().filter(|one| !one.allowed).count();
    let mut trial = Trial::of("reached tcp", free, false).and(Trial::of(
        "nothing written down",
        true,
        refused == 0,
    ));
    trial.reached.extend(reached);
    trial
        .with_twin(listed(mode))
        .with_note(format!("{refused} requests refused and written down"))
}

/// Runs a supervisor whose command waits for a file before it attacks; calls `meanwhile` in between.
fn supervised(mode: &Mode, arena: &Arena, job: &Job, meanwhile: impl FnOnce(&str)) -> String {
    let (program, arguments) = supervisor(mode, arena, job);
    let mut child = Command::new(program)
        .args(&arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the supervisor starts");
    let mut lines = BufReader::new(child.stdout.take().expect("is piped"));
    let mut text = String::new();
    let _ = lines.read_line(&mut text);
    meanwhile(&arguments[0]);
    fs::write(arena.scratch.out().join("go"), "").expect("writes");
    let _ = lines.read_to_string(&mut text);
    let _ = child.wait();
    residue::kill_descendants(&[arena.own_process()]);
    text
}

fn edited(mode: &Mode) -> Trial {
    let mut arena = Arena::new();
    let words = arena.arguments(&attack(&arena, "127.0.0.1"), Side::Inside);
    let script = format!(
        "while ! test -e /out/go; do sleep 0.02; done; rm /out/go; exec {}",
        words.join(" ")
    );
    let strict = Job::new(
        ["sh", "-c", &script],
        allowing(&arena, &[ALLOWED.to_string()]),
    );
    let open = [
        ALLOWED.to_string(),
        format!("127.0.0.1:{}", arena.tcp_port()),
    ];
    let loose = Job::new(["sh", "-c", &script], allowing(&arena, &open));
    let edit = |path: &str| {
        let text = serde_json::to_vec(&loose).expect("a job can be written");
        fs::write(path, text).expect("writes");
    };
    let said = supervised(mode, &arena, &strict, edit);
    let made = said.contains("\"record\"");
    let bound = arena.breaches(&[]).contains("reached tcp");
    // The same policy from the start lets the attack through: the edit would have mattered.
    let mut arena_of_control = arena;
    supervised(mode, &arena_of_control, &loose, |_| {});
    let free = arena_of_control.breaches(&[]).contains("reached tcp");
    let mut trial = Trial::of("reached tcp", free, bound);
    if !made {
        trial.made = Err(said.chars().take(200).collect());
    }
    trial.with_twin(listed(mode))
}
