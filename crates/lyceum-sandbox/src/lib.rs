//! One command, isolated: namespaces, overlay workspace, seccomp, Landlock, limits, whole-tree kill.
//!
//! The calling program re-executes itself as a small single-threaded helper, so that no daemon, no
//! root and no external tool is needed. Its `main` therefore begins with [`run_helper_if_asked`].
//!
//! ```no_run
//! lyceum_sandbox::run_helper_if_asked();
//! let sandbox = lyceum_sandbox::Sandbox::new()?;
//! let job = lyceum_sandbox::Job::new(["true"], lyceum_sandbox::Policy::default());
//! let record = sandbox.spawn(&job)?.wait()?;
//! assert_eq!(record.exit, lyceum_sandbox::Exit::Code(0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it is not
//!
//! Every sandbox shares the kernel of the host: a kernel exploit is out of scope, and so is a
//! device's driver. Without a memory cgroup, shared memory that no process maps any longer is seen
//! only while it lies in a file, a descriptor or a System V segment.
//!
//! # Processes of one sandbox
//!
//! ```text
//! supervisor (the lab)          owns the policy, the clock, the captured output
//!   └─ keeper                   watches memory, CPU, processes, disk and wall; outside the pid namespace
//!        └─ init (pid 1)        builds the root, starts and reaps; its death kills all the rest
//!             └─ workload       untrusted
//! ```

mod alone;
mod capture;
mod cgroup;
mod copied;
mod error;
mod filter;
pub mod harvest;
mod helper;
mod identity;
mod kernel;
mod local;
mod network;
mod nursery;
mod owner;
mod policy;
mod record;
mod refusal;
mod sandbox;
pub mod scratch;
mod self_test;
mod supervise;
mod survey;
mod text;
mod wire;

pub use capture::Captured;
pub use error::{Error, PolicyError};
pub use helper::run_helper_if_asked;
pub use identity::{ProcessIdentity, reap};
pub use network::{Decision, Destination, DestinationError, Secret};
pub use policy::{Access, Job, Limits, Link, Mount, Network, Policy, Role, graphics_devices};
pub use record::{
    Backend, Capabilities, Exit, Level, LimitMechanisms, Mechanism, Record, Step, Usage, User,
};
pub use refusal::{Cause, Refusal};
pub use sandbox::Sandbox;
pub use supervise::{Attached, Killer, Running};
pub use survey::{Part, State, survey};
pub use text::show_untrusted;
