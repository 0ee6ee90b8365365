//! The prior-fitted network: its gradient against differences of its own loss, its symmetries, and that it learns.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking")]

use std::sync::LazyLock;

use lyceum_train::checkpoint;
use lyceum_train::prior_fitted::{
    Batch, Config, DataSet, Network, ReadError, Recipe, Trained, Training, Workspace, judge, sample,
};
use lyceum_train::random::Random;
use lyceum_train::transformer::Transformer;
use proptest::prelude::*;

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

fn short(steps: u64) -> Recipe {
    Recipe {
        steps,
        batch: 8,
        rate: 5e-3,
        ..Recipe::default()
    }
}

fn bits(weights: &[f32]) -> Vec<u32> {
    weights.iter().map(|weight| weight.to_bits()).collect()
}

#[test]
fn training_repeats_bit_for_bit_and_learns() {
    let run = || {
        let mut training = Training::new(small(), short(80)).unwrap();
        while training.step().is_some() {}
        assert_eq!(training.steps_done(), 80);
        training
    };
    let (first, second) = (run(), run());
    assert_eq!(bits(first.parameters()), bits(second.parameters()));
    let record = first.record();
    assert_eq!(record, second.record());
    assert_eq!(record.curve.last().unwrap().step, 80);
    let after = judge(first.network(), first.parameters());
    assert_eq!(
        after.to_bits(),
        record.curve.last().unwrap().judged.to_bits()
    );
    // Better than who predicts the same everywhere: it reads the points.
    assert!(
        after < record.marginal - 0.1,
        "{after}, marginal {}",
        record.marginal
    );
    assert!(
        after < record.untrained - 0.5,
        "{after}, untrained {}",
        record.untrained
    );
}

#[test]
fn a_training_that_was_interrupted_ends_with_the_same_bits() {
    let mut unbroken = Training::new(small(), short(30)).unwrap();
    while unbroken.step().is_some() {}
    let mut training = Training::new(small(), short(30)).unwrap();
    // At the first step, beside and at a point of the curve, and at the end.
    for stop in [0, 1, 5, 6, 29, 30] {
        while training.steps_done() < stop {
            training.step().unwrap();
        }
        let saved = training.save(stop as f64).unwrap();
        let (resumed, seconds) = Training::resume(&saved).unwrap();
        assert_eq!(seconds.to_bits(), (stop as f64).to_bits());
        assert_eq!(resumed.save(stop as f64).unwrap(), saved);
        training = resumed;
    }
    assert!(training.step().is_none());
    assert_eq!(bits(training.parameters()), bits(unbroken.parameters()));
    assert_eq!(
        Trained::of(&training).write().unwrap(),
        Trained::of(&unbroken).write().unwrap()
    );
}

#[test]
fn a_file_holds_the_weights_and_how_they_were_made() {
    let mut training = Training::new(small(), short(2)).unwrap();
    while training.step().is_some() {}
    let bytes = Trained::of(&training).write().unwrap();
    assert_eq!(bytes, Trained::of(&training).write().unwrap());
    let read = Trained::read(&bytes).unwrap();
    assert_eq!(bits(&read.parameters), bits(training.parameters()));
    assert_eq!(read.network.config(), small().config());
    assert_eq!(read.record, training.record());
}

/// A file of a network, and what it says after a text of its header was replaced.
fn forged(from: &str, to: &str) -> ReadError {
    assert_eq!(from.len(), to.len());
    let mut bytes = file();
    let at = bytes
        .windows(from.len())
        .position(|window| window == from.as_bytes())
        .unwrap_or_else(|| panic!("the header holds `{from}`"));
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    Trained::read(&bytes).unwrap_err()
}

fn file() -> Vec<u8> {
    static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let training = Training::new(small(), short(1)).unwrap();
        Trained::of(&training).write().unwrap()
    });
    FILE.clone()
}

#[test]
fn a_file_that_is_no_network_is_refused_by_name() {
    for (from, to, expected) in [
        (
            "\\\"width\\\":8",
            "\\\"width\\\":4",
            "tensor `token.weight` is F32 [8, 7], expected F32 [4, 7]",
        ),
        ("\\\"depth\\\":2", "\\\"depth\\\":9", "tensors, expected"),
        (
            "\\\"depth\\\":2",
            "\\\"depth\\\":0",
            "sizes of the network are invalid",
        ),
        (
            "prior-fitted-network",
            "prior-fitted-unknown",
            "model of kind `prior-fitted-unknown` version 1, expected `prior-fitted-network` version 1",
        ),
        (
            "\"shape\":[8,7]",
            "\"shape\":[7,8]",
            "is F32 [7, 8], expected F32 [8, 7]",
        ),
    ] {
        let error = forged(from, to).to_string();
        assert!(error.contains(expected), "{from}: {error}");
    }
    let whole = file();
    for length in [0, 7, 8, 200, whole.len() / 2, whole.len() - 1] {
        assert!(Trained::read(&whole[..length]).is_err(), "{length} bytes");
    }
    // A weight that is another number is a file that was changed; one that is none is told first.
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    let error = Trained::read(&changed).unwrap_err();
    assert!(matches!(error, ReadError::Weights { .. }), "{error}");
    let end = changed.len() - 4;
    changed[end..].copy_from_slice(&f32::NAN.to_le_bytes());
    let error = Trained::read(&changed).unwrap_err().to_string();
    assert!(error.contains("not finite"), "{error}");
}

#[test]
fn one_kind_of_file_is_not_taken_for_another() {
    let training = Training::new(small(), short(1)).unwrap();
    let error = Training::resume(&file()).unwrap_err().to_string();
    assert!(
        error.contains("expected `prior-fitted-training`"),
        "{error}"
    );
    let saved = training.save(0.0).unwrap();
    let error = Trained::read(&saved).unwrap_err().to_string();
    assert!(error.contains("expected `prior-fitted-network`"), "{error}");
    let transformer = Transformer::new(lyceum_train::transformer::Config {
        vocabulary: 2,
        context: 2,
        width: 4,
        depth: 1,
        heads: 1,
        init_scale: 1.0,
    });
    let transformer = transformer.unwrap();
    let weights = transformer.initialise(1);
    let other = checkpoint::write(&transformer, b"ab", &weights).unwrap();
    let error = Trained::read(&other).unwrap_err().to_string();
    assert!(error.contains("kind `character-transformer`"), "{error}");
}

#[test]
fn a_training_that_cannot_be_is_not_resumed() {
    let saved = Training::new(small(), short(9)).unwrap().save(0.0).unwrap();
    for (from, to, expected) in [
        (
            "\\\"prior\\\":2",
            "\\\"prior\\\":1",
            "functions of version 1",
        ),
        ("\\\"step\\\":0", "\\\"step\\\":8", "at step 8 of 9"),
        ("\\\"batch\\\":8", "\\\"batch\\\":0", "recipe is invalid"),
    ] {
        let mut bytes = saved.clone();
        let at = bytes
            .windows(from.len())
            .position(|window| window == from.as_bytes())
            .unwrap_or_else(|| panic!("the header holds `{from}`"));
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        let error = Training::resume(&bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{from}: {error}");
    }
    for length in [0, 8, saved.len() / 3, saved.len() - 1] {
        assert!(
            Training::resume(&saved[..length]).is_err(),
            "{length} bytes"
        );
    }
}

proptest! {
    #[test]
    fn no_changed_byte_makes_a_reader_panic(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = file();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(trained) = Trained::read(&bytes) {
            prop_assert!(trained.parameters.iter().all(|value| value.is_finite()));
        }
    }
}

#[test]
fn recipes_that_cannot_be_are_refused() {
    let usual = Recipe::default();
    for (recipe, name) in [
        (Recipe { steps: 0, ..usual }, "steps 0, expected 1 to"),
        (Recipe { batch: 0, ..usual }, "batch 0"),
        (
            Recipe {
                rate: f64::NAN,
                ..usual
            },
            "rate NaN",
        ),
        (
            Recipe {
                warmup: 1.5,
                ..usual
            },
            "warmup 1.5",
        ),
        (
            Recipe {
                weight_decay: -1.0,
                ..usual
            },
            "weight decay -1",
        ),
    ] {
        let error = Training::new(small(), recipe).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
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
