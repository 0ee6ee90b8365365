//! The keeper where there are no namespaces: it starts the command itself, adopts whatever that leaves,
//! measures the tree of its descendants, and ends all of it.
//!
//! Nothing but this process holds the tree together: what lives when it is killed goes on.

use std::collections::HashSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::disk::Disk;
use super::fault::{At, fault};
use super::workload::{self, Progress, Workload};
use super::{init, keeper, look, privileges};
use crate::kernel::{self, Forked};
use crate::record::Step;
use crate::wire::{self, Done, End, Fault, Note, Order, Report, Stop, Watched};

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(20);

/// Looks at the tree for each look at the disk.
const DISK_TURNS: u32 = 10;

/// How long a killed tree may take to be gone.
const GONE_WAIT: Duration = Duration::from_secs(10);

/// Processes that are looked at: more are a limit exceeded in any case.
const TREE_MAX: usize = 100_000;

/// Starts the command and follows it to its end.
pub(super) fn start(
    order: &Order,
    control: &OwnedFd,
    answer: Option<OwnedFd>,
) -> Result<(), Fault> {
    check_sight()?;
    kernel::adopt_orphans().at(Step::Fork, "becoming the parent of orphans")?;
    if let Some(dedicated) = order.dedicated {
        keeper::drop_user(dedicated)?;
    }
    let disk = Disk::of_mounts(&order.mounts)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    privileges::drop_all()?;
    let children = kernel::child_signal().at(Step::Fork, "waiting for children by descriptor")?;
    let (progress, progress_end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .at(Step::Fork, "making a pipe")?;
    let main = match kernel::fork().at(Step::Fork, "starting the command")? {
        Forked::Child => {
            if kernel::die_with_parent().is_err() {
                kernel::exit_now(125);
            }
            // The kernel's choice when memory runs out; some containers forbid to change it.
            let _ = fs::write("/proc/self/oom_score_adj", "1000");
            workload::run(&Workload {
                order,
                link: control,
                answer,
                progress: progress_end,
            })
        }
        Forked::Parent(pid) => pid,
    };
    drop((progress_end, answer));
    let process = Pid::from_raw(main)
        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
        .ok_or_else(|| fault(Step::Fork, "the command cannot be watched"))?;
    keeper::report(control, main, &process)?;
    let mut tree = Tree {
        order,
        disk,
        began: Instant::now(),
        turn: 0,
        watched: Watched::default(),
    };
    let (end, ended_at) = tree.follow(main, &children, control);
    let (left_behind, detached) = match end {
        End::Status(_) => remains(main),
        End::Stopped(_) | End::NotStarted(_) => (0, 0),
    };
    let gone = end_tree();
    tree.look_at_disk();
    let used = kernel::used_by_children();
    let (end, wall) = match init::read_progress(progress)? {
        Progress::Executed { at_ns } => (end, ended_at.saturating_sub(at_ns)),
        Progress::Failed(fault) => (End::NotStarted(fault), 0),
        Progress::Unknown => (end, 0),
    };
    if !gone {
        return Err(fault(
            Step::Fork,
            "processes of the command could not be ended",
        ));
    }
    let done = Done {
        end,
        workload_wall_ns: wall,
        cpu_ns: used.cpu.as_nanos() as u64,
        resident_max_bytes: used.resident_max_bytes,
        read_bytes: used.read_bytes,
        written_bytes: used.written_bytes,
        left_behind,
        detached,
    };
    let watched = tree.watched;
    wire::send(control, &Report::Done(done), &[])
        .and_then(|()| wire::send(control, &Report::Watched(watched), &[]))
        .at(Step::Fork, "reporting")
}

/// Refuses a machine that hides processes: what cannot be seen cannot be ended.
fn check_sight() -> Result<(), Fault> {
    let step = Step::MountProc;
    fs::read_to_string("/proc/thread-self/children").at(step, "reading the own children")?;
    let mounts = fs::read_to_string("/proc/self/mounts").at(step, "reading the mounts")?;
    let hides = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let options = (fields.next() == Some("/proc"))
            .then(|| fields.nth(1))
            .flatten();
        options.is_some_and(|options| {
            options.split(',').any(|one| {
                one.starts_with("hidepid=") && !matches!(one, "hidepid=0" | "hidepid=off")
            })
        })
    };
    if mounts.lines().any(hides) {
        return Err(fault(step, "`/proc` hides processes here (`hidepid`)"));
    }
    Ok(())
}

/// Clock ticks per second in `/proc/PID/stat`, fixed by the kernel's interface.
const TICK: Duration = Duration::from_millis(10);

/// What `/proc` tells about one process.
struct Seen {
    parent: i32,
    session: i32,
    ended: bool,
    threads: u64,
    /// Its processor time, with that of the children that it waited for.
    ticks: u32,
    memory_bytes: u64,
}

impl Seen {
    fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything. Field 3 of proc_pid_stat(5) comes first here.
        let fields: Vec<&str> = stat
            .get(stat.rfind(')')? + 1..)?
            .split_ascii_whitespace()
            .collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = field(14)? + field(15)? + field(16)? + field(17)?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let names = ["RssAnon:", "RssShmem:", "VmSwap:"];
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            ended: matches!(fields.first(), Some(&("Z" | "X"))),
            threads: field(20)?,
            ticks: u32::try_from(ticks).unwrap_or(u32::MAX),
            memory_bytes: names
                .map(|name| look::kibibytes(&status, name))
                .iter()
                .sum(),
        })
    }
}

struct Tree<'order> {
    order: &'order Order,
    disk: Disk,
    began: Instant,
    turn: u32,
    watched: Watched,
}

impl Tree<'_> {
    /// Follows the command until it ends or is to be stopped; tells how and when.
    fn follow(&mut self, main: i32, children: &OwnedFd, control: &OwnedFd) -> (End, u64) {
        loop {
            let mut fds = [
                PollFd::new(children, PollFlags::IN),
                PollFd::new(control, PollFlags::IN),
            ];
            let interval = Timespec::try_from(INTERVAL).ok();
            let polled = poll(&mut fds, interval.as_ref());
            let [child, told] = fds.map(|fd| polled.is_ok() && !fd.revents().is_empty());
            let now = workload::clock_ns();
            if child && let Some(status) = init::reap_all(main, children) {
                return (End::Status(status), now);
            }
            if told {
                match wire::receive::<Note>(control) {
                    Ok(Some((Note::Stop(cause), _))) => return (End::Stopped(cause), now),
                    Ok(Some((Note::Ready | Note::MemoryFiles, _))) => {}
                    // The supervisor is gone.
                    Ok(None) | Err(_) => return (End::Stopped(Stop::Asked), now),
                }
            }
            if let Some(stop) = self.measure() {
                return (End::Stopped(stop), now);
            }
        }
    }

    fn measure(&mut self) -> Option<Stop> {
        let limits = &self.order.limits;
        let (mut threads, mut bytes, mut ticks) = (0, 0, 0);
        for (pid, _) in descendants() {
            let Some(seen) = Seen::of(pid) else { continue };
            threads += seen.threads;
            bytes += seen.memory_bytes;
            ticks += seen.ticks;
        }
        let cpu = kernel::used_by_children().cpu + TICK * ticks;
        let watched = &mut self.watched;
        watched.processes_max = watched.processes_max.max(threads);
        watched.memory_bytes_max = watched.memory_bytes_max.max(bytes);
        watched.cpu_seen_ns = watched.cpu_seen_ns.max(cpu.as_nanos() as u64);
        let exceeded = [
            (Stop::Wall, self.began.elapsed() >= limits.wall),
            (Stop::Memory, bytes > limits.memory_bytes),
            (Stop::Processes, threads > limits.processes),
            (Stop::Cpu, cpu > limits.cpu),
        ];
        self.turn += 1;
        if self.turn.is_multiple_of(DISK_TURNS) {
            self.look_at_disk();
        }
        let first = exceeded.iter().find(|(_, over)| *over);
        first
            .map(|(stop, _)| *stop)
            .or(self.watched.disk_exceeded.then_some(Stop::Disk))
    }

    fn look_at_disk(&mut self) {
        let limits = &self.order.limits;
        let added = self.disk.added(limits.disk_files);
        let watched = &mut self.watched;
        watched.disk_bytes = added.bytes;
        watched.disk_files = added.files;
        watched.disk_exceeded = added.bytes > limits.disk_bytes || added.files > limits.disk_files;
    }
}

/// Returns all processes below this one, each with its parent.
fn descendants() -> Vec<(i32, i32)> {
    let own = std::process::id() as i32;
    let mut found: Vec<(i32, i32)> = children_of(own).map(|pid| (pid, own)).collect();
    let mut at = 0;
    while at < found.len() && found.len() < TREE_MAX {
        let (pid, _) = found[at];
        found.extend(children_of(pid).map(|child| (child, pid)));
        at += 1;
    }
    found
}

/// Counts the processes at work below this one, and those of them in another session than the command's.
fn remains(main: i32) -> (u64, u64) {
    let seen = descendants()
        .into_iter()
        .filter_map(|(pid, _)| Seen::of(pid));
    let living: Vec<Seen> = seen.filter(|seen| !seen.ended).collect();
    // The command began its session, which bears its number.
    let detached = living.iter().filter(|seen| seen.session != main).count();
    (living.len() as u64, detached as u64)
}

/// Returns the children of all threads of a process.
fn children_of(pid: i32) -> impl Iterator<Item = i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let lists = tasks
        .into_iter()
        .flatten()
        .flatten()
        .map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    let numbers: Vec<i32> = lists
        .flat_map(|list| {
            let words = list.split_ascii_whitespace();
            words
                .filter_map(|word| word.parse().ok())
                .collect::<Vec<i32>>()
        })
        .collect();
    numbers.into_iter()
}

/// Ends every descendant: stops all that can be found, until there are no new ones, then kills them.
/// Returns whether all are gone.
fn end_tree() -> bool {
    let begun = Instant::now();
    while begun.elapsed() < GONE_WAIT {
        let mut held: HashSet<i32> = HashSet::new();
        loop {
            let before = held.len();
            for (pid, parent) in descendants() {
                if !held.contains(&pid) && signal(pid, parent, Signal::STOP) {
                    held.insert(pid);
                }
            }
            if held.len() == before || begun.elapsed() > GONE_WAIT {
                break;
            }
        }
        for (pid, parent) in descendants() {
            signal(pid, parent, Signal::KILL);
        }
        while let Ok(Some(_)) = kernel::reap(None, false) {}
        if descendants().is_empty() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

/// Signals a process if it still is the child of that parent or has become this process's own: its number
/// may be somebody else's by now.
fn signal(pid: i32, parent: i32, signal: Signal) -> bool {
    let Some(process) =
        Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
    else {
        return false;
    };
    let own = std::process::id() as i32;
    let now = Seen::of(pid).map(|seen| seen.parent);
    (now == Some(parent) || now == Some(own)) && pidfd_send_signal(&process, signal).is_ok()
}
