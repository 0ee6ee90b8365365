//! `lyceum session diff` and `export`: what a session without a study made.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use lyceum_agents::{
    Fold as _,
    alone::{self, Contents},
    session::State,
};
use lyceum_study::{lab::is_plain_path, workspace};

use super::named;
use crate::{context::LabPlace, exit::Exit, failure::Failure, view::words};

#[derive(Debug, clap::Args)]
pub(crate) struct Diff {
    /// The session [default: the only one]
    session: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// The session
    session: String,
    /// The directory, which must not be there yet
    directory: PathBuf,
}

/// Returns a session's name with the files that it began with and those that it has.
fn files(place: &LabPlace, name: Option<&str>) -> Result<(String, Contents, Contents), Failure> {
    let reader = place.reader()?;
    let name = named(&reader, name)?;
    let state = State::load(&reader, &name)?;
    match alone::files(&reader, &state)? {
        Some((before, after)) => Ok((name, before, after)),
        None => Err(
            Failure::bad_input(format!("session `{name}` has no workspace of its own")).hint(
                "what the session of a study changed stands in its experiments: `lyceum show`",
            ),
        ),
    }
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn diff(place: &LabPlace, json: bool, arguments: &Diff) -> Result<Exit, Failure> {
    let (name, before, after) = files(place, arguments.session.as_deref())?;
    let changed: Vec<&str> = after
        .iter()
        .filter(|one| !before.contains(one))
        .map(|one| one.0.as_str())
        .collect();
    let bare = |files: &Contents| -> Vec<(String, Vec<u8>)> {
        let files = files.iter();
        files
            .map(|(name, bytes, _)| (name.clone(), bytes.clone()))
            .collect()
    };
    let text = workspace::diff(&bare(&before), &bare(&after));
    if json {
        let object = serde_json::json!({ "session": name, "changed": changed, "diff": text });
        println!("{}", crate::view::visible(&object.to_string()));
    } else if changed.is_empty() {
        println!("{name}: no file differs from the beginning");
    } else {
        for line in text.lines() {
            println!("{}", words::clean(line));
        }
    }
    Ok(Exit::Done)
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn export(place: &LabPlace, json: bool, arguments: &Export) -> Result<Exit, Failure> {
    let (name, _, files) = files(place, Some(&arguments.session))?;
    let directory = &arguments.directory;
    let failed =
        |error: std::io::Error| Failure::bad_input(format!("`{}`: {error}", directory.display()));
    fs::create_dir(directory).map_err(failed)?;
    let named = files.iter().filter(|(file, ..)| is_plain_path(file));
    let mut count = 0;
    for (file, bytes, executable) in named {
        if let Err(error) = put(&directory.join(file), bytes, *executable) {
            // What is there by half would pass for the whole.
            let _ = fs::remove_dir_all(directory);
            return Err(failed(error));
        }
        count += 1;
    }
    if json {
        println!("{}", serde_json::json!({ "session": name, "files": count }));
    } else {
        println!("{name}: {count} files in {}", directory.display());
    }
    Ok(Exit::Done)
}

fn put(path: &Path, bytes: &[u8], executable: bool) -> std::io::Result<()> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    options.mode(if executable { 0o755 } else { 0o644 });
    options.open(path)?.write_all(bytes)
}
