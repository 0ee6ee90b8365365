//! Opening everything that a policy mounts, as detached trees, while the host's paths are still
//! within reach.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};

use super::fault::{At, fault};
use super::tree;
use crate::kernel::{MountAttributes, mount_set_attributes};
use crate::policy::{Access, Mount};
use crate::record::Step;
use crate::wire::{Fault, Order};

/// Of every mount: no set-user-id programs, no devices.
const TAME: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// A mount of the policy, opened.
pub(super) struct Source {
    /// Where it goes inside.
    pub(super) target: PathBuf,
    /// Whether it is a directory.
    pub(super) directory: bool,
    /// The tree itself; of an overlay, the lower one.
    pub(super) tree: OwnedFd,
    /// What differs by access.
    pub(super) kind: Kind,
}

/// How a source is used.
pub(super) enum Kind {
    Read,
    Write,
    Overlay {
        /// The directory that holds upper and work.
        layers: OwnedFd,
        upper: String,
        work: String,
    },
}

impl Source {
    /// Opens the directory in which writes of the workload land, if there is one.
    pub(super) fn written(&self) -> io::Result<Option<OwnedFd>> {
        let (at, path) = match &self.kind {
            Kind::Read => return Ok(None),
            Kind::Write if !self.directory => return Ok(None),
            Kind::Write => (&self.tree, "."),
            Kind::Overlay { layers, upper, .. } => (layers, upper.as_str()),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Some(openat(at, path, flags, Mode::empty())?))
    }
}

/// Opens all mounts, outermost target first.
pub(super) fn open_all(order: &Order, passed: &[OwnedFd]) -> Result<Vec<Source>, Fault> {
    let mut sources = Vec::new();
    for (mount, owner_map) in order.mounts.iter().zip(&order.owner_maps) {
        let owner_map = owner_map
            .and_then(|index| passed.get(index))
            .map(AsFd::as_fd);
        sources.push(open_one(mount, owner_map)?);
    }
    sources.sort_by_key(|source| source.target.components().count());
    Ok(sources)
}

fn open_one(mount: &Mount, owner_map: Option<BorrowedFd<'_>>) -> Result<Source, Fault> {
    let shown = mount.source.display();
    let tree = tree::copy_of_host(&mount.source).at(Step::OpenSource, format!("`{shown}`"))?;
    let status = fstat(&tree).at(Step::OpenSource, format!("`{shown}`"))?;
    let directory = FileType::from_raw_mode(status.st_mode).is_dir();
    let read_only = !matches!(mount.access, Access::Write);
    let set = if read_only {
        TAME | libc::MOUNT_ATTR_RDONLY
    } else {
        TAME
    };
    let attributes = MountAttributes {
        set,
        owner_map,
        recursive: true,
    };
    if let Err(error) = mount_set_attributes(tree.as_fd(), attributes) {
        // Some file systems cannot map owners (network and FUSE file systems, overlays). What all
        // users may read needs no map.
        let open_to_all = status.st_mode & 0o005 == if directory { 0o005 } else { 0o004 };
        if owner_map.is_none() || !matches!(mount.access, Access::Read) || !open_to_all {
            return Err(error).at(
                Step::MapOwner,
                format!(
                    "`{shown}` belongs to user {} and must appear as the sandbox's own",
                    status.st_uid
                ),
            );
        }
        let attributes = MountAttributes {
            set,
            owner_map: None,
            recursive: true,
        };
        mount_set_attributes(tree.as_fd(), attributes)
            .at(Step::OpenSource, format!("`{shown}`"))?;
    }
    let kind = match &mount.access {
        Access::Read => Kind::Read,
        Access::Write => Kind::Write,
        Access::Overlay { upper, work } => open_layers(upper, work)?,
    };
    if matches!(kind, Kind::Overlay { .. }) && !directory {
        return Err(fault(
            Step::OpenSource,
            format!("`{shown}` is not a directory, so it has no overlay"),
        ));
    }
    Ok(Source {
        target: mount.target.clone(),
        directory,
        tree,
        kind,
    })
}

fn open_layers(upper: &std::path::Path, work: &std::path::Path) -> Result<Kind, Fault> {
    let step = Step::OpenSource;
    let parent = upper
        .parent()
        .ok_or_else(|| fault(step, "the overlay's upper has no parent"))?;
    let name = |path: &std::path::Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let (Some(upper), Some(work)) = (name(upper), name(work)) else {
        return Err(fault(step, "the overlay's upper or work has no name"));
    };
    let shown = parent.display();
    let layers = tree::copy_of_host(parent).at(step, format!("`{shown}`"))?;
    let attributes = MountAttributes {
        set: TAME,
        owner_map: None,
        recursive: true,
    };
    mount_set_attributes(layers.as_fd(), attributes).at(step, format!("`{shown}`"))?;
    Ok(Kind::Overlay {
        layers,
        upper,
        work,
    })
}
