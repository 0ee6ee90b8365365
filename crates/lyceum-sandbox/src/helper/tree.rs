//! Mounts by descriptor: nothing here resolves a path that untrusted code could have changed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, mkdirat, mknodat, openat2};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

/// Paths from the lab: a symbolic link in one is refused, since a run may have planted it.
const HOST_PATH: ResolveFlags = ResolveFlags::NO_SYMLINKS.union(ResolveFlags::NO_MAGICLINKS);

/// Paths below the new root, which workspaces written by untrusted code are part of.
const BELOW: ResolveFlags = HOST_PATH.union(ResolveFlags::BENEATH);

/// Returns a detached copy of the mounts at and below a host path.
pub(super) fn copy_of_host(path: &Path) -> io::Result<OwnedFd> {
    let place = openat2(
        CWD,
        path,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        HOST_PATH,
    )?;
    copy_of(place.as_fd(), "")
}

/// Returns a detached copy of the mounts at and below `path`, which is taken relative to `at`.
pub(super) fn copy_of(at: BorrowedFd<'_>, path: &str) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    Ok(open_tree(at, path, flags)?)
}

/// Returns a new, detached mount of a file system. An option without a value is a flag.
pub(super) fn new_file_system(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in options {
        if value.is_empty() {
            fsconfig_set_flag(&context, *name)?;
        } else {
            fsconfig_set_string(&context, *name, *value)?;
        }
    }
    fsconfig_create(&context)?;
    Ok(fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        attributes,
    )?)
}

/// Attaches a detached mount on an open place.
pub(super) fn attach(tree: &OwnedFd, place: BorrowedFd<'_>) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(tree, "", place, "", flags)?)
}

/// Attaches a detached mount at a path relative to `at` whose every part the helper made itself.
pub(super) fn attach_at(tree: &OwnedFd, at: BorrowedFd<'_>, path: &str) -> io::Result<()> {
    Ok(move_mount(
        tree,
        "",
        at,
        path,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?)
}

/// Makes an empty file, or a directory, as a place to mount on.
pub(super) fn make_place(at: BorrowedFd<'_>, path: &str, directory: bool) -> io::Result<()> {
    if directory {
        mkdirat(at, path, Mode::from_raw_mode(0o755))?;
    } else {
        mknodat(
            at,
            path,
            FileType::RegularFile,
            Mode::from_raw_mode(0o644),
            0,
        )?;
    }
    Ok(())
}

/// Attaches a detached mount at a path below `root`, making the mount point if there is none.
pub(super) fn attach_below(
    root: BorrowedFd<'_>,
    path: &Path,
    tree: &OwnedFd,
    directory: bool,
) -> io::Result<()> {
    let place = match open_below(root, path, OFlags::PATH) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_below(root, path, directory)?;
            open_below(root, path, OFlags::PATH)?
        }
        other => other?,
    };
    attach(tree, place.as_fd())
}

/// Opens a path below `root` without following any link.
pub(super) fn open_below(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    Ok(openat2(
        root,
        relative(path),
        flags | OFlags::CLOEXEC,
        Mode::empty(),
        BELOW,
    )?)
}

/// Makes a directory or an empty file below `root`, and the directories above it.
pub(super) fn make_below(root: BorrowedFd<'_>, path: &Path, directory: bool) -> io::Result<()> {
    let parent = parents_below(root, path)?;
    let Some(name) = path.file_name() else {
        return Ok(());
    };
    if directory {
        make_directory(parent.as_fd(), Path::new(name))
    } else {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        openat2(&parent, name, flags, Mode::from_raw_mode(0o644), BELOW)?;
        Ok(())
    }
}

/// Opens the parent of a path below `root`, making it if it does not exist.
pub(super) fn parents_below(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let mut current = open_below(root, Path::new("."), flags)?;
    for part in path.parent().unwrap_or(path).components() {
        if let Component::Normal(name) = part {
            make_directory(current.as_fd(), Path::new(name))?;
            current = open_below(current.as_fd(), Path::new(name), flags)?;
        }
    }
    Ok(current)
}

fn make_directory(parent: BorrowedFd<'_>, name: &Path) -> io::Result<()> {
    match mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        // A read-only parent that has the directory already answers so, too.
        Err(Errno::ROFS | Errno::ACCESS) if open_below(parent, name, OFlags::PATH).is_ok() => {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn relative(path: &Path) -> &Path {
    match path.strip_prefix("/") {
        Ok(below) if below.as_os_str().is_empty() => Path::new("."),
        Ok(below) => below,
        Err(_) => path,
    }
}
