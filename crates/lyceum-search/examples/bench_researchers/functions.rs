//! Twelve functions with known least values. Formulas and least values: Surjanovic and Bingham, "Virtual Library of
//! Simulation Experiments" (sfu.ca/~ssurjano); the mixed one is our own.

use lyceum_types::{Scale, Setting, Settings, Space};
use serde_json::json;

use crate::task::{Task, choice, integer, unit, unit_float};

/// A function on the unit cube, by name.
struct Function {
    name: &'static str,
    /// Its numeric dimensions.
    dimensions: usize,
    /// Its least value.
    least: f64,
}

/// A function shifted and reflected by a seed.
struct Instance {
    task: &'static str,
    shift: Vec<f64>,
    reflect: Vec<bool>,
}

const fn function(name: &'static str, dimensions: usize, least: f64) -> Function {
    Function {
        name,
        dimensions,
        least,
    }
}

const FUNCTIONS: [Function; 12] = [
    function("branin", 2, 0.397_887_357_729_738_16),
    function("camel", 2, -1.031_628_453_489_877),
    function("log-goldstein", 2, 1.098_612_288_668_109_8),
    function("hartmann3", 3, -3.862_782_147_819_756),
    function("hartmann6", 6, -3.322_368_011_415_515),
    function("ackley3", 3, 0.0),
    function("ackley6", 6, 0.0),
    function("rosenbrock4", 4, 0.0),
    function("levy4", 4, 0.0),
    function("styblinski4", 4, -156.664_662_815_085_7),
    function("griewank5", 5, 0.0),
    function("mixed", 4, 0.0),
];

/// Functions of many knobs, for trying out constants without a look at the held-out set.
const WIDE: [Function; 4] = [
    function("styblinski10", 10, -391.661_657_037_714_3),
    function("griewank12", 12, 0.0),
    function("ackley15", 15, 0.0),
    function("hartmann6-of-16", 16, -3.322_368_011_415_515),
];

/// Returns the functions of many knobs.
pub(crate) fn wide(seed: u64) -> Vec<Task> {
    WIDE.iter().map(|function| function.task(seed)).collect()
}

/// Returns all tasks as this seed moves them.
pub(crate) fn tasks(seed: u64) -> Vec<Task> {
    FUNCTIONS
        .iter()
        .map(|function| function.task(seed))
        .collect()
}

/// Returns Levy's function of this many dimensions.
pub(crate) fn levy_of(dimensions: usize) -> Task {
    function("levy4", dimensions, 0.0).task(0)
}

impl Function {
    fn task(&self, seed: u64) -> Task {
        let instance = self.instance(seed);
        Task {
            name: self.name,
            seed,
            space: self.space(),
            least: self.least,
            noise_sd: 0.0,
            constants: json!({"shift": instance.shift, "reflect": instance.reflect}),
            value: Box::new(move |settings| Some(instance.value(settings))),
        }
    }

    /// Returns the search space: unit floats, and for `mixed` a choice and a whole number as well.
    fn space(&self) -> Space {
        let mut knobs: Vec<_> = (0..self.dimensions)
            .map(|index| unit_float(format!("x{index}")))
            .collect();
        if self.name == "mixed" {
            knobs[3] = integer("x3", 1, 12, Scale::Linear);
            knobs.push(choice("c", &["a", "b", "c"]));
        }
        Space::new(knobs).expect("a valid space")
    }

    /// Returns the function as this seed shifts it (by at most a tenth of the range, around the cube) and reflects it.
    fn instance(&self, seed: u64) -> Instance {
        let draw =
            |what: &str, index: usize| unit(seed, &format!("{}:{what}", self.name), index as u64);
        Instance {
            task: self.name,
            shift: (0..self.dimensions)
                .map(|i| 0.2 * draw("shift", i) - 0.1)
                .collect(),
            reflect: (0..self.dimensions)
                .map(|i| draw("reflect", i) < 0.5)
                .collect(),
        }
    }
}

impl Instance {
    /// Returns the value at these settings.
    fn value(&self, settings: &Settings) -> f64 {
        let number = |index: usize| settings[&format!("x{index}")].number().expect("a number");
        if self.task == "mixed" {
            let Setting::Text(choice) = &settings["c"] else {
                unreachable!("`c` is a text")
            };
            let floats: Vec<f64> = (0..3).map(|i| self.moved(i, number(i))).collect();
            return mixed(&floats, number(3), choice);
        }
        let unit: Vec<f64> = (0..self.shift.len())
            .map(|i| self.moved(i, number(i)))
            .collect();
        evaluate(self.task, &unit)
    }

    /// Reflects and shifts one unit coordinate; what leaves the cube on one side is mirrored back in. Every least point
    /// lies more than a tenth from all sides, so that it stays reachable.
    fn moved(&self, index: usize, x: f64) -> f64 {
        let x = if self.reflect[index] { 1.0 - x } else { x };
        // A triangle wave of period 2 through the shifted coordinate.
        let t = (x + self.shift[index]).rem_euclid(2.0);
        if t > 1.0 { 2.0 - t } else { t }
    }
}

/// Returns the value of a named function at a point of the unit cube.
fn evaluate(name: &str, u: &[f64]) -> f64 {
    match name {
        "branin" => branin(-5.0 + 15.0 * u[0], 15.0 * u[1]),
        "camel" => camel(-3.0 + 6.0 * u[0], -2.0 + 4.0 * u[1]),
        "log-goldstein" => goldstein(-2.0 + 4.0 * u[0], -2.0 + 4.0 * u[1]).ln(),
        "hartmann3" => hartmann(u, &HARTMANN3_A, &HARTMANN3_P),
        "hartmann6" => hartmann(u, &HARTMANN6_A, &HARTMANN6_P),
        // Every second of the first twelve knobs matters.
        "hartmann6-of-16" => {
            let u: Vec<f64> = u.iter().copied().step_by(2).take(6).collect();
            hartmann(&u, &HARTMANN6_A, &HARTMANN6_P)
        }
        "ackley3" | "ackley6" | "ackley15" => ackley(&scaled(u, -32.768, 32.768)),
        "rosenbrock4" => rosenbrock(&scaled(u, -5.0, 10.0)),
        "levy4" => levy(&scaled(u, -10.0, 10.0)),
        "styblinski4" | "styblinski10" => styblinski(&scaled(u, -5.0, 5.0)),
        "griewank5" | "griewank12" => griewank(&scaled(u, -600.0, 600.0)),
        _ => unreachable!("`{name}` is not a task"),
    }
}

fn scaled(u: &[f64], low: f64, high: f64) -> Vec<f64> {
    u.iter().map(|u| low + (high - low) * u).collect()
}

fn branin(x: f64, y: f64) -> f64 {
    use std::f64::consts::PI;
    let bend = y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0;
    bend * bend + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0
}

fn camel(x: f64, y: f64) -> f64 {
    let (x2, y2) = (x * x, y * y);
    (4.0 - 2.1 * x2 + x2 * x2 / 3.0) * x2 + x * y + (-4.0 + 4.0 * y2) * y2
}

fn goldstein(x: f64, y: f64) -> f64 {
    let a = 19.0 - 14.0 * x + 3.0 * x * x - 14.0 * y + 6.0 * x * y + 3.0 * y * y;
    let b = 18.0 - 32.0 * x + 12.0 * x * x + 48.0 * y - 36.0 * x * y + 27.0 * y * y;
    let (sum, difference) = (x + y + 1.0, 2.0 * x - 3.0 * y);
    (1.0 + sum * sum * a) * (30.0 + difference * difference * b)
}

const HARTMANN_WEIGHTS: [f64; 4] = [1.0, 1.2, 3.0, 3.2];
const HARTMANN3_A: [[f64; 3]; 4] = [
    [3.0, 10.0, 30.0],
    [0.1, 10.0, 35.0],
    [3.0, 10.0, 30.0],
    [0.1, 10.0, 35.0],
];
const HARTMANN3_P: [[f64; 3]; 4] = [
    [0.3689, 0.1170, 0.2673],
    [0.4699, 0.4387, 0.7470],
    [0.1091, 0.8732, 0.5547],
    [0.0381, 0.5743, 0.8828],
];
const HARTMANN6_A: [[f64; 6]; 4] = [
    [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
    [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
    [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
    [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
];
const HARTMANN6_P: [[f64; 6]; 4] = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
];

fn hartmann<const N: usize>(u: &[f64], a: &[[f64; N]; 4], p: &[[f64; N]; 4]) -> f64 {
    let hill = |row: usize| {
        let exponent: f64 = (0..N)
            .map(|i| a[row][i] * (u[i] - p[row][i]) * (u[i] - p[row][i]))
            .sum();
        HARTMANN_WEIGHTS[row] * (-exponent).exp()
    };
    -(0..4).map(hill).sum::<f64>()
}

pub(crate) fn ackley(x: &[f64]) -> f64 {
    let n = x.len() as f64;
    let squares = x.iter().map(|x| x * x).sum::<f64>() / n;
    let waves = x
        .iter()
        .map(|x| (std::f64::consts::TAU * x).cos())
        .sum::<f64>()
        / n;
    -20.0 * (-0.2 * squares.sqrt()).exp() - waves.exp() + 20.0 + std::f64::consts::E
}

pub(crate) fn rosenbrock(x: &[f64]) -> f64 {
    x.windows(2)
        .map(|pair| {
            let (bend, rest) = (pair[1] - pair[0] * pair[0], 1.0 - pair[0]);
            100.0 * bend * bend + rest * rest
        })
        .sum()
}

pub(crate) fn levy(x: &[f64]) -> f64 {
    use std::f64::consts::PI;
    let w: Vec<f64> = x.iter().map(|x| 1.0 + (x - 1.0) / 4.0).collect();
    let last = w[w.len() - 1];
    let inner: f64 = w[..w.len() - 1]
        .iter()
        .map(|w| (w - 1.0).powi(2) * (1.0 + 10.0 * (PI * w + 1.0).sin().powi(2)))
        .sum();
    let end = (last - 1.0).powi(2) * (1.0 + (2.0 * PI * last).sin().powi(2));
    (PI * w[0]).sin().powi(2) + inner + end
}

fn styblinski(x: &[f64]) -> f64 {
    x.iter()
        .map(|x| x.powi(4) - 16.0 * x * x + 5.0 * x)
        .sum::<f64>()
        / 2.0
}

fn griewank(x: &[f64]) -> f64 {
    let squares: f64 = x.iter().map(|x| x * x).sum();
    let waves: f64 = x
        .iter()
        .enumerate()
        .map(|(i, x)| (x / ((i + 1) as f64).sqrt()).cos())
        .product();
    squares / 4000.0 - waves + 1.0
}

/// A bowl for each choice, each with its own floor, centre and best whole number. The least value is 0, in `b`.
fn mixed(u: &[f64], whole: f64, choice: &str) -> f64 {
    let (floor, centre, best) = match choice {
        "a" => (0.3, [0.3, 0.6, 0.5], 8.0),
        "b" => (0.0, [0.7, 0.25, 0.4], 5.0),
        _ => (0.15, [0.5, 0.8, 0.6], 3.0),
    };
    let (x, y, z) = (u[0] - centre[0], u[1] - centre[1], u[2] - centre[2]);
    let ratio = (whole / best).ln();
    let wave = 1.0 - (2.0 * std::f64::consts::TAU * x).cos();
    floor + 5.0 * x * x + 2.0 * y.abs() + (z + x) * (z + x) + 0.5 * ratio * ratio + 0.1 * wave
}
