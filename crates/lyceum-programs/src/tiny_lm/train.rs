//! `train RECIPE.toml`: trains a character transformer for a fixed number of CPU seconds.
//!
//! The number of steps is fixed before the first one, so that the learning rate has a schedule of known
//! length: a copy of the network takes a few steps against the clock, is thrown away, and the steps
//! that fit in what is left of the budget are planned. A run that still takes longer than
//! 1.25 times its budget is stopped where it is. `replay.toml`, written beside the model, holds both
//! numbers; a run that finds such a file in its directory takes exactly those steps, whatever the
//! clock says, and gives the same model bit for bit.
//!
//! Where `LYCEUM_PROGRESS` names a file, the run appends a line to it after each of 27 equal parts: the part and the mean
//! training loss in it, in bits a byte.

use std::{env, fs::File, io::Write as _, path::Path};

use lyceum_train::checkpoint;
use lyceum_train::transformer::Transformer;
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;

use super::alphabet::Alphabet;
use super::failure::{Failure, read_bytes, read_settings, write};
use super::recipe::Recipe;
use super::source::TEXT_BYTES_MAX;
use super::trainer::Trainer;
use crate::cli;

/// Where a run is told to repeat another, and where it tells how to repeat itself.
const REPLAY: &str = "replay.toml";

/// A run may take this many times its budget before it is stopped.
const OVERRUN: f64 = 1.25;

/// The part of the budget spent on timing the first steps.
const TIMING_SHARE: f64 = 0.04;

/// Fewer timed steps than this say too little about the rest.
const TIMING_STEPS_MIN: u32 = 3;

/// Where a run is told to report as it goes.
const REPORTS: &str = "LYCEUM_PROGRESS";

/// Reports of a run: each tells the mean loss since the one before. A power of three, since one run in three goes on.
const PARTS: u64 = 27;

/// Lines of progress in a run.
const PROGRESS_LINES: u64 = 10;

/// How many steps a run takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    /// Steps taken.
    steps: u64,
    /// Steps that the schedule was made for; more than `steps` where a run was stopped.
    schedule_steps: u64,
}

/// Runs the program and returns its exit code.
pub fn main(arguments: &[String]) -> i32 {
    cli::conclude("train", run(arguments))
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let [path] = cli::exactly(arguments, "train RECIPE.toml")?;
    let recipe = Recipe::read(Path::new(path))?;
    let (seed, outputs) = (cli::seed()?, cli::outputs()?);
    let replay = replay(Path::new(REPLAY))?;
    let bytes = read_bytes(&recipe.data, TEXT_BYTES_MAX)?;
    let least = recipe.context as u64 + 1;
    if (bytes.len() as u64) < least {
        let found = bytes.len() as u64;
        return Err(Failure::Short {
            path: recipe.data.clone(),
            found,
            least,
        });
    }
    let alphabet = Alphabet::of(&bytes);
    let text = alphabet.encode(&bytes);
    let model = Transformer::new(recipe.config(alphabet.bytes().len())?)?;
    say(&format!(
        "{} parameters, {} bytes of text",
        model.layout().len(),
        text.len()
    ));
    let mut trainer = Trainer::new(&model, &text, &recipe, seed);
    let plan = replay.unwrap_or_else(|| plan(&trainer, &recipe));
    let deadline = if replay.is_some() {
        f64::INFINITY
    } else {
        OVERRUN * recipe.cpu_seconds
    };
    let (steps, loss) = train(&mut trainer, &recipe, plan, deadline)?;
    write(
        &outputs.join("model.safetensors"),
        &checkpoint::write(&model, alphabet.bytes(), trainer.parameters())?,
    )?;
    write(
        &outputs.join(REPLAY),
        written(Plan { steps, ..plan }).as_bytes(),
    )?;
    say(&format!("METRIC train_loss={loss:.6}"));
    Ok(())
}

/// Takes the planned steps, and returns how many were taken and the mean loss of the last tenth in
/// bits a byte.
fn train(
    trainer: &mut Trainer<'_>,
    recipe: &Recipe,
    plan: Plan,
    deadline: f64,
) -> Result<(u64, f64), Failure> {
    let schedule = recipe.rates(plan.schedule_steps);
    let every = plan.steps.div_ceil(PROGRESS_LINES).max(1);
    let mut recent = Mean::default();
    let mut last = f64::NAN;
    let mut reports = Reports::begin()?;
    for step in 0..plan.steps {
        let loss = trainer.step(schedule.rate(step)) / std::f64::consts::LN_2;
        if !loss.is_finite() {
            return Err(Failure::Diverged {
                loss,
                step: step + 1,
                steps: plan.steps,
            });
        }
        recent.add(loss);
        reports.add(step + 1, plan.steps, loss)?;
        let stopped = cpu_seconds() > deadline;
        if (step + 1) % every == 0 || step + 1 == plan.steps || stopped {
            last = recent.take();
            say(&format!(
                "step {}/{} loss {last:.4} bits/byte",
                step + 1,
                plan.steps
            ));
        }
        if stopped {
            say(&format!(
                "stopped: {OVERRUN} times the {} CPU s were spent",
                recipe.cpu_seconds
            ));
            return Ok((step + 1, last));
        }
    }
    let weights = trainer.parameters();
    if weights.iter().any(|weight| !weight.is_finite()) {
        return Err(Failure::Diverged {
            loss: f64::NAN,
            step: plan.steps,
            steps: plan.steps,
        });
    }
    Ok((plan.steps, last))
}

/// What a run says of itself while it goes on, where somebody listens.
struct Reports {
    file: Option<File>,
    path: std::path::PathBuf,
    part: u64,
    recent: Mean,
}

impl Reports {
    fn begin() -> Result<Reports, Failure> {
        let path = env::var_os(REPORTS).map(std::path::PathBuf::from);
        let file = path.as_ref().map(File::create).transpose();
        let path = path.unwrap_or_default();
        let file = file.map_err(|source| Failure::Write {
            path: path.clone(),
            source,
        })?;
        Ok(Reports {
            file,
            path,
            part: 0,
            recent: Mean::default(),
        })
    }

    /// Takes in the loss of a step, and reports when a part of the run is over.
    fn add(&mut self, step: u64, steps: u64, loss: f64) -> Result<(), Failure> {
        self.recent.add(loss);
        let part = (u128::from(step) * u128::from(PARTS) / u128::from(steps.max(1))) as u64;
        if part <= self.part {
            return Ok(());
        }
        self.part = part;
        let mean = self.recent.take();
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let written = writeln!(file, "{part} {mean:.6}");
        written.map_err(|source| Failure::Write {
            path: self.path.clone(),
            source,
        })
    }
}

/// Times a copy of the network and returns the number of steps that fit in what is left.
fn plan(trainer: &Trainer<'_>, recipe: &Recipe) -> Plan {
    let mut copy = trainer.clone();
    // The first step touches every buffer for the first time and is not typical.
    copy.step(0.0);
    let (start, mut steps) = (cpu_seconds(), 0);
    let each = loop {
        copy.step(0.0);
        steps += 1;
        let spent = cpu_seconds() - start;
        if steps >= TIMING_STEPS_MIN && spent > TIMING_SHARE * recipe.cpu_seconds {
            break spent / f64::from(steps);
        }
    };
    let left = recipe.cpu_seconds - cpu_seconds();
    let steps = ((left / each) as u64).max(1);
    Plan {
        steps,
        schedule_steps: steps,
    }
}

/// Reads the steps of another run, if there are any to repeat.
fn replay(path: &Path) -> Result<Option<Plan>, Failure> {
    if !path.exists() {
        return Ok(None);
    }
    let plan: Plan = read_settings(path)?;
    let refuse = |name, expected, found: u64| {
        Err(Failure::Setting {
            path: path.to_owned(),
            name,
            expected,
            found: found as f64,
        })
    };
    if plan.steps == 0 {
        return refuse("steps", "at least 1", plan.steps);
    }
    if plan.schedule_steps < plan.steps {
        return refuse("schedule_steps", "at least `steps`", plan.schedule_steps);
    }
    Ok(Some(plan))
}

fn written(plan: Plan) -> String {
    let Plan {
        steps,
        schedule_steps,
    } = plan;
    format!(
        "# With this file in its directory, `train` takes these steps whatever the clock says.\n\
         steps = {steps}\nschedule_steps = {schedule_steps}\n"
    )
}

/// Returns the CPU seconds that this process has spent, in user and system mode.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Prints a line of progress; a closed stdout stops nothing.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A mean that is read and begun anew.
#[derive(Default)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1.0;
    }

    fn take(&mut self) -> f64 {
        let mean = self.sum / self.count;
        *self = Self::default();
        mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Plan>, Failure> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        replay(file.path())
    }

    #[test]
    fn a_plan_that_is_written_is_read_back() {
        let plan = Plan {
            steps: 7,
            schedule_steps: 9,
        };
        assert_eq!(read(&written(plan)).unwrap(), Some(plan));
        assert_eq!(replay(Path::new("/no such file")).unwrap(), None);
    }

    #[test]
    fn a_plan_that_cannot_be_run_is_refused() {
        assert!(read("steps = 0\nschedule_steps = 1").is_err());
        assert!(read("steps = 5\nschedule_steps = 4").is_err());
        assert!(read("steps = -5\nschedule_steps = 4").is_err());
    }
}
