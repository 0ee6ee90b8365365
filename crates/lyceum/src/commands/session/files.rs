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
use lyceum_study::{lab::harmless, workspace};

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
        for (file, _, executable) in after.iter().filter(|one| has_other_mode(&before, one)) {
            let now = if *executable { "now" } else { "no longer" };
            println!("{}: {now} executable", words::clean(file));
        }
    }
    Ok(Exit::Done)
}

/// Returns whether a file was there before and may be executed now and not then, or the other way round.
fn has_other_mode(before: &Contents, (file, _, executable): &(String, Vec<u8>, bool)) -> bool {
    let old = before.iter().find(|(name, ..)| name == file);
    old.is_some_and(|(.., old)| old != executable)
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn export(place: &LabPlace, json: bool, arguments: &Export) -> Result<Exit, Failure> {
    let (name, _, files) = files(place, Some(&arguments.session))?;
    let directory = &arguments.directory;
    let failed =
        |error: std::io::Error| Failure::bad_input(format!("`{}`: {error}", directory.display()));
    fs::create_dir(directory).map_err(failed)?;
    let names: Vec<&str> = files.iter().map(|(file, ..)| file.as_str()).collect();
    let harmless = harmless(&names);
    let (mut count, mut left_out) = (0, Vec::new());
    for (file, bytes, executable) in &files {
        if !harmless.contains(&file.as_str()) {
            left_out.push(file.as_str());
            continue;
        }
        if let Err(error) = put(&directory.join(file), bytes, *executable) {
            // What is there by half would pass for the whole.
            let _ = fs::remove_dir_all(directory);
            return Err(failed(error));
        }
        count += 1;
    }
    if json {
        let object = serde_json::json!({ "session": name, "files": count, "left_out": left_out });
        println!("{}", crate::view::visible(&object.to_string()));
    } else {
        println!("{name}: {count} files in {}", directory.display());
        for file in left_out {
            println!(
                "left out, since `git` or this lab would obey it: {}",
                words::clean(file)
            );
        }
    }
    Ok(Exit::Done)
}

pub(crate) fn put(path: &Path, bytes: &[u8], executable: bool) -> std::io::Result<()> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    options.mode(if executable { 0o755 } else { 0o644 });
    options.open(path)?.write_all(bytes)
}
