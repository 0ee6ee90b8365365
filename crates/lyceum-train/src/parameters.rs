//! Named tensors laid out one after the other in one flat buffer.
//!
//! Weights, gradients and the optimiser's moments are then plain `Vec<f32>` of one length, and a layer
//! is a few [`Slot`]s into them.

use std::ops::Range;

use crate::random::Random;

/// How a tensor is filled before training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// All zeros: biases.
    Zero,
    /// All ones: the gains of norms.
    One,
    /// Normal with mean zero and this standard deviation.
    Normal(f32),
}

/// One named tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its name in a checkpoint.
    pub name: String,
    /// Its shape, outermost dimension first.
    pub shape: Vec<usize>,
    /// Where it lies in the flat buffer.
    pub slot: Slot,
    /// How it is filled before training.
    pub initial: Initial,
    /// Whether weight decay applies: to the weights of linear layers, not to biases, norms and
    /// embeddings.
    pub decays: bool,
}

/// A range of the flat buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    start: usize,
    length: usize,
}

impl Slot {
    /// Returns the range of the flat buffer.
    pub fn range(self) -> Range<usize> {
        self.start..self.start + self.length
    }

    /// Returns this slot's part of a flat buffer.
    pub fn of(self, buffer: &[f32]) -> &[f32] {
        &buffer[self.range()]
    }

    /// Returns this slot's part of a flat buffer, for writing.
    pub fn of_mut(self, buffer: &mut [f32]) -> &mut [f32] {
        &mut buffer[self.range()]
    }
}

/// The list of a network's tensors, in the order of the flat buffer.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    tensors: Vec<Tensor>,
    length: usize,
}

impl Layout {
    /// Appends a tensor and returns where it lies.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        shape: &[usize],
        initial: Initial,
        decays: bool,
    ) -> Slot {
        let slot = Slot {
            start: self.length,
            length: shape.iter().product(),
        };
        self.length += slot.length;
        self.tensors.push(Tensor {
            name: name.into(),
            shape: shape.to_vec(),
            slot,
            initial,
            decays,
        });
        slot
    }

    /// Returns the tensors in the order of the flat buffer.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Returns the number of parameters.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Returns whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns a flat buffer filled as each tensor asks, drawing in the order of the layout.
    pub fn initialise(&self, random: &mut Random) -> Vec<f32> {
        let mut values = vec![0.0; self.length];
        for tensor in &self.tensors {
            let part = tensor.slot.of_mut(&mut values);
            match tensor.initial {
                Initial::Zero => {}
                Initial::One => part.fill(1.0),
                Initial::Normal(deviation) => {
                    part.fill_with(|| deviation * random.normal() as f32);
                }
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_follow_each_other_and_are_filled_as_asked() {
        let mut layout = Layout::default();
        let weight = layout.add("weight", &[2, 3], Initial::Normal(0.5), true);
        let gain = layout.add("gain", &[3], Initial::One, false);
        let bias = layout.add("bias", &[3], Initial::Zero, false);
        assert_eq!(
            (weight.range(), gain.range(), bias.range()),
            (0..6, 6..9, 9..12)
        );
        let values = layout.initialise(&mut Random::new(0));
        assert_eq!(layout.len(), values.len());
        assert!(
            weight
                .of(&values)
                .iter()
                .all(|&value| value != 0.0 && value.abs() < 3.0)
        );
        assert_eq!(gain.of(&values), [1.0; 3]);
        assert_eq!(bias.of(&values), [0.0; 3]);
    }
}
