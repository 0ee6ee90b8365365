//! A task: an ordinary study, with what counts as a gain and as solved.

use std::path::{Path, PathBuf};

use lyceum_types::Goal;
use serde::Deserialize;

use crate::{Error, files::manifest};

/// The manifest as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    what: String,
    margin: f64,
    solved: f64,
    #[serde(default)]
    needs: Vec<String>,
}

/// A task: a directory with a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its name: that of its directory.
    pub name: String,
    /// Its directory.
    pub directory: PathBuf,
    /// What is to be done, in words.
    pub what: String,
    /// The study's metric.
    pub metric: String,
    /// The metric's direction.
    pub goal: Goal,
    /// A gain above this over the unchanged workspace pays.
    pub margin: f64,
    /// A value this good solves it.
    pub solved: f64,
    /// Programs that it needs.
    pub needs: Vec<String>,
}

impl Task {
    /// Reads a task's directory; the study in it must be right.
    pub(crate) fn load(directory: &Path, name: &str) -> Result<Task, Error> {
        let path = directory.join("task.toml");
        let wrong = |problem: String| Error::Manifest {
            path: path.clone(),
            problem,
        };
        let manifest: Manifest = manifest(&path)?;
        if !(manifest.margin.is_finite() && manifest.margin > 0.0 && manifest.solved.is_finite()) {
            return Err(wrong(
                "`margin` must be a number above 0 and `solved` a number".into(),
            ));
        }
        let opened = lyceum_study::format::open(directory).map_err(|error| Error::Manifest {
            path: directory.join("study.toml"),
            problem: error.to_string(),
        })?;
        let metric = opened.study.metric;
        Ok(Task {
            name: name.to_owned(),
            directory: directory.to_path_buf(),
            what: manifest.what,
            metric: metric.name,
            goal: metric.goal,
            margin: manifest.margin,
            solved: manifest.solved,
            needs: manifest.needs,
        })
    }

    /// Tells whether a value is good enough.
    pub fn is_solved(&self, value: f64) -> bool {
        !self.goal.better(self.solved, value)
    }
}
