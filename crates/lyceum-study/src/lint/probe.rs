//! What a few runs, and outputs that no candidate should get a number for, do.
//!
//! The start on three seeds, one run for each knob, and the evaluator on the start's outputs twice, on wrong ones, and on
//! ones with another number in them. Nothing of it is recorded: it says something about the study, not about a change.

use lyceum_types::{
    ExperimentId, Goal, KnobKind, Output, RunFinished, RunId, Seed, Setting, Settings, Split,
};

use super::{Check, Finding};
use crate::{
    engine::{Allowance, Broken, Cut, Executor, MeasureEnd, MeasureTask, Protocol, RunTask},
    format::{Measure, Study},
};

/// Runs of the start: as many as the noise floor takes at least.
const SEEDS: usize = 3;
/// Most knobs that are turned.
const KNOBS_MAX: usize = 12;
/// Values this near to zero say little: a filter of robust-kbench.
const NEAR_ZERO: f64 = 0.01;
/// Longest output in which a claimed number is looked for.
const CLAIM_BYTES_MAX: usize = 4 << 10;
/// Numbers of an output that are tried.
const CLAIMS_MAX: usize = 8;
/// Longest output of zeros that is made.
const ZEROS_MAX: u64 = 1 << 20;
/// Two numbers are the same when they differ by this share at most: an evaluator may round what it prints.
const SAME: f64 = 1e-6;

/// Keeps bytes as an output of a name.
pub type Keep<'a> = &'a dyn Fn(&str, &[u8]) -> Result<Output, Broken>;

/// What the probe works with.
pub struct Probe<'a> {
    /// The study.
    pub study: &'a Study,
    /// Its rules.
    pub protocol: &'a Protocol,
    /// Whether anything in the study speaks of the lab's seed.
    pub speaks_of_seed: bool,
    /// What runs commands.
    pub executor: &'a dyn Executor,
    /// Keeps bytes as an output of this name, so that an evaluator can be given them.
    pub keep: Keep<'a>,
    /// Returns the bytes of an output.
    pub fetch: &'a dyn Fn(&Output) -> Result<Vec<u8>, Broken>,
    /// Told before each run, in words.
    pub progress: &'a dyn Fn(&str),
    /// Processors to pin to.
    pub cpus: Vec<usize>,
}

/// Makes wrong bytes in place of an output.
type Wrong<'a> = &'a dyn Fn(&Output) -> Vec<u8>;

/// A run with its value.
struct Look {
    finished: RunFinished,
    seed: Seed,
    value: f64,
}

/// Runs the probe.
pub fn probe(probe: &Probe<'_>) -> Result<Vec<Finding>, Broken> {
    let start = probe.protocol.space.active_only(&probe.protocol.start);
    let mut looks = Vec::new();
    for index in 0..SEEDS {
        (probe.progress)(&format!(
            "the unchanged workspace, seed {} of {SEEDS}",
            index + 1
        ));
        match probe.look(&start, probe.protocol.look_seed(index))? {
            Ok(look) => looks.push(look),
            Err(why) => {
                let what = format!("the unchanged workspace gives no number: {why}");
                return Ok(vec![Finding::new(Check::StartFails, what)]);
            }
        }
    }
    let mut findings = Vec::new();
    let same_outputs = |a: &Look, b: &RunFinished| blobs(&a.finished) == blobs(b);
    let timed = matches!(
        probe.study.measure,
        Measure::Executed(_) | Measure::Timed(_)
    );
    let same = looks
        .iter()
        .all(|look| same_outputs(look, &looks[0].finished));
    // What is run on fresh inputs varies by them, not by its seed.
    if same && !timed && !probe.speaks_of_seed {
        let what = format!(
            "{SEEDS} seeds gave the same outputs byte for byte, and nothing in the study speaks of `LYCEUM_SEED`"
        );
        findings.push(Finding::new(Check::ConstantSeed, what));
    }
    if !matches!(probe.study.measure, Measure::SelfReported) {
        probe.evaluator(&looks[0], &mut findings)?;
    }
    probe.knobs(&start, &looks, &mut findings)?;
    Ok(findings)
}

fn blobs(finished: &RunFinished) -> Vec<(&str, &str)> {
    let outputs = finished.outputs.iter();
    outputs
        .map(|one| (one.name.as_str(), one.blob.as_str()))
        .collect()
}

impl Probe<'_> {
    /// Runs and measures settings once; says why where that gives no number.
    fn look(&self, settings: &Settings, seed: Seed) -> Result<Result<Look, String>, Broken> {
        let task = RunTask {
            run: RunId(1),
            experiment: ExperimentId(0),
            settings: settings.clone(),
            files: vec![],
            seed,
            cpus: self.cpus.clone(),
            allowance: Allowance::default(),
            replay: None,
            reports: false,
        };
        let finished = self.executor.run(&task, &Cut::default(), &|_| ())?;
        let value = match &finished.outcome {
            lyceum_types::Outcome::Completed => self.measure(finished.clone(), seed)?,
            lyceum_types::Outcome::Failed(reason) => Err(reason.to_string()),
            lyceum_types::Outcome::Cut { cause } => Err(cause.clone()),
        };
        Ok(value.map(|value| Look {
            finished,
            seed,
            value,
        }))
    }

    fn measure(&self, finished: RunFinished, seed: Seed) -> Result<Result<f64, String>, Broken> {
        let task = MeasureTask {
            baseline: finished.outputs.clone(),
            finished,
            seed,
            split: Split::Search,
            cpus: self.cpus.clone(),
            allowance: Allowance::default(),
        };
        let metric = &self.study.metric.name;
        Ok(match self.executor.measure(&task, &Cut::default())? {
            MeasureEnd::Cut(cut) => Err(cut.cause),
            MeasureEnd::Measured(measured) => match &measured.measured {
                lyceum_types::Measured::Failed(reason) => Err(reason.to_string()),
                lyceum_types::Measured::Values { .. } => {
                    let value = measured.measured.value(metric);
                    value.ok_or_else(|| format!("no metric `{metric}`"))
                }
            },
        })
    }

    /// Gives the evaluator the same outputs again, and wrong ones.
    fn evaluator(&self, start: &Look, findings: &mut Vec<Finding>) -> Result<(), Broken> {
        if matches!(self.study.measure, Measure::Executed(_) | Measure::Timed(_)) {
            // Its number is one of fresh inputs, and a program that is not one cannot be run.
            return Ok(());
        }
        (self.progress)("the evaluator on the same outputs again, and on wrong ones");
        let again = self.measure(start.finished.clone(), start.seed)?;
        if again.as_ref().map(|value| value.to_bits()) != Ok(start.value.to_bits()) {
            let again = again.map_or_else(|why| why, |value| value.to_string());
            let what = format!("the same outputs gave {} and then {again}", start.value);
            findings.push(Finding::new(Check::EvaluatorVaries, what));
        }
        self.wrong_outputs(start, findings)?;
        self.claimed_number(start, findings)
    }

    fn wrong_outputs(&self, start: &Look, findings: &mut Vec<Finding>) -> Result<(), Broken> {
        let zeros = |output: &Output| vec![0; output.bytes.min(ZEROS_MAX) as usize];
        let kinds: [(&str, Wrong<'_>); 3] = [
            ("empty", &|_| vec![]),
            ("all zero bytes", &zeros),
            ("the word `nan`", &|_| b"nan\n".to_vec()),
        ];
        for (words, bytes) in kinds {
            let mut finished = start.finished.clone();
            for output in &mut finished.outputs {
                *output = (self.keep)(&output.name, &bytes(output))?;
            }
            let Ok(value) = self.measure(finished, start.seed)? else {
                continue;
            };
            let gain = self.study.metric.goal.gain(start.value, value);
            let (check, than) = if value.to_bits() == start.value.to_bits() {
                (Check::OutputsWithoutEffect, "the same as for the start's")
            } else if gain >= 0.0 {
                (
                    Check::DegenerateOutputs,
                    "as good as the start's, or better",
                )
            } else {
                continue;
            };
            let what = format!("outputs that are {words} get {value}, {than}");
            findings.push(Finding::new(check, what));
            return Ok(());
        }
        Ok(())
    }

    /// Looks for the metric's value among the numbers of the outputs, and whether the evaluator follows when it is changed.
    fn claimed_number(&self, start: &Look, findings: &mut Vec<Finding>) -> Result<(), Broken> {
        let claimed = match self.study.metric.goal {
            Goal::Maximize => start.value.abs() * 2.0 + 1.0,
            Goal::Minimize => start.value.abs() / 2.0 - 1.0,
        };
        for (index, output) in start.finished.outputs.iter().enumerate() {
            if output.bytes as usize > CLAIM_BYTES_MAX {
                continue;
            }
            let bytes = (self.fetch)(output)?;
            let Ok(text) = std::str::from_utf8(&bytes) else {
                continue;
            };
            let same = |(_, _, value): &(usize, usize, f64)| near(*value, start.value);
            for (from, to, _) in numbers(text).into_iter().filter(same).take(CLAIMS_MAX) {
                let changed = format!("{}{claimed}{}", &text[..from], &text[to..]);
                let mut finished = start.finished.clone();
                finished.outputs[index] = (self.keep)(&output.name, changed.as_bytes())?;
                let followed = self.measure(finished, start.seed)?;
                if followed.is_ok_and(|value| near(value, claimed)) {
                    let what = format!(
                        "with {claimed} in place of {} in `{}` the evaluator answers {claimed}",
                        &text[from..to],
                        output.name
                    );
                    findings.push(Finding::new(Check::ClaimedNumber, what));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Turns each knob once and looks whether anything changes.
    fn knobs(
        &self,
        start: &Settings,
        looks: &[Look],
        findings: &mut Vec<Finding>,
    ) -> Result<(), Broken> {
        let mut values: Vec<f64> = looks.iter().map(|look| look.value).collect();
        let (mut tried, mut moved) = (0, false);
        let knobs = self.protocol.space.knobs().iter();
        for knob in knobs
            .filter(|knob| start.contains_key(&knob.name))
            .take(KNOBS_MAX)
        {
            let Some(other) = turned(&knob.kind, &start[&knob.name]) else {
                continue;
            };
            (self.progress)(&format!("knob `{}` at {other}", knob.name));
            let mut settings = self.protocol.start.clone();
            settings.insert(knob.name.clone(), other);
            let settings = self.protocol.space.active_only(&settings);
            tried += 1;
            match self.look(&settings, looks[0].seed)? {
                Ok(look) => {
                    moved |= blobs(&look.finished) != blobs(&looks[0].finished)
                        || look.value.to_bits() != looks[0].value.to_bits();
                    values.push(look.value);
                }
                Err(_) => moved = true,
            }
        }
        if tried > 0 && !moved {
            let what = format!(
                "{tried} knobs were turned one by one, and outputs and value stayed the same"
            );
            findings.push(Finding::new(Check::SettingsWithoutEffect, what));
        } else if values
            .iter()
            .all(|value| value.to_bits() == values[0].to_bits())
        {
            let what = format!(
                "{} runs on {SEEDS} seeds and {tried} other settings all gave {}",
                values.len(),
                values[0]
            );
            findings.push(Finding::new(Check::NoSpread, what));
        }
        if values.iter().all(|value| value.abs() <= NEAR_ZERO) {
            let most = values
                .iter()
                .fold(0.0_f64, |most, value| most.max(value.abs()));
            let what = format!(
                "no value of {} runs is farther from zero than {most}",
                values.len()
            );
            findings.push(Finding::new(Check::NearZero, what));
        }
        Ok(())
    }
}

/// Returns another value of a knob: far from the one that it has.
fn turned(kind: &KnobKind, from: &Setting) -> Option<Setting> {
    let number = from.number();
    match kind {
        KnobKind::Boolean => match from {
            Setting::Boolean(on) => Some(Setting::Boolean(!on)),
            _ => None,
        },
        KnobKind::Categorical { choices } => choices.iter().find(|one| *one != from).cloned(),
        KnobKind::Float { low, high, .. } => {
            let middle = f64::midpoint(*low, *high);
            let number = number?;
            let other = if number < middle {
                f64::midpoint(middle, *high)
            } else {
                f64::midpoint(*low, middle)
            };
            (other.to_bits() != number.to_bits()).then_some(Setting::Float(other))
        }
        KnobKind::Integer { low, high, .. } => {
            let number = number? as i64;
            let other = if high.abs_diff(number) > number.abs_diff(*low) {
                *high
            } else {
                *low
            };
            (other != number).then_some(Setting::Integer(other))
        }
    }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= SAME * a.abs().max(b.abs())
}

/// Returns the numbers of a text with their places in bytes.
fn numbers(text: &str) -> Vec<(usize, usize, f64)> {
    let part = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
    let mut found = Vec::new();
    let mut from = 0;
    while from < text.len() {
        let rest = &text[from..];
        let length = rest.find(|c| !part(c)).unwrap_or(rest.len());
        if length == 0 {
            from += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let number = rest[..length]
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite());
        found.extend(number.map(|value| (from, from + length, value)));
        from += length;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_with_their_places() {
        let text = "loss=0.5, {\"acc\": 1e-3} nan x2 €-7";
        let found: Vec<_> = numbers(text)
            .into_iter()
            .map(|(from, to, _)| &text[from..to])
            .collect();
        assert_eq!(found, ["0.5", "1e-3", "-7"]);
    }
}
