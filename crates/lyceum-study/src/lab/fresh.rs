//! What measurements on fresh inputs share: an input drawn after the candidate ended, a program in a sandbox of its own, an
//! evaluator's command that judges what it wrote.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use lyceum_sandbox::{Access, Mount, Record, scratch::Scratch};
use lyceum_types::{FailureReason, Seed, Usage};

use super::{
    evaluator::{Answer, Bench, Judged, PRIVATE, cut_cause, random_bytes},
    kit::{self, Bounds, Kit, OUTPUTS, Order, read_only},
    study::OpenStudy,
};
use crate::{
    engine::{Broken, Cut, MeasureTask},
    format::{Command, Limits, Placeholder},
};

/// Where a program finds its input.
pub(super) const INPUT: &str = "/input/input";
/// Where a program writes its output.
const RESULT: &str = "/result/output";

/// Why a measurement gave nothing.
pub(super) enum Stop {
    /// A budget or the lab cut it.
    Cut(String),
    /// It failed.
    Failed(FailureReason),
    /// The lab failed.
    Broken(Broken),
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Stop {
        Stop::Broken(broken)
    }
}

/// A program to be run once on an input.
pub(super) struct Program<'a> {
    /// Who it is, for messages.
    pub(super) whose: &'a str,
    /// Directory of its files.
    pub(super) files: &'a Path,
    /// Its command.
    pub(super) command: &'a Command,
    /// Whether it may start threads and no process.
    pub(super) single_process: bool,
}

/// A measurement on fresh inputs under way.
pub(super) struct Session<'a> {
    pub(super) bench: Bench<'a>,
    /// What each command may use.
    pub(super) limits: Limits,
    pub(super) cut: &'a Cut,
    /// What all commands used so far.
    pub(super) used: Usage,
    /// Seed of the fresh inputs. The candidate could not have known it: the run is over, and its outputs are kept.
    pub(super) seed: Seed,
}

impl<'a> Session<'a> {
    /// Lays out the candidate's outputs and draws the seed of the inputs.
    pub(super) fn new(
        kit: &'a Kit,
        open: &'a OpenStudy,
        task: &'a MeasureTask,
        limits: Limits,
        scratch: &'a Scratch,
        cut: &'a Cut,
    ) -> Result<Session<'a>, Broken> {
        let outputs = scratch.path().join("measured");
        kit.lay_out(&task.finished.outputs, &outputs)?;
        Ok(Session {
            bench: Bench {
                kit,
                open,
                task,
                outputs,
                scratch,
                began: Instant::now(),
            },
            limits,
            cut,
            used: Usage::default(),
            seed: Seed(u64::from_le_bytes(random_bytes(&kit.ledger)) >> 11),
        })
    }

    /// Has the study's own command write an input, which is a plain file within the limits afterwards.
    pub(super) fn make_input(
        &mut self,
        command: &Command,
        directory: &Path,
        seed: Seed,
    ) -> Result<(), Stop> {
        let room = self.room(directory)?;
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
        let (record, _) = self.judge(command, &fill, &[mount])?;
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

    /// Runs a program in a sandbox of its own. It sees its files and the input, nothing else; what it leaves in `output` below
    /// `place` is a plain file within the limits.
    pub(super) fn run(
        &mut self,
        program: &Program<'_>,
        input: &Path,
        place: &Path,
    ) -> Result<Box<Record>, Stop> {
        let room = self.room(place)?;
        let kit = self.bench.kit;
        let mut policy = kit.policy("/tmp", 1, &self.bench.task.cpus);
        policy.mounts.push(read_only(program.files, OUTPUTS));
        policy.mounts.push(read_only(input, "/input"));
        policy.mounts.push(Mount {
            source: room.clone(),
            target: "/result".into(),
            access: Access::Write,
        });
        let bounds = self.bounds();
        policy.limits = bounds.limits();
        policy.single_process = program.single_process;
        let fill = [
            (Placeholder::Outputs, OUTPUTS),
            (Placeholder::Input, INPUT),
            (Placeholder::Output, RESULT),
        ];
        let order = Order {
            arguments: program.command.fill(&fill),
            policy,
            answer: false,
            scratch: self.bench.scratch.path(),
        };
        let record = kit.execute(&order, self.cut)?;
        self.add(&kit::usage(&record));
        if let Some(cause) = cut_cause(&bounds, &record.exit) {
            return Err(Stop::Cut(cause));
        }
        if let Some(reason) = kit::failure(&record.exit) {
            let problem = format!("the {}'s program: {reason}", program.whose);
            return Err(Stop::Failed(FailureReason::Evaluator { problem }));
        }
        kit::take(&room, &["output".to_owned()]).map_err(Stop::Failed)?;
        Ok(Box::new(record))
    }

    /// Runs one of the evaluator's own commands.
    pub(super) fn judge(
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
        self.bench.bounds(self.limits, used)
    }

    /// Makes a directory that the sandbox may write to.
    fn room(&self, path: &Path) -> Result<PathBuf, Broken> {
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
