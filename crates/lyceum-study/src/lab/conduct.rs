//! One session of a lab on a study: open, void what a crash left, drive, end.

use std::sync::{Arc, PoisonError, atomic::AtomicBool};

use lyceum_types::{Body, RunFinished, RunVoided, SessionStarted};

use super::{
    candidate, evaluator,
    kit::{self, Kit},
    machine,
    record::StudyJournal,
    study::{self, OpenError, OpenStudy, Opening, Request},
};
use crate::engine::{
    Broken, Cut, Driver, End, Error, Executor, Journal, JournalError, MeasureEnd, MeasureTask,
    Observer, RunTask, State,
};

/// Why a session failed.
#[derive(Debug, thiserror::Error)]
pub enum ConductError {
    /// The study could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The loop could not go on.
    #[error(transparent)]
    Drive(#[from] Error),
}

/// What came of a session.
#[derive(Debug)]
pub struct Conducted {
    /// The study's name in the lab.
    pub study: String,
    /// How the session ended.
    pub end: End,
    /// What is known.
    pub state: State,
}

/// Runs commands in the sandbox.
pub struct SandboxExecutor {
    kit: Kit,
    open: OpenStudy,
}

impl SandboxExecutor {
    /// Returns the executor of an open study.
    pub fn new(kit: Kit, open: OpenStudy) -> SandboxExecutor {
        SandboxExecutor { kit, open }
    }

    /// A run on a workspace that somebody changed meanwhile gets no receipt.
    fn check_workspace(&self) -> Result<(), Broken> {
        let doing = || format!("checking the workspace `{}`", self.open.workspace.display());
        let mut watch = self
            .open
            .watch
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match watch.look().map_err(Broken::while_doing(doing()))? {
            None => Ok(()),
            Some(changed) => Err(Broken::while_doing(doing())(changed)),
        }
    }
}

impl Executor for SandboxExecutor {
    fn run(&self, task: &RunTask, cut: &Cut) -> Result<RunFinished, Broken> {
        let finished = candidate::run(&self.kit, &self.open, task, cut)?;
        self.check_workspace()?;
        Ok(finished)
    }

    fn measure(&self, task: &MeasureTask, cut: &Cut) -> Result<MeasureEnd, Broken> {
        evaluator::measure(&self.kit, &self.open, task, cut)
    }
}

/// Works on a study until it is finished or a person stops it. The same call goes on where the last one stopped, however
/// it stopped.
///
/// `slots_max` bounds the experiments side by side; `ready` is called once the study is open.
pub fn conduct(
    mut kit: Kit,
    request: &Request,
    slots_max: Option<usize>,
    stop: Arc<AtomicBool>,
    observer: &mut dyn Observer,
    ready: impl FnOnce(&Opening),
) -> Result<Conducted, ConductError> {
    kit::clean_up(&kit.lab).map_err(OpenError::from)?;
    let mut opening = study::open(&mut kit, request)?;
    ready(&opening);
    let name = opening.open.name.clone();
    if opening.state.finished.is_some() {
        return Ok(Conducted {
            study: name,
            end: End::Finished,
            state: opening.state,
        });
    }
    let threads = opening.open.study.run.threads;
    let slots = machine::slots(&machine::processors(), threads as usize, slots_max);
    let first = first_events(&kit, &mut opening, slots.len());
    let mut journal = StudyJournal::new(kit.ledger.clone(), &name);
    let mut state = opening.state;
    for (seq, at, body) in journal.append(first).map_err(OpenError::from)? {
        let applied = state.apply(seq, at, body.clone());
        applied.map_err(|error| OpenError::from(JournalError::Fold(error)))?;
        observer.event(&state, seq, at, &body);
    }
    let researcher = lyceum_search::by_name(&opening.researcher).ok_or_else(|| {
        let expected = lyceum_search::NAMES.join(", ");
        OpenError::Researcher {
            found: opening.researcher.clone(),
            expected,
        }
    })?;
    let driver = Driver {
        journal: &mut journal,
        state,
        protocol: &opening.protocol,
        researcher: researcher.as_ref(),
        executor: Arc::new(SandboxExecutor::new(kit, opening.open)),
        slots,
        threads,
        stop,
        observer,
    };
    let (end, state) = driver.drive()?;
    Ok(Conducted {
        study: name,
        end,
        state,
    })
}

/// Returns the events with which a session begins.
fn first_events(kit: &Kit, opening: &mut Opening, slots: usize) -> Vec<Body> {
    let mut first: Vec<Body> = Vec::new();
    if let Some((opened, drawn)) = opening.first.take() {
        first.push(opened.into());
        first.push(drawn.into());
    }
    let capabilities = kit.sandbox.capabilities();
    first.push(
        SessionStarted {
            pid: std::process::id(),
            slots: slots as u32,
            sandbox: serde_json::to_string(capabilities).unwrap_or_default(),
            machine: machine::facts(),
            binary: kit.own_hash.clone(),
            lyceum: env!("CARGO_PKG_VERSION").to_owned(),
        }
        .into(),
    );
    let open = opening
        .state
        .runs
        .iter()
        .filter(|run| run.finished.is_none() && run.voided.is_none());
    first.extend(open.map(|run| {
        let why = "the lab died before the run ended; its sandbox is gone".to_owned();
        Body::from(RunVoided { run: run.id, why })
    }));
    first
}
