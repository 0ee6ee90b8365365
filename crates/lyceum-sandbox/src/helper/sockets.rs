//! Counting the kernel's memory in the sockets of a sandbox, which no process shows.
//!
//! The kernel tells about all sockets of a network namespace, `sock_diag(7)`, those too that no process
//! has open because they wait in another one.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// So many sockets and fewer are not worth a look: they hold some two megabytes at most.
pub(super) const FEW: u64 = 4;

/// Bytes of one part of an answer.
const PART_BYTES: usize = 32 << 10;

/// Parts of an answer at most; each tells of about a hundred sockets.
const PARTS_MAX: usize = 4_096;

/// `SOCK_DIAG_BY_FAMILY`, `NLMSG_DONE` and `NLMSG_ERROR`, and the flags of a request for all.
const BY_FAMILY: u16 = 20;
const DONE: u16 = 3;
const ERROR: u16 = 2;
const REQUEST_ALL: u16 = 0x301;

/// What is asked of a local socket: its memory (`unix_diag.h`).
const UNIX_SHOW: u32 = 0x20;
const UNIX_MEMORY: u16 = 5;
/// The same of an internet socket (`inet_diag.h`).
const INET_MEMORY: u16 = 7;

/// What a socket may hold that the kernel counts and does not list: one that was closed and whose messages nobody took
/// yet, or that was taken off its port with what had come there. Twice what a socket may send by default, and what
/// [`bound_streams`] leaves one of TCP.
const UNLISTED_BYTES: u64 = 2 * 212_992;

/// States of TCP in which an entry is no socket: `TCP_TIME_WAIT` and `TCP_NEW_SYN_RECV`.
const NO_SOCKET: [u8; 2] = [6, 12];

/// Sockets that the kernel lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// What they hold.
    pub(super) bytes: u64,
    /// How many these are.
    pub(super) sockets: u64,
}

/// Asks about the sockets of the network namespace that this process was in when it was made.
pub(super) struct Sockets(OwnedFd);

impl Sockets {
    /// Opens the way to ask; fails where the kernel has none.
    pub(super) fn open() -> io::Result<Self> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )?;
        let sockets = Self(socket);
        sockets.dump(&unix_request(), 16, of_unix).map(|_| sockets)
    }

    /// Returns the memory of all sockets that are listed, and how many these are.
    ///
    /// What `/proc/PID/net/sockstat` says of IPv4 and of IPv6 spares questions about sockets that are not there: for TCP
    /// the kernel goes through the whole machine's to answer.
    pub(super) fn listed(&self, statistics: [&str; 2]) -> io::Result<Listed> {
        let mut sum = self.dump(&unix_request(), 16, of_unix)?;
        let names = [["TCP:", "UDP:"], ["TCP6:", "UDP6:"]];
        let families = [libc::AF_INET, libc::AF_INET6].into_iter();
        for (family, (text, names)) in families.zip(statistics.iter().zip(names)) {
            let protocols = [libc::IPPROTO_TCP, libc::IPPROTO_UDP].into_iter();
            for (protocol, name) in protocols.zip(names) {
                if count(text, &format!("{name} inuse ")) == Some(0) {
                    continue;
                }
                let request = inet_request(family as u8, protocol as u8);
                // A kernel without one of these has no such sockets, or does not tell.
                let more = self.dump(&request, 72, of_inet).unwrap_or_default();
                sum.bytes += more.bytes;
                sum.sockets += more.sockets;
            }
        }
        Ok(sum)
    }

    /// Asks for all sockets of a kind; sums up what `of` makes of head and attributes of each.
    fn dump(
        &self,
        request: &[u8],
        head_bytes: usize,
        of: fn(&[u8], &[u8]) -> Option<u64>,
    ) -> io::Result<Listed> {
        send(&self.0, request, SendFlags::empty())?;
        let mut part = vec![0; PART_BYTES];
        let mut sum = Listed::default();
        for _ in 0..PARTS_MAX {
            let length = recv(&self.0, &mut part[..], RecvFlags::empty())?.0;
            let mut rest = &part[..length];
            while let Some((kind, body, after)) = message(rest) {
                match kind {
                    DONE => return Ok(sum),
                    ERROR => return Err(io::ErrorKind::Unsupported.into()),
                    _ => {}
                }
                let socket = body.split_at_checked(head_bytes);
                if let Some(bytes) = socket.and_then(|(head, rest)| of(head, rest)) {
                    sum.bytes += bytes;
                    sum.sockets += 1;
                }
                rest = after;
            }
        }
        Err(io::ErrorKind::FileTooLarge.into())
    }
}

/// Returns the number after some words at the beginning of a line.
pub(super) fn count(text: &str, words: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(words))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

/// Returns what waits unread in netlink sockets, of `/proc/PID/net/netlink` (columns 5 and 6), which no control group
/// counts, and how many of them programs have.
pub(super) fn netlink(text: &str) -> Listed {
    let one = |line: &str| -> Option<(u64, bool)> {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = |at: usize| columns.get(at)?.parse::<u64>().ok();
        // The kernel's own have no number.
        Some((number(4)? + number(5)?, *columns.get(2)? != "0"))
    };
    let all = text.lines().skip(1).filter_map(one);
    all.fold(Listed::default(), |sum, (bytes, of_program)| Listed {
        bytes: sum.bytes + bytes,
        sockets: sum.sockets + u64::from(of_program),
    })
}

/// Returns what sockets may hold that the kernel counts (`used`) and does not list.
pub(super) fn unlisted_bytes(sockets: u64) -> u64 {
    sockets * UNLISTED_BYTES
}

/// Bounds what TCP may hold for one socket of this process's network: its buffers grow by themselves, beyond what anybody
/// asks for.
pub(super) fn bound_streams() -> io::Result<()> {
    for name in ["tcp_rmem", "tcp_wmem"] {
        let place = format!("/proc/sys/net/ipv4/{name}");
        match std::fs::write(place, format!("4096 131072 {UNLISTED_BYTES}")) {
            // A kernel without IPv4.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

fn header(length: usize) -> Vec<u8> {
    let mut bytes = ((16 + length) as u32).to_ne_bytes().to_vec();
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST_ALL.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes
}

/// `struct unix_diag_req`: family, states, what is to be shown.
fn unix_request() -> Vec<u8> {
    let mut bytes = header(24);
    bytes.extend([libc::AF_UNIX as u8, 0, 0, 0]);
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend(UNIX_SHOW.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes
}

/// `struct inet_diag_req_v2`: family, protocol, attributes, states, an empty address.
fn inet_request(family: u8, protocol: u8) -> Vec<u8> {
    let mut bytes = header(56);
    bytes.extend([family, protocol, 1 << (INET_MEMORY - 1), 0]);
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend([0; 48]);
    bytes
}

/// Splits the first message off: its kind, its body, what follows.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let body = bytes.get(16..length)?;
    Some((
        kind,
        body,
        bytes.get(length.next_multiple_of(4)..).unwrap_or_default(),
    ))
}

/// Returns the numbers of one attribute.
fn attribute(mut bytes: &[u8], wanted: u16) -> Option<Vec<u64>> {
    loop {
        let length = u16::from_ne_bytes(*bytes.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?);
        let value = bytes.get(4..length)?;
        if kind == wanted {
            let numbers = value.chunks_exact(4);
            let number = |four: &[u8]| {
                four.first_chunk()
                    .map(|four| u32::from_ne_bytes(*four).into())
            };
            return numbers.map(number).collect();
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

/// Returns received and sent bytes that a socket is charged with, of `SK_MEMINFO_*`.
fn charged(memory: &[u64], sent: usize) -> u64 {
    let of = |index: usize| memory.get(index).copied().unwrap_or(0);
    of(0) + of(sent)
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "as the kernel answers about others"
)]
fn of_unix(_: &[u8], attributes: &[u8]) -> Option<u64> {
    let memory = attribute(attributes, UNIX_MEMORY).unwrap_or_default();
    Some(charged(&memory, 2))
}

fn of_inet(head: &[u8], attributes: &[u8]) -> Option<u64> {
    if head.get(1).is_some_and(|state| NO_SOCKET.contains(state)) {
        return None;
    }
    let memory = attribute(attributes, INET_MEMORY).unwrap_or_default();
    // What a stream has not sent yet is counted apart.
    Some(charged(&memory, 5).max(charged(&memory, 2)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::{UnixDatagram, UnixStream};

    use super::*;

    fn fill(mut stream: impl Write) {
        while stream.write(&[1; 2_048]).is_ok() {}
    }

    /// Other tests of this program use sockets too, so only growth beyond theirs counts.
    const SEEN: u64 = 100_000;

    #[test]
    fn memory_in_sockets_is_seen_also_when_the_sender_is_gone() {
        let sockets = Sockets::open().expect("the kernel tells about sockets (CONFIG_UNIX_DIAG)");
        let read = |name: &str| {
            std::fs::read_to_string(format!("/proc/self/net/{name}")).expect("the kernel tells")
        };
        let count = || {
            let (used, of_netlink) = (read("sockstat"), netlink(&read("netlink")));
            let listed = sockets.listed([&used, &read("sockstat6")]).expect("counts");
            let used = count(&used, "sockets: used ").expect("is told");
            let unlisted = used.saturating_sub(listed.sockets + of_netlink.sockets);
            listed.bytes + unlisted_bytes(unlisted)
        };
        let before = count();
        let (near, far) = UnixStream::pair().expect("makes a pair");
        near.set_nonblocking(true).expect("sets");
        fill(&near);
        let full = count();
        assert!(full > before + SEEN, "{before} {full}");
        drop(near);
        assert!(count() > before + SEEN);
        drop(far);
        let (near, far) = UnixDatagram::pair().expect("makes a pair");
        near.set_nonblocking(true).expect("sets");
        while near.send(&vec![1; 60_000]).is_ok() {}
        drop(near);
        assert!(count() > before + SEEN);
        drop(far);
        let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
        let near = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        near.set_nonblocking(true).expect("sets");
        let _far = listener.accept().expect("accepts");
        fill(&near);
        assert!(count() > before + SEEN);
    }

    #[test]
    fn answers_that_wait_in_a_netlink_socket_are_seen() {
        let of_all = || {
            let text = std::fs::read_to_string("/proc/self/net/netlink").expect("readable");
            netlink(&text).bytes
        };
        let before = of_all();
        let sockets: Vec<_> = (0..8).map(|_| Sockets::open().expect("opens")).collect();
        for sockets in &sockets {
            // Nobody reads the answer.
            send(&sockets.0, &unix_request(), SendFlags::empty()).expect("asks");
        }
        assert!(of_all() > before + 8 * 1_000, "{before} {}", of_all());
        let two = netlink("sk Eth\nx y 0 0 7 5 rest\nx 1\nx y 9 0 1 0 rest");
        let found = (two.bytes, two.sockets);
        assert_eq!(found, (13, 1));
    }

    #[test]
    fn hostile_answers_end() {
        assert_eq!(message(&[]).map(|_| ()), None);
        assert_eq!(message(&[255; 20]).map(|_| ()), None);
        assert_eq!(attribute(&[0; 8], 5), None);
        assert_eq!(attribute(&[4, 0, 9, 0], 5), None);
    }
}
