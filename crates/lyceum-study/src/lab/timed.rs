//! A metric that is a ratio of times: the unchanged workspace's program against the candidate's, in interleaved pairs on
//! fresh inputs, each in a clean sandbox, by the supervisor's reading of the process. Outputs must agree.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use lyceum_sandbox::{Access, Mount, Record};
use lyceum_stats::{median, quantile};
use lyceum_types::{FailureReason, Measured, Output, RunMeasured, Seed, Trust, Usage};

use super::{
    evaluator::{Answer, Bench, Judged, PRIVATE, cut_cause, finite, measure_cut, random_bytes},
    kit::{self, Bounds, Kit, OUTPUTS, Order, read_only},
    study::OpenStudy,
};
use crate::{
    engine::{Broken, Cut, MeasureEnd, MeasureTask},
    format::{Clock, Command, Placeholder, Timed},
};

const INPUT: &str = "/input/input";
const RESULT: &str = "/result/output";
const BASELINE: &str = "/check/baseline";
const CANDIDATE: &str = "/check/candidate";

/// Why a pair gave no ratio.
enum Stop {
    Cut(String),
    Failed(FailureReason),
    Broken(Broken),
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Stop {
        Stop::Broken(broken)
    }
}

struct Session<'a> {
    bench: Bench<'a>,
    timing: &'a Timed,
    baseline: std::path::PathBuf,
    cut: &'a Cut,
    used: Usage,
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
    let outputs = scratch.path().join("measured");
    let baseline = scratch.path().join("baseline");
    kit.lay_out(&task.finished.outputs, &outputs)?;
    let own: &[Output] = &task.finished.outputs;
    let files = if task.baseline.is_empty() {
        own
    } else {
        &task.baseline
    };
    kit.lay_out(files, &baseline)?;
    // The candidate could not have known it: the run is over, and its outputs are kept.
    let fresh = Seed(u64::from_le_bytes(random_bytes()?) >> 11);
    let mut session = Session {
        bench: Bench {
            kit,
            open,
            task,
            outputs,
            scratch: &scratch,
            began: Instant::now(),
        },
        timing,
        baseline,
        cut,
        used: Usage::default(),
    };
    let ratios = (0..timing.pairs)
        .map(|pair| session.pair(pair, fresh))
        .collect::<Result<Vec<_>, _>>();
    let used = session.used;
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

impl Session<'_> {
    /// Times both sides once on one fresh input, in alternating order, and returns baseline time over candidate time.
    fn pair(&mut self, pair: u32, fresh: Seed) -> Result<f64, Stop> {
        let place = self.bench.scratch.path().join(format!("pair-{pair}"));
        let input = place.join("input");
        self.make_input(&input, fresh.derive("input", u64::from(pair)))?;
        let outputs = self.bench.outputs.clone();
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

    fn make_input(&mut self, input: &Path, seed: Seed) -> Result<(), Stop> {
        let room = self.room(input)?;
        let seed = seed.to_string();
        let inside = format!("{OUTPUTS}-made/input");
        let mount = Mount {
            source: room.clone(),
            target: format!("{OUTPUTS}-made").into(),
            access: Access::Write,
        };
        let fill = [
            (Placeholder::Seed, seed.as_str()),
            (Placeholder::Input, inside.as_str()),
            (Placeholder::Private, PRIVATE),
        ];
        let timing = self.timing;
        let (record, _) = self.judge(&timing.input, &fill, &[mount])?;
        if let Some(reason) = kit::failure(&record.exit) {
            let problem = format!(
                "making the input: {reason}: {}",
                kit::log(&record).trim_end()
            );
            return Err(Stop::Failed(FailureReason::Evaluator { problem }));
        }
        kit::take(&room, &["input".to_owned()])
            .map(drop)
            .map_err(Stop::Failed)
    }

    /// Runs one side in a sandbox of its own and returns its time. It sees its program and the input, nothing else.
    fn time(
        &mut self,
        side: &str,
        program: &Path,
        input: &Path,
        place: &Path,
    ) -> Result<Duration, Stop> {
        let room = self.room(place)?;
        let kit = self.bench.kit;
        let mut policy = kit.policy("/tmp", 1, &self.bench.task.cpus);
        policy.mounts.push(read_only(program, OUTPUTS));
        policy.mounts.push(read_only(input, "/input"));
        policy.mounts.push(Mount {
            source: room.clone(),
            target: "/result".into(),
            access: Access::Write,
        });
        let bounds = self.bounds();
        policy.limits = bounds.limits();
        // A child that nobody reaps would hide its processor time from the clock.
        policy.single_process = true;
        let fill = [
            (Placeholder::Outputs, OUTPUTS),
            (Placeholder::Input, INPUT),
            (Placeholder::Output, RESULT),
        ];
        let arguments = self.timing.command.fill(&fill);
        let scratch = self.bench.scratch.path();
        let record = kit.execute(
            &Order {
                arguments,
                policy,
                answer: false,
                scratch,
            },
            self.cut,
        )?;
        self.add(&kit::usage(&record));
        if let Some(cause) = cut_cause(&bounds, &record.exit) {
            return Err(Stop::Cut(cause));
        }
        if let Some(reason) = kit::failure(&record.exit) {
            let problem = format!("the {side}'s program: {reason}");
            return Err(Stop::Failed(FailureReason::Evaluator { problem }));
        }
        kit::take(&room, &["output".to_owned()]).map_err(Stop::Failed)?;
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
        let timing = self.timing;
        let (_, answer) = self.judge(&timing.check, &fill, &mounts)?;
        let agree = answer.map_err(Stop::Failed)?.get("agree").copied();
        if agree == Some(1.0) {
            return Ok(());
        }
        let problem = "the outputs of candidate and baseline do not agree".to_owned();
        Err(Stop::Failed(FailureReason::Evaluator { problem }))
    }

    /// Runs one of the evaluator's own commands.
    fn judge(
        &mut self,
        command: &Command,
        fill: &[(Placeholder, &str)],
        mounts: &[Mount],
    ) -> Result<(Box<Record>, Answer), Stop> {
        let bounds = self.bounds();
        let judged = self.bench.judge(command, fill, mounts, &bounds, self.cut)?;
        match judged {
            Judged::Answered(record, answer) => {
                self.add(&kit::usage(&record));
                Ok((record, answer))
            }
            Judged::Cut(cause, used) => {
                self.add(&used);
                Err(Stop::Cut(cause))
            }
        }
    }

    /// Returns the limits of the next command.
    fn bounds(&self) -> Bounds {
        let used = Duration::from_millis(self.used.cpu_ms);
        self.bench.bounds(self.timing.limits, used)
    }

    /// Makes a directory that the sandbox may write to.
    fn room(&self, path: &Path) -> Result<std::path::PathBuf, Broken> {
        kit::make_room(self.bench.scratch, path)?;
        Ok(path.to_path_buf())
    }

    fn add(&mut self, used: &Usage) {
        self.used.wall_ms += used.wall_ms;
        self.used.cpu_ms += used.cpu_ms;
        self.used.peak_memory_bytes = self.used.peak_memory_bytes.max(used.peak_memory_bytes);
        self.used.printed_bytes += used.printed_bytes;
    }
}
