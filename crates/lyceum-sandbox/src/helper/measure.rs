//! Measuring a running tree of processes against its limits.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};

use super::disk::{Amount, Disk};
use super::look::{Look, Nameless, kibibytes, look, nameless, read, shared_mappings};
use super::sockets::{self, Sockets};
use crate::cgroup::{Held, Reading};
use crate::policy::Limits;
use crate::wire::{Stop, Watched};

/// Longest and shortest time between two measurements. The longest bounds what a quiet tree can take
/// at once before anybody looks; the shortest bounds what looking costs.
const INTERVAL_MAX: Duration = Duration::from_millis(50);
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// A measurement waits at least so many times as long as the one before took.
const COST_SHARE: u32 = 2;

/// Time from the start to the first measurement; shorter commands are known by what they used in all.
const INTERVAL_FIRST: Duration = Duration::from_millis(10);

/// Looking through descriptors and directories costs more than reading a few files of `/proc`: a
/// measurement of these may take one part in this many of the time.
const SLOW_SHARE: u32 = 20;

/// When the machine's shared memory or the disk grew by one part in this many of a limit since the last
/// such measurement, the next one does not wait for its turn: what grows so fast may be the sandbox's.
const SUSPICIOUS_PART: u64 = 16;

/// What a suspicion may cost: one part in this many of the time.
const SUSPICION_SHARE: u32 = 4;

/// Clock ticks per second in `/proc/PID/stat`, fixed by the kernel's interface.
const TICK: Duration = Duration::from_millis(10);

/// Where the sandbox may write in memory: one file system or several.
const IN_MEMORY: [&str; 3] = ["tmp", "home", "dev/shm"];

/// What a file in memory costs beside what it holds: its inode and its name, in the kernel's memory.
const INODE_BYTES: u64 = 1_024;

/// Watches one sandbox.
pub(super) struct Meter {
    limits: Limits,
    disk: Disk,
    group: Held,
    view: Option<View>,
    watched: Watched,
    /// Bytes held by files that have no name any more.
    nameless: Nameless,
    /// What no process shows.
    hidden: Hidden,
    next_slow: Instant,
    next_suspicion: Instant,
    /// When the disk may be looked through again because all that was taken since may be the sandbox's.
    next_alarm: Instant,
    /// What was free or used on the machine at the last slow measurement.
    marks: Marks,
    last: Option<(Instant, f64)>,
    pace: Duration,
}

/// What the keeper sees once the root is built.
struct View {
    begun: Instant,
    proc: OwnedFd,
    /// The file systems in memory that may be written, each once.
    memory: Vec<OwnedFd>,
    /// Last seen own processor time of each living process, by number and start time.
    living: HashMap<(i32, u64), u64>,
    /// Processor time of processes that are gone, as last seen.
    gone_ticks: u64,
    /// What the control group had used before the command began.
    group_cpu: Duration,
}

/// Memory that belongs to no process.
#[derive(Default)]
struct Hidden {
    /// Only where no control group counts what sockets hold.
    sockets: Option<Sockets>,
    next_sockets: Option<Instant>,
    socket_bytes: u64,
    /// Sockets that the last look counted and did not find.
    unlisted: u64,
    /// What these hold if they are still there at the next look, beside what counts already.
    suspected_bytes: u64,
    /// Shared memory of the machine at the start.
    shared_before: u64,
    /// Shared anonymous mappings, as far as the machine's shared memory grew since.
    mapped_bytes: u64,
}

/// Figures of the whole machine, cheap to read: somebody else's growth costs a needless look.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    /// Shared memory in use, in bytes.
    shared_bytes: u64,
    /// Free on the disks that the workload writes to.
    free: Amount,
}

impl Meter {
    /// Returns a meter that measures nothing until [`Meter::begin`].
    pub(super) fn new(limits: Limits, disk: Disk, group: Held) -> Self {
        Self {
            limits,
            disk,
            group,
            view: None,
            watched: Watched::default(),
            nameless: Nameless::default(),
            hidden: Hidden::default(),
            next_slow: Instant::now(),
            next_suspicion: Instant::now(),
            next_alarm: Instant::now(),
            marks: Marks::default(),
            last: None,
            pace: INTERVAL_FIRST,
        }
    }

    /// Starts measuring a sandbox whose root is reached through `base`.
    pub(super) fn begin(&mut self, base: &Path) -> std::io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |place: &str| open(base.join(place), flags, Mode::empty());
        let memory = IN_MEMORY.map(open).into_iter().collect::<Result<_, _>>()?;
        let proc = open("proc")?;
        let begun = Instant::now();
        self.view = Some(View {
            begun,
            proc,
            memory: distinct(memory),
            living: HashMap::new(),
            gone_ticks: 0,
            group_cpu: self.group.read().cpu.unwrap_or_default(),
        });
        self.next_slow = begun + INTERVAL_MAX;
        self.marks = self.marks_now();
        if !self.group.holds_memory() {
            self.hidden.sockets = Sockets::open().ok();
            self.hidden.shared_before = self.marks.shared_bytes;
        }
        Ok(())
    }

    /// Returns how long to wait before the next measurement.
    pub(super) fn interval(&self) -> Duration {
        match &self.view {
            // Building the root takes milliseconds; the start is told by a message.
            None => Duration::from_secs(1),
            Some(view) => {
                let left = self.limits.wall.saturating_sub(view.begun.elapsed());
                self.pace.min(left.max(Duration::from_millis(1)))
            }
        }
    }

    /// Measures; returns the first limit found exceeded.
    pub(super) fn measure(&mut self) -> Option<Stop> {
        let view = self.view.as_mut()?;
        if view.begun.elapsed() >= self.limits.wall {
            return Some(Stop::Wall);
        }
        // The command is only about to start; looking now would delay it.
        if view.begun.elapsed() < INTERVAL_FIRST {
            return None;
        }
        let looked = Instant::now();
        let look = look(&view.proc);
        let group = self.group.read();
        let cpu = view.cpu(&look).max(view.cpu_of(group));
        self.watched.cpu_seen_ns = self.watched.cpu_seen_ns.max(cpu.as_nanos() as u64);
        let in_files = files_in_memory(view);
        self.watched.processes_max = self.watched.processes_max.max(look.threads);
        let now = Instant::now();
        let fallen = self.fallen();
        let due = now >= self.next_slow || now >= self.next_suspicion && self.suspicious();
        if due || now >= self.next_alarm && self.may_exceed(fallen) {
            self.look_slowly(&look.places);
        }
        self.hidden.look(self.view.as_ref());
        let shared = look.shared_bytes.max(in_files + self.hidden.mapped_bytes);
        let memory =
            look.anonymous_bytes + shared + self.nameless.pipe_bytes + self.hidden.socket_bytes;
        self.watched.memory_bytes_max = self.watched.memory_bytes_max.max(memory);
        let disk = self.watched.disk_bytes + self.nameless.disk_bytes;
        let refused = refused(group);
        let share = |used: u64, limit: u64| used as f64 / limit as f64;
        let shares = [
            (Stop::Memory, share(memory, self.limits.memory_bytes)),
            (Stop::Processes, share(look.threads, self.limits.processes)),
            (Stop::Cpu, cpu.as_secs_f64() / self.limits.cpu.as_secs_f64()),
            (Stop::Disk, share(disk, self.limits.disk_bytes)),
            (
                Stop::Disk,
                share(self.watched.disk_files, self.limits.disk_files),
            ),
        ];
        // What left the disk since the last full look may be the sandbox's, and sockets that were not found may be there.
        let maybe = share(disk + self.fallen().bytes, self.limits.disk_bytes);
        let suspected = share(
            memory + self.hidden.suspected_bytes,
            self.limits.memory_bytes,
        );
        let maybe = maybe.max(suspected);
        let most = shares
            .iter()
            .fold(maybe.min(1.0), |most: f64, (_, share)| share.max(most));
        self.set_pace(most, looked.elapsed());
        refused.or_else(|| {
            let exceeded = shares.into_iter().find(|(_, share)| *share > 1.0);
            exceeded.map(|(stop, _)| stop)
        })
    }

    /// Chooses when to look again: in a quarter of the time in which the limit nearest to being
    /// reached would be, at the pace since the last look, and at most twice as long as this time: a look that did
    /// not count everything sees no growth.
    fn set_pace(&mut self, share: f64, cost: Duration) {
        let now = Instant::now();
        if let Some((before, share_before)) = self.last {
            let grown = (share - share_before).max(0.0);
            let elapsed = now.duration_since(before).as_secs_f64();
            let seconds = elapsed * (1.0 - share).max(0.0) / (4.0 * grown.max(1e-9));
            let shortest = INTERVAL_MIN.max(cost * COST_SHARE).min(INTERVAL_MAX);
            self.pace = Duration::try_from_secs_f64(seconds)
                .unwrap_or(INTERVAL_MAX)
                .min(self.pace * 2)
                .clamp(shortest, INTERVAL_MAX);
        }
        self.last = Some((now, share));
    }

    /// Returns whether something grew on the machine that may be the sandbox's.
    fn suspicious(&self) -> bool {
        let now = self.marks_now();
        let grown =
            |more: u64, less: u64, limit: u64| more.saturating_sub(less) > limit / SUSPICIOUS_PART;
        let (limits, before) = (&self.limits, &self.marks);
        grown(now.shared_bytes, before.shared_bytes, limits.memory_bytes)
            || grown(before.free.bytes, now.free.bytes, limits.disk_bytes)
            || grown(before.free.files, now.free.files, limits.disk_files)
    }

    /// Returns by how much less is free on the disks than at the last full look.
    fn fallen(&self) -> Amount {
        self.disk.fallen(self.marks.free)
    }

    /// Returns whether the disk's limits are exceeded if all of this is the sandbox's.
    fn may_exceed(&self, fallen: Amount) -> bool {
        self.watched.disk_bytes + fallen.bytes > self.limits.disk_bytes
            || self.watched.disk_files + fallen.files > self.limits.disk_files
    }

    fn marks_now(&self) -> Marks {
        let memory = self
            .view
            .as_ref()
            .and_then(|view| read(&view.proc, "meminfo"));
        Marks {
            shared_bytes: kibibytes(&memory.unwrap_or_default(), "Shmem:"),
            free: self.disk.free(),
        }
    }

    fn look_slowly(&mut self, places: &[String]) {
        let begun = Instant::now();
        self.marks = self.marks_now();
        if let Some(view) = &self.view {
            self.nameless = nameless(&view.proc, places);
            let grown = self.marks.shared_bytes;
            let grown = grown.saturating_sub(self.hidden.shared_before);
            if !self.group.holds_memory() && grown > self.limits.memory_bytes / SUSPICIOUS_PART {
                self.hidden.mapped_bytes = shared_mappings(&view.proc, places).min(grown);
            }
        }
        let Amount { bytes, files, .. } = self.disk.added(self.limits.disk_files);
        self.watched.disk_bytes = bytes;
        self.watched.disk_files = files;
        let cost = begun.elapsed();
        self.next_slow = Instant::now() + (cost * SLOW_SHARE).max(self.pace);
        self.next_suspicion = Instant::now() + cost * SUSPICION_SHARE;
        self.next_alarm = Instant::now() + cost;
    }

    /// Returns a directory in the sandbox's memory, once there is one.
    pub(super) fn memory_place(&self) -> Option<BorrowedFd<'_>> {
        Some(self.view.as_ref()?.memory.first()?.as_fd())
    }

    /// Kills what is in the control group, if there is one that can.
    pub(super) fn kill_group(&self) {
        self.group.kill();
    }

    /// Looks at the disk for the last time and returns all peaks.
    pub(super) fn finish(mut self) -> Watched {
        let group = self.group.read();
        self.watched.out_of_memory = group.out_of_memory > 0;
        self.watched.processes_refused = group.refused_processes > 0;
        if self.watched.out_of_memory {
            // The kernel gets there before anybody looks.
            let limit = self.limits.memory_bytes;
            self.watched.memory_bytes_max = self.watched.memory_bytes_max.max(limit);
        }
        if let Some(view) = &self.view {
            let cpu = view.cpu_of(group).as_nanos() as u64;
            self.watched.cpu_seen_ns = self.watched.cpu_seen_ns.max(cpu);
            self.watched.wall_ns = view.begun.elapsed().as_nanos() as u64;
        }
        let Amount { bytes, files, .. } = self.disk.added(self.limits.disk_files);
        self.watched.disk_bytes = bytes;
        self.watched.disk_files = files;
        self.watched.disk_exceeded =
            bytes > self.limits.disk_bytes || files > self.limits.disk_files;
        self.watched
    }
}

impl Hidden {
    /// Counts what is in sockets, if there are more than a few, at a bounded part of the time.
    fn look(&mut self, view: Option<&View>) {
        let now = Instant::now();
        let Some(view) = view else { return };
        if self.next_sockets.is_some_and(|next| now < next) {
            return;
        }
        // Of pid 1, whose network is the sandbox's.
        let of_network = |name| read(&view.proc, &format!("1/net/{name}")).unwrap_or_default();
        let before = of_network("sockstat");
        let used = |text: &str| sockets::count(text, "sockets: used ").unwrap_or(0);
        if used(&before) > sockets::FEW {
            let netlink = sockets::netlink(&of_network("netlink"));
            self.socket_bytes = netlink.bytes;
            if let Some(sockets) = &self.sockets
                && let Ok(listed) = sockets.listed([&before, &of_network("sockstat6")])
            {
                let all = used(&before).min(used(&of_network("sockstat")));
                let unlisted = all.saturating_sub(listed.sockets + netlink.sockets);
                // One look may miss what comes and goes meanwhile.
                let held = unlisted.min(std::mem::replace(&mut self.unlisted, unlisted));
                self.socket_bytes += listed.bytes + sockets::unlisted_bytes(held);
                self.suspected_bytes = sockets::unlisted_bytes(unlisted - held);
            }
        } else {
            (self.socket_bytes, self.unlisted, self.suspected_bytes) = (0, 0, 0);
        }
        self.next_sockets = Some(now + now.elapsed() * SUSPICION_SHARE);
    }
}

/// Returns which limit the kernel held by means of the control group.
fn refused(group: Reading) -> Option<Stop> {
    if group.out_of_memory > 0 {
        Some(Stop::Memory)
    } else if group.refused_processes > 0 {
        Some(Stop::Processes)
    } else {
        None
    }
}

impl View {
    /// Returns the processor time that a control group counted since the command began.
    fn cpu_of(&self, group: Reading) -> Duration {
        let counted = group.cpu.unwrap_or_default();
        counted.saturating_sub(self.group_cpu)
    }

    /// Returns the processor time of the whole tree.
    ///
    /// Two counts, since each misses something: the kernel's sums over reaped children miss those
    /// whose parent ignores `SIGCHLD`; the sum of what was seen misses those that lived between two
    /// looks.
    fn cpu(&mut self, look: &Look) -> Duration {
        let before = std::mem::replace(&mut self.living, look.own.clone());
        for (process, ticks) in before {
            match self.living.get_mut(&process) {
                // A process that is just being reaped shows zero.
                Some(now) => *now = ticks.max(*now),
                None => self.gone_ticks += ticks,
            }
        }
        let seen = self.gone_ticks + self.living.values().sum::<u64>();
        TICK * u32::try_from(seen.max(look.ticks)).unwrap_or(u32::MAX)
    }
}

/// Leaves out directories of file systems that are there already.
fn distinct(places: Vec<OwnedFd>) -> Vec<OwnedFd> {
    let mut seen = HashSet::new();
    let device = |place: &OwnedFd| rustix::fs::fstat(place).map(|status| status.st_dev).ok();
    places
        .into_iter()
        .filter(|place| is_in_memory(place) && seen.insert(device(place)))
        .collect()
}

/// Tells a file system in memory from a host directory that was mounted in its place.
fn is_in_memory(place: &OwnedFd) -> bool {
    /// `TMPFS_MAGIC` of linux/magic.h.
    const TMPFS: u64 = 0x0102_1994;
    rustix::fs::fstatfs(place).is_ok_and(|found| found.f_type.cast_unsigned() == TMPFS)
}

/// Returns bytes in the sandbox's tmpfs and in its System V shared memory.
fn files_in_memory(view: &View) -> u64 {
    let used = |place| {
        rustix::fs::fstatvfs(place).map_or(0, |space| {
            let bytes = space.f_blocks.saturating_sub(space.f_bfree) * space.f_frsize;
            bytes + space.f_files.saturating_sub(space.f_ffree) * INODE_BYTES
        })
    };
    let files: u64 = view.memory.iter().map(used).sum();
    let segments = read(&view.proc, "sysvipc/shm").unwrap_or_default();
    // shm(5) lists resident bytes in column 15, swapped ones in 16.
    let resident = |line: &str| -> Option<u64> {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        Some(columns.get(14)?.parse::<u64>().ok()? + columns.get(15)?.parse::<u64>().ok()?)
    };
    files + segments.lines().skip(1).filter_map(resident).sum::<u64>()
}
