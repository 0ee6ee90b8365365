//! One block: kernel attention and a two-layer perceptron, each behind a norm and beside a residual path.

use super::attention::{Head, Kept, Shape};
use super::batch::Batch;
use super::config::Config;
use crate::layers::{Gelu, LayerNorm, Linear};
use crate::parameters::{Initial, Layout};

/// Queries, keys and values.
const TRIPLE: usize = 3;

#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    width: usize,
    heads: usize,
    expansion: usize,
    first_norm: LayerNorm,
    queries_keys_values: Linear,
    project: Linear,
    second_norm: LayerNorm,
    expand: Linear,
    contract: Linear,
}

/// What the backward pass needs from the forward pass.
#[derive(Clone, Debug, Default)]
pub(super) struct Activations {
    input: Vec<f32>,
    first_statistics: Vec<f32>,
    first_normed: Vec<f32>,
    queries_keys_values: Vec<f32>,
    heads: Vec<Kept>,
    attended: Vec<f32>,
    middle: Vec<f32>,
    second_statistics: Vec<f32>,
    second_normed: Vec<f32>,
    hidden: Vec<f32>,
    activated: Vec<f32>,
}

/// Buffers of the backward pass, shared by all blocks.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    narrow: Vec<f32>,
    triple: Vec<f32>,
    wide: Vec<f32>,
    attended: Vec<f32>,
    cells: Vec<f32>,
}

/// Weights of the columns of a batch for the heads of one block: `metric[set][head][column]`.
pub(super) type Metric = Vec<Vec<Vec<f32>>>;

impl Block {
    pub(super) fn new(layout: &mut Layout, name: &str, config: &Config) -> Self {
        let (width, heads, expansion) = (config.width, config.heads, config.expansion);
        let residual = 1.0 / (2.0 * config.depth as f32).sqrt();
        let linear = |layout: &mut Layout, part: &str, inputs: usize, outputs, scale: f32| {
            let initial = Initial::Normal(scale / (inputs as f32).sqrt());
            Linear::new(layout, &format!("{name}.{part}"), inputs, outputs, initial)
        };
        let wide = expansion * width;
        Self {
            width,
            heads,
            expansion,
            first_norm: LayerNorm::new(layout, &format!("{name}.first_norm"), width),
            queries_keys_values: linear(layout, "queries_keys_values", width, TRIPLE * width, 1.0),
            project: linear(layout, "project", width + heads, width, residual),
            second_norm: LayerNorm::new(layout, &format!("{name}.second_norm"), width),
            expand: linear(layout, "expand", width, wide, 1.0),
            contract: linear(layout, "contract", wide, width, residual),
        }
    }

    /// Replaces `stream` by the block's output and keeps in `kept` what `backward` needs.
    pub(super) fn forward(
        &self,
        parameters: &[f32],
        batch: &Batch,
        metric: &Metric,
        stream: &mut [f32],
        kept: &mut Activations,
    ) {
        kept.resize(self, batch);
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
        self.attend(batch, metric, kept);
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

    fn attend(&self, batch: &Batch, metric: &Metric, kept: &mut Activations) {
        let attended = self.width + self.heads;
        for (set, (first, shape)) in batch.sets().enumerate() {
            for head in 0..self.heads {
                let view = self.head(
                    batch,
                    metric,
                    set,
                    head,
                    first,
                    shape,
                    &kept.queries_keys_values,
                );
                let place = first * attended;
                let (outs, densities) = (place + head * view.each, place + self.width + head);
                // The two outputs interleave: the densities are written aside and then put in their place.
                let mut aside = vec![0.0; shape.rows];
                let out = &mut kept.attended[outs..];
                view.forward(
                    &mut kept.heads[set * self.heads + head],
                    out,
                    attended,
                    &mut aside,
                    1,
                );
                for (row, density) in aside.into_iter().enumerate() {
                    kept.attended[densities + row * attended] = density;
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "which head of which data set")]
    fn head<'a>(
        &self,
        batch: &'a Batch,
        metric: &'a Metric,
        set: usize,
        head: usize,
        first: usize,
        shape: Shape,
        inputs: &'a [f32],
    ) -> Head<'a> {
        let each = self.width / self.heads;
        let stride = TRIPLE * self.width;
        Head {
            shape,
            each,
            squares: batch.squares(set),
            metric: &metric[set][head],
            inputs: &inputs[first * stride + head * each..],
            stride,
            width: self.width,
        }
    }

    /// Replaces `slope`, the gradient of the block's output, by that of its input, and adds that of the metric.
    #[expect(
        clippy::too_many_arguments,
        reason = "the gradients of two kinds of inputs"
    )]
    pub(super) fn backward(
        &self,
        parameters: &[f32],
        gradients: &mut [f32],
        batch: &Batch,
        metric: &Metric,
        kept: &Activations,
        slope: &mut [f32],
        metric_slope: &mut Metric,
        scratch: &mut Scratch,
    ) {
        scratch.resize(self, batch);
        let Scratch {
            narrow,
            triple,
            wide,
            attended,
            cells,
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
            .backward(parameters, gradients, &kept.attended, slope, attended);
        triple.fill(0.0);
        let each_row = self.width + self.heads;
        for (set, (first, shape)) in batch.sets().enumerate() {
            for head in 0..self.heads {
                let view = self.head(
                    batch,
                    metric,
                    set,
                    head,
                    first,
                    shape,
                    &kept.queries_keys_values,
                );
                let place = first * each_row;
                let start = first * TRIPLE * self.width + head * view.each;
                view.backward(
                    &kept.heads[set * self.heads + head],
                    &attended[place + head * view.each..],
                    each_row,
                    &attended[place + self.width + head..],
                    each_row,
                    &mut triple[start..],
                    &mut metric_slope[set][head],
                    cells,
                );
            }
        }
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
    fn resize(&mut self, block: &Block, batch: &Batch) {
        let rows = batch.rows();
        let width = block.width;
        let sizes: [(&mut Vec<f32>, usize); 10] = [
            (&mut self.input, width),
            (&mut self.first_statistics, 2),
            (&mut self.first_normed, width),
            (&mut self.queries_keys_values, TRIPLE * width),
            (&mut self.attended, width + block.heads),
            (&mut self.middle, width),
            (&mut self.second_statistics, 2),
            (&mut self.second_normed, width),
            (&mut self.hidden, block.expansion * width),
            (&mut self.activated, block.expansion * width),
        ];
        for (buffer, columns) in sizes {
            buffer.resize(rows * columns, 0.0);
        }
        self.heads
            .resize_with(batch.sets().count() * block.heads, Kept::default);
    }
}

impl Scratch {
    fn resize(&mut self, block: &Block, batch: &Batch) {
        let rows = batch.rows();
        self.narrow.resize(rows * block.width, 0.0);
        self.triple.resize(rows * TRIPLE * block.width, 0.0);
        self.wide.resize(rows * block.expansion * block.width, 0.0);
        self.attended
            .resize(rows * (block.width + block.heads), 0.0);
    }
}
