//! Overlays where no overlay file system can be had: the tree is copied before the command and compared
//! with the original afterwards, so that `upper` holds what an overlay's would.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Timestamps, Uid, chmodat, chownat,
    fchmod, fchown, fstat, futimens, mkdirat, mknodat, openat, readlinkat, renameat, statat,
    symlinkat, unlinkat,
};
use rustix::io::Errno;

use crate::scratch;
use crate::wire::Dedicated;

/// Directories nested deeper than this are refused: one descriptor is held for each.
const DEPTH_MAX: usize = 200;

/// Bytes compared at once.
const COMPARED_BYTES: usize = 64 << 10;

/// Who owns the copies.
#[derive(Clone, Copy, Debug)]
struct Owner {
    of_lower: (u32, u32),
    dedicated: Option<Dedicated>,
}

/// An overlay that is a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    lower: PathBuf,
    upper: PathBuf,
    merged: PathBuf,
}

impl Copied {
    /// Copies `lower`, and `upper` over it, to a directory in `work`.
    pub(crate) fn lay_out(
        lower: &Path,
        (upper, work): (&Path, &Path),
        dedicated: Option<Dedicated>,
    ) -> io::Result<Self> {
        let copied = Self {
            lower: lower.to_owned(),
            upper: upper.to_owned(),
            merged: work.join("merged"),
        };
        // A helper that was started again finds what the first one left.
        scratch::remove(&copied.merged)?;
        mkdirat(CWD, &copied.merged, Mode::RWXU)?;
        let (from, to) = (open(lower)?, open(&copied.merged)?);
        let status = fstat(&from)?;
        let owner = Owner {
            of_lower: (status.st_uid, status.st_gid),
            dedicated,
        };
        copy_directory(&from, &to, owner, 0)?;
        copy_directory(&open(upper)?, &to, owner, 0)?;
        owner.finish(&to, &status)?;
        Ok(copied)
    }

    /// Returns the directory to be mounted in place of the overlay.
    pub(crate) fn merged(&self) -> &Path {
        &self.merged
    }

    /// Fills `upper` with what differs from `lower`; a character device 0:0 stands for what is gone.
    pub(crate) fn take_back(&self) -> io::Result<()> {
        let upper = open(&self.upper)?;
        scratch::empty(&upper)?;
        let (merged, lower) = (open(&self.merged)?, open(&self.lower)?);
        compare(&merged, &lower, &upper).map(drop)
    }
}

impl Owner {
    /// Gives a copy the rights, times and owner of its original.
    fn finish(self, copy: &OwnedFd, original: &Stat) -> io::Result<()> {
        if let Some((uid, gid)) = self.of(original) {
            fchown(copy, Some(uid), Some(gid))?;
        }
        fchmod(copy, Mode::from_raw_mode(original.st_mode & 0o777))?;
        Ok(futimens(copy, &times(original))?)
    }

    /// Returns who is to own a copy, when this process may decide that.
    fn of(self, original: &Stat) -> Option<(Uid, Gid)> {
        let dedicated = self.dedicated?;
        let swap = |found, of_lower, own| if found == of_lower { own } else { found };
        Some((
            Uid::from_raw(swap(original.st_uid, self.of_lower.0, dedicated.uid)),
            Gid::from_raw(swap(original.st_gid, self.of_lower.1, dedicated.gid)),
        ))
    }
}

#[expect(
    clippy::unnecessary_cast,
    reason = "the width differs between architectures"
)]
fn times(status: &Stat) -> Timestamps {
    let time = |seconds, nanoseconds| rustix::fs::Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    Timestamps {
        last_access: time(status.st_atime as i64, status.st_atime_nsec as i64),
        last_modification: time(status.st_mtime as i64, status.st_mtime_nsec as i64),
    }
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty())?)
}

fn open_below(parent: &OwnedFd, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// Returns what a directory holds, without `.` and `..`.
fn entries(directory: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}

fn copy_directory(from: &OwnedFd, to: &OwnedFd, owner: Owner, depth: usize) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other(format!(
            "directories are nested deeper than {DEPTH_MAX}"
        )));
    }
    for name in entries(from)? {
        let status = statat(from, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(status.st_mode) {
            FileType::Directory => {
                match mkdirat(to, &name, Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                let below = open_below(from, &name, OFlags::RDONLY | OFlags::DIRECTORY)?;
                let copy = open_below(to, &name, OFlags::RDONLY | OFlags::DIRECTORY)?;
                copy_directory(&below, &copy, owner, depth + 1)?;
                owner.finish(&copy, &status)?;
            }
            FileType::RegularFile => {
                remove(to, &name)?;
                copy_file(from, to, &name, owner)?;
            }
            FileType::Symlink => {
                remove(to, &name)?;
                symlinkat(readlinkat(from, &name, Vec::new())?, to, &name)?;
                if let Some((uid, gid)) = owner.of(&status) {
                    chownat(to, &name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
                }
            }
            FileType::CharacterDevice if status.st_rdev == 0 => remove(to, &name)?,
            // Pipes, sockets and devices carry nothing that a copy could hold.
            _ => {}
        }
    }
    Ok(())
}

fn copy_file(from: &OwnedFd, to: &OwnedFd, name: &CStr, owner: Owner) -> io::Result<()> {
    let mut original = File::from(open_below(from, name, OFlags::RDONLY)?);
    let status = fstat(&original)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut copy = File::from(openat(to, name, flags, Mode::RUSR | Mode::WUSR)?);
    io::copy(&mut original, &mut copy)?;
    owner.finish(&copy.into(), &status)
}

/// Removes whatever has this name, if anything.
fn remove(parent: &OwnedFd, name: &CStr) -> io::Result<()> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {
            scratch::empty(&open_below(
                parent,
                name,
                OFlags::RDONLY | OFlags::DIRECTORY,
            )?)?;
            Ok(unlinkat(parent, name, AtFlags::REMOVEDIR)?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Moves what differs to `upper`; returns whether anything did. Only directories that the original has
/// are gone into, so the depth is bounded by what [`Copied::lay_out`] copied.
fn compare(merged: &OwnedFd, lower: &OwnedFd, upper: &OwnedFd) -> io::Result<bool> {
    let mut differs = false;
    let names = entries(merged)?;
    for name in &names {
        let status = statat(merged, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let original = statat(lower, name, AtFlags::SYMLINK_NOFOLLOW).ok();
        if is_directory(&status) && original.is_some_and(|original| is_directory(&original)) {
            differs |= compare_directory((merged, &status), lower, upper, name)?;
        } else if !original
            .is_some_and(|original| equal((merged, &status), (lower, &original), name))
        {
            move_to(merged, name, upper)?;
            differs = true;
        }
    }
    for name in entries(lower)? {
        let status = statat(lower, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        let was_copied = matches!(
            FileType::from_raw_mode(status.st_mode),
            FileType::Directory | FileType::RegularFile | FileType::Symlink
        );
        if was_copied && !names.contains(&name) {
            mknodat(upper, &name, FileType::CharacterDevice, Mode::empty(), 0)?;
            differs = true;
        }
    }
    Ok(differs)
}

fn compare_directory(
    (merged, status): (&OwnedFd, &Stat),
    lower: &OwnedFd,
    upper: &OwnedFd,
    name: &CStr,
) -> io::Result<bool> {
    let directory = OFlags::RDONLY | OFlags::DIRECTORY;
    let lower = open_below(lower, name, directory)?;
    let mut below = open_below(merged, name, directory);
    if matches!(below, Err(Errno::ACCESS)) {
        // The command closed it; whoever owns it may open it again.
        chmodat(merged, name, Mode::RWXU, AtFlags::empty())?;
        below = open_below(merged, name, directory);
    }
    mkdirat(upper, name, Mode::RWXU)?;
    let made = open_below(upper, name, directory)?;
    // Only root may give files away.
    let _ = fchown(
        &made,
        Some(Uid::from_raw(status.st_uid)),
        Some(Gid::from_raw(status.st_gid)),
    );
    let differs = compare(&below?, &lower, &made)?;
    if differs || fstat(&lower)?.st_mode != status.st_mode {
        fchmod(&made, Mode::from_raw_mode(status.st_mode & 0o777))?;
        return Ok(true);
    }
    unlinkat(upper, name, AtFlags::REMOVEDIR)?;
    Ok(false)
}

fn is_directory(status: &Stat) -> bool {
    FileType::from_raw_mode(status.st_mode).is_dir()
}

/// Tells whether two entries that are not both directories are the same, but for owner and times.
fn equal(
    (merged, now): (&OwnedFd, &Stat),
    (lower, before): (&OwnedFd, &Stat),
    name: &CStr,
) -> bool {
    if (now.st_mode, now.st_size) != (before.st_mode, before.st_size) {
        return false;
    }
    match FileType::from_raw_mode(now.st_mode) {
        FileType::RegularFile => {
            let opened = [merged, lower].map(|parent| open_below(parent, name, OFlags::RDONLY));
            match opened {
                [Ok(one), Ok(other)] => {
                    same_contents(&mut one.into(), &mut other.into()).unwrap_or(false)
                }
                _ => false,
            }
        }
        FileType::Symlink => {
            let read = |parent| readlinkat(parent, name, Vec::new()).ok();
            read(merged).is_some() && read(merged) == read(lower)
        }
        _ => false,
    }
}

fn same_contents(one: &mut File, other: &mut File) -> io::Result<bool> {
    let mut buffers = [vec![0; COMPARED_BYTES], vec![0; COMPARED_BYTES]];
    loop {
        let length = one.read(&mut buffers[0])?;
        let (left, right) = buffers.split_at_mut(1);
        if length == 0 {
            return Ok(other.read(&mut right[0])? == 0);
        }
        if other.read_exact(&mut right[0][..length]).is_err()
            || left[0][..length] != right[0][..length]
        {
            return Ok(false);
        }
    }
}

fn move_to(from: &OwnedFd, name: &CStr, to: &OwnedFd) -> io::Result<()> {
    match renameat(from, name, to, name) {
        // A directory can be moved only while it may be written.
        Err(Errno::ACCESS) => {
            chmodat(from, name, Mode::RWXU, AtFlags::empty())?;
            Ok(renameat(from, name, to, name)?)
        }
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn upper_holds_what_an_overlay_would_hold() {
        let place = tempfile::tempdir().expect("makes a directory");
        let at = |name: &str| place.path().join(name);
        for name in ["lower/same/deep", "lower/gone", "upper", "work"] {
            fs::create_dir_all(at(name)).expect("makes");
        }
        for name in [
            "kept",
            "changed",
            "removed",
            "same/deep/file",
            "gone/file",
            "closed",
        ] {
            fs::write(at("lower").join(name), "original").expect("writes");
        }
        symlink("kept", at("lower/link")).expect("links");
        fs::write(at("upper/seeded"), "seeded").expect("writes");
        fs::write(at("upper/changed"), "seeded").expect("writes");
        let copied =
            Copied::lay_out(&at("lower"), (&at("upper"), &at("work")), None).expect("copies");
        let inside = |name: &str| copied.merged().join(name);
        assert_eq!(
            fs::read_to_string(inside("changed")).expect("reads"),
            "seeded"
        );
        assert_eq!(
            fs::read_link(inside("link")).expect("reads"),
            Path::new("kept")
        );
        let time = |path: PathBuf| path.metadata().expect("exists").mtime_nsec();
        assert_eq!(time(inside("kept")), time(at("lower/kept")));
        // Same length, same time: only the contents tell.
        fs::write(inside("kept"), "ORIGINAL").expect("writes");
        fs::remove_file(inside("removed")).expect("removes");
        fs::remove_dir_all(inside("gone")).expect("removes");
        fs::create_dir(inside("new")).expect("makes");
        fs::write(inside("new/file"), "new").expect("writes");
        fs::write(inside("changed"), "original").expect("writes");
        fs::set_permissions(inside("closed"), fs::Permissions::from_mode(0o0)).expect("closes");
        copied.take_back().expect("compares");
        let mut found: Vec<_> = fs::read_dir(at("upper"))
            .expect("lists")
            .map(|entry| {
                entry
                    .expect("reads")
                    .file_name()
                    .into_string()
                    .expect("is text")
            })
            .collect();
        found.sort();
        assert_eq!(
            found,
            ["closed", "gone", "kept", "new", "removed", "seeded"]
        );
        let whiteout = |name: &str| {
            let found = at(name).symlink_metadata().expect("exists");
            found.file_type().is_char_device() && found.rdev() == 0
        };
        assert!(whiteout("upper/gone") && whiteout("upper/removed"));
        assert_eq!(
            fs::read_to_string(at("upper/new/file")).expect("reads"),
            "new"
        );
        assert_eq!(
            fs::read_to_string(at("lower/kept")).expect("reads"),
            "original"
        );
    }
}
