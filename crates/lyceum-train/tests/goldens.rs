//! Every layer, the optimiser and the whole prior-fitted network against values computed by `PyTorch`
//! (`goldens/generate.py`, `goldens/generate_network.py`).
#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

use lyceum_train::layers::{CausalAttention, CrossEntropy, Embedding, Gelu, LayerNorm, Linear};
use lyceum_train::optimiser::{Optimiser, Rule, clip};
use lyceum_train::parameters::{Initial, Layout};
use lyceum_train::prior_fitted::{Batch, Component, Config, DataSet, Network, Workspace};
use lyceum_train::schedule::{Schedule, Shape};
use serde_json::Value;

const TOLERANCE: f32 = 5e-6;

struct Golden(Value);

impl Golden {
    fn read(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap())
    }

    fn values(&self, name: &str) -> Vec<f32> {
        floats(&self.0[name])
    }

    fn size(&self, name: &str) -> usize {
        self.0["sizes"][name].as_u64().unwrap() as usize
    }

    fn tokens(&self, name: &str) -> Vec<u16> {
        floats(&self.0["sizes"][name])
            .into_iter()
            .map(|token| token as u16)
            .collect()
    }

    fn check(&self, name: &str, found: &[f32]) {
        let expected = self.values(name);
        assert_eq!(found.len(), expected.len(), "{name}");
        let scale = expected
            .iter()
            .fold(1.0_f32, |most, value| most.max(value.abs()));
        for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
            let error = (found - expected).abs() / scale;
            assert!(
                error < TOLERANCE,
                "{name}[{index}]: {found} against {expected}"
            );
        }
    }
}

fn floats(value: &Value) -> Vec<f32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item.as_f64().unwrap() as f32)
        .collect()
}

#[test]
fn linear() {
    let golden = Golden::read(include_str!("goldens/linear.json"));
    let mut layout = Layout::default();
    let layer = Linear::new(&mut layout, "l", 4, 3, Initial::Zero);
    let parameters = [golden.values("weight"), golden.values("bias")].concat();
    let input = golden.values("input");
    let mut output = vec![0.0; 15];
    layer.forward(&parameters, &input, &mut output);
    golden.check("output", &output);
    let (mut gradients, mut input_gradient) = (vec![0.0; 15], vec![0.0; 20]);
    let slope = golden.values("slope");
    layer.backward(
        &parameters,
        &mut gradients,
        &input,
        &slope,
        &mut input_gradient,
    );
    golden.check("weight_gradient", &gradients[..12]);
    golden.check("bias_gradient", &gradients[12..]);
    golden.check("input_gradient", &input_gradient);
}

#[test]
fn layer_norm() {
    let golden = Golden::read(include_str!("goldens/layer_norm.json"));
    let mut layout = Layout::default();
    let layer = LayerNorm::new(&mut layout, "n", 6);
    let parameters = [golden.values("weight"), golden.values("bias")].concat();
    let input = golden.values("input");
    let (mut output, mut statistics) = (vec![0.0; 24], vec![0.0; 8]);
    layer.forward(&parameters, &input, &mut output, &mut statistics);
    golden.check("output", &output);
    let (mut gradients, mut input_gradient) = (vec![0.0; 12], vec![0.0; 24]);
    let slope = golden.values("slope");
    layer.backward_add(
        &parameters,
        &mut gradients,
        &input,
        &statistics,
        &slope,
        &mut input_gradient,
    );
    golden.check("weight_gradient", &gradients[..6]);
    golden.check("bias_gradient", &gradients[6..]);
    golden.check("input_gradient", &input_gradient);
}

#[test]
fn gelu() {
    let golden = Golden::read(include_str!("goldens/gelu.json"));
    let input = golden.values("input");
    let mut output = vec![0.0; input.len()];
    Gelu.forward(&input, &mut output);
    golden.check("output", &output);
    let mut gradient = golden.values("slope");
    Gelu.backward(&input, &mut gradient);
    golden.check("input_gradient", &gradient);
}

#[test]
fn attention() {
    let golden = Golden::read(include_str!("goldens/attention.json"));
    let (length, width) = (golden.size("length"), golden.size("width"));
    let layer = CausalAttention::new(width, golden.size("heads"));
    let input = golden.values("input");
    let rows = input.len() / (3 * width);
    let mut weights = vec![0.0; layer.weights_len(rows, length)];
    let mut output = vec![0.0; rows * width];
    layer.forward(&input, length, &mut weights, &mut output);
    golden.check("output", &output);
    let (mut gradient, mut scratch) = (vec![0.0; input.len()], vec![0.0; length * length]);
    let slope = golden.values("slope");
    layer.backward(
        &input,
        length,
        &weights,
        &slope,
        &mut gradient,
        &mut scratch,
    );
    golden.check("input_gradient", &gradient);
}

#[test]
fn embedding() {
    let golden = Golden::read(include_str!("goldens/embedding.json"));
    let (tokens, length) = (golden.tokens("tokens"), golden.size("length"));
    let mut layout = Layout::default();
    let layer = Embedding::new(&mut layout, "e", 3, length, 4, Initial::Zero);
    let parameters = [golden.values("token"), golden.values("position")].concat();
    let mut output = vec![0.0; tokens.len() * 4];
    layer.forward(&parameters, &tokens, length, &mut output);
    golden.check("output", &output);
    let mut gradients = vec![0.0; parameters.len()];
    layer.backward(&mut gradients, &tokens, length, &golden.values("slope"));
    golden.check("token_gradient", &gradients[..12]);
    golden.check("position_gradient", &gradients[12..]);
}

#[test]
fn cross_entropy() {
    let golden = Golden::read(include_str!("goldens/cross_entropy.json"));
    let targets = golden.tokens("targets");
    let (mut logits, mut losses) = (golden.values("input"), vec![0.0; targets.len()]);
    CrossEntropy.forward_backward(&mut logits, &targets, 0.25, &mut losses);
    golden.check("output", &losses);
    golden.check("input_gradient", &logits);
}

#[test]
fn adamw() {
    let golden = Golden::read(include_str!("goldens/adamw.json"));
    let mut layout = Layout::default();
    layout.add("p", &[6], Initial::Zero, true);
    let rule = Rule::AdamW {
        beta1: 0.9,
        beta2: 0.95,
        epsilon: 1e-8,
    };
    let mut optimiser = Optimiser::new(rule, 0.1, &layout);
    let mut parameters = golden.values("start");
    let steps = golden.0["gradients"].as_array().unwrap().iter();
    for (gradient, after) in steps.zip(golden.0["after"].as_array().unwrap()) {
        optimiser.step(&layout, &mut parameters, &floats(gradient), 0.01);
        for (found, expected) in parameters.iter().zip(floats(after)) {
            assert!(
                (found - expected).abs() < TOLERANCE,
                "{found} against {expected}"
            );
        }
    }
}

/// Returns the network of a golden, after its tensors were compared with those that were meant.
fn network_of(golden: &Golden) -> Network {
    let network = Network::new(Config {
        width: golden.size("width"),
        depth: golden.size("depth"),
        heads: golden.size("heads"),
        expansion: golden.size("expansion"),
        column_width: golden.size("column_width"),
        components: golden.size("components"),
    })
    .unwrap();
    let tensors = network.layout().tensors().iter();
    let found: Vec<Value> = tensors
        .map(|tensor| serde_json::json!([tensor.name, tensor.shape]))
        .collect();
    assert_eq!(golden.0["tensors"], Value::from(found));
    network
}

#[test]
fn prior_fitted_network() {
    let golden = Golden::read(include_str!("goldens/network.json"));
    let network = network_of(&golden);
    let weights = golden.values("weights");
    let sets: Vec<DataSet> = golden.0["sets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|set| DataSet {
            columns: set["columns"].as_u64().unwrap() as usize,
            inputs: floats(&set["inputs"]),
            values: floats(&set["values"]),
            noise: set["noise"].as_f64().map(|noise| noise as f32),
            questions: floats(&set["questions"]),
        })
        .collect();
    let mut workspace = Workspace::default();
    let predicted: Vec<_> = sets
        .iter()
        .flat_map(|set| network.predict(&weights, set, &mut workspace))
        .collect();
    let expected = golden.0["mixtures"].as_array().unwrap();
    assert_eq!(predicted.len(), expected.len());
    for (mixture, expected) in predicted.iter().zip(expected) {
        let parts: [fn(&Component) -> f32; 3] = [|one| one.weight, |one| one.mean, |one| one.sd];
        for (index, part) in parts.iter().enumerate() {
            for (one, expected) in mixture.iter().zip(floats(&expected[index])) {
                let error = (part(one) - expected).abs() / expected.abs().max(1.0);
                assert!(error < 1e-5, "{one:?} against {expected}");
            }
        }
    }
    let (batch, answers) = (Batch::new(&sets), golden.values("answers"));
    let mut gradients = vec![0.0; weights.len()];
    let loss =
        network.loss_and_gradients(&weights, &batch, &answers, &mut workspace, &mut gradients);
    let expected = golden.0["loss"].as_f64().unwrap();
    assert!((loss - expected).abs() < 1e-5, "{loss} against {expected}");
    golden.check("gradients", &gradients);
}

#[test]
fn a_step_of_the_network() {
    let golden = Golden::read(include_str!("goldens/network.json"));
    let network = network_of(&golden);
    let (mut weights, mut gradients) = (golden.values("weights"), golden.values("gradients"));
    let norm = clip(&mut gradients, 1.0);
    let expected = golden.0["norm"].as_f64().unwrap();
    assert!(expected > 1.0, "a norm of {expected} is not clipped");
    assert!(
        (norm / expected - 1.0).abs() < 1e-5,
        "{norm} against {expected}"
    );
    let rule = Rule::AdamW {
        beta1: 0.9,
        beta2: 0.98,
        epsilon: 1e-8,
    };
    let mut optimiser = Optimiser::new(rule, 0.01, network.layout());
    optimiser.step(network.layout(), &mut weights, &gradients, 2e-3);
    let mut compared = 0;
    let all = weights.iter().zip(golden.values("after")).zip(&gradients);
    for (index, ((found, expected), gradient)) in all.enumerate() {
        // Where the true gradient is zero, as of a key's bias, the step has the direction of a rounding error.
        if gradient.abs() > 1e-6 {
            compared += 1;
            assert!(
                (found - expected).abs() < TOLERANCE,
                "[{index}]: {found} against {expected}"
            );
        }
    }
    assert!(
        compared > weights.len() / 2,
        "{compared} of {} compared",
        weights.len()
    );
}

#[test]
fn schedule() {
    let golden = Golden::read(include_str!("goldens/schedule.json"));
    let schedule = Schedule {
        shape: Shape::Cosine,
        peak: golden.0["peak"].as_f64().unwrap(),
        warmup: golden.0["warmup"].as_f64().unwrap(),
        steps: golden.0["steps"].as_u64().unwrap(),
    };
    let rates: Vec<f32> = (0..schedule.steps)
        .map(|step| schedule.rate(step) as f32)
        .collect();
    golden.check("rates", &rates);
}
