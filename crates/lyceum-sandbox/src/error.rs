//! What can go wrong before a command runs.

use std::io;
use std::path::PathBuf;

use crate::network::Destination;
use crate::record::Step;

/// A policy that cannot be carried out, found before anything starts.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A path is relative, or holds `.`, `..`, a doubled slash or a zero byte.
    #[error("{what} `{}` is not a plain absolute path", path.display())]
    NotPlainAbsolute {
        /// Which path of the policy it is.
        what: &'static str,
        /// The path as given.
        path: PathBuf,
    },
    /// A target lies where the sandbox puts its own files.
    #[error("target `{}` belongs to the sandbox itself", target.display())]
    TargetTaken {
        /// The target as given.
        target: PathBuf,
    },
    /// Two mounts have one target.
    #[error("two mounts have the target `{}`", target.display())]
    TargetTwice {
        /// The target as given.
        target: PathBuf,
    },
    /// Overlay upper and work directory are not two directories in one parent.
    #[error("overlay upper `{}` and work `{}` must be two directories in one parent", upper.display(), work.display())]
    LayersApart {
        /// The upper directory as given.
        upper: PathBuf,
        /// The work directory as given.
        work: PathBuf,
    },
    /// An environment variable has an empty name, or holds `=` or a zero byte.
    #[error("environment variable `{name}` cannot be passed on")]
    Variable {
        /// The name as given.
        name: String,
    },
    /// A destination of the list is an address of every link (where clouds keep credentials), of many
    /// or of nobody.
    #[error("destination `{found}` cannot be allowed")]
    Destination {
        /// The destination in its normalised form.
        found: Destination,
    },
    /// A secret is not for a listed destination, or is no header.
    #[error("secret `{header}` for `{destination}` {problem}")]
    Secret {
        /// Name of the header.
        header: String,
        /// Who was to get it.
        destination: Destination,
        /// What is wrong.
        problem: &'static str,
    },
    /// A device that no graphics processor has.
    #[error("device `{}` is no graphics processor's: expected `/dev/nvidia…`, `/dev/dri/…` or `/dev/kfd`", device.display())]
    Device {
        /// The path as given.
        device: PathBuf,
    },
    /// A network is wanted where there is no namespace to put its end into.
    #[error("without namespaces a command has no network: expected no allowed hosts")]
    NetworkAlone,
    /// A limit is below what a sandbox can be begun with.
    #[error("limit `{name}` is {found}: expected at least {least}")]
    LimitTooSmall {
        /// Name of the limit.
        name: &'static str,
        /// What it is, in the limit's unit.
        found: u128,
        /// The least that is taken.
        least: u128,
    },
    /// There is no command.
    #[error("the job has no command: expected a program and its arguments")]
    NoCommand,
    /// The policy cannot be written as JSON.
    #[error("failed to encode the policy")]
    Encode {
        /// What the encoder said.
        #[source]
        source: serde_json::Error,
    },
}

/// A failure of the lab or the machine; never the command's own failure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The policy cannot be carried out.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A mount's source cannot be opened.
    #[error("failed to open `{}` for the sandbox", path.display())]
    Source {
        /// The path as given.
        path: PathBuf,
        /// What the system said; "too many levels of symbolic links" means that the path crosses one.
        #[source]
        source: io::Error,
    },
    /// The helper process could not be started or talked to.
    #[error("failed to {action}")]
    Helper {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The sandbox could not be built.
    #[error("failed to {step} for the sandbox: {reason}")]
    NotBuilt {
        /// The step that failed.
        step: Step,
        /// The system's error number, zero when there was none.
        errno: i32,
        /// What was being done and what the system said.
        reason: String,
    },
    /// The helper process lives and says nothing.
    #[error("the sandbox helper said nothing for {seconds} s")]
    HelperSilent {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The helper process ended without a word.
    #[error("the sandbox helper ended before the command did: {found}")]
    HelperLost {
        /// How it ended.
        found: String,
    },
}
