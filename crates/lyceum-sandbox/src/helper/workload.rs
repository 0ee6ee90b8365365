//! The last process before the command: takes on its limits and restrictions, then becomes it.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::fault::{At, fault};
use super::landlock;
use crate::policy::Limits;
use crate::record::{Level, Step};
use crate::wire::{self, Fault, Note, Order};
use crate::{filter, kernel, self_test};

/// Where the answer channel appears.
const ANSWER: i32 = 3;

/// Threads and processes beyond the limit that the kernel still allows, so that the keeper can see
/// the limit exceeded.
const PROCESS_HEADROOM: u64 = 16;

/// Bytes beyond the disk limit that one file may have, for the same reason.
const FILE_HEADROOM_BYTES: u64 = 4 << 20;

/// What the last step needs.
pub(super) struct Workload<'order> {
    pub(super) order: &'order Order,
    /// To the keeper.
    pub(super) link: &'order OwnedFd,
    pub(super) answer: Option<OwnedFd>,
    /// Closes by itself when the command is executed.
    pub(super) progress: OwnedFd,
}

/// How far the last step got.
pub(super) enum Progress {
    /// The command was executed at this time of the monotonic clock.
    Executed {
        at_ns: u64,
    },
    Failed(Fault),
    Unknown,
}

impl Progress {
    /// Reads what [`run`] wrote: eight bytes of time, then a fault if `execve` failed.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first_chunk() {
            None if bytes.is_empty() => Some(Self::Unknown),
            None => None,
            Some((at, [])) => Some(Self::Executed {
                at_ns: u64::from_le_bytes(*at),
            }),
            Some((_, fault)) => serde_json::from_slice(fault).ok().map(Self::Failed),
        }
    }
}

/// Returns the monotonic clock in nanoseconds.
pub(super) fn clock_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Becomes the command, or reports why not.
pub(super) fn run(workload: &Workload<'_>) -> ! {
    let mut progress = std::fs::File::from(match workload.progress.try_clone() {
        Ok(progress) => progress,
        Err(_) => kernel::exit_now(125),
    });
    let fault = match prepare(workload) {
        Err(fault) => {
            // Keeps the form: a time comes first.
            let _ = progress.write_all(&clock_ns().to_le_bytes());
            fault
        }
        Ok(()) => execute(workload.order, &mut progress),
    };
    let text = serde_json::to_vec(&fault).unwrap_or_default();
    let _ = progress.write_all(&text);
    kernel::exit_now(125)
}

fn prepare(workload: &Workload<'_>) -> Result<(), Fault> {
    let order = workload.order;
    rustix::process::setsid().at(Step::Fork, "starting a session")?;
    kernel::reset_signals().at(Step::Fork, "resetting signals")?;
    if let Some(answer) = &workload.answer {
        kernel::duplicate_onto(answer.as_fd(), ANSWER)
            .at(Step::Fork, "passing the answer channel")?;
    }
    set_affinity(&order.cpus)?;
    set_limits(&order.limits, others(order.level))?;
    let status = std::fs::File::open("/proc/self/status").ok();
    rustix::process::chdir(&order.directory).at(
        Step::EnterDirectory,
        format!("`{}`", order.directory.display()),
    )?;
    landlock::restrict(order)?;
    let asked = filter::install(&order.filter).map_err(|error| fault(Step::Filter, error))?;
    if let (Level::Namespace, Some(asked)) = (order.level, asked) {
        wire::send(workload.link, &Note::MemoryFiles, &[asked.as_fd()])
            .at(Step::Filter, "telling the keeper")?;
    }
    if let (true, Some(answer)) = (order.self_test, &workload.answer) {
        let probed = match order.level {
            Level::Namespace => self_test::probe(answer),
            Level::Landlock => self_test::probe_alone(answer, status),
        };
        probed.at(Step::Execute, "reporting the self-test")?;
    }
    Ok(())
}

fn execute(order: &Order, progress: &mut std::fs::File) -> Fault {
    let Some((program, arguments)) = order.arguments.split_first() else {
        return fault(Step::Execute, "there is no command");
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(order.environment.iter().map(|(name, value)| (name, value)));
    let _ = progress.write_all(&clock_ns().to_le_bytes());
    let error = command.exec();
    Fault {
        step: Step::Execute,
        errno: error.raw_os_error().unwrap_or(0),
        reason: format!("`{program}`: {error}"),
    }
}

fn set_affinity(cpus: &[usize]) -> Result<(), Fault> {
    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for cpu in cpus {
        if *cpu >= CpuSet::MAX_CPU {
            return Err(fault(
                Step::SetLimits,
                format!("there is no processor {cpu}"),
            ));
        }
        set.set(*cpu);
    }
    sched_setaffinity(None, &set).at(Step::SetLimits, format!("choosing processors {cpus:?}"))
}

/// Returns how many threads of this user the kernel counts beside the command's: those of the whole machine,
/// without a user namespace.
fn others(level: Level) -> u64 {
    if level == Level::Namespace {
        return 0;
    }
    let own = rustix::process::geteuid().as_raw();
    let mut threads = 0;
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok())
        };
        if of("Uid:") == Some(own.into()) {
            threads += of("Threads:").unwrap_or(0);
        }
    }
    threads
}

fn set_limits(limits: &Limits, others: u64) -> Result<(), Fault> {
    // Pid 1 counts as one.
    let processes = limits
        .processes
        .saturating_add(PROCESS_HEADROOM + 1 + others);
    let file = limits.disk_bytes.saturating_add(FILE_HEADROOM_BYTES);
    // The keeper stops the whole tree at the limit; this bounds one process should it be starved.
    let cpu = limits.cpu.as_secs().saturating_add(10);
    for (resource, wanted) in [
        (Resource::Nproc, processes),
        (Resource::Nofile, limits.open_files),
        (Resource::Fsize, file),
        (Resource::Cpu, cpu),
        // Not 0: for a host that pipes crashes into a program the kernel ignores every other limit than
        // this one, and would start that program as root, outside (core(5)). The filter keeps it at 1.
        (Resource::Core, 1),
        (Resource::Memlock, 8 << 20),
        (Resource::Msgqueue, 1 << 20),
        (Resource::Sigpending, 1_024),
        (Resource::Nice, 0),
        (Resource::Rtprio, 0),
    ] {
        let hard = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let wanted = Some(wanted.min(hard));
        setrlimit(
            resource,
            Rlimit {
                current: wanted,
                maximum: wanted,
            },
        )
        .at(Step::SetLimits, format!("{resource:?}"))?;
    }
    Ok(())
}
