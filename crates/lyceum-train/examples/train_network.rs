//! Trains a prior-fitted network with another rate: `train_network STEPS RATE SEED OUT`. What it writes is a training,
//! which `lyceum train network --resume OUT` turns into weights with their record.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a command-line program"
)]

use lyceum_train::prior_fitted::{Config, Network, Recipe, Training, marginal};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |index: usize, other: &str| words.get(index).cloned().unwrap_or(other.to_owned());
    let recipe = Recipe {
        steps: word(0, "1000").parse().expect("steps"),
        rate: word(1, "2e-3").parse().expect("rate"),
        seed: word(2, "1").parse().expect("seed"),
        ..Recipe::default()
    };
    let network = Network::new(Config::default()).expect("sizes");
    let count = network.layout().len();
    let begun = cpu();
    let mut training = Training::new(network, recipe).expect("a recipe");
    let (marginal, untrained) = (marginal(), training.untrained());
    println!("{count} parameters, marginal {marginal:.3}, untrained {untrained:.3}");
    let mut shown = 0;
    while training.step().is_some() {
        if training.curve().len() > shown {
            shown = training.curve().len();
            let point = training.curve()[shown - 1];
            println!(
                "step {} loss {:.3} judged {:.3} cpu {:.1} s",
                point.step,
                point.loss,
                point.judged,
                cpu() - begun
            );
            if let Some(path) = words.get(3) {
                let bytes = training.save(cpu() - begun).expect("a training");
                std::fs::write(path, bytes).expect("written");
            }
        }
    }
}

fn cpu() -> f64 {
    let record = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    record
        .split(' ')
        .next()
        .and_then(|one| one.parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1e9
}
