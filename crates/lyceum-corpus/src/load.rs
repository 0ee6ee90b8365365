//! A corpus: a directory of attempts and one of tasks.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{Attempt, Error, Task, files};

/// Where a sandboxed command finds programs: the system's own directories.
const SYSTEM_PATH: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];
/// Most attempts of a corpus.
const ATTEMPTS_MAX: usize = 2000;

/// Attempts with their tasks.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// All attempts, by name.
    pub attempts: Vec<Attempt>,
    /// The tasks that they are for, by name.
    pub tasks: BTreeMap<String, Task>,
}

impl Corpus {
    /// Reads the attempts of `directory/attempts` and the tasks that they name, of `directory/tasks` or of `more`, in this
    /// order. Nothing is run. Everything that is wrong is returned, one error for each attempt or task.
    pub fn load(directory: &Path, more: Option<&Path>) -> Result<Corpus, Vec<Error>> {
        let one = |error| vec![error];
        let place = directory.join("attempts");
        let names = files::names(&place).map_err(one)?;
        if names.is_empty() || names.len() > ATTEMPTS_MAX {
            let path = directory.to_path_buf();
            return Err(one(Error::Empty { path }));
        }
        let mut faults = Vec::new();
        let mut attempts = Vec::new();
        for name in names {
            match Attempt::load(&place.join(&name), &name) {
                Ok(attempt) => attempts.push(attempt),
                Err(error) => faults.push(error),
            }
        }
        let places: Vec<PathBuf> = [Some(directory.join("tasks")), more.map(Path::to_path_buf)]
            .into_iter()
            .flatten()
            .filter(|place| place.is_dir())
            .collect();
        let mut tasks = BTreeMap::new();
        for attempt in &attempts {
            if tasks.contains_key(&attempt.task) {
                continue;
            }
            match find(&places, attempt) {
                Ok(task) => drop(tasks.insert(attempt.task.clone(), task)),
                Err(error) => faults.push(error),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Corpus { attempts, tasks })
    }

    /// Keeps the attempts of these names alone, in the order of the corpus.
    pub fn only(&mut self, wanted: &[String]) -> Result<(), Error> {
        for name in wanted {
            if !self.attempts.iter().any(|attempt| attempt.name == *name) {
                let known: Vec<&str> = self.attempts.iter().map(|one| one.name.as_str()).collect();
                return Err(Error::Attempt {
                    wanted: name.clone(),
                    known: known.join(", "),
                });
            }
        }
        self.attempts
            .retain(|attempt| wanted.contains(&attempt.name));
        Ok(())
    }

    /// Returns the task of an attempt.
    pub fn task_of(&self, attempt: &Attempt) -> Option<&Task> {
        self.tasks.get(&attempt.task)
    }
}

fn find(places: &[PathBuf], attempt: &Attempt) -> Result<Task, Error> {
    let mut known = BTreeSet::new();
    for place in places {
        for name in files::names(place)? {
            if name == attempt.task {
                return Task::load(&place.join(&name), &name);
            }
            known.insert(name);
        }
    }
    Err(Error::Task {
        attempt: attempt.name.clone(),
        task: attempt.task.clone(),
        known: known.into_iter().collect::<Vec<_>>().join(", "),
    })
}

/// Returns an error for each program that an attempt or its task needs and that a sandboxed command would not find.
pub fn missing_tools(corpus: &Corpus) -> Vec<Error> {
    let mut wanted = BTreeMap::new();
    for attempt in &corpus.attempts {
        let task = corpus.task_of(attempt);
        for tool in task.into_iter().flat_map(|task| &task.needs) {
            wanted
                .entry(tool)
                .or_insert_with(|| format!("task `{}`", attempt.task));
        }
        for tool in &attempt.needs {
            wanted
                .entry(tool)
                .or_insert_with(|| format!("attempt `{}`", attempt.name));
        }
    }
    let there = |tool: &str| {
        SYSTEM_PATH
            .iter()
            .any(|place| Path::new(place).join(tool).is_file())
    };
    wanted
        .into_iter()
        .filter(|(tool, _)| !there(tool))
        .map(|(tool, what)| Error::Tool {
            what,
            tool: tool.clone(),
        })
        .collect()
}
