//! The file system that every sandbox has before its policy adds mounts: system programs read-only,
//! a few devices, an `/etc` without the host's identity, `/proc` with masks, scratch in memory.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, chmodat, fstat, readlinkat, statat, symlinkat,
};
use rustix::mount::MountAttrFlags;

use super::tree;
use crate::kernel::{MountAttributes, mount_set_attributes};

/// Host directories that hold programs and libraries. Links among them are copied as links.
pub(super) const SYSTEM: [&str; 8] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
];

/// Files of `/etc` that programs need and that say nothing about the host's users.
pub(super) const ETC: [&str; 3] = ["/etc/alternatives", "/etc/ld.so.cache", "/etc/ssl/certs"];

/// Files of `/etc` written for the sandbox.
pub(super) const ETC_WRITTEN: [(&str, &str); 5] = [
    (
        "passwd",
        "lab:x:1000:1000:lab:/home:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    ),
    ("group", "lab:x:1000:\nnogroup:x:65534:\n"),
    ("hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n"),
    ("hostname", "sandbox\n"),
    (
        "nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files\n",
    ),
];

pub(super) const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Files and directories of `/proc` that describe or steer the host.
pub(super) const MASKED: [&str; 22] = [
    "acpi",
    "asound",
    "bus",
    "cmdline",
    "config.gz",
    "driver",
    "fs",
    "interrupts",
    "iomem",
    "ioports",
    "irq",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "kmsg",
    "latency_stats",
    "modules",
    "sched_debug",
    "scsi",
    "sysrq-trigger",
    "timer_list",
];

/// Directories inside that lie in memory and may be written: name on the shared tmpfs, place.
const IN_MEMORY: [(&str, &str); 3] = [("tmp", "tmp"), ("home", "home"), ("shm", "dev/shm")];

/// Of device nodes: their files on the host cannot be touched.
const OF_DEVICES: u64 = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;

const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// Calls back for each system directory that this host has, with what it says if it is a link.
pub(super) fn for_each_system(mut each: impl FnMut(&'static str, Option<std::ffi::OsString>)) {
    for path in SYSTEM {
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.is_symlink() => {
                if let Ok(to) = std::fs::read_link(path) {
                    each(path, Some(to.into()));
                }
            }
            Ok(found) if found.is_dir() => each(path, None),
            _ => {}
        }
    }
}

/// Mounts the host's programs and libraries.
pub(super) fn add_system(root: BorrowedFd<'_>) -> io::Result<()> {
    for path in SYSTEM {
        let Ok(status) = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        match FileType::from_raw_mode(status.st_mode) {
            FileType::Symlink => {
                let to = readlinkat(CWD, path, Vec::new())?;
                symlinkat(to, root, path.trim_start_matches('/'))?;
            }
            FileType::Directory => add_read_only(root, path, true)?,
            _ => {}
        }
    }
    Ok(())
}

/// Fills `/etc`.
pub(super) fn add_etc(root: BorrowedFd<'_>) -> io::Result<()> {
    tree::make_place(root, "etc", true)?;
    for (name, text) in ETC_WRITTEN {
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        let file = rustix::fs::openat(root, format!("etc/{name}"), flags, mode)?;
        std::fs::File::from(file).write_all(text.as_bytes())?;
    }
    for path in ETC {
        if let Ok(status) = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
            match FileType::from_raw_mode(status.st_mode) {
                FileType::Directory => add_read_only(root, path, true)?,
                FileType::RegularFile => add_read_only(root, path, false)?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// Mounts a host path read-only at the same path inside, where nothing is yet.
fn add_read_only(root: BorrowedFd<'_>, path: &str, directory: bool) -> io::Result<()> {
    let copy = tree::copy_of_host(Path::new(path))?;
    set(&copy, READ_ONLY)?;
    let below = path.trim_start_matches('/');
    for (at, _) in below.match_indices('/') {
        // `etc` is there already.
        match tree::make_place(root, &below[..at], true) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    tree::make_place(root, below, directory)?;
    tree::attach_at(&copy, root, below)
}

/// Sets attributes of a detached tree.
fn set(tree: &OwnedFd, set: u64) -> io::Result<()> {
    let attributes = MountAttributes {
        set,
        owner_map: None,
        recursive: true,
    };
    mount_set_attributes(tree.as_fd(), attributes)
}

/// Fills `/dev`.
pub(super) fn add_devices(root: BorrowedFd<'_>, graphics: &[PathBuf]) -> io::Result<()> {
    for directory in ["dev", "dev/pts", "dev/shm"] {
        tree::make_place(root, directory, true)?;
    }
    for name in DEVICES {
        let path = format!("dev/{name}");
        let node = tree::copy_of(CWD, &format!("/{path}"))?;
        set(&node, OF_DEVICES)?;
        tree::make_place(root, &path, false)?;
        tree::attach_at(&node, root, &path)?;
    }
    for device in graphics {
        let node = tree::copy_of_host(device)?;
        if !FileType::from_raw_mode(fstat(&node)?.st_mode).is_char_device() {
            return Err(io::Error::other(format!(
                "`{}` is no device",
                device.display()
            )));
        }
        set(&node, OF_DEVICES)?;
        tree::attach_below(root, device, &node, false)?;
    }
    for (name, to) in DEVICE_LINKS {
        symlinkat(to, root, format!("dev/{name}"))?;
    }
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let options = [("ptmxmode", "0666"), ("mode", "0620")];
    let terminals = tree::new_file_system("devpts", &options, attributes)?;
    tree::attach_at(&terminals, root, "dev/pts")
}

/// Mounts one tmpfs at all places that may be written, so that one size bounds them together.
pub(super) fn add_memory(
    root: BorrowedFd<'_>,
    stage: BorrowedFd<'_>,
    bytes: u64,
    files: u64,
) -> io::Result<()> {
    let options = [
        ("size", &*bytes.to_string()),
        ("nr_inodes", &*files.saturating_add(16).to_string()),
        ("mode", "0755"),
    ];
    let tame = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let memory = tree::new_file_system("tmpfs", &options, tame)?;
    tree::make_place(stage, "memory", true)?;
    tree::attach_at(&memory, stage, "memory")?;
    for (name, place) in IN_MEMORY {
        tree::make_place(memory.as_fd(), name, true)?;
        if name != "home" {
            chmodat(&memory, name, Mode::from_raw_mode(0o1777), AtFlags::empty())?;
        }
        let copy = tree::copy_of(memory.as_fd(), name)?;
        if name != "shm" {
            tree::make_place(root, place, true)?;
        }
        tree::attach_at(&copy, root, place)?;
    }
    Ok(())
}

/// Mounts `/proc` of this pid namespace.
pub(super) fn add_proc(root: BorrowedFd<'_>) -> io::Result<()> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let proc = tree::new_file_system("proc", &[], attributes)?;
    tree::make_place(root, "proc", true)?;
    tree::attach_at(&proc, root, "proc")
}

/// Hides what `/proc` tells about the host, and makes its switches read-only.
pub(super) fn mask_proc(root: BorrowedFd<'_>, stage: BorrowedFd<'_>) -> io::Result<()> {
    // One read-only mount of an empty directory, of which copies are made: they keep what it is set to.
    for name in ["empty", "cover"] {
        tree::make_place(stage, name, true)?;
    }
    let cover = tree::copy_of(stage, "empty")?;
    set(&cover, READ_ONLY)?;
    tree::attach_at(&cover, stage, "cover")?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let proc = tree::open_below(root, Path::new("proc"), flags)?;
    for entry in Dir::read_from(&proc)? {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().ok().filter(|name| masked(name)) else {
            continue;
        };
        let cover = if entry.file_type().is_dir() {
            tree::copy_of(stage, "cover")?
        } else {
            tree::copy_of(root, "dev/null")?
        };
        tree::attach_at(&cover, proc.as_fd(), name)?;
    }
    let switches = tree::copy_of(proc.as_fd(), "sys")?;
    set(&switches, READ_ONLY)?;
    tree::attach_at(&switches, proc.as_fd(), "sys")
}

fn masked(name: &str) -> bool {
    MASKED.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_to_be_masked_are_sorted_so_that_each_is_found() {
        assert!(super::MASKED.is_sorted());
        assert!(super::masked("kcore") && super::masked("acpi") && super::masked("timer_list"));
        assert!(!super::masked("cpuinfo") && !super::masked("self"));
    }
}
