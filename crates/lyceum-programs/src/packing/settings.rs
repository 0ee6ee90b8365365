//! The solver's settings file.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// What `pack` reads from its settings file; every key is optional and the defaults are good.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the centres of a fresh start come from.
    pub start: Start,
    /// How a hop disturbs the current packing.
    #[serde(rename = "move")]
    pub kind: Move,
    /// How many circles one hop disturbs, 1 to 26. A swap exchanges half as many pairs.
    pub circles_moved: usize,
    /// Standard deviation of the displacement, in sides of the square.
    pub strength: f64,
    /// Loss of the sum of radii that a hop is forgiven at first; 0 accepts only what is not worse.
    pub temperature: f64,
    /// Factor on the temperature after each hop, 0 to 1.
    pub cooling: f64,
    /// Hops without improvement after which the search begins again from a fresh start.
    pub patience: usize,
    /// Most iterations of one descent.
    pub iterations: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            start: Start::Random,
            kind: Move::Relocate,
            circles_moved: 2,
            strength: 0.05,
            temperature: 0.003,
            cooling: 0.99,
            patience: 150,
            iterations: 400,
        }
    }
}

/// Where the centres of a fresh start come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Uniform in the square.
    Random,
    /// Rows of a hexagonal pattern, then displaced by `strength`.
    Hexagonal,
    /// A 5 × 5 grid and one more circle, then displaced by `strength`.
    Grid,
}

/// How a hop disturbs the current packing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Move {
    /// Displaces a circle chosen at random and its nearest neighbours.
    Jiggle,
    /// Takes the smallest circles out and puts them back elsewhere.
    Relocate,
    /// Exchanges the places of circles of different size.
    Swap,
    /// One of the three, drawn anew for every hop.
    Mixed,
}

/// Why a settings file was refused.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read settings file `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML, or a key or a value is not known.
    #[error("settings file `{}` is not valid", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause, with line and column.
        #[source]
        source: Box<toml_edit::de::Error>,
    },
    /// A value is outside its range.
    #[error("setting `{key}` must be {expected}, found: {found}")]
    Range {
        /// The key.
        key: &'static str,
        /// The range in words.
        expected: &'static str,
        /// The value.
        found: f64,
    },
}

impl Settings {
    /// Reads and checks a settings file.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Read {
            path: path.to_owned(),
            source,
        })?;
        let settings: Self =
            toml_edit::de::from_str(&text).map_err(|source| SettingsError::Parse {
                path: path.to_owned(),
                source: Box::new(source),
            })?;
        settings.checked()
    }

    /// Returns the settings when every value is in its range.
    pub fn checked(self) -> Result<Self, SettingsError> {
        let ranges: [(&'static str, f64, f64, f64, &'static str); 6] = [
            (
                "circles_moved",
                self.circles_moved as f64,
                1.0,
                26.0,
                "from 1 to 26",
            ),
            ("strength", self.strength, 0.0, 1.0, "from 0 to 1"),
            ("temperature", self.temperature, 0.0, 1.0, "from 0 to 1"),
            ("cooling", self.cooling, 0.0, 1.0, "from 0 to 1"),
            (
                "patience",
                self.patience as f64,
                0.0,
                1e9,
                "from 0 to 1000000000",
            ),
            (
                "iterations",
                self.iterations as f64,
                1.0,
                1e6,
                "from 1 to 1000000",
            ),
        ];
        for (key, found, low, high, expected) in ranges {
            if !(low..=high).contains(&found) {
                return Err(SettingsError::Range {
                    key,
                    expected,
                    found,
                });
            }
        }
        Ok(self)
    }
}
