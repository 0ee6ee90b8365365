//! Running the candidate: settings into a copy-on-write workspace, the command, its declared outputs out.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path, PathBuf},
};

use lyceum_sandbox::{
    Access, Exit, Mount, Policy, Record, harvest::Harvested, scratch::Scratch, show_untrusted,
};
use lyceum_types::{FailureReason, Outcome, Output, RunFinished, Settings};

use super::{
    kit::{self, Bounds, Edit, Kit, OUTPUTS, Order, RUST, read_only, write_owned, write_owned_as},
    observe::Scene,
    place::DIRECTORY,
    reports::Reports,
    study::OpenStudy,
    trap::Trap,
};
use crate::{
    engine::{Broken, Cut, RunTask, Tell},
    format::{Measure, Place, Placeholder, Study, Toolchain, parse_metric_lines},
    knobs,
    workspace::Globs,
};

/// Where the workspace is inside.
pub(super) const WORKSPACE: &str = "/workspace";

/// Runs the candidate once. What it reports as it goes is told where the task says so.
pub(super) fn run(
    kit: &Kit,
    open: &OpenStudy,
    task: &RunTask,
    cut: &Cut,
    tell: &Tell<'_>,
) -> Result<RunFinished, Broken> {
    let study = &open.study;
    let mut finished = RunFinished {
        run: task.run,
        outcome: Outcome::Completed,
        usage: lyceum_types::Usage::default(),
        outputs: vec![],
        reported: std::collections::BTreeMap::new(),
        log: String::new(),
        policy: String::new(),
        observed: None,
    };
    let edits = kit.read_kept(&task.files)?;
    let patch = match patch(open, &task.settings, &edits) {
        Ok(patch) => patch,
        Err(problem) => {
            finished.outcome = Outcome::Failed(FailureReason::Settings { problem });
            return Ok(finished);
        }
    };
    let scratch = kit.scratch(&format!("{}-{}", open.name, task.run))?;
    let trap = Trap::plant(&scratch, &kit.ledger)?.armed()?;
    let mut policy = policy(kit, open, task, &scratch, &patch)?;
    policy.mounts.push(trap.mount());
    lay_edits(&scratch.upper(), &edits)?;
    lay_patch(&scratch.upper(), &patch, task, study.run.replay.as_deref())?;
    let threads = study.run.threads.to_string();
    let fill = [
        (Placeholder::Outputs, OUTPUTS),
        (Placeholder::Seed, &task.seed.to_string()),
        (Placeholder::Threads, &threads),
    ];
    let mut arguments = study.run.command.fill(&fill);
    arguments.extend(patch.arguments.iter().cloned());
    let canonical = policy
        .canonical()
        .map_err(Broken::while_doing("describing the sandbox policy"))?;
    // Scratch paths differ from run to run; the rest of the policy must not.
    let canonical = String::from_utf8_lossy(&canonical)
        .replace(&scratch.path().display().to_string(), "{scratch}");
    finished.policy = blake3::hash(canonical.as_bytes()).to_hex().to_string();
    let order = Order {
        arguments,
        policy,
        answer: false,
        scratch: scratch.path(),
    };
    let record = listened(kit, open, task, &scratch, &order, (cut, tell))?;
    finished.usage = kit::usage(&record);
    finished.log = kit::log(&record);
    finished.outcome = outcome(&bounds(open, task), &record.exit);
    take_reported(study, &record, &mut finished);
    let by_lab = by_lab(&patch, task, study.run.replay.as_deref());
    let upper = scratch.upper();
    let scene = Scene {
        workspace: &open.workspace,
        upper: &upper,
        by_lab: &by_lab,
        reference: open.reference(),
        trap: &trap,
        record: &record,
    };
    let mut observed = scene.look();
    if let Some(path) = protected_change(&upper, &study.workspace.protected, &open.protected) {
        observed.protected = vec![path.clone()];
        if finished.outcome == Outcome::Completed {
            finished.outcome = Outcome::Failed(FailureReason::Protected { path });
        }
    }
    if finished.outcome == Outcome::Completed {
        let mut look = |file: &Harvested| scene.output(file, &mut observed);
        keep_outputs(kit, study, &scratch, &mut finished, &mut look)?;
    }
    finished.observed = Some(Box::new(observed));
    leave(kit, &scratch, finished)
}

/// Runs the command, and listens to it where somebody wants to know how far it is.
fn listened(
    kit: &Kit,
    open: &OpenStudy,
    task: &RunTask,
    scratch: &Scratch,
    order: &Order<'_>,
    (cut, tell): (&Cut, &Tell<'_>),
) -> Result<Record, Broken> {
    let Some(progress) = open.study.progress.as_ref().filter(|_| task.reports) else {
        return kit.execute(order, cut);
    };
    let heard = Reports::new(scratch.out(), &progress.file, progress.halving.clone());
    std::thread::scope(|scope| {
        let listening = heard.listen(scope, tell);
        let record = kit.execute(order, cut);
        let ended = listening.end();
        let failed = Broken::while_doing("listening to a run");
        ended.map_err(|_| {
            failed(io::Error::other(
                "the thread that listens ended unexpectedly",
            ))
        })?;
        record
    })
}

/// Returns what the settings change in the workspace as the experiment's files leave it, or what is wrong with either.
fn patch(open: &OpenStudy, settings: &Settings, edits: &[Edit]) -> Result<knobs::Patch, String> {
    if let Some(edit) = edits.iter().find(|edit| !is_plain_path(&edit.path)) {
        let shown = show_untrusted(edit.path.as_bytes());
        return Err(format!("`{shown}` is no plain path of a workspace"));
    }
    let names = edits.iter().map(|edit| edit.path.as_str());
    if let Some(problem) = in_the_way(&open.study, names) {
        return Err(problem);
    }
    let read = |file: &str| match edits.iter().find(|edit| edit.path == file) {
        Some(edit) => Ok(edit.bytes.clone()),
        None => knobs::read_plain(&open.workspace, file),
    };
    knobs::write(&open.study, settings, read).map_err(|error| error.to_string())
}

/// Returns the files in which an experiment differs from the study's workspace, from the record alone: those that its
/// researcher wrote, then those that its settings are written to. Says what is wrong where they cannot be laid out.
pub(super) fn changed_files(
    kit: &Kit,
    open: &OpenStudy,
    settings: &Settings,
    files: &[Output],
) -> Result<Result<Vec<Edit>, String>, Broken> {
    let mut edits = kit.read_kept(files)?;
    let patch = match patch(open, settings, &edits) {
        Ok(patch) => patch,
        Err(problem) => return Ok(Err(problem)),
    };
    edits.retain(|edit| patch.files.iter().all(|(file, _)| *file != edit.path));
    edits.extend(patch.files.into_iter().map(|(path, bytes)| Edit {
        path,
        bytes,
        executable: false,
    }));
    Ok(Ok(edits))
}

/// Says which of an experiment's files lies in the way of another or of a file that the lab writes before a run; `None`
/// where all can be laid out together.
pub fn in_the_way<'a>(study: &Study, files: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut all: BTreeSet<&Path> = files.map(Path::new).collect();
    let by_lab = study
        .knobs()
        .filter_map(|(_, writing)| match &writing.place {
            Place::File { file, .. } | Place::Template { file, .. } => Some(file.as_str()),
            Place::Environment { .. } | Place::Argument { .. } => None,
        });
    all.extend(by_lab.chain(study.run.replay.as_deref()).map(Path::new));
    let mut above = all
        .iter()
        .flat_map(|path| path.ancestors().skip(1).map(move |above| (above, path)));
    let (file, below) = above.find(|(above, _)| all.contains(above))?;
    let shown = |path: &Path| show_untrusted(path.as_os_str().as_bytes());
    Some(format!(
        "`{}` must be a file, and `{}` makes a directory of it",
        shown(file),
        shown(below)
    ))
}

/// Whether a path of a record stays in the directory that it is joined to.
pub fn is_plain_path(path: &str) -> bool {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    !path.is_empty() && !path.contains('\0') && Path::new(path).components().all(plain)
}

/// Returns whether programs obey what lies under a name, so that it is neither shown to agents nor taken from them: a
/// repository's hooks and settings are executed by whoever asks for its status, a lab has its key.
pub fn is_obeyed(name: &OsStr) -> bool {
    [".git", DIRECTORY]
        .iter()
        .any(|obeyed| name.eq_ignore_ascii_case(obeyed))
}

/// Returns whether a path is plain and no part of it is obeyed.
pub fn is_harmless_path(path: &str) -> bool {
    is_plain_path(path) && !Path::new(path).iter().any(is_obeyed)
}

/// Returns of these paths those that may be written where a person works: the harmless ones, without the `HEAD` of what
/// `git` would take for a bare repository and obey as well.
pub fn harmless<'a>(paths: &[&'a str]) -> Vec<&'a str> {
    let is_bare = |path: &str| {
        let head = Path::new(path);
        let objects = head.with_file_name("objects");
        let below = |other: &&str| Path::new(other).starts_with(&objects);
        head.file_name() == Some(OsStr::new("HEAD")) && paths.iter().any(below)
    };
    let all = paths.iter().copied();
    all.filter(|path| is_harmless_path(path) && !is_bare(path))
        .collect()
}

/// Writes the experiment's files into an empty upper layer. They are the candidate's, not the lab's: oversight looks at them.
pub(super) fn lay_edits(upper: &Path, edits: &[Edit]) -> Result<(), Broken> {
    for edit in edits {
        let laid = write_owned_as(upper, &edit.path, &edit.bytes, edit.executable);
        laid.map_err(Broken::while_doing("writing files into the workspace"))?;
    }
    Ok(())
}

/// Takes the numbers that the candidate printed about itself.
fn take_reported(study: &Study, record: &Record, finished: &mut RunFinished) {
    let reported = parse_metric_lines(&String::from_utf8_lossy(&record.stdout.joined()));
    if let (Measure::SelfReported, Some(found)) =
        (&study.measure, reported.not_finite.get(&study.metric.name))
        && finished.outcome == Outcome::Completed
    {
        let (metric, found) = (study.metric.name.clone(), show_untrusted(found.as_bytes()));
        finished.outcome = Outcome::Failed(FailureReason::NotFinite { metric, found });
    }
    finished.reported = reported.values;
}

/// Keeps the declared outputs, and the replay file where there is one.
fn keep_outputs(
    kit: &Kit,
    study: &Study,
    scratch: &Scratch,
    finished: &mut RunFinished,
    look: &mut dyn FnMut(&Harvested),
) -> Result<(), Broken> {
    let mut names = study.run.outputs.clone();
    let replay = study.run.replay.iter();
    names.extend(
        replay
            .filter(|name| fs::symlink_metadata(scratch.out().join(name)).is_ok())
            .cloned(),
    );
    let timed = matches!(study.measure, Measure::Executed(_) | Measure::Timed(_));
    match kit.keep_seen(&scratch.out(), &names, timed, look)? {
        Ok(outputs) => finished.outputs = outputs,
        Err(reason) => finished.outcome = Outcome::Failed(reason),
    }
    Ok(())
}

/// Removes what the run left and returns its receipt, unless the disk was full: nobody can tell what the command would
/// have done with room to write.
fn leave(kit: &Kit, scratch: &Scratch, finished: RunFinished) -> Result<RunFinished, Broken> {
    let full = kit::disk_is_full(scratch.path());
    kit::discard(scratch)?;
    match &finished.outcome {
        Outcome::Failed(reason) if full && *reason != FailureReason::DiskLimit => {
            let doing = format!("running the candidate in `{}`", kit.lab.root().display());
            let full = io::Error::from(io::ErrorKind::StorageFull);
            Err(Broken::while_doing(doing)(full))
        }
        _ => Ok(finished),
    }
}

/// What the command may see and use.
fn policy(
    kit: &Kit,
    open: &OpenStudy,
    task: &RunTask,
    scratch: &Scratch,
    patch: &knobs::Patch,
) -> Result<Policy, Broken> {
    let mut policy = view(kit, open, &task.cpus, scratch)?;
    policy.environment.extend(patch.environment.clone());
    policy
        .environment
        .insert("LYCEUM_SEED".into(), task.seed.to_string());
    policy.limits = bounds(open, task).limits();
    Ok(policy)
}

/// Returns a policy that sees what a candidate of the study sees: the workspace as an overlay in this scratch directory, the
/// public data, its tools.
pub(super) fn view(
    kit: &Kit,
    open: &OpenStudy,
    cpus: &[usize],
    scratch: &Scratch,
) -> Result<Policy, Broken> {
    let run = &open.study.run;
    let mut policy = kit.policy(WORKSPACE, run.threads, cpus);
    let (upper, work) = (scratch.upper(), scratch.work());
    policy.mounts.push(Mount {
        source: open.workspace.clone(),
        target: PathBuf::from(WORKSPACE),
        access: Access::Overlay { upper, work },
    });
    policy.mounts.push(Mount {
        source: scratch.out(),
        target: PathBuf::from(OUTPUTS),
        access: Access::Write,
    });
    if let Some(public) = &open.public {
        policy.mounts.push(read_only(public, "/data"));
    }
    if run.toolchain.contains(&Toolchain::Rust) {
        let sysroot = super::toolchain::rust_sysroot()?;
        policy.mounts.push(read_only(&sysroot, RUST));
        policy.path.push(Path::new(RUST).join("bin"));
    }
    policy.environment.extend(run.environment.clone());
    policy
        .environment
        .insert("LYCEUM_OUTPUTS".into(), OUTPUTS.into());
    if let Some(progress) = &open.study.progress {
        let path = format!("{OUTPUTS}/{}", progress.file);
        policy.environment.insert("LYCEUM_PROGRESS".into(), path);
    }
    Ok(policy)
}

/// Returns what the lab writes into the workspace before a run.
fn by_lab(patch: &knobs::Patch, task: &RunTask, replay: Option<&str>) -> Vec<(String, Vec<u8>)> {
    let replayed = replay.zip(task.replay.as_ref());
    let replayed = replayed.map(|(name, bytes)| (name.to_owned(), bytes.clone()));
    patch.files.iter().cloned().chain(replayed).collect()
}

fn lay_patch(
    upper: &Path,
    patch: &knobs::Patch,
    task: &RunTask,
    replay: Option<&str>,
) -> Result<(), Broken> {
    let doing = || "writing settings into the workspace".to_owned();
    for (file, bytes) in &patch.files {
        write_owned(upper, file, bytes).map_err(Broken::while_doing(doing()))?;
    }
    if let (Some(name), Some(bytes)) = (replay, &task.replay) {
        write_owned(upper, name, bytes).map_err(Broken::while_doing(doing()))?;
    }
    Ok(())
}

fn bounds(open: &OpenStudy, task: &RunTask) -> Bounds {
    let run = &open.study.run;
    let own = kit::limits(run.limits.timeout.0, run.limits.memory.0, run.threads);
    Bounds::new(own, task.allowance)
}

fn outcome(bounds: &Bounds, exit: &Exit) -> Outcome {
    if let Some(spent) = bounds.spent(exit) {
        let cause = spent.cause().to_owned();
        return Outcome::Cut { cause };
    }
    match exit {
        Exit::Killed { cause } => Outcome::Cut {
            cause: cause.clone(),
        },
        exit => kit::failure(exit).map_or(Outcome::Completed, Outcome::Failed),
    }
}

/// Returns a protected file that the run changed, removed, hid or put in the way; bounded by the sandbox's own limit on
/// files. What cannot be looked at counts as changed.
fn protected_change(upper: &Path, protected: &Globs, lower: &[PathBuf]) -> Option<String> {
    let shown = |path: &Path| Some(show_untrusted(path.as_os_str().as_bytes()));
    if let Some(hidden) = lower.iter().find(|path| is_hidden(upper, path)) {
        return shown(hidden);
    }
    let mut open = vec![PathBuf::new()];
    while let Some(relative) = open.pop() {
        let Ok(entries) = fs::read_dir(upper.join(&relative)) else {
            if protected.patterns().is_empty() {
                continue;
            }
            return shown(&relative);
        };
        for entry in entries.flatten() {
            let path = relative.join(entry.file_name());
            let directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !directory && protected.matches(&path) {
                return shown(&path);
            }
            if directory {
                open.push(path);
            }
        }
    }
    None
}

/// Tells whether an overlay's upper layer holds something at this path or in its way: a file, a link, the device that
/// stands for a removed entry, or a directory that hides what was below.
fn is_hidden(upper: &Path, path: &Path) -> bool {
    let mut at = upper.to_path_buf();
    for part in path.components() {
        at.push(part);
        match fs::symlink_metadata(&at) {
            Err(error) => return error.kind() != io::ErrorKind::NotFound,
            Ok(found) if !found.is_dir() => return true,
            Ok(_) if is_opaque(&at) => return true,
            Ok(_) => {}
        }
    }
    false
}

/// Tells whether a directory of an upper layer replaces the one below it.
pub fn is_opaque(directory: &Path) -> bool {
    ["user.overlay.opaque", "trusted.overlay.opaque"]
        .iter()
        .any(|name| {
            let mut value = [0_u8; 8];
            matches!(rustix::fs::lgetxattr(directory, *name, &mut value), Ok(1) if value[0] == b'y')
        })
}
