//! Attacks that put memory where no process shows it.

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::{Options, Tried};

const MEBIBYTE: usize = 1 << 20;

/// How long a successful attack keeps what it got.
const HOLD: Duration = Duration::from_millis(400);

/// Maps `bytes` that could be shared, fills them, and lets go of every page again: the pages stay, and
/// no process has them mapped.
pub(crate) fn shared_mapping(options: &Options) -> Tried {
    let bytes = options.number("bytes")? as usize;
    // SAFETY: a fresh mapping, written within its bounds, and kept until the end.
    unsafe {
        let address = libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if address == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        for at in (0..bytes).step_by(MEBIBYTE) {
            let part = address.cast::<u8>().add(at);
            part.write_bytes(1, MEBIBYTE);
            libc::madvise(part.cast(), MEBIBYTE, libc::MADV_DONTNEED);
        }
    }
    std::thread::sleep(HOLD);
    Ok(())
}

/// Looks at one page in every two mebibytes of a huge empty mapping: tables of pages of `bytes`, and
/// not one page of its own.
pub(crate) fn page_tables(options: &Options) -> Tried {
    const REACH: usize = 2 * MEBIBYTE;
    let tables = options.number("bytes")? as usize / 4_096;
    // SAFETY: a fresh mapping, read within its bounds, and kept until the end.
    unsafe {
        let address = libc::mmap(
            std::ptr::null_mut(),
            tables * REACH,
            libc::PROT_READ,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        );
        if address == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        libc::madvise(address, tables * REACH, libc::MADV_NOHUGEPAGE);
        for table in 0..tables {
            std::hint::black_box(address.cast::<u8>().add(table * REACH).read_volatile());
        }
    }
    std::thread::sleep(HOLD);
    Ok(())
}

/// Leaves messages in `pairs` sockets in each of `processes` processes and closes the senders, to whom
/// they are charged.
pub(crate) fn datagrams(options: &Options) -> Tried {
    let pairs = options.number("pairs")?;
    let empty_first = options.list("first") == ["empty"];
    let fill = || {
        let message = vec![1_u8; 15_000];
        let mut held = Vec::new();
        for _ in 0..pairs {
            let Ok((near, far)) = UnixDatagram::pair() else {
                break;
            };
            let _ = near.set_nonblocking(true);
            if empty_first {
                // The kernel tells the length of the first message only.
                let _ = near.send(&[]);
            }
            while near.send(&message).is_ok() {}
            held.push(far);
        }
        std::thread::sleep(2 * HOLD);
    };
    in_processes(options.number("processes")?, fill);
    Ok(())
}

/// Makes a pipe longer than it is.
pub(crate) fn long_pipe(options: &Options) -> Tried {
    let mut ends = [0; 2];
    // SAFETY: the array has room for both ends, which live until the end.
    let made = unsafe {
        libc::pipe(ends.as_mut_ptr());
        libc::fcntl(ends[1], libc::F_SETPIPE_SZ, 256 << 10)
    };
    if made > 64 << 10 {
        options.reach("long pipe");
    }
    Ok(())
}

/// Asks the kernel about its network through `sockets` sockets in each of `processes` processes, and reads none of the
/// answers.
pub(crate) fn unread_answers(options: &Options) -> Tried {
    let (sockets, processes) = (options.number("sockets")?, options.number("processes")?);
    let share = options.number("bytes")? / processes;
    in_processes(processes, || {
        let mut held = Vec::new();
        let mut bytes = 0;
        while bytes < share
            && held.len() < sockets as usize
            && let Some(socket) = route_socket()
        {
            bytes += fill_with_answers(&socket, share - bytes);
            held.push(socket);
        }
        std::thread::sleep(2 * HOLD);
    });
    Ok(())
}

/// Opens a routing socket with the longest queue that it gets.
fn route_socket() -> Option<OwnedFd> {
    let longest: libc::c_int = 1 << 30;
    // SAFETY: a socket of this function's own; the option's value outlives the call.
    unsafe {
        let socket = libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE);
        if socket < 0 {
            return None;
        }
        let value = std::ptr::from_ref(&longest).cast();
        libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, value, 4);
        Some(OwnedFd::from_raw_fd(socket))
    }
}

/// Asks for all interfaces until answers of so many bytes wait or no more fit; returns how many bytes wait.
fn fill_with_answers(socket: &OwnedFd, most: u64) -> u64 {
    let mut request = 32_u32.to_ne_bytes().to_vec();
    request.extend(libc::RTM_GETLINK.to_ne_bytes());
    request.extend((libc::NLM_F_REQUEST as u16 | libc::NLM_F_DUMP as u16).to_ne_bytes());
    request.extend([0; 24]);
    let mut waiting = 0;
    loop {
        let (bytes, mut size, mut memory) = (request.as_ptr().cast(), 36_u32, [0_u32; 9]);
        let all = memory.as_mut_ptr().cast();
        let socket = socket.as_raw_fd();
        // SAFETY: the buffers live through the calls and are as long as said.
        unsafe {
            libc::send(socket, bytes, request.len(), libc::MSG_DONTWAIT);
            libc::getsockopt(socket, libc::SOL_SOCKET, SO_MEMINFO, all, &raw mut size);
        }
        let now = u64::from(memory[0]);
        if now <= waiting || now > most {
            return now;
        }
        waiting = now;
    }
}

/// `SO_MEMINFO`: bytes that wait and how many may, and others (asm-generic/socket.h).
const SO_MEMINFO: libc::c_int = 55;

/// Lets `instances` watchers of one directory miss everything that happens there.
pub(crate) fn unread_notices(options: &Options) -> Tried {
    let place = options.get("place")?;
    let directory = format!("{place}/notices-{}", std::process::id());
    std::fs::create_dir(&directory)?;
    let path = CString::new(directory.clone())?;
    let mut held = Vec::new();
    for _ in 0..options.number("instances")? {
        // SAFETY: the path lives through the call; the instance lives until the end.
        unsafe {
            let watcher = libc::inotify_init1(libc::IN_CLOEXEC);
            if watcher < 0 {
                break;
            }
            libc::inotify_add_watch(watcher, path.as_ptr(), libc::IN_CREATE | libc::IN_DELETE);
            held.push(OwnedFd::from_raw_fd(watcher));
        }
    }
    let made = format!("{directory}/{}", "n".repeat(250));
    for _ in 0..8_192 {
        std::fs::write(&made, "")?;
        std::fs::remove_file(&made)?;
    }
    std::thread::sleep(HOLD);
    std::fs::remove_dir(&directory)
}

/// Makes `links` symbolic links in memory, which holds nothing but their names.
pub(crate) fn links_in_memory(options: &Options) -> Tried {
    let directory = format!("/dev/shm/links-{}", std::process::id());
    std::fs::create_dir(&directory)?;
    let target = "t".repeat(120);
    let made = (0..options.number("links")?)
        .try_for_each(|link| std::os::unix::fs::symlink(&target, format!("{directory}/{link}")));
    std::thread::sleep(HOLD);
    std::fs::remove_dir_all(&directory)?;
    // What could be made was made.
    let _ = made;
    Ok(())
}

/// Does the same in so many processes, this one included.
fn in_processes(processes: u64, what: impl Fn()) {
    for _ in 1..processes {
        // SAFETY: one thread; the child ends with its parent at the latest.
        if unsafe { libc::fork() } == 0 {
            // SAFETY: plain integers.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            what();
            // SAFETY: ends the child.
            unsafe { libc::_exit(0) }
        }
    }
    what();
}
