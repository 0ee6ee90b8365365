//! Every layer and the optimiser against values computed by `PyTorch` (`goldens/generate.py`).
#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

use lyceum_train::layers::{CausalAttention, CrossEntropy, Embedding, Gelu, LayerNorm, Linear};
use lyceum_train::optimiser::{Optimiser, Rule};
use lyceum_train::parameters::{Initial, Layout};
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
