//! What the trusted side writes down about one run.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::capture::Captured;
use crate::cgroup::{Holds, Place, Version};
use crate::network::Decision;

/// How strong the isolation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Kernel namespaces with seccomp and Landlock; the host's kernel is shared.
    Namespace,
    /// Landlock and seccomp alone, only where a person allowed it: [`Level::losses`] says what is missing.
    Landlock,
}

impl Level {
    /// Returns what this level lacks of [`Level::Namespace`], one fact each.
    pub fn losses(self) -> &'static [&'static str] {
        match self {
            Self::Namespace => &[],
            Self::Landlock => &[
                "names, sizes and times of all files of this machine can be asked for, and its user and host names",
                "numbers and limits of the machine's processes can be guessed at; they cannot be signalled or traced",
                "processes are killed by the lab's keeper: if that is killed itself, they go on",
                "memory, processes and disk are held by the watchdog alone, which can be outrun",
                "no network, not even a loopback; no local sockets but pairs; no shared memory files",
                "paths are this machine's: what the command names by itself, /workspace or /outputs, is not there",
                "no private /proc, /dev and /tmp; rights, owners and times of files cannot be changed by the \
                 machine's own users",
            ],
        }
    }
}

/// Which implementation isolates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// This crate's own helper.
    Native,
    /// The system's `bwrap`, with this crate's filter, limits and watchdog.
    Bwrap,
}

/// Who the command is on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum User {
    /// The lab's own user, which is not root.
    Own {
        /// User id on the host.
        uid: u32,
    },
    /// A user id that nobody else has, because the lab runs as root.
    Dedicated {
        /// User id on the host.
        uid: u32,
    },
}

/// What holds a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// The kernel holds it for the whole tree by a control group of version 2, beside the keeper.
    CgroupV2,
    /// The kernel holds it for the whole tree by a control group of version 1, beside the keeper.
    CgroupV1,
    /// The keeper measures the tree at short intervals and stops it.
    Watchdog,
    /// The kernel holds a per-process or per-user limit, and the keeper watches the tree.
    ResourceLimitAndWatchdog,
    /// The supervisor counts what it reads.
    Supervisor,
    /// The kernel holds a limit for each process.
    ResourceLimit,
}

/// What holds each limit of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "each field is the mechanism of the limit of that name"
)]
pub struct LimitMechanisms {
    pub wall: Mechanism,
    pub cpu: Mechanism,
    pub memory: Mechanism,
    pub processes: Mechanism,
    pub disk: Mechanism,
    pub output: Mechanism,
    pub open_files: Mechanism,
}

impl LimitMechanisms {
    /// Returns what holds the limits where groups are made in this place.
    pub(crate) fn with(groups: Option<&Place>) -> Self {
        let by = |what: fn(&Holds) -> bool, otherwise| match groups
            .and_then(|place| place.version_of(what))
        {
            Some(Version::Two) => Mechanism::CgroupV2,
            Some(Version::One) => Mechanism::CgroupV1,
            None => otherwise,
        };
        let without = Self::WITHOUT_CGROUPS;
        Self {
            memory: by(|holds| holds.memory, without.memory),
            processes: by(|holds| holds.processes, without.processes),
            ..without
        }
    }

    /// What holds the limits without control groups.
    const WITHOUT_CGROUPS: Self = Self {
        wall: Mechanism::Watchdog,
        cpu: Mechanism::ResourceLimitAndWatchdog,
        memory: Mechanism::Watchdog,
        processes: Mechanism::ResourceLimitAndWatchdog,
        disk: Mechanism::ResourceLimitAndWatchdog,
        output: Mechanism::Supervisor,
        open_files: Mechanism::ResourceLimit,
    };
}

/// How one run is isolated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) level: Level,
    pub(crate) backend: Backend,
    pub(crate) limits: LimitMechanisms,
    pub(crate) local_sockets: bool,
}

/// What the self-test found this machine able to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// How strong the isolation is.
    pub level: Level,
    /// Which implementation isolates.
    pub backend: Backend,
    /// Kernel release, as `uname -r` says.
    pub kernel: String,
    /// Version of the kernel's Landlock interface.
    pub landlock_abi: u32,
    /// What holds each limit.
    pub limits: LimitMechanisms,
    /// Who the command is on the host.
    pub user: User,
}

/// A step of building a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Reading the order of the supervisor.
    ReadOrder,
    /// Opening a mount's source.
    OpenSource,
    /// Making the files of one owner appear as the sandbox's own.
    MapOwner,
    /// Changing to the dedicated user.
    DropUser,
    /// Starting bubblewrap, or what it does.
    Bubblewrap,
    /// Creating the namespaces.
    CreateNamespaces,
    /// Writing the user and group maps.
    MapUser,
    /// Forbidding namespaces inside.
    ForbidNesting,
    /// Starting a process.
    Fork,
    /// Building the root file system.
    BuildRoot,
    /// Mounting `/proc`.
    MountProc,
    /// Mounting the overlay workspace.
    MountOverlay,
    /// Putting a mount at its target.
    PlaceMount,
    /// Entering the run's control group.
    EnterGroup,
    /// Bringing up the loopback interface.
    Loopback,
    /// Dropping capabilities.
    DropCapabilities,
    /// Setting resource limits.
    SetLimits,
    /// Restricting file access with Landlock.
    Landlock,
    /// Installing the system call filter.
    Filter,
    /// Entering the working directory.
    EnterDirectory,
    /// Executing the command.
    Execute,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ReadOrder => "read the order",
            Self::OpenSource => "open a mount's source",
            Self::MapOwner => "map the owner of a mount",
            Self::DropUser => "change to the dedicated user",
            Self::Bubblewrap => "build with bubblewrap",
            Self::CreateNamespaces => "create namespaces",
            Self::MapUser => "write the user map",
            Self::ForbidNesting => "forbid nested namespaces",
            Self::Fork => "start a process",
            Self::BuildRoot => "build the root",
            Self::MountProc => "mount /proc",
            Self::MountOverlay => "mount the overlay",
            Self::PlaceMount => "place a mount",
            Self::EnterGroup => "enter the control group",
            Self::Loopback => "bring up loopback",
            Self::DropCapabilities => "drop capabilities",
            Self::SetLimits => "set resource limits",
            Self::Landlock => "restrict file access",
            Self::Filter => "install the system call filter",
            Self::EnterDirectory => "enter the working directory",
            Self::Execute => "execute the command",
        })
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// The command returned this code.
    Code(i32),
    /// The command died of this signal.
    Signal(i32),
    /// The wall-clock limit was reached.
    WallLimit,
    /// The processor-time limit was reached.
    CpuLimit,
    /// The memory limit was reached.
    MemoryLimit,
    /// The limit on processes was reached.
    ProcessLimit,
    /// The limit on bytes or files on disk was reached.
    DiskLimit,
    /// The limit on written output was reached.
    OutputLimit,
    /// Somebody stopped it.
    Killed {
        /// The reason given to [`crate::Killer::kill`].
        cause: String,
    },
    /// The command never ran: the machine or the policy is at fault, not the command's code.
    NotStarted {
        /// The step that failed.
        step: Step,
        /// The system's error number, zero when there was none.
        errno: i32,
        /// What was being done and what the system said.
        reason: String,
    },
    /// The sandbox was destroyed from outside before the command ended.
    Lost,
}

/// What a run used, measured by the trusted side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// From the request to the last trace gone, building and tearing down included.
    pub wall: Duration,
    /// From the command's `execve` to its end: the clock for timing a program.
    pub workload_wall: Duration,
    /// Processor time of the whole tree, user and system: what the kernel accounted to the command and
    /// to all that was reaped, or what the watchdog saw in all, whichever is more. Exact under
    /// [`crate::Policy::single_process`].
    pub cpu: Duration,
    /// Greatest memory of the tree seen, in bytes; at least that of the largest process.
    pub peak_memory_bytes: u64,
    /// Most processes and threads seen at once.
    pub processes_peak: u64,
    /// Bytes written to standard output and standard error, kept or not.
    pub output_bytes: u64,
    /// Bytes read from block devices, as the kernel accounted them to the command and to all that was
    /// reaped.
    pub read_bytes: u64,
    /// The same for writing.
    pub written_bytes: u64,
    /// Bytes added on disk.
    pub disk_bytes: u64,
    /// Files and directories added on disk.
    pub disk_files: u64,
    /// Processes that were still at work when the command ended by itself; they ended with it.
    pub left_behind: u64,
    /// Those of them that had left the command's session.
    pub detached: u64,
}

/// Everything that the trusted side knows about a finished run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// How strong the isolation was.
    pub level: Level,
    /// Which implementation isolated.
    pub backend: Backend,
    /// What held each limit.
    pub limits: LimitMechanisms,
    /// Whether it could make local sockets that connect by a path. Not where a mounted directory holds a
    /// socket of the host, or more entries than are looked through; pairs of sockets it always gets.
    pub local_sockets: bool,
    /// How it ended.
    pub exit: Exit,
    /// What it used.
    pub usage: Usage,
    /// What the proxy decided, in the order of asking; empty without a network.
    pub network: Vec<Decision>,
    /// Decisions that were not kept because there were too many.
    pub network_unlogged: u64,
    /// What it wrote to standard output.
    pub stdout: Captured,
    /// What it wrote to standard error.
    pub stderr: Captured,
    /// What it wrote to descriptor 3, when the job asked for an answer.
    pub answer: Option<Vec<u8>>,
    /// Whether more than the 64 KiB of an answer was written, so that it is cut.
    pub answer_truncated: bool,
    /// When it was asked for.
    pub started_at: SystemTime,
    /// When its last trace was gone.
    pub finished_at: SystemTime,
}
