//! Making the files of one host user appear as the sandbox's own, when the lab runs as root.
//!
//! A mount can carry a user namespace whose map translates owners (`MOUNT_ATTR_IDMAP`, Linux 5.12).
//! The map here swaps the owner and the dedicated user and leaves all others as they are. One such
//! namespace serves all sandboxes of a supervisor, so that it is made once for each owner.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use crate::kernel;
use crate::wire::Dedicated;

/// First argument of the helper that lends its user namespace.
pub(crate) const OWNER_MAP_ARGUMENT: &str = "__sandbox-owner-map";

/// An owner, and the dedicated user that he changes places with.
type Swapped = ((u32, u32), u32);

/// User namespaces by owner and dedicated user.
#[derive(Debug, Default)]
pub(crate) struct OwnerMaps {
    made: Mutex<HashMap<Swapped, Arc<OwnedFd>>>,
}

impl OwnerMaps {
    /// Returns a user namespace that swaps an owner (user and group) and the dedicated user.
    pub(crate) fn get(&self, owner: (u32, u32), dedicated: Dedicated) -> io::Result<Arc<OwnedFd>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(namespace) = made.get(&(owner, dedicated.uid)) {
            return Ok(Arc::clone(namespace));
        }
        let namespace = Arc::new(make(owner, dedicated)?);
        made.insert((owner, dedicated.uid), Arc::clone(&namespace));
        Ok(namespace)
    }
}

fn make(owner: (u32, u32), dedicated: Dedicated) -> io::Result<OwnedFd> {
    let mut lender = Command::new("/proc/self/exe")
        .arg(OWNER_MAP_ARGUMENT)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let namespace = borrow_namespace(&mut lender, owner, dedicated);
    // Its standard input closes, so it ends by itself; the kill only makes that quick.
    let _ = lender.kill();
    lender.wait()?;
    namespace
}

fn borrow_namespace(
    lender: &mut std::process::Child,
    owner: (u32, u32),
    dedicated: Dedicated,
) -> io::Result<OwnedFd> {
    let mut ready = [0];
    match &mut lender.stdout {
        Some(stdout) => stdout.read_exact(&mut ready)?,
        None => return Err(io::ErrorKind::BrokenPipe.into()),
    }
    let directory = format!("/proc/{}", lender.id());
    fs::write(format!("{directory}/uid_map"), swap(owner.0, dedicated.uid))?;
    fs::write(format!("{directory}/gid_map"), swap(owner.1, dedicated.gid))?;
    Ok(File::open(format!("{directory}/ns/user"))?.into())
}

/// Returns the lines of an id map that swaps two ids and keeps all others.
fn swap(one: u32, other: u32) -> String {
    if one == other {
        return format!("0 0 {}\n", u32::MAX);
    }
    let (low, high) = (one.min(other), one.max(other));
    let ranges = [
        (0, 0, low),
        (low, high, 1),
        (low + 1, low + 1, high - low - 1),
        (high, low, 1),
        (high + 1, high + 1, u32::MAX - high - 1),
    ];
    let line = |(inside, outside, count)| format!("{inside} {outside} {count}\n");
    ranges
        .into_iter()
        .filter(|(_, _, count)| *count > 0)
        .map(line)
        .collect()
}

/// Body of the helper that lends its user namespace: creates it, says so, and waits to be dismissed.
pub(crate) fn lend() -> ! {
    let lent = (|| {
        kernel::unshare(rustix::thread::UnshareFlags::NEWUSER)?;
        io::stdout().write_all(b"r")?;
        io::stdout().flush()?;
        io::stdin().read_to_end(&mut Vec::new())
    })();
    kernel::exit_now(i32::from(lent.is_err()))
}

#[cfg(test)]
mod tests {
    use super::swap;

    #[test]
    fn the_map_swaps_two_ids_and_keeps_the_rest() {
        assert_eq!(swap(0, 7), "0 7 1\n1 1 6\n7 0 1\n8 8 4294967287\n");
        assert_eq!(swap(7, 3), "0 0 3\n3 7 1\n4 4 3\n7 3 1\n8 8 4294967287\n");
        assert_eq!(swap(5, 5), "0 0 4294967295\n");
    }
}
