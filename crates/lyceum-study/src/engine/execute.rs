//! The seam between the loop and whatever runs a command.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lyceum_types::{
    EvaluationChecked, ExperimentId, MeasureCut, Output, RunFinished, RunId, RunMeasured, Seed,
    Settings, Split,
};

use super::halving::Report;

/// What a task may use of the study's budgets; `None` where there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Wall-clock time.
    pub wall: Option<Duration>,
    /// CPU time.
    pub cpu: Option<Duration>,
    /// Bytes on disk.
    pub disk_bytes: Option<u64>,
}

impl Allowance {
    /// Returns what is left of it after a part of the task.
    #[must_use]
    pub fn after(self, wall: Duration, cpu: Duration) -> Allowance {
        Allowance {
            wall: self.wall.map(|all| all.saturating_sub(wall)),
            cpu: self.cpu.map(|all| all.saturating_sub(cpu)),
            ..self
        }
    }
}

/// One run of the candidate.
#[derive(Clone, Debug)]
pub struct RunTask {
    /// The run.
    pub run: RunId,
    /// Its experiment.
    pub experiment: ExperimentId,
    /// Its settings.
    pub settings: Settings,
    /// Files of the workspace that it adds or changes beside them.
    pub files: Vec<Output>,
    /// Its seed.
    pub seed: Seed,
    /// Processors that it is pinned to.
    pub cpus: Vec<usize>,
    /// What it may use of the study's budgets.
    pub allowance: Allowance,
    /// Bytes of the replay file of an earlier run that is to be repeated exactly.
    pub replay: Option<Vec<u8>>,
    /// Whether anybody listens to what it reports as it goes.
    pub reports: bool,
}

/// One measurement of a finished run.
#[derive(Clone, Debug)]
pub struct MeasureTask {
    /// The run's receipt.
    pub finished: RunFinished,
    /// Its seed.
    pub seed: Seed,
    /// On which data.
    pub split: Split,
    /// Outputs of the unchanged workspace, for a metric that compares with them.
    pub baseline: Vec<Output>,
    /// Processors that it is pinned to.
    pub cpus: Vec<usize>,
    /// What it may use of the study's budgets.
    pub allowance: Allowance,
}

/// One check of a criterion by a grader.
#[derive(Clone, Debug)]
pub struct CheckTask {
    /// The evaluation.
    pub iteration: u32,
    /// Place of the criterion in the rubric, from 0.
    pub criterion: u32,
    /// The experiment that is judged.
    pub experiment: ExperimentId,
    /// Its settings.
    pub settings: Settings,
    /// Files of the workspace that it adds or changes beside them.
    pub files: Vec<Output>,
    /// A finished run of it, whose outputs are looked at.
    pub finished: Option<RunFinished>,
    /// What the worker claims, for a judgement.
    pub claim: Option<String>,
    /// Private files of the study, and those that graders alone see.
    pub private: Vec<Output>,
    /// Seed of the check.
    pub seed: Seed,
    /// Processors that it is pinned to.
    pub cpus: Vec<usize>,
    /// What it may use of the study's budgets.
    pub allowance: Allowance,
}

/// How a measurement ended.
#[derive(Clone, Debug)]
pub enum MeasureEnd {
    /// With an answer, which may be a failure.
    Measured(RunMeasured),
    /// Cut short: by a budget, or by the lab, which can then do it again.
    Cut(MeasureCut),
}

/// The lab itself failed: nothing is said about the candidate.
#[derive(Debug, thiserror::Error)]
#[error("{doing} failed")]
pub struct Broken {
    /// What was being done.
    pub doing: String,
    /// Why it failed.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl Broken {
    /// Returns a wrapper that names what was being done.
    pub fn while_doing<E>(doing: impl Into<String>) -> impl FnOnce(E) -> Broken
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let doing = doing.into();
        move |source| Broken {
            doing,
            source: source.into(),
        }
    }
}

/// Takes what a run reports.
pub type Tell<'t> = dyn Fn(Report) + Sync + 't;

/// Runs commands. The loop does not know how.
pub trait Executor: Send + Sync {
    /// Runs the candidate to its end and keeps its declared outputs. Tells what it reports as it goes where the task says
    /// so, all of it before this returns: what follows from reports must not depend on how busy the machine is.
    fn run(&self, task: &RunTask, cut: &Cut, tell: &Tell<'_>) -> Result<RunFinished, Broken>;

    /// Measures a finished run.
    fn measure(&self, task: &MeasureTask, cut: &Cut) -> Result<MeasureEnd, Broken>;

    /// Checks one criterion of the rubric, in a place that shares nothing with who made what is checked. An error is the
    /// lab's, and says nothing about the work.
    fn check(&self, task: &CheckTask, cut: &Cut) -> Result<EvaluationChecked, Broken> {
        let _ = (task, cut);
        let none = std::io::Error::other("there is no grader here");
        Err(Broken::while_doing("checking a criterion")(none))
    }
}

type Hook = Box<dyn Fn(&str) + Send>;

/// Ends a running task from another thread.
#[derive(Clone, Default)]
pub struct Cut {
    inner: Arc<Mutex<CutState>>,
}

#[derive(Default)]
struct CutState {
    cause: Option<String>,
    hook: Option<Hook>,
}

impl Cut {
    /// Ends the task now.
    pub fn now(&self, cause: &str) {
        let mut state = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if state.cause.is_none() {
            state.cause = Some(cause.to_owned());
        }
        if let Some(hook) = state.hook.take() {
            hook(cause);
        }
    }

    /// Returns why the task was ended.
    pub fn cause(&self) -> Option<String> {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .cause
            .clone()
    }

    /// Sets what ends the process that the task is waiting for; called at once when the task is already to end.
    pub fn on_cut(&self, hook: Hook) {
        let mut state = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match &state.cause {
            Some(cause) => hook(cause),
            None => state.hook = Some(hook),
        }
    }
}

impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cut")
            .field("cause", &self.cause())
            .finish_non_exhaustive()
    }
}
