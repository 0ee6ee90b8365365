//! What a task is, and how other programs read it.

use lyceum_search::{Ask, by_name};
use lyceum_types::{Goal, Knob, KnobKind, Scale, Seed, Setting, Settings, Space};
use serde_json::{Value, json};

use crate::{functions, held_out, tables};

/// Seeds of each task.
pub(crate) const SEEDS: u64 = 10;
/// Evaluations of each study.
pub(crate) const EVALUATIONS: u32 = 100;
/// Points at which other programs check their formulas.
const CHECKS: u64 = 8;

/// A set of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// Twelve functions of few dimensions, on which constants were tried out.
    Development,
    /// Four functions of many knobs, on which constants were tried out as well.
    Wide,
    /// Twelve functions of many dimensions, with noise, conditions and crashes; nobody tunes on them.
    HeldOut,
    /// Training runs of a small network, looked up in tables.
    Tables,
}

/// All sets with their names.
pub(crate) const SETS: [(Set, &str); 4] = [
    (Set::Development, "development"),
    (Set::Wide, "wide"),
    (Set::HeldOut, "held-out"),
    (Set::Tables, "tables"),
];

/// The value of a function at settings; `None` where it crashes.
type Function = Box<dyn Fn(&Settings) -> Option<f64>>;

/// A task as its seed moves it.
pub(crate) struct Task {
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    pub(crate) space: Space,
    /// The least value there is.
    pub(crate) least: f64,
    /// Standard deviation of one observation.
    pub(crate) noise_sd: f64,
    /// What the seed moves, for formulas of others.
    pub(crate) constants: Value,
    /// The function without noise.
    pub(crate) value: Function,
}

impl Task {
    /// Returns what the evaluation of this number observes; `None` where it crashes.
    pub(crate) fn observe(&self, settings: &Settings, number: u64) -> Option<f64> {
        (self.value)(settings).map(|value| value + self.noise_sd * self.noise(number))
    }

    /// Returns the standard normal number of an evaluation, the same for every researcher (Box and Muller, 1958).
    fn noise(&self, number: u64) -> f64 {
        let unit = |what| unit(self.seed, &format!("{}:{what}", self.name), number);
        let radius = (-2.0 * (1.0 - unit("radius")).ln()).sqrt();
        radius * (std::f64::consts::TAU * unit("angle")).cos()
    }
}

/// Returns a uniform number below 1 that follows from a seed.
pub(crate) fn unit(seed: u64, what: &str, index: u64) -> f64 {
    Seed(seed).derive(what, index).0 as f64 / (1_u64 << 53) as f64
}

/// Returns the tasks of a set for this seed.
pub(crate) fn tasks(set: Set, seed: u64) -> Vec<Task> {
    match set {
        Set::Development => functions::tasks(seed),
        Set::Wide => functions::wide(seed),
        Set::HeldOut => held_out::tasks(seed),
        Set::Tables => tables::tasks(seed),
    }
}

/// Returns the set that a task is in.
pub(crate) fn set_of(name: &str) -> Option<Set> {
    SETS.iter()
        .map(|(set, _)| *set)
        .find(|set| tasks(*set, 0).iter().any(|task| task.name == name))
}

/// Returns a knob that is always on.
pub(crate) fn knob(name: impl Into<String>, kind: KnobKind) -> Knob {
    Knob {
        name: name.into(),
        kind,
        condition: None,
    }
}

/// Returns a float on the unit interval.
pub(crate) fn unit_float(name: impl Into<String>) -> Knob {
    float(name, 0.0, 1.0, Scale::Linear)
}

pub(crate) fn float(name: impl Into<String>, low: f64, high: f64, scale: Scale) -> Knob {
    knob(name, KnobKind::Float { low, high, scale })
}

pub(crate) fn integer(name: impl Into<String>, low: i64, high: i64, scale: Scale) -> Knob {
    knob(name, KnobKind::Integer { low, high, scale })
}

pub(crate) fn choice(name: impl Into<String>, choices: &[&str]) -> Knob {
    let text = |text: &&str| Setting::Text((*text).to_owned());
    let choices = choices.iter().map(text).collect();
    knob(name, KnobKind::Categorical { choices })
}

/// Returns every task with what its seed moves, its noise and check values at random points, as JSON.
pub(crate) fn as_json(sets: &[Set]) -> String {
    let mut lines = Vec::new();
    for (set, set_name) in SETS.into_iter().filter(|(set, _)| sets.contains(set)) {
        for seed in 0..SEEDS {
            for task in tasks(set, seed) {
                let noise: Vec<f64> = (0..u64::from(EVALUATIONS))
                    .map(|number| task.noise_sd * task.noise(number))
                    .collect();
                let line = json!({
                    "set": set_name,
                    "task": task.name,
                    "seed": seed,
                    "least": task.least,
                    "knobs": task.space.knobs().iter().map(described).collect::<Vec<_>>(),
                    "constants": task.constants,
                    "noise": if task.noise_sd > 0.0 { noise } else { Vec::new() },
                    "checks": checks(&task),
                });
                lines.push(line.to_string());
            }
        }
    }
    format!("[\n{}\n]", lines.join(",\n"))
}

/// Returns a knob as other programs read it.
fn described(knob: &Knob) -> Value {
    let mut described = match &knob.kind {
        KnobKind::Float { low, high, scale } => {
            json!({"kind": "float", "low": low, "high": high, "log": *scale == Scale::Log})
        }
        KnobKind::Integer { low, high, scale } => {
            json!({"kind": "integer", "low": low, "high": high, "log": *scale == Scale::Log})
        }
        KnobKind::Categorical { choices } => json!({"kind": "choice", "choices": choices}),
        KnobKind::Boolean => json!({"kind": "boolean"}),
    };
    described["name"] = json!(knob.name);
    if let Some(condition) = &knob.condition {
        described["when"] = json!({"knob": condition.knob, "is": condition.is});
    }
    described
}

/// Returns the settings of this number in a random sequence.
pub(crate) fn drawn(task: &Task, what: &str, number: u64) -> Settings {
    let ask = Ask {
        space: &task.space,
        goal: Goal::Minimize,
        start: &Settings::new(),
        history: &[],
        pending: &[],
        noise_sd: None,
        priors: &[],
        rungs: 0,
        seed: Seed(task.seed).derive(what, 0),
        number,
        budget: EVALUATIONS,
    };
    let random = by_name("random").expect("random");
    random.propose(&ask).expect("a proposal").settings
}

/// Returns settings drawn at random with the value there, `null` for a crash.
fn checks(task: &Task) -> Vec<Value> {
    let checked = |number: u64| {
        let settings = drawn(task, "checks", number);
        json!({"settings": settings, "value": (task.value)(&settings)})
    };
    (0..CHECKS).map(checked).collect()
}
