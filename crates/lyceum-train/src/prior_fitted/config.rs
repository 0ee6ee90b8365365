//! Sizes of the network.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Sizes of a prior-fitted network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Numbers in a token.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Attention heads of a block; they divide the width.
    pub heads: usize,
    /// Hidden numbers of a block's perceptron, as a multiple of the width.
    pub expansion: usize,
    /// Hidden numbers of the perceptron that reads a column.
    pub column_width: usize,
    /// Normal distributions in the mixture of a prediction.
    pub components: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            width: 64,
            depth: 4,
            heads: 4,
            expansion: 2,
            column_width: 32,
            components: 3,
        }
    }
}

/// Why sizes are not a network's.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A size is zero or beyond what this crate is made for.
    #[error("{name} {found}, expected 1 to {most}")]
    Size {
        /// The size.
        name: &'static str,
        /// What it is.
        found: usize,
        /// The greatest.
        most: usize,
    },
    /// Heads do not divide the width.
    #[error("{heads} heads do not divide a width of {width}")]
    Heads {
        /// Heads.
        heads: usize,
        /// The width.
        width: usize,
    },
}

impl Config {
    /// Checks the sizes.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes = [
            ("width", self.width, 1024),
            ("depth", self.depth, 32),
            ("heads", self.heads, 64),
            ("expansion", self.expansion, 16),
            ("column width", self.column_width, 1024),
            ("components", self.components, 16),
        ];
        for (name, found, most) in sizes {
            if found == 0 || found > most {
                return Err(ConfigError::Size { name, found, most });
            }
        }
        let Self { heads, width, .. } = *self;
        if !width.is_multiple_of(heads) {
            return Err(ConfigError::Heads { heads, width });
        }
        Ok(())
    }
}
