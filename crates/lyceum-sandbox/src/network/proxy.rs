//! Accepting, deciding, connecting, relaying.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::host::{Destination, Host};
use super::request::{self, Plain, Request};
use super::{Decision, Secret, address, socks};

/// Connections at once; more are closed unanswered.
const CONNECTIONS_MAX: usize = 64;
/// Decisions kept; a command that asks more often is noted by their number.
const DECISIONS_MAX: usize = 1_000;
/// Characters of a destination that has no normalised form.
const ASKED_MAX: usize = 300;
/// How long a command may take to say what it wants.
const HEAD_WAIT: Duration = Duration::from_secs(30);
/// How long a destination may take to accept.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// Bytes relayed at once.
const RELAY_BYTES: usize = 32 << 10;

/// A proxy for one running command.
#[derive(Debug)]
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    listener: Arc<TcpListener>,
    acceptor: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    allowed: Vec<Destination>,
    secrets: Vec<Secret>,
    began: Instant,
    log: Mutex<Log>,
    /// The streams of each connection being served, to be cut at its end or at that of the command.
    open: Mutex<HashMap<u64, Vec<TcpStream>>>,
}

#[derive(Debug, Default)]
struct Log {
    decisions: Vec<Decision>,
    unlogged: u64,
}

/// Where a decision stands in the log, if it was kept.
type Place = Option<usize>;

impl Proxy {
    /// Serves on a listener of the sandbox until [`Proxy::finish`].
    pub(crate) fn start(
        listener: OwnedFd,
        allowed: Vec<Destination>,
        secrets: Vec<Secret>,
        began: Instant,
    ) -> io::Result<Self> {
        let listener = Arc::new(TcpListener::from(listener));
        let shared = Arc::new(Shared {
            allowed,
            secrets,
            began,
            log: Mutex::default(),
            open: Mutex::default(),
        });
        let (serving, accepting) = (Arc::clone(&shared), Arc::clone(&listener));
        let acceptor = std::thread::Builder::new()
            .name("sandbox-proxy".into())
            .spawn(move || serving.accept(&accepting))?;
        Ok(Self {
            shared,
            listener,
            acceptor,
        })
    }

    /// Cuts every connection and returns all decisions, and how many more there were.
    pub(crate) fn finish(self) -> (Vec<Decision>, u64) {
        // Wakes the acceptor, which ends with an error.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        self.shared.cut_all();
        // It waits for those that serve connections.
        let _ = self.acceptor.join();
        let log = std::mem::take(&mut *lock(&self.shared.log));
        (log.decisions, log.unlogged)
    }
}

fn cut(streams: impl IntoIterator<Item = TcpStream>) {
    for stream in streams {
        // It may be closed already.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        let mut serving: Vec<JoinHandle<()>> = Vec::new();
        let mut number = 0;
        while let Ok((stream, _)) = listener.accept() {
            serving.retain(|one| !one.is_finished());
            if serving.len() >= CONNECTIONS_MAX {
                continue;
            }
            number += 1;
            let (shared, number) = (Arc::clone(self), number);
            let spawned = std::thread::Builder::new().spawn(move || {
                // A connection that breaks off has been logged as far as it came.
                let _ = shared.serve(number, stream);
                cut(lock(&shared.open).remove(&number).unwrap_or_default());
            });
            serving.extend(spawned.ok());
        }
        self.cut_all();
        for one in serving {
            let _ = one.join();
        }
    }

    fn cut_all(&self) {
        cut(lock(&self.open).drain().flat_map(|(_, streams)| streams));
    }

    /// Notes a stream that must not outlive its connection.
    fn note(&self, number: u64, stream: &TcpStream) -> io::Result<()> {
        let copy = stream.try_clone()?;
        lock(&self.open).entry(number).or_default().push(copy);
        Ok(())
    }

    fn serve(&self, number: u64, mut inside: TcpStream) -> io::Result<()> {
        self.note(number, &inside)?;
        inside.set_read_timeout(Some(HEAD_WAIT))?;
        let mut first = [0];
        if inside.peek(&mut first)? == 0 {
            return Ok(());
        }
        if first[0] == socks::VERSION {
            return self.serve_socks(number, inside);
        }
        let Some((head, rest)) = request::read_head(&mut inside)? else {
            self.refuse("?", "", "the head has no end");
            return respond(&mut inside, "400 Bad Request", "the head has no end");
        };
        let request = match Request::parse(&head) {
            Ok(request) => request,
            Err(why) => {
                let shown = String::from_utf8_lossy(&head);
                self.refuse("?", shown.lines().next().unwrap_or_default(), why);
                return respond(&mut inside, "400 Bad Request", why);
            }
        };
        match self.connect(number, &request.method, &request.authority) {
            Err(why) => respond(&mut inside, "403 Forbidden", &why),
            Ok((destination, outside, place)) => match &request.plain {
                None => {
                    inside.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
                    self.relay(&inside, outside, &rest, place)
                }
                Some(plain) => {
                    let head = self.head(plain, &request.method, &destination);
                    self.pass(inside, outside, (&head, &rest, plain.body_bytes), place)
                }
            },
        }
    }

    fn serve_socks(&self, number: u64, mut inside: TcpStream) -> io::Result<()> {
        let Some(asked) = socks::asked(&mut inside)? else {
            self.refuse("SOCKS", "", "it is no request for a connection");
            return socks::answer(&mut inside, false);
        };
        match self.connect(number, "SOCKS", &asked) {
            Err(_) => socks::answer(&mut inside, false),
            Ok((_, outside, place)) => {
                socks::answer(&mut inside, true)?;
                self.relay(&inside, outside, &[], place)
            }
        }
    }

    /// Decides about a destination and connects to it; logs the decision.
    fn connect(
        &self,
        number: u64,
        method: &str,
        asked: &str,
    ) -> Result<(Destination, TcpStream, Place), String> {
        let refuse = |destination: &str, why: String| {
            self.refuse(method, destination, &why);
            why
        };
        let destination: Destination = asked
            .parse()
            .map_err(|error| refuse(asked, format!("{error}")))?;
        let shown = destination.to_string();
        if !self.allowed.contains(&destination) {
            return Err(refuse(&shown, "it is not on the list".into()));
        }
        let address = resolve(&destination).map_err(|why| refuse(&shown, why))?;
        let place = self.log(Decision {
            address: Some(address.ip()),
            ..self.decision(method, &shown, true, "it is on the list")
        });
        // The address that was checked, and no second look-up.
        let connected = TcpStream::connect_timeout(&address, CONNECT_WAIT);
        match connected.and_then(|stream| self.note(number, &stream).map(|()| stream)) {
            Ok(stream) => Ok((destination, stream, place)),
            Err(error) => {
                let why = format!("it is on the list, and the connection failed: {error}");
                self.change(place, |decision| decision.why.clone_from(&why));
                Err(why)
            }
        }
    }

    fn head(&self, plain: &Plain, method: &str, destination: &Destination) -> String {
        let secrets = self
            .secrets
            .iter()
            .filter(|secret| secret.destination == *destination);
        let secrets: Vec<(&str, &str)> = secrets
            .map(|secret| (&*secret.header, &*secret.value))
            .collect();
        let shown = destination.to_string();
        plain.head(
            method,
            shown.strip_suffix(":80").unwrap_or(&shown),
            &secrets,
        )
    }

    /// Passes on one plain request with exactly its body, then what comes back.
    fn pass(
        &self,
        mut inside: TcpStream,
        mut outside: TcpStream,
        (head, rest, body_bytes): (&str, &[u8], u64),
        place: Place,
    ) -> io::Result<()> {
        outside.write_all(head.as_bytes())?;
        let body = rest.chain(inside.try_clone()?).take(body_bytes);
        let sent = copy(body, &mut outside);
        self.change(place, |decision| {
            decision.sent_bytes = head.len() as u64 + sent;
        });
        inside.set_read_timeout(None)?;
        let received = copy(&mut outside, &mut inside);
        self.change(place, |decision| decision.received_bytes = received);
        inside.shutdown(Shutdown::Both)
    }

    /// Passes everything on in both directions until both have ended.
    fn relay(
        &self,
        inside: &TcpStream,
        mut outside: TcpStream,
        rest: &[u8],
        place: Place,
    ) -> io::Result<()> {
        inside.set_read_timeout(None)?;
        outside.write_all(rest)?;
        let (mut to_inside, mut from_outside) = (inside.try_clone()?, outside.try_clone()?);
        let back = std::thread::Builder::new().spawn(move || {
            let received = copy(&mut from_outside, &mut to_inside);
            let _ = to_inside.shutdown(Shutdown::Write);
            received
        })?;
        let sent = copy(inside, &mut outside);
        let _ = outside.shutdown(Shutdown::Write);
        let received = back.join().unwrap_or_default();
        self.change(place, |decision| {
            decision.sent_bytes = sent + rest.len() as u64;
            decision.received_bytes = received;
        });
        Ok(())
    }

    fn decision(&self, method: &str, destination: &str, allowed: bool, why: &str) -> Decision {
        let mut shown = crate::show_untrusted(destination.as_bytes()).replace(['\n', '\t'], " ");
        if let Some((at, _)) = shown.char_indices().nth(ASKED_MAX) {
            shown.truncate(at);
        }
        Decision {
            at_ms: self.began.elapsed().as_millis() as u64,
            method: method.chars().take(20).collect(),
            destination: shown,
            allowed,
            why: why.into(),
            address: None,
            sent_bytes: 0,
            received_bytes: 0,
        }
    }

    fn refuse(&self, method: &str, destination: &str, why: &str) {
        self.log(self.decision(method, destination, false, why));
    }

    fn log(&self, decision: Decision) -> Place {
        let mut log = lock(&self.log);
        if log.decisions.len() >= DECISIONS_MAX {
            log.unlogged += 1;
            return None;
        }
        log.decisions.push(decision);
        Some(log.decisions.len() - 1)
    }

    fn change(&self, place: Place, change: impl FnOnce(&mut Decision)) {
        if let Some(at) = place
            && let Some(decision) = lock(&self.log).decisions.get_mut(at)
        {
            change(decision);
        }
    }
}

/// Looks a destination up once. A listed address is meant as it stands; a name must lead to public
/// addresses only, so that whoever owns the name cannot point it at this machine or its neighbours.
fn resolve(destination: &Destination) -> Result<SocketAddr, String> {
    let name = match &destination.host {
        Host::Address(found) if address::is_never(*found) => {
            return Err(format!("{found} can never be reached"));
        }
        Host::Address(found) => return Ok(SocketAddr::new(*found, destination.port)),
        Host::Name(name) => name,
    };
    let found: Vec<IpAddr> = (name.as_str(), destination.port)
        .to_socket_addrs()
        .map_err(|error| format!("its name has no address: {error}"))?
        .map(|address| address::plain(address.ip()))
        .collect();
    match found.iter().find(|found| !address::is_public(**found)) {
        Some(found) => Err(format!("its name leads to {found}, which is not public")),
        None => found
            .first()
            .map(|found| SocketAddr::new(*found, destination.port))
            .ok_or_else(|| "its name has no address".into()),
    }
}

fn respond(stream: &mut TcpStream, status: &str, why: &str) -> io::Result<()> {
    let body = format!("{why}\n");
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.shutdown(Shutdown::Write)
}

/// Copies until an end or an error; returns the bytes copied.
fn copy(mut from: impl Read, mut to: impl Write) -> u64 {
    let mut buffer = vec![0; RELAY_BYTES];
    let mut total = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => return total,
            Ok(length) if to.write_all(&buffer[..length]).is_ok() => total += length as u64,
            Ok(_) => return total,
        }
    }
}
