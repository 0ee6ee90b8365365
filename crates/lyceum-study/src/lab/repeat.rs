//! Repeating what the record says: a run from its seed and settings, a measurement from its kept outputs.

use std::{fs, path::PathBuf};

use lyceum_types::{Measured, Outcome, Output, RunFinished, RunId, RunMeasured, Split};

use super::{
    candidate, evaluator,
    kit::{self, Kit},
    study::{self, OpenError, OpenStudy, Request},
};
use crate::engine::{Allowance, Broken, Cut, MeasureEnd, MeasureTask, RunTask, State};

/// Opens a study of the ledger for repeating; nothing is written about it.
pub struct Repeater {
    kit: Kit,
    open: OpenStudy,
    state: State,
}

/// A run and its repetition.
#[derive(Clone, Debug)]
pub struct Repeated {
    /// The receipt in the record.
    pub then: RunFinished,
    /// The receipt of the repetition.
    pub now: RunFinished,
    /// The measurement in the record.
    pub measured_then: Option<RunMeasured>,
    /// The measurement of the repetition's outputs.
    pub measured_now: Option<RunMeasured>,
}

impl Repeated {
    /// Tells whether the outputs are the same, byte for byte.
    pub fn same_outputs(&self) -> bool {
        let names = |finished: &RunFinished| -> Vec<(String, String)> {
            finished
                .outputs
                .iter()
                .map(|one| (one.name.clone(), one.blob.clone()))
                .collect()
        };
        self.then.outcome == self.now.outcome && names(&self.then) == names(&self.now)
    }
}

impl Repeater {
    /// Opens the study, which must be as it was when it was begun.
    pub fn open(mut kit: Kit, directory: PathBuf, again: &str) -> Result<Repeater, OpenError> {
        kit::clean_up(&kit.lab)?;
        let request = Request {
            directory,
            ..Request::default()
        };
        let opening = study::open_named(&mut kit, &request, again)?;
        Ok(Repeater {
            kit,
            open: opening.open,
            state: opening.state,
        })
    }

    /// Returns what is known of the study.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Runs a run again, from its seed, its settings and its replay file; `None` when it has no receipt.
    pub fn run(&self, id: RunId) -> Result<Option<Repeated>, Broken> {
        let Some((run, then)) = self
            .state
            .run(id)
            .and_then(|run| Some((run, run.finished.clone()?)))
        else {
            return Ok(None);
        };
        let task = RunTask {
            run: id,
            experiment: run.experiment,
            settings: self
                .state
                .settings(run.experiment)
                .cloned()
                .unwrap_or_default(),
            files: self.state.files(run.experiment).to_vec(),
            seed: run.seed,
            cpus: run.cpus.clone(),
            allowance: Allowance::default(),
            replay: self.replay_file(&then)?,
            reports: false,
        };
        let now = candidate::run(&self.kit, &self.open, &task, &Cut::default(), &|_| ())?;
        let measured_then = run.searched.clone();
        let measured_now = match (&now.outcome, &measured_then) {
            (Outcome::Completed, Some(_)) => self.measure(id, now.clone())?,
            _ => None,
        };
        Ok(Some(Repeated {
            then,
            now,
            measured_then,
            measured_now,
        }))
    }

    /// Measures the kept outputs of a run again; `None` when there is nothing to measure.
    pub fn measure_again(&self, id: RunId) -> Result<Option<(RunMeasured, RunMeasured)>, Broken> {
        let Some(run) = self.state.run(id).filter(|run| run.completed()) else {
            return Ok(None);
        };
        let (Some(then), Some(finished)) = (run.searched.clone(), run.finished.clone()) else {
            return Ok(None);
        };
        Ok(self.measure(id, finished)?.map(|now| (then, now)))
    }

    fn measure(&self, id: RunId, finished: RunFinished) -> Result<Option<RunMeasured>, Broken> {
        let Some(run) = self.state.run(id) else {
            return Ok(None);
        };
        let baseline = self
            .state
            .runs_of(lyceum_types::ExperimentId(0))
            .find(|one| one.completed());
        let outputs = baseline
            .and_then(|one| one.finished.as_ref())
            .map(|one| one.outputs.clone());
        let task = MeasureTask {
            finished,
            seed: run.seed,
            split: Split::Search,
            baseline: outputs.unwrap_or_default(),
            cpus: run.cpus.clone(),
            allowance: Allowance::default(),
        };
        match evaluator::measure(&self.kit, &self.open, &task, &Cut::default())? {
            MeasureEnd::Measured(measured) => Ok(Some(measured)),
            MeasureEnd::Cut(_) => Ok(None),
        }
    }

    fn replay_file(&self, then: &RunFinished) -> Result<Option<Vec<u8>>, Broken> {
        let Some(name) = &self.open.study.run.replay else {
            return Ok(None);
        };
        let Some(output) = then
            .outputs
            .iter()
            .find(|output: &&Output| output.name == *name)
        else {
            return Ok(None);
        };
        let place = self.kit.scratch("replay")?;
        self.kit
            .lay_out(std::slice::from_ref(output), place.path())?;
        let bytes = fs::read(place.path().join(name))
            .map_err(Broken::while_doing("reading the replay file of the run"))?;
        kit::discard(&place)?;
        Ok(Some(bytes))
    }
}

/// Returns whether two measurements gave the same numbers, bit for bit.
pub fn same_measurement(then: &RunMeasured, now: &RunMeasured) -> bool {
    match (&then.measured, &now.measured) {
        (Measured::Values { values: then }, Measured::Values { values: now }) => then == now,
        (Measured::Failed(_), Measured::Failed(_)) => true,
        (Measured::Values { .. }, Measured::Failed(_))
        | (Measured::Failed(_), Measured::Values { .. }) => false,
    }
}
