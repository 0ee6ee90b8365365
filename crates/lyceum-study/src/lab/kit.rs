//! What every sandboxed command of a lab has in common: the lab's own programs, limits, and how it is waited for.

use std::{
    fs, io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use lyceum_ledger::{BlobId, Ledger};
use lyceum_sandbox::{
    Access, Exit, Job, Killer, Limits, Link, Mount, Policy, ProcessIdentity, Record, Role, Sandbox,
    Step,
    harvest::{self, Harvested},
    scratch::{self, Scratch},
    show_untrusted,
};
use lyceum_types::{FailureReason, Output, Usage};

use super::{
    left::{self, Found, Left},
    place::Lab,
};
use crate::engine::{Allowance, Broken, Cut, Resource};

/// Where the lab's programs are inside.
const PROGRAMS: &str = "/opt/lyceum/bin";
/// Where a Rust toolchain is inside.
pub(super) const RUST: &str = "/opt/rust";
/// Where a command finds the directory for its declared outputs, and an evaluator those of the candidate.
pub(super) const OUTPUTS: &str = "/outputs";
/// A disk with less room than this counts as full: what a command tried to write last need not have fitted.
const ROOM_BYTES_MIN: u64 = 1 << 20;
/// Bytes of log kept with a receipt.
const LOG_BYTES_MAX: usize = 2048;
/// Beginning of the names of scratch directories.
const SCRATCH: &str = "task";
/// File in a scratch directory that tells which process works there.
const IDENTITY: &str = "identity.json";

/// The lab's own programs: one binary that behaves by the name it is called with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// The binary.
    pub binary: PathBuf,
    /// The names.
    pub names: Vec<String>,
}

/// What every sandboxed command of a lab needs.
pub struct Kit {
    pub(super) sandbox: Sandbox,
    pub(super) ledger: Ledger,
    pub(super) lab: Lab,
    pub(super) programs: Programs,
    /// BLAKE3 of the programs' binary.
    pub(super) binary_hash: String,
    /// BLAKE3 of the binary that this process runs.
    pub(super) own_hash: String,
}

/// A command to be run.
pub struct Order<'a> {
    /// The program and its arguments.
    pub arguments: Vec<String>,
    /// What it may see and use.
    pub policy: Policy,
    /// Whether it answers on descriptor 3.
    pub answer: bool,
    /// The scratch directory of the task.
    pub scratch: &'a Path,
}

/// A file of a workspace that an experiment adds or changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Its path in the workspace.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// Whether it may be executed.
    pub executable: bool,
}

impl Kit {
    /// Takes the lab's programs into the lab under the name of their contents, so that a rebuilt binary cannot change
    /// a study that is running.
    pub fn new(
        sandbox: Sandbox,
        ledger: Ledger,
        lab: Lab,
        programs: &Programs,
    ) -> Result<Kit, Broken> {
        let failed = Broken::while_doing("keeping a copy of the lab's own program");
        let (path, binary_hash) = keep_program(&lab, &programs.binary).map_err(failed)?;
        let programs = Programs {
            binary: path,
            names: programs.names.clone(),
        };
        Ok(Kit {
            sandbox,
            ledger,
            lab,
            programs,
            own_hash: binary_hash.clone(),
            binary_hash,
        })
    }

    /// Returns the same for another lab, which it takes for writing.
    pub fn beside(&self, lab: Lab) -> Result<Kit, Broken> {
        let doing = format!("opening the lab `{}`", lab.root().display());
        let ledger = Ledger::open(&lab.ledger(), lyceum_ledger::Options::default())
            .map_err(Broken::while_doing(doing))?;
        Kit::new(self.sandbox.clone(), ledger, lab, &self.programs)
    }

    /// Returns the lab's ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Returns BLAKE3 of the binary that this process runs.
    pub fn own_hash(&self) -> &str {
        &self.own_hash
    }

    /// Returns the lab.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Takes the programs that a study was begun with in place of this process's own, where the lab still has them as
    /// they were: so a rebuilt lyceum goes on with an old study, and measures as before.
    pub(super) fn use_programs(&mut self, hash: &str) -> Result<(), Broken> {
        let path = self.lab.programs().join(hash);
        let plain = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hash == self.binary_hash || !plain {
            return Ok(());
        }
        let Ok(bytes) = fs::read(&path) else {
            return Ok(());
        };
        if blake3::hash(&bytes).to_hex().as_str() == hash {
            let doing = format!("resolving `{}`", path.display());
            self.programs.binary = fs::canonicalize(&path).map_err(Broken::while_doing(doing))?;
            hash.clone_into(&mut self.binary_hash);
        }
        Ok(())
    }

    /// Returns a policy that sees the lab's programs and nothing else of the host but its system directories.
    pub fn policy(&self, directory: &str, threads: u32, cpus: &[usize]) -> Policy {
        let inside = Path::new(PROGRAMS).join("lyceum");
        let links = self.programs.names.iter().map(|name| Link {
            at: Path::new(PROGRAMS).join(name),
            to: PathBuf::from("lyceum"),
        });
        Policy {
            mounts: vec![read_only(&self.programs.binary, inside)],
            links: links.collect(),
            directory: PathBuf::from(directory),
            path: vec![PathBuf::from(PROGRAMS)],
            threads: NonZeroUsize::new(threads as usize).unwrap_or(NonZeroUsize::MIN),
            cpus: cpus.to_vec(),
            ..Policy::default()
        }
    }

    /// Makes the scratch directory of one task of a candidate.
    pub fn scratch(&self, name: &str) -> Result<Scratch, Broken> {
        self.scratch_for(name, Role::Candidate)
    }

    /// Makes the scratch directory of one task of this side. Without namespaces one user serves both.
    pub(super) fn scratch_for(&self, name: &str, role: Role) -> Result<Scratch, Broken> {
        let role = match self.sandbox.capabilities().level {
            lyceum_sandbox::Level::Namespace => role,
            lyceum_sandbox::Level::Landlock => Role::Candidate,
        };
        let path = self.lab.scratch();
        let failed = Broken::while_doing(format!("making scratch space in `{}`", path.display()));
        scratch::create_for(&path, &format!("{SCRATCH}-{name}"), role).map_err(failed)
    }

    /// Runs a command to its end.
    pub fn execute(&self, order: &Order<'_>, cut: &Cut) -> Result<Record, Broken> {
        let mut job = Job::new(order.arguments.clone(), order.policy.clone());
        if order.answer {
            job = job.with_answer();
        }
        let named = order.arguments.first().map_or("", String::as_str);
        let doing = || format!("running `{named}` in the sandbox");
        let running = self
            .sandbox
            .spawn(&job)
            .map_err(Broken::while_doing(doing()))?;
        note_identity(order.scratch, &running.identity());
        let killer: Killer = running.killer();
        cut.on_cut(Box::new(move |cause| killer.kill(cause)));
        let record = running.wait().map_err(Broken::while_doing(doing()))?;
        cut.on_cut(Box::new(|_| ()));
        match &record.exit {
            Exit::NotStarted {
                step: Step::Execute | Step::EnterDirectory,
                ..
            } => Ok(record),
            Exit::NotStarted { reason, .. } => Err(Broken::while_doing(doing())(io::Error::other(
                reason.clone(),
            ))),
            _ => Ok(record),
        }
    }

    /// Keeps declared outputs of a finished command as blobs.
    pub(super) fn keep(
        &self,
        directory: &Path,
        names: &[String],
        executable: bool,
    ) -> Result<Result<Vec<Output>, FailureReason>, Broken> {
        self.keep_seen(directory, names, executable, &mut |_| ())
    }

    /// Does the same and shows each to `look`.
    pub(super) fn keep_seen(
        &self,
        directory: &Path,
        names: &[String],
        executable: bool,
        look: &mut dyn FnMut(&Harvested),
    ) -> Result<Result<Vec<Output>, FailureReason>, Broken> {
        let harvested = match take(directory, names) {
            Ok(harvested) => harvested,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut outputs = Vec::new();
        for file in harvested {
            look(&file);
            let failed = Broken::while_doing(format!("keeping output `{}`", file.name));
            let blob = self.ledger.put_blob(&file.bytes).map_err(failed)?;
            outputs.push(Output {
                name: file.name,
                blob: blob.to_string(),
                bytes: file.bytes.len() as u64,
                executable,
            });
        }
        Ok(Ok(outputs))
    }

    /// Returns the bytes of kept files, in order.
    pub fn read_kept(&self, files: &[Output]) -> Result<Vec<Edit>, Broken> {
        if files.is_empty() {
            return Ok(vec![]);
        }
        let doing = || "reading kept files".to_owned();
        let reader = self.ledger.reader().map_err(Broken::while_doing(doing()))?;
        let read = files.iter().map(|file| {
            let id: BlobId = file.blob.parse().map_err(Broken::while_doing(doing()))?;
            Ok(Edit {
                path: file.name.clone(),
                bytes: reader.blob(id).map_err(Broken::while_doing(doing()))?,
                executable: file.executable,
            })
        });
        read.collect()
    }

    /// Lays out kept files in a directory for a sandbox to read.
    pub(super) fn lay_out(&self, files: &[Output], directory: &Path) -> Result<(), Broken> {
        let doing = format!("laying out files in `{}`", directory.display());
        let reader = self
            .ledger
            .reader()
            .map_err(Broken::while_doing(doing.clone()))?;
        for file in files {
            let id: BlobId = file
                .blob
                .parse()
                .map_err(Broken::while_doing(doing.clone()))?;
            let bytes = reader
                .blob(id)
                .map_err(Broken::while_doing(doing.clone()))?;
            let path = directory.join(&file.name);
            write_readable(&path, &bytes, file.executable)
                .map_err(Broken::while_doing(doing.clone()))?;
        }
        Ok(())
    }
}

/// Takes declared outputs as bytes, or says what is wrong with the first bad one.
pub(super) fn take(directory: &Path, names: &[String]) -> Result<Vec<Harvested>, FailureReason> {
    harvest::harvest(directory, names, &harvest::Limits::default()).map_err(|error| match error {
        harvest::Error::File { name, why } => FailureReason::Output {
            name: show_untrusted(name.as_bytes()),
            problem: why.to_string(),
        },
        harvest::Error::Root { .. } | harvest::Error::TooMany { .. } => FailureReason::Output {
            name: OUTPUTS.into(),
            problem: error.to_string(),
        },
    })
}

/// Tells whether the disk of a directory has no room left: a failure there says nothing about the command.
pub fn disk_is_full(directory: &Path) -> bool {
    rustix::fs::statvfs(directory).is_ok_and(|disk| {
        disk.f_bavail.saturating_mul(disk.f_frsize) < ROOM_BYTES_MIN
            || (disk.f_files > 0 && disk.f_favail == 0)
    })
}

/// Removes a task's scratch directory.
pub fn discard(scratch: &Scratch) -> Result<(), Broken> {
    let doing = format!("removing `{}`", scratch.path().display());
    scratch::remove(scratch.path()).map_err(Broken::while_doing(doing))
}

/// Makes a directory that the sandbox's user may write to, in a scratch directory.
pub(super) fn make_room(scratch: &Scratch, path: &Path) -> Result<(), Broken> {
    let made = fs::create_dir_all(path).and_then(|()| give_to_owner_of(scratch.path(), path));
    made.map_err(Broken::while_doing(format!("making `{}`", path.display())))
}

/// Writes a file that the sandbox's user owns into a scratch directory, with its directories.
pub(super) fn write_owned(base: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    write_owned_as(base, name, bytes, false)
}

/// Does the same for a file that may be executable. `name` is a plain path, and nothing untrusted has been in `base`.
pub fn write_owned_as(base: &Path, name: &str, bytes: &[u8], executable: bool) -> io::Result<()> {
    write_readable(&base.join(name), bytes, executable)?;
    let mut relative = Path::new(name);
    while !relative.as_os_str().is_empty() {
        give_to_owner_of(base, &base.join(relative))?;
        relative = relative.parent().unwrap_or(Path::new(""));
    }
    Ok(())
}

/// Started as root, the lab gives what it makes in a scratch directory to the sandbox's own user.
fn give_to_owner_of(base: &Path, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let (wanted, found) = (fs::metadata(base)?, fs::symlink_metadata(path)?);
    if (wanted.uid(), wanted.gid()) == (found.uid(), found.gid()) {
        return Ok(());
    }
    chown(path, Some(wanted.uid()), Some(wanted.gid()))
}

/// Returns a mount that can be read and not changed.
pub fn read_only(source: &Path, target: impl Into<PathBuf>) -> Mount {
    Mount {
        source: source.to_path_buf(),
        target: target.into(),
        access: Access::Read,
    }
}

/// Returns limits with these in place of the defaults.
pub(super) fn limits(wall: Duration, memory_bytes: u64, threads: u32) -> Limits {
    Limits {
        wall,
        cpu: wall * threads.max(1),
        memory_bytes,
        ..Limits::default()
    }
}

/// A command's own limits, made tighter where less is left of the study's budgets.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    own: Limits,
    allowance: Allowance,
}

impl Bounds {
    /// Returns these limits within an allowance.
    pub(super) fn new(own: Limits, allowance: Allowance) -> Bounds {
        Bounds { own, allowance }
    }

    /// Returns the limits that hold. Nothing left is the smallest limit there is: the command is cut at once.
    pub(super) fn limits(&self) -> Limits {
        let least = Duration::from_millis(1);
        let time = |own: Duration, left: Option<Duration>| {
            left.map_or(own, |left| left.min(own).max(least))
        };
        let disk = self.allowance.disk_bytes;
        Limits {
            wall: time(self.own.wall, self.allowance.wall),
            cpu: time(self.own.cpu, self.allowance.cpu),
            disk_bytes: disk.map_or(self.own.disk_bytes, |left| {
                left.min(self.own.disk_bytes).max(1)
            }),
            ..self.own.clone()
        }
    }

    /// Returns the budget that ended a command; `None` when it was anything else, its own limit too. What a budget cut
    /// says nothing about the candidate.
    pub(super) fn spent(&self, exit: &Exit) -> Option<Resource> {
        let allowance = &self.allowance;
        let (resource, tighter) = match exit {
            Exit::WallLimit => (
                Resource::Wall,
                allowance.wall.is_some_and(|left| left < self.own.wall),
            ),
            Exit::CpuLimit => (
                Resource::Cpu,
                allowance.cpu.is_some_and(|left| left < self.own.cpu),
            ),
            Exit::DiskLimit => {
                let left = allowance.disk_bytes;
                (
                    Resource::Disk,
                    left.is_some_and(|left| left < self.own.disk_bytes),
                )
            }
            _ => return None,
        };
        tighter.then_some(resource)
    }
}

/// Writes a file that any user may read, with its directories.
pub(super) fn write_readable(path: &Path, bytes: &[u8], executable: bool) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, bytes)?;
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Returns why a command that ended gave nothing; `None` when it ended well.
pub(super) fn failure(exit: &Exit) -> Option<FailureReason> {
    Some(match exit {
        Exit::Code(0) => return None,
        Exit::Code(code) => FailureReason::Exit { code: *code },
        Exit::Signal(signal) => FailureReason::Signal { signal: *signal },
        Exit::WallLimit => FailureReason::Timeout,
        Exit::CpuLimit => FailureReason::CpuLimit,
        Exit::MemoryLimit => FailureReason::MemoryLimit,
        Exit::ProcessLimit => FailureReason::ProcessLimit,
        Exit::DiskLimit => FailureReason::DiskLimit,
        Exit::OutputLimit => FailureReason::OutputLimit,
        Exit::NotStarted { reason, .. } => FailureReason::NotStarted {
            problem: reason.clone(),
        },
        // Whoever destroyed it, no second try may hide that: the kernel's memory killer looks like this.
        Exit::Lost | Exit::Killed { .. } => FailureReason::Signal { signal: 9 },
    })
}

/// Returns what a command used.
pub(super) fn usage(record: &Record) -> Usage {
    Usage {
        wall_ms: record.usage.wall.as_millis() as u64,
        cpu_ms: record.usage.cpu.as_millis() as u64,
        peak_memory_bytes: record.usage.peak_memory_bytes,
        printed_bytes: record.usage.output_bytes,
    }
}

/// Returns the end of what a command printed, escaped, within a few kilobytes.
pub(super) fn log(record: &Record) -> String {
    let mut text = show_untrusted(&record.stdout.joined());
    let errors = show_untrusted(&record.stderr.joined());
    if !errors.is_empty() {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&errors);
    }
    let mut start = text.len().saturating_sub(LOG_BYTES_MAX);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.split_off(start)
}

/// The machine's processes, as far as a session has to do with those of an earlier one. Its own it starts, watches and
/// ends through [`crate::engine::Executor`]; a simulation replaces both.
pub trait Processes {
    /// Ends a sandbox if it still lives, by who it was noted to be, and waits until it is gone. Returns what was found.
    fn end(&self, noted: Option<&ProcessIdentity>) -> Found;
}

/// The processes of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemProcesses;

impl Processes for SystemProcesses {
    fn end(&self, noted: Option<&ProcessIdentity>) -> Found {
        left::end_sandbox(noted)
    }
}

/// Kills what a crashed session left running and removes its scratch space. Returns what was found.
pub fn clean_up(lab: &Lab) -> Result<Vec<Left>, Broken> {
    clean_up_among(lab, &SystemProcesses)
}

/// Does what [`clean_up`] does on a machine with these processes.
pub fn clean_up_among(lab: &Lab, processes: &dyn Processes) -> Result<Vec<Left>, Broken> {
    let path = lab.scratch();
    let failed = Broken::while_doing(format!("clearing `{}`", path.display()));
    let clear = || -> Result<Vec<Left>, Box<dyn std::error::Error + Send + Sync>> {
        fs::create_dir_all(&path)?;
        let mut found = Vec::new();
        for path in scratch::leftovers(&path, SCRATCH)? {
            let noted = fs::read_to_string(path.join(IDENTITY)).ok();
            let noted = noted.and_then(|text| serde_json::from_str(&text).ok());
            let sandbox = processes.end(noted.as_ref());
            scratch::remove(&path)?;
            found.push(Left { path, sandbox });
        }
        left::remove_unfinished_reports(&lab.studies())?;
        Ok(found)
    };
    clear().map_err(failed)
}

/// Leaves a note for the next session, in case this one dies. A note that cannot be written loses only that.
fn note_identity(scratch: &Path, identity: &ProcessIdentity) {
    if let Ok(text) = serde_json::to_string(identity) {
        drop(fs::write(scratch.join(IDENTITY), text));
    }
}

fn keep_program(lab: &Lab, binary: &Path) -> io::Result<(PathBuf, String)> {
    let bytes = fs::read(binary)?;
    let hash = blake3::hash(&bytes).to_hex().to_string();
    let path = lab.programs().join(&hash);
    let there = fs::read(&path).is_ok_and(|old| old == bytes);
    if !there {
        let fresh = path.with_extension("new");
        write_readable(&fresh, &bytes, true)?;
        fs::rename(&fresh, &path)?;
    }
    Ok((fs::canonicalize(path)?, hash))
}
