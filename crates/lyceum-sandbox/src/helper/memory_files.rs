//! Making the command's memory files, which `memfd_create` asks for, in its own file system in memory.
//!
//! A memory file of the kernel's own belongs to nobody: sent through a socket and closed, no process has
//! it and nothing counts it. Here it is a nameless file of a tmpfs with a size. What it cannot do is
//! be sealed: `F_ADD_SEALS` is refused, as for a memory file made without `MFD_ALLOW_SEALING`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, openat};

use crate::kernel;

/// Files made before the watch goes on, so that a crowd of questions does not stop it.
const AT_ONCE: usize = 64;

/// Flags of `memfd_create` that can be followed: close on execute, sealing allowed (of which nothing
/// follows), never executable, executable.
const FLAGS: u64 = 1 | 2 | NEVER_EXECUTABLE | 16;
const NEVER_EXECUTABLE: u64 = 8;

/// Answers what waits at the listener, with files in `place`.
pub(super) fn answer(listener: &OwnedFd, place: Option<BorrowedFd<'_>>) {
    for _ in 0..AT_ONCE {
        let mut waiting = [PollFd::new(listener, PollFlags::IN)];
        if !poll(&mut waiting, Some(&Timespec::default())).is_ok_and(|ready| ready > 0) {
            return;
        }
        // Whoever asked may have been killed since.
        let _ = answer_one(listener.as_fd(), place);
    }
}

fn answer_one(listener: BorrowedFd<'_>, place: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let notice = kernel::receive_notice(listener)?;
    let flags = notice.arguments[1] & u64::from(u32::MAX);
    if flags & !FLAGS != 0 {
        return kernel::answer(listener, notice, Err(libc::EINVAL));
    }
    match place.map(|place| make(place, flags)) {
        Some(Ok(file)) => kernel::answer_with(listener, notice, &file, flags & 1 != 0),
        Some(Err(error)) => {
            let errno = error.raw_os_error().unwrap_or(libc::ENOMEM);
            kernel::answer(listener, notice, Err(errno))
        }
        None => kernel::answer(listener, notice, Err(libc::ENOSYS)),
    }
}

fn make(place: BorrowedFd<'_>, flags: u64) -> io::Result<OwnedFd> {
    let mode = if flags & NEVER_EXECUTABLE != 0 {
        0o666
    } else {
        0o777
    };
    let wanted = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(openat(place, ".", wanted, Mode::from_raw_mode(mode))?)
}
