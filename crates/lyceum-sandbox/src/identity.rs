//! Naming a process so that a later process with the same number is not mistaken for it.

use std::fs;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// How long [`reap`] waits for a killed sandbox to be gone.
const GONE_WAIT: rustix::event::Timespec = rustix::event::Timespec {
    tv_sec: 5,
    tv_nsec: 0,
};

/// A process of this boot of this machine, for the record. Killing it kills its whole sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Process id on the host.
    pub pid: i32,
    /// Start time in clock ticks since boot, from `/proc/PID/stat`.
    pub start_time: u64,
    /// The kernel's random id of this boot.
    pub boot_id: String,
}

impl ProcessIdentity {
    /// Returns the identity of a living process.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Some(Self {
            pid,
            start_time: start_time(pid)?,
            boot_id: boot_id()?,
        })
    }

    /// Returns the identity of a process that ended before it could be looked at: never alive.
    pub(crate) fn ended(pid: i32) -> Self {
        Self {
            pid,
            start_time: 0,
            boot_id: boot_id().unwrap_or_default(),
        }
    }

    /// Returns whether exactly this process still runs. A process that ended but was not waited for
    /// does not.
    pub fn is_alive(&self) -> bool {
        boot_id().as_ref() == Some(&self.boot_id) && start_time(self.pid) == Some(self.start_time)
    }
}

/// Kills the sandbox with this identity if it still lives, as after a crash of the supervisor, and
/// waits until it is gone. Returns whether there was anything to kill.
pub fn reap(identity: &ProcessIdentity) -> bool {
    let Some(pid) = Pid::from_raw(identity.pid) else {
        return false;
    };
    // The descriptor is taken before the check: it keeps meaning the process that was checked.
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
        return false;
    };
    if !identity.is_alive() || pidfd_send_signal(&process, Signal::KILL).is_err() {
        return false;
    }
    // A timeout leaves a process that the kernel cannot end yet; it has been killed all the same.
    let _ = poll(
        &mut [PollFd::new(&process, PollFlags::IN)],
        Some(&GONE_WAIT),
    );
    true
}

fn boot_id() -> Option<String> {
    Some(
        fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .ok()?
            .trim()
            .to_owned(),
    )
}

/// Returns field 22 of `/proc/PID/stat`, or `None` for a process that is gone or a zombie.
pub(crate) fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so fields count from the last closing one.
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> ProcessIdentity {
        ProcessIdentity::of(std::process::id() as i32).expect("this process lives")
    }

    #[test]
    fn this_process_is_alive_and_its_identity_survives_json() {
        let text = serde_json::to_string(&own()).expect("encodes");
        let back: ProcessIdentity = serde_json::from_str(&text).expect("decodes");
        assert_eq!(back, own());
        assert!(back.is_alive());
    }

    #[test]
    fn another_start_or_boot_is_another_process_and_is_not_killed() {
        let earlier = ProcessIdentity {
            start_time: own().start_time - 1,
            ..own()
        };
        let other_boot = ProcessIdentity {
            boot_id: "00000000".into(),
            ..own()
        };
        assert!(!earlier.is_alive() && !other_boot.is_alive());
        assert!(!reap(&earlier) && !reap(&other_boot));
    }
}
