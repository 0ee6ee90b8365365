//! The events of a study, sorted by what they are about and each with its position.

use std::collections::BTreeMap;

use lyceum_types::{
    Ablated, Body, Claimed, DataDrawn, Decided, EvaluationEnded, ExperimentId, ExperimentProposed,
    Graded, MeasureCut, Measured, Outcome, Purpose, RunFinished, RunId, RunMeasured, RunReported,
    RunStarted, RunVoided, SealedAnswered, SealedOpened, SessionEnded, SessionStarted, Split,
    StudyFinished, StudyOpened, Usage,
};

/// A body and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) seq: u64,
    pub(super) body: T,
}

/// A run with its receipt and its measurements.
#[derive(Clone, Debug)]
pub(super) struct RunRecord {
    pub(super) started: At<RunStarted>,
    pub(super) finished: Option<At<RunFinished>>,
    pub(super) voided: Option<At<RunVoided>>,
    pub(super) measured: Vec<At<RunMeasured>>,
    pub(super) cuts: Vec<At<MeasureCut>>,
    pub(super) reports: Vec<At<RunReported>>,
}

/// A session: when it started, when its last event was written, how it ended.
#[derive(Clone, Debug)]
pub(super) struct SessionRecord {
    pub(super) started: At<SessionStarted>,
    pub(super) started_at: i64,
    pub(super) last_at: i64,
    pub(super) ended: Option<At<SessionEnded>>,
}

/// All events of a study.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) opened: Option<At<StudyOpened>>,
    pub(super) data: Option<At<DataDrawn>>,
    pub(super) sessions: Vec<SessionRecord>,
    pub(super) proposed: BTreeMap<ExperimentId, At<ExperimentProposed>>,
    pub(super) decided: BTreeMap<ExperimentId, At<Decided>>,
    pub(super) runs: BTreeMap<RunId, RunRecord>,
    pub(super) claimed: Option<At<Claimed>>,
    pub(super) ablated: Vec<At<Ablated>>,
    pub(super) sealed: Option<At<SealedOpened>>,
    pub(super) answered: Option<At<SealedAnswered>>,
    pub(super) graded: Vec<At<Graded>>,
    pub(super) finished: Option<At<StudyFinished>>,
    pub(super) evaluations: Vec<At<EvaluationEnded>>,
    /// Bytes that the events take up beside the outputs of runs.
    pub(super) bytes_kept: u64,
}

impl Record {
    /// Takes in one event. What refers to something unknown is left out: the ledger's own fold reports it.
    pub(super) fn take(&mut self, seq: u64, at: i64, body: Body) {
        if let Some(session) = self.sessions.last_mut() {
            session.last_at = at;
        }
        self.bytes_kept += body.disk_bytes() - outputs_of(&body);
        match body {
            Body::StudyOpened(body) => self.opened = Some(At { seq, body }),
            Body::DataDrawn(body) => self.data = Some(At { seq, body }),
            Body::SessionStarted(body) => self.sessions.push(SessionRecord {
                started: At { seq, body },
                started_at: at,
                last_at: at,
                ended: None,
            }),
            Body::SessionEnded(body) => {
                if let Some(session) = self.sessions.last_mut() {
                    session.ended = Some(At { seq, body });
                }
            }
            Body::ExperimentProposed(body) => {
                self.proposed.insert(body.experiment, At { seq, body });
            }
            Body::RunStarted(body) => {
                let record = RunRecord {
                    started: At { seq, body },
                    finished: None,
                    voided: None,
                    measured: Vec::new(),
                    cuts: Vec::new(),
                    reports: Vec::new(),
                };
                self.runs.insert(record.started.body.run, record);
            }
            Body::RunFinished(body) => {
                if let Some(run) = self.runs.get_mut(&body.run) {
                    run.finished = Some(At { seq, body });
                }
            }
            Body::RunReported(body) => {
                if let Some(run) = self.runs.get_mut(&body.run) {
                    run.reports.push(At { seq, body });
                }
            }
            Body::RunVoided(body) => {
                if let Some(run) = self.runs.get_mut(&body.run) {
                    run.voided = Some(At { seq, body });
                }
            }
            Body::RunMeasured(body) => {
                if let Some(run) = self.runs.get_mut(&body.run) {
                    run.measured.push(At { seq, body });
                }
            }
            Body::MeasureCut(body) => {
                if let Some(run) = self.runs.get_mut(&body.run) {
                    run.cuts.push(At { seq, body });
                }
            }
            Body::Decided(body) => {
                self.decided.insert(body.experiment, At { seq, body });
            }
            Body::SearchEnded(_)
            | Body::TurnGiven(_)
            | Body::OversightBegan(_)
            | Body::IncidentRaised(_)
            | Body::StudyStopped(_)
            | Body::StudyResumed(_)
            | Body::Explained(_)
            | Body::ApprovalUsed(_)
            | Body::MemoryRecalled(_)
            | Body::AutonomyChanged(_)
            | Body::AutonomyLent(_)
            | Body::OutcomeDefined(_)
            | Body::HandedIn(_)
            | Body::PersonAwaited(_)
            | Body::EvaluationOngoing(_)
            | Body::EvaluationChecked(_)
            | Body::EvaluationStarted(_) => {}
            Body::EvaluationEnded(body) => self.evaluations.push(At { seq, body }),
            Body::SealedAnswered(body) => self.answered = Some(At { seq, body }),
            Body::Claimed(body) => self.claimed = Some(At { seq, body }),
            Body::Ablated(body) => self.ablated.push(At { seq, body }),
            Body::SealedOpened(body) => self.sealed = Some(At { seq, body }),
            Body::Graded(body) => self.graded.push(At { seq, body }),
            Body::StudyFinished(body) => self.finished = Some(At { seq, body }),
        }
    }

    /// Returns the runs of an experiment that the search made: floor, first look and repeats.
    pub(super) fn looks(&self, id: ExperimentId) -> impl Iterator<Item = &RunRecord> {
        self.runs.values().filter(move |run| {
            let started = &run.started.body;
            let look = matches!(
                started.purpose,
                Purpose::Floor | Purpose::Search | Purpose::Repeat
            );
            started.experiment == id && look
        })
    }
}

impl RunRecord {
    /// Returns the run's id.
    pub(super) fn id(&self) -> RunId {
        self.started.body.run
    }

    /// Returns the report by which the run was stopped early.
    pub(super) fn stopped(&self) -> Option<&At<RunReported>> {
        self.reports.last().filter(|last| last.body.stopped)
    }

    /// Returns what each measurement used, cut short or not.
    pub(super) fn judged(&self) -> impl Iterator<Item = &Usage> {
        let measured = self.measured.iter().map(|one| &one.body.usage);
        measured.chain(self.cuts.iter().map(|one| &one.body.usage))
    }

    /// Returns the finite value of a metric on a split.
    pub(super) fn value(&self, split: Split, metric: &str) -> Option<f64> {
        let on_split = self.measured.iter().find(|one| one.body.split == split)?;
        on_split
            .body
            .measured
            .value(metric)
            .filter(|value| value.is_finite())
    }

    /// Tells whether the run gave no number through its own fault.
    pub(super) fn failed(&self) -> bool {
        let outcome = self
            .finished
            .as_ref()
            .map(|finished| &finished.body.outcome);
        let judged = self
            .measured
            .iter()
            .any(|one| matches!(one.body.measured, Measured::Failed(_)));
        matches!(outcome, Some(Outcome::Failed(_))) || judged
    }
}

/// Returns the bytes of the outputs of a run that ended.
fn outputs_of(body: &Body) -> u64 {
    match body {
        Body::RunFinished(finished) => finished.outputs.iter().map(|one| one.bytes).sum(),
        _ => 0,
    }
}
