//! Trained weights, and trainings under way, as safetensors files; and both in as hostile input.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::config::{Config, ConfigError};
use super::network::Network;
use super::prior::PRIOR_VERSION;
use super::record::{Point, Record};
use super::training::{Progress, RULE, Recipe, RecipeError, Training};
use crate::optimiser::Optimiser;
use crate::random::Random;
use crate::tensors::{self, Kind, WriteError, bytes_of};

const WEIGHTS: Kind = Kind {
    name: "prior-fitted-network",
    version: 1,
};
const TRAINING: Kind = Kind {
    name: "prior-fitted-training",
    version: 1,
};
/// Prefixes of the buffers of a training: weights, and the optimiser's two means.
const PREFIXES: [&str; 3] = ["weights.", "first.", "second."];
/// Parameters that a network from a file may have: a hundred times the usual, half a gigabyte while it is trained.
const PARAMETERS_MAX: usize = 14_000_000;
/// Points that a curve from a file may have.
const CURVE_MAX: usize = 100;

/// A network with its weights and how they were made.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The network.
    pub network: Network,
    /// Its weights, all finite.
    pub parameters: Vec<f32>,
    /// How they were made.
    pub record: Record,
}

/// Why bytes are not a network or a training under way.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file does not hold the tensors of one.
    #[error(transparent)]
    File(#[from] tensors::ReadError),
    /// The sizes are impossible.
    #[error("sizes of the network are invalid")]
    Config(#[from] ConfigError),
    /// The network is larger than this program reads.
    #[error("network of {found} parameters, expected at most {PARAMETERS_MAX}")]
    Large {
        /// The parameters that the sizes ask for.
        found: usize,
    },
    /// The recipe is impossible.
    #[error("the training's recipe is invalid")]
    Recipe(#[from] RecipeError),
    /// The weights are not those that the record tells of.
    #[error("the weights are not those of the record: BLAKE3 {found}, recorded {recorded}")]
    Weights {
        /// Hash of the weights in the file.
        found: String,
        /// Hash in the record.
        recorded: String,
    },
    /// A training of another version cannot go on: the functions that it learns from are others.
    #[error(
        "training on functions of version {found}, expected {PRIOR_VERSION}; hint: begin it anew"
    )]
    Prior {
        /// Version in the file.
        found: u32,
    },
    /// Numbers of the training do not fit each other.
    #[error("a training at step {step} of {steps} with {points} points of its curve")]
    Progress {
        /// Steps done.
        step: u64,
        /// Steps in all.
        steps: u64,
        /// Points of the curve.
        points: usize,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WeightsMetadata {
    kind: String,
    version: u32,
    sizes: Config,
    record: Record,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrainingMetadata {
    kind: String,
    version: u32,
    sizes: Config,
    prior: u32,
    recipe: Recipe,
    step: u64,
    optimiser_steps: u32,
    random: [u64; 4],
    loss_sum: f64,
    loss_count: u64,
    untrained: f64,
    curve: Vec<Point>,
    cpu_seconds: f64,
}

/// Returns the BLAKE3 of weights, as little-endian `f32`.
pub(super) fn hash(parameters: &[f32]) -> String {
    blake3::hash(&bytes_of(parameters)).to_hex().to_string()
}

impl Trained {
    /// Returns what a training made so far.
    pub fn of(training: &Training) -> Self {
        Self {
            network: training.network.clone(),
            parameters: training.parameters.clone(),
            record: training.record(),
        }
    }

    /// Returns the bytes of its file, a pure function of weights and record.
    pub fn write(&self) -> Result<Vec<u8>, WriteError> {
        let metadata = WeightsMetadata {
            kind: WEIGHTS.name.to_owned(),
            version: WEIGHTS.version,
            sizes: *self.network.config(),
            record: self.record.clone(),
        };
        tensors::write(&metadata, self.network.layout(), &[("", &self.parameters)])
    }

    /// Reads such a file. The bytes may come from anyone: sizes are checked before anything is allocated for them, and
    /// the weights against the record.
    pub fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        let WeightsMetadata { sizes, record, .. } = tensors::metadata(bytes, WEIGHTS)?;
        let network = network_of(sizes)?;
        let mut buffers = tensors::read(bytes, network.layout(), &[""])?;
        let parameters = buffers.swap_remove(0);
        let found = hash(&parameters);
        if found != record.weights {
            let recorded = record.weights;
            return Err(ReadError::Weights { found, recorded });
        }
        Ok(Self {
            network,
            parameters,
            record,
        })
    }
}

impl Training {
    /// Returns the bytes from which [`Training::resume`] goes on; `cpu_seconds` is what it cost so far.
    pub fn save(&self, cpu_seconds: f64) -> Result<Vec<u8>, WriteError> {
        let (first, second, optimiser_steps) = self.optimiser.moments();
        let metadata = TrainingMetadata {
            kind: TRAINING.name.to_owned(),
            version: TRAINING.version,
            sizes: *self.network.config(),
            prior: PRIOR_VERSION,
            recipe: self.recipe,
            step: self.step,
            optimiser_steps,
            random: self.random.state(),
            loss_sum: self.losses.0,
            loss_count: self.losses.1,
            untrained: self.untrained,
            curve: self.curve.clone(),
            cpu_seconds,
        };
        let [weights, means, squares] = PREFIXES;
        let buffers = [
            (weights, self.parameters.as_slice()),
            (means, first),
            (squares, second),
        ];
        tensors::write(&metadata, self.network.layout(), &buffers)
    }

    /// Returns a training that goes on, to the same weights as one that was never interrupted, and the CPU seconds that
    /// it cost so far. The bytes may come from anyone.
    pub fn resume(bytes: &[u8]) -> Result<(Self, f64), ReadError> {
        let metadata: TrainingMetadata = tensors::metadata(bytes, TRAINING)?;
        let TrainingMetadata {
            sizes,
            prior,
            recipe,
            step,
            curve,
            ..
        } = metadata;
        if prior != PRIOR_VERSION {
            return Err(ReadError::Prior { found: prior });
        }
        recipe.validate()?;
        let done = u64::from(metadata.optimiser_steps);
        if step > recipe.steps || done != step || curve.len() > CURVE_MAX {
            return Err(ReadError::Progress {
                step,
                steps: recipe.steps,
                points: curve.len(),
            });
        }
        let network = network_of(sizes)?;
        let mut buffers = tensors::read(bytes, network.layout(), &PREFIXES)?;
        let (second, first) = (buffers.swap_remove(2), buffers.swap_remove(1));
        let progress = Progress {
            parameters: buffers.swap_remove(0),
            optimiser: Optimiser::resumed(
                RULE,
                recipe.weight_decay,
                first,
                second,
                metadata.optimiser_steps,
            ),
            random: Random::from_state(metadata.random),
            step,
            losses: (metadata.loss_sum, metadata.loss_count),
            untrained: metadata.untrained,
            curve,
        };
        let training = Self::at(network, recipe, progress);
        Ok((training, metadata.cpu_seconds.max(0.0)))
    }
}

/// Returns the network of these sizes, unless it is larger than a file may ask for.
fn network_of(sizes: Config) -> Result<Network, ReadError> {
    let network = Network::new(sizes)?;
    let found = network.layout().len();
    if found > PARAMETERS_MAX {
        return Err(ReadError::Large { found });
    }
    Ok(network)
}
