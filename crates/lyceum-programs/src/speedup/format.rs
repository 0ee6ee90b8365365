//! The binary input and output of a step, little-endian.

/// First bytes of an input.
pub const MAGIC: &[u8; 8] = b"STEP1\n\0\0";

/// Inputs of the network.
pub const INPUTS: usize = 256;
/// Units of the hidden layer.
pub const HIDDEN: usize = 256;
/// Outputs of the network.
pub const OUTPUTS: usize = 64;
/// Examples of the batch.
pub const BATCH: usize = 64;
/// Training steps: about a quarter of a second with the baseline's flags.
pub const STEPS: usize = 50;

/// The learning rate. Each step then changes the weights by far more than rounding does, so that a
/// step left out is seen; measured by a test.
pub const RATE: f32 = 0.3;

/// The four tensors of the network in file order, with their lengths.
pub const TENSORS: [(&str, usize); 4] = [
    ("first weights", HIDDEN * INPUTS),
    ("first biases", HIDDEN),
    ("second weights", OUTPUTS * HIDDEN),
    ("second biases", OUTPUTS),
];

/// Bytes of an output: all weights and biases as f32.
pub const OUTPUT_BYTES: usize = 4 * (HIDDEN * INPUTS + HIDDEN + OUTPUTS * HIDDEN + OUTPUTS);
