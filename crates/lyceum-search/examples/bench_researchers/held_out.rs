//! Twelve functions that no constant of this crate was chosen by: 8 to 20 knobs, some with noise, conditions or crashes.
//!
//! Each seed draws where the least value lies, between 0.15 and 0.85 of every range. Formulas as in Surjanovic and
//! Bingham, "Virtual Library of Simulation Experiments" (sfu.ca/~ssurjano), and Jamil and Yang, "A literature survey of
//! benchmark functions" (2013), each moved so that its least value, 0, lies at the origin; the last two are our own.

use std::f64::consts::TAU;

use lyceum_types::{Condition, Knob, Scale, Setting, Settings, Space};
use serde_json::json;

use crate::{
    functions::{ackley, levy, rosenbrock},
    task::{Task, choice, float, integer, knob, unit, unit_float},
};

/// A function of coordinates relative to its least point.
struct Function {
    name: &'static str,
    dimensions: usize,
    /// Length of every range in units of the function.
    range: f64,
    noise_sd: f64,
    value: fn(&[f64]) -> Option<f64>,
}

const fn function(
    name: &'static str,
    dimensions: usize,
    range: f64,
    noise_sd: f64,
    value: fn(&[f64]) -> Option<f64>,
) -> Function {
    Function {
        name,
        dimensions,
        range,
        noise_sd,
        value,
    }
}

const FUNCTIONS: [Function; 10] = [
    function("rastrigin8", 8, 6.0, 0.0, |z| Some(rastrigin(z))),
    function("ellipsoid10", 10, 2.0, 0.0, |z| Some(ellipsoid(z))),
    function("rosenbrock12", 12, 4.0, 0.0, |z| Some(valley(z))),
    function("alpine14", 14, 10.0, 0.0, |z| Some(alpine(z))),
    function("zakharov16", 16, 3.0, 0.0, |z| Some(zakharov(z))),
    function("few20", 20, 16.0, 0.0, |z| Some(few(z))),
    function("noisy-levy8", 8, 16.0, 3.0, |z| Some(levy(&ones_off(z)))),
    function("noisy-sphere15", 15, 1.0, 0.15, |z| {
        Some(z.iter().map(|z| z * z).sum())
    }),
    function("crash-rosenbrock8", 8, 4.0, 0.0, |z| {
        // The best point lies near the border.
        (z[0] + z[1] <= 0.5).then(|| valley(z))
    }),
    function("crash-ackley10", 10, 32.0, 0.0, |z| {
        (z[3].abs() <= 11.2 && z[7] >= -8.0).then(|| ackley(z))
    }),
];

/// Returns all tasks as this seed moves them.
pub(crate) fn tasks(seed: u64) -> Vec<Task> {
    let functions = FUNCTIONS.iter().map(|function| function.task(seed));
    functions.chain([branches(seed), recipe(seed)]).collect()
}

/// Returns where in the ranges the least value lies.
fn centre(name: &str, dimensions: usize, seed: u64) -> Vec<f64> {
    let draw = |index| 0.15 + 0.7 * unit(seed, &format!("{name}:centre"), index as u64);
    (0..dimensions).map(draw).collect()
}

fn number(settings: &Settings, name: &str) -> f64 {
    settings[name].number().expect("a number")
}

impl Function {
    fn task(&self, seed: u64) -> Task {
        let centre = centre(self.name, self.dimensions, seed);
        let (range, value) = (self.range, self.value);
        let knobs = (0..self.dimensions).map(|index| unit_float(format!("x{index}")));
        Task {
            name: self.name,
            seed,
            space: Space::new(knobs.collect()).expect("a valid space"),
            least: 0.0,
            noise_sd: self.noise_sd,
            constants: json!({"centre": centre, "range": range}),
            value: Box::new(move |settings| {
                let both = centre.iter().enumerate();
                let z: Vec<f64> = both
                    .map(|(index, centre)| {
                        range * (number(settings, &format!("x{index}")) - centre)
                    })
                    .collect();
                value(&z)
            }),
        }
    }
}

fn rastrigin(z: &[f64]) -> f64 {
    z.iter()
        .map(|z| z * z + 10.0 * (1.0 - (TAU * z).cos()))
        .sum()
}

/// Axes of very different lengths, none along a knob.
fn ellipsoid(z: &[f64]) -> f64 {
    let last = (z.len() - 1) as f64;
    (0..z.len())
        .map(|i| {
            let turned = z[i] + if i > 0 { 0.5 * z[i - 1] } else { 0.0 };
            100_f64.powf(i as f64 / last) * turned * turned
        })
        .sum()
}

fn ones_off(z: &[f64]) -> Vec<f64> {
    z.iter().map(|z| z + 1.0).collect()
}

fn valley(z: &[f64]) -> f64 {
    rosenbrock(&ones_off(z))
}

fn alpine(z: &[f64]) -> f64 {
    z.iter().map(|z| (z * z.sin() + 0.1 * z).abs()).sum()
}

fn zakharov(z: &[f64]) -> f64 {
    let squares: f64 = z.iter().map(|z| z * z).sum();
    let sum: f64 = (1..).zip(z).map(|(i, z)| 0.5 * f64::from(i) * z).sum();
    squares + sum.powi(2) + sum.powi(4)
}

/// Four of twenty knobs matter.
fn few(z: &[f64]) -> f64 {
    levy(&ones_off(&[z[2], z[7], z[11], z[18]]))
}

fn when(mut knob: Knob, on: &str, is: Setting) -> Knob {
    knob.condition = Some(Condition {
        knob: on.to_owned(),
        is: vec![is],
    });
    knob
}

/// A choice of three, each with knobs of its own: 14 knobs of which 5 or 6 are on.
fn branches(seed: u64) -> Task {
    let text = |text: &str| Setting::Text(text.to_owned());
    let mut knobs = vec![choice("kind", &["a", "b", "c"])];
    let floats = |name: &'static str, count: usize| {
        (0..count).map(move |index| when(unit_float(format!("{name}{index}")), "kind", text(name)))
    };
    knobs.extend(floats("a", 4));
    knobs.extend(floats("b", 3));
    knobs.push(when(integer("bn", 1, 20, Scale::Linear), "kind", text("b")));
    knobs.extend(floats("c", 5));
    let centre = centre("branches", 5, seed);
    let floors = [0.0, 0.1, 0.2];
    let turn = (3.0 * unit(seed, "branches:turn", 0)) as usize;
    let constants = json!({"centre": centre, "turn": turn});
    Task {
        name: "branches",
        seed,
        space: Space::new(knobs).expect("a valid space"),
        least: 0.0,
        noise_sd: 0.0,
        constants,
        value: Box::new(move |settings| {
            let Setting::Text(kind) = &settings["kind"] else {
                unreachable!("`kind` is a text")
            };
            let off = |name: &str, count: usize| -> Vec<f64> {
                let each = centre.iter().take(count).enumerate();
                each.map(|(index, centre)| number(settings, &format!("{name}{index}")) - centre)
                    .collect()
            };
            let squares = |z: Vec<f64>| -> f64 { z.iter().map(|z| z * z).sum() };
            Some(match kind.as_str() {
                "a" => floors[turn] + squares(off("a", 4)),
                "b" => {
                    let slopes: f64 = off("b", 3).iter().map(|z| z.abs()).sum();
                    let ratio = (number(settings, "bn") / 5.0).ln();
                    floors[(turn + 1) % 3] + 0.5 * slopes + 0.1 * ratio * ratio
                }
                _ => floors[(turn + 2) % 3] + 1.0 - (-2.0 * squares(off("c", 5))).exp(),
            })
        }),
    }
}

/// A made-up training recipe: twelve knobs of every kind, noise, and crashes where the rate is too high or memory ends.
fn recipe(seed: u64) -> Task {
    let text = |text: &str| Setting::Text(text.to_owned());
    let knobs = vec![
        float("rate", 1e-5, 1.0, Scale::Log),
        integer("batch", 1, 256, Scale::Log),
        integer("width", 16, 512, Scale::Log),
        integer("depth", 1, 8, Scale::Linear),
        choice("optimizer", &["adam", "sgd", "rmsprop"]),
        when(
            float("beta2", 0.9, 0.999, Scale::Linear),
            "optimizer",
            text("adam"),
        ),
        when(
            float("momentum", 0.0, 0.99, Scale::Linear),
            "optimizer",
            text("sgd"),
        ),
        knob("warm", lyceum_types::KnobKind::Boolean),
        when(
            float("warmup", 0.0, 0.3, Scale::Linear),
            "warm",
            Setting::Boolean(true),
        ),
        float("decay", 1e-6, 1.0, Scale::Log),
        float("dropout", 0.0, 0.6, Scale::Linear),
        choice("activation", &["relu", "gelu", "tanh", "silu"]),
    ];
    let shift = 2.0 * unit(seed, "recipe:shift", 0) - 1.0;
    Task {
        name: "recipe",
        seed,
        space: Space::new(knobs).expect("a valid space"),
        least: 1.0,
        noise_sd: 0.02,
        constants: json!({"shift": shift}),
        value: Box::new(move |settings| loss(settings, shift)),
    }
}

fn loss(settings: &Settings, shift: f64) -> Option<f64> {
    let at = |name: &str| number(settings, name);
    let is = |name: &str, text: &str| settings[name] == Setting::Text(text.to_owned());
    let (width, depth, batch) = (at("width"), at("depth"), at("batch"));
    let square = |x: f64| x * x;
    let (usual, optimizer) = if is("optimizer", "adam") {
        (1e-3_f64, 0.02 * square((at("beta2") - 0.98) / 0.03))
    } else if is("optimizer", "sgd") {
        (1e-1, 0.05 + 0.3 * square(at("momentum") - 0.9))
    } else {
        (5e-4, 0.03)
    };
    let best = usual.ln() + shift - 0.5 * (width / 64.0).ln() + 0.5 * (batch / 16.0).ln();
    let off = at("rate").ln() - best;
    if off > 4.0 || width * depth * batch > 100_000.0 {
        return None;
    }
    let warm_up = if settings["warm"] == Setting::Boolean(true) {
        2.0 * square(at("warmup") - 0.1)
    } else {
        0.06
    };
    let activation = if is("activation", "gelu") {
        0.0
    } else if is("activation", "silu") {
        0.01
    } else if is("activation", "relu") {
        0.03
    } else {
        0.08
    };
    let sizes = 0.05 * square((width / 180.0).ln()) + 0.02 * square(depth - 5.0);
    let rest = 0.03 * square((batch / 24.0).ln())
        + 0.01 * square((at("decay") / 1e-2).ln() / 2.0)
        + square(at("dropout") - 0.15);
    Some(1.0 + 0.08 * off * off + optimizer + warm_up + activation + sizes + rest)
}
