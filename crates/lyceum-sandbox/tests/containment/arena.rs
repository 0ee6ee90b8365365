//! The place of one attack: everything on the host that it must not reach, each with a sentinel.
//!
//! Every attack runs against the whole arena, so that it is caught reaching what it did not aim at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lyceum_sandbox::{Access, Mount, Policy, scratch};

use crate::raw;

/// The attack program.
pub(crate) const ATTACK: &str = env!("CARGO_BIN_EXE_lyceum-sandbox-attack");

/// The variable of the suite's own environment that no attack may see.
pub(crate) const SECRET_VARIABLE: &str = "LYCEUM_CONTAINMENT_SECRET";

/// Numbers at which inheritable descriptors are planted.
pub(crate) const PLANTED: [i32; 3] = [7, 940, 941];

/// Where an attack is made: decides what the placeholders in its arguments mean.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Inside,
    Outside,
}

pub(crate) struct Arena {
    root: tempfile::TempDir,
    pub(crate) scratch: scratch::Scratch,
    /// Secrets by the name that a breach has.
    secrets: BTreeMap<&'static str, String>,
    pub(crate) nonce: String,
    /// Known to the twin alone.
    pub(crate) token: String,
    process: Child,
    tcp: TcpListener,
    udp: UdpSocket,
    local: UnixListener,
    by_path: Vec<UnixListener>,
    pipe: File,
    terminal: (File, String),
    inherited: UnixStream,
    _planted: Vec<raw::Planted>,
    _segment: raw::Segment,
    segment_key: i32,
    _queue: raw::Queue,
    key: i64,
    program: (u64, i64),
    /// Sockets of the host in the directory of data.
    shown_sockets: usize,
}

impl Arena {
    pub(crate) fn new() -> Self {
        Self::try_new()
            .expect("the suite needs sockets, terminals, queues and segments for its sentinels")
    }

    fn try_new() -> std::io::Result<Self> {
        let root = tempfile::Builder::new()
            .prefix("arena-")
            .tempdir_in(directory())?;
        let nonce = raw::random(8);
        let secrets = secrets();
        let token = raw::random(16);
        let scratch = scratch::create(root.path(), "run")?;
        let made = root.path();
        fill(made, &secrets, &token)?;
        fs::write(format!("/dev/shm/lyceum-{nonce}"), &secrets["shared file"])?;
        let segment_key = i32::from_str_radix(&nonce[..7], 16).unwrap_or(4_711);
        let mut by_path = Vec::new();
        for place in [
            made.join("outside/docker.sock"),
            made.join("lower/docker.sock"),
            socket_in_tmp(&nonce),
            made.join("data/service.sock"),
        ] {
            by_path.push(UnixListener::bind(place)?);
        }
        let pipe = pipe(&made.join("data/pipe"))?;
        let (inherited, planted_socket) = UnixStream::pair()?;
        let planted = vec![
            raw::plant(&planted_socket, PLANTED[0])?,
            raw::plant(&File::open(made.join("outside"))?, PLANTED[1])?,
            raw::plant(&File::open(made.join("outside/inherited"))?, PLANTED[2])?,
        ];
        let (terminal, terminal_name) = raw::terminal()?;
        let arena = Self {
            process: hold(&nonce, &secrets)?,
            tcp: TcpListener::bind("127.0.0.1:0")?,
            udp: UdpSocket::bind("127.0.0.1:0")?,
            local: UnixListener::bind_addr(&SocketAddr::from_abstract_name(format!(
                "lyceum-{nonce}"
            ))?)?,
            by_path,
            pipe,
            terminal: (terminal.into(), terminal_name),
            inherited,
            _planted: planted,
            _segment: raw::Segment::new(segment_key, &secrets["segment"])?,
            segment_key,
            _queue: raw::Queue::new(&format!("/lyceum-{nonce}"), &secrets["queue"])?,
            key: raw::add_key(&format!("lyceum-{nonce}"), &secrets["key"]),
            program: program()?,
            shown_sockets: 1,
            root,
            scratch,
            secrets,
            nonce,
            token,
        };
        arena.do_not_wait()?;
        Ok(arena)
    }

    /// Lets every listener say at once whether somebody came.
    fn do_not_wait(&self) -> std::io::Result<()> {
        self.tcp.set_nonblocking(true)?;
        self.udp.set_nonblocking(true)?;
        self.inherited.set_nonblocking(true)?;
        for listener in self.by_path.iter().chain([&self.local]) {
            listener.set_nonblocking(true)?;
        }
        Ok(())
    }

    /// Takes the sockets of the host away from what a command may see.
    pub(crate) fn remove_sockets(&mut self) {
        self.shown_sockets = 0;
        for name in ["lower/docker.sock", "data/service.sock"] {
            fs::remove_file(self.path(name)).expect("the socket is there");
        }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    /// Processes that belong here.
    pub(crate) fn own_process(&self) -> i32 {
        self.process.id() as i32
    }

    /// The port of the listener on the host's loopback.
    pub(crate) fn tcp_port(&self) -> u16 {
        self.tcp.local_addr().map_or(0, |address| address.port())
    }

    /// The policy that attacks run under: a workspace, an output directory, data, the program.
    pub(crate) fn policy(&self) -> Policy {
        let mount = |source: PathBuf, target: &str, access| Mount {
            source,
            target: target.into(),
            access,
        };
        let overlay = Access::Overlay {
            upper: self.scratch.upper(),
            work: self.scratch.work(),
        };
        let program = Path::new(ATTACK)
            .canonicalize()
            .expect("the attack program is built");
        let mut policy = Policy {
            mounts: vec![
                mount(self.path("lower"), "/workspace", overlay),
                mount(self.scratch.out(), "/out", Access::Write),
                mount(self.path("data"), "/data", Access::Read),
                mount(program, "/attack", Access::Read),
            ],
            directory: "/workspace".into(),
            ..Policy::default()
        };
        policy.limits.wall = Duration::from_secs(30);
        policy.limits.output_bytes = 8 << 20;
        policy
    }

    /// Returns the arguments of an attack, with every placeholder replaced.
    pub(crate) fn arguments(&self, attack: &str, side: Side) -> Vec<String> {
        let inside = side == Side::Inside;
        let host = |below: &str| self.path(below).display().to_string();
        let either = |one: &str, other: String| if inside { one.to_owned() } else { other };
        let out = self.scratch.out().display().to_string();
        let sockets = [
            host("outside/docker.sock"),
            either("/workspace/docker.sock", host("lower/docker.sock")),
            socket_in_tmp(&self.nonce).display().to_string(),
        ];
        let address = |address: std::io::Result<std::net::SocketAddr>| {
            address
                .map(|address| address.to_string())
                .unwrap_or_default()
        };
        let values: [(&str, String); 25] = [
            ("{nonce}", self.nonce.clone()),
            ("{file}", host("outside/id_rsa")),
            ("{victim}", host("outside/victim")),
            ("{outside}", host("outside")),
            ("{data}", either("/data", host("data"))),
            ("{workspace}", either("/workspace", host("lower"))),
            ("{out}", either("/out", out.clone())),
            ("{scratch}", either("/tmp", out)),
            (
                "{nested}",
                either("/devices", "/dev".into()) + "/shm/lyceum-made-" + &self.nonce,
            ),
            ("{capable}", either("/data/capable", host("data/capable"))),
            ("{devices}", either("/devices", "/dev".into())),
            ("{terminal}", self.terminal.1.clone()),
            ("{pid}", self.process.id().to_string()),
            ("{init}", either("1", self.process.id().to_string())),
            ("{bold}", either("1", "0".into())),
            ("{tcp}", address(self.tcp.local_addr())),
            ("{udp}", address(self.udp.local_addr())),
            ("{abstract}", format!("lyceum-{}", self.nonce)),
            ("{sockets}", sockets.join(",")),
            ("{key}", self.segment_key.to_string()),
            ("{queue}", format!("/lyceum-{}", self.nonce)),
            ("{shared}", format!("/dev/shm/lyceum-{}", self.nonce)),
            ("{handle}", raw::handle(&self.path("outside/id_rsa"))),
            ("{name}", format!("lyceum-{}", self.nonce)),
            ("{attack}", either("/attack", ATTACK.into())),
        ];
        let fill = |word: &str| {
            values.iter().fold(word.to_owned(), |text, (name, value)| {
                text.replace(name, value)
            })
        };
        let words = attack.split_ascii_whitespace().map(fill);
        let program = either("/attack", ATTACK.into());
        std::iter::once(program)
            .chain(words)
            .chain([format!("nonce={}", self.nonce)])
            .collect()
    }

    /// Returns everything that an attack reached, by the sentinels and by what it printed.
    pub(crate) fn breaches(&mut self, output: &[u8]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let text = String::from_utf8_lossy(output);
        let reach = format!("{} reach ", self.nonce);
        for line in text.lines() {
            if let Some(part) = line.strip_prefix(&reach) {
                found.insert(format!("reach {part}"));
            }
        }
        let mut written = output.to_vec();
        for directory in [self.scratch.upper(), self.scratch.out()] {
            collect(&directory, &mut written, &mut found);
        }
        for (name, secret) in &self.secrets {
            if contains(&written, secret.as_bytes()) {
                found.insert(format!("read {name}"));
            }
        }
        self.changed(&mut found);
        self.knocked(&mut found);
        found
    }

    fn changed(&self, found: &mut BTreeSet<String>) {
        for (what, name) in [
            ("changed outside", "outside/victim"),
            ("changed data", "data/victim"),
            ("changed lower", "lower/original"),
            ("changed lower", "lower/protected/file"),
        ] {
            let path = self.path(name);
            let same = fs::read(&path).is_ok_and(|bytes| bytes == b"original")
                && path.symlink_metadata().is_ok_and(|status| {
                    status.is_file() && status.nlink() == 1 && status.mode() & 0o6022 == 0
                });
            if !same {
                found.insert(what.into());
            }
        }
        for (directory, expected) in [("outside", 4), ("data", 3 + self.shown_sockets)] {
            let count = fs::read_dir(self.path(directory)).map_or(0, Iterator::count);
            if count != expected {
                found.insert(format!("changed {directory}"));
            }
        }
        for name in ["protected", "protected.moved"] {
            let above = self.scratch.upper().join(name);
            if fs::read_dir(&above).is_ok_and(|mut entries| entries.next().is_some()) {
                found.insert("changed protected".into());
            }
        }
        let made = format!("/dev/shm/lyceum-made-{}", self.nonce);
        if fs::remove_file(made).is_ok() {
            found.insert("made shared file".into());
        }
        if program().ok() != Some(self.program) {
            found.insert("changed program".into());
        }
    }

    fn knocked(&mut self, found: &mut BTreeSet<String>) {
        let mut buffer = [0; 64];
        let mut reached = |name: &str, yes: bool| {
            if yes {
                found.insert(format!("reached {name}"));
            }
        };
        reached("tcp", self.tcp.accept().is_ok());
        reached("udp", self.udp.recv(&mut buffer).is_ok());
        reached("abstract socket", self.local.accept().is_ok());
        for listener in &self.by_path {
            reached("path socket", listener.accept().is_ok());
        }
        reached(
            "pipe",
            self.pipe.read(&mut buffer).is_ok_and(|length| length > 0),
        );
        reached(
            "terminal",
            self.terminal
                .0
                .read(&mut buffer)
                .is_ok_and(|length| length > 0),
        );
        reached(
            "inherited socket",
            self.inherited
                .read(&mut buffer)
                .is_ok_and(|length| length > 0),
        );
        if self.process.try_wait().is_ok_and(|status| status.is_some()) {
            found.insert("killed process".into());
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        raw::remove_key(self.key);
        let _ = fs::remove_file(socket_in_tmp(&self.nonce));
        let _ = fs::remove_file(format!("/dev/shm/lyceum-{}", self.nonce));
        // What attacks left may be closed to the ordinary way of removing.
        let _ = scratch::remove(self.scratch.path());
    }
}

/// Returns a fresh secret for each place that one may be read from.
fn secrets() -> BTreeMap<&'static str, String> {
    let names = [
        "file",
        "process arguments",
        "process environment",
        "segment",
        "queue",
        "shared file",
        "key",
        "inherited file",
    ];
    let mut secrets: BTreeMap<_, _> = names.map(|name| (name, raw::random(16))).into();
    let own = std::env::var(SECRET_VARIABLE).unwrap_or_default();
    secrets.insert("supervisor environment", own);
    secrets
}

/// Makes the files of an arena.
fn fill(made: &Path, secrets: &BTreeMap<&'static str, String>, token: &str) -> std::io::Result<()> {
    for name in ["outside", "data", "lower/protected"] {
        fs::create_dir_all(made.join(name))?;
    }
    fs::set_permissions(made, fs::Permissions::from_mode(0o755))?;
    for (name, text) in [
        ("outside/id_rsa", secrets["file"].as_str()),
        ("outside/inherited", &secrets["inherited file"]),
        ("outside/victim", "original"),
        ("data/victim", "original"),
        ("lower/original", "original"),
        ("lower/protected/file", "original"),
        ("lower/token", token),
    ] {
        fs::write(made.join(name), text)?;
    }
    let closed = fs::Permissions::from_mode(0o600);
    fs::set_permissions(made.join("outside/id_rsa"), closed)?;
    symlink(made.join("outside/victim"), made.join("lower/planted"))?;
    fs::copy(ATTACK, made.join("data/capable"))?;
    if rustix::process::geteuid().is_root() {
        raw::make_capable(&made.join("data/capable"))?;
    }
    Ok(())
}

/// The directory of all arenas; removed and checked to be empty at the end.
pub(crate) fn directory() -> PathBuf {
    std::env::var_os("TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from)
}

fn socket_in_tmp(nonce: &str) -> PathBuf {
    PathBuf::from(format!("/tmp/lyceum-{nonce}.sock"))
}

fn hold(nonce: &str, secrets: &BTreeMap<&'static str, String>) -> std::io::Result<Child> {
    let mut process = Command::new(ATTACK)
        .args([
            "hold",
            &format!("nonce={nonce}"),
            &format!("token={}", secrets["process arguments"]),
        ])
        .env("TOKEN", &secrets["process environment"])
        .env_remove(SECRET_VARIABLE)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    if let Some(stdout) = &mut process.stdout {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    Ok(process)
}

/// Makes a pipe with a name and returns its reading end.
fn pipe(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)?;
    let mut wanted = fs::OpenOptions::new();
    wanted.read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

fn program() -> std::io::Result<(u64, i64)> {
    let status = fs::metadata(ATTACK)?;
    Ok((status.len(), status.mtime_nsec()))
}

/// Collects the contents of files that an attack wrote, and set-user-id bits.
fn collect(directory: &Path, into: &mut Vec<u8>, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(status) = entry.path().symlink_metadata() else {
            continue;
        };
        if status.is_dir() {
            collect(&entry.path(), into, found);
        } else if status.is_file() {
            let mut value = [0_u8; 64];
            let name = c"security.capability";
            if rustix::fs::lgetxattr(entry.path(), name, &mut value).is_ok_and(|length| length > 0)
            {
                found.insert("made capable".into());
            }
            if status.mode() & 0o6000 != 0 {
                found.insert("made set-user-id".into());
            }
            if status.len() <= 1 << 20 {
                into.extend(fs::read(entry.path()).unwrap_or_default());
            }
        }
    }
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    !wanted.is_empty() && text.windows(wanted.len()).any(|window| window == wanted)
}
