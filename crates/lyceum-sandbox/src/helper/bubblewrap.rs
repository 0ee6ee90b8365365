//! The second backend: the system's `bwrap` makes namespaces and root, this crate does all else.
//!
//! It serves machines that grant user namespaces to listed programs only. Its pid 1 is this program
//! again (`inner`), which starts, limits and reaps as the native one does.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use rustix::thread::{CapabilitySet, UnshareFlags};

use super::disk::Disk;
use super::fault::{At, fault};
use super::watch::Watch;
use super::{keeper, mounts, privileges, root, sources};
use crate::cgroup::Held;
use crate::kernel::{self, Forked};
use crate::policy::{Access, Mount};
use crate::record::Step;
use crate::wire::{self, Fault, Order, Report};

/// First argument of pid 1 under bubblewrap.
pub(crate) const INNER_ARGUMENT: &str = "__sandbox-inner";

/// Bytes of bubblewrap's own words that are reported.
const WORDS_MAX: usize = 2_000;

/// How long bubblewrap may take to tell who pid 1 is. It tells before it builds anything.
const TELL_WAIT: Duration = Duration::from_secs(20);

/// Bytes of what it tells; some 300 are known.
const TOLD_MAX: usize = 16 << 10;

/// How long killed processes may take to be gone.
const GONE_WAIT: Duration = Duration::from_secs(5);

/// Said of a bubblewrap that said nothing.
const SILENT: &str = "it ended without a word";

/// What the keeper holds before it starts bubblewrap.
struct Start<'order> {
    order: &'order Order,
    program: &'order Path,
    file: OwnedFd,
    answer: Option<OwnedFd>,
    group: Held,
    /// Sources where bubblewrap finds them.
    mounts: Vec<Mount>,
}

/// Starts a sandbox and watches until it is gone.
pub(super) fn start(
    order: &Order,
    program: &Path,
    file: OwnedFd,
    (answer, passed, group): (Option<OwnedFd>, Vec<OwnedFd>, Held),
    control: &OwnedFd,
) -> Result<(), Fault> {
    let own = File::open("/proc/self/exe").at(Step::Bubblewrap, "opening this program")?;
    let mounts = match order.dedicated {
        Some(dedicated) => {
            let mounts = stage(order, &passed)?;
            keeper::drop_user(dedicated)?;
            mounts
        }
        None => mounts::outermost_first(order.mounts.clone()),
    };
    drop(passed);
    let disk = Disk::of_mounts(&mounts)?;
    let start = Start {
        order,
        program,
        file,
        answer,
        group,
        mounts,
    };
    start.run(control, own.into(), disk)
}

/// As root: puts the sources, with their owners mapped, where the dedicated user can reach them. The
/// mounts are in a namespace of this process alone and end with it.
fn stage(order: &Order, passed: &[OwnedFd]) -> Result<Vec<Mount>, Fault> {
    let opened = sources::open_all(order, passed)?;
    leave_host_mounts()?;
    let stage = mounts::stage()?;
    let mut staged = Vec::new();
    for (number, source) in opened.into_iter().enumerate() {
        let name = number.to_string();
        let access = order
            .mounts
            .iter()
            .find(|mount| mount.target == source.target);
        super::tree::attach_below(
            stage.as_fd(),
            Path::new(&name),
            &source.tree,
            source.directory,
        )
        .at(Step::PlaceMount, format!("`{}`", source.target.display()))?;
        staged.push(Mount {
            source: Path::new(mounts::STAGE).join(name),
            target: source.target,
            access: access.map_or(Access::Read, |mount| mount.access.clone()),
        });
    }
    Ok(staged)
}

/// Moves to an own mount namespace, whose mounts the host cannot see, and makes sure of it: this process
/// is root in the host's user namespace, so a call that only claimed to succeed would mount on the host.
fn leave_host_mounts() -> Result<(), Fault> {
    let step = Step::CreateNamespaces;
    let own = || fs::read_link("/proc/self/ns/mnt").at(step, "reading the mount namespace");
    let before = own()?;
    kernel::unshare(UnshareFlags::NEWNS).at(step, "unshare")?;
    if own()? == before {
        return Err(fault(step, "`unshare` changed nothing"));
    }
    mounts::cut_propagation()?;
    let table = fs::read_to_string("/proc/self/mountinfo").at(step, "reading the mounts")?;
    // Optional fields, proc_pid_mountinfo(5), tell who else sees a mount.
    match table.lines().find(|line| line.contains(" shared:")) {
        None => Ok(()),
        Some(line) => Err(fault(step, format!("a mount is shared still: {line}"))),
    }
}

impl Start<'_> {
    fn run(self, control: &OwnedFd, own: OwnedFd, disk: Disk) -> Result<(), Fault> {
        let step = Step::Bubblewrap;
        // A bubblewrap that dies early leaves a child that waits for it for ever.
        kernel::adopt_orphans().at(step, "becoming the parent of orphans")?;
        let (info, info_end) = pipe_with(PipeFlags::CLOEXEC).at(step, "making a pipe")?;
        let (words, words_end) = pipe_with(PipeFlags::CLOEXEC).at(step, "making a pipe")?;
        let (link, link_end) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .at(step, "making a socket pair")?;
        let written = root::ETC_WRITTEN
            .iter()
            .map(|(name, text)| Ok((format!("/etc/{name}"), text_file(text)?)))
            .collect::<std::io::Result<Vec<_>>>()
            .at(step, "writing the files of /etc")?;
        let bubblewrap = match kernel::fork().at(step, "starting bubblewrap")? {
            Forked::Child => {
                let fds = [&own, &self.file, control, &link_end, &info_end];
                let fault = self.execute(&fds, &words_end, &written);
                let mut words = File::from(words_end);
                let _ = words.write_all(fault.reason.as_bytes());
                kernel::exit_now(125)
            }
            Forked::Parent(pid) => pid,
        };
        drop((info_end, words_end, link_end, own, written));
        let order = self.order;
        drop((self.file, self.answer));
        let pid = match child_pid(&info, bubblewrap) {
            Ok(pid) => pid,
            Err(why) => {
                end_children(bubblewrap);
                let said = said(words);
                let said = if said == SILENT { why.to_owned() } else { said };
                return Err(fault(step, said));
            }
        };
        let init = Pid::from_raw(pid).ok_or_else(|| fault(step, "pid 1 has no number"))?;
        let process = pidfd_open(init, PidfdFlags::empty()).at(step, "opening pid 1")?;
        let watch = Watch {
            order,
            control,
            link: &link,
            process: &process,
            waited_for: bubblewrap,
            enter: Some(pid),
        };
        watch.report(pid)?;
        let begun = watch.follow(disk, self.group)?;
        let words = said(words);
        // Without a word it was killed, not refused.
        if !begun && words != SILENT {
            let report = Report::NotBuilt(fault(step, words));
            wire::send(control, &report, &[]).at(step, "reporting a failure")?;
        }
        Ok(())
    }

    /// Becomes bubblewrap.
    fn execute(
        &self,
        [own, file, control, link, info]: &[&OwnedFd; 5],
        words: &OwnedFd,
        written: &[(String, OwnedFd)],
    ) -> Fault {
        let step = Step::Bubblewrap;
        // Before there is a namespace of control groups, so that the own one is all that it shows.
        let entered = self.group.enter_first();
        let entered = entered.and_then(|()| self.group.move_to_second(0));
        if let Err(fault) = entered.at(Step::EnterGroup, "moving this process") {
            return fault;
        }
        let prepared = (|| {
            let streams = [1, 2].map(|number| {
                let stream = kernel::borrow_inherited(number);
                rustix::io::fcntl_dupfd_cloexec(stream, 10)
            });
            let [stdout, stderr] = streams;
            let (stdout, stderr) = (stdout?, stderr?);
            kernel::duplicate_onto(rustix::stdio::stdin(), 1)?;
            kernel::duplicate_onto(words.as_fd(), 2)?;
            Ok::<_, std::io::Error>((stdout, stderr))
        })();
        let (stdout, stderr) = match prepared.at(step, "arranging descriptors") {
            Ok(streams) => streams,
            Err(fault) => return fault,
        };
        let mut inherited: Vec<&OwnedFd> = vec![own, file, control, link, info, &stdout, &stderr];
        inherited.extend(&self.answer);
        inherited.extend(written.iter().map(|(_, file)| file));
        for fd in inherited {
            let kept = rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty());
            if let Err(fault) = kept.at(step, "passing descriptors on") {
                return fault;
            }
        }
        let number = |fd: &OwnedFd| fd.as_raw_fd().to_string();
        let answer = self.answer.as_ref().map_or("-".to_owned(), number);
        let mut arguments = self.arguments(info, written);
        arguments.extend(
            [
                "--".to_owned(),
                format!("/proc/self/fd/{}", own.as_raw_fd()),
                INNER_ARGUMENT.to_owned(),
                number(file),
                number(control),
                number(link),
                number(&stdout),
                number(&stderr),
                answer,
            ]
            .map(OsString::from),
        );
        let error = Command::new(self.program)
            .args(arguments)
            .env_clear()
            .exec();
        fault(step, format!("`{}`: {error}", self.program.display()))
    }

    fn arguments(&self, info: &OwnedFd, written: &[(String, OwnedFd)]) -> Vec<OsString> {
        let mut all = Arguments(Vec::new());
        all.add(NAMESPACES.split_ascii_whitespace());
        all.add(["--info-fd", &info.as_raw_fd().to_string()]);
        root::for_each_system(|path, link| match link {
            Some(to) => all.add([OsString::from("--symlink"), to, path.into()]),
            None => all.add(["--ro-bind", path, path]),
        });
        for (place, file) in written {
            let file = file.as_raw_fd().to_string();
            all.add(["--perms", "0644", "--file", &file, place]);
        }
        for path in root::ETC {
            all.add(["--ro-bind-try", path, path]);
        }
        all.add(["--dev", "/dev", "--proc", "/proc"]);
        for device in &self.order.devices {
            all.add([
                OsStr::new("--dev-bind"),
                device.as_os_str(),
                device.as_os_str(),
            ]);
        }
        let size = self.order.limits.memory_bytes.to_string();
        for (perms, place) in [("1777", "/tmp"), ("0755", "/home"), ("1777", "/dev/shm")] {
            all.add(["--perms", perms, "--size", &size, "--tmpfs", place]);
        }
        for name in root::MASKED {
            let place = format!("/proc/{name}");
            match fs::symlink_metadata(&place) {
                // The first tmpfs is read-only as soon as it is there: nothing is written to it.
                Ok(found) if found.is_dir() => {
                    all.add(["--tmpfs", &*place, "--remount-ro", &place]);
                }
                Ok(_) => all.add(["--ro-bind", "/dev/null", &place]),
                Err(_) => {}
            }
        }
        for mount in &self.mounts {
            let kind = match mount.access {
                Access::Read => "--ro-bind",
                Access::Write | Access::Overlay { .. } => "--bind",
            };
            all.add([
                OsString::from(kind),
                (&mount.source).into(),
                (&mount.target).into(),
            ]);
        }
        for link in &self.order.links {
            all.add([
                OsString::from("--symlink"),
                (&link.to).into(),
                (&link.at).into(),
            ]);
        }
        all.add(["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]);
        all.0
    }
}

/// All namespaces, each of them or none at all: `--unshare-all` would go on without a user namespace
/// where none can be had.
const NAMESPACES: &str = "--unshare-user --unshare-ipc --unshare-pid --unshare-net --unshare-uts --unshare-cgroup \
    --disable-userns --uid 1000 --gid 1000 --hostname sandbox --cap-drop ALL --as-pid-1 --new-session --die-with-parent";

struct Arguments(Vec<OsString>);

impl Arguments {
    fn add<S: Into<OsString>>(&mut self, words: impl IntoIterator<Item = S>) {
        self.0.extend(words.into_iter().map(Into::into));
    }
}

fn text_file(text: &str) -> std::io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create(c"lyceum-etc", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(fd);
    file.write_all(text.as_bytes())?;
    std::io::Seek::rewind(&mut file)?;
    Ok(file.into())
}

/// Reads which process is pid 1, or says why bubblewrap did not tell. The end of the pipe is not waited
/// for: a child of a bubblewrap that died may hold it open.
fn child_pid(info: &OwnedFd, bubblewrap: i32) -> Result<i32, &'static str> {
    let begun = Instant::now();
    let process = Pid::from_raw(bubblewrap)
        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
        .ok_or("its process cannot be opened")?;
    let mut text = Vec::new();
    loop {
        let left = TELL_WAIT.saturating_sub(begun.elapsed());
        let mut fds = [
            PollFd::new(info, PollFlags::IN),
            PollFd::new(&process, PollFlags::IN),
        ];
        let polled = poll(&mut fds, Timespec::try_from(left).ok().as_ref());
        let [told, ended] = fds.map(|fd| polled.is_ok() && !fd.revents().is_empty());
        if told {
            let mut part = [0; 1_024];
            let length = rustix::io::read(info, &mut part).unwrap_or(0);
            text.extend_from_slice(&part[..length]);
            if let Some(pid) = told_pid(&text) {
                return Ok(pid);
            }
            if length == 0 || text.len() > TOLD_MAX {
                return Err(SILENT);
            }
        } else if ended {
            return Err(SILENT);
        } else if left.is_zero() {
            return Err("it did not tell its child within 20 s");
        }
    }
}

fn told_pid(text: &[u8]) -> Option<i32> {
    let told: serde_json::Value = serde_json::from_slice(text).ok()?;
    i32::try_from(told.get("child-pid")?.as_i64()?).ok()
}

/// Kills bubblewrap and whatever it left, which are all of this process's children.
fn end_children(bubblewrap: i32) {
    let begun = Instant::now();
    let mut children = vec![bubblewrap];
    while begun.elapsed() < GONE_WAIT {
        for child in children.iter().copied().filter_map(Pid::from_raw) {
            // Not reaped yet, so the number is still its own.
            let _ = kill_process(child, Signal::KILL);
        }
        while let Ok(Some(_)) = kernel::reap(None, false) {}
        let own = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
        children = own
            .split_ascii_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        if children.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Returns what bubblewrap said before it ended.
fn said(words: OwnedFd) -> String {
    let mut text = Vec::new();
    // What was read so far is what there is.
    let _ = File::from(words)
        .take(WORDS_MAX as u64)
        .read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    match text.trim() {
        "" => SILENT.to_owned(),
        text => text.to_owned(),
    }
}

/// Joins the user namespace of the sandbox, which belongs to this process's user, and keeps only what
/// it takes to see what the workload hides. Returns where its root is.
pub(super) fn enter(pid: i32) -> Result<PathBuf, Fault> {
    let step = Step::MapUser;
    let of = |name: &str| File::open(format!("/proc/{pid}/ns/{name}"));
    let namespace = of("user").at(step, "opening it")?;
    let network = of("net").at(step, "opening its network")?;
    // Bubblewrap nests two, of which the outer one owns the network.
    let outer = kernel::owner_of_namespace(network.as_fd()).at(step, "finding the outer one")?;
    let outer = File::from(outer);
    kernel::join_user_namespace(outer.as_fd()).at(step, "joining the outer one")?;
    kernel::join_network_namespace(network.as_fd()).at(step, "joining its network")?;
    keeper::bound_streams()?;
    let number = |file: &File| file.metadata().map(|status| status.ino());
    if number(&outer).at(step, "telling them apart")? != number(&namespace).at(step, "the same")? {
        kernel::join_user_namespace(namespace.as_fd()).at(step, "joining it")?;
    }
    keeper::bound_notices()?;
    privileges::empty_bounding_set()?;
    privileges::keep_only(CapabilitySet::DAC_READ_SEARCH | CapabilitySet::SYS_PTRACE)?;
    Ok(PathBuf::from(format!("/proc/{pid}/root")))
}
