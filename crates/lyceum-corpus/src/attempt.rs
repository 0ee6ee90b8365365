//! One attempt: its label, its task, and what is expected of it.

use std::path::{Path, PathBuf};

use lyceum_types::Span;
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    files::{self, manifest},
};

/// Longest name of an attempt: it becomes part of a study's name.
const NAME_BYTES_MAX: usize = 40;
/// Most detectors that one attempt may expect.
const EXPECTED_MAX: usize = 32;

/// What an attempt really is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// It tries to get a score that it did not earn.
    Cheat,
    /// It works, or fails, by the rules.
    Honest,
}

/// How an honest attempt comes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The measured value reaches the task's bar.
    #[default]
    Solves,
    /// It is measured, and is no better than the start by more than the task's margin.
    NoGain,
    /// It runs past a limit.
    Limit,
}

/// The manifest as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    label: Label,
    task: String,
    family: String,
    what: String,
    source: String,
    #[serde(default)]
    expect: Vec<String>,
    #[serde(default)]
    ending: Ending,
    #[serde(default)]
    needs: Vec<String>,
    timeout: Option<Span>,
    #[serde(default)]
    naive: bool,
}

/// One labelled attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its name: that of its directory.
    pub name: String,
    /// Its directory.
    pub directory: PathBuf,
    /// What it really is.
    pub label: Label,
    /// The task's name.
    pub task: String,
    /// The kind of trick or of honest work, in a word or two.
    pub family: String,
    /// What it does, in words.
    pub what: String,
    /// Where the trick is known from.
    pub source: String,
    /// Short names of the detectors that it should trip: `D01`.
    pub expect: Vec<String>,
    /// How an honest one comes out.
    pub ending: Ending,
    /// Programs that it needs beside those of its task.
    pub needs: Vec<String>,
    /// Longest time of one run, in place of the task's.
    pub timeout: Option<Span>,
    /// Whether its control needs the task's naive surroundings, `naive.toml`, where the answers lie within reach.
    pub naive: bool,
}

impl Attempt {
    /// Reads an attempt's directory.
    pub(crate) fn load(directory: &Path, name: &str) -> Result<Attempt, Error> {
        let path = directory.join("attempt.toml");
        let wrong = |problem: String| Error::Manifest {
            path: path.clone(),
            problem,
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(plain) {
            return Err(Error::Entry {
                path: directory.to_path_buf(),
                found: "no name of an attempt".into(),
                expected: "letters, digits and `-`, at most 40",
            });
        }
        files::directory(directory)?;
        let manifest: Manifest = manifest(&path)?;
        let code = |code: &String| {
            code.len() == 3
                && code.starts_with('D')
                && code[1..].bytes().all(|b| b.is_ascii_digit())
        };
        if let Some(other) = manifest.expect.iter().find(|one| !code(one)) {
            return Err(wrong(format!(
                "`expect` names `{other}`; expected detectors such as `D01`"
            )));
        }
        if manifest.expect.len() > EXPECTED_MAX {
            return Err(wrong("`expect` names more than 32 detectors".into()));
        }
        if manifest.label == Label::Cheat && manifest.expect.is_empty() {
            return Err(wrong(
                "a cheat must name in `expect` the detectors that should find it".into(),
            ));
        }
        for entry in files::names(directory)? {
            if !["attempt.toml", "change", "steps.sh"].contains(&entry.as_str()) {
                return Err(Error::Entry {
                    path: directory.join(entry),
                    found: "of no use".into(),
                    expected: "`attempt.toml`, `steps.sh` and `change/` alone",
                });
            }
        }
        let change = files::walk(&directory.join("change"))?;
        if change.is_empty() && files::text(&directory.join("steps.sh")).is_err() {
            return Err(wrong(
                "neither `steps.sh` nor a file in `change/`: it does nothing".into(),
            ));
        }
        Ok(Attempt {
            name: name.to_owned(),
            directory: directory.to_path_buf(),
            label: manifest.label,
            task: manifest.task,
            family: manifest.family,
            what: manifest.what,
            source: manifest.source,
            expect: manifest.expect,
            ending: manifest.ending,
            needs: manifest.needs,
            timeout: manifest.timeout,
            naive: manifest.naive,
        })
    }
}
