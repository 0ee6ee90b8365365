//! Pid 1 of a sandbox: builds it, starts the command, reaps, keeps the time.
//!
//! When it ends, the kernel kills whatever is left in the pid namespace.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::thread::CapabilitySet;

use super::fault::{At, fault};
use super::sources::Source;
use super::workload::{self, Workload};
use super::{keeper, look, mounts, privileges, remains};
use crate::kernel::{self, Forked};
use crate::network::PROXY_PORT;
use crate::record::Step;
use crate::wire::{self, Done, End, Fault, Note, Order, Report, Stop};

/// The descriptors that connect pid 1 with the trusted side.
pub(super) struct Lines<'fd> {
    /// To the keeper.
    pub(super) link: OwnedFd,
    /// To the supervisor.
    pub(super) control: &'fd OwnedFd,
}

/// Runs pid 1 and ends the process.
pub(super) fn run(
    order: &Order,
    sources: Vec<Source>,
    lines: &Lines<'_>,
    answer: Option<OwnedFd>,
    entered: Result<(), Fault>,
) -> ! {
    let served = entered.and_then(|()| serve(order, sources, lines, answer));
    finish(lines, served)
}

/// Reports how the command ended, and ends pid 1 and so the sandbox.
pub(super) fn finish(lines: &Lines<'_>, served: Result<Done, Fault>) -> ! {
    let done = served.unwrap_or_else(|fault| Done::unused(End::NotStarted(fault)));
    // If nobody listens any more, there is nobody to tell.
    let _ = wire::send(lines.control, &Report::Done(done), &[]);
    kernel::exit_now(0)
}

fn serve(
    order: &Order,
    sources: Vec<Source>,
    lines: &Lines<'_>,
    answer: Option<OwnedFd>,
) -> Result<Done, Fault> {
    kernel::die_with_parent().at(Step::Fork, "tying pid 1 to its keeper")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    mounts::build(order, sources)?;
    rustix::system::sethostname(b"sandbox").at(Step::BuildRoot, "setting the host name")?;
    kernel::loopback_up().at(Step::Loopback, "bringing up `lo`")?;
    // When memory runs out all the same, the kernel takes the sandbox and not the lab.
    std::fs::write("/proc/self/oom_score_adj", "1000")
        .at(Step::SetLimits, "offering itself to the kernel")?;
    keeper::await_group(order, &lines.link)?;
    privileges::keep_only(CapabilitySet::empty())?;
    command(order, lines, answer)
}

/// Runs the command in what is built.
pub(super) fn command(
    order: &Order,
    lines: &Lines<'_>,
    answer: Option<OwnedFd>,
) -> Result<Done, Fault> {
    // It stops the tree when it is told to. Its children are scheduled as usual.
    let _ = kernel::ask_for_short_turns();
    let children = kernel::child_signal().at(Step::Fork, "waiting for children by descriptor")?;
    if order.proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PROXY_PORT))
            .at(Step::Loopback, "listening for the proxy")?;
        wire::send(lines.control, &Report::Listening, &[listener.as_fd()])
            .at(Step::Loopback, "passing the listener on")?;
    }
    wire::send(&lines.link, &Note::Ready, &[]).at(Step::Fork, "telling the keeper")?;

    let (progress, progress_end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .at(Step::Fork, "making a pipe")?;
    let main = match kernel::fork().at(Step::Fork, "starting the command")? {
        Forked::Child => workload::run(&Workload {
            order,
            link: &lines.link,
            answer,
            progress: progress_end,
        }),
        Forked::Parent(pid) => pid,
    };
    drop((progress_end, answer));
    let (mut end, ended_at) = wait_for(main, &children, lines);
    if matches!(end, End::Status(_)) && look::crowded(order.limits.processes) {
        // A command may end because it could start no more, before the keeper looked.
        end = End::Stopped(Stop::Processes);
    }
    let remains = match &end {
        End::Status(_) => remains::count(main),
        End::Stopped(_) | End::NotStarted(_) => remains::Remains::default(),
    };
    // Whatever the command left behind goes now, so that its time is counted.
    kernel::kill_all_visible();
    while let Ok(Some(_)) = kernel::reap(None, true) {}
    let used = kernel::used_by_children();
    let started = read_progress(progress)?;
    let (end, wall) = match started {
        workload::Progress::Executed { at_ns } => (end, ended_at.saturating_sub(at_ns)),
        workload::Progress::Failed(fault) => (End::NotStarted(fault), 0),
        // Stopped before it got so far.
        workload::Progress::Unknown => (end, 0),
    };
    Ok(Done {
        end,
        workload_wall_ns: wall,
        cpu_ns: used.cpu.as_nanos() as u64,
        resident_max_bytes: used.resident_max_bytes,
        read_bytes: used.read_bytes,
        written_bytes: used.written_bytes,
        left_behind: remains.left_behind,
        detached: remains.detached,
    })
}

/// Waits for the command or for an order to stop; returns how it ended and when.
fn wait_for(main: i32, children: &OwnedFd, lines: &Lines<'_>) -> (End, u64) {
    loop {
        let mut fds = [
            PollFd::new(children, PollFlags::IN),
            PollFd::new(&lines.link, PollFlags::IN),
            // No events asked: only the other end closing shows.
            PollFd::from_borrowed_fd(lines.control.as_fd(), PollFlags::empty()),
        ];
        let polled = poll(&mut fds, None);
        let now = workload::clock_ns();
        let [child, told, orphaned] = fds.map(|fd| polled.is_ok() && !fd.revents().is_empty());
        if orphaned {
            kernel::exit_now(1);
        }
        if child && let Some(status) = reap_all(main, children) {
            return (End::Status(status), now);
        }
        if told {
            match wire::receive::<Note>(&lines.link) {
                Ok(Some((Note::Stop(cause), _))) => return (End::Stopped(cause), now),
                Ok(Some((Note::Ready | Note::MemoryFiles, _))) => {}
                // Without its keeper a sandbox has no limits.
                Ok(None) | Err(_) => return (End::Stopped(Stop::Asked), now),
            }
        }
    }
}

/// Reaps whoever ended; returns the wait status of the command if it is among them.
pub(super) fn reap_all(main: i32, children: &OwnedFd) -> Option<i32> {
    // Signals merge, so the descriptor says only that there is something to reap.
    let mut signals = [0; 1_024];
    let _ = rustix::io::read(children, &mut signals);
    let mut status = None;
    while let Ok(Some(reaped)) = kernel::reap(None, false) {
        if reaped.pid == main {
            status = Some(reaped.status);
        }
    }
    status
}

pub(super) fn read_progress(pipe: OwnedFd) -> Result<workload::Progress, Fault> {
    let mut bytes = Vec::new();
    std::fs::File::from(pipe)
        .read_to_end(&mut bytes)
        .at(Step::Execute, "reading how the start went")?;
    workload::Progress::parse(&bytes)
        .ok_or_else(|| fault(Step::Execute, "the start left no readable trace"))
}
