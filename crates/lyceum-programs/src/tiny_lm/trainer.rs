//! Training steps on random windows of a text.

use lyceum_train::optimiser::{Optimiser, clip};
use lyceum_train::random::Random;
use lyceum_train::transformer::{Transformer, Workspace};

use super::recipe::Recipe;

/// The stream of the seed from which the windows of text are drawn.
const WINDOWS_STREAM: u64 = 2;

/// A network in training; its state after n steps is a pure function of text, recipe, seed and the
/// learning rates of the steps.
#[derive(Clone)]
pub(super) struct Trainer<'a> {
    model: &'a Transformer,
    text: &'a [u16],
    batch: usize,
    clip: f64,
    parameters: Vec<f32>,
    gradients: Vec<f32>,
    optimiser: Optimiser,
    random: Random,
    workspace: Workspace,
    tokens: Vec<u16>,
    targets: Vec<u16>,
}

impl<'a> Trainer<'a> {
    /// Returns a network with fresh weights; `text` is longer than the context.
    pub(super) fn new(model: &'a Transformer, text: &'a [u16], recipe: &Recipe, seed: u64) -> Self {
        let parameters = model.initialise(seed);
        Self {
            model,
            text,
            batch: recipe.batch,
            clip: recipe.clip,
            gradients: vec![0.0; parameters.len()],
            parameters,
            optimiser: Optimiser::new(recipe.rule(), recipe.weight_decay as f32, model.layout()),
            random: Random::stream(seed, WINDOWS_STREAM),
            workspace: model.workspace(recipe.batch, recipe.context),
            tokens: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// Takes one step at learning rate `rate` and returns the mean loss before it in nats.
    pub(super) fn step(&mut self, rate: f64) -> f64 {
        self.draw_windows();
        let loss = self.model.loss_and_gradients(
            &self.parameters,
            &self.tokens,
            &self.targets,
            &mut self.workspace,
            &mut self.gradients,
        );
        clip(&mut self.gradients, self.clip);
        self.optimiser.step(
            self.model.layout(),
            &mut self.parameters,
            &self.gradients,
            rate,
        );
        loss
    }

    /// Returns the weights.
    pub(super) fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    fn draw_windows(&mut self) {
        let context = self.model.config().context;
        self.tokens.clear();
        self.targets.clear();
        for _ in 0..self.batch {
            let start = self.random.below(self.text.len() - context);
            self.tokens
                .extend_from_slice(&self.text[start..start + context]);
            self.targets
                .extend_from_slice(&self.text[start + 1..=start + context]);
        }
    }
}
