//! Giving up every privilege that is not needed any longer.

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs,
};

use super::fault::{At, fault};
use crate::kernel;
use crate::record::Step;
use crate::wire::Fault;

/// Empties the bounding set, for this process and its children: no `execve` can add a capability.
pub(super) fn empty_bounding_set() -> Result<(), Fault> {
    for number in 0..64 {
        let known = kernel::drop_from_bounding_set(number);
        if !known.at(Step::DropCapabilities, "emptying the bounding set")? {
            break;
        }
    }
    Ok(())
}

/// Keeps only the given capabilities, for this process alone. Also sets no-new-privileges, closes the
/// process to others of the same user, and verifies.
pub(super) fn keep_only(kept: CapabilitySet) -> Result<(), Fault> {
    let step = Step::DropCapabilities;
    kernel::lock_capability_rules().at(step, "locking the capability rules")?;
    let wanted = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, wanted).at(step, "dropping capabilities")?;
    set_no_new_privs(true).at(step, "setting no-new-privileges")?;
    kernel::set_dumpable(false).at(step, "closing the process to its siblings")?;
    if capabilities(None).at(step, "reading capabilities back")? != wanted {
        return Err(fault(step, "capabilities remain after they were dropped"));
    }
    Ok(())
}

/// Drops every capability that this process has, where it was started with or without any.
pub(super) fn drop_all() -> Result<(), Fault> {
    let none = CapabilitySet::empty();
    let found = capabilities(None).at(Step::DropCapabilities, "reading capabilities")?;
    if [found.effective, found.permitted, found.inheritable] == [none; 3] {
        return check_none();
    }
    keep_only(none)
}

/// For a process that was started without privileges: verifies that, and closes it to others of the
/// same user.
pub(super) fn check_none() -> Result<(), Fault> {
    let step = Step::DropCapabilities;
    set_no_new_privs(true).at(step, "setting no-new-privileges")?;
    kernel::set_dumpable(false).at(step, "closing the process to its siblings")?;
    let found = capabilities(None).at(step, "reading capabilities")?;
    let none = CapabilitySet::empty();
    if [found.effective, found.permitted, found.inheritable] == [none; 3] {
        Ok(())
    } else {
        Err(fault(step, "bubblewrap left capabilities"))
    }
}
