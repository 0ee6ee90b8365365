//! Trains a prior-fitted network and prints how it comes on: `train_network STEPS RATE SEED [OUT]`.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a command-line program"
)]

use lyceum_train::prior_fitted::{Config, Network, Recipe, Training, judge};

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
    println!(
        "{} parameters, untrained {:.3}",
        network.layout().len(),
        judge(&network, &network.initialise(1))
    );
    let mut training = Training::new(&network, recipe);
    let (mut sum, mut count) = (0.0, 0.0);
    let begun = cpu();
    while let Some(loss) = training.step() {
        sum += loss;
        count += 1.0;
        let every = (recipe.steps / 20).max(1);
        if training.steps_done().is_multiple_of(every) {
            println!(
                "step {} loss {:.3} judged {:.3} cpu {:.1} s",
                training.steps_done(),
                sum / count,
                judge(&network, training.parameters()),
                cpu() - begun
            );
            (sum, count) = (0.0, 0.0);
            if let Some(path) = words.get(3) {
                let bytes: Vec<u8> = training
                    .parameters()
                    .iter()
                    .flat_map(|one| one.to_le_bytes())
                    .collect();
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
