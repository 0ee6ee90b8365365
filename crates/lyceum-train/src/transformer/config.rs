//! The sizes of a transformer, checked before anything is allocated.

use thiserror::Error;

/// The sizes of a transformer.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Distinct tokens, 1 to 65,536.
    pub vocabulary: usize,
    /// Positions that the model can see.
    pub context: usize,
    /// Features of a position; a multiple of `heads`.
    pub width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads of a block.
    pub heads: usize,
    /// Multiplies the standard deviation of every initial weight; 1 is the default.
    pub init_scale: f32,
}

/// Why a configuration cannot be built.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ConfigError {
    /// A size is zero or beyond its bound.
    #[error("{name} must be between 1 and {most}, found {found}")]
    Size {
        /// The field.
        name: &'static str,
        /// What was asked for.
        found: usize,
        /// The bound.
        most: usize,
    },
    /// The width cannot be split among the heads.
    #[error("heads must divide width, found {heads} heads for a width of {width}")]
    Heads {
        /// Heads of a block.
        heads: usize,
        /// Features of a position.
        width: usize,
    },
    /// The initial scale is not a positive number.
    #[error("init_scale must be between 0 and 100, found {found}")]
    InitScale {
        /// What was asked for.
        found: f32,
    },
}

/// Bounds far beyond what a processor core can train, so that products of sizes cannot overflow.
const BOUNDS: [(&str, usize); 5] = [
    ("vocabulary", 65_536),
    ("context", 65_536),
    ("width", 65_536),
    ("depth", 1_024),
    ("heads", 65_536),
];

impl Config {
    /// Checks every size against its bound and the heads against the width.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes = [
            self.vocabulary,
            self.context,
            self.width,
            self.depth,
            self.heads,
        ];
        for ((name, most), found) in BOUNDS.into_iter().zip(sizes) {
            if found == 0 || found > most {
                return Err(ConfigError::Size { name, found, most });
            }
        }
        if !self.width.is_multiple_of(self.heads) {
            return Err(ConfigError::Heads {
                heads: self.heads,
                width: self.width,
            });
        }
        if !(self.init_scale > 0.0 && self.init_scale <= 100.0) {
            return Err(ConfigError::InitScale {
                found: self.init_scale,
            });
        }
        Ok(())
    }

    /// Returns the number of parameters of a valid configuration.
    ///
    /// Embeddings (V + C)·D, each block 12·D² + 13·D, the last norm 2·D, the head V·D + V.
    pub fn parameter_count(&self) -> u64 {
        let [v, c, d, l] =
            [self.vocabulary, self.context, self.width, self.depth].map(|size| size as u64);
        (v + c) * d + l * (12 * d * d + 13 * d) + 2 * d + v * d + v
    }

    /// Returns about how many bytes training takes: weights, gradients and two moments, and the
    /// activations of `batch` sequences of the full context.
    pub fn training_bytes(&self, batch: usize) -> u128 {
        let rows = batch as u128 * self.context as u128;
        let [v, c, d, l, h] = [
            self.vocabulary,
            self.context,
            self.width,
            self.depth,
            self.heads,
        ]
        .map(|size| size as u128);
        let activations = rows * (l * (16 * d + h * c + 4) + 12 * d + v + 4) + c * c;
        4 * (4 * u128::from(self.parameter_count()) + activations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            vocabulary: 65,
            context: 64,
            width: 128,
            depth: 4,
            heads: 4,
            init_scale: 1.0,
        }
    }

    #[test]
    fn the_benchmark_model_has_the_parameters_of_its_peers() {
        assert_eq!(config().parameter_count(), 818_241);
    }

    #[test]
    fn sizes_out_of_bounds_are_named() {
        let error = Config {
            heads: 5,
            ..config()
        }
        .validate()
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "heads must divide width, found 5 heads for a width of 128"
        );
        let error = Config {
            depth: 0,
            ..config()
        }
        .validate()
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "depth must be between 1 and 1024, found 0"
        );
        let error = Config {
            width: usize::MAX,
            ..config()
        }
        .validate()
        .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("width must be between 1 and 65536, found")
        );
        assert!(
            Config {
                init_scale: f32::NAN,
                ..config()
            }
            .validate()
            .is_err()
        );
    }

    #[test]
    fn the_largest_sizes_do_not_overflow() {
        let largest = Config {
            vocabulary: 65_536,
            context: 65_536,
            width: 65_536,
            depth: 1_024,
            heads: 65_536,
            init_scale: 1.0,
        };
        assert_eq!(largest.validate(), Ok(()));
        assert!(largest.training_bytes(usize::MAX) > u128::from(u64::MAX));
    }
}
