//! A metric that is a ratio of times: the unchanged workspace's program against the candidate's, in interleaved pairs on
//! fresh inputs, each in a clean sandbox, by the supervisor's reading of the process. Outputs must agree.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use lyceum_stats::{median, quantile};
use lyceum_types::{FailureReason, Measured, Output, RunMeasured, Seed, Trust};

use super::{
    evaluator::{PRIVATE, finite, measure_cut},
    fresh::{Program, Session, Stop},
    kit::{self, Kit, read_only},
    study::OpenStudy,
};
use crate::{
    engine::{Broken, Cut, MeasureEnd, MeasureTask},
    format::{Clock, Placeholder, Timed},
};

const BASELINE: &str = "/check/baseline";
const CANDIDATE: &str = "/check/candidate";

struct Pairs<'a> {
    session: Session<'a>,
    timing: &'a Timed,
    baseline: PathBuf,
}

/// Measures how much faster the candidate is.
pub(super) fn measure(
    kit: &Kit,
    open: &OpenStudy,
    timing: &Timed,
    task: &MeasureTask,
    cut: &Cut,
) -> Result<MeasureEnd, Broken> {
    let scratch = kit.scratch(&format!("{}-{}-measure", open.name, task.finished.run))?;
    let baseline = scratch.path().join("baseline");
    let own: &[Output] = &task.finished.outputs;
    let files = if task.baseline.is_empty() {
        own
    } else {
        &task.baseline
    };
    kit.lay_out(files, &baseline)?;
    let mut pairs = Pairs {
        session: Session::new(kit, open, task, timing.limits, &scratch, cut)?,
        timing,
        baseline,
    };
    let ratios = (0..timing.pairs)
        .map(|pair| pairs.pair(pair))
        .collect::<Result<Vec<_>, _>>();
    let (fresh, used) = (pairs.session.seed, pairs.session.used);
    kit::discard(&scratch)?;
    let measured = match ratios {
        Ok(ratios) => summary(&open.study.metric.name, &ratios),
        Err(Stop::Cut(cause)) => return Ok(MeasureEnd::Cut(measure_cut(task, cause, used))),
        Err(Stop::Failed(reason)) => Measured::Failed(reason),
        Err(Stop::Broken(broken)) => return Err(broken),
    };
    Ok(MeasureEnd::Measured(RunMeasured {
        run: task.finished.run,
        split: task.split,
        trust: Trust::Measured,
        measured,
        fresh: Some(fresh),
        usage: used,
        log: String::new(),
    }))
}

fn summary(metric: &str, ratios: &[f64]) -> Measured {
    let mut values = BTreeMap::new();
    let figures = [
        ("", median(ratios)),
        (".q25", quantile(ratios, 0.25)),
        (".q75", quantile(ratios, 0.75)),
    ];
    for (suffix, value) in figures {
        values.extend(value.map(|value| (format!("{metric}{suffix}"), value)));
    }
    match finite(metric, values) {
        Ok(values) => Measured::Values { values },
        Err(reason) => Measured::Failed(reason),
    }
}

impl Pairs<'_> {
    /// Times both sides once on one fresh input, in alternating order, and returns baseline time over candidate time.
    fn pair(&mut self, pair: u32) -> Result<f64, Stop> {
        let place = self
            .session
            .bench
            .scratch
            .path()
            .join(format!("pair-{pair}"));
        let input = place.join("input");
        let seed: Seed = self.session.seed.derive("input", u64::from(pair));
        self.session.make_input(&self.timing.input, &input, seed)?;
        let outputs = self.session.bench.outputs.clone();
        let baseline = self.baseline.clone();
        let mut sides = [("baseline", baseline), ("candidate", outputs)];
        if pair % 2 == 1 {
            sides.reverse();
        }
        let mut times = BTreeMap::new();
        for (name, program) in &sides {
            let time = self.time(name, program, &input, &place.join(name))?;
            times.insert(*name, time.as_secs_f64());
        }
        self.check(&place)?;
        Ok(times["baseline"] / times["candidate"])
    }

    /// Runs one side and returns its time.
    fn time(
        &mut self,
        side: &str,
        files: &Path,
        input: &Path,
        place: &Path,
    ) -> Result<Duration, Stop> {
        let program = Program {
            whose: side,
            files,
            command: &self.timing.command,
            // A child that nobody reaps would hide its processor time from the clock.
            single_process: true,
        };
        let record = self.session.run(&program, input, place)?;
        Ok(match self.timing.clock {
            Clock::Cpu => record.usage.cpu,
            Clock::Wall => record.usage.workload_wall,
        })
    }

    /// Asks the evaluator whether both outputs agree.
    fn check(&mut self, place: &Path) -> Result<(), Stop> {
        let mounts = [
            read_only(&place.join("baseline/output"), BASELINE),
            read_only(&place.join("candidate/output"), CANDIDATE),
        ];
        let fill = [
            (Placeholder::Baseline, BASELINE),
            (Placeholder::Output, CANDIDATE),
            (Placeholder::Private, PRIVATE),
        ];
        let (_, answer) = self.session.judge(&self.timing.check, &fill, &mounts)?;
        let agree = answer.map_err(Stop::Failed)?.get("agree").copied();
        if agree == Some(1.0) {
            return Ok(());
        }
        let problem = "the outputs of candidate and baseline do not agree".to_owned();
        Err(Stop::Failed(FailureReason::Evaluator { problem }))
    }
}
