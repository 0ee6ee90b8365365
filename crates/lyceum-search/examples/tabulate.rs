//! Trains a small character transformer at every cell of three grids of settings, for the tables of the bench.
//!
//! ```text
//! cargo run --release -p lyceum-search --example tabulate -- bench/researchers/tables
//! ```
//!
//! The text is the repository's `LICENSE-APACHE`: the first four fifths are trained on, the rest is measured. Every run
//! sees the same number of characters; a run is a function of its settings and of one seed. Beside the end it is measured
//! at a twenty-seventh, a ninth and a third of the way, as a run would report of itself.

#![expect(clippy::expect_used, reason = "a bench ends at the first surprise")]

use std::{fmt::Write as _, path::Path};

use lyceum_train::{
    optimiser::{Optimiser, Rule, clip},
    random::Random,
    schedule::{Schedule, Shape},
    transformer::{Config, Transformer},
};

/// What is trained on and measured.
const TEXT: &[u8] = include_bytes!("../../../LICENSE-APACHE");
/// Characters that a network sees before the next.
const CONTEXT: usize = 32;
/// Characters that a run is trained on.
const CHARACTERS: usize = 16_384;
const SEED: u64 = 1;
/// Where a run is measured on its way, in parts of `PARTS`.
const RUNGS: [u64; 3] = [1, 3, 9];
const PARTS: u64 = 27;

/// A knob and its values.
struct Axis {
    name: &'static str,
    /// `ordered` or `choice`.
    kind: &'static str,
    values: &'static [f64],
}

/// A grid by its name.
struct Grid {
    name: &'static str,
    axes: &'static [Axis],
}

const fn ordered(name: &'static str, values: &'static [f64]) -> Axis {
    let kind = "ordered";
    Axis { name, kind, values }
}

const GRIDS: [Grid; 3] = [
    Grid {
        name: "text-size",
        axes: &[
            ordered(
                "rate",
                &[0.0003, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.1],
            ),
            ordered("width", &[8.0, 16.0, 24.0, 32.0]),
            ordered("depth", &[1.0, 2.0, 3.0]),
            ordered("batch", &[2.0, 4.0, 8.0, 16.0]),
            ordered("warmup", &[0.0, 0.1, 0.3]),
        ],
    },
    Grid {
        name: "text-schedule",
        axes: &[
            ordered(
                "rate",
                &[0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128],
            ),
            Axis {
                name: "schedule",
                kind: "choice",
                values: &[0.0, 1.0, 2.0],
            },
            ordered("warmup", &[0.0, 0.05, 0.1, 0.3]),
            ordered("beta2", &[0.9, 0.95, 0.99]),
            ordered("decay", &[0.001, 0.1, 1.0]),
        ],
    },
    Grid {
        name: "text-optimizer",
        axes: &[
            Axis {
                name: "optimizer",
                kind: "choice",
                values: &[0.0, 1.0],
            },
            ordered(
                "rate",
                &[0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0],
            ),
            ordered("momentum", &[0.0, 0.5, 0.9, 0.98]),
            ordered("scale", &[0.3, 1.0, 3.0]),
            ordered("batch", &[2.0, 8.0, 16.0]),
        ],
    },
];

/// Everything that a run depends on.
struct Recipe {
    rate: f64,
    width: f64,
    depth: f64,
    batch: f64,
    warmup: f64,
    /// 0 constant, 1 linear, 2 cosine.
    schedule: f64,
    beta2: f64,
    decay: f64,
    /// 0 `AdamW`, 1 gradient descent.
    optimizer: f64,
    momentum: f64,
    scale: f64,
}

impl Recipe {
    /// Returns the usual recipe with these settings.
    fn with(axes: &[Axis], values: &[f64]) -> Recipe {
        let mut recipe = Recipe {
            rate: 0.008,
            width: 16.0,
            depth: 1.0,
            batch: 8.0,
            warmup: 0.1,
            schedule: 2.0,
            beta2: 0.99,
            decay: 0.01,
            optimizer: 0.0,
            momentum: 0.9,
            scale: 1.0,
        };
        for (axis, value) in axes.iter().zip(values) {
            let slot = match axis.name {
                "rate" => &mut recipe.rate,
                "width" => &mut recipe.width,
                "depth" => &mut recipe.depth,
                "batch" => &mut recipe.batch,
                "warmup" => &mut recipe.warmup,
                "schedule" => &mut recipe.schedule,
                "beta2" => &mut recipe.beta2,
                "decay" => &mut recipe.decay,
                "optimizer" => &mut recipe.optimizer,
                "momentum" => &mut recipe.momentum,
                "scale" => &mut recipe.scale,
                other => unreachable!("no knob `{other}`"),
            };
            *slot = *value;
        }
        recipe
    }

    fn rule(&self) -> Rule {
        if self.optimizer > 0.5 {
            let momentum = self.momentum as f32;
            return Rule::Sgd { momentum };
        }
        Rule::AdamW {
            beta1: self.momentum as f32,
            beta2: self.beta2 as f32,
            epsilon: 1e-8,
        }
    }

    fn schedule(&self, steps: u64) -> Schedule {
        Schedule {
            shape: [Shape::Constant, Shape::Linear, Shape::Cosine][self.schedule as usize],
            peak: self.rate,
            warmup: self.warmup,
            steps,
        }
    }
}

/// Bits per character on the rest of the text.
struct Curve {
    /// At the end; `None` where training diverged.
    end: Option<f64>,
    /// At each of the rungs that it reached.
    reported: Vec<f64>,
}

/// Trains once.
fn train(recipe: &Recipe, tokens: &[u16], vocabulary: usize) -> Curve {
    let (text, rest) = tokens.split_at(tokens.len() / 5 * 4);
    let model = Transformer::new(Config {
        vocabulary,
        context: CONTEXT,
        width: recipe.width as usize,
        depth: recipe.depth as usize,
        heads: 2,
        init_scale: recipe.scale as f32,
    })
    .expect("valid sizes");
    let batch = recipe.batch as usize;
    let steps = (CHARACTERS / (batch * CONTEXT)) as u64;
    let mut parameters = model.initialise(SEED);
    let mut gradients = vec![0.0; parameters.len()];
    let mut optimiser = Optimiser::new(recipe.rule(), recipe.decay as f32, model.layout());
    let mut workspace = model.workspace(batch, CONTEXT);
    let mut random = Random::stream(SEED, 2);
    let schedule = recipe.schedule(steps);
    let mut reported = Vec::new();
    for step in 0..steps {
        let starts: Vec<usize> = (0..batch)
            .map(|_| random.below(text.len() - CONTEXT))
            .collect();
        let window = |shift: usize| -> Vec<u16> {
            let part = |start: &usize| &text[start + shift..start + shift + CONTEXT];
            starts.iter().flat_map(part).copied().collect()
        };
        let (input, targets) = (window(0), window(1));
        let loss = model.loss_and_gradients(
            &parameters,
            &input,
            &targets,
            &mut workspace,
            &mut gradients,
        );
        if !loss.is_finite() {
            let end = None;
            return Curve { end, reported };
        }
        clip(&mut gradients, 1.0);
        optimiser.step(
            model.layout(),
            &mut parameters,
            &gradients,
            schedule.rate(step),
        );
        let rungs = RUNGS.iter();
        let due = rungs.filter(|rung| (*rung * steps).div_ceil(PARTS) == step + 1);
        reported.extend(due.map(|_| bits_on(&model, &parameters, rest)));
    }
    let bits = bits_on(&model, &parameters, rest);
    // Worse than telling nothing apart: the run is lost, whatever number it still gives.
    let told = bits.is_finite() && bits < 2.0 * (vocabulary as f64).log2();
    let end = told.then_some(bits);
    Curve { end, reported }
}

/// Returns the bits per character on the rest of the text.
fn bits_on(model: &Transformer, parameters: &[f32], rest: &[u16]) -> f64 {
    let windows = (rest.len() - 1) / CONTEXT;
    let mut workspace = model.workspace(windows, CONTEXT);
    let (input, targets) = (&rest[..windows * CONTEXT], &rest[1..=windows * CONTEXT]);
    let losses = model.losses(parameters, input, targets, &mut workspace);
    let mean = losses.iter().map(|loss| f64::from(*loss)).sum::<f64>() / losses.len() as f64;
    mean / std::f64::consts::LN_2
}

/// Returns the table of a grid.
fn tabulate(grid: &Grid) -> String {
    let mut alphabet = TEXT.to_vec();
    alphabet.sort_unstable();
    alphabet.dedup();
    let token = |byte: &u8| alphabet.binary_search(byte).expect("a known byte") as u16;
    let tokens: Vec<u16> = TEXT.iter().map(token).collect();
    let mut text = format!(
        "# {}: bits per character of a small transformer on the last fifth of LICENSE-APACHE, seed {SEED}.\n\
         # Then the same at 1/27, 1/9 and 1/3 of the way.\n\
         # Made by `cargo run --release -p lyceum-search --example tabulate`; no date, a run gives the same file again.\n",
        grid.name
    );
    for axis in grid.axes {
        let values: Vec<String> = axis.values.iter().map(f64::to_string).collect();
        let _ = writeln!(
            text,
            "knob {} {} {}",
            axis.name,
            axis.kind,
            values.join(" ")
        );
    }
    let cells: usize = grid.axes.iter().map(|axis| axis.values.len()).product();
    let _ = writeln!(text, "cells {cells}");
    for cell in 0..cells {
        let mut rest = cell;
        let mut values: Vec<f64> = Vec::new();
        for axis in grid.axes.iter().rev() {
            values.insert(0, axis.values[rest % axis.values.len()]);
            rest /= axis.values.len();
        }
        let curve = train(&Recipe::with(grid.axes, &values), &tokens, alphabet.len());
        let end = curve
            .end
            .map_or("failed".to_owned(), |bits| format!("{bits:.5}"));
        let reported = curve.reported.iter().map(|bits| format!(" {bits:.5}"));
        let line = end + &reported.collect::<String>();
        let _ = writeln!(text, "{line}");
        if cell % 50 == 49 {
            progress(grid.name, cell + 1, cells);
        }
    }
    text
}

#[expect(clippy::print_stderr, reason = "progress of a command-line program")]
fn progress(name: &str, done: usize, all: usize) {
    eprintln!("{name}: {done} of {all}");
}

fn main() {
    let directory = std::env::args().nth(1).expect("a directory to write to");
    for grid in &GRIDS {
        let path = Path::new(&directory).join(format!("{}.txt", grid.name));
        std::fs::write(path, tabulate(grid)).expect("a table written");
    }
}
