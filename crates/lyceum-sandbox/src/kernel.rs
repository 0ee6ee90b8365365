//! The few system calls that neither the standard library nor rustix offers in a safe form.
//!
//! Everything unsafe of this crate is here.
#![expect(
    unsafe_code,
    reason = "raw system calls, each behind a function without preconditions"
)]

mod notice;

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

pub(crate) use notice::{answer, answer_with, install_filter, receive_notice};

/// Attributes for [`mount_set_attributes`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MountAttributes<'fd> {
    /// `MOUNT_ATTR_*` bits to set.
    pub(crate) set: u64,
    /// User namespace whose map translates owners.
    pub(crate) owner_map: Option<BorrowedFd<'fd>>,
    /// Whether the nested mounts change too.
    pub(crate) recursive: bool,
}

/// Changes the attributes of the mount that `tree` refers to, and cuts its propagation.
pub(crate) fn mount_set_attributes(
    tree: BorrowedFd<'_>,
    wanted: MountAttributes<'_>,
) -> io::Result<()> {
    let idmap = if wanted.owner_map.is_some() {
        libc::MOUNT_ATTR_IDMAP
    } else {
        0
    };
    let attributes = libc::mount_attr {
        attr_set: wanted.set | idmap,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: wanted.owner_map.map_or(0, |fd| fd.as_raw_fd() as u64),
    };
    let recursive = if wanted.recursive {
        libc::AT_RECURSIVE
    } else {
        0
    };
    // SAFETY: the path is a static C string and the structure lives through the call with its size given.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    check(outcome).map(drop)
}

/// Moves this process (its children, for pid namespaces) into new namespaces.
pub(crate) fn unshare(namespaces: rustix::thread::UnshareFlags) -> io::Result<()> {
    // SAFETY: callers pass namespace flags only, which leave descriptors and memory as they are.
    unsafe { rustix::thread::unshare_unsafe(namespaces) }?;
    Ok(())
}

/// Removes one capability from the bounding set; false when the kernel knows no such number.
pub(crate) fn drop_from_bounding_set(capability: libc::c_ulong) -> io::Result<bool> {
    // SAFETY: plain integers.
    match check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) }.into()) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Clears the ambient set and locks every rule by which root or `execve` regains capabilities.
pub(crate) fn lock_capability_rules() -> io::Result<()> {
    /// `NOROOT`, `NO_SETUID_FIXUP`, `NO_CAP_AMBIENT_RAISE` and their locks, and the lock of
    /// `KEEP_CAPS` (`linux/securebits.h`).
    const LOCKED: libc::c_ulong = 0b1110_1111;
    // SAFETY: plain integers.
    unsafe {
        check(
            libc::prctl(
                libc::PR_CAP_AMBIENT,
                libc::PR_CAP_AMBIENT_CLEAR_ALL,
                0,
                0,
                0,
            )
            .into(),
        )?;
        check(libc::prctl(libc::PR_SET_SECUREBITS, LOCKED, 0, 0, 0).into()).map(drop)
    }
}

/// Which side of a [`fork`] this is.
pub(crate) enum Forked {
    /// The new process.
    Child,
    /// The old one, with the new process's id.
    Parent(i32),
}

/// Forks. Only for processes with one thread, where every call is allowed in the child.
pub(crate) fn fork() -> io::Result<Forked> {
    // SAFETY: the helper has one thread, so the child's memory is consistent.
    match check(unsafe { libc::fork() }.into())? {
        0 => Ok(Forked::Child),
        child => Ok(Forked::Parent(child as i32)),
    }
}

/// Forks a child of this process's parent, which will wait for it. Only for processes with one thread.
///
/// The C library is not told: what it knows as the number of the thread is the parent's until the child forks, and is
/// used for nothing in between.
pub(crate) fn fork_sibling() -> io::Result<Forked> {
    let flags = libc::c_long::from(libc::CLONE_PARENT | libc::SIGCHLD);
    // As wide as the kernel reads them.
    let none: libc::c_long = 0;
    // SAFETY: without a stack or shared memory this is a fork, and the helper has one thread.
    match check(unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) })? {
        0 => Ok(Forked::Child),
        child => Ok(Forked::Parent(child as i32)),
    }
}

/// Ends this process at once, without running destructors or exit handlers.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: the helper owns no descriptor at this point; nothing else refers to the closed ones.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}

/// Lets every descriptor from `first` on end with `execve`.
pub(crate) fn close_on_execute_from(first: u32) -> io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: plain integers; no descriptor is closed.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) }).map(drop)
}

/// Returns a standard stream, which is open for as long as this process lives.
pub(crate) fn borrow_inherited(number: RawFd) -> BorrowedFd<'static> {
    // SAFETY: callers pass 1 or 2, which the helper never closes, only replaces.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Joins a user namespace. Only for processes with one thread.
pub(crate) fn join_user_namespace(namespace: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWUSER) }.into()).map(drop)
}

/// Joins a network namespace.
pub(crate) fn join_network_namespace(namespace: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }.into()).map(drop)
}

/// Returns the user namespace that a namespace belongs to.
pub(crate) fn owner_of_namespace(namespace: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    /// `NS_GET_USERNS` of `linux/nsfs.h`.
    const GET_OWNER: libc::c_ulong = 0xb701;
    // SAFETY: plain integers; the new descriptor is ours alone.
    unsafe {
        let owner = check(libc::ioctl(namespace.as_raw_fd(), GET_OWNER).into())?;
        Ok(OwnedFd::from_raw_fd(owner as RawFd))
    }
}

/// Asks to be run soon when there is something to do, at the price of short turns. Children are not.
pub(crate) fn ask_for_short_turns() -> io::Result<()> {
    /// `struct sched_attr` of `linux/sched/types.h`, its first version.
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime_ns: u64,
        deadline_ns: u64,
        period_ns: u64,
    }
    /// The shortest turn that Linux gives, from 6.12 on; older ones ignore it.
    const TURN_NS: u64 = 100_000;
    // SAFETY: plain integers.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let wanted = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: libc::SCHED_OTHER as u32,
        flags: libc::SCHED_FLAG_RESET_ON_FORK as u64,
        nice,
        priority: 0,
        runtime_ns: TURN_NS,
        deadline_ns: 0,
        period_ns: 0,
    };
    // SAFETY: the structure lives through the call and says its size.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const wanted, 0) }).map(drop)
}

/// Makes `to` refer to what `from` refers to and inheritable, replacing what `to` was.
pub(crate) fn duplicate_onto(from: BorrowedFd<'_>, to: RawFd) -> io::Result<()> {
    // SAFETY: callers pass a reserved number (0 to 3) that no owned descriptor of the helper has.
    check(unsafe { libc::dup2(from.as_raw_fd(), to) }.into()).map(drop)
}

/// Asks for `SIGKILL` when the parent dies.
pub(crate) fn die_with_parent() -> io::Result<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }.into()).map(drop)
}

/// Makes descendants whose parent dies this process's children.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1_u64, 0, 0, 0) }.into()).map(drop)
}

/// Decides whether processes of the same user may look into this one.
pub(crate) fn set_dumpable(dumpable: bool) -> io::Result<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, libc::c_ulong::from(dumpable)) }.into())
        .map(drop)
}

/// Blocks `SIGCHLD` and returns a non-blocking descriptor that becomes readable instead.
pub(crate) fn child_signal() -> io::Result<OwnedFd> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the set is initialised by `sigemptyset` before use; the new descriptor is ours alone.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        check(libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()).into())?;
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        let descriptor = check(libc::signalfd(-1, set.as_ptr(), flags).into())?;
        Ok(OwnedFd::from_raw_fd(descriptor as RawFd))
    }
}

/// Gives every signal its default action and unblocks all.
pub(crate) fn reset_signals() -> io::Result<()> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: default actions need no handler; the set is initialised before use.
    unsafe {
        for signal in 1..=libc::SIGRTMAX() {
            // Fails for SIGKILL, SIGSTOP and the two that the C library keeps; nothing to do there.
            libc::signal(signal, libc::SIG_DFL);
        }
        libc::sigemptyset(set.as_mut_ptr());
        check(libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut()).into())
            .map(drop)
    }
}

/// Sends `SIGKILL` to every process that this one can see.
pub(crate) fn kill_all_visible() {
    // SAFETY: plain integers. Called by a pid 1, so "all" is its own pid namespace.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}

/// A child that ended.
pub(crate) struct Reaped {
    /// Its process id.
    pub(crate) pid: i32,
    /// Its wait status.
    pub(crate) status: i32,
    /// What it and the children that it waited for used.
    pub(crate) used: Used,
}

/// Resources used by processes that ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// User and system time.
    pub(crate) cpu: Duration,
    /// Greatest resident set of one process, in bytes.
    pub(crate) resident_max_bytes: u64,
    /// Bytes read from block devices.
    pub(crate) read_bytes: u64,
    /// Bytes written to block devices.
    pub(crate) written_bytes: u64,
}

/// Waits for a child (`None`: any), or returns `None` at once when `block` is false and none ended.
pub(crate) fn reap(pid: Option<i32>, block: bool) -> io::Result<Option<Reaped>> {
    let options = if block { 0 } else { libc::WNOHANG };
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both out-pointers are valid for the call.
        let found = check(
            unsafe {
                libc::wait4(
                    pid.unwrap_or(-1),
                    &raw mut status,
                    options | libc::__WALL,
                    usage.as_mut_ptr(),
                )
            }
            .into(),
        );
        match found {
            Ok(0) => return Ok(None),
            Ok(pid) => {
                // SAFETY: zeroed is a valid `rusage`, and the kernel filled it.
                let used = used(&unsafe { usage.assume_init() });
                return Ok(Some(Reaped {
                    pid: pid as i32,
                    status,
                    used,
                }));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns what all reaped children of this process used.
pub(crate) fn used_by_children() -> Used {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the out-pointer is valid, and zeroed is a valid `rusage` even if the call failed.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
        usage.assume_init()
    };
    used(&usage)
}

/// Unit of `ru_inblock` and `ru_oublock` on Linux: sectors.
const BLOCK_BYTES: u64 = 512;

fn used(usage: &libc::rusage) -> Used {
    let duration =
        |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1_000);
    Used {
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        resident_max_bytes: usage.ru_maxrss as u64 * 1_024,
        read_bytes: usage.ru_inblock as u64 * BLOCK_BYTES,
        written_bytes: usage.ru_oublock as u64 * BLOCK_BYTES,
    }
}

/// Sets the flags `IFF_UP | IFF_RUNNING` on the loopback interface of this network namespace.
pub(crate) fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        None,
    )?;
    // SAFETY: zeroed is a valid `ifreq`; the name is shorter than the field and ends with zero.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo\0") {
            *to = *from as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
        check(
            libc::ioctl(
                socket.as_fd().as_raw_fd(),
                libc::SIOCSIFFLAGS,
                &raw const request,
            )
            .into(),
        )
        .map(drop)
    }
}

/// Returns the version of the kernel's Landlock interface, or the error that says why there is none.
pub(crate) fn landlock_abi() -> io::Result<u32> {
    const VERSION: u32 = 1;
    let nothing = std::ptr::null::<u8>();
    // SAFETY: with this flag the kernel takes a null pointer and a zero size.
    check(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0_usize, VERSION) })
        .map(|version| version as u32)
}

/// `struct landlock_ruleset_attr`.
#[repr(C)]
struct LandlockRuleset {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct LandlockPath {
    allowed_access: u64,
    parent_fd: i32,
}

/// Creates a set of Landlock rules for these rights over files and these scopes.
pub(crate) fn landlock_ruleset(files: u64, scopes: u64) -> io::Result<OwnedFd> {
    let attributes = LandlockRuleset {
        handled_access_fs: files,
        handled_access_net: 0,
        scoped: scopes,
    };
    // SAFETY: the structure lives through the call with its size given; the new descriptor is ours alone.
    unsafe {
        let ruleset = check(libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const attributes,
            size_of::<LandlockRuleset>(),
            0,
        ))?;
        Ok(OwnedFd::from_raw_fd(ruleset as RawFd))
    }
}

/// Allows rights at and below an open place.
pub(crate) fn landlock_allow(
    ruleset: BorrowedFd<'_>,
    place: BorrowedFd<'_>,
    access: u64,
) -> io::Result<()> {
    const PATH_BENEATH: u32 = 1;
    let rule = LandlockPath {
        allowed_access: access,
        parent_fd: place.as_raw_fd(),
    };
    // SAFETY: the structure lives through the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            PATH_BENEATH,
            &raw const rule,
            0,
        )
    })
    .map(drop)
}

/// Puts this process, which has no-new-privileges set, under a set of Landlock rules.
pub(crate) fn landlock_restrict(ruleset: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) })
        .map(drop)
}

/// Creates a socket of a family given by number and closes it again; tells whether that was refused.
pub(crate) fn socket_refused(family: i32) -> bool {
    // SAFETY: plain integers; the descriptor is owned at once.
    let socket = unsafe { libc::socket(family, libc::SOCK_STREAM, 0) };
    if socket >= 0 {
        // SAFETY: just created and owned by nobody else.
        drop(unsafe { OwnedFd::from_raw_fd(socket) });
    }
    socket < 0
}

/// Returns a descriptor that the caller was given by number.
///
/// Only for numbers that arrived by inheritance and that nothing else owns.
pub(crate) fn claim(number: RawFd) -> OwnedFd {
    // SAFETY: called once, for standard input, before anything else uses it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

fn check(outcome: libc::c_long) -> io::Result<libc::c_long> {
    if outcome < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(outcome)
    }
}
