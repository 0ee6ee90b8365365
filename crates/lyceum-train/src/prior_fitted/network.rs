//! The whole network: tokens, columns, blocks, norm, head.

use super::batch::{Batch, DataSet, TOKEN_INPUTS};
use super::block::{Activations, Block, Metric, Scratch};
use super::columns::COLUMN_FEATURES;
use super::config::{Config, ConfigError};
use super::mixture::{self, Component, PARTS};
use crate::layers::{Gelu, LayerNorm, Linear};
use crate::parameters::{Initial, Layout};
use crate::random::Random;

/// The stream of the seed from which weights are drawn.
const WEIGHTS_STREAM: u64 = 1;
/// Logarithm of a column's weight where the network says nothing: a length scale of about a quarter of the range.
const METRIC_USUAL: f32 = 2.0;
/// Bounds of what the network adds to it.
const METRIC_MAX: f32 = 6.0;

/// A network that reads a data set and predicts values of the same function elsewhere; the weights live outside, in one
/// flat buffer.
///
/// A prior-fitted network (Müller et al., "Transformers can do Bayesian inference", arXiv:2112.10510) whose attention is
/// a kernel: each head weighs the known points by their distance in a metric that the network infers from the data set,
/// one weight a column. Nothing depends on the number or the order of columns.
#[derive(Clone, Debug)]
pub struct Network {
    config: Config,
    layout: Layout,
    token: Linear,
    column_hidden: Linear,
    column_metric: Linear,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

/// The buffers of a forward and a backward pass.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    stream: Vec<f32>,
    hidden: Vec<f32>,
    activated: Vec<f32>,
    metric_logs: Vec<f32>,
    metrics: Vec<Metric>,
    metric_slopes: Vec<Metric>,
    blocks: Vec<Activations>,
    statistics: Vec<f32>,
    normed: Vec<f32>,
    outputs: Vec<f32>,
    slope: Vec<f32>,
    normed_slope: Vec<f32>,
    scratch: Scratch,
}

impl Network {
    /// Lays out a network; no weights are allocated.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.validate()?;
        let mut layout = Layout::default();
        let linear = |layout: &mut Layout, name: &str, inputs: usize, outputs| {
            let initial = Initial::Normal(1.0 / (inputs as f32).sqrt());
            Linear::new(layout, name, inputs, outputs, initial)
        };
        let Config {
            width,
            depth,
            heads,
            column_width,
            components,
            ..
        } = config;
        let token = linear(&mut layout, "token", TOKEN_INPUTS, width);
        let column_hidden = linear(&mut layout, "column.hidden", COLUMN_FEATURES, column_width);
        let column_metric = linear(&mut layout, "column.metric", column_width, depth * heads);
        let blocks = (0..depth)
            .map(|index| Block::new(&mut layout, &format!("blocks.{index}"), &config))
            .collect();
        let norm = LayerNorm::new(&mut layout, "norm", width);
        let head = linear(&mut layout, "head", width, PARTS * components);
        Ok(Self {
            config,
            layout,
            token,
            column_hidden,
            column_metric,
            blocks,
            norm,
            head,
        })
    }

    /// Returns the sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the tensors and where they lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns fresh weights, a pure function of the configuration and the seed.
    pub fn initialise(&self, seed: u64) -> Vec<f32> {
        self.layout
            .initialise(&mut Random::stream(seed, WEIGHTS_STREAM))
    }

    /// Returns what the network believes of each question of a data set.
    pub fn predict(
        &self,
        parameters: &[f32],
        set: &DataSet,
        workspace: &mut Workspace,
    ) -> Vec<Vec<Component>> {
        let batch = Batch::new(std::slice::from_ref(set));
        self.forward(parameters, &batch, workspace);
        let each = PARTS * self.config.components;
        let rows = workspace.outputs.chunks_exact(each).skip(set.values.len());
        rows.map(mixture::mixture).collect()
    }

    /// Returns how much each column counts for the network when it compares points of this data set: the weight of its
    /// squared differences, the mean over heads.
    pub fn metric(&self, parameters: &[f32], set: &DataSet, workspace: &mut Workspace) -> Vec<f32> {
        let batch = Batch::new(std::slice::from_ref(set));
        workspace.resize(self, &batch);
        self.read_columns(parameters, &batch, workspace);
        let heads: Vec<&Vec<f32>> = workspace.metrics.iter().flatten().flatten().collect();
        (0..set.columns)
            .map(|column| heads.iter().map(|head| head[column]).sum::<f32>() / heads.len() as f32)
            .collect()
    }

    /// Returns the mean negative log density of the answers in nats and writes the gradient of every parameter to
    /// `gradients`. `answers` holds the values of all questions of all data sets, in order.
    ///
    /// # Panics
    ///
    /// Where there is not one answer for each question.
    pub fn loss_and_gradients(
        &self,
        parameters: &[f32],
        batch: &Batch,
        answers: &[f32],
        workspace: &mut Workspace,
        gradients: &mut [f32],
    ) -> f64 {
        let loss = self.loss(parameters, batch, answers, workspace);
        gradients.fill(0.0);
        self.backward(parameters, batch, workspace, gradients);
        loss
    }

    /// Returns the mean negative log density of the answers in nats, and leaves its gradient where the outputs were.
    ///
    /// # Panics
    ///
    /// Where there is not one answer for each question.
    pub fn loss(
        &self,
        parameters: &[f32],
        batch: &Batch,
        answers: &[f32],
        workspace: &mut Workspace,
    ) -> f64 {
        self.forward(parameters, batch, workspace);
        let each = PARTS * self.config.components;
        let scale = 1.0 / answers.len() as f32;
        let mut sum = 0.0;
        let mut left = answers.iter();
        for (first, shape) in batch.sets() {
            let rows = &mut workspace.outputs[first * each..(first + shape.rows) * each];
            let (known, asked) = rows.split_at_mut(shape.known * each);
            known.fill(0.0);
            for (row, answer) in asked.chunks_exact_mut(each).zip(left.by_ref()) {
                sum += f64::from(mixture::loss_and_gradient(row, *answer, scale));
            }
        }
        let asked: usize = batch
            .sets()
            .map(|(_, shape)| shape.rows - shape.known)
            .sum();
        assert_eq!(asked, answers.len(), "one answer a question");
        sum / answers.len() as f64
    }

    /// Leaves the outputs in the workspace.
    fn forward(&self, parameters: &[f32], batch: &Batch, workspace: &mut Workspace) {
        workspace.resize(self, batch);
        self.read_columns(parameters, batch, workspace);
        self.token
            .forward(parameters, batch.tokens(), &mut workspace.stream);
        let both = self.blocks.iter().zip(&workspace.metrics);
        for ((block, metric), kept) in both.zip(&mut workspace.blocks) {
            block.forward(parameters, batch, metric, &mut workspace.stream, kept);
        }
        self.norm.forward(
            parameters,
            &workspace.stream,
            &mut workspace.normed,
            &mut workspace.statistics,
        );
        self.head
            .forward(parameters, &workspace.normed, &mut workspace.outputs);
    }

    /// Infers the metric of every head from the columns.
    fn read_columns(&self, parameters: &[f32], batch: &Batch, workspace: &mut Workspace) {
        self.column_hidden
            .forward(parameters, batch.columns(), &mut workspace.hidden);
        Gelu.forward(&workspace.hidden, &mut workspace.activated);
        self.column_metric
            .forward(parameters, &workspace.activated, &mut workspace.metric_logs);
        let Config { depth, heads, .. } = self.config;
        let logs = &workspace.metric_logs;
        let mut first = 0;
        workspace.metrics = vec![Metric::new(); depth];
        for (_, shape) in batch.sets() {
            for (layer, metric) in workspace.metrics.iter_mut().enumerate() {
                let weight = |head: usize, column: usize| {
                    let log = logs[(first + column) * depth * heads + layer * heads + head];
                    (METRIC_USUAL + log.clamp(-METRIC_MAX, METRIC_MAX)).exp()
                };
                let head = |head| {
                    (0..shape.columns)
                        .map(|column| weight(head, column))
                        .collect()
                };
                metric.push((0..heads).map(head).collect());
            }
            first += shape.columns;
        }
    }

    /// Takes the gradient of the outputs, where the outputs were, back to every parameter.
    fn backward(
        &self,
        parameters: &[f32],
        batch: &Batch,
        workspace: &mut Workspace,
        gradients: &mut [f32],
    ) {
        let w = workspace;
        self.head.backward(
            parameters,
            gradients,
            &w.normed,
            &w.outputs,
            &mut w.normed_slope,
        );
        w.slope.fill(0.0);
        self.norm.backward_add(
            parameters,
            gradients,
            &w.stream,
            &w.statistics,
            &w.normed_slope,
            &mut w.slope,
        );
        w.metric_slopes = w.metrics.clone();
        for slope in w.metric_slopes.iter_mut().flatten().flatten() {
            slope.fill(0.0);
        }
        for (layer, block) in self.blocks.iter().enumerate().rev() {
            block.backward(
                parameters,
                gradients,
                batch,
                &w.metrics[layer],
                &w.blocks[layer],
                &mut w.slope,
                &mut w.metric_slopes[layer],
                &mut w.scratch,
            );
        }
        let mut unused = vec![0.0; batch.tokens().len()];
        self.token
            .backward(parameters, gradients, batch.tokens(), &w.slope, &mut unused);
        self.columns_backward(parameters, batch, w, gradients);
    }

    fn columns_backward(
        &self,
        parameters: &[f32],
        batch: &Batch,
        w: &mut Workspace,
        gradients: &mut [f32],
    ) {
        let Config { depth, heads, .. } = self.config;
        let mut slope = vec![0.0; w.metric_logs.len()];
        let mut first = 0;
        for (set, (_, shape)) in batch.sets().enumerate() {
            for layer in 0..depth {
                for head in 0..heads {
                    for column in 0..shape.columns {
                        let place = (first + column) * depth * heads + layer * heads + head;
                        if w.metric_logs[place].abs() < METRIC_MAX {
                            // The weight is the exponential of the output: its own derivative.
                            slope[place] = w.metric_slopes[layer][set][head][column]
                                * w.metrics[layer][set][head][column];
                        }
                    }
                }
            }
            first += shape.columns;
        }
        let mut hidden_slope = vec![0.0; w.hidden.len()];
        self.column_metric.backward(
            parameters,
            gradients,
            &w.activated,
            &slope,
            &mut hidden_slope,
        );
        Gelu.backward(&w.hidden, &mut hidden_slope);
        let mut unused = vec![0.0; batch.columns().len()];
        self.column_hidden.backward(
            parameters,
            gradients,
            batch.columns(),
            &hidden_slope,
            &mut unused,
        );
    }
}

impl Workspace {
    fn resize(&mut self, network: &Network, batch: &Batch) {
        let Config {
            width,
            depth,
            heads,
            column_width,
            components,
            ..
        } = network.config;
        let (rows, columns) = (batch.rows(), batch.column_count());
        let sizes: [(&mut Vec<f32>, usize); 9] = [
            (&mut self.stream, rows * width),
            (&mut self.hidden, columns * column_width),
            (&mut self.activated, columns * column_width),
            (&mut self.metric_logs, columns * depth * heads),
            (&mut self.statistics, rows * 2),
            (&mut self.normed, rows * width),
            (&mut self.outputs, rows * PARTS * components),
            (&mut self.slope, rows * width),
            (&mut self.normed_slope, rows * width),
        ];
        for (buffer, length) in sizes {
            buffer.resize(length, 0.0);
        }
        self.blocks.resize_with(depth, Activations::default);
    }
}
