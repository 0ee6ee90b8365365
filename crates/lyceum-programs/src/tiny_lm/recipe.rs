//! The recipe of a training run, as in `recipe.toml`.

use std::path::{Path, PathBuf};

use lyceum_train::optimiser::Rule;
use lyceum_train::schedule::{Schedule, Shape};
use lyceum_train::transformer::Config;
use serde::Deserialize;

use super::failure::{Failure, read_settings};

/// Which optimiser moves the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserName {
    /// `AdamW` with decoupled weight decay.
    AdamW,
    /// Stochastic gradient descent with momentum.
    Sgd,
}

/// How the learning rate falls after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleName {
    /// It does not.
    Constant,
    /// In a straight line to zero.
    Linear,
    /// Along half a cosine to zero.
    Cosine,
}

/// What a training run is asked to do.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The largest learning rate.
    pub learning_rate: f64,
    /// How the learning rate falls after warm-up.
    pub schedule: ScheduleName,
    /// The part of the run over which the learning rate first rises, 0 to 0.9.
    #[serde(default)]
    pub warmup: f64,
    /// Features of a position; a multiple of `heads`.
    pub width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads of a block.
    pub heads: usize,
    /// Sequences of a step.
    pub batch: usize,
    /// Bytes of a sequence.
    pub context: usize,
    /// Which optimiser moves the weights.
    pub optimizer: OptimiserName,
    /// Shrinks the weights of linear layers by `learning_rate · weight_decay` a step.
    #[serde(default)]
    pub weight_decay: f64,
    /// For `sgd`: decay of the velocity, 0 to below 1.
    #[serde(default = "default_momentum")]
    pub momentum: f64,
    /// For `adamw`: decay of the mean of squared gradients, 0 to below 1.
    #[serde(default = "default_beta2")]
    pub beta2: f64,
    /// Multiplies the deviation of every initial weight.
    #[serde(default = "default_one")]
    pub init_scale: f64,
    /// Gradients with a larger norm are scaled down to it.
    #[serde(default = "default_one")]
    pub clip: f64,
    /// CPU seconds of the process that the run may take.
    pub cpu_seconds: f64,
    /// The text to train on.
    #[serde(default = "default_data")]
    pub data: PathBuf,
}

fn default_momentum() -> f64 {
    0.9
}

fn default_beta2() -> f64 {
    0.999
}

fn default_one() -> f64 {
    1.0
}

fn default_data() -> PathBuf {
    PathBuf::from("/data/train.txt")
}

/// Decay of the mean of gradients, as in the paper.
const BETA1: f32 = 0.9;

/// Added to the root of the mean of squares, as in the paper.
const EPSILON: f32 = 1e-8;

/// The most memory that a run may take: far above what a core can train in minutes, far below what
/// brings a small machine down.
const BYTES_MAX: u128 = 1 << 30;

/// A batch beyond this is a mistake, and smaller ones cannot overflow a product.
const BATCH_MAX: usize = 1 << 16;

impl Recipe {
    /// Reads and checks a recipe; sizes that depend on the text are checked by [`Recipe::config`].
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let recipe: Self = read_settings(path)?;
        recipe.check(path)?;
        Ok(recipe)
    }

    fn check(&self, path: &Path) -> Result<(), Failure> {
        let within = |low: f64, high: f64, value: f64| value >= low && value <= high;
        let below_one = |value: f64| (0.0..1.0).contains(&value);
        let positive = |most: f64, value: f64| value > 0.0 && value <= most;
        let checks = [
            (
                "learning_rate",
                self.learning_rate,
                positive(100.0, self.learning_rate),
                "above 0 and at most 100",
            ),
            (
                "warmup",
                self.warmup,
                within(0.0, 0.9, self.warmup),
                "between 0 and 0.9",
            ),
            (
                "weight_decay",
                self.weight_decay,
                within(0.0, 100.0, self.weight_decay),
                "between 0 and 100",
            ),
            (
                "momentum",
                self.momentum,
                below_one(self.momentum),
                "at least 0 and below 1",
            ),
            (
                "beta2",
                self.beta2,
                below_one(self.beta2),
                "at least 0 and below 1",
            ),
            (
                "init_scale",
                self.init_scale,
                positive(100.0, self.init_scale),
                "above 0 and at most 100",
            ),
            (
                "clip",
                self.clip,
                positive(1e9, self.clip),
                "above 0 and at most 1e9",
            ),
            (
                "cpu_seconds",
                self.cpu_seconds,
                within(0.1, 1e6, self.cpu_seconds),
                "between 0.1 and 1e6",
            ),
            (
                "batch",
                self.batch as f64,
                (1..=BATCH_MAX).contains(&self.batch),
                "between 1 and 65536",
            ),
        ];
        for (name, found, valid, expected) in checks {
            if !valid {
                return Err(Failure::Setting {
                    path: path.to_owned(),
                    name,
                    expected,
                    found,
                });
            }
        }
        // The alphabet is not known yet; the smallest one finds every other fault.
        self.config(1).map(|_| ())
    }

    /// Returns the sizes of the network for an alphabet, after checking that training fits in memory.
    pub fn config(&self, vocabulary: usize) -> Result<Config, Failure> {
        let Self {
            context,
            width,
            depth,
            heads,
            ..
        } = *self;
        let init_scale = self.init_scale as f32;
        let config = Config {
            vocabulary,
            context,
            width,
            depth,
            heads,
            init_scale,
        };
        config.validate()?;
        let needed = config.training_bytes(self.batch);
        if needed > BYTES_MAX {
            let (needed_mib, most_mib) = (needed >> 20, BYTES_MAX >> 20);
            return Err(Failure::Memory {
                needed_mib,
                most_mib,
            });
        }
        Ok(config)
    }

    /// Returns the rule of the optimiser.
    pub fn rule(&self) -> Rule {
        match self.optimizer {
            OptimiserName::AdamW => Rule::AdamW {
                beta1: BETA1,
                beta2: self.beta2 as f32,
                epsilon: EPSILON,
            },
            OptimiserName::Sgd => Rule::Sgd {
                momentum: self.momentum as f32,
            },
        }
    }

    /// Returns the learning rates of a run of `steps` steps.
    pub fn rates(&self, steps: u64) -> Schedule {
        let shape = match self.schedule {
            ScheduleName::Constant => Shape::Constant,
            ScheduleName::Linear => Shape::Linear,
            ScheduleName::Cosine => Shape::Cosine,
        };
        Schedule {
            shape,
            peak: self.learning_rate,
            warmup: self.warmup,
            steps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
learning_rate = 0.001
schedule = "constant"
width = 32
depth = 2
heads = 4
batch = 32
context = 64
optimizer = "adamw"
cpu_seconds = 2.0
"#;

    fn read(text: &str) -> Result<Recipe, Failure> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Recipe::read(file.path())
    }

    fn refused(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from));
        let error = read(&GOOD.replace(from, to)).unwrap_err();
        assert_eq!(crate::cli::Failure::exit_code(&error), 2);
        match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        }
    }

    #[test]
    fn a_recipe_without_the_finer_settings_gets_their_defaults() {
        let recipe = read(GOOD).unwrap();
        assert_eq!(
            (recipe.warmup, recipe.momentum, recipe.beta2),
            (0.0, 0.9, 0.999)
        );
        assert_eq!(recipe.data, Path::new("/data/train.txt"));
    }

    #[test]
    fn heads_that_do_not_divide_the_width_are_refused() {
        let error = refused("heads = 4", "heads = 5");
        assert!(
            error.contains("heads must divide width, found 5 heads"),
            "{error}"
        );
    }

    #[test]
    fn sizes_of_zero_and_sizes_beyond_memory_are_refused() {
        assert!(refused("depth = 2", "depth = 0").contains("depth must be between 1 and 1024"));
        assert!(refused("batch = 32", "batch = 0").contains("batch must be between 1 and 65536"));
        assert!(refused("width = 32", "width = 60000").contains("lower width, depth, batch"));
        assert!(refused("context = 64", "context = 65536").contains("MiB"));
        assert!(refused("width = 32", "width = -1").contains("line 4"));
    }

    #[test]
    fn settings_out_of_range_are_named_with_what_was_found() {
        assert!(
            refused("0.001", "0.0")
                .contains("learning_rate must be above 0 and at most 100, found 0")
        );
        assert!(refused("0.001", "nan").contains("learning_rate must be"));
        assert!(refused("cpu_seconds = 2.0", "cpu_seconds = inf").contains("cpu_seconds must be"));
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_line() {
        let error = refused("depth = 2", "depht = 2");
        assert!(
            error.contains("unknown field `depht`") && error.contains("line 5"),
            "{error}"
        );
    }
}
