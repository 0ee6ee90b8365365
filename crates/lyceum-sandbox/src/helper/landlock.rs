//! The second layer: the same policy as the mounts express, held by Landlock.
//!
//! Rights, structures and versions as `linux/landlock.h` and the kernel's `userspace-api/landlock` have
//! them. TCP stays free, since the network namespace has only its own loopback, which servers inside need.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};

use super::fault::At;
use super::root;
use crate::kernel;
use crate::local::LANDLOCK_WITH_SOCKETS;
use crate::policy::Access;
use crate::record::{Level, Step};
use crate::wire::{Fault, Order};

/// Rights over files: execute, write, read a file, and read a directory.
const EXECUTE: u64 = 1;
pub(super) const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIRECTORY: u64 = 1 << 3;
/// Cutting a file, since version 3, and requests to devices, since version 5.
const TRUNCATE: u64 = 1 << 14;
const DEVICE_REQUEST: u64 = 1 << 15;
/// Connecting to sockets in files that were made outside, since version 9. Granted nowhere: those made
/// inside need no grant.
const REACH_SOCKET: u64 = 1 << 16;
/// What can be granted for a single file.
const OF_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | DEVICE_REQUEST;

/// Returns all rights over files that a version of the interface knows.
fn known(version: u32) -> u64 {
    let count = match version {
        0 => 0,
        1 => 13,
        2 => 14,
        3 | 4 => 15,
        5..LANDLOCK_WITH_SOCKETS => 16,
        _ => 17,
    };
    (1 << count) - 1
}

/// Connections to abstract sockets, and signals, outside the sandbox: since version 6.
const SCOPES: u64 = 0b11;

/// The first version that keeps signals and abstract sockets inside. Without namespaces nothing else does.
const ALONE_MIN: u32 = 6;

/// Files that programs read of a host whose `/proc` and `/sys` they do not get.
const FACTS: [&str; 6] = [
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/filesystems",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/kernel/osrelease",
    "/sys/devices/system/cpu",
];

/// Restricts a process that has no namespaces to system programs, five devices and its mounts.
fn restrict_alone(order: &Order, version: u32) -> io::Result<()> {
    if version < ALONE_MIN {
        return Err(io::Error::other(format!(
            "alone it is used from version {ALONE_MIN} on, Linux 6.12"
        )));
    }
    let ruleset = kernel::landlock_ruleset(known(version), SCOPES)?;
    let everything = known(version) & !REACH_SOCKET;
    let read = EXECUTE | READ_FILE | READ_DIRECTORY;
    let allow = |place: &Path, access| allow(&ruleset, place, access & everything);
    for place in root::SYSTEM.iter().chain(&root::ETC) {
        allow(Path::new(place), read)?;
    }
    for place in FACTS {
        allow(Path::new(place), READ_FILE | READ_DIRECTORY)?;
    }
    for name in root::DEVICES {
        let device = Path::new("/dev").join(name);
        allow(&device, READ_FILE | WRITE_FILE | TRUNCATE)?;
    }
    for device in &order.devices {
        allow(device, READ_FILE | WRITE_FILE | TRUNCATE | DEVICE_REQUEST)?;
    }
    for mount in &order.mounts {
        let access = if mount.access == Access::Read {
            read
        } else {
            everything
        };
        allow(&mount.source, access)?;
    }
    kernel::landlock_restrict(ruleset.as_fd())
}

/// Restricts this process and all that it starts.
pub(super) fn restrict(order: &Order) -> Result<(), Fault> {
    let version = kernel::landlock_abi().at(Step::Landlock, "asking for its version")?;
    let restricted = match order.level {
        Level::Namespace => restrict_with(order, version),
        Level::Landlock => restrict_alone(order, version),
    };
    restricted.at(Step::Landlock, format!("with version {version}"))
}

fn restrict_with(order: &Order, version: u32) -> io::Result<()> {
    let scopes = if version >= 6 { SCOPES } else { 0 };
    let ruleset = kernel::landlock_ruleset(known(version), scopes)?;
    let everything = known(version) & !REACH_SOCKET;
    let read = EXECUTE | READ_FILE | READ_DIRECTORY;
    let device = read | WRITE_FILE | TRUNCATE;
    let allow = |place: &Path, access| allow(&ruleset, place, access & everything);
    // Nothing in `/proc` is written: a run could lower its own score for the kernel's choice when memory runs out.
    allow(Path::new("/"), read)?;
    allow(Path::new("/dev"), device | DEVICE_REQUEST)?;
    for place in ["/tmp", "/home", "/dev/shm"] {
        allow(Path::new(place), everything)?;
    }
    for mount in &order.mounts {
        if mount.access != Access::Read {
            allow(&mount.target, everything)?;
        }
    }
    kernel::landlock_restrict(ruleset.as_fd())
}

fn allow(ruleset: &OwnedFd, place: &Path, access: u64) -> io::Result<()> {
    // A place that cannot be opened is simply not allowed.
    let Ok(opened) = openat(CWD, place, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) else {
        return Ok(());
    };
    let directory = FileType::from_raw_mode(fstat(&opened)?.st_mode).is_dir();
    let access = if directory { access } else { access & OF_FILES };
    kernel::landlock_allow(ruleset.as_fd(), opened.as_fd(), access)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_grow_with_the_version() {
        assert_eq!(known(1), 0x1fff);
        assert_eq!(known(2), 0x3fff);
        assert_eq!(known(4) & (TRUNCATE | DEVICE_REQUEST), TRUNCATE);
        assert_eq!(known(7), 0xffff);
        assert_eq!(known(7) & !known(3), DEVICE_REQUEST);
        assert_eq!(known(9) & !known(8), REACH_SOCKET);
    }
}
