//! The backend: what this machine can do, and starting commands.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::error::{Error, PolicyError};
use crate::filter::Filters;
use crate::helper::INIT_ARGUMENT;
use crate::identity::ProcessIdentity;
use crate::owner::OwnerMaps;
use crate::policy::{Access, Job, Mount, Policy};
use crate::record::{Backend, Capabilities, Exit, Level, LimitMechanisms, User};
use crate::refusal::{Cause, Refusal};
use crate::self_test::Findings;
use crate::supervise::{Attached, Parts, Running};
use crate::wire::{self, DESCRIPTORS_MAX, Dedicated, Order, Report};
use crate::{kernel, scratch};

/// How long the helper may take to make its namespaces before it counts as lost.
const START_WAIT: Timespec = Timespec {
    tv_sec: 60,
    tv_nsec: 0,
};

/// How often a helper is started that dies before it has made anything, as on a machine that is out of
/// memory or processes for a moment.
const START_TRIES: u32 = 3;

/// User ids for sandboxes of a root lab: first one in a range that no distribution and no container
/// tool hands out, then one that user namespaces of rootless containers usually have.
const DEDICATED: [u32; 2] = [1_879_050_000, 60_001];

/// A working sandbox: starts commands, each isolated from the host and from each other.
#[derive(Clone, Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    capabilities: Capabilities,
    dedicated: Option<Dedicated>,
    owner_maps: OwnerMaps,
    filters: Filters,
}

impl Sandbox {
    /// Returns a sandbox after a self-test: a sandboxed `true`, and attacks from inside that must fail.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] says why this machine cannot isolate and what a person can do. There is no weaker
    /// mode.
    pub fn new() -> Result<Self, Refusal> {
        let landlock_abi = kernel::landlock_abi()
            .map_err(|error| Refusal::new(Cause::NoLandlock, format!("Landlock: {error}")))?;
        let filters = Filters::compile().map_err(|error| {
            Refusal::new(Cause::NoFilter, format!("system call filter: {error}"))
        })?;
        let dedicated = dedicated();
        let user = match dedicated {
            Some(Dedicated { uid, .. }) => User::Dedicated { uid },
            None => User::Own {
                uid: rustix::process::geteuid().as_raw(),
            },
        };
        let capabilities = Capabilities {
            level: Level::Namespace,
            backend: Backend::Native,
            kernel: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            landlock_abi,
            limits: LimitMechanisms::WITHOUT_CGROUPS,
            user,
        };
        let owner_maps = OwnerMaps::default();
        let sandbox = Self {
            shared: Arc::new(Shared {
                capabilities,
                dedicated,
                owner_maps,
                filters,
            }),
        };
        sandbox.test_self()?;
        Ok(sandbox)
    }

    /// Returns what the self-test found.
    pub fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    /// Checks that overlay workspaces work with layers below `directory`.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] with [`Cause::OverlayPlace`] when the file system there cannot hold them.
    pub fn check_overlay(&self, directory: &Path) -> Result<(), Refusal> {
        let refuse = |error: io::Error| {
            Refusal::new(
                Cause::Other,
                format!("failed to use `{}`: {error}", directory.display()),
            )
        };
        let place = scratch::create(directory, "overlay-check").map_err(refuse)?;
        let policy = Policy {
            mounts: vec![Mount {
                source: place.out(),
                target: "/workspace".into(),
                access: Access::Overlay {
                    upper: place.upper(),
                    work: place.work(),
                },
            }],
            ..Policy::default()
        };
        let tested = self.run_test(&Job::new(["true"], policy), false);
        scratch::remove(place.path()).map_err(refuse)?;
        tested.map(drop)
    }

    /// Starts a command and returns as soon as its pid 1 exists.
    ///
    /// # Errors
    ///
    /// Fails when the policy cannot be carried out or the machine refuses. What fails later, while the
    /// root is built, is [`Exit::NotStarted`] in the record.
    pub fn spawn(&self, job: &Job) -> Result<Running, Error> {
        self.spawn_with(job, Attached::default())
    }

    /// Starts a command as [`Sandbox::spawn`] does, with readers of what it prints.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::spawn`].
    pub fn spawn_with(&self, job: &Job, attached: Attached) -> Result<Running, Error> {
        self.start(job, false, attached)
    }

    fn test_self(&self) -> Result<(), Refusal> {
        let job = Job::new(["true"], Policy::default()).with_answer();
        let answer = self.run_test(&job, true)?;
        let findings: Findings = serde_json::from_slice(&answer).map_err(|error| {
            Refusal::new(Cause::Other, format!("unreadable self-test: {error}"))
        })?;
        findings.judge(match self.shared.capabilities.user {
            User::Own { uid } | User::Dedicated { uid } => uid,
        })
    }

    fn run_test(&self, job: &Job, self_test: bool) -> Result<Vec<u8>, Refusal> {
        let record = self
            .start(job, self_test, Attached::default())
            .and_then(Running::wait)
            .map_err(|error| Refusal::from_error(&error))?;
        match record.exit {
            Exit::Code(0) => Ok(record.answer.unwrap_or_default()),
            exit => Err(Refusal::from_exit(&exit)),
        }
    }

    fn start(&self, job: &Job, self_test: bool, attached: Attached) -> Result<Running, Error> {
        job.policy.check()?;
        if job.arguments.is_empty() {
            return Err(PolicyError::NoCommand.into());
        }
        let started = (Instant::now(), SystemTime::now());
        let (order, maps) = self.order(job, self_test)?;
        let file = wire::order_file(&order).map_err(helper("write the order"))?;
        let mut tries = START_TRIES;
        let (mut parts, identity, process) = loop {
            tries -= 1;
            match self.try_start(job, &file, &maps, started) {
                // Nothing of the command has run: there is no pid 1 yet.
                Err(Error::HelperLost { .. }) if tries > 0 => {}
                other => break other?,
            }
        };
        parts.attached = attached;
        Running::begin(parts, identity, process)
    }

    /// Starts a helper and waits until it has made pid 1.
    fn try_start(
        &self,
        job: &Job,
        file: &OwnedFd,
        maps: &[Arc<OwnedFd>],
        started: (Instant, SystemTime),
    ) -> Result<(Parts, ProcessIdentity, OwnedFd), Error> {
        let pair = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        );
        let (control, control_end) = pair.map_err(helper("make a socket pair"))?;
        let (stdout, stdout_end) = make_pipe()?;
        let (stderr, stderr_end) = make_pipe()?;
        let (answer, answer_end) = match job.answer.then(make_pipe).transpose()? {
            Some((answer, end)) => (Some(answer), Some(end)),
            None => (None, None),
        };
        let child = Command::new("/proc/self/exe")
            .arg(INIT_ARGUMENT)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(control_end))
            .stdout(Stdio::from(stdout_end))
            .stderr(Stdio::from(stderr_end))
            .spawn()
            .map_err(helper("start the helper"))?;
        // From here on an early return must not leave the child behind.
        let mut parts = Parts {
            child,
            control,
            stdout,
            stderr,
            answer,
            started,
            limits: job.policy.limits.clone(),
            mechanisms: (
                self.shared.capabilities.backend,
                self.shared.capabilities.limits,
            ),
            attached: Attached::default(),
        };
        let passed: Vec<BorrowedFd<'_>> = std::iter::once(file.as_fd())
            .chain(answer_end.as_ref().map(AsFd::as_fd))
            .chain(maps.iter().map(|map| map.as_fd()))
            .collect();
        let outcome = wire::send(&parts.control, &0_u8, &passed)
            .map_err(helper("send the order"))
            .and_then(|()| first_report(&parts.control));
        drop(answer_end);
        match outcome {
            Ok((identity, process)) => Ok((parts, identity, process)),
            Err(error) => Err(parts.abandon(error)),
        }
    }

    fn order(&self, job: &Job, self_test: bool) -> Result<(Order, Vec<Arc<OwnedFd>>), Error> {
        let policy = &job.policy;
        let mut maps: Vec<Arc<OwnedFd>> = Vec::new();
        let mut owner_maps = Vec::new();
        for mount in &policy.mounts {
            let map = self.prepare(mount)?;
            owner_maps.push(map.map(|map| {
                let known = maps.iter().position(|other| Arc::ptr_eq(other, &map));
                known.unwrap_or_else(|| {
                    maps.push(map);
                    maps.len() - 1
                })
            }));
        }
        if maps.len() + 2 > DESCRIPTORS_MAX {
            let source =
                io::Error::other("the mounts have more different owners than can be mapped");
            return Err(Error::Helper {
                action: "map owners",
                source,
            });
        }
        let order = Order {
            arguments: job.arguments.clone(),
            environment: policy.full_environment().into_iter().collect(),
            directory: policy.directory.clone(),
            mounts: policy.mounts.clone(),
            owner_maps,
            links: policy.links.clone(),
            cpus: policy.cpus.clone(),
            limits: policy.limits.clone(),
            dedicated: self.shared.dedicated,
            answer: job.answer,
            self_test,
            filter: self.shared.filters.of(policy.single_process).to_vec(),
        };
        Ok((order, maps))
    }

    /// Checks that a source can be opened, and makes it the dedicated user's when the lab is root.
    /// Returns the map under which its owner appears as the sandbox's own.
    fn prepare(&self, mount: &Mount) -> Result<Option<Arc<OwnedFd>>, Error> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| Error::Source { path, source }
        };
        let source = open_source(&mount.source).map_err(failed(&mount.source))?;
        let Some(dedicated) = self.shared.dedicated else {
            return Ok(None);
        };
        if let Access::Overlay { upper, work } = &mount.access {
            for layer in [upper, work] {
                give(layer, dedicated).map_err(failed(layer))?;
            }
        }
        let status = std::fs::File::from(source)
            .metadata()
            .map_err(failed(&mount.source))?;
        if status.uid() == dedicated.uid {
            return Ok(None);
        }
        let map = self
            .shared
            .owner_maps
            .get((status.uid(), status.gid()), dedicated);
        map.map(Some).map_err(helper("map the owner of a mount"))
    }
}

fn helper<E: Into<io::Error>>(action: &'static str) -> impl Fn(E) -> Error {
    move |error| Error::Helper {
        action,
        source: error.into(),
    }
}

fn make_pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    pipe_with(PipeFlags::CLOEXEC).map_err(helper("make a pipe"))
}

fn open_source(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(openat2(CWD, path, flags, Mode::empty(), resolve)?)
}

/// Makes a directory the dedicated user's.
fn give(path: &Path, dedicated: Dedicated) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let directory = std::fs::File::from(openat2(CWD, path, flags, Mode::empty(), resolve)?);
    if directory.metadata()?.uid() != dedicated.uid {
        std::os::unix::fs::fchown(&directory, Some(dedicated.uid), Some(dedicated.gid))?;
    }
    Ok(())
}

/// Waits for the helper's first words: who pid 1 is, or what failed before there was one.
fn first_report(control: &OwnedFd) -> Result<(ProcessIdentity, OwnedFd), Error> {
    let mut waiting = [PollFd::new(control, PollFlags::IN)];
    if poll(&mut waiting, Some(&START_WAIT)).map_err(helper("wait for the helper"))? == 0 {
        let found = format!("no word in {} s", START_WAIT.tv_sec);
        return Err(Error::HelperLost { found });
    }
    let lost = || Error::HelperLost {
        found: "it closed its channel without a word".into(),
    };
    // An unreadable report comes from a program that is not this helper.
    let received = wire::receive::<Report>(control).map_err(|_| lost())?;
    match received {
        Some((Report::Init { pid }, mut fds)) if fds.len() == 1 => {
            // A pid 1 that ended at once has an identity of its own, too: nobody else can have it
            // before it is reaped, and it counts as dead.
            let identity = ProcessIdentity::of(pid).unwrap_or_else(|| ProcessIdentity::ended(pid));
            Ok((identity, fds.remove(0)))
        }
        Some((Report::NotBuilt(fault), _)) => Err(Error::NotBuilt {
            step: fault.step,
            errno: fault.errno,
            reason: fault.reason,
        }),
        Some((Report::Init { .. } | Report::Done(_) | Report::Watched(_), _)) | None => Err(lost()),
    }
}

/// Returns who sandboxes run as when the lab is root.
pub(crate) fn dedicated() -> Option<Dedicated> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let [users, groups] = ["/proc/self/uid_map", "/proc/self/gid_map"]
        .map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let id = DEDICATED
        .into_iter()
        .find(|id| maps(&users, *id) && maps(&groups, *id))?;
    Some(Dedicated { uid: id, gid: id })
}

/// Returns whether an id exists in the user namespace with this map. Root of a namespace that has
/// only itself is an ordinary user outside, with nobody to change to.
fn maps(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let mut figures = line.split_ascii_whitespace().map(str::parse::<u64>);
        match (figures.next(), figures.next(), figures.next()) {
            (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) => {
                (first..first + count).contains(&u64::from(id))
            }
            _ => false,
        }
    })
}

/// The longest that [`Running`] lets a killed sandbox take before it kills pid 1 itself.
pub(crate) const KILL_WAIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::maps;

    #[test]
    fn an_id_is_looked_up_in_a_map() {
        assert!(maps("         0          0 4294967295\n", 1_879_050_000));
        assert!(!maps("         0       1000          1\n", 60_001));
        assert!(maps("0 1000 1\n1 100000 65536\n", 60_001));
        assert!(!maps("", 0));
    }
}
