//! The prior-fitted network: its gradient against differences of its own loss, its symmetries, and that it learns.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking")]

use lyceum_train::prior_fitted::{
    Batch, Config, DataSet, Network, Recipe, Training, Workspace, judge, sample,
};
use lyceum_train::random::Random;

fn small() -> Network {
    let config = Config {
        width: 8,
        depth: 2,
        heads: 2,
        expansion: 2,
        column_width: 6,
        components: 2,
    };
    Network::new(config).unwrap()
}

/// Weights of every kind: gains and biases too differ from what training begins with.
fn weights(network: &Network) -> Vec<f32> {
    let mut random = Random::new(5);
    let mut weights = network.initialise(1);
    for weight in &mut weights {
        *weight += 0.1 * random.normal() as f32;
    }
    weights
}

fn samples(count: usize) -> (Vec<DataSet>, Vec<f32>) {
    let mut random = Random::new(9);
    let mut answers = Vec::new();
    let sets = (0..count).map(|_| {
        let sample = sample(&mut random);
        answers.extend(sample.answers);
        sample.set
    });
    (sets.collect(), answers)
}

#[test]
fn the_gradient_is_that_of_the_loss_in_every_tensor() {
    let network = small();
    let weights = weights(&network);
    let (sets, answers) = samples(3);
    let batch = Batch::new(&sets);
    let mut workspace = Workspace::default();
    let mut gradients = vec![9.0; weights.len()];
    let mut loss_at = |weights: &[f32], gradients: &mut [f32]| {
        network.loss_and_gradients(weights, &batch, &answers, &mut workspace, gradients)
    };
    loss_at(&weights, &mut gradients);
    let mut unused = vec![0.0; weights.len()];
    for tensor in network.layout().tensors() {
        let slope = tensor.slot.of(&gradients);
        let norm = slope
            .iter()
            .map(|g| f64::from(*g).powi(2))
            .sum::<f64>()
            .sqrt();
        assert!(
            norm > 1e-4,
            "{}: a gradient of {norm} tests nothing",
            tensor.name
        );
        // Along the gradient the slope of the loss is its norm.
        let step = 4e-3_f64;
        let mut moved = |sign: f64| {
            let mut moved = weights.clone();
            for (value, g) in tensor.slot.of_mut(&mut moved).iter_mut().zip(slope) {
                *value += (sign * step * f64::from(*g) / norm) as f32;
            }
            loss_at(&moved, &mut unused)
        };
        let found = (moved(1.0) - moved(-1.0)) / (2.0 * step);
        let error = (found - norm).abs() / norm.max(0.01);
        assert!(
            error < 0.02,
            "{}: slope {found}, gradient {norm}",
            tensor.name
        );
    }
}

#[test]
fn the_order_of_points_and_columns_does_not_matter() {
    let network = small();
    let weights = weights(&network);
    let mut random = Random::new(2);
    let mut uniform = |count: usize| {
        (0..count)
            .map(|_| random.uniform() as f32)
            .collect::<Vec<_>>()
    };
    let set = DataSet {
        columns: 3,
        inputs: uniform(15),
        values: vec![0.3, -1.2, 0.5, 1.4, -1.0],
        noise: Some(0.1),
        questions: uniform(6),
    };
    let rows = |numbers: &[f32], order: &[usize]| {
        let turned = |row: &[f32]| [row[2], row[0], row[1]];
        let row = |index: &usize| turned(&numbers[3 * index..3 * index + 3]);
        order.iter().flat_map(row).collect::<Vec<f32>>()
    };
    let order = [3, 0, 4, 1, 2];
    let turned = DataSet {
        inputs: rows(&set.inputs, &order),
        values: order.iter().map(|index| set.values[*index]).collect(),
        questions: rows(&set.questions, &[0, 1]),
        ..set.clone()
    };
    let mut workspace = Workspace::default();
    let plain = network.predict(&weights, &set, &mut workspace);
    let other = network.predict(&weights, &turned, &mut workspace);
    assert_eq!(plain.len(), 2);
    for (a, b) in plain.iter().flatten().zip(other.iter().flatten()) {
        assert!(
            (a.mean - b.mean).abs() < 1e-4 && (a.sd - b.sd).abs() < 1e-4,
            "{a:?} {b:?}"
        );
    }
    let sum: f32 = plain[0].iter().map(|one| one.weight).sum();
    assert!((sum - 1.0).abs() < 1e-5);
}

#[test]
fn training_repeats_bit_for_bit_and_learns() {
    let network = small();
    let recipe = Recipe {
        steps: 60,
        batch: 8,
        rate: 5e-3,
        ..Recipe::default()
    };
    let run = || {
        let mut training = Training::new(&network, recipe);
        while training.step().is_some() {}
        assert_eq!(training.steps_done(), 60);
        training.parameters().to_vec()
    };
    let (first, second) = (run(), run());
    let bits = |weights: &[f32]| {
        weights
            .iter()
            .map(|weight| weight.to_bits())
            .collect::<Vec<_>>()
    };
    assert_eq!(bits(&first), bits(&second));
    let (before, after) = (
        judge(&network, &network.initialise(1)),
        judge(&network, &first),
    );
    assert!(after < before - 0.5 && after < 1.42, "{before} to {after}");
}

#[test]
fn sizes_that_make_no_network_are_refused() {
    let wrong = [
        Config {
            width: 0,
            ..Config::default()
        },
        Config {
            heads: 5,
            ..Config::default()
        },
        Config {
            depth: 1000,
            ..Config::default()
        },
    ];
    for config in wrong {
        assert!(Network::new(config).is_err(), "{config:?}");
    }
}
