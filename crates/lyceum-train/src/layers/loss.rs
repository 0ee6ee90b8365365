//! Softmax cross-entropy.

use crate::kernels::softmax;

/// Softmax cross-entropy against one target token a row.
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropy;

impl CrossEntropy {
    /// Writes the loss of each row in nats to `losses`, and turns `logits`, in place, into the gradient
    /// of `scale` times the sum of the losses (1 / rows for a mean).
    ///
    /// # Panics
    ///
    /// Where there is not one loss and one row for each target, and on a target beyond its row.
    pub fn forward_backward(
        self,
        logits: &mut [f32],
        targets: &[u16],
        scale: f32,
        losses: &mut [f32],
    ) {
        assert_eq!(targets.len(), losses.len(), "one loss a row");
        assert!(
            logits.len().is_multiple_of(targets.len().max(1)),
            "whole rows"
        );
        softmax::cross_entropy(logits, targets, scale, losses);
    }
}
