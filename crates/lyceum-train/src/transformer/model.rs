//! The whole network: embedding, blocks, norm, head, loss.

use super::block::{Activations, Block, Scratch};
use super::{Config, ConfigError};
use crate::layers::{CrossEntropy, Embedding, LayerNorm, Linear};
use crate::parameters::{Initial, Layout};
use crate::random::Random;

/// The stream of the seed from which weights are drawn.
const WEIGHTS_STREAM: u64 = 1;

/// Standard deviation of the embeddings at an initial scale of 1.
const EMBEDDING_DEVIATION: f32 = 0.1;

/// A decoder-only transformer; the weights live outside, in one flat buffer.
#[derive(Clone, Debug)]
pub struct Transformer {
    config: Config,
    layout: Layout,
    embedding: Embedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

/// The buffers of a forward and a backward pass over batches of one size.
#[derive(Clone, Debug)]
pub struct Workspace {
    length: usize,
    stream: Vec<f32>,
    blocks: Vec<Activations>,
    statistics: Vec<f32>,
    normed: Vec<f32>,
    logits: Vec<f32>,
    losses: Vec<f32>,
    normed_slope: Vec<f32>,
    slope: Vec<f32>,
    scratch: Scratch,
}

impl Transformer {
    /// Lays out a network; no weights are allocated.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.validate()?;
        let mut layout = Layout::default();
        let Config {
            vocabulary,
            context,
            width,
            depth,
            init_scale,
            ..
        } = config;
        let initial = Initial::Normal(init_scale * EMBEDDING_DEVIATION);
        let embedding = Embedding::new(
            &mut layout,
            "embedding",
            vocabulary,
            context,
            width,
            initial,
        );
        let blocks = (0..depth)
            .map(|index| Block::new(&mut layout, &format!("blocks.{index}"), &config))
            .collect();
        let norm = LayerNorm::new(&mut layout, "norm", width);
        let initial = Initial::Normal(init_scale / (width as f32).sqrt());
        let head = Linear::new(&mut layout, "head", width, vocabulary, initial);
        Ok(Self {
            config,
            layout,
            embedding,
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

    /// Returns buffers for `batch` sequences of `length` tokens.
    ///
    /// # Panics
    ///
    /// Where `length` is zero or above the context.
    pub fn workspace(&self, batch: usize, length: usize) -> Workspace {
        assert!(
            length > 0 && length <= self.config.context,
            "a sequence fits the context"
        );
        let rows = batch * length;
        let zeros = |columns: usize| vec![0.0; rows * columns];
        let width = self.config.width;
        Workspace {
            length,
            stream: zeros(width),
            blocks: vec![Activations::new(&self.config, rows, length); self.blocks.len()],
            statistics: zeros(2),
            normed: zeros(width),
            logits: zeros(self.config.vocabulary),
            losses: zeros(1),
            normed_slope: zeros(width),
            slope: zeros(width),
            scratch: Scratch::new(&self.config, rows, length),
        }
    }

    /// Returns the loss of each row in nats: how surprising each of `targets` was after the tokens up
    /// to its place.
    pub fn losses<'w>(
        &self,
        parameters: &[f32],
        tokens: &[u16],
        targets: &[u16],
        workspace: &'w mut Workspace,
    ) -> &'w [f32] {
        self.forward(parameters, tokens, workspace);
        let scale = 1.0 / targets.len() as f32;
        CrossEntropy.forward_backward(&mut workspace.logits, targets, scale, &mut workspace.losses);
        &workspace.losses
    }

    /// Returns the mean loss in nats and writes the gradient of every parameter to `gradients`.
    pub fn loss_and_gradients(
        &self,
        parameters: &[f32],
        tokens: &[u16],
        targets: &[u16],
        workspace: &mut Workspace,
        gradients: &mut [f32],
    ) -> f64 {
        let losses = self.losses(parameters, tokens, targets, workspace);
        let mean = losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / losses.len() as f64;
        gradients.fill(0.0);
        self.backward(parameters, tokens, workspace, gradients);
        mean
    }

    /// Leaves the logits in the workspace.
    fn forward(&self, parameters: &[f32], tokens: &[u16], workspace: &mut Workspace) {
        let length = workspace.length;
        self.embedding
            .forward(parameters, tokens, length, &mut workspace.stream);
        for (block, kept) in self.blocks.iter().zip(&mut workspace.blocks) {
            block.forward(parameters, length, &mut workspace.stream, kept);
        }
        self.norm.forward(
            parameters,
            &workspace.stream,
            &mut workspace.normed,
            &mut workspace.statistics,
        );
        self.head
            .forward(parameters, &workspace.normed, &mut workspace.logits);
    }

    /// Takes the gradient of the logits, where the logits were, back to every parameter.
    fn backward(
        &self,
        parameters: &[f32],
        tokens: &[u16],
        workspace: &mut Workspace,
        gradients: &mut [f32],
    ) {
        let Workspace {
            length,
            stream,
            blocks,
            statistics,
            normed,
            logits,
            ..
        } = workspace;
        let Workspace {
            normed_slope,
            slope,
            scratch,
            ..
        } = workspace;
        self.head
            .backward(parameters, gradients, normed, logits, normed_slope);
        slope.fill(0.0);
        self.norm.backward_add(
            parameters,
            gradients,
            stream,
            statistics,
            normed_slope,
            slope,
        );
        for (block, kept) in self.blocks.iter().zip(blocks).rev() {
            block.backward(parameters, gradients, *length, kept, slope, scratch);
        }
        self.embedding.backward(gradients, tokens, *length, slope);
    }
}
