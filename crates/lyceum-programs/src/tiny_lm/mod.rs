//! The tiny language model study: data from a generator of known entropy, trainer, evaluator.
