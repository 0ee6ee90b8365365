//! What supervisor and helper say to each other over one pair of sequenced-packet sockets.
//!
//! The supervisor's end closes when it dies, which the helper notices: the pair is the liveness
//! signal too.

use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cgroup::Member;
use crate::policy::{Limits, Link, Mount};
use crate::record::{Level, Step};

/// Descriptors in one message; the kernel takes at most 253.
pub(crate) const DESCRIPTORS_MAX: usize = 32;

/// Greatest message; orders travel in a memory file instead.
const MESSAGE_MAX: usize = 16 << 10;

/// The user that a sandbox of a root supervisor runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dedicated {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// What the helper is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) level: Level,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) directory: PathBuf,
    pub(crate) mounts: Vec<Mount>,
    /// For each mount, device and number of its source's inode.
    pub(crate) identities: Vec<(u64, u64)>,
    /// The program that makes namespaces and root, when it is not this one.
    pub(crate) bubblewrap: Option<PathBuf>,
    /// For each mount, which of the passed descriptors translates its owner.
    pub(crate) owner_maps: Vec<Option<usize>>,
    pub(crate) links: Vec<Link>,
    pub(crate) devices: Vec<PathBuf>,
    pub(crate) cpus: Vec<usize>,
    pub(crate) limits: Limits,
    pub(crate) dedicated: Option<Dedicated>,
    /// Whether a listener for the supervisor's proxy is to be opened.
    pub(crate) proxy: bool,
    /// The control group, whose descriptors come last.
    pub(crate) group: Vec<Member>,
    /// Whether an answer pipe follows the order among the descriptors.
    pub(crate) answer: bool,
    /// Whether the self-test is to be made before the command.
    pub(crate) self_test: bool,
    /// The compiled system call filter, one instruction per number.
    pub(crate) filter: Vec<u64>,
}

/// A failed step of the helper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) step: Step,
    pub(crate) errno: i32,
    pub(crate) reason: String,
}

/// Why the keeper stops a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stop {
    Wall,
    Cpu,
    Memory,
    Processes,
    Disk,
    /// The supervisor asked.
    Asked,
}

/// How the command ended, as pid 1 saw it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum End {
    /// The raw wait status.
    Status(i32),
    Stopped(Stop),
    NotStarted(Fault),
}

/// What pid 1 reports at the end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) end: End,
    pub(crate) workload_wall_ns: u64,
    pub(crate) cpu_ns: u64,
    pub(crate) resident_max_bytes: u64,
    pub(crate) read_bytes: u64,
    pub(crate) written_bytes: u64,
    /// Processes at work when the command had ended by itself, and those of them in another session.
    pub(crate) left_behind: u64,
    pub(crate) detached: u64,
}

impl Done {
    /// Returns the end of a command that used nothing.
    pub(crate) fn unused(end: End) -> Self {
        Self {
            end,
            workload_wall_ns: 0,
            cpu_ns: 0,
            resident_max_bytes: 0,
            read_bytes: 0,
            written_bytes: 0,
            left_behind: 0,
            detached: 0,
        }
    }
}

/// What the keeper reports at the end.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Watched {
    /// What the kernel accounted to pid 1 and to what was reaped below it.
    pub(crate) cpu_ns: u64,
    /// Greatest processor time of the tree seen in `/proc`, those that nobody reaps included.
    pub(crate) cpu_seen_ns: u64,
    pub(crate) memory_bytes_max: u64,
    pub(crate) processes_max: u64,
    pub(crate) disk_bytes: u64,
    pub(crate) disk_files: u64,
    /// Whether the disk limits were exceeded at the end, even if nobody saw it happen.
    pub(crate) disk_exceeded: bool,
    /// Whether the kernel killed a process because the control group's memory was used up.
    pub(crate) out_of_memory: bool,
    /// Whether the kernel refused a process because of the control group's limit.
    pub(crate) processes_refused: bool,
    /// From the command's start to the end of pid 1.
    pub(crate) wall_ns: u64,
}

/// What the helper tells the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// Pid 1 of the sandbox exists; a process descriptor comes along.
    Init {
        pid: i32,
    },
    NotBuilt(Fault),
    /// The listener for the proxy comes along.
    Listening,
    Done(Done),
    Watched(Watched),
}

/// What the supervisor tells the keeper, what the keeper tells pid 1, and what that says back.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Note {
    Stop(Stop),
    /// The root is built and the command about to start.
    Ready,
    /// Where the command asks for memory files comes along.
    MemoryFiles,
}

/// Sends one message with descriptors.
pub(crate) fn send<T: Serialize>(
    socket: impl AsFd,
    message: &T,
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "too many descriptors in one message",
        ));
    }
    sendmsg(
        socket,
        &[IoSlice::new(&bytes)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Receives one message with its descriptors; `None` when the other end is closed.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: impl AsFd,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; MESSAGE_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut slices = [IoSliceMut::new(&mut bytes)];
        match recvmsg(
            &socket,
            &mut slices,
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        ) {
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            other => break other?.bytes,
        }
    };
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            fds.extend(passed);
        }
    }
    if received == 0 {
        return Ok(None);
    }
    Ok(Some((serde_json::from_slice(&bytes[..received])?, fds)))
}

/// Returns an anonymous file in memory that holds the order.
pub(crate) fn order_file(order: &Order) -> io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create(c"lyceum-order", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(fd);
    file.write_all(&serde_json::to_vec(order)?)?;
    file.rewind()?;
    Ok(file.into())
}

/// Reads an order back.
pub(crate) fn read_order(file: &OwnedFd) -> io::Result<Order> {
    let mut bytes = Vec::new();
    let mut file = std::fs::File::from(file.try_clone()?);
    // The position is shared with a helper that was started before and lost.
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}
