//! Directories on the lab's disk that live as long as one run.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, chmodat, openat, renameat, unlinkat};
use rustix::io::Errno;

use crate::policy::Role;
use crate::sandbox::dedicated;

/// Directories open at once while removing; deeper ones are first moved to the top.
const DEPTH_MAX: usize = 64;

/// A fresh directory with what one sandboxed run needs. Not removed by itself: see [`remove`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Returns the directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the upper directory for one overlay mount.
    pub fn upper(&self) -> PathBuf {
        self.path.join("upper")
    }

    /// Returns the work directory for the same overlay mount.
    pub fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// Returns an empty directory for a writable mount.
    pub fn out(&self) -> PathBuf {
        self.path.join("out")
    }
}

/// Creates a scratch directory in `parent`, with a name that begins with `prefix` and a hyphen.
///
/// When the lab is root it belongs to the sandboxes' user. Nobody else may look into it.
///
/// # Errors
///
/// Fails when `parent` cannot be written.
pub fn create(parent: &Path, prefix: &str) -> io::Result<Scratch> {
    create_for(parent, prefix, Role::Candidate)
}

/// Creates a scratch directory as [`create`] does, for commands of this side.
///
/// # Errors
///
/// As [`create`].
pub fn create_for(parent: &Path, prefix: &str, role: Role) -> io::Result<Scratch> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!(
        "{prefix}-{:x}-{:x}-{number:x}",
        std::process::id(),
        since_epoch.as_nanos()
    );
    let scratch = Scratch {
        path: parent.join(name),
    };
    let user = dedicated(role);
    for directory in [
        scratch.path.clone(),
        scratch.upper(),
        scratch.work(),
        scratch.out(),
    ] {
        fs::DirBuilder::new().mode(0o700).create(&directory)?;
        if let Some(user) = user {
            chown(&directory, Some(user.uid), Some(user.gid))?;
        }
    }
    Ok(scratch)
}

/// Returns the scratch directories in `parent` whose names begin with `prefix` and a hyphen, as a
/// crash leaves them behind.
///
/// # Errors
///
/// Fails when `parent` cannot be read.
pub fn leftovers(parent: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let rest = name
            .to_str()
            .and_then(|name| name.strip_prefix(prefix)?.strip_prefix('-'));
        if rest.is_some() && entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Removes a directory and everything below it, whatever untrusted code made of it: closed
/// directories (an overlay's work directory has mode 000), links, endless depth. Follows no link.
/// A directory that does not exist is fine.
///
/// # Errors
///
/// Fails when something below belongs to another user or cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let name = CString::new(name.as_encoded_bytes())?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = match openat(CWD, parent, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    match open_to_remove(parent.as_fd(), &name) {
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(top) => empty(&top)?,
    }
    Ok(unlinkat(&parent, &name, AtFlags::REMOVEDIR)?)
}

/// Removes everything in a directory.
pub(crate) fn empty(top: &OwnedFd) -> io::Result<()> {
    let mut moved = 0_u64;
    // Each pass removes all but what it moved to the top; a tree of depth n takes n / DEPTH_MAX.
    loop {
        let moved_before = moved;
        empty_to_depth(top, &mut moved)?;
        if moved == moved_before {
            return Ok(());
        }
    }
}

fn empty_to_depth(top: &OwnedFd, moved: &mut u64) -> io::Result<()> {
    let mut open: Vec<(Dir, CString)> = vec![(Dir::read_from(top)?, CString::default())];
    loop {
        let depth = open.len();
        let Some((directory, _)) = open.last_mut() else {
            return Ok(());
        };
        let Some(entry) = directory.read() else {
            if let (Some((_, name)), Some((parent, _))) = (open.pop(), open.last()) {
                unlinkat(parent.fd()?, &name, AtFlags::REMOVEDIR)?;
            }
            continue;
        };
        let name = entry?.file_name().to_owned();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let parent = directory.fd()?;
        match unlinkat(parent, &name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
        let below = open_to_remove(parent, &name)?;
        if depth < DEPTH_MAX {
            open.push((Dir::new(below)?, name));
        } else {
            *moved += 1;
            renameat(parent, &name, top, format!(".deep-{moved}"))?;
        }
    }
}

/// Opens a directory that is about to be removed, opening its permissions first if needed.
fn open_to_remove(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(parent, name, flags, Mode::empty());
    if let Ok(directory) = opened {
        let mode = Mode::from_raw_mode(rustix::fs::fstat(&directory)?.st_mode);
        if mode.contains(Mode::RWXU) {
            return Ok(directory);
        }
        // Entries can be removed only from a directory that may be written and searched.
        rustix::fs::fchmod(&directory, Mode::RWXU)?;
        return Ok(directory);
    }
    if matches!(opened, Err(Errno::ACCESS)) {
        chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
        return openat(parent, name, flags, Mode::empty());
    }
    opened
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn place() -> tempfile::TempDir {
        tempfile::tempdir().expect("makes a directory")
    }

    #[test]
    fn leftovers_are_found_by_prefix_and_removed() {
        let parent = place();
        let one = create(parent.path(), "run").expect("creates");
        let two = create(parent.path(), "run").expect("creates");
        let other = create(parent.path(), "runner").expect("creates");
        let mut expected = vec![one.path().to_owned(), two.path().to_owned()];
        expected.sort();
        assert_eq!(leftovers(parent.path(), "run").expect("lists"), expected);
        remove(one.path()).expect("removes");
        remove(one.path()).expect("removing twice is fine");
        assert_eq!(
            leftovers(parent.path(), "run").expect("lists"),
            vec![two.path().to_owned()]
        );
        assert!(other.path().exists());
    }

    #[test]
    fn hostile_trees_are_removed_and_links_are_not_followed() {
        let parent = place();
        let victim = parent.path().join("victim");
        fs::create_dir(&victim).expect("makes");
        fs::write(victim.join("precious"), "x").expect("writes");
        let scratch = create(parent.path(), "run").expect("creates");
        let closed = scratch.work().join("work");
        fs::create_dir(&closed).expect("makes");
        fs::write(closed.join("file"), "x").expect("writes");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o0)).expect("closes");
        std::os::unix::fs::symlink(&victim, scratch.out().join("link")).expect("links");
        let deep = scratch.out().join("d/".repeat(400));
        fs::create_dir_all(deep).expect("makes");
        remove(scratch.path()).expect("removes");
        assert!(!scratch.path().exists());
        assert!(victim.join("precious").exists());
    }
}
