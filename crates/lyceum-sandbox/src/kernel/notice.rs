//! Calls that the filter asks the keeper about (`seccomp_unotify(2)`).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::check;

/// `SECCOMP_IOCTL_NOTIF_RECV`, `_SEND` and `_ADDFD` of `linux/seccomp.h`.
const RECEIVE: libc::c_ulong = 0xc050_2100;
const SEND: libc::c_ulong = 0xc018_2101;
const ADD_DESCRIPTOR: libc::c_ulong = 0x4018_2103;

/// One instruction of a filter, `struct sock_filter`.
type Instruction = libc::sock_filter;

/// `struct seccomp_notif_addfd`.
#[repr(C)]
struct AddedDescriptor {
    id: u64,
    flags: u32,
    source: u32,
    wanted: u32,
    descriptor_flags: u32,
}

/// A call that waits for an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notice {
    id: u64,
    /// The call's arguments, as it gave them.
    pub(crate) arguments: [u64; 6],
}

/// Sets no-new-privileges and installs a filter; returns where its questions arrive, or `None` where an
/// outer filter has such a place already and these calls are refused.
pub(crate) fn install_filter(program: &[Instruction]) -> io::Result<Option<OwnedFd>> {
    let length = u16::try_from(program.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the filter is too long"))?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut(),
    };
    let install = |flags: libc::c_ulong| {
        // SAFETY: the program lives through the call, which only reads it.
        check(unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                &raw const program,
            )
        })
    };
    // SAFETY: plain integers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
    match install(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER) {
        // SAFETY: a new descriptor, ours alone.
        Ok(listener) => Ok(Some(unsafe { OwnedFd::from_raw_fd(listener as RawFd) })),
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => install(0).map(|_| None),
        Err(error) => Err(error),
    }
}

/// Takes the next question; fails when whoever asked is gone.
pub(crate) fn receive_notice(listener: BorrowedFd<'_>) -> io::Result<Notice> {
    // SAFETY: zeroed is valid, and what the kernel demands.
    let mut notice: libc::seccomp_notif = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: the structure lives through the call and has the size that the request's number says.
    check(unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE, &raw mut notice) }.into())?;
    Ok(Notice {
        id: notice.id,
        arguments: notice.data.args,
    })
}

/// Lets the call return a copy of a descriptor.
pub(crate) fn answer_with(
    listener: BorrowedFd<'_>,
    notice: Notice,
    given: impl AsFd,
    close_on_execute: bool,
) -> io::Result<()> {
    /// `SECCOMP_ADDFD_FLAG_SEND`, from Linux 5.14: one step, which no signal can come between.
    const AT_ONCE: u32 = 2;
    let give = |flags| {
        let added = AddedDescriptor {
            id: notice.id,
            flags,
            source: given.as_fd().as_raw_fd() as u32,
            wanted: 0,
            descriptor_flags: if close_on_execute {
                libc::O_CLOEXEC as u32
            } else {
                0
            },
        };
        let listener = listener.as_raw_fd();
        // SAFETY: the structure lives through the call and has the size that the request's number says.
        check(unsafe { libc::ioctl(listener, ADD_DESCRIPTOR, &raw const added) }.into())
    };
    match give(AT_ONCE) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            answer(listener, notice, Ok(give(0)?))
        }
        other => other.map(drop),
    }
}

/// Lets the call return a number, or fail.
pub(crate) fn answer(
    listener: BorrowedFd<'_>,
    notice: Notice,
    outcome: Result<i64, i32>,
) -> io::Result<()> {
    let response = libc::seccomp_notif_resp {
        id: notice.id,
        val: outcome.unwrap_or(0),
        error: outcome.err().map_or(0, |errno| -errno),
        flags: 0,
    };
    // SAFETY: the structure lives through the call and has the size that the request's number says.
    check(unsafe { libc::ioctl(listener.as_raw_fd(), SEND, &raw const response) }.into()).map(drop)
}
