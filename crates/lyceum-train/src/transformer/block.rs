//! One block: attention and a two-layer perceptron, each behind a norm and beside a residual path.

use super::Config;
use crate::layers::{CausalAttention, Gelu, LayerNorm, Linear};
use crate::parameters::{Initial, Layout};

/// The hidden layer of the perceptron is this many times as wide as the block.
const EXPANSION: usize = 4;

/// `x += project(attention(norm(x)))`, then `x += contract(gelu(expand(norm(x))))`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    first_norm: LayerNorm,
    queries_keys_values: Linear,
    attention: CausalAttention,
    project: Linear,
    second_norm: LayerNorm,
    expand: Linear,
    contract: Linear,
}

/// What the backward pass needs from the forward pass.
#[derive(Clone, Debug)]
pub(super) struct Activations {
    input: Vec<f32>,
    first_statistics: Vec<f32>,
    first_normed: Vec<f32>,
    queries_keys_values: Vec<f32>,
    weights: Vec<f32>,
    attended: Vec<f32>,
    middle: Vec<f32>,
    second_statistics: Vec<f32>,
    second_normed: Vec<f32>,
    hidden: Vec<f32>,
    activated: Vec<f32>,
}

/// Buffers of the backward pass, shared by all blocks.
#[derive(Clone, Debug)]
pub(super) struct Scratch {
    narrow: Vec<f32>,
    triple: Vec<f32>,
    wide: Vec<f32>,
    scores: Vec<f32>,
}

impl Block {
    pub(super) fn new(layout: &mut Layout, name: &str, config: &Config) -> Self {
        let width = config.width;
        // GPT-2's rule: what is added to the residual path is scaled down by the number of additions.
        let deviation = |inputs: usize| config.init_scale / (inputs as f32).sqrt();
        let residual = 1.0 / (2.0 * config.depth as f32).sqrt();
        let (narrow, wide) = (deviation(width), deviation(EXPANSION * width));
        let linear = |layout: &mut Layout, part: &str, inputs, outputs, deviation| {
            let name = format!("{name}.{part}");
            Linear::new(layout, &name, inputs, outputs, Initial::Normal(deviation))
        };
        Self {
            first_norm: LayerNorm::new(layout, &format!("{name}.first_norm"), width),
            queries_keys_values: linear(layout, "queries_keys_values", width, 3 * width, narrow),
            attention: CausalAttention::new(width, config.heads),
            project: linear(layout, "project", width, width, narrow * residual),
            second_norm: LayerNorm::new(layout, &format!("{name}.second_norm"), width),
            expand: linear(layout, "expand", width, EXPANSION * width, narrow),
            contract: linear(
                layout,
                "contract",
                EXPANSION * width,
                width,
                wide * residual,
            ),
        }
    }

    /// Replaces `stream` by the block's output and keeps in `kept` what `backward` needs.
    pub(super) fn forward(
        &self,
        parameters: &[f32],
        length: usize,
        stream: &mut [f32],
        kept: &mut Activations,
    ) {
        kept.input.copy_from_slice(stream);
        self.first_norm.forward(
            parameters,
            stream,
            &mut kept.first_normed,
            &mut kept.first_statistics,
        );
        self.queries_keys_values.forward(
            parameters,
            &kept.first_normed,
            &mut kept.queries_keys_values,
        );
        self.attention.forward(
            &kept.queries_keys_values,
            length,
            &mut kept.weights,
            &mut kept.attended,
        );
        self.project.forward_add(parameters, &kept.attended, stream);
        kept.middle.copy_from_slice(stream);
        self.second_norm.forward(
            parameters,
            stream,
            &mut kept.second_normed,
            &mut kept.second_statistics,
        );
        self.expand
            .forward(parameters, &kept.second_normed, &mut kept.hidden);
        Gelu.forward(&kept.hidden, &mut kept.activated);
        self.contract
            .forward_add(parameters, &kept.activated, stream);
    }

    /// Replaces `slope`, the gradient of the block's output, by that of its input.
    pub(super) fn backward(
        &self,
        parameters: &[f32],
        gradients: &mut [f32],
        length: usize,
        kept: &Activations,
        slope: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let Scratch {
            narrow,
            triple,
            wide,
            scores,
        } = scratch;
        self.contract
            .backward(parameters, gradients, &kept.activated, slope, wide);
        Gelu.backward(&kept.hidden, wide);
        self.expand
            .backward(parameters, gradients, &kept.second_normed, wide, narrow);
        self.second_norm.backward_add(
            parameters,
            gradients,
            &kept.middle,
            &kept.second_statistics,
            narrow,
            slope,
        );
        self.project
            .backward(parameters, gradients, &kept.attended, slope, narrow);
        self.attention.backward(
            &kept.queries_keys_values,
            length,
            &kept.weights,
            narrow,
            triple,
            scores,
        );
        self.queries_keys_values.backward(
            parameters,
            gradients,
            &kept.first_normed,
            triple,
            narrow,
        );
        self.first_norm.backward_add(
            parameters,
            gradients,
            &kept.input,
            &kept.first_statistics,
            narrow,
            slope,
        );
    }
}

impl Activations {
    pub(super) fn new(config: &Config, rows: usize, length: usize) -> Self {
        let width = config.width;
        let attention = CausalAttention::new(width, config.heads);
        let zeros = |columns: usize| vec![0.0; rows * columns];
        Self {
            input: zeros(width),
            first_statistics: zeros(2),
            first_normed: zeros(width),
            queries_keys_values: zeros(3 * width),
            weights: vec![0.0; attention.weights_len(rows, length)],
            attended: zeros(width),
            middle: zeros(width),
            second_statistics: zeros(2),
            second_normed: zeros(width),
            hidden: zeros(EXPANSION * width),
            activated: zeros(EXPANSION * width),
        }
    }
}

impl Scratch {
    pub(super) fn new(config: &Config, rows: usize, length: usize) -> Self {
        let zeros = |columns: usize| vec![0.0; rows * columns * config.width];
        Self {
            narrow: zeros(1),
            triple: zeros(3),
            wide: zeros(EXPANSION),
            scores: vec![0.0; length * length],
        }
    }
}
