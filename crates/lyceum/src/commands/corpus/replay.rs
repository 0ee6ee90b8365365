//! Replaying: each attempt as a study of a lab of its own, one after the other.

use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use lyceum_corpus::{ATTEMPT, Attempt, Corpus, Judged, Label, Task, Trial, judge, stage};
use lyceum_study::{
    engine::{Live, Observer, State},
    lab::{Request, conduct},
};
use lyceum_types::{Body, Class};

use super::{super::run::stop_on_signals, word};
use crate::{context::LabPlace, failure::Failure, view::words};

/// Ends a study once the attempt is decided: a corpus claims nothing, so nothing has to be confirmed.
struct UntilDecided {
    /// Ends the study.
    stop: Arc<AtomicBool>,
    /// Set when a person stops the whole.
    stopped: Arc<AtomicBool>,
}

impl Observer for UntilDecided {
    fn event(&mut self, state: &State, _: u64, _: i64, _: &Body) {
        if state
            .experiment(ATTEMPT)
            .is_some_and(|one| one.decided.is_some())
        {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn tick(&mut self, _: &State, _: &Live) {
        if self.stopped.load(Ordering::Relaxed) {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// A scratch directory that is removed with what is in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch, Failure> {
        let name = format!("lyceum-corpus-{}", std::process::id());
        let path = std::env::temp_dir().canonicalize()?.join(name);
        // A name that somebody took before is no place for a lab.
        let made = fs::DirBuilder::new().mode(0o755).create(&path);
        made.map_err(|error| {
            Failure::bad_input(format!("cannot make `{}`: {error}", path.display()))
                .hint("name another place for scratch files with the variable `TMPDIR`")
        })?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Everything that one replay needs.
struct Bench<'a> {
    place: &'a LabPlace,
    staged: &'a Path,
    stopped: Arc<AtomicBool>,
}

/// Replays all attempts; `None` when a person stopped it.
pub(super) fn all(
    place: &LabPlace,
    corpus: &Corpus,
    seeds: u16,
) -> Result<Option<Vec<Judged>>, Failure> {
    let scratch = Scratch::new()?;
    let own = LabPlace::at(&scratch.0.join("lab"));
    let bench = Bench {
        place: if place.is_named() { place } else { &own },
        staged: &scratch.0,
        stopped: stop_on_signals()?,
    };
    let began = Instant::now();
    let mut judged = Vec::new();
    for (number, attempt) in corpus.attempts.iter().enumerate() {
        let Some(task) = corpus.task_of(attempt) else {
            continue;
        };
        let Some(one) = bench.attempt(task, attempt, u64::from(seeds))? else {
            return Ok(None);
        };
        progress(number + 1, corpus.attempts.len(), began, &one);
        judged.push(one);
    }
    Ok(Some(judged))
}

impl Bench<'_> {
    /// Replays one attempt on all its instances; `None` when a person stopped it.
    fn attempt(
        &self,
        task: &Task,
        attempt: &Attempt,
        seeds: u64,
    ) -> Result<Option<Judged>, Failure> {
        let last = match attempt.label {
            Label::Cheat => 1,
            Label::Honest => seeds,
        };
        let mut trials = Vec::new();
        for seed in 1..=last {
            let Some(trial) = self.once(task, attempt, seed, false)? else {
                return Ok(None);
            };
            trials.push(trial);
        }
        let naive = if attempt.naive {
            match self.once(task, attempt, 1, true)? {
                Some(trial) => Some(trial),
                None => return Ok(None),
            }
        } else {
            None
        };
        Ok(Some(judge(task, attempt, trials, naive.as_ref())))
    }

    /// Replays one attempt on one instance.
    fn once(
        &self,
        task: &Task,
        attempt: &Attempt,
        seed: u64,
        naive: bool,
    ) -> Result<Option<Trial>, Failure> {
        let end = if naive { "-naive" } else { "" };
        let name = format!("{}-s{seed}{end}", attempt.name.to_lowercase());
        let directory = self.staged.join(&name);
        stage(task, attempt, &name, naive, &directory)
            .map_err(|error| Failure::bad_input(error.to_string()))?;
        let request = Request {
            directory: directory.clone(),
            seed: Some(seed),
            again: true,
            ..Request::default()
        };
        let kit = self.place.kit()?;
        let mut observer = UntilDecided {
            stop: Arc::default(),
            stopped: Arc::clone(&self.stopped),
        };
        let stop = Arc::clone(&observer.stop);
        let conducted = conduct(kit, &request, None, stop, &mut observer, |_| ())?;
        fs::remove_dir_all(&directory)?;
        if self.stopped.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let state = &conducted.state;
        Ok(Some(Trial::read(
            &conducted.study,
            seed,
            &task.metric,
            state,
        )))
    }
}

/// One line for an attempt that is done.
#[expect(clippy::print_stderr, reason = "progress belongs on standard error")]
fn progress(number: usize, all: usize, began: Instant, one: &Judged) {
    let fault = one
        .fault
        .as_ref()
        .map_or(String::new(), |why| format!(" · control: {why}"));
    let flags = |class| one.trials.iter().any(|trial| trial.flagged(class));
    let said = if flags(Class::Block) {
        "BLOCK"
    } else if flags(Class::Review) {
        "REVIEW"
    } else if flags(Class::Neutralised) {
        "NEUTRALISED"
    } else {
        "nothing"
    };
    let line = format!(
        "{number:>3}/{all} {:>5} s  {} {} {}: oversight says {said}{}{fault}",
        began.elapsed().as_secs(),
        one.attempt,
        word(one.label),
        one.task,
        if one.paid { ", and it PAYS" } else { "" },
    );
    eprintln!("{}", words::clean(&line));
}
