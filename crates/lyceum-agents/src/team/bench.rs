//! A thread's place in the sandbox: the shared files as it has them, its own changes above, nothing else of the machine.
//!
//! Each command runs on a fresh overlay, and what it changed is taken from there: one that dies has changed nothing.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use lyceum_ledger::BlobId;
use lyceum_sandbox::{
    Access, Exit, Mount as SandboxMount, Record, harvest, scratch::Scratch, show_untrusted,
};
use lyceum_study::{
    engine::{Broken, Cut},
    lab::{
        Kit, Order, discard, is_harmless_path, is_obeyed, is_plain_path, read_only, write_owned_as,
    },
    workspace::{self, ListedKind},
};
use lyceum_types::Output;

use crate::{
    hands,
    session::event::Mount,
    tool::{
        Done, RESULT_BYTES_MAX, bounded, cut_middle, ended,
        shelf::{Laid, Shelf},
    },
};

/// Where the files are inside.
const WORKSPACE: &str = "/workspace";
/// Where the hands find their request.
const REQUEST: &str = "/request";
/// Name of the scratch directories: in capitals, as no study's is.
const SCRATCH: &str = "TEAM";
/// Longest time that the hands are given.
const HANDS_TIMEOUT: Duration = Duration::from_mins(1);
/// Most files that a command may leave changed.
const FILES_MAX: usize = 256;
/// Largest of them.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Most bytes of all of them.
const TOTAL_BYTES_MAX: u64 = 16 << 20;
/// Most entries that a command may leave.
const ENTRIES_MAX: usize = 20_000;

/// Files by name: what a thread sees.
pub(crate) type Files<'a> = BTreeMap<&'a str, &'a Output>;

/// What a command sees.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// The files that are shared, or were there at the beginning.
    pub(crate) shared: &'a Files<'a>,
    /// The files that its thread has changed.
    pub(crate) own: &'a [Output],
    /// Memory stores.
    pub(crate) mounts: &'a [Mount],
    /// Where those lie.
    pub(crate) shelf: &'a Shelf,
}

/// Takes the files of a directory as the first that are shared.
pub(crate) fn first_files(kit: &Kit, directory: &Path) -> Result<Vec<Output>, String> {
    let limits = workspace::Limits {
        entries: ENTRIES_MAX,
        bytes: TOTAL_BYTES_MAX,
    };
    let lab = kit.lab().root().canonicalize().ok();
    let whole = directory.canonicalize().ok();
    let skip = |path: &Path| {
        let is_lab = || lab.is_some() && whole.as_ref().map(|whole| whole.join(path)) == lab;
        path.file_name().is_some_and(is_obeyed) || is_lab()
    };
    let listed = workspace::list_without(directory, limits, &skip);
    let mut files = Vec::new();
    for one in listed.map_err(|error| error.to_string())? {
        let name = one.path.to_str().filter(|name| is_plain_path(name));
        let (ListedKind::File { executable, .. }, Some(name)) = (one.kind, name) else {
            return Err(format!("`{}` is no plain file", one.path.display()));
        };
        let path = directory.join(&one.path);
        let bytes =
            std::fs::read(&path).map_err(|error| format!("`{}`: {error}", path.display()))?;
        files.push(keep(kit, name, &bytes, executable).map_err(|error| error.to_string())?);
    }
    Ok(files)
}

/// Keeps bytes as a file of this name.
pub(crate) fn keep(
    kit: &Kit,
    name: &str,
    bytes: &[u8],
    executable: bool,
) -> Result<Output, Broken> {
    let failed = Broken::while_doing(format!("keeping `{name}`"));
    let blob = kit.ledger().put_blob(bytes).map_err(failed)?;
    Ok(Output {
        name: name.to_owned(),
        blob: blob.to_string(),
        bytes: bytes.len() as u64,
        executable,
    })
}

/// Returns the files of a thread: the shared ones with its own above.
pub(crate) fn above<'a>(shared: &Files<'a>, own: &'a [Output]) -> Files<'a> {
    let mut all = shared.clone();
    all.extend(own.iter().map(|file| (file.name.as_str(), file)));
    all
}

/// Does something with files.
pub(crate) fn with_hands(
    kit: &Kit,
    request: &hands::Request,
    seen: Seen<'_>,
    cut: &Cut,
) -> Result<Done, Broken> {
    let arguments = vec![hands::NAME.into(), format!("{REQUEST}/request.json")];
    let json = serde_json::to_vec(request).map_err(Broken::while_doing("asking the hands"))?;
    let (record, mut done) = run(kit, (arguments, Some(&json)), HANDS_TIMEOUT, seen, cut)?;
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
pub(crate) fn bash(
    kit: &Kit,
    script: &str,
    timeout: Duration,
    seen: Seen<'_>,
    cut: &Cut,
) -> Result<Done, Broken> {
    let arguments = vec!["sh".into(), "-c".into(), script.to_owned()];
    let (record, mut done) = run(kit, (arguments, None), timeout, seen, cut)?;
    let mut text = format!("{}\n", ended(&record.exit));
    for (name, stream) in [("output", &record.stdout), ("errors", &record.stderr)] {
        let shown = show_untrusted(&stream.joined());
        if !shown.is_empty() {
            text.push_str(name);
            text.push_str(":\n");
            text.push_str(cut_middle(shown, RESULT_BYTES_MAX / 2).trim_end());
            text.push('\n');
        }
    }
    done.is_error = done.is_error || record.exit != Exit::Code(0);
    done.text = bounded(text + &done.text);
    Ok(done)
}

fn run(
    kit: &Kit,
    command: (Vec<String>, Option<&[u8]>),
    timeout: Duration,
    seen: Seen<'_>,
    cut: &Cut,
) -> Result<(Record, Done), Broken> {
    let scratch = kit.scratch(SCRATCH)?;
    let ran = seen.shelf.with(kit, seen.mounts, |laid| {
        run_in(kit, (&scratch, laid), command, timeout, seen, cut)
    });
    discard(&scratch)?;
    ran
}

fn run_in(
    kit: &Kit,
    (scratch, laid): (&Scratch, &Laid),
    (arguments, request): (Vec<String>, Option<&[u8]>),
    timeout: Duration,
    Seen { shared, own, .. }: Seen<'_>,
    cut: &Cut,
) -> Result<(Record, Done), Broken> {
    let doing = || "laying out a thread's files";
    let seen: Vec<Output> = above(shared, own).into_values().cloned().collect();
    for edit in kit.read_kept(&seen)? {
        write_owned_as(&scratch.out(), &edit.path, &edit.bytes, edit.executable)
            .map_err(Broken::while_doing(doing()))?;
    }
    let mut policy = kit.policy(WORKSPACE, 1, &[]);
    policy.mounts.push(SandboxMount {
        source: scratch.out(),
        target: PathBuf::from(WORKSPACE),
        access: Access::Overlay {
            upper: scratch.upper(),
            work: scratch.work(),
        },
    });
    if let Some(request) = request {
        let room = scratch.path().join("request");
        write_owned_as(&room, "request.json", request, false)
            .map_err(Broken::while_doing(doing()))?;
        policy.mounts.push(read_only(&room, REQUEST));
    }
    policy.mounts.extend(laid.mount());
    policy.limits.wall = timeout;
    policy.limits.cpu = timeout;
    let order = Order {
        arguments,
        policy,
        answer: false,
        scratch: scratch.path(),
    };
    let record = kit.execute(&order, cut)?;
    let mut done = take(kit, &scratch.upper(), shared, own)?;
    laid.tell_left_out(&mut done.text);
    done.cpu_ms = record.usage.cpu.as_millis() as u64;
    Ok((record, done))
}

/// Takes what a command changed from its layer. A file that is again as it is shared is no change.
fn take(kit: &Kit, upper: &Path, shared: &Files<'_>, own: &[Output]) -> Result<Done, Broken> {
    let refused = |why: String| Done {
        is_error: true,
        text: format!("the files are as they were before: {why}\n"),
        ..Done::default()
    };
    let limits = workspace::Limits {
        entries: ENTRIES_MAX,
        bytes: TOTAL_BYTES_MAX,
    };
    let listed = match workspace::list(upper, limits, &[]) {
        Ok(listed) => listed,
        Err(error) => return Ok(refused(error.to_string())),
    };
    let (mut kept, mut others) = (BTreeMap::new(), 0_usize);
    for one in listed {
        match (
            one.kind,
            one.path.to_str().filter(|name| is_harmless_path(name)),
        ) {
            (ListedKind::File { executable, .. }, Some(name)) => {
                kept.insert(name.to_owned(), executable);
            }
            _ => others += 1,
        }
    }
    let limits = harvest::Limits {
        files: FILES_MAX,
        file_bytes: FILE_BYTES_MAX,
        total_bytes: TOTAL_BYTES_MAX,
        ..harvest::Limits::default()
    };
    let names: Vec<String> = kept.keys().cloned().collect();
    let taken = match harvest::harvest(upper, &names, &limits) {
        Ok(taken) => taken,
        Err(error) => return Ok(refused(error.to_string())),
    };
    let mut files: BTreeMap<String, Output> = own
        .iter()
        .map(|file| (file.name.clone(), file.clone()))
        .collect();
    for file in taken {
        let executable = kept.get(&file.name).copied().unwrap_or(false);
        let blob = BlobId::of(&file.bytes).to_string();
        let same = shared.get(file.name.as_str());
        if same.is_some_and(|one| one.blob == blob && one.executable == executable) {
            files.remove(&file.name);
            continue;
        }
        let output = keep(kit, &file.name, &file.bytes, executable)?;
        files.insert(file.name, output);
    }
    let mut done = Done::default();
    if others > 0 {
        done.text = format!(
            "not kept: {others} links, special files, removals, or files of `.git` and `.lyceum`\n"
        );
    }
    if let Some(problem) = in_the_way(shared, &files) {
        return Ok(refused(problem));
    }
    let files: Vec<Output> = files.into_values().collect();
    done.files = (files != own).then_some(files);
    Ok(done)
}

/// Says which file would have to be a directory too.
fn in_the_way(shared: &Files<'_>, own: &BTreeMap<String, Output>) -> Option<String> {
    let all = shared.keys().copied().chain(own.keys().map(String::as_str));
    let all: std::collections::BTreeSet<&std::path::Path> = all.map(std::path::Path::new).collect();
    let mut above = all.iter().flat_map(|path| path.ancestors().skip(1));
    let found = above.find(|above| all.contains(above))?;
    let shown = show_untrusted(found.as_os_str().as_encoded_bytes());
    Some(format!("`{shown}` is a file and cannot be a directory"))
}
