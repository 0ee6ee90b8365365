//! The backend: what this machine can do, and starting commands.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::alone::Stage;
use crate::cgroup::{self, Group, Place};
use crate::copied::Copied;
use crate::error::{Error, PolicyError};
use crate::filter::{self, Filters, Wanted};
use crate::identity::ProcessIdentity;
use crate::local::{self, LANDLOCK_WITH_SOCKETS};
use crate::network::Secret;
use crate::nursery::Nursery;
use crate::owner::OwnerMaps;
use crate::policy::{Access, Job, Mount, Network, Policy, Role};
use crate::record::{Backend, Capabilities, Exit, How, Level, LimitMechanisms, User};
use crate::refusal::{Cause, Refusal};
use crate::self_test::{self, Findings, FindingsAlone};
use crate::supervise::{Attached, Parts, Running};
use crate::wire::{self, DESCRIPTORS_MAX, Dedicated, Order, Report};
use crate::{kernel, scratch};

/// How long the helper may take to make its namespaces before it counts as lost.
const START_WAIT: Timespec = Timespec {
    tv_sec: 60,
    tv_nsec: 0,
};

/// How often, at most, groups of supervisors that died are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// How often a helper is started that dies before it has made anything, as on a machine that is out of
/// memory or processes for a moment.
const START_TRIES: u32 = 3;

/// Where distributions put bubblewrap. `PATH` is not asked: it may belong to somebody else.
const BUBBLEWRAP: [&str; 2] = ["/usr/bin/bwrap", "/usr/local/bin/bwrap"];

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
    /// The program of the second backend, when that one is used.
    bubblewrap: Option<PathBuf>,
    owner_maps: OwnerMaps,
    filters: Filters,
    /// Where control groups can be made.
    groups: Option<Place>,
    /// When groups of supervisors that died were last looked for.
    swept: Mutex<Option<Instant>>,
    nursery: Nursery,
}

impl Sandbox {
    /// Returns a sandbox after a self-test: a sandboxed `true`, and attacks from inside that must fail.
    ///
    /// The backend is the native one; where the kernel grants user namespaces to listed programs only,
    /// it is the system's bubblewrap.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] says why this machine cannot isolate and what a person can do. There is no weaker
    /// mode.
    pub fn new() -> Result<Self, Refusal> {
        choose(Self::with)
    }

    /// Returns the strongest sandbox that works here and is not below a minimum, which a person has chosen:
    /// [`Level::Landlock`] is taken only where namespaces do not work.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::new`]; where both levels fail the refusal tells of both.
    pub fn at_least(minimum: Level) -> Result<Self, Refusal> {
        match (Self::new(), minimum) {
            (Err(refusal), Level::Landlock) => Self::landlock_only()
                .map_err(|second| refusal.and_also("with Landlock alone", &second)),
            (outcome, _) => outcome,
        }
    }

    /// Returns a sandbox of [`Level::Landlock`] after a self-test, whether or not a stronger one works here.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::new`]. It takes version 6 of Landlock, Linux 6.12.
    pub fn landlock_only() -> Result<Self, Refusal> {
        let sandbox = Self::untested(Backend::Native, Level::Landlock, None)?;
        let canaries = sandbox.attack_self()?;
        self_test::judge(&canaries, "from inside a command without namespaces")?;
        Ok(sandbox)
    }

    /// Returns a sandbox of one backend after the same self-test.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::new`].
    pub fn with(backend: Backend) -> Result<Self, Refusal> {
        match Place::find() {
            None => Self::limited_by(backend, None),
            // What looks delegated may turn out not to be; then it is the watchdog that holds limits.
            Some(groups) => match Self::limited_by(backend, Some(groups)) {
                Err(refusal) if refusal.cause == Cause::Other => Self::limited_by(backend, None),
                other => other,
            },
        }
    }

    fn limited_by(backend: Backend, groups: Option<Place>) -> Result<Self, Refusal> {
        let sandbox = Self::untested(backend, Level::Namespace, groups)?;
        let answer = sandbox.answer_to_attacks()?;
        let findings: Findings = read_findings(&answer)?;
        findings.judge(sandbox.uid_shown())?;
        Ok(sandbox)
    }

    /// Makes each attack of a backend's self-test; tells which held.
    pub(crate) fn canaries(
        backend: Backend,
        level: Level,
    ) -> Result<Vec<(&'static str, bool)>, Refusal> {
        Self::untested(backend, level, None)?.attack_self()
    }

    fn untested(backend: Backend, level: Level, groups: Option<Place>) -> Result<Self, Refusal> {
        let bubblewrap = match backend {
            Backend::Native => None,
            Backend::Bwrap => Some(find_bubblewrap()?),
        };
        let landlock_abi = kernel::landlock_abi()
            .map_err(|error| Refusal::new(Cause::NoLandlock, format!("Landlock: {error}")))?;
        let filters = Filters::default();
        filters
            .get(wanted(&Policy::default(), true, None))
            .map_err(|error| {
                Refusal::new(Cause::NoFilter, format!("system call filter: {error}"))
            })?;
        let dedicated = dedicated(Role::Candidate);
        let user = match dedicated {
            Some(Dedicated { uid, .. }) => User::Dedicated { uid },
            None => User::Own {
                uid: rustix::process::geteuid().as_raw(),
            },
        };
        let capabilities = Capabilities {
            level,
            backend,
            kernel: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            landlock_abi,
            limits: LimitMechanisms::with(groups.as_ref()),
            user,
        };
        let owner_maps = OwnerMaps::default();
        Ok(Self {
            shared: Arc::new(Shared {
                capabilities,
                dedicated,
                bubblewrap,
                owner_maps,
                filters,
                groups,
                swept: Mutex::default(),
                nursery: Nursery::default(),
            }),
        })
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

    /// Makes the attacks; tells which were withstood.
    fn attack_self(&self) -> Result<Vec<(&'static str, bool)>, Refusal> {
        let answer = self.answer_to_attacks()?;
        Ok(match self.shared.capabilities.level {
            Level::Namespace => {
                let findings: Findings = read_findings(&answer)?;
                findings.canaries(self.uid_shown()).to_vec()
            }
            Level::Landlock => read_findings::<FindingsAlone>(&answer)?.canaries(),
        })
    }

    fn answer_to_attacks(&self) -> Result<Vec<u8>, Refusal> {
        let job = Job::new(["true"], Policy::default()).with_answer();
        self.run_test(&job, true)
    }

    /// Returns which user of the host the map inside is to show.
    fn uid_shown(&self) -> u32 {
        let uid = match self.shared.capabilities.user {
            User::Own { uid } | User::Dedicated { uid } => uid,
        };
        // Bubblewrap nests two user namespaces, and the inner one's map shows ids of the outer.
        let nested = self.shared.bubblewrap.is_some();
        if nested { 0 } else { uid }
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
        let level = self.shared.capabilities.level;
        if level == Level::Landlock && job.policy.network != Network::Off {
            return Err(PolicyError::NetworkAlone.into());
        }
        check_secrets(&attached.secrets, &job.policy.network)?;
        let started = (Instant::now(), SystemTime::now());
        let mut group = self.group(job);
        let Prepared {
            order,
            maps,
            copied,
            local_sockets,
            stage,
        } = self.order(job, self_test, group.as_ref())?;
        let how = How {
            level,
            backend: self.shared.capabilities.backend,
            limits: LimitMechanisms::with(group.as_ref().and(self.shared.groups.as_ref())),
            local_sockets,
        };
        let file = wire::order_file(&order).map_err(helper("write the order"))?;
        let mut tries = START_TRIES;
        let (mut parts, identity, process) = loop {
            tries -= 1;
            let given = (&file, &*maps, group.as_ref());
            match try_start(&self.shared.nursery, job, given, (started, how)) {
                // Nothing of the command has run: there is no pid 1 yet.
                Err(Error::HelperLost { .. }) if tries > 0 => {}
                other => break other?,
            }
        };
        if let Some(group) = &mut group {
            group.keep_names_only();
        }
        parts.group = group;
        parts.stage = stage;
        parts.attached = attached;
        parts.network = job.policy.network.clone();
        parts.copied = copied;
        Running::begin(parts, identity, process)
    }

    /// Makes a control group for one run. Where that fails at once, as when the one that it should be in
    /// is gone, the run does without, and its record says so.
    fn group(&self, job: &Job) -> Option<Group> {
        let place = self.shared.groups.as_ref()?;
        self.sweep(place);
        Group::make(place, &job.policy.limits).ok()
    }

    /// Removes the groups of supervisors that died, if nobody looked a short time ago.
    fn sweep(&self, place: &Place) {
        let swept = self.shared.swept.lock();
        let mut swept = swept.unwrap_or_else(PoisonError::into_inner);
        if swept.is_none_or(|at| at.elapsed() > SWEEP_EVERY) {
            *swept = Some(Instant::now());
            cgroup::remove_strays(place);
        }
    }

    fn order(&self, job: &Job, self_test: bool, group: Option<&Group>) -> Result<Prepared, Error> {
        let policy = &job.policy;
        let level = self.shared.capabilities.level;
        // Without mounts no owner can be mapped, so that there one user serves both sides.
        let role = match level {
            Level::Namespace => policy.role,
            Level::Landlock => Role::Candidate,
        };
        let dedicated = self.shared.dedicated.and_then(|_| dedicated(role));
        let mut maps: Vec<Arc<OwnedFd>> = Vec::new();
        let mut owner_maps = Vec::new();
        let (mut mounts, mut identities, mut copied) = (Vec::new(), Vec::new(), Vec::new());
        for mount in &policy.mounts {
            let mut mount = mount.clone();
            if self.shared.bubblewrap.is_some() || level == Level::Landlock {
                copied.extend(self.copy_overlay(&mut mount, dedicated)?);
            }
            let (map, identity) = self.prepare(&mount, dedicated)?;
            identities.push(identity);
            mounts.push(mount);
            owner_maps.push(map.map(|map| {
                let known = maps.iter().position(|other| Arc::ptr_eq(other, &map));
                known.unwrap_or_else(|| {
                    maps.push(map);
                    maps.len() - 1
                })
            }));
        }
        let of_group = group.map_or(0, |group| group.descriptors().count());
        if maps.len() + 2 + of_group > DESCRIPTORS_MAX {
            let source =
                io::Error::other("the mounts have more different owners than can be mapped");
            return Err(Error::Helper {
                action: "map owners",
                source,
            });
        }
        let shared = match (level, dedicated) {
            (Level::Namespace, _) => None,
            (Level::Landlock, Some(_)) => Some(filter::Shared::DedicatedUser),
            (Level::Landlock, None) => Some(filter::Shared::OwnUser),
        };
        let local_sockets = shared.is_none() && self.local_sockets(policy);
        let filter = self
            .shared
            .filters
            .get(wanted(policy, local_sockets, shared));
        let filter = filter.map_err(|error| Error::Helper {
            action: "compile the system call filter",
            source: io::Error::other(error),
        })?;
        let mut order = Order {
            level,
            arguments: job.arguments.clone(),
            environment: policy.full_environment().into_iter().collect(),
            directory: policy.directory.clone(),
            mounts,
            identities,
            bubblewrap: self.shared.bubblewrap.clone(),
            owner_maps,
            links: policy.links.clone(),
            devices: policy.devices.clone(),
            cpus: policy.cpus.clone(),
            limits: policy.limits.clone(),
            dedicated,
            group: group.map(Group::members).unwrap_or_default(),
            proxy: policy.network != Network::Off,
            answer: job.answer,
            self_test,
            filter: filter.to_vec(),
        };
        let stage = match level {
            Level::Namespace => None,
            Level::Landlock => {
                let stage = Stage::make(dedicated).map_err(helper("make a stage"))?;
                let relocated = stage.relocate(&mut order);
                relocated.map_err(helper("lay out a stage"))?;
                Some(stage)
            }
        };
        Ok(Prepared {
            order,
            maps,
            copied,
            local_sockets,
            stage,
        })
    }

    /// Returns whether a command may make local sockets that connect: not where a mount holds one of the host.
    fn local_sockets(&self, policy: &Policy) -> bool {
        self.shared.capabilities.landlock_abi >= LANDLOCK_WITH_SOCKETS
            || !local::may_reach(&policy.mounts)
    }

    /// Makes a written directory of an overlay, filled with what the overlay would show.
    fn copy_overlay(
        &self,
        mount: &mut Mount,
        dedicated: Option<Dedicated>,
    ) -> Result<Option<Copied>, Error> {
        let Access::Overlay { upper, work } = &mount.access else {
            return Ok(None);
        };
        self.prepare(mount, dedicated)?;
        let copied = Copied::lay_out(&mount.source, (upper, work), dedicated)
            .map_err(failed(&mount.source))?;
        copied.merged().clone_into(&mut mount.source);
        mount.access = Access::Write;
        Ok(Some(copied))
    }

    /// Checks that a source can be opened, and makes it the dedicated user's when the lab is root.
    /// Returns the map under which its owner appears as the sandbox's own, and which inode it is.
    fn prepare(
        &self,
        mount: &Mount,
        dedicated: Option<Dedicated>,
    ) -> Result<(Option<OwnerMap>, Inode), Error> {
        let source = open_source(&mount.source).map_err(failed(&mount.source))?;
        let status = std::fs::File::from(source)
            .metadata()
            .map_err(failed(&mount.source))?;
        let identity = (status.dev(), status.ino());
        let Some(dedicated) = dedicated else {
            return Ok((None, identity));
        };
        if let Access::Overlay { upper, work } = &mount.access {
            for layer in [upper, work] {
                give(layer, dedicated).map_err(failed(layer))?;
            }
        }
        // Without mounts no owner can be mapped: what everybody may read is readable.
        if status.uid() == dedicated.uid || self.shared.capabilities.level == Level::Landlock {
            return Ok((None, identity));
        }
        let map = self
            .shared
            .owner_maps
            .get((status.uid(), status.gid()), dedicated);
        let map = map.map_err(helper("map the owner of a mount"))?;
        Ok((Some(map), identity))
    }
}

/// A user namespace that maps the owner of a mount.
type OwnerMap = Arc<OwnedFd>;

/// Device and number of an inode.
type Inode = (u64, u64);

/// What starting a job takes.
struct Prepared {
    order: Order,
    maps: Vec<Arc<OwnedFd>>,
    copied: Vec<Copied>,
    local_sockets: bool,
    stage: Option<Stage>,
}

fn read_findings<T: serde::de::DeserializeOwned>(answer: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(answer)
        .map_err(|error| Refusal::new(Cause::Other, format!("unreadable self-test: {error}")))
}

/// Starts a helper and waits until it has made pid 1.
fn try_start(
    nursery: &Nursery,
    job: &Job,
    (file, maps, group): (&OwnedFd, &[Arc<OwnedFd>], Option<&Group>),
    (started, how): ((Instant, SystemTime), How),
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
    let streams = [control_end, stdout_end, stderr_end];
    let keeper = nursery
        .start(&streams)
        .map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Error::HelperLost {
                found: "what it is forked from is gone".into(),
            },
            _ => helper("start the helper")(error),
        })?;
    drop(streams);
    // From here on an early return must not leave the child behind.
    let mut parts = Parts {
        keeper,
        control,
        stdout,
        stderr,
        answer,
        started,
        limits: job.policy.limits.clone(),
        how,
        group: None,
        stage: None,
        attached: Attached::default(),
        copied: Vec::new(),
        network: Network::Off,
    };
    let passed: Vec<BorrowedFd<'_>> = std::iter::once(file.as_fd())
        .chain(answer_end.as_ref().map(AsFd::as_fd))
        .chain(maps.iter().map(|map| map.as_fd()))
        .chain(group.into_iter().flat_map(Group::descriptors))
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

/// Returns what the filter of a policy lets through.
fn wanted(policy: &Policy, local_sockets: bool, shared: Option<filter::Shared>) -> Wanted {
    Wanted {
        processes: !policy.single_process,
        local_sockets,
        shared,
    }
}

fn check_secrets(secrets: &[Secret], network: &Network) -> Result<(), PolicyError> {
    for secret in secrets {
        let listed = matches!(network, Network::Allow(list) if list.contains(&secret.destination));
        let problem = match (listed, secret.is_sound()) {
            (true, true) => continue,
            (false, _) => "is for a destination that is not allowed",
            (_, false) => "is no header",
        };
        return Err(PolicyError::Secret {
            header: crate::show_untrusted(secret.header.as_bytes()),
            destination: secret.destination.clone(),
            problem,
        });
    }
    Ok(())
}

/// Takes the first backend that works where the other can be of no help.
fn choose<T>(mut with: impl FnMut(Backend) -> Result<T, Refusal>) -> Result<T, Refusal> {
    match with(Backend::Native) {
        // User namespaces are granted by path here, and bubblewrap's path is on the usual list.
        Err(native) if native.cause == Cause::AppArmor => {
            with(Backend::Bwrap).map_err(|second| native.and_also("with bubblewrap", &second))
        }
        other => other,
    }
}

/// Returns the system's `bwrap`, which must not be set-user-id: that one grants more than it should.
pub(crate) fn find_bubblewrap() -> Result<PathBuf, Refusal> {
    let missing = |found: String| Refusal::new(Cause::NoBubblewrap, found);
    for path in BUBBLEWRAP {
        let path = Path::new(path);
        let Ok(status) = path.metadata() else {
            continue;
        };
        if status.mode() & 0o6000 != 0 {
            return Err(missing(format!("`{}` is set-user-id", path.display())));
        }
        return path
            .canonicalize()
            .map_err(|error| missing(error.to_string()));
    }
    Err(missing(format!(
        "there is no bubblewrap at `{}`",
        BUBBLEWRAP.join("` or `")
    )))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Source { path, source }
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
        return Err(Error::HelperSilent {
            seconds: START_WAIT.tv_sec.unsigned_abs(),
        });
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
        Some((
            Report::Init { .. } | Report::Listening | Report::Done(_) | Report::Watched(_),
            _,
        ))
        | None => Err(lost()),
    }
}

/// Returns as whom the commands of a side run when the lab is root.
pub(crate) fn dedicated(role: Role) -> Option<Dedicated> {
    let Dedicated { uid, gid } = first_dedicated()?;
    Some(match role {
        Role::Candidate => Dedicated { uid, gid },
        Role::Evaluator => Dedicated {
            uid: uid + 1,
            gid: gid + 1,
        },
    })
}

/// Returns the first of the dedicated users, who has another after him.
fn first_dedicated() -> Option<Dedicated> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let [users, groups] = ["/proc/self/uid_map", "/proc/self/gid_map"]
        .map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let id = DEDICATED.into_iter().find(|id| {
        let both = [*id, *id + 1];
        both.iter()
            .all(|id| maps(&users, *id) && maps(&groups, *id))
    })?;
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
    use super::{choose, maps};
    use crate::record::Backend;
    use crate::refusal::{Cause, Refusal};

    #[test]
    fn the_second_backend_is_for_machines_that_grant_namespaces_by_path() {
        let by = |native: Cause, bwrap: Option<Cause>| {
            choose(move |backend| match (backend, &bwrap) {
                (Backend::Native, _) => Err(Refusal::new(native.clone(), "native")),
                (Backend::Bwrap, None) => Ok(backend),
                (Backend::Bwrap, Some(cause)) => Err(Refusal::new(cause.clone(), "bwrap")),
            })
        };
        assert_eq!(by(Cause::AppArmor, None), Ok(Backend::Bwrap));
        let neither = by(Cause::AppArmor, Some(Cause::NoBubblewrap)).expect_err("refuses");
        assert_eq!(neither.cause, Cause::AppArmor);
        assert!(neither.found.contains("bwrap"), "{neither:?}");
        for cause in [Cause::ProcHidden, Cause::NoLandlock, Cause::ContainerFilter] {
            assert_eq!(by(cause.clone(), None).expect_err("refuses").cause, cause);
        }
    }

    #[test]
    fn an_id_is_looked_up_in_a_map() {
        assert!(maps("         0          0 4294967295\n", 1_879_050_000));
        assert!(!maps("         0       1000          1\n", 60_001));
        assert!(maps("0 1000 1\n1 100000 65536\n", 60_001));
        assert!(!maps("", 0));
    }
}
