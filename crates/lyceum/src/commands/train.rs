//! `lyceum train`: makes the lab's own network.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{IsTerminal as _, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use lyceum_train::prior_fitted::{Config, Network, Point, Recipe, Trained, Training};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use super::run::stop_on_signals;
use crate::{
    exit::Exit,
    failure::Failure,
    view::{self, words},
};

/// Where the weights go when nothing else is said.
const OUT: &str = "network.safetensors";
/// What is added to that name for a training under way.
const UNDER_WAY: &str = ".training";
/// Least time between two lines of progress on a terminal.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);
/// A training under way has three numbers for each weight; this is room for the largest that is read.
const FILE_BYTES_MAX: u64 = 256 << 20;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make the network of the `network` researcher, from nothing, on functions that are made up on the way
    Network(Arguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Steps of the training [default: 28000, some ten minutes of one processor]
    #[arg(long, value_name = "NUMBER", conflicts_with = "resume")]
    steps: Option<u64>,
    /// Seed of the weights and of the functions; the same seed and steps give the same file [default: 1]
    #[arg(long, value_name = "NUMBER", conflicts_with = "resume")]
    seed: Option<u64>,
    /// New file for the weights; their record goes beside it, as .json [default: network.safetensors]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Go on with a training that was interrupted, from its .training file
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
}

/// The files of a training.
struct Files {
    out: PathBuf,
    record: PathBuf,
    under_way: PathBuf,
}

/// A training, and what it cost before this process.
struct Work {
    training: Training,
    seconds_before: f64,
    /// Of this process: when it began, what its thread had spent, how many steps were done.
    began: (Instant, f64, u64),
}

pub(super) fn run(json: bool, command: &Command) -> Result<Exit, Failure> {
    let Command::Network(arguments) = command;
    let files = Files::of(arguments)?;
    let mut work = Work::begin(arguments)?;
    // A place where nothing can be written is told before the work, not after it.
    work.keep(&files)?;
    let stop = stop_on_signals()?;
    let count = work.training.network().layout().len();
    if !json {
        let steps = work.training.recipe().steps;
        let done = match work.training.steps_done() {
            0 => String::new(),
            done => format!(", {done} of them done"),
        };
        view::note(&format!("{count} parameters, {steps} steps{done}"));
    }
    let terminal = !json && std::io::stderr().is_terminal();
    let mut painted = Instant::now();
    let mut points = work.training.curve().len();
    while let Some(loss) = work.training.step() {
        if !loss.is_finite() {
            let step = work.training.steps_done();
            return Err(Failure::bad_input(format!(
                "training diverged: loss is {loss} at step {step}"
            ))
            .hint("try another seed"));
        }
        if let Some(point) = work.training.curve().get(points) {
            work.tell(point, json, terminal);
            points += 1;
            work.keep(&files)?;
        }
        if terminal && painted.elapsed() >= PROGRESS_EVERY {
            painted = Instant::now();
            rewrite(&work.progress());
        }
        if stop.load(Ordering::Relaxed) {
            work.keep(&files)?;
            return Ok(work.interrupted(&files, json, terminal));
        }
    }
    work.finish(&files, json, terminal)
}

impl Files {
    fn of(arguments: &Arguments) -> Result<Files, Failure> {
        let out = match (&arguments.out, &arguments.resume) {
            (Some(out), _) => out.clone(),
            (None, Some(resume)) => resume
                .to_str()
                .and_then(|name| name.strip_suffix(UNDER_WAY))
                .map_or_else(|| PathBuf::from(OUT), PathBuf::from),
            (None, None) => PathBuf::from(OUT),
        };
        let record = out.with_extension("json");
        if record == out || out.file_name().is_none() {
            return Err(Failure::bad_input(format!(
                "`{}` cannot hold the weights, expected a file such as {OUT}",
                out.display()
            ))
            .hint("the record of the training goes beside it, as .json"));
        }
        let mut under_way = OsString::from(&out);
        under_way.push(UNDER_WAY);
        let under_way = PathBuf::from(under_way);
        for path in [&out, &record] {
            if path.symlink_metadata().is_ok() {
                return Err(
                    Failure::bad_input(format!("`{}` is there already", path.display()))
                        .hint("name another file with --out, or remove this one"),
                );
            }
        }
        if arguments.resume.is_none() && under_way.symlink_metadata().is_ok() {
            let name = under_way.display();
            return Err(Failure::bad_input(format!(
                "`{name}` holds a training that was interrupted"
            ))
            .hint(format!(
                "go on with `lyceum train network --resume {name}`, or remove it"
            )));
        }
        Ok(Files {
            out,
            record,
            under_way,
        })
    }
}

impl Work {
    fn begin(arguments: &Arguments) -> Result<Work, Failure> {
        let (training, seconds_before) = if let Some(path) = &arguments.resume {
            resumed(path)?
        } else {
            let usual = Recipe::default();
            let recipe = Recipe {
                steps: arguments.steps.unwrap_or(usual.steps),
                seed: arguments.seed.unwrap_or(usual.seed),
                ..usual
            };
            let bad = |error: &dyn std::error::Error| Failure::bad_input(error.to_string());
            let network = Network::new(Config::default()).map_err(|error| bad(&error))?;
            let training = Training::new(network, recipe).map_err(|error| bad(&error))?;
            (training, 0.0)
        };
        let began = (Instant::now(), cpu_seconds(), training.steps_done());
        Ok(Work {
            training,
            seconds_before,
            began,
        })
    }

    /// Returns the CPU seconds of the training so far.
    fn seconds(&self) -> f64 {
        self.seconds_before + cpu_seconds() - self.began.1
    }

    /// Returns how long the rest will take at the pace of this process.
    fn left(&self) -> Duration {
        let done = self.training.steps_done() - self.began.2;
        let left = self.training.recipe().steps - self.training.steps_done();
        let each = self.began.0.elapsed().as_secs_f64() / done.max(1) as f64;
        Duration::from_secs_f64((each * left as f64).min(1e9))
    }

    /// Writes the training under way, from which it goes on bit for bit.
    fn keep(&self, files: &Files) -> Result<(), Failure> {
        let bytes = self.training.save(self.seconds());
        let bytes = bytes.map_err(|error| Failure::internal(&error))?;
        replace(&files.under_way, &bytes)
    }

    fn progress(&self) -> String {
        let (done, steps) = (self.training.steps_done(), self.training.recipe().steps);
        let judged = self.training.curve().last();
        let judged = judged.map_or(self.training.untrained(), |point| point.judged);
        let left = words::duration(self.left().as_millis() as u64);
        format!("step {done} of {steps} · judged {judged:.3} nats · about {left} left")
    }

    /// Prints a point of the curve.
    fn tell(&self, point: &Point, json: bool, terminal: bool) {
        if json {
            line(&json!({
                "step": point.step,
                "steps": self.training.recipe().steps,
                "loss": point.loss,
                "judged": point.judged,
                "cpu_seconds": self.seconds(),
                "seconds_left": self.left().as_secs_f64(),
            }));
        } else if !terminal {
            let cpu = words::duration((1e3 * self.seconds()) as u64);
            view::note(&format!("{} · {cpu} of CPU so far", self.progress()));
        }
    }

    fn interrupted(&self, files: &Files, json: bool, terminal: bool) -> Exit {
        if terminal {
            rewrite("");
        }
        if !json {
            let name = files.under_way.display();
            view::note(&words::clean(&format!(
                "stopped at step {} of {}; `lyceum train network --resume {name}` goes on",
                self.training.steps_done(),
                self.training.recipe().steps
            )));
        }
        Exit::Interrupted
    }

    /// Writes the weights and their record, and removes what was kept for going on.
    fn finish(&self, files: &Files, json: bool, terminal: bool) -> Result<Exit, Failure> {
        let trained = Trained::of(&self.training);
        let bytes = trained.write().map_err(|error| Failure::internal(&error))?;
        let record = self.record(&trained, &bytes);
        replace(&files.out, &bytes)?;
        let text = serde_json::to_string_pretty(&record)?;
        replace(&files.record, format!("{text}\n").as_bytes())?;
        drop(fs::remove_file(&files.under_way));
        if terminal {
            rewrite("");
        }
        print(files, &record, json, &self.summary(&trained));
        Ok(Exit::Done)
    }

    /// Returns what stands beside the weights: their record, and what depends on the machine.
    fn record(&self, trained: &Trained, bytes: &[u8]) -> Value {
        json!({
            "record": trained.record,
            "sizes": trained.network.config(),
            "parameters": trained.parameters.len(),
            "file_bytes": bytes.len(),
            "cpu_seconds": (10.0 * self.seconds()).round() / 10.0,
            "processor": processor(),
        })
    }

    fn summary(&self, trained: &Trained) -> String {
        let record = &trained.record;
        let judged = record
            .curve
            .last()
            .map_or(record.untrained, |point| point.judged);
        format!(
            "judged {judged:.3} nats on functions that it never saw; untrained {:.3}, predicting the same everywhere {:.3}\n\
             {} steps, {} of CPU, weights {}",
            record.untrained,
            record.marginal,
            record.recipe.steps,
            words::duration((1e3 * self.seconds()) as u64),
            record.weights,
        )
    }
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn print(files: &Files, record: &Value, json: bool, summary: &str) {
    if json {
        line(&json!({
            "weights": files.out.display().to_string(),
            "beside": files.record.display().to_string(),
            "made": record,
        }));
        return;
    }
    let (out, beside) = (files.out.display(), files.record.display());
    println!(
        "{}\n{summary}",
        words::clean(&format!("`{out}`, and its record in `{beside}`"))
    );
}

/// Prints one JSON object on a line.
#[expect(clippy::print_stdout, reason = "this is the result")]
fn line(shown: &Value) {
    println!("{}", view::visible(&shown.to_string()));
}

/// Reads a training that was interrupted.
fn resumed(path: &Path) -> Result<(Training, f64), Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::bad_input(format!("cannot go on from `{}`: {why}", path.display()))
    };
    let file = File::open(path).map_err(|error| failed(&error))?;
    let known = file.metadata().map_err(|error| failed(&error))?;
    if !known.is_file() || known.len() > FILE_BYTES_MAX {
        let why = format!("expected a file of at most {} MiB", FILE_BYTES_MAX >> 20);
        return Err(failed(&why));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(&error))?;
    Training::resume(&bytes).map_err(|error| {
        let cause = std::error::Error::source(&error);
        let because = cause.map_or(String::new(), |cause| format!(", because: {cause}"));
        failed(&format!("{error}{because}"))
    })
}

/// Writes a file as a whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut part = OsString::from(path);
    part.push(".part");
    let part = PathBuf::from(part);
    let written = File::create(&part)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&part, path));
    written.map_err(|error| {
        drop(fs::remove_file(&part));
        Failure::bad_input(format!("failed to write `{}`: {error}", path.display()))
    })
}

/// Writes over the last line of the terminal.
fn rewrite(line: &str) {
    let mut out = std::io::stderr().lock();
    drop(write!(out, "\r\u{1b}[K{line}").and_then(|()| out.flush()));
}

/// Returns the CPU seconds of this thread, in user and system mode.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Returns the name of the processor, where the system tells it.
fn processor() -> Option<String> {
    let known = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = known.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
