//! Trying each part of a sandbox by itself, for `lyceum doctor`: one process for each, so that one
//! failure hides no other.

use std::fs;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::UnshareFlags;

use super::fault::{At, fault};
use super::{keeper, landlock, mounts, root, tree};
use crate::filter::{self, Filters, Wanted};
use crate::kernel::{self, Forked, MountAttributes};
use crate::policy::Role;
use crate::record::Step;
use crate::sandbox::dedicated;
use crate::wire::Fault;

/// First argument of the helper that tries.
pub(crate) const SURVEY_ARGUMENT: &str = "__sandbox-survey";

/// How long one part may take.
const PART_WAIT: Duration = Duration::from_secs(10);

/// Bytes of a part's words that are kept.
const WORDS_MAX: usize = 4 << 10;

/// A part: its name, what it is tried with, and how.
struct Part {
    name: &'static str,
    tried: &'static str,
    try_it: fn() -> Result<String, Fault>,
}

const fn namespace(
    name: &'static str,
    tried: &'static str,
    try_it: fn() -> Result<String, Fault>,
) -> Part {
    Part {
        name,
        tried,
        try_it,
    }
}

const PARTS: [Part; 13] = [
    namespace("user namespace", "unshare, and a user map", || {
        in_namespaces(UnshareFlags::empty())
    }),
    namespace("mount namespace", "unshare", || {
        in_namespaces(UnshareFlags::NEWNS)
    }),
    namespace("pid namespace", "unshare", || {
        in_namespaces(UnshareFlags::NEWPID)
    }),
    namespace("network namespace", "unshare, and `lo` brought up", || {
        in_namespaces(UnshareFlags::NEWNET)?;
        kernel::loopback_up().at(Step::Loopback, "bringing up `lo`")?;
        Ok(String::new())
    }),
    namespace("ipc namespace", "unshare", || {
        in_namespaces(UnshareFlags::NEWIPC)
    }),
    namespace("uts namespace", "unshare, and a host name", || {
        in_namespaces(UnshareFlags::NEWUTS)?;
        rustix::system::sethostname(b"sandbox").at(Step::BuildRoot, "setting the host name")?;
        Ok(String::new())
    }),
    namespace("cgroup namespace", "unshare", || {
        in_namespaces(UnshareFlags::NEWCGROUP)
    }),
    namespace(
        "no further namespaces",
        "user namespaces forbidden inside one, and asked for",
        no_further,
    ),
    namespace(
        "mounts by descriptor",
        "fsopen, open_tree, mount_setattr, move_mount",
        by_descriptor,
    ),
    namespace("own /proc", "a /proc for a pid namespace", own_proc),
    namespace(
        "overlay",
        "an overlay with its layers in memory, and a file changed in it",
        overlay,
    ),
    namespace("landlock", "a rule set, and a write against it", rules),
    namespace(
        "system call filter",
        "the filter of commands, and a call that it refuses",
        system_calls,
    ),
];

/// Tries all parts, prints what was found as JSON and ends the process.
pub(super) fn run() -> ! {
    let found: Vec<_> = PARTS
        .iter()
        .map(|part| (part.name, part.tried, apart(part.try_it)))
        .collect();
    // At once: nothing is flushed on the way out.
    let printed = serde_json::to_vec(&found)
        .map_err(std::io::Error::from)
        .and_then(|text| std::io::stdout().write_all(&text))
        .and_then(|()| std::io::stdout().flush());
    kernel::exit_now(i32::from(printed.is_err()))
}

/// Tries one part in a process of its own.
fn apart(try_it: fn() -> Result<String, Fault>) -> Result<String, Fault> {
    let step = Step::Fork;
    let (answer, answer_end) = pipe_with(PipeFlags::CLOEXEC).at(step, "making a pipe")?;
    match kernel::fork().at(step, "starting a process")? {
        Forked::Child => {
            let found = as_the_sandbox_does().and_then(|()| try_it());
            let told = serde_json::to_writer(fs::File::from(answer_end), &found);
            kernel::exit_now(i32::from(told.is_err()))
        }
        Forked::Parent(child) => {
            drop(answer_end);
            let words = read_within(&answer, PART_WAIT);
            if let Some(child) = Pid::from_raw(child) {
                // Gone already, or stuck: it is not reaped yet, so the number is its own.
                let _ = kill_process(child, Signal::KILL);
            }
            let _ = kernel::reap(Some(child), true);
            let found = words.and_then(|words| serde_json::from_slice(&words).ok());
            let late = || fault(step, format!("no answer within {} s", PART_WAIT.as_secs()));
            found.unwrap_or_else(|| Err(late()))
        }
    }
}

/// Reads to the end, if that comes in time.
fn read_within(pipe: &OwnedFd, time: Duration) -> Option<Vec<u8>> {
    let begun = Instant::now();
    let mut words = Vec::new();
    loop {
        let left = time.saturating_sub(begun.elapsed());
        let mut fds = [PollFd::new(pipe, PollFlags::IN)];
        if left.is_zero() || poll(&mut fds, Timespec::try_from(left).ok().as_ref()).ok()? == 0 {
            return None;
        }
        let mut part = [0; 1_024];
        match rustix::io::read(pipe, &mut part).ok()? {
            0 => return Some(words),
            length if words.len() < WORDS_MAX => words.extend_from_slice(&part[..length]),
            _ => return None,
        }
    }
}

/// A lab of root changes to a user of its own before anything else.
fn as_the_sandbox_does() -> Result<(), Fault> {
    dedicated(Role::Candidate).map_or(Ok(()), keeper::drop_user)
}

fn in_namespaces(more: UnshareFlags) -> Result<String, Fault> {
    let own = keeper::own_user();
    kernel::unshare(UnshareFlags::NEWUSER | more).at(Step::CreateNamespaces, "unshare")?;
    keeper::map_user(own)?;
    Ok(String::new())
}

fn no_further() -> Result<String, Fault> {
    in_namespaces(UnshareFlags::empty())?;
    keeper::forbid_nesting()?;
    match kernel::unshare(UnshareFlags::NEWUSER) {
        Err(_) => Ok(String::new()),
        Ok(()) => Err(fault(Step::ForbidNesting, "one was to be had all the same")),
    }
}

fn by_descriptor() -> Result<String, Fault> {
    let step = Step::BuildRoot;
    in_namespaces(UnshareFlags::NEWNS)?;
    mounts::cut_propagation()?;
    let stage = mounts::stage()?;
    let copy = tree::copy_of(rustix::fs::CWD, "/usr").at(step, "open_tree")?;
    let attributes = MountAttributes {
        set: libc::MOUNT_ATTR_RDONLY,
        recursive: true,
        ..MountAttributes::default()
    };
    kernel::mount_set_attributes(copy.as_fd(), attributes).at(step, "mount_setattr")?;
    tree::make_place(stage.as_fd(), "usr", true).at(step, "mkdir")?;
    tree::attach_at(&copy, stage.as_fd(), "usr").at(step, "move_mount")?;
    Ok(String::new())
}

fn own_proc() -> Result<String, Fault> {
    in_namespaces(UnshareFlags::NEWNS | UnshareFlags::NEWPID)?;
    // Only a process inside the new namespace may mount its `/proc`.
    apart_inside(|| {
        mounts::cut_propagation()?;
        let stage = mounts::stage()?;
        root::add_proc(stage.as_fd()).at(Step::MountProc, "mounting it")?;
        Ok(String::new())
    })
}

fn apart_inside(try_it: fn() -> Result<String, Fault>) -> Result<String, Fault> {
    let step = Step::Fork;
    let (answer, answer_end) = pipe_with(PipeFlags::CLOEXEC).at(step, "making a pipe")?;
    match kernel::fork().at(step, "starting a process")? {
        Forked::Child => {
            let told = serde_json::to_writer(fs::File::from(answer_end), &try_it());
            kernel::exit_now(i32::from(told.is_err()))
        }
        Forked::Parent(child) => {
            drop(answer_end);
            let words = read_within(&answer, PART_WAIT).unwrap_or_default();
            let _ = kernel::reap(Some(child), true);
            serde_json::from_slice(&words)
                .unwrap_or_else(|_| Err(fault(step, "it ended without a word")))
        }
    }
}

fn overlay() -> Result<String, Fault> {
    let step = Step::MountOverlay;
    in_namespaces(UnshareFlags::NEWNS)?;
    mounts::cut_propagation()?;
    let stage = mounts::stage()?;
    for name in ["lower", "upper", "work", "merged"] {
        tree::make_place(stage.as_fd(), name, true).at(step, "mkdir")?;
    }
    let at = |name: &str| format!("{}/{name}", mounts::STAGE);
    let [lower, upper, work] = ["lower", "upper", "work"].map(at);
    let options = [
        ("lowerdir", lower.as_str()),
        ("upperdir", &upper),
        ("workdir", &work),
        ("userxattr", ""),
    ];
    let tame = rustix::mount::MountAttrFlags::MOUNT_ATTR_NODEV;
    let merged = tree::new_file_system("overlay", &options, tame).at(step, "mounting it")?;
    tree::attach_at(&merged, stage.as_fd(), "merged").at(step, "move_mount")?;
    fs::write(at("merged/file"), "x").at(step, "writing a file")?;
    fs::metadata(at("upper/file")).at(step, "finding the file in the upper layer")?;
    Ok(String::new())
}

fn rules() -> Result<String, Fault> {
    let step = Step::Landlock;
    let version = kernel::landlock_abi().at(step, "asking for its version")?;
    let rules = kernel::landlock_ruleset(landlock::WRITE_FILE, 0).at(step, "making a rule set")?;
    rustix::thread::set_no_new_privs(true).at(step, "setting no-new-privileges")?;
    kernel::landlock_restrict(rules.as_fd()).at(step, "taking it on")?;
    match fs::OpenOptions::new().write(true).open("/dev/null") {
        Err(_) => Ok(format!("version {version}")),
        Ok(_) => Err(fault(step, "a write against the rules succeeded")),
    }
}

fn system_calls() -> Result<String, Fault> {
    let step = Step::Filter;
    let wanted = Wanted {
        processes: true,
        local_sockets: true,
        shared: None,
    };
    let filter = Filters::default().get(wanted);
    let filter = filter.map_err(|error| fault(step, error))?;
    filter::install(&filter).map_err(|error| fault(step, error))?;
    if kernel::socket_refused(libc::AF_VSOCK) {
        Ok(format!("{} instructions", filter.len()))
    } else {
        Err(fault(step, "a call that it refuses succeeded"))
    }
}
