//! A run's control group in the hands of its keeper.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, openat};

use super::{Member, Version};

/// Descriptors of a group.
#[derive(Debug, Default)]
pub(crate) struct Held {
    members: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    member: Member,
    directory: OwnedFd,
    /// Of threads in version 1, of processes in version 2.
    list: OwnedFd,
    kill: Option<OwnedFd>,
}

/// What a group says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Processes that the kernel killed because memory was used up.
    pub(crate) out_of_memory: u64,
    /// How often a process was refused because of the limit.
    pub(crate) refused_processes: u64,
    /// Processor time of all that ever was in the group.
    pub(crate) cpu: Option<Duration>,
}

impl Held {
    /// Takes the last of the passed descriptors for these members; `None` when there are too few.
    pub(crate) fn take(members: &[Member], passed: &mut Vec<OwnedFd>) -> Option<Self> {
        let wanted = members.iter().map(|member| member.descriptors()).sum();
        let mut own = passed
            .split_off(passed.len().checked_sub(wanted)?)
            .into_iter();
        let entry = |member: &Member| {
            Some(Entry {
                member: *member,
                directory: own.next()?,
                list: own.next()?,
                kill: if member.holds.kill { own.next() } else { None },
            })
        };
        Some(Self {
            members: members.iter().map(entry).collect::<Option<_>>()?,
        })
    }

    /// Returns whether there is no group.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Moves this process, which has one thread, into the groups of version 1.
    ///
    /// The kernel judges by who opened the list, which was the supervisor. A thread that moves itself
    /// need not wait until all processors have noticed, as moving a process does: some ten milliseconds.
    pub(crate) fn enter_first(&self) -> io::Result<()> {
        self.write(Version::One, 0)
    }

    /// Moves a process into the group of version 2, where threads cannot move by themselves; 0 is the
    /// caller.
    pub(crate) fn move_to_second(&self, pid: i32) -> io::Result<()> {
        self.write(Version::Two, pid)
    }

    fn write(&self, version: Version, pid: i32) -> io::Result<()> {
        for entry in &self.members {
            if entry.member.version == version {
                rustix::io::write(&entry.list, pid.to_string().as_bytes())?;
            }
        }
        Ok(())
    }

    /// Returns whether the kernel holds its memory.
    pub(crate) fn holds_memory(&self) -> bool {
        self.members.iter().any(|entry| entry.member.holds.memory)
    }

    /// Kills all processes of the group at once, where the kernel can.
    pub(crate) fn kill(&self) {
        for kill in self.members.iter().filter_map(|entry| entry.kill.as_ref()) {
            // Whoever is left is killed by the end of pid 1.
            let _ = rustix::io::write(kill, b"1");
        }
    }

    /// Returns what the group says by now.
    pub(crate) fn read(&self) -> Reading {
        let mut reading = Reading::default();
        for entry in &self.members {
            entry.add_to(&mut reading);
        }
        reading
    }
}

impl Entry {
    fn add_to(&self, reading: &mut Reading) {
        let (version, holds) = (self.member.version, self.member.holds);
        if holds.memory {
            let name = match version {
                Version::One => "memory.oom_control",
                Version::Two => "memory.events",
            };
            reading.out_of_memory += self.figure(name, "oom_kill ").unwrap_or(0);
        }
        if holds.processes {
            reading.refused_processes += self.figure("pids.events", "max ").unwrap_or(0);
        }
        let used = match version {
            Version::Two if holds.processor => self
                .figure("cpu.stat", "usage_usec ")
                .map(Duration::from_micros),
            Version::One if holds.processor => {
                self.figure("cpuacct.usage", "").map(Duration::from_nanos)
            }
            Version::One | Version::Two => None,
        };
        reading.cpu = reading.cpu.max(used);
    }

    /// Returns the figure behind a name in one of the group's files.
    fn figure(&self, file: &str, name: &str) -> Option<u64> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.directory, file, flags, Mode::empty()).ok()?;
        let mut text = [0; 2_048];
        let length = rustix::io::read(&file, &mut text).ok()?;
        let text = std::str::from_utf8(&text[..length]).ok()?;
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::cgroup::Holds;

    /// Opens a directory with these files as a group.
    fn held(place: &Path, version: Version, files: &[(&str, &str)]) -> Held {
        for (name, text) in files {
            fs::write(place.join(name), text).expect("writes");
        }
        let list = fs::File::create(place.join("list")).expect("makes");
        let kill = fs::File::create(place.join("kill")).expect("makes");
        let holds = Holds {
            memory: true,
            processes: true,
            processor: true,
            kill: true,
        };
        let mut passed = vec![
            fs::File::open("/dev/null").expect("opens").into(),
            fs::File::open(place).expect("opens").into(),
            list.into(),
            kill.into(),
        ];
        let held = Held::take(&[Member { version, holds }], &mut passed).expect("enough");
        assert_eq!(passed.len(), 1);
        held
    }

    #[test]
    fn both_versions_say_the_same() {
        let expected = Reading {
            out_of_memory: 3,
            refused_processes: 5,
            cpu: Some(Duration::from_micros(1_234_567)),
        };
        let place = tempfile::tempdir().expect("makes a directory");
        let second = [
            (
                "memory.events",
                "low 0\nhigh 0\nmax 7\noom 4\noom_kill 3\noom_group_kill 1\n",
            ),
            ("pids.events", "max 5\n"),
            (
                "cpu.stat",
                "usage_usec 1234567\nuser_usec 1\nsystem_usec 2\n",
            ),
        ];
        assert_eq!(held(place.path(), Version::Two, &second).read(), expected);
        let place = tempfile::tempdir().expect("makes a directory");
        let first = [
            (
                "memory.oom_control",
                "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
            ),
            ("pids.events", "max 5\n"),
            ("cpuacct.usage", "1234567000\n"),
        ];
        assert_eq!(held(place.path(), Version::One, &first).read(), expected);
        let silent = tempfile::tempdir().expect("makes a directory");
        let reading = held(silent.path(), Version::Two, &[]).read();
        assert_eq!(reading, Reading::default());
    }

    #[test]
    fn each_version_is_entered_through_its_list_and_killed_through_its_file() {
        for (version, moved, entered) in [(Version::One, "", "0"), (Version::Two, "77", "")] {
            let place = tempfile::tempdir().expect("makes a directory");
            let held = held(place.path(), version, &[]);
            let read = |name: &str| fs::read_to_string(place.path().join(name)).expect("reads");
            held.enter_first().expect("enters");
            assert_eq!(read("list"), entered);
            held.move_to_second(77).expect("moves");
            assert_eq!(read("list"), [entered, moved].concat());
            held.kill();
            assert_eq!(read("kill"), "1");
        }
    }
}
