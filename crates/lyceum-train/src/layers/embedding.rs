//! Token and position embeddings.

use crate::kernels::vector;
use crate::parameters::{Initial, Layout, Slot};

/// A row for each token plus a learned row for each position.
#[derive(Clone, Copy, Debug)]
pub struct Embedding {
    tokens: Slot,
    positions: Slot,
    vocabulary: usize,
    context: usize,
    width: usize,
}

impl Embedding {
    /// Appends the tables `{name}.token` and `{name}.position` to `layout`.
    pub fn new(
        layout: &mut Layout,
        name: &str,
        vocabulary: usize,
        context: usize,
        width: usize,
        initial: Initial,
    ) -> Self {
        let tokens = layout.add(
            format!("{name}.token"),
            &[vocabulary, width],
            initial,
            false,
        );
        let positions = layout.add(
            format!("{name}.position"),
            &[context, width],
            initial,
            false,
        );
        Self {
            tokens,
            positions,
            vocabulary,
            context,
            width,
        }
    }

    /// Writes one row for each of `tokens`, which are whole sequences of `length` positions.
    ///
    /// # Panics
    ///
    /// On a token at or beyond the vocabulary and on sequences longer than the context.
    pub fn forward(&self, parameters: &[f32], tokens: &[u16], length: usize, output: &mut [f32]) {
        self.check(tokens, length, output);
        let (table, places) = (self.tokens.of(parameters), self.positions.of(parameters));
        for (sequence, rows) in tokens
            .chunks_exact(length)
            .zip(output.chunks_exact_mut(length * self.width))
        {
            for (&token, row) in sequence.iter().zip(rows.chunks_exact_mut(self.width)) {
                row.copy_from_slice(&table[usize::from(token) * self.width..][..self.width]);
            }
            vector::add(&places[..rows.len()], rows);
        }
    }

    /// Adds to the gradients of both tables.
    pub fn backward(
        &self,
        gradients: &mut [f32],
        tokens: &[u16],
        length: usize,
        output_gradient: &[f32],
    ) {
        self.check(tokens, length, output_gradient);
        for (sequence, rows) in tokens
            .chunks_exact(length)
            .zip(output_gradient.chunks_exact(length * self.width))
        {
            let table = self.tokens.of_mut(gradients);
            for (&token, row) in sequence.iter().zip(rows.chunks_exact(self.width)) {
                vector::add(
                    row,
                    &mut table[usize::from(token) * self.width..][..self.width],
                );
            }
            vector::add(rows, &mut self.positions.of_mut(gradients)[..rows.len()]);
        }
    }

    fn check(&self, tokens: &[u16], length: usize, rows: &[f32]) {
        assert!(
            length > 0 && length <= self.context,
            "a sequence fits the context"
        );
        assert!(
            tokens.len().is_multiple_of(length),
            "tokens are whole sequences"
        );
        assert_eq!(
            tokens.len() * self.width,
            rows.len(),
            "one row for each token"
        );
        let known = tokens
            .iter()
            .all(|&token| usize::from(token) < self.vocabulary);
        assert!(known, "tokens are within the vocabulary");
    }
}
