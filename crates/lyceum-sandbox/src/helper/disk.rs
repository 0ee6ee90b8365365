//! Counting what the workload put on disk, however hard it tries to hide it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::fault::At;
use super::sources::Source;
use crate::policy::{Access, Mount};
use crate::record::Step;
use crate::wire::Fault;

/// Directories nested deeper than this count as over the limit: descriptors are held along the way.
const DEPTH_MAX: usize = 200;

/// Size of a block in `st_blocks`.
const BLOCK_BYTES: u64 = 512;

/// Bytes and files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) bytes: u64,
    pub(super) files: u64,
    /// Directories that cannot be looked into.
    closed: u64,
}

/// The directories that the workload writes to, and what they held before.
pub(super) struct Disk {
    places: Vec<(OwnedFd, Amount)>,
}

impl Disk {
    /// Opens and counts the places where writes of these sources land.
    pub(super) fn new(sources: &[Source]) -> Result<Self, Fault> {
        let mut places = Vec::new();
        for source in sources {
            let what = format!("`{}`", source.target.display());
            if let Some(place) = source.written().at(Step::OpenSource, &what)? {
                let before = count_before(&place).at(Step::OpenSource, &what)?;
                places.push((place, before));
            }
        }
        Ok(Self { places })
    }

    /// Returns what is free on the file systems of these places, each place counted by itself.
    pub(super) fn free(&self) -> Amount {
        let mut free = Amount::default();
        for (place, _) in &self.places {
            if let Ok(space) = rustix::fs::fstatvfs(place) {
                free.bytes += space.f_bfree.saturating_mul(space.f_frsize);
                free.files += space.f_ffree;
            }
        }
        free
    }

    /// The same for mounts that are found by their paths.
    pub(super) fn of_mounts(mounts: &[Mount]) -> Result<Self, Fault> {
        let mut places = Vec::new();
        for mount in mounts.iter().filter(|mount| mount.access == Access::Write) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match rustix::fs::open(&mount.source, flags, Mode::empty()) {
                Ok(place) => {
                    let what = format!("`{}`", mount.target.display());
                    let before = count_before(&place).at(Step::OpenSource, what)?;
                    places.push((place, before));
                }
                // A file.
                Err(Errno::NOTDIR) => {}
                Err(error) => {
                    let what = format!("`{}`", mount.target.display());
                    return Err(error).at(Step::OpenSource, what);
                }
            }
        }
        Ok(Self { places })
    }

    /// Returns by how much less is free than before.
    pub(super) fn fallen(&self, before: Amount) -> Amount {
        let now = self.free();
        Amount {
            bytes: before.bytes.saturating_sub(now.bytes),
            files: before.files.saturating_sub(now.files),
            closed: 0,
        }
    }

    /// Returns what was added, counting at most a little over `files_max` files.
    pub(super) fn added(&self, files_max: u64) -> Amount {
        let mut added = Amount::default();
        for (place, before) in &self.places {
            let now = count(place, files_max.saturating_add(before.files));
            added.bytes += now.bytes.saturating_sub(before.bytes);
            added.files += now.files.saturating_sub(before.files);
            // What was closed meanwhile may hold anything.
            if now.closed > before.closed {
                added.files = added.files.max(files_max.saturating_add(1));
            }
        }
        added
    }
}

/// Counts what is there before the command; refuses what is nested so deep that it cannot be counted.
fn count_before(place: &OwnedFd) -> io::Result<Amount> {
    let before = count(place, u64::MAX);
    if before.files == u64::MAX {
        return Err(Errno::NAMETOOLONG.into());
    }
    Ok(before)
}

/// Counts everything below a directory, or stops once more than `files_max` files are found.
fn count(place: &OwnedFd, files_max: u64) -> Amount {
    let mut amount = Amount::default();
    let Ok(top) = Dir::read_from(place) else {
        return amount;
    };
    let mut open = vec![top];
    while let Some(directory) = open.last_mut() {
        let entry = match directory.read() {
            None | Some(Err(_)) => {
                open.pop();
                continue;
            }
            Some(Ok(entry)) => entry,
        };
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        let Ok(parent) = directory.fd() else { continue };
        // Gone in the meantime: not there any more.
        let Ok(status) = statat(parent, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        amount.files += 1;
        let is_directory = FileType::from_raw_mode(status.st_mode).is_dir();
        #[cfg_attr(
            target_arch = "x86_64",
            expect(
                clippy::unnecessary_cast,
                reason = "the width differs between architectures"
            )
        )]
        let names = status.st_nlink.max(1) as u64;
        let links = if is_directory { 1 } else { names };
        amount.bytes += status.st_blocks as u64 * BLOCK_BYTES / links;
        let below = if is_directory {
            open_directory(parent, entry.file_name()).ok()
        } else {
            None
        };
        let is_gone = || statat(parent, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW).is_err();
        if is_directory && below.is_none() && !is_gone() {
            amount.closed += 1;
        }
        if amount.files > files_max || (below.is_some() && open.len() >= DEPTH_MAX) {
            amount.files = amount.files.max(files_max.saturating_add(1));
            return amount;
        }
        open.extend(below);
    }
    amount
}

fn open_directory(parent: impl AsFd, name: &std::ffi::CStr) -> io::Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(Dir::new(openat(parent, name, flags, Mode::empty())?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &std::path::Path) -> OwnedFd {
        std::fs::File::open(path).expect("opens").into()
    }

    #[test]
    fn counts_files_and_allocated_bytes_and_hard_links_once() {
        let place = tempfile::tempdir().expect("makes a directory");
        let file = place.path().join("a/b/file");
        std::fs::create_dir_all(file.parent().expect("has a parent")).expect("makes directories");
        std::fs::write(&file, vec![1; 1 << 20]).expect("writes");
        std::fs::File::open(&file)
            .and_then(|file| file.sync_all())
            .expect("reaches the disk");
        let one = count(&open(place.path()), u64::MAX);
        assert_eq!(one.files, 3);
        assert!((1 << 20..1 << 21).contains(&one.bytes), "{one:?}");
        std::fs::hard_link(&file, place.path().join("again")).expect("links");
        let two = count(&open(place.path()), u64::MAX);
        assert_eq!((two.files, two.bytes), (4, one.bytes));
    }

    #[test]
    fn stops_once_the_limit_is_passed_and_takes_depth_for_a_crowd() {
        let place = tempfile::tempdir().expect("makes a directory");
        for number in 0..50 {
            std::fs::write(place.path().join(number.to_string()), "").expect("writes");
        }
        assert_eq!(count(&open(place.path()), 9).files, 10);
        let deep = place.path().join("d/".repeat(DEPTH_MAX + 5));
        std::fs::create_dir_all(deep).expect("makes directories");
        assert_eq!(count(&open(place.path()), 10_000).files, 10_001);
        let refused = count_before(&open(place.path())).expect_err("is refused");
        assert_eq!(
            refused.raw_os_error(),
            Some(Errno::NAMETOOLONG.raw_os_error())
        );
    }
}
