//! What an attack left on the machine, and how much of it there is while it runs.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{arena, raw};

/// How long a sandbox that ended may take to vanish: its record does not wait for its namespaces, of which
/// a busy machine takes its time to let go. What is left after that is residue.
const GRACE: Duration = Duration::from_secs(10);

/// Descendants that were there before the attack: what a sandbox forks its keepers from.
static KEPT: Mutex<Vec<i32>> = Mutex::new(Vec::new());

/// What the machine was like before an attack.
pub(crate) struct Baseline {
    mounts: String,
    descriptors: usize,
    groups: BTreeSet<String>,
    arenas: BTreeSet<String>,
}

impl Baseline {
    pub(crate) fn take() -> Self {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clear();
        drop(kept);
        let pids = tree(&[]).iter().map(|member| member.pid).collect();
        *KEPT.lock().unwrap_or_else(PoisonError::into_inner) = pids;
        Self {
            mounts: fs::read_to_string("/proc/self/mountinfo").unwrap_or_default(),
            descriptors: descriptors(),
            groups: groups(Path::new("/sys/fs/cgroup"), 0),
            arenas: names(&arena::directory()),
        }
    }

    /// Returns what is there that was not, after all processes had time to go.
    pub(crate) fn left(&self) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let left = self.left_now();
            if left.is_empty() || begun.elapsed() > GRACE {
                return left;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns whether there are control groups of a process that died since.
    pub(crate) fn is_of_the_dead(&self) -> bool {
        let groups = groups(Path::new("/sys/fs/cgroup"), 0);
        groups.difference(&self.groups).any(|group| {
            let name = group.rsplit('/').next().unwrap_or_default();
            let pid = name.split('-').nth(2).unwrap_or_default();
            !Path::new("/proc").join(pid).exists()
        })
    }

    fn left_now(&self) -> Vec<String> {
        let mut left = Vec::new();
        let processes = living(&[]);
        if !processes.is_empty() {
            left.push(format!("{} processes", processes.len()));
        }
        if fs::read_to_string("/proc/self/mountinfo").unwrap_or_default() != self.mounts {
            left.push("mounts".into());
        }
        let now = descriptors();
        if now > self.descriptors {
            left.push(format!("{} descriptors", now - self.descriptors));
        }
        let of_groups = groups(Path::new("/sys/fs/cgroup"), 0);
        left.extend(
            of_groups
                .difference(&self.groups)
                .map(|group| format!("cgroup {group}")),
        );
        let of_arenas = names(&arena::directory());
        left.extend(
            of_arenas
                .difference(&self.arenas)
                .map(|name| format!("temporary {name}")),
        );
        left
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Returns whether the name of a control group is of this process or of one that has died: others may
/// have sandboxes, too.
fn is_own(name: &str) -> bool {
    let mut parts = name.split('-');
    let (Some("lyceum"), Some(pid)) = (parts.next(), parts.nth(1)) else {
        return false;
    };
    pid == std::process::id().to_string() || !Path::new("/proc").join(pid).exists()
}

/// Returns control groups that carry this project's name.
fn groups(directory: &Path, depth: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if depth < 6 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if is_own(&entry.file_name().to_string_lossy()) {
                found.insert(entry.path().display().to_string());
            }
            found.extend(groups(&entry.path(), depth + 1));
        }
    }
    found
}

/// One process of a tree.
#[derive(Clone, Copy)]
pub(crate) struct Member {
    pub(crate) pid: i32,
    /// The letter of `proc_pid_stat(5)`; `Z` is one that only waits to be reaped.
    pub(crate) state: char,
}

/// Returns all descendants of this process, except the given ones and those that were there before. Orphans count: this
/// process adopts them.
pub(crate) fn tree(except: &[i32]) -> Vec<Member> {
    let mut children: HashMap<i32, Vec<Member>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if let Some((state, parent)) = state_and_parent(pid) {
            children
                .entry(parent)
                .or_default()
                .push(Member { pid, state });
        }
    }
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let mut open = vec![std::process::id() as i32];
    let mut found = Vec::new();
    while let Some(pid) = open.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if !except.contains(&child.pid) && !kept.contains(&child.pid) {
                open.push(child.pid);
                found.push(*child);
            }
        }
    }
    found
}

/// Returns the living ones of [`tree`]; reaps adopted ones that ended.
fn living(except: &[i32]) -> Vec<i32> {
    let mut found = Vec::new();
    for member in tree(except) {
        if member.state == 'Z' {
            raw::reap(member.pid);
        } else {
            found.push(member.pid);
        }
    }
    found
}

/// Kills all descendants except the given ones, until there are none.
pub(crate) fn kill_descendants(except: &[i32]) {
    let begun = Instant::now();
    loop {
        let left = living(except);
        if left.is_empty() || begun.elapsed() > GRACE {
            return;
        }
        left.into_iter().for_each(raw::kill);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn state_and_parent(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// The most that was seen of an attack while it ran.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peaks {
    pub(crate) processes: u64,
    pub(crate) threads: u64,
    pub(crate) zombies: u64,
    /// Anonymous memory of all processes together, in bytes.
    pub(crate) anonymous: u64,
    /// Growth of the machine's shared memory, in bytes.
    pub(crate) shared: u64,
    /// Growth of the kernel's own memory on this machine, in bytes.
    pub(crate) kernel: u64,
    /// Most descriptors of one process.
    pub(crate) descriptors: u64,
    /// Memory of this process, the supervisor, in bytes.
    pub(crate) own: u64,
}

/// Runs something while a thread looks at the whole tree of this process at short intervals.
pub(crate) fn watch<T>(except: &[i32], what: impl FnOnce() -> T) -> (T, Peaks) {
    let done = Arc::new(AtomicBool::new(false));
    let (seen, except) = (Arc::clone(&done), except.to_vec());
    let before = machine();
    let watcher = std::thread::spawn(move || {
        let mut peaks = Peaks::default();
        while !seen.load(Ordering::Relaxed) {
            look(&mut peaks, &except, before);
            std::thread::sleep(Duration::from_millis(4));
        }
        peaks
    });
    let result = what();
    done.store(true, Ordering::Relaxed);
    (result, watcher.join().unwrap_or_default())
}

fn look(peaks: &mut Peaks, except: &[i32], (shared_before, kernel_before): (u64, u64)) {
    let mut now = Peaks::default();
    for member in tree(except) {
        now.processes += 1;
        now.zombies += u64::from(member.state == 'Z');
        let status = fs::read_to_string(format!("/proc/{}/status", member.pid)).unwrap_or_default();
        now.anonymous += anonymous(member.pid, &status);
        now.threads += figure(&status, "Threads:");
        let open = fs::read_dir(format!("/proc/{}/fd", member.pid)).map_or(0, Iterator::count);
        now.descriptors = now.descriptors.max(open as u64);
    }
    let (shared, kernel) = machine();
    now.shared = shared.saturating_sub(shared_before);
    now.kernel = kernel.saturating_sub(kernel_before);
    peaks.own = peaks.own.max(own_memory());
    peaks.processes = peaks.processes.max(now.processes);
    peaks.threads = peaks.threads.max(now.threads);
    peaks.zombies = peaks.zombies.max(now.zombies);
    peaks.anonymous = peaks.anonymous.max(now.anonymous);
    peaks.shared = peaks.shared.max(now.shared);
    peaks.kernel = peaks.kernel.max(now.kernel);
    peaks.descriptors = peaks.descriptors.max(now.descriptors);
}

/// Returns a process's anonymous memory in bytes, also when its first thread has ended.
fn anonymous(pid: i32, status: &str) -> u64 {
    let own = figure(status, "RssAnon:");
    if own > 0 || figure(status, "Threads:") < 2 {
        return own << 10;
    }
    let threads = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let of = |thread: fs::DirEntry| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        figure(&status, "RssAnon:")
    };
    threads.map(of).max().unwrap_or(0) << 10
}

/// Returns the machine's shared memory (tmpfs, segments, anonymous files) and what its kernel keeps for
/// itself and for tables of pages, in bytes.
fn machine() -> (u64, u64) {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kernel = figure(&text, "SUnreclaim:") + figure(&text, "PageTables:");
    (figure(&text, "Shmem:") << 10, kernel << 10)
}

fn figure(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let digits = line.and_then(|rest| rest.split_ascii_whitespace().next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Returns the memory of this process in bytes.
pub(crate) fn own_memory() -> u64 {
    figure(
        &fs::read_to_string("/proc/self/status").unwrap_or_default(),
        "VmRSS:",
    ) << 10
}
