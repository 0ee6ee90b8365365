//! A study's data: drawn once, kept as blobs, laid out on their sides of the wall.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use lyceum_sandbox::Role;
use lyceum_types::{DataDrawn, Output, Seed, Split};

use super::{
    kit::{self, Kit, OUTPUTS, Order, read_only},
    study::OpenError,
};
use crate::{
    engine::{Broken, Cut},
    format::{Data, Opened, Placeholder},
    workspace::{Content, Manifest},
};

/// Optional file of a data program: the best possible value of a metric, by name.
const LIMITS: &str = "limits.json";
/// Where the data program's own files are inside.
const SOURCE: &str = "/source";
/// Where the user's files are inside.
const INPUTS: &str = "/inputs";

/// Directories of the three sides.
pub(super) struct Sides {
    pub(super) public: Option<PathBuf>,
    pub(super) private: Option<PathBuf>,
    pub(super) sealed: Option<PathBuf>,
}

/// Draws the data of a new study and keeps its private files.
pub(super) fn draw(
    kit: &Kit,
    opened: &Opened,
    directory: &Path,
    inputs: &BTreeMap<String, PathBuf>,
    seed: Seed,
) -> Result<DataDrawn, OpenError> {
    let mut drawn = DataDrawn {
        public: vec![],
        private: keep_private(kit, opened, directory, Split::Search)?,
        sealed: keep_private(kit, opened, directory, Split::Sealed)?,
        limits: BTreeMap::new(),
        inputs: BTreeMap::new(),
    };
    if let Some(data) = &opened.study.data {
        run_program(kit, data, directory, inputs, seed, &mut drawn)?;
    }
    Ok(drawn)
}

/// Keeps the files that the study hides from the candidate.
fn keep_private(
    kit: &Kit,
    opened: &Opened,
    directory: &Path,
    split: Split,
) -> Result<Vec<Output>, OpenError> {
    keep_files(kit, directory, opened.private_files(split)?)
}

/// Keeps the files of a manifest.
pub(super) fn keep_files(
    kit: &Kit,
    directory: &Path,
    manifest: Manifest,
) -> Result<Vec<Output>, OpenError> {
    let mut kept = Vec::new();
    for entry in manifest.entries {
        let Content::File { executable, .. } = entry.content else {
            continue;
        };
        let path = directory.join(&entry.path);
        let doing = format!("keeping private file `{}`", path.display());
        let bytes = fs::read(&path).map_err(Broken::while_doing(doing.clone()))?;
        let blob = kit
            .ledger
            .put_blob(&bytes)
            .map_err(Broken::while_doing(doing))?;
        kept.push(Output {
            name: entry.path.display().to_string(),
            blob: blob.to_string(),
            bytes: bytes.len() as u64,
            executable,
        });
    }
    Ok(kept)
}

fn run_program(
    kit: &Kit,
    data: &Data,
    directory: &Path,
    inputs: &BTreeMap<String, PathBuf>,
    seed: Seed,
    drawn: &mut DataDrawn,
) -> Result<(), OpenError> {
    let scratch = kit.scratch_for("data", Role::Evaluator)?;
    let source = fs::canonicalize(directory.join(&data.path)).map_err(Broken::while_doing(
        format!("resolving the data directory `{}`", data.path),
    ))?;
    let mut policy = kit.policy(SOURCE, 1, &[]);
    policy.role = Role::Evaluator;
    policy.mounts.push(read_only(&source, SOURCE));
    policy.mounts.push(lyceum_sandbox::Mount {
        source: scratch.out(),
        target: OUTPUTS.into(),
        access: lyceum_sandbox::Access::Write,
    });
    let drawn_by = seed.derive("data", 0).to_string();
    policy.environment.insert("LYCEUM_SEED".into(), drawn_by);
    policy
        .environment
        .insert("LYCEUM_OUTPUTS".into(), OUTPUTS.into());
    for (name, path) in inputs {
        let doing = format!("reading input `{name}` from `{}`", path.display());
        let path = fs::canonicalize(path).map_err(Broken::while_doing(doing.clone()))?;
        let bytes = fs::read(&path).map_err(Broken::while_doing(doing.clone()))?;
        drawn
            .inputs
            .insert(name.clone(), blake3::hash(&bytes).to_hex().to_string());
        let place = scratch.path().join("inputs").join(name);
        kit::write_readable(&place, &bytes, false).map_err(Broken::while_doing(doing))?;
        let inside = format!("{INPUTS}/{name}");
        let variable = format!("LYCEUM_INPUT_{}", name.to_uppercase().replace('-', "_"));
        policy.environment.insert(variable, inside);
    }
    if !inputs.is_empty() {
        policy
            .mounts
            .push(read_only(&scratch.path().join("inputs"), INPUTS));
    }
    policy.limits = kit::limits(data.limits.timeout.0, data.limits.memory.0, 1);
    let fill = [
        (Placeholder::Outputs, OUTPUTS),
        (Placeholder::Inputs, INPUTS),
    ];
    let arguments = data.command.fill(&fill);
    let order = Order {
        arguments,
        policy,
        answer: false,
        scratch: scratch.path(),
    };
    let record = kit.execute(&order, &Cut::default())?;
    if let Some(reason) = kit::failure(&record.exit) {
        kit::discard(&scratch)?;
        let problem = format!("{reason}\n{}", kit::log(&record).trim_end());
        return Err(OpenError::Data { problem });
    }
    let keep = |names: &[String]| -> Result<Vec<Output>, OpenError> {
        kit.keep(&scratch.out(), names, false)?
            .map_err(|reason| OpenError::Data {
                problem: reason.to_string(),
            })
    };
    drawn.public = keep(&data.public)?;
    drawn.private.extend(keep(&data.private)?);
    drawn.sealed.extend(keep(&data.sealed)?);
    if fs::symlink_metadata(scratch.out().join(LIMITS)).is_ok() {
        drawn.limits = read_limits(&scratch.out())?;
    }
    kit::discard(&scratch)?;
    Ok(())
}

fn read_limits(directory: &Path) -> Result<BTreeMap<String, f64>, OpenError> {
    let wrong = |problem: String| OpenError::Data {
        problem: format!("`{LIMITS}`: {problem}"),
    };
    let files =
        kit::take(directory, &[LIMITS.to_owned()]).map_err(|reason| wrong(reason.to_string()))?;
    let bytes = files
        .first()
        .map(|file| file.bytes.as_slice())
        .unwrap_or_default();
    serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))
}

/// Closes a directory to all other users of the host. Without namespaces the evaluator is one of them and has to reach it.
fn close(kit: &Kit, path: &Path) -> Result<(), Broken> {
    use std::os::unix::fs::PermissionsExt as _;
    if kit.sandbox.capabilities().level != lyceum_sandbox::Level::Namespace {
        return Ok(());
    }
    let failed = Broken::while_doing(format!("closing `{}`", path.display()));
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)
}

/// Lays the data out for this session, from blobs whose hashes are checked as they are read.
pub(super) fn lay_out(kit: &Kit, study: &str, drawn: &DataDrawn) -> Result<Sides, Broken> {
    let root = kit.lab.data(study);
    if root.exists() {
        fs::remove_dir_all(&root).map_err(Broken::while_doing(format!(
            "clearing `{}`",
            root.display()
        )))?;
    }
    let side = |name: &str, files: &[&[Output]]| -> Result<Option<PathBuf>, Broken> {
        if files.iter().all(|files| files.is_empty()) {
            return Ok(None);
        }
        let path = root.join(name);
        for files in files {
            kit.lay_out(files, &path)?;
        }
        if name != "public" {
            close(kit, &path)?;
        }
        let failed = Broken::while_doing(format!("resolving `{}`", path.display()));
        fs::canonicalize(&path).map(Some).map_err(failed)
    };
    Ok(Sides {
        public: side("public", &[&drawn.public])?,
        private: side("private", &[&drawn.private])?,
        // The evaluator's own scripts are among its private files, and the sealed evaluation needs them too.
        sealed: side("sealed", &[&drawn.private, &drawn.sealed])?,
    })
}
