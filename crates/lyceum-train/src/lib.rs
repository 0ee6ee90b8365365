//! Small networks on the CPU: layers with hand-written adjoints, optimisers, safetensors.
//!
//! Everything works on flat `f32` buffers and one thread. The same seed, the same inputs and the same
//! machine give the same bits: no reduction is unordered, and the choice of instruction set, made once
//! at run time, is a function of the processor alone. The elementwise kernels give the same bits on
//! every instruction set; matrix products differ in the last bits between processors with and
//! without fused multiply-add.
//!
//! - [`random`]: the seeded generator.
//! - [`parameters`]: named tensors laid out in one flat buffer.
//! - [`matrix`]: the one entry to the matrix product.
//! - [`layers`]: linear, embedding, norm, attention, activation, loss; each a forward and backward
//!   pair.
//! - [`prior_fitted`]: a network that reads a data set and predicts in context, and its training.
//! - [`transformer`]: a decoder-only character transformer made of them.
//! - [`optimiser`], [`schedule`]: how the weights move.
//! - [`tensors`]: safetensors out, and in as hostile input; [`checkpoint`]: those of the transformer.

mod kernels;

pub mod checkpoint;
pub mod layers;
pub mod matrix;
pub mod optimiser;
pub mod parameters;
pub mod prior_fitted;
pub mod random;
pub mod schedule;
pub mod tensors;
pub mod transformer;
