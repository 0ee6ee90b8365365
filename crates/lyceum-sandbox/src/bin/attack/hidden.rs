//! Attacks that put memory where no process shows it.

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
    let fill = || {
        let message = vec![1_u8; 15_000];
        let mut held = Vec::new();
        for _ in 0..pairs {
            let Ok((near, far)) = UnixDatagram::pair() else {
                break;
            };
            let _ = near.set_nonblocking(true);
            while near.send(&message).is_ok() {}
            held.push(far);
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
