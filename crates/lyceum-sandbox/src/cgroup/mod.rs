//! Control groups: one for each run, where this process may make them.
//!
//! The supervisor makes the group ([`Place`], [`Group`]) and lends its descriptors to the keeper
//! ([`Held`]), which puts pid 1 into it before the command exists. Version 2 is taken where its
//! controllers are delegated, version 1 where its directories may be written; whatever neither holds is
//! left to resource limits and the watchdog. A group of a supervisor that died is found by the name it
//! bears, which says whose it is, and removed when the next supervisor makes one.

mod find;
mod group;
mod held;

pub(crate) use find::{Parent, Place};
pub(crate) use group::{Group, remove_strays};
pub(crate) use held::{Held, Reading};

use serde::{Deserialize, Serialize};

/// Which interface of the kernel a group belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Version {
    One,
    Two,
}

/// What a group holds or counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one controller, and a group has any of them"
)]
pub(crate) struct Holds {
    pub(crate) memory: bool,
    pub(crate) processes: bool,
    /// Counts processor time.
    pub(crate) processor: bool,
    /// Kills all its processes at once.
    pub(crate) kill: bool,
}

/// One member of a group as the keeper gets it: its directory and the list of what is in it follow among
/// the descriptors, and `cgroup.kill` if it has that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) version: Version,
    pub(crate) holds: Holds,
}

impl Member {
    /// Returns how many descriptors it comes with.
    pub(crate) fn descriptors(self) -> usize {
        if self.holds.kill { 3 } else { 2 }
    }
}
