//! The control group of one run, as the supervisor makes and removes it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};

use super::{Member, Parent, Place, Version};
use crate::identity::start_time;
use crate::policy::Limits;

/// How every group begins its name.
const PREFIX: &str = "lyceum";

/// Processes that a group has beside the command's: pid 1, and what started it.
const OWN_PROCESSES: u64 = 2;

/// Processes beyond the limit that the kernel still allows, so that the limit is seen exceeded.
const PROCESS_HEADROOM: u64 = 16;
/// `PID_MAX_LIMIT` of linux/threads.h for 64 bits.
const PROCESSES_MAX: u64 = 4 << 20;

/// The most that the sockets of a group of version 1 may hold beyond its limit on memory; senders wait then.
const SOCKET_BYTES_MAX: u64 = 16 << 20;

/// How long the kernel may take to let go of a group whose processes ended.
const EMPTY_WAIT: Duration = Duration::from_millis(500);

/// A group in each hierarchy; removed when dropped.
#[derive(Debug)]
pub(crate) struct Group {
    members: Vec<(Member, PathBuf)>,
    descriptors: Vec<OwnedFd>,
}

impl Group {
    /// Makes a group with these limits.
    pub(crate) fn make(place: &Place, limits: &Limits) -> io::Result<Self> {
        let name = name()?;
        let mut group = Self {
            members: Vec::new(),
            descriptors: Vec::new(),
        };
        for parent in &place.parents {
            group.add(parent, &name, limits)?;
        }
        Ok(group)
    }

    fn add(&mut self, parent: &Parent, name: &str, limits: &Limits) -> io::Result<()> {
        let Parent {
            directory,
            version,
            mut holds,
        } = parent.clone();
        let directory = directory.join(name);
        fs::create_dir(&directory)?;
        // Linux 5.14 has `cgroup.kill`.
        holds.kill &= directory.join("cgroup.kill").exists();
        let member = Member { version, holds };
        self.members.push((member, directory.clone()));
        limit(&directory, member, limits)?;
        let file = |name: &str, flags: OFlags| {
            open(directory.join(name), flags | OFlags::CLOEXEC, Mode::empty())
        };
        self.descriptors
            .push(file(".", OFlags::RDONLY | OFlags::DIRECTORY)?);
        let list = match version {
            Version::One => "tasks",
            Version::Two => "cgroup.procs",
        };
        self.descriptors.push(file(list, OFlags::WRONLY)?);
        if holds.kill {
            self.descriptors.push(file("cgroup.kill", OFlags::WRONLY)?);
        }
        Ok(())
    }

    /// Returns what the keeper is told about it.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.members.iter().map(|(member, _)| *member).collect()
    }

    /// Returns what the keeper is lent, in the order of the members.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.descriptors.iter().map(AsFd::as_fd)
    }

    /// Lets go of the descriptors, once the keeper has its own.
    pub(crate) fn keep_names_only(&mut self) {
        self.descriptors.clear();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for (_, directory) in &self.members {
            remove(directory);
        }
    }
}

/// Returns a name that says whose group it is: pid namespace, number and start of this process.
fn name() -> io::Result<String> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Ok(format!("{}-{number:x}", owner(std::process::id() as i32)?))
}

/// Returns how the names of a process's groups begin.
fn owner(pid: i32) -> io::Result<String> {
    let namespace = fs::metadata("/proc/self/ns/pid")?.ino();
    let start = start_time(pid).ok_or(io::ErrorKind::NotFound)?;
    Ok(format!("{PREFIX}-{namespace:x}-{pid}-{start}"))
}

/// Returns whether a group's name says that its supervisor has died. One of another pid namespace cannot
/// be judged from here.
fn is_stray(name: &OsStr) -> bool {
    let judged = || {
        let mut parts = name.to_str()?.split('-');
        let (prefix, namespace, pid) = (parts.next()?, parts.next()?, parts.next()?.parse().ok()?);
        let start: u64 = parts.next()?.parse().ok()?;
        let own = fs::metadata("/proc/self/ns/pid").ok()?.ino();
        let comparable = prefix == PREFIX && namespace == format!("{own:x}");
        Some(comparable && start_time(pid) != Some(start))
    };
    judged().unwrap_or(false)
}

/// Removes the groups of supervisors that died.
pub(crate) fn remove_strays(place: &Place) {
    for parent in &place.parents {
        for entry in fs::read_dir(&parent.directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            if is_stray(&entry.file_name()) {
                remove(&entry.path());
            }
        }
    }
}

/// Kills what is in a group and removes it. What the kernel does not let go of in time is left to the
/// next supervisor.
fn remove(directory: &Path) {
    let begun = Instant::now();
    let mut killed = false;
    while let Err(error) = fs::remove_dir(directory) {
        if error.kind() == io::ErrorKind::NotFound || begun.elapsed() > EMPTY_WAIT {
            return;
        }
        if !killed {
            kill(directory);
            killed = true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn kill(directory: &Path) {
    if fs::write(directory.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    let processes = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    for pid in processes.lines().filter_map(|line| line.parse().ok()) {
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Returns whether a kernel has a file and not what stands behind it.
fn is_unsupported(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EOPNOTSUPP)
}

fn limit(directory: &Path, member: Member, limits: &Limits) -> io::Result<()> {
    let set = |name: &str, value: &str| fs::write(directory.join(name), value);
    // Files that not every kernel has: the limit holds without them, if less well.
    let may_set = |name: &str, value: &str| match set(name, value) {
        Err(error) if directory.join(name).exists() && !is_unsupported(&error) => Err(error),
        Ok(()) | Err(_) => Ok(()),
    };
    let memory = limits.memory_bytes.to_string();
    let processes = limits
        .processes
        .saturating_add(OWN_PROCESSES + PROCESS_HEADROOM);
    match member.version {
        Version::Two if member.holds.memory => {
            set("memory.max", &memory)?;
            may_set("memory.swap.max", "0")?;
            set("memory.oom.group", "1")?;
        }
        Version::One if member.holds.memory => {
            set("memory.limit_in_bytes", &memory)?;
            may_set("memory.memsw.limit_in_bytes", &memory)?;
            // A counter of its own, beside the limit on memory.
            let of_sockets = (limits.memory_bytes / 4).min(SOCKET_BYTES_MAX).to_string();
            may_set("memory.kmem.tcp.limit_in_bytes", &of_sockets)?;
        }
        Version::One | Version::Two => {}
    }
    if member.holds.processes {
        // The kernel takes no number beyond what it can count, and there are never more.
        let processes = match processes {
            PROCESSES_MAX.. => "max".to_owned(),
            _ => processes.to_string(),
        };
        set("pids.max", &processes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::Holds;

    fn limits() -> Limits {
        Limits {
            memory_bytes: 1 << 30,
            processes: 40,
            ..Limits::default()
        }
    }

    #[test]
    fn limits_are_written_as_each_version_wants_them() {
        let all = Holds {
            memory: true,
            processes: true,
            processor: true,
            kill: true,
        };
        for (version, expected) in [
            (
                Version::Two,
                &[
                    ("memory.max", "1073741824"),
                    ("memory.swap.max", "0"),
                    ("memory.oom.group", "1"),
                    ("pids.max", "58"),
                ][..],
            ),
            (
                Version::One,
                &[
                    ("memory.limit_in_bytes", "1073741824"),
                    ("memory.memsw.limit_in_bytes", "1073741824"),
                    ("memory.kmem.tcp.limit_in_bytes", "16777216"),
                    ("pids.max", "58"),
                ],
            ),
        ] {
            let place = tempfile::tempdir().expect("makes a directory");
            for (name, _) in expected {
                fs::write(place.path().join(name), "").expect("writes");
            }
            let member = Member {
                version,
                holds: all,
            };
            limit(place.path(), member, &limits()).expect("limits");
            for (name, value) in expected {
                let found = fs::read_to_string(place.path().join(name)).expect("reads");
                assert_eq!(found, *value, "{name}");
            }
        }
    }

    /// Starts something that sleeps, in a group.
    fn sleeper(list: &Path) -> std::process::Child {
        let child = std::process::Command::new("sleep").arg("600").spawn();
        let child = child.expect("starts");
        fs::write(list, child.id().to_string()).expect("moves");
        child
    }

    #[test]
    fn a_group_that_is_let_go_of_is_gone_with_all_that_is_in_it() {
        let mut parents = Place::find().map_or(Vec::new(), |place| place.parents);
        // Kills at once, where root may make groups without any controller.
        let unified = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let unified = unified
            .into_iter()
            .find(|place| place.join("cgroup.subtree_control").exists());
        if let (true, Some(directory)) = (rustix::process::geteuid().is_root(), unified) {
            parents.push(Parent {
                directory: directory.into(),
                version: Version::Two,
                holds: Holds {
                    kill: true,
                    ..Holds::default()
                },
            });
        }
        if parents.is_empty() {
            println!("SKIPPED: this user may make no control group");
        }
        for parent in parents {
            let place = Place {
                parents: vec![parent.clone()],
            };
            let Ok(group) = Group::make(&place, &limits()) else {
                println!(
                    "SKIPPED: no group can be made in `{}`",
                    parent.directory.display()
                );
                continue;
            };
            let directory = group.members[0].1.clone();
            let mut sleeping = sleeper(&directory.join("cgroup.procs"));
            drop(group);
            assert!(!directory.exists(), "{}", directory.display());
            let status = sleeping.wait().expect("ends");
            assert_eq!(
                std::os::unix::process::ExitStatusExt::signal(&status),
                Some(9)
            );
        }
    }

    #[test]
    fn stray_groups_are_removed_and_those_of_the_living_stay() {
        let Some(place) = Place::find() else {
            println!("SKIPPED: this user may make no control group");
            return;
        };
        let own = name().expect("names");
        let dead = own.replace(&format!("-{}-", std::process::id()), "-4194305-");
        let strays: Vec<PathBuf> = place
            .parents
            .iter()
            .map(|parent| parent.directory.join(&dead))
            .collect();
        for stray in &strays {
            fs::create_dir(stray).expect("makes what a dead supervisor would leave");
        }
        let living = Group::make(&place, &limits()).expect("makes");
        remove_strays(&place);
        assert!(strays.iter().all(|stray| !stray.exists()), "{strays:?}");
        assert!(
            living
                .members
                .iter()
                .all(|(_, directory)| directory.exists())
        );
    }

    #[test]
    fn a_group_names_its_supervisor_and_is_stray_once_that_is_gone() {
        let own = name().expect("names");
        assert!(!is_stray(OsStr::new(&own)));
        let parts: Vec<&str> = own.split('-').collect();
        let [prefix, namespace, pid, start, number] = parts[..] else {
            panic!("five parts: {own}")
        };
        let earlier: u64 = start.parse::<u64>().expect("a number") - 1;
        let of_the_dead = format!("{prefix}-{namespace}-{pid}-{earlier}-{number}");
        assert!(is_stray(OsStr::new(&of_the_dead)));
        let elsewhere = format!("{prefix}-1-{pid}-{earlier}-{number}");
        for name in [&*elsewhere, "lyceum", "user.slice", "lyceum-x-y-z-0"] {
            assert!(!is_stray(OsStr::new(name)), "{name}");
        }
    }
}
