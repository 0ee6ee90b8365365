//! Measuring a finished run in a clean sandbox that sees the declared outputs and the private files, and nothing of the
//! candidate's workspace. Its answer comes on a descriptor that the candidate never had, bound to a fresh nonce.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use lyceum_ledger::Ledger;
use lyceum_sandbox::{Exit, Mount, Record, Role};
use lyceum_types::{FailureReason, MeasureCut, Measured, RunMeasured, Split, Trust, Usage};

use super::{
    answer, executed,
    kit::{self, Bounds, Kit, OUTPUTS, Order, read_only},
    study::OpenStudy,
    timed,
};
use crate::{
    engine::{Broken, Cut, MeasureEnd, MeasureTask},
    format::{Command, Limits, Measure, Placeholder},
};

/// Where private files are inside.
pub(super) const PRIVATE: &str = "/private";
/// An evaluator's working directory.
pub(super) const HOME: &str = "/tmp";

/// Measures a finished run.
pub(super) fn measure(
    kit: &Kit,
    open: &OpenStudy,
    task: &MeasureTask,
    cut: &Cut,
) -> Result<MeasureEnd, Broken> {
    let study = &open.study;
    let (command, limits) = match (&study.measure, task.split, &study.sealed) {
        (_, Split::Sealed, Some(sealed)) => (&sealed.command, sealed.limits),
        (Measure::Evaluator(evaluator), _, _) => (&evaluator.command, evaluator.limits),
        (Measure::Timed(timing), _, _) => return timed::measure(kit, open, timing, task, cut),
        (Measure::Executed(program), _, _) => {
            return executed::measure(kit, open, program, task, cut);
        }
        (Measure::SelfReported, _, _) => {
            return Ok(MeasureEnd::Measured(self_reported(open, task)));
        }
    };
    let named = format!("{}-{}-measure", open.name, task.finished.run);
    let scratch = kit.scratch_for(&named, Role::Evaluator)?;
    let outputs = scratch.path().join("measured");
    kit.lay_out(&task.finished.outputs, &outputs)?;
    let place = Bench {
        kit,
        open,
        task,
        outputs,
        scratch: &scratch,
        began: Instant::now(),
    };
    let fill = [
        (Placeholder::Outputs, OUTPUTS),
        (Placeholder::Private, PRIVATE),
    ];
    let bounds = place.bounds(limits, Duration::ZERO);
    let judged = place.judge(command, &fill, &[], &bounds, cut)?;
    kit::discard(&scratch)?;
    let (record, answer) = match judged {
        Judged::Answered(record, answer) => (record, answer),
        Judged::Cut(cause, used) => return Ok(MeasureEnd::Cut(measure_cut(task, cause, used))),
    };
    let measured = answer.and_then(|values| finite(&study.metric.name, values));
    let measured = measured.map_or_else(Measured::Failed, |values| Measured::Values { values });
    let failed = matches!(measured, Measured::Failed(_));
    Ok(MeasureEnd::Measured(RunMeasured {
        run: task.finished.run,
        split: task.split,
        trust: if task.split == Split::Sealed {
            Trust::Sealed
        } else {
            Trust::Measured
        },
        measured,
        fresh: None,
        usage: kit::usage(&record),
        log: if failed {
            kit::log(&record)
        } else {
            String::new()
        },
    }))
}

/// One measurement's surroundings.
pub(super) struct Bench<'a> {
    pub(super) kit: &'a Kit,
    pub(super) open: &'a OpenStudy,
    pub(super) task: &'a MeasureTask,
    /// The candidate's outputs, laid out for reading.
    pub(super) outputs: PathBuf,
    pub(super) scratch: &'a lyceum_sandbox::scratch::Scratch,
    /// When the measurement began: its allowance of time counts from there.
    pub(super) began: Instant,
}

/// How one command of a measurement ended.
pub(super) enum Judged {
    /// It came to its own end.
    Answered(Box<Record>, Answer),
    /// A budget or the lab cut it: why, and what it had used.
    Cut(String, Usage),
}

/// Returns the event of a measurement that was cut.
pub(super) fn measure_cut(task: &MeasureTask, cause: String, usage: Usage) -> MeasureCut {
    MeasureCut {
        run: task.finished.run,
        split: task.split,
        cause,
        usage,
    }
}

/// Returns why a command was cut by a budget or by the lab; `None` when it came to its own end.
pub(super) fn cut_cause(bounds: &Bounds, exit: &Exit) -> Option<String> {
    match exit {
        Exit::Killed { cause } => Some(cause.clone()),
        exit => bounds.spent(exit).map(|spent| spent.cause().to_owned()),
    }
}

/// What an evaluator's command said: numbers by name, or why there are none.
pub(super) type Answer = Result<BTreeMap<String, f64>, FailureReason>;

impl Bench<'_> {
    /// Returns the limits of a command within what is left when `used` of the CPU time is gone.
    pub(super) fn bounds(&self, limits: Limits, used: Duration) -> Bounds {
        let own = kit::limits(limits.timeout.0, limits.memory.0, 1);
        Bounds::new(own, self.task.allowance.after(self.began.elapsed(), used))
    }

    /// Runs one of the evaluator's commands and reads its answer.
    pub(super) fn judge(
        &self,
        command: &Command,
        fill: &[(Placeholder, &str)],
        mounts: &[Mount],
        bounds: &Bounds,
        cut: &Cut,
    ) -> Result<Judged, Broken> {
        let mut policy = self.kit.policy(HOME, 1, &self.task.cpus);
        policy.role = Role::Evaluator;
        policy.mounts.push(read_only(&self.outputs, OUTPUTS));
        let private = match self.task.split {
            Split::Search => &self.open.private,
            Split::Sealed => &self.open.sealed,
        };
        if let Some(private) = private {
            policy.mounts.push(read_only(private, PRIVATE));
        }
        policy.mounts.extend(mounts.iter().cloned());
        policy.limits = bounds.limits();
        let nonce = random_hex(&self.kit.ledger);
        policy
            .environment
            .insert("LYCEUM_NONCE".into(), nonce.clone());
        policy
            .environment
            .insert("LYCEUM_SEED".into(), self.task.seed.to_string());
        policy
            .environment
            .insert("LYCEUM_OUTPUTS".into(), OUTPUTS.into());
        let arguments = command.fill(fill);
        let order = Order {
            arguments,
            policy,
            answer: true,
            scratch: self.scratch.path(),
        };
        let record = self.kit.execute(&order, cut)?;
        if let Some(cause) = cut_cause(bounds, &record.exit) {
            return Ok(Judged::Cut(cause, kit::usage(&record)));
        }
        let answer = match kit::failure(&record.exit) {
            Some(reason) => Err(FailureReason::Evaluator {
                problem: said(&reason, &record),
            }),
            None => answer::read(record.answer.as_deref().unwrap_or_default(), &nonce),
        };
        Ok(Judged::Answered(Box::new(record), answer))
    }
}

/// The reason with the last line that the evaluator printed.
fn said(reason: &FailureReason, record: &Record) -> String {
    match kit::log(record).lines().last() {
        Some(line) if !line.is_empty() => format!("{reason}: {line}"),
        _ => reason.to_string(),
    }
}

/// Refuses an answer without the study's metric or with a number that is not finite.
pub(super) fn finite(metric: &str, values: BTreeMap<String, f64>) -> Answer {
    match values.get(metric) {
        None => Err(FailureReason::NoMetric {
            metric: metric.to_owned(),
        }),
        Some(value) if !value.is_finite() => Err(FailureReason::NotFinite {
            metric: metric.to_owned(),
            found: value.to_string().to_lowercase(),
        }),
        // Numbers beside the metric that are not finite are dropped: they decide nothing.
        Some(_) => Ok(values
            .into_iter()
            .filter(|(_, value)| value.is_finite())
            .collect()),
    }
}

/// The candidate's own word, where a study has no evaluator.
fn self_reported(open: &OpenStudy, task: &MeasureTask) -> RunMeasured {
    let metric = &open.study.metric.name;
    let measured = match finite(metric, task.finished.reported.clone()) {
        Ok(values) => Measured::Values { values },
        Err(reason) => Measured::Failed(reason),
    };
    RunMeasured {
        run: task.finished.run,
        split: task.split,
        trust: Trust::SelfReported,
        measured,
        fresh: None,
        usage: Usage::default(),
        log: String::new(),
    }
}

/// Returns 128 random bits in hexadecimal.
pub(super) fn random_hex(ledger: &Ledger) -> String {
    format!("{:032x}", u128::from_le_bytes(random_bytes(ledger)))
}

/// Returns bytes that nobody can guess, from the ledger's source.
pub(super) fn random_bytes<const N: usize>(ledger: &Ledger) -> [u8; N] {
    let mut bytes = [0; N];
    ledger.draw(&mut bytes);
    bytes
}
