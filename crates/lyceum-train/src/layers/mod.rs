//! Layers as forward and backward pairs over flat buffers.
//!
//! A batch is a matrix: one row per position, one column per feature. The convention of every
//! `backward`: gradients of parameters are *added to*, gradients of inputs are *overwritten*; a method
//! that adds to the input's gradient says so in its name.

mod activation;
mod attention;
mod embedding;
mod linear;
mod loss;
mod norm;

pub use activation::Gelu;
pub use attention::CausalAttention;
pub use embedding::Embedding;
pub use linear::Linear;
pub use loss::CrossEntropy;
pub use norm::LayerNorm;
