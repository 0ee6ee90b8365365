//! The report's data from the record.

use std::collections::BTreeMap;

use lyceum_types::{
    Body, EvaluationEnded, ExperimentId, Goal, Knob, Outcome, Role, RunId, Settings, Split, Trust,
    Verdict,
};

use super::{
    compare, pinned,
    record::{At, Record, RunRecord},
    spending, watched,
};
use crate::{
    Evidence, Form, Number, Report, format,
    model::{
        Best, Criterion, Drawing, Evaluation, Experiment, Floor, Graded, Head, Metric, Run,
        RunMeasurement, RunState, Sealed, Stage,
    },
};

/// What a report needs beside the events: the study file's words and the ledger's end.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The study as it is named in commands.
    pub study: String,
    /// The knobs in the order of the study file.
    pub knobs: Vec<Knob>,
    /// The budgets of the study file.
    pub limits: BudgetLimits,
    /// The criteria of the rubric in words, in order; those that are not graded yet are printed as not checked.
    pub rubric: Vec<String>,
    /// A picture of the winner's answer, where the study has one.
    pub drawing: Option<Drawing>,
    /// The end of the ledger.
    pub head: Head,
}

/// The budgets of a study file; `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetLimits {
    /// Proposals.
    pub experiments: Option<u64>,
    /// Wall-clock time in milliseconds.
    pub wall_ms: Option<u64>,
    /// CPU time in milliseconds.
    pub cpu_ms: Option<u64>,
    /// Bytes on disk.
    pub disk_bytes: Option<u64>,
}

/// Returns the report on a study from its events: position in the stream, milliseconds since 1970, body.
///
/// Events of a study that is not at its end give a report that says so. Values that are not finite are left out.
pub fn report(events: impl IntoIterator<Item = (u64, i64, Body)>, context: Context) -> Report {
    let mut record = Record::default();
    let (mut kinds, mut oversight) = (BTreeMap::new(), None);
    for (seq, at, body) in events {
        kinds.insert(seq, body.kind().to_owned());
        watched::take(&mut oversight, seq, &body);
        record.take(seq, at, body);
    }
    let fold = Fold::of(&record);
    let best = fold.best();
    let limit = fold.limit();
    let fold = fold.with_decimals(best.as_ref(), limit.as_ref());
    Report {
        study: context.study,
        question: record
            .opened
            .as_ref()
            .map_or_else(String::new, |one| one.body.question.clone()),
        stage: stage(&record),
        start: fold.start(),
        best: fold.best(),
        floor: fold.floor(),
        limit: fold.limit(),
        experiments: fold.experiments(),
        halved: spending::halved(&record),
        claim: compare::claim(&fold),
        ablations: compare::ablations(&fold),
        sealed: fold.sealed(),
        rubric: fold.rubric(&context.rubric),
        evaluations: record.evaluations.iter().map(evaluation).collect(),
        budgets: spending::budgets(&record, context.limits),
        drawing: context.drawing,
        knobs: context.knobs,
        start_settings: fold.start_settings(),
        runs: record.runs.values().map(|run| fold.run(run)).collect(),
        events: kinds,
        earlier: record
            .opened
            .as_ref()
            .map_or_else(Vec::new, |opened| opened.body.earlier.clone()),
        oversight,
        pinned: pinned::pinned(&record),
        head: context.head,
        metric: fold.metric,
    }
}

/// Returns an evaluation in words.
fn evaluation(one: &At<EvaluationEnded>) -> Evaluation {
    let ended = &one.body;
    let grades = ended.grades.iter().map(|graded| Graded {
        text: graded.text.clone(),
        must: graded.must,
        grade: graded.grade.to_string(),
        witness: graded.witness.to_string(),
        why: graded.why.clone(),
    });
    Evaluation {
        event: one.seq,
        iteration: ended.iteration,
        execution: ended.execution.to_string(),
        claim: ended.claim.clone(),
        result: ended.result.to_string(),
        explanation: ended.explanation.clone(),
        grades: grades.collect(),
    }
}

/// The record with the metric that its numbers are of.
pub(super) struct Fold<'a> {
    pub(super) record: &'a Record,
    pub(super) metric: Metric,
}

impl<'a> Fold<'a> {
    fn of(record: &'a Record) -> Fold<'a> {
        let opened = record.opened.as_ref().map(|one| &one.body);
        Fold {
            record,
            metric: Metric {
                name: opened.map_or_else(String::new, |one| one.metric.clone()),
                goal: opened.map_or(Goal::Minimize, |one| one.goal),
                unit: opened.map_or_else(String::new, |one| one.unit.clone()),
                decimals: 6,
                trust: opened.map_or(Trust::SelfReported, |one| one.trust),
            },
        }
    }

    /// Chooses the digits that the metric is printed with.
    fn with_decimals(mut self, best: Option<&Best>, limit: Option<&Number>) -> Fold<'a> {
        let start = self.start();
        let value = |number: Option<&Number>| number.map_or(f64::NAN, Number::value);
        let sd = self.floor().and_then(|floor| floor.sd);
        let reached = best.map(|best| &best.value).or(start.as_ref());
        let gap = value(reached) - value(limit);
        self.metric.decimals =
            format::metric_decimals(value(start.as_ref()).abs(), [value(sd.as_ref()), gap]);
        self
    }

    /// Returns a value of the metric as a number of the report.
    pub(super) fn number(&self, value: f64, evidence: Evidence) -> Option<Number> {
        let number = Number::new(value, Form::Decimals(self.metric.decimals), evidence).ok()?;
        Some(number.with_unit(&self.metric.unit))
    }

    /// Returns the mean of a metric over the runs that gave one.
    fn mean<'r>(&self, runs: impl Iterator<Item = &'r RunRecord>, split: Split) -> Option<Number> {
        let values: Vec<(RunId, f64)> = runs
            .filter_map(|run| Some((run.id(), run.value(split, &self.metric.name)?)))
            .collect();
        let evidence = Evidence::runs(values.iter().map(|(run, _)| *run)).ok()?;
        let mean = values.iter().map(|(_, value)| value).sum::<f64>() / values.len() as f64;
        let trust = match split {
            Split::Search => self.metric.trust,
            Split::Sealed => Trust::Sealed,
        };
        Some(self.number(mean, evidence)?.with_trust(trust))
    }

    fn start(&self) -> Option<Number> {
        self.mean(self.record.looks(ExperimentId(0)), Split::Search)
    }

    fn floor(&self) -> Option<Floor> {
        let runs: Vec<&RunRecord> = self.record.looks(ExperimentId(0)).collect();
        let one = |run: &&RunRecord| self.mean(std::iter::once(*run), Split::Search);
        let values: Vec<Number> = runs.iter().filter_map(one).collect();
        let mean = self.start()?;
        let squares: f64 = values
            .iter()
            .map(|value| (value.value() - mean.value()).powi(2))
            .sum();
        let sd = (values.len() > 1)
            .then(|| {
                mean.derive(&mean, (squares / (values.len() - 1) as f64).sqrt())
                    .ok()
            })
            .flatten();
        Some(Floor { values, sd })
    }

    fn limit(&self) -> Option<Number> {
        let data = self.record.data.as_ref()?;
        let limit = data.body.limits.get(&self.metric.name)?;
        self.number(*limit, Evidence::event(data.seq))
    }

    fn best(&self) -> Option<Best> {
        let kept = self
            .record
            .decided
            .values()
            .filter(|one| one.body.verdict == Verdict::Kept);
        let last = kept.max_by_key(|one| one.seq)?;
        let experiment = self
            .record
            .claimed
            .as_ref()
            .map_or(last.body.experiment, |claim| claim.body.winner);
        if experiment == ExperimentId(0) {
            return None;
        }
        let value = self.mean(self.record.looks(experiment), Split::Search)?;
        Some(Best { experiment, value })
    }

    /// Returns the gain of the winner over the start by what the search measured.
    pub(super) fn searched_gain(&self) -> Option<Number> {
        let (start, best) = (self.start()?, self.best()?.value);
        let gain = self.metric.goal.gain(start.value(), best.value());
        start.derive(&best, gain).ok()
    }

    fn start_settings(&self) -> Settings {
        self.record
            .opened
            .as_ref()
            .map_or_else(Settings::new, |one| one.body.start.clone())
    }

    fn experiments(&self) -> Vec<Experiment> {
        let proposals = self
            .record
            .proposed
            .values()
            .filter(|one| one.body.role == Role::Search);
        proposals.map(|one| self.experiment(one)).collect()
    }

    fn experiment(
        &self,
        proposed: &super::record::At<lyceum_types::ExperimentProposed>,
    ) -> Experiment {
        let body = &proposed.body;
        let decided = self.record.decided.get(&body.experiment);
        let event = || Evidence::event(proposed.seq);
        let prediction = body.prediction.and_then(|prediction| {
            Some((
                self.number(prediction.mean, event())?,
                self.number(prediction.sd, event())?,
            ))
        });
        let gain = decided.and_then(|one| {
            let evidence = Evidence::runs(one.body.runs.iter().copied())
                .unwrap_or_else(|_| Evidence::event(one.seq));
            Some(
                self.number(one.body.gain?, evidence)?
                    .with_trust(self.metric.trust),
            )
        });
        Experiment {
            id: body.experiment,
            settings: body.settings.clone(),
            hypothesis: with_files(&body.hypothesis, &body.files),
            researcher: body.researcher.clone(),
            prediction,
            verdict: decided.map(|one| one.body.verdict),
            why: decided.map_or_else(String::new, |one| one.body.why.clone()),
            value: self.mean(self.record.looks(body.experiment), Split::Search),
            gain,
            runs: self
                .record
                .looks(body.experiment)
                .map(RunRecord::id)
                .collect(),
        }
    }

    fn sealed(&self) -> Option<Sealed> {
        let opened = &self.record.sealed.as_ref()?.body;
        let mean = |ids: &[RunId]| {
            self.mean(
                ids.iter().filter_map(|id| self.record.runs.get(id)),
                Split::Sealed,
            )
        };
        Some(Sealed {
            start: mean(&opened.start),
            winner: mean(&opened.winner),
            look: self.record.answered.as_ref().map(|one| one.body.words()),
        })
    }

    fn rubric(&self, texts: &[String]) -> Vec<Criterion> {
        let graded = |index: usize| {
            self.record
                .graded
                .iter()
                .find(|one| one.body.criterion as usize == index)
        };
        let count = self
            .record
            .graded
            .iter()
            .map(|one| one.body.criterion as usize + 1)
            .max();
        (0..texts.len().max(count.unwrap_or(0)))
            .map(|index| match graded(index) {
                Some(one) => {
                    let evidence = Evidence::runs(one.body.runs.iter().copied())
                        .unwrap_or_else(|_| Evidence::event(one.seq));
                    let number = |value: f64| self.number(value, evidence.clone());
                    Criterion {
                        text: one.body.text.clone(),
                        satisfied: Some(one.body.satisfied),
                        value: one.body.value.and_then(number),
                        interval: one
                            .body
                            .interval
                            .and_then(|(low, high)| Some((number(low)?, number(high)?))),
                        why: one.body.why.clone(),
                    }
                }
                None => Criterion {
                    text: texts.get(index).cloned().unwrap_or_default(),
                    satisfied: None,
                    value: None,
                    interval: None,
                    why: String::new(),
                },
            })
            .collect()
    }

    fn run(&self, run: &RunRecord) -> Run {
        let started = &run.started.body;
        let finished = run.finished.as_ref().map(|one| &one.body);
        let settings = self
            .record
            .proposed
            .get(&started.experiment)
            .map(|one| one.body.settings.clone());
        let measurements = run.measured.iter().map(|one| RunMeasurement {
            split: one.body.split,
            trust: one.body.trust,
            value: match &one.body.measured {
                lyceum_types::Measured::Failed(reason) => Err(reason.to_string()),
                measured @ lyceum_types::Measured::Values { .. } => measured
                    .value(&self.metric.name)
                    .filter(|value| value.is_finite())
                    .ok_or_else(|| "no finite value of the metric".to_owned()),
            },
        });
        // The last word on a split is its answer, where there is one.
        let open = run.cuts.iter().rev().take(1);
        let cut = open.filter(|cut| {
            !run.measured
                .iter()
                .any(|one| one.body.split == cut.body.split)
        });
        let cut = cut.map(|one| RunMeasurement {
            split: one.body.split,
            trust: if one.body.split == Split::Sealed {
                Trust::Sealed
            } else {
                self.metric.trust
            },
            value: Err(format!("cut short: {}", one.body.cause)),
        });
        Run {
            id: run.id(),
            experiment: started.experiment,
            seed: started.seed,
            purpose: started.purpose.clone(),
            settings: settings.unwrap_or_else(|| self.start_settings()),
            threads: started.threads,
            state: run_state(run),
            usage: finished.map(|one| one.usage),
            measurements: measurements.chain(cut).collect(),
            reported: finished
                .map_or_else(Vec::new, |one| one.reported.clone().into_iter().collect()),
            log: log(run),
        }
    }
}

fn run_state(run: &RunRecord) -> RunState {
    if let Some(voided) = &run.voided {
        return RunState::Void {
            why: voided.body.why.clone(),
        };
    }
    if let Some(stopped) = run.stopped() {
        let why = stopped.body.why.clone();
        return RunState::StoppedEarly { why };
    }
    match run.finished.as_ref().map(|one| &one.body.outcome) {
        None => RunState::Open,
        Some(Outcome::Completed) => RunState::Completed,
        Some(Outcome::Failed(reason)) => RunState::Failed {
            reason: reason.to_string(),
        },
        Some(Outcome::Cut { cause }) => RunState::Cut {
            cause: cause.clone(),
        },
    }
}

/// The candidate's log, then the evaluator's where it said something.
fn log(run: &RunRecord) -> String {
    let own = run
        .finished
        .as_ref()
        .map_or("", |one| one.body.log.as_str());
    let judged = run.measured.iter().filter(|one| !one.body.log.is_empty());
    judged.fold(own.to_owned(), |log, one| {
        format!("{log}\n[evaluator]\n{}", one.body.log)
    })
}

fn stage(record: &Record) -> Stage {
    match &record.finished {
        Some(finished) => Stage::Finished {
            satisfied: finished.body.satisfied,
            cut_short: finished.body.cut_short,
            why: finished.body.why.clone(),
        },
        None => Stage::Unfinished {
            stopped: record
                .sessions
                .last()
                .and_then(|session| session.ended.as_ref())
                .map(|one| one.body.reason),
        },
    }
}

/// Returns a hypothesis with the names of the files that the experiment changes beside its settings.
fn with_files(hypothesis: &str, files: &[lyceum_types::Output]) -> String {
    if files.is_empty() {
        return hypothesis.to_owned();
    }
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    format!("{hypothesis} (changes {})", names.join(", "))
}
