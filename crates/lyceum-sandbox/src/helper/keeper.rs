//! The helper's first process: drops root, makes the namespaces, starts pid 1, and watches.
//!
//! It stays outside the pid namespace, so that the workload can neither see nor signal it, and is the
//! only trusted process of a sandbox that keeps capabilities: two that let it read what the workload
//! hides, valid in the sandbox's own user namespace only.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::thread::{CapabilitySet, UnshareFlags};

use super::disk::Disk;
use super::fault::{At, fault};
use super::init::Lines;
use super::watch::Watch;
use super::{alone, bubblewrap, init, privileges, sockets, sources};
use crate::cgroup::{Held, Version};
use crate::kernel::{self, Forked};
use crate::record::{Level, Step};
use crate::wire::{self, Dedicated, Fault, Note, Order, Report};

/// User and group id that the workload sees as its own.
const INSIDE_ID: u32 = 1_000;

/// `inotify` instances of a sandbox, and files that they watch, each of which keeps an inode in the kernel's memory.
const INOTIFY_MAX: [(&str, &str); 2] = [
    ("max_inotify_instances", "8"),
    ("max_inotify_watches", "8192"),
];

/// Runs the keeper and ends the process.
pub(super) fn run() -> ! {
    let code = match keep() {
        Ok(()) => 0,
        // Whoever could read a message is the socket's other end, and it sees that end close.
        Err(_) => 125,
    };
    kernel::exit_now(code)
}

fn keep() -> Result<(), Fault> {
    let control = take_control()?;
    let outcome = start(&control);
    if let Err(fault) = &outcome {
        // A supervisor that is gone needs no report.
        let _ = wire::send(&control, &Report::NotBuilt(fault.clone()), &[]);
    }
    outcome
}

/// Takes the control socket from standard input and leaves only descriptors 0 to 3 in known use.
fn take_control() -> Result<OwnedFd, Fault> {
    let step = Step::ReadOrder;
    kernel::close_from(3).at(step, "closing inherited descriptors")?;
    let inherited = kernel::claim(0);
    let control =
        rustix::io::fcntl_dupfd_cloexec(&inherited, 10).at(step, "moving the control socket")?;
    let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .at(step, "opening /dev/null")?;
    kernel::duplicate_onto(null.as_fd(), 0).at(step, "closing standard input")?;
    std::mem::forget(inherited);
    if rustix::fd::AsRawFd::as_raw_fd(&null) == 3 {
        // Reserves number 3 for the answer channel.
        std::mem::forget(null);
    }
    rustix::process::setsid().at(step, "leaving the supervisor's session")?;
    Ok(control)
}

fn start(control: &OwnedFd) -> Result<(), Fault> {
    // What watches should not wait behind what it watches; on an older kernel it does.
    let _ = kernel::ask_for_short_turns();
    let (order, file, mut passed) = read_order(control)?;
    let group = Held::take(&order.group, &mut passed)
        .ok_or_else(|| fault(Step::ReadOrder, "the order came without its control group"))?;
    let answer = if order.answer {
        Some(passed.remove(0))
    } else {
        None
    };
    if order.level == Level::Landlock {
        return alone::start(&order, control, answer);
    }
    if let Some(program) = &order.bubblewrap {
        return bubblewrap::start(&order, program, file, (answer, passed, group), control);
    }
    drop(file);
    let (sources, own) = match order.dedicated {
        Some(dedicated) => {
            let sources = sources::open_all(&order, &passed)?;
            drop_user(dedicated)?;
            (Some(sources), dedicated)
        }
        None => (None, own_user()),
    };
    drop(passed);
    make_namespaces(own, group.is_empty())?;
    privileges::empty_bounding_set()?;
    let sources = match sources {
        Some(sources) => sources,
        None => sources::open_all(&order, &[])?,
    };
    let disk = Disk::new(&sources)?;
    let (link, init_link) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .at(Step::Fork, "making a socket pair")?;
    match kernel::fork().at(Step::Fork, "starting pid 1")? {
        Forked::Child => {
            drop((link, disk));
            let entered = group
                .enter_first()
                .at(Step::EnterGroup, "moving this process");
            drop(group);
            let lines = Lines {
                link: init_link,
                control,
            };
            init::run(&order, sources, &lines, answer, entered)
        }
        Forked::Parent(pid) => {
            drop((init_link, answer, sources));
            let init =
                Pid::from_raw(pid).ok_or_else(|| fault(Step::Fork, "pid 1 has no number"))?;
            let process = pidfd_open(init, PidfdFlags::empty()).at(Step::Fork, "opening pid 1")?;
            let watch = Watch {
                order: &order,
                control,
                link: &link,
                process: &process,
                waited_for: pid,
                enter: None,
            };
            watch.report(pid)?;
            if let Err(fault) = enter_group(&order, &group, pid, &link) {
                watch.unwatched(fault)?;
            }
            let watching = CapabilitySet::DAC_READ_SEARCH | CapabilitySet::SYS_PTRACE;
            if let Err(fault) = privileges::keep_only(watching) {
                let _ = pidfd_send_signal(&process, Signal::KILL);
                return Err(fault);
            }
            watch.follow(disk, group).map(drop)
        }
    }
}

/// Tells the supervisor which process to watch, and lets go of the command's output.
pub(super) fn report(control: &OwnedFd, pid: i32, process: &OwnedFd) -> Result<(), Fault> {
    wire::send(control, &Report::Init { pid }, &[process.as_fd()])
        .at(Step::Fork, "reporting who runs")?;
    for standard in [1, 2] {
        // Else the supervisor would wait for the output of a command that ended.
        kernel::duplicate_onto(rustix::stdio::stdin(), standard)
            .at(Step::Fork, "closing output")?;
    }
    Ok(())
}

fn read_order(control: &OwnedFd) -> Result<(Order, OwnedFd, Vec<OwnedFd>), Fault> {
    let step = Step::ReadOrder;
    let received: Option<(u8, Vec<OwnedFd>)> =
        wire::receive(control).at(step, "waiting for the order")?;
    let (_, mut passed) = received.ok_or_else(|| fault(step, "the supervisor went away"))?;
    if passed.is_empty() {
        return Err(fault(step, "the order came without a descriptor"));
    }
    let file = passed.remove(0);
    let order = wire::read_order(&file).at(step, "reading the order")?;
    if order.answer && passed.is_empty() {
        return Err(fault(step, "the order came without its answer channel"));
    }
    Ok((order, file, passed))
}

pub(super) fn own_user() -> Dedicated {
    Dedicated {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
    }
}

pub(super) fn drop_user(dedicated: Dedicated) -> Result<(), Fault> {
    let step = Step::DropUser;
    let (uid, gid) = (
        rustix::fs::Uid::from_raw(dedicated.uid),
        rustix::fs::Gid::from_raw(dedicated.gid),
    );
    rustix::thread::set_thread_groups(&[]).at(step, "dropping supplementary groups")?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).at(step, "changing the group")?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).at(step, "changing the user")?;
    // The change made `/proc/self` root's; the maps are written through it.
    kernel::set_dumpable(true).at(step, "taking back /proc/self")
}

/// Moves pid 1 into a control group of version 2 while it builds the root, and tells it.
fn enter_group(order: &Order, group: &Held, pid: i32, link: &OwnedFd) -> Result<(), Fault> {
    let step = Step::EnterGroup;
    if !is_moved(order) {
        return Ok(());
    }
    group.move_to_second(pid).at(step, "moving pid 1")?;
    wire::send(link, &Note::Ready, &[]).at(step, "telling pid 1")
}

/// Waits as pid 1 until it is in its control group, and makes that the only one to be seen.
pub(super) fn await_group(order: &Order, link: &OwnedFd) -> Result<(), Fault> {
    let step = Step::EnterGroup;
    if order.group.is_empty() {
        return Ok(());
    }
    if is_moved(order) {
        match wire::receive::<Note>(link).at(step, "waiting for the keeper")? {
            Some((Note::Ready, _)) => {}
            Some((Note::Stop(_) | Note::MemoryFiles, _)) | None => {
                return Err(fault(step, "the keeper went away"));
            }
        }
    }
    kernel::unshare(UnshareFlags::NEWCGROUP).at(step, "unshare")
}

/// Returns whether the keeper moves pid 1 into a control group.
fn is_moved(order: &Order) -> bool {
    let mut members = order.group.iter();
    members.any(|member| member.version == Version::Two)
}

fn make_namespaces(own: Dedicated, with_groups: bool) -> Result<(), Fault> {
    let mut all = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS;
    if with_groups {
        // Else pid 1 does so, from within its group.
        all |= UnshareFlags::NEWCGROUP;
    }
    kernel::unshare(all).at(Step::CreateNamespaces, "unshare")?;
    map_user(own)?;
    bound_notices()?;
    bound_streams()?;
    forbid_nesting()
}

/// Maps the one user of a new user namespace.
pub(super) fn map_user(own: Dedicated) -> Result<(), Fault> {
    let step = Step::MapUser;
    fs::write("/proc/self/setgroups", "deny").at(step, "denying setgroups")?;
    fs::write("/proc/self/uid_map", format!("{INSIDE_ID} {} 1", own.uid))
        .at(step, "writing the user map")?;
    fs::write("/proc/self/gid_map", format!("{INSIDE_ID} {} 1", own.gid))
        .at(step, "writing the group map")
}

/// Forbids user namespaces inside this one.
pub(super) fn forbid_nesting() -> Result<(), Fault> {
    fs::write("/proc/sys/user/max_user_namespaces", "0").at(
        Step::ForbidNesting,
        "writing /proc/sys/user/max_user_namespaces",
    )
}

/// Bounds the buffers of TCP in this network.
pub(super) fn bound_streams() -> Result<(), Fault> {
    sockets::bound_streams().at(Step::SetLimits, "writing /proc/sys/net/ipv4/tcp_rmem")
}

/// Leaves this user namespace a few `inotify` instances: each may hold 16,384 notices that no process shows, and is
/// missing to other programs of the same user.
pub(super) fn bound_notices() -> Result<(), Fault> {
    for (name, most) in INOTIFY_MAX {
        match fs::write(format!("/proc/sys/user/{name}"), most) {
            // A kernel without `inotify`.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other.at(Step::SetLimits, format!("writing /proc/sys/user/{name}"))?,
        }
    }
    Ok(())
}
