//! The agent's place in the sandbox: the workspace as a candidate sees it, with the session's own files in it.
//!
//! Each command runs on a fresh overlay into which the session's files are laid, and what it changed is taken from there
//! afterwards. A command that dies with the lab has therefore changed nothing.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use lyceum_ledger::BlobId;
use lyceum_sandbox::{Exit, Record, harvest, scratch::Scratch, show_untrusted};
use lyceum_study::{
    engine::{Broken, Cut, Left},
    lab::{
        Edit, Order, SandboxExecutor, discard, is_opaque, is_plain_path, read_only, write_owned_as,
    },
    workspace::{self, ListedKind},
};
use lyceum_types::Output;

use super::{
    Done, RESULT_BYTES_MAX, bounded,
    shelf::{Laid, Shelf},
};
use crate::{hands, session::event::Mount};

/// Name of an agent's scratch directories: in capitals, as no study's is.
const SCRATCH: &str = "AGENT";
/// Where the hands find their request.
const REQUEST: &str = "/request";
/// Most files that an experiment may change; the harvest of outputs has the same bound.
const FILES_MAX: usize = 64;
/// Largest of them in bytes: sources, not data.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// All of them together.
const TOTAL_BYTES_MAX: u64 = 8 << 20;
/// Most entries that a command may leave in its layer.
const ENTRIES_MAX: usize = 20_000;
/// Names of files that were not kept, as a result tells them.
const NAMES_TOLD: usize = 8;
/// Memory of a command.
const MEMORY_BYTES: u64 = 2 << 30;
/// Space of a command on the disk.
const DISK_BYTES: u64 = 256 << 20;
/// Longest time that the hands are given.
pub(super) const HANDS_TIMEOUT: Duration = Duration::from_mins(1);
/// The least time that a command is given, so that it fails by its limit and not by a limit of zero.
const LEAST: Duration = Duration::from_millis(1);

/// Runs an agent's commands.
pub struct Workbench {
    executor: Arc<SandboxExecutor>,
    shelf: Shelf,
}

/// A command for the sandbox.
pub(super) struct Command<'a> {
    /// The program and its arguments.
    pub(super) arguments: Vec<String>,
    /// What the hands are to do.
    pub(super) request: Option<&'a hands::Request>,
    /// The session's files.
    pub(super) files: &'a [Output],
    /// The memory stores that it sees.
    pub(super) mounts: &'a [Mount],
    /// Longest wall-clock and CPU time.
    pub(super) timeout: Duration,
}

impl Workbench {
    /// Returns the place of a study's agent.
    pub fn new(executor: Arc<SandboxExecutor>) -> Workbench {
        Workbench {
            executor,
            shelf: Shelf::default(),
        }
    }

    /// Returns who runs the study's commands.
    pub fn executor(&self) -> &SandboxExecutor {
        &self.executor
    }

    /// Does something with files.
    pub(super) fn hands(
        &self,
        request: &hands::Request,
        (files, mounts): (&[Output], &[Mount]),
        left: &Left,
        cut: &Cut,
    ) -> Result<Done, Broken> {
        let command = Command {
            arguments: vec![hands::NAME.into(), format!("{REQUEST}/request.json")],
            request: Some(request),
            files,
            mounts,
            timeout: HANDS_TIMEOUT,
        };
        let (record, mut done) = self.run(&command, left, cut)?;
        let shown = show_untrusted(&record.stdout.joined());
        done.is_error = done.is_error || record.exit != Exit::Code(0);
        done.text = match record.exit {
            Exit::Code(0 | hands::FAILED | hands::BAD_REQUEST) => shown + &done.text,
            exit => format!("the tool ended early: {}\n{}", ended(&exit), done.text),
        };
        done.text = bounded(done.text);
        Ok(done)
    }

    /// Runs a shell's command.
    pub(super) fn bash(
        &self,
        script: &str,
        timeout: Duration,
        (files, mounts): (&[Output], &[Mount]),
        left: &Left,
        cut: &Cut,
    ) -> Result<Done, Broken> {
        let command = Command {
            arguments: vec!["sh".into(), "-c".into(), script.to_owned()],
            request: None,
            files,
            mounts,
            timeout,
        };
        let (record, mut done) = self.run(&command, left, cut)?;
        let mut text = format!("{}\n", ended(&record.exit));
        for (name, stream) in [("output", &record.stdout), ("errors", &record.stderr)] {
            let shown = show_untrusted(&stream.joined());
            if !shown.is_empty() {
                let shown = super::cut_middle(shown, RESULT_BYTES_MAX / 2);
                let _ = write!(text, "{name}:\n{shown}");
                if !text.ends_with('\n') {
                    text.push('\n');
                }
            }
        }
        done.is_error = done.is_error || record.exit != Exit::Code(0);
        done.text = text + &done.text;
        Ok(done)
    }

    /// Runs a command, and takes what it changed. The text of what comes back tells of files alone.
    fn run(&self, command: &Command<'_>, left: &Left, cut: &Cut) -> Result<(Record, Done), Broken> {
        let kit = self.executor.kit();
        let before = kit.read_kept(command.files)?;
        let scratch = kit.scratch(SCRATCH)?;
        let ran = self.shelf.with(kit, command.mounts, |laid| {
            self.run_in((&scratch, laid), command, &before, left, cut)
        });
        discard(&scratch)?;
        ran
    }

    fn run_in(
        &self,
        (scratch, laid): (&Scratch, &Laid),
        command: &Command<'_>,
        before: &[Edit],
        left: &Left,
        cut: &Cut,
    ) -> Result<(Record, Done), Broken> {
        let kit = self.executor.kit();
        let doing = || "laying out an agent's files";
        for edit in before {
            write_owned_as(&scratch.upper(), &edit.path, &edit.bytes, edit.executable)
                .map_err(Broken::while_doing(doing()))?;
        }
        let mut policy = self.executor.view(scratch)?;
        if let Some(request) = command.request {
            let text = serde_json::to_vec(request).map_err(Broken::while_doing(doing()))?;
            let room = scratch.path().join("request");
            write_owned_as(&room, "request.json", &text, false)
                .map_err(Broken::while_doing(doing()))?;
            policy.mounts.push(read_only(&room, REQUEST));
        }
        policy.mounts.extend(laid.mount());
        policy.limits.wall = within(command.timeout, left.wall_ms);
        policy.limits.cpu = within(command.timeout, left.cpu_ms);
        policy.limits.memory_bytes = MEMORY_BYTES;
        policy.limits.disk_bytes = left.disk_bytes.unwrap_or(DISK_BYTES).clamp(1, DISK_BYTES);
        let order = Order {
            arguments: command.arguments.clone(),
            policy,
            answer: false,
            scratch: scratch.path(),
        };
        let record = kit.execute(&order, cut)?;
        let mut done = self.take(&scratch.upper(), command.files)?;
        laid.tell_left_out(&mut done.text);
        done.cpu_ms = record.usage.cpu.as_millis() as u64;
        Ok((record, done))
    }

    /// Takes the files that an experiment may change from a layer, and says which others were left there.
    fn take(&self, upper: &Path, before: &[Output]) -> Result<Done, Broken> {
        let mut done = Done::default();
        let sorted = match self.sort(upper) {
            Ok(sorted) => sorted,
            Err(why) => {
                let _ = writeln!(done.text, "the workspace is as it was before: {why}");
                done.is_error = true;
                return Ok(done);
            }
        };
        let limits = harvest::Limits {
            files: FILES_MAX,
            file_bytes: FILE_BYTES_MAX,
            total_bytes: TOTAL_BYTES_MAX,
            ..harvest::Limits::default()
        };
        let names: Vec<String> = sorted.kept.keys().cloned().collect();
        let taken = match harvest::harvest(upper, &names, &limits) {
            Ok(taken) => taken,
            Err(error) => {
                let _ = writeln!(done.text, "the workspace is as it was before: {error}");
                done.is_error = true;
                return Ok(done);
            }
        };
        let mut files = Vec::new();
        for file in taken {
            let executable = sorted.kept.get(&file.name).copied().unwrap_or(false);
            if self.is_as_in_the_study(&file.name, &file.bytes, executable) {
                continue;
            }
            let kept = self.executor.keep(&file.name, &file.bytes)?;
            files.push(Output { executable, ..kept });
        }
        tell(
            &mut done.text,
            "not kept, since the study lets no experiment change them",
            &sorted.others,
        );
        tell(
            &mut done.text,
            "back again, since an experiment removes no files",
            &sorted.removed,
        );
        done.files = (files != before).then_some(files);
        Ok(done)
    }

    fn is_as_in_the_study(&self, name: &str, bytes: &[u8], executable: bool) -> bool {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.executor.study().workspace.join(name);
        let mode = std::fs::symlink_metadata(&path).map_or(0, |found| found.permissions().mode());
        BlobId::of(bytes).to_string() == hash_of(&path).unwrap_or_default()
            && (mode & 0o100 != 0) == executable
    }

    /// Sorts what lies in a layer by what becomes of it.
    fn sort(&self, upper: &Path) -> Result<Sorted, String> {
        let limits = workspace::Limits {
            entries: ENTRIES_MAX,
            ..workspace::Limits::default()
        };
        let listed = workspace::list(upper, limits, &[]).map_err(|error| error.to_string())?;
        let rules = &self.executor.study().study.workspace;
        let mut sorted = Sorted::default();
        for one in listed {
            let name = one.path.to_str().filter(|name| is_plain_path(name));
            let may = rules.editable.matches(&one.path) && !rules.protected.matches(&one.path);
            match (one.kind, name) {
                (ListedKind::File { executable, .. }, Some(name)) if may => {
                    sorted.kept.insert(name.to_owned(), executable);
                }
                (ListedKind::Special("device"), _) => sorted.removed.push(one.path),
                _ => sorted.others.push(one.path),
            }
        }
        sorted.removed.extend(replaced(upper));
        Ok(sorted)
    }
}

/// Returns the time that a command gets where so many milliseconds are left of a budget.
pub(super) fn within(timeout: Duration, left: Option<u64>) -> Duration {
    let left = left.map_or(timeout, Duration::from_millis);
    left.min(timeout).max(LEAST)
}

/// What lies in a layer.
#[derive(Default)]
struct Sorted {
    /// Files that an experiment may change, and whether they may be executed.
    kept: BTreeMap<String, bool>,
    /// Everything else.
    others: Vec<PathBuf>,
    /// Files of the study that were removed.
    removed: Vec<PathBuf>,
}

/// Returns the directories of a layer that take the place of the study's: what was in those is removed. The layer has been
/// listed, so it is bounded; what cannot be read has nothing that is kept.
fn replaced(upper: &Path) -> Vec<PathBuf> {
    let (mut open, mut found) = (vec![PathBuf::new()], Vec::new());
    while let Some(relative) = open.pop() {
        let Ok(entries) = std::fs::read_dir(upper.join(&relative)) else {
            continue;
        };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let below = relative.join(entry.file_name());
                if is_opaque(&upper.join(&below)) {
                    found.push(below.clone());
                }
                open.push(below);
            }
        }
    }
    found
}

/// Returns the name that a file's bytes have as a blob.
fn hash_of(path: &Path) -> Option<String> {
    let found = std::fs::symlink_metadata(path).ok()?;
    if !found.is_file() || found.len() > FILE_BYTES_MAX {
        return None;
    }
    Some(BlobId::of(&std::fs::read(path).ok()?).to_string())
}

fn tell(text: &mut String, what: &str, paths: &[PathBuf]) {
    if paths.is_empty() {
        return;
    }
    let first = paths.iter().take(NAMES_TOLD);
    let names: Vec<String> = first
        .map(|path| workspace::shown(path.as_os_str()))
        .collect();
    let more = paths.len().saturating_sub(NAMES_TOLD);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let _ = writeln!(text, "{what}: {}{more}", names.join(", "));
}

/// Says how a command ended.
pub(crate) fn ended(exit: &Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit status {code}"),
        Exit::Signal(signal) => format!("ended by signal {signal}"),
        Exit::WallLimit => "ended: its time was up".into(),
        Exit::CpuLimit => "ended: it used more CPU time than allowed".into(),
        Exit::MemoryLimit => "ended: it used more memory than allowed".into(),
        Exit::ProcessLimit => "ended: it started more processes than allowed".into(),
        Exit::DiskLimit => "ended: it wrote more to disk than allowed".into(),
        Exit::OutputLimit => "ended: it printed more than allowed".into(),
        Exit::Killed { cause } => format!("ended: {cause}"),
        Exit::NotStarted { reason, .. } => format!("not started: {reason}"),
        Exit::Lost => "ended from outside".into(),
    }
}
