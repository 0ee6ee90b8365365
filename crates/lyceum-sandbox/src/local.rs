//! Telling whether a directory that is to be mounted may hold a socket of the host.
//!
//! Whoever can open the way to a socket's file can connect to it, also through a read-only mount. Since
//! version 9 Landlock keeps a command to the sockets of its own; before, a command gets local sockets that
//! can connect only where nothing is there to connect to.

use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};

use crate::policy::{Access, Mount};

/// Entries that are looked at for one command: what holds more counts as holding one. The system's own toolchains and
/// environments have some ten thousand, and a thousand take about a millisecond once they are in the kernel's cache.
const ENTRIES_MAX: usize = 131_072;

/// Directories nested deeper count as holding a socket: one descriptor is held for each.
const DEPTH_MAX: usize = 64;

/// Version of Landlock that restricts connections to sockets in files.
pub(crate) const LANDLOCK_WITH_SOCKETS: u32 = 9;

/// Returns whether a command with these mounts could find a socket of the host in them. What cannot be
/// looked through counts as such. Overlays hide the sockets below them.
pub(crate) fn may_reach(mounts: &[Mount]) -> bool {
    may_reach_within(mounts, ENTRIES_MAX)
}

fn may_reach_within(mounts: &[Mount], mut left: usize) -> bool {
    mounts
        .iter()
        .filter(|mount| !matches!(mount.access, Access::Overlay { .. }))
        .any(|mount| !is_free(&mount.source, &mut left).unwrap_or(false))
}

/// Returns whether nothing at or below a path is a socket.
fn is_free(path: &Path, left: &mut usize) -> io::Result<bool> {
    let status = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(status.st_mode) {
        FileType::Socket => return Ok(false),
        FileType::Directory => {}
        _ => return Ok(true),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut open = vec![Dir::new(openat(CWD, path, flags, Mode::empty())?)?];
    while let Some(directory) = open.last_mut() {
        let Some(entry) = directory.read() else {
            open.pop();
            continue;
        };
        let entry = entry?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        *left = left.saturating_sub(1);
        let below = match entry.file_type() {
            FileType::Directory => true,
            FileType::Socket => return Ok(false),
            FileType::Unknown => {
                let at = AtFlags::SYMLINK_NOFOLLOW;
                let status = statat(directory.fd()?, entry.file_name(), at)?;
                match FileType::from_raw_mode(status.st_mode) {
                    FileType::Socket => return Ok(false),
                    kind => kind.is_dir(),
                }
            }
            _ => false,
        };
        if *left == 0 {
            return Ok(false);
        }
        if below {
            let fd = openat(directory.fd()?, entry.file_name(), flags, Mode::empty())?;
            if open.len() == DEPTH_MAX {
                return Ok(false);
            }
            open.push(Dir::new(fd)?);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn mount(source: &Path, access: Access) -> Mount {
        Mount {
            source: source.into(),
            target: "/data".into(),
            access,
        }
    }

    fn reach(source: &Path, access: Access) -> bool {
        may_reach(&[mount(source, access)])
    }

    #[test]
    fn finds_a_socket_anywhere_below_and_takes_what_it_cannot_see_for_one() {
        let place = tempfile::tempdir().expect("makes a directory");
        let deep = place.path().join("a/b");
        std::fs::create_dir_all(&deep).expect("makes directories");
        std::fs::write(deep.join("file"), "").expect("writes");
        assert!(!reach(place.path(), Access::Read));
        let _socket = UnixListener::bind(deep.join("s")).expect("binds");
        assert!(reach(place.path(), Access::Read) && reach(place.path(), Access::Write));
        assert!(reach(&deep.join("s"), Access::Read));
        let overlay = Access::Overlay {
            upper: "/u".into(),
            work: "/w".into(),
        };
        assert!(!reach(place.path(), overlay));
        assert!(reach(&place.path().join("nothing"), Access::Read));
    }

    #[test]
    fn a_crowd_is_not_looked_through_to_its_end() {
        let place = tempfile::tempdir().expect("makes a directory");
        for number in 0..8 {
            std::fs::write(place.path().join(number.to_string()), "").expect("writes");
        }
        let all = [mount(place.path(), Access::Read)];
        assert!(!may_reach_within(&all, 9));
        assert!(may_reach_within(&all, 8));
        assert!(may_reach_within(&[all[0].clone(), all[0].clone()], 16));
    }
}
