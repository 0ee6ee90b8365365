//! Finding the directories in which this process may make control groups.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Holds, Version};

/// Where groups can be made: at most one directory for each hierarchy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) parents: Vec<Parent>,
}

/// A directory that groups are made in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) directory: PathBuf,
    pub(crate) version: Version,
    pub(crate) holds: Holds,
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, parent) in self.parents.iter().enumerate() {
            let version = match parent.version {
                Version::One => "v1",
                Version::Two => "v2",
            };
            let all = [
                (parent.holds.memory, "memory"),
                (parent.holds.processes, "pids"),
                (parent.holds.processor, "cpuacct"),
                (parent.holds.kill, "kill"),
            ];
            let held: Vec<&str> = all
                .into_iter()
                .filter_map(|(held, name)| held.then_some(name))
                .collect();
            let before = if number == 0 { "" } else { "; " };
            write!(
                formatter,
                "{before}{version} {} at `{}`",
                held.join(" "),
                parent.directory.display()
            )?;
        }
        Ok(())
    }
}

impl Place {
    /// Returns where this process may make groups, or `None` where it may not.
    ///
    /// What is found is not yet proved: a sandbox that cannot enter its group shows that.
    pub(crate) fn find() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let place = Self::read(&mounts, &own, &may_divide);
        Some(place).filter(|place| !place.parents.is_empty())
    }

    /// Returns the same from the texts of `/proc`; `divide` says what a version 2 directory gives to
    /// groups below it, or `None` when none can be made there.
    fn read(mounts: &str, own: &str, divide: &dyn Fn(&Path) -> Option<Holds>) -> Self {
        let mut place = Self::default();
        for mount in mounts.lines().filter_map(Mount::parse) {
            let Some(directory) = mount.directory_of(own) else {
                continue;
            };
            match mount.version {
                Version::One => place.add_first(&mount, directory),
                Version::Two => place.add_second(&mount, directory, divide),
            }
        }
        // What version 2 holds needs no second holder.
        let (memory, processes) = place.held_by(Version::Two);
        place.parents.retain_mut(|parent| {
            if parent.version == Version::One {
                parent.holds.memory &= !memory;
                parent.holds.processes &= !processes;
                parent.holds.processor &= !memory;
            }
            parent.holds != Holds::default()
        });
        place
    }

    fn add_first(&mut self, mount: &Mount<'_>, directory: PathBuf) {
        let has = |name: &str| mount.options.split(',').any(|option| option == name);
        let holds = Holds {
            memory: has("memory"),
            processes: has("pids"),
            processor: has("cpuacct"),
            kill: false,
        };
        let known = |parent: &Parent| parent.version == Version::One && parent.holds == holds;
        if holds != Holds::default() && writable(&directory) && !self.parents.iter().any(known) {
            self.parents.push(Parent {
                directory,
                version: Version::One,
                holds,
            });
        }
    }

    fn add_second(
        &mut self,
        mount: &Mount<'_>,
        directory: PathBuf,
        divide: &dyn Fn(&Path) -> Option<Holds>,
    ) {
        if self
            .parents
            .iter()
            .any(|parent| parent.version == Version::Two)
        {
            return;
        }
        let above = directory
            .parent()
            .filter(|above| above.starts_with(mount.at))
            .map(Path::to_owned);
        // Beside the own group before below it: only a directory without processes gives controllers,
        // and this process is in its own.
        let below = divide(&directory);
        let beside = above.and_then(|above| Some((divide(&above)?, above)));
        let found = match (below, beside) {
            (Some(holds), _) if holds.memory => Some((holds, directory)),
            (_, Some((holds, above))) if holds.memory && unlimited(&directory) => {
                Some((holds, above))
            }
            (Some(holds), _) if holds.processes => Some((holds, directory)),
            _ => None,
        };
        if let Some((holds, directory)) = found {
            self.parents.push(Parent {
                directory,
                version: Version::Two,
                holds,
            });
        }
    }

    fn held_by(&self, version: Version) -> (bool, bool) {
        let of = |what: fn(&Holds) -> bool| {
            let mut parents = self.parents.iter();
            parents.any(|parent| parent.version == version && what(&parent.holds))
        };
        (of(|holds| holds.memory), of(|holds| holds.processes))
    }

    /// Returns which version holds what `what` asks for, if any.
    pub(crate) fn version_of(&self, what: fn(&Holds) -> bool) -> Option<Version> {
        let mut parents = self.parents.iter();
        parents
            .find(|parent| what(&parent.holds))
            .map(|parent| parent.version)
    }
}

/// One line of `proc_pid_mountinfo(5)` that is a hierarchy.
struct Mount<'text> {
    version: Version,
    /// Which directory of the hierarchy is mounted.
    root: &'text str,
    at: &'text str,
    options: &'text str,
}

impl<'text> Mount<'text> {
    fn parse(line: &'text str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (root, at) = (before.next()?, before.next()?);
        let mut after = after.split(' ');
        let version = match after.next()? {
            "cgroup" => Version::One,
            "cgroup2" => Version::Two,
            _ => return None,
        };
        Some(Self {
            version,
            root,
            at,
            options: after.nth(1).unwrap_or_default(),
        })
    }

    /// Returns where the group of a process with this `/proc/PID/cgroup` is, if it can be seen.
    fn directory_of(&self, own: &str) -> Option<PathBuf> {
        let path = own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            let wanted = match self.version {
                Version::Two => controllers.is_empty(),
                Version::One => controllers
                    .split(',')
                    .any(|one| !one.is_empty() && self.options.split(',').any(|name| name == one)),
            };
            wanted.then_some(path)
        })?;
        if path.split('/').any(|part| part == "..") {
            return None;
        }
        let below = Path::new(path).strip_prefix(self.root).ok()?;
        Some(Path::new(self.at).join(below))
    }
}

/// Returns whether entries can be made in a directory.
fn writable(directory: &Path) -> bool {
    rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Returns what groups made in a version 2 directory hold; `None` when none can be made there.
fn may_divide(directory: &Path) -> Option<Holds> {
    // Moving a process writes the list of the directory above both its groups.
    if !writable(directory) || !writable(&directory.join("cgroup.procs")) {
        return None;
    }
    let given = fs::read_to_string(directory.join("cgroup.subtree_control")).ok()?;
    let has = |name: &str| given.split_ascii_whitespace().any(|one| one == name);
    Some(Holds {
        memory: has("memory"),
        processes: has("pids"),
        processor: true,
        kill: true,
    })
}

/// Returns whether a version 2 group sets no limit of its own, so that none is evaded beside it.
fn unlimited(directory: &Path) -> bool {
    ["memory.max", "memory.high", "cpu.max"].iter().all(|name| {
        fs::read_to_string(directory.join(name)).is_ok_and(|text| text.starts_with("max"))
            || !directory.join(name).exists()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Holds = Holds {
        memory: true,
        processes: true,
        processor: true,
        kill: true,
    };
    const KILL: Holds = Holds {
        memory: false,
        processes: false,
        processor: true,
        kill: true,
    };

    #[test]
    fn a_unified_hierarchy_is_divided_beside_the_own_group() {
        let mounts = "35 24 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate";
        let own = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.scope";
        let place = Place::read(mounts, own, &|directory| {
            directory.ends_with("app.slice").then_some(ALL)
        });
        let [parent] = &place.parents[..] else {
            panic!("one directory: {place:?}")
        };
        let expected = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice";
        assert_eq!(parent.directory, Path::new(expected));
        assert_eq!((parent.version, parent.holds), (Version::Two, ALL));
    }

    #[test]
    fn a_container_sees_its_group_as_the_root_of_the_mount() {
        let mounts = "1 2 0:30 /docker/ab /sys/fs/cgroup rw - cgroup2 cgroup rw";
        let place = Place::read(mounts, "0::/docker/ab/cd", &|directory| {
            directory.ends_with("cd").then_some(ALL)
        });
        assert_eq!(place.parents[0].directory, Path::new("/sys/fs/cgroup/cd"));
        let outside = Place::read(mounts, "0::/../x", &|_| Some(ALL));
        assert_eq!(outside.parents, []);
    }

    #[test]
    fn version_two_takes_what_it_holds_from_version_one() {
        let place = tempfile::tempdir().expect("makes a directory");
        let at = place.path().display();
        let mounts = format!(
            "1 2 0:1 / {at} rw - cgroup cgroup rw,memory\n3 2 0:2 / {at} rw - cgroup cgroup rw,pids\n\
             4 2 0:3 / {at} rw - cgroup2 cgroup2 rw\n"
        );
        let own = "3:pids:/\n2:memory:/\n0::/\n";
        let both = Place::read(&mounts, own, &|_| Some(KILL));
        let versions = |place: &Place| {
            place
                .parents
                .iter()
                .map(|parent| parent.version)
                .collect::<Vec<_>>()
        };
        assert_eq!(versions(&both), [Version::One, Version::One]);
        let second = Place::read(&mounts, own, &|_| Some(ALL));
        assert_eq!(versions(&second), [Version::Two]);
        assert_eq!(second.version_of(|holds| holds.memory), Some(Version::Two));
    }
}
