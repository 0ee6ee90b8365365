//! Building the root of a sandbox and moving into it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2, symlinkat};
use rustix::mount::{MountAttrFlags, UnmountFlags, unmount};
use rustix::process::{fchdir, pivot_root};

use super::fault::At;
use super::sources::{Kind, Source};
use super::{root, tree};
use crate::kernel::{MountAttributes, mount_set_attributes};
use crate::policy::{Link, Mount};
use crate::record::Step;
use crate::wire::{Fault, Order};

/// Where the new root is put together. Sources were opened before, so hiding what lies there is harmless.
pub(super) const STAGE: &str = "/tmp";

/// Only the helper writes there: mount points, links and the files of `/etc`.
const ROOT_OPTIONS: [(&str, &str); 1] = [("mode", "0755")];

/// Builds the root, moves into it, and leaves it read-only.
pub(super) fn build(order: &Order, sources: Vec<Source>) -> Result<(), Fault> {
    let step = Step::BuildRoot;
    let tame = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    cut_propagation()?;
    let stage = stage()?;
    let root = tree::new_file_system("tmpfs", &ROOT_OPTIONS, tame).at(step, "mounting a tmpfs")?;
    tree::make_place(stage.as_fd(), "root", true)
        .and_then(|()| tree::attach_at(&root, stage.as_fd(), "root"))
        .at(step, "mounting the root")?;

    let (inside, staged) = (root.as_fd(), stage.as_fd());
    root::add_system(inside).at(step, "mounting system directories")?;
    root::add_etc(inside).at(step, "filling /etc")?;
    root::add_devices(inside, &order.devices).at(step, "filling /dev")?;
    root::add_memory(
        inside,
        staged,
        order.limits.memory_bytes,
        order.limits.disk_files,
    )
    .at(step, "mounting /tmp and /home")?;
    root::add_proc(inside).at(Step::MountProc, "mounting /proc")?;
    root::mask_proc(inside, staged).at(Step::MountProc, "masking /proc")?;
    for (number, source) in sources.into_iter().enumerate() {
        place_source(inside, staged, number, source)?;
    }
    for link in &order.links {
        place_link(inside, link)?;
    }
    enter(&root)
}

/// Keeps what is mounted here from the namespace that this one is a copy of, and the other way round.
pub(super) fn cut_propagation() -> Result<(), Fault> {
    let step = Step::BuildRoot;
    let host = open_directory("/").at(step, "opening the host's root")?;
    let private = MountAttributes {
        recursive: true,
        ..MountAttributes::default()
    };
    mount_set_attributes(host.as_fd(), private).at(step, "cutting mount propagation")
}

/// Mounts a workplace on [`STAGE`].
pub(super) fn stage() -> Result<OwnedFd, Fault> {
    let step = Step::BuildRoot;
    let tame = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let stage = tree::new_file_system("tmpfs", &ROOT_OPTIONS, tame).at(step, "mounting a tmpfs")?;
    let place = open_directory(STAGE).at(step, format!("opening `{STAGE}`"))?;
    tree::attach(&stage, place.as_fd()).at(step, format!("mounting on `{STAGE}`"))?;
    Ok(stage)
}

/// Returns mounts in the order in which none hides another.
pub(super) fn outermost_first(mut mounts: Vec<Mount>) -> Vec<Mount> {
    mounts.sort_by_key(|mount| mount.target.components().count());
    mounts
}

fn open_directory(path: &str) -> std::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat2(
        CWD,
        path,
        flags,
        Mode::empty(),
        ResolveFlags::NO_MAGICLINKS,
    )?)
}

fn place_source(
    root: BorrowedFd<'_>,
    stage: BorrowedFd<'_>,
    number: usize,
    source: Source,
) -> Result<(), Fault> {
    let Source {
        target,
        directory,
        tree,
        kind,
    } = source;
    let tree = match kind {
        Kind::Read | Kind::Write => tree,
        Kind::Overlay {
            layers,
            upper,
            work,
        } => overlay(stage, number, &tree, &layers, (&upper, &work)).at(
            Step::MountOverlay,
            format!(
                "`{}` (its upper directory must not lie on an overlay itself)",
                target.display()
            ),
        )?,
    };
    tree::attach_below(root, &target, &tree, directory)
        .at(Step::PlaceMount, format!("`{}`", target.display()))
}

/// Mounts an overlay. Its layers are reached under the stage, so that the options shown in
/// `/proc/mounts` hold no path of the host.
fn overlay(
    stage: BorrowedFd<'_>,
    number: usize,
    lower: &OwnedFd,
    layers: &OwnedFd,
    (upper, work): (&str, &str),
) -> std::io::Result<OwnedFd> {
    tree::attach_below(stage, Path::new(&format!("lower{number}")), lower, true)?;
    tree::attach_below(stage, Path::new(&format!("layers{number}")), layers, true)?;
    let options = [
        ("lowerdir", &*format!("{STAGE}/lower{number}")),
        ("upperdir", &*format!("{STAGE}/layers{number}/{upper}")),
        ("workdir", &*format!("{STAGE}/layers{number}/{work}")),
        ("userxattr", ""),
    ];
    let tame = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    tree::new_file_system("overlay", &options, tame)
}

fn place_link(root: BorrowedFd<'_>, link: &Link) -> Result<(), Fault> {
    let made = tree::parents_below(root, &link.at).and_then(|parent| {
        let name = link.at.file_name().unwrap_or_default();
        Ok(symlinkat(&link.to, parent, name)?)
    });
    made.at(Step::PlaceMount, format!("link `{}`", link.at.display()))
}

/// Makes the new root the root and lets go of the host's.
fn enter(root: &OwnedFd) -> Result<(), Fault> {
    let step = Step::BuildRoot;
    fchdir(root).at(step, "entering the root")?;
    pivot_root(".", ".").at(step, "changing the root")?;
    unmount(".", UnmountFlags::DETACH).at(step, "letting go of the host's root")?;
    let sealed = MountAttributes {
        set: libc::MOUNT_ATTR_RDONLY,
        ..MountAttributes::default()
    };
    mount_set_attributes(root.as_fd(), sealed).at(step, "sealing the root")?;
    rustix::process::chdir("/").at(step, "entering the root")
}
