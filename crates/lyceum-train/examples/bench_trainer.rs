//! Measures training steps per CPU second on the benchmark model, one line of JSON a block of steps.
//!
//! Usage: `bench_trainer [STEPS [WIDTH DEPTH HEADS BATCH]]`; a line on standard input starts a block.
//! `bench/trainer/run.py` interleaves it with its peers.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::io::BufRead;
use std::time::Instant;

use lyceum_train::optimiser::{Optimiser, Rule};
use lyceum_train::random::Random;
use lyceum_train::transformer::{Config, Transformer};

fn main() {
    let argument = |index: usize, default: usize| -> usize {
        std::env::args()
            .nth(index)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let steps = argument(1, 20);
    let (width, depth, heads) = (argument(2, 128), argument(3, 4), argument(4, 4));
    let batch = argument(5, 16);
    let config = Config {
        vocabulary: 65,
        context: 64,
        width,
        depth,
        heads,
        init_scale: 1.0,
    };
    let Ok(model) = Transformer::new(config) else {
        return;
    };
    let mut parameters = model.initialise(1);
    let mut gradients = vec![0.0; parameters.len()];
    let mut workspace = model.workspace(batch, 64);
    let rule = Rule::AdamW {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
    };
    let mut optimiser = Optimiser::new(rule, 0.01, model.layout());
    let mut random = Random::new(1);
    let tokens: Vec<u16> = (0..=batch * 64).map(|_| random.below(65) as u16).collect();
    println!(
        "{{\"engine\": \"lyceum\", \"parameters\": {}}}",
        parameters.len()
    );
    // A block of steps for each line on standard input, so that a script can interleave engines.
    for line in std::io::stdin().lock().lines() {
        if line.is_err() {
            return;
        }
        let start = cpu_seconds();
        let wall = Instant::now();
        let mut loss = 0.0;
        for _ in 0..steps {
            loss = model.loss_and_gradients(
                &parameters,
                &tokens[..batch * 64],
                &tokens[1..],
                &mut workspace,
                &mut gradients,
            );
            optimiser.step(model.layout(), &mut parameters, &gradients, 1e-3);
        }
        let cpu = cpu_seconds() - start;
        println!(
            "{{\"steps\": {steps}, \"cpu_s\": {cpu:.4}, \"wall_s\": {:.4}, \"loss\": {loss:.5}}}",
            wall.elapsed().as_secs_f64(),
        );
    }
}

/// Returns this process's CPU time from `/proc/self/schedstat` (nanoseconds of its one thread).
fn cpu_seconds() -> f64 {
    std::fs::read_to_string("/proc/self/schedstat")
        .ok()
        .and_then(|text| {
            text.split(' ')
                .next()
                .and_then(|field| field.parse::<f64>().ok())
        })
        .map_or(f64::NAN, |nanoseconds| nanoseconds / 1e9)
}
