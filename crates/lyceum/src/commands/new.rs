//! `lyceum new`: writes a small study that runs.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use lyceum_study::template::{self, NewFile};

use crate::{exit::Exit, failure::Failure, view::words};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Directory to make
    directory: PathBuf,
    /// Wrap this script, which prints `METRIC name=value`; such a number is self-reported
    #[arg(long, value_name = "SCRIPT")]
    from: Option<PathBuf>,
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what was made, and advice"
)]
pub(super) fn run(json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let directory = &arguments.directory;
    let shown = words::clean(&directory.display().to_string());
    let files = match &arguments.from {
        None => template::new_study(),
        Some(script) => {
            let problem = |error: String| Failure::bad_input(error);
            template::from_script(script).map_err(|error| problem(error.to_string()))?
        }
    };
    if fs::symlink_metadata(directory).is_ok() {
        let empty = fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none());
        if !empty {
            return Err(Failure::bad_input(format!("`{shown}` is there already"))
                .hint("choose a directory that does not exist or is empty"));
        }
    }
    for file in &files {
        write(directory, file).map_err(|error| {
            Failure::bad_input(format!(
                "cannot write `{}` into `{shown}`: {error}",
                file.path
            ))
        })?;
    }
    if json {
        let names: Vec<&String> = files.iter().map(|file| &file.path).collect();
        println!(
            "{}",
            serde_json::json!({ "directory": directory, "files": names })
        );
        return Ok(Exit::Done);
    }
    for file in &files {
        println!("{}", Path::new(&shown).join(&file.path).display());
    }
    if arguments.from.is_some() {
        eprintln!(
            "note: the script prints its own score, so every number of this study is self-reported"
        );
    }
    eprintln!("next: lyceum run {shown}");
    Ok(Exit::Done)
}

fn write(directory: &Path, file: &NewFile) -> std::io::Result<()> {
    let path = directory.join(&file.path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, &file.contents)?;
    let mode = if file.executable { 0o755 } else { 0o644 };
    fs::set_permissions(&path, fs::Permissions::from_mode(mode))
}
