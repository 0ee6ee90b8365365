//! Why this machine cannot isolate, and what a person can do about it.

use std::fmt;
use std::fs;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::record::{Exit, Step};

/// What stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The calling program does not begin with [`crate::run_helper_if_asked`].
    HelperMissing,
    /// A kernel setting forbids user namespaces.
    UserNamespacesOff {
        /// The setting's path.
        setting: String,
    },
    /// All user namespaces that the settings allow are in use.
    UserNamespacesExhausted,
    /// `AppArmor` grants user namespaces to listed programs only.
    AppArmor,
    /// The second backend was asked for, and the system has no usable `bwrap`.
    NoBubblewrap,
    /// A system call filter around this process, as containers have, refuses namespaces.
    ContainerFilter,
    /// `/proc` is partly hidden or read-only, as in containers, so no new one may be mounted.
    ProcHidden,
    /// The kernel has no Landlock, or it is not switched on.
    NoLandlock,
    /// The kernel has no system call filters.
    NoFilter,
    /// The upper directory of an overlay lies on a file system that cannot hold one.
    OverlayPlace,
    /// A sandbox was built, but an attack from inside succeeded.
    Canary {
        /// Which one.
        name: String,
    },
    /// Something else failed.
    Other,
}

/// A refusal to run anything, because it could not be isolated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What stands in the way.
    pub cause: Cause,
    /// What was found.
    pub found: String,
    /// What a person can do.
    pub remedy: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "refused to run without isolation: {}",
            self.found
        )
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    pub(crate) fn new(cause: Cause, found: impl Into<String>) -> Self {
        let remedy = remedy(&cause);
        Self {
            cause,
            found: found.into(),
            remedy,
        }
    }

    /// Returns the same refusal, which says why a second way was closed too.
    pub(crate) fn and_also(mut self, way: &str, other: &Self) -> Self {
        self.found = format!("{}; {way}: {}", self.found, other.found);
        self
    }

    /// Finds the cause of a sandbox that could not be built.
    pub(crate) fn from_error(error: &Error) -> Self {
        match error {
            Error::NotBuilt {
                step,
                errno,
                reason,
            } => Self::from_step(*step, *errno, reason),
            Error::HelperLost { found } => Self::new(Cause::HelperMissing, found.clone()),
            Error::Policy(_)
            | Error::Source { .. }
            | Error::Helper { .. }
            | Error::HelperSilent { .. } => {
                let source = std::error::Error::source(error).map(|source| format!(": {source}"));
                Self::new(
                    Cause::Other,
                    format!("{error}{}", source.unwrap_or_default()),
                )
            }
        }
    }

    /// Finds the cause of a test command that did not end as it should.
    pub(crate) fn from_exit(exit: &Exit) -> Self {
        match exit {
            Exit::NotStarted {
                step,
                errno,
                reason,
            } => Self::from_step(*step, *errno, reason),
            other => Self::new(
                Cause::Other,
                format!("a sandboxed `true` ended with {other:?}"),
            ),
        }
    }

    pub(crate) fn from_step(step: Step, errno: i32, reason: &str) -> Self {
        let cause = match step {
            Step::CreateNamespaces => namespaces_refused(errno),
            Step::Bubblewrap => bubblewrap_refused(reason),
            Step::MapUser if on("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") => {
                Cause::AppArmor
            }
            Step::MountProc | Step::ForbidNesting => Cause::ProcHidden,
            Step::Landlock => Cause::NoLandlock,
            Step::Filter => Cause::NoFilter,
            Step::MountOverlay => Cause::OverlayPlace,
            Step::MapUser
            | Step::ReadOrder
            | Step::OpenSource
            | Step::MapOwner
            | Step::DropUser
            | Step::Fork
            | Step::BuildRoot
            | Step::PlaceMount
            | Step::EnterGroup
            | Step::Loopback
            | Step::DropCapabilities
            | Step::SetLimits
            | Step::EnterDirectory
            | Step::Execute => Cause::Other,
        };
        Self::new(cause, format!("failed to {step}: {reason}"))
    }
}

fn namespaces_refused(errno: i32) -> Cause {
    for setting in [
        "/proc/sys/user/max_user_namespaces",
        "/proc/sys/kernel/unprivileged_userns_clone",
    ] {
        if setting_of(setting).as_deref() == Some("0") {
            return Cause::UserNamespacesOff {
                setting: setting.into(),
            };
        }
    }
    if on("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") {
        return Cause::AppArmor;
    }
    if matches!(errno, libc::ENOSPC | libc::EUSERS) {
        return Cause::UserNamespacesExhausted;
    }
    let filtered = fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| status.lines().any(|line| line == "Seccomp:\t2"));
    if filtered {
        Cause::ContainerFilter
    } else {
        Cause::Other
    }
}

/// Finds the cause in bubblewrap's own words, as versions 0.8 to 0.11 have them.
fn bubblewrap_refused(reason: &str) -> Cause {
    if reason.contains("amespace") || reason.contains("uid map") {
        namespaces_refused(libc::EPERM)
    } else if reason.contains("mount proc") {
        Cause::ProcHidden
    } else {
        Cause::Other
    }
}

fn on(setting: &str) -> bool {
    setting_of(setting).as_deref() == Some("1")
}

fn setting_of(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn remedy(cause: &Cause) -> String {
    match cause {
        Cause::HelperMissing => {
            "call `lyceum_sandbox::run_helper_if_asked()` first in `main`".into()
        }
        Cause::UserNamespacesOff { setting } if setting.ends_with("userns_clone") => {
            "as root: `sysctl -w kernel.unprivileged_userns_clone=1`".into()
        }
        Cause::UserNamespacesOff { .. } | Cause::UserNamespacesExhausted => {
            "as root: `sysctl -w user.max_user_namespaces=10000`".into()
        }
        Cause::AppArmor => {
            "install bubblewrap (`apt-get install bubblewrap`), which may make user namespaces here; or as \
             root: add an AppArmor profile with `userns,` for this program's path"
                .into()
        }
        Cause::NoBubblewrap => {
            "install bubblewrap (`apt-get install bubblewrap`), not set-user-id".into()
        }
        Cause::ContainerFilter => {
            "start the container with a filter that allows `unshare` (docker: `--security-opt \
             seccomp=unconfined`), or run outside it"
                .into()
        }
        Cause::ProcHidden => "start the container with an open `/proc` (docker: `--security-opt \
             systempaths=unconfined`), or run outside it"
            .into(),
        Cause::NoLandlock => {
            "use Linux 5.13 or newer with `landlock` in the boot option `lsm=`".into()
        }
        Cause::NoFilter => "use a kernel with CONFIG_SECCOMP_FILTER".into(),
        Cause::OverlayPlace => {
            "keep the lab on a disk or a tmpfs (in a container: a volume), not on an overlay".into()
        }
        Cause::Canary { .. } => {
            "do not run untrusted code on this machine, and report what was found as a bug".into()
        }
        Cause::Other => "see what was found; `strace -f` shows the call that failed".into(),
    }
}
