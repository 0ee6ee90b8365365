//! Safetensors out, and in as hostile input.
//!
//! The metadata holds one entry, `lyceum`, with the sizes and the alphabet as JSON. One entry, because
//! the format's library keeps metadata in a hash map: more would make the bytes of two equal
//! checkpoints differ.

use std::collections::HashMap;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::transformer::{Config, ConfigError, Transformer};

/// The only entry of the metadata.
const ENTRY: &str = "lyceum";

/// Says what the tensors are; a reader refuses any other.
const KIND: &str = "character-transformer";

/// The version of the layout of tensors and metadata.
const VERSION: u32 = 1;

/// A header lists a dozen tensors a block at about a hundred bytes each; this is far above and still
/// small.
const HEADER_BYTES_MAX: u64 = 4 << 20;

/// Weights with the sizes they belong to.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The network.
    pub model: Transformer,
    /// The byte that each token stands for, in the order of tokens.
    pub alphabet: Vec<u8>,
    /// The weights, all finite.
    pub parameters: Vec<f32>,
}

/// Why a checkpoint was not written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The format refused a tensor; a bug of the caller, such as weights of another network.
    #[error("weights do not fit the safetensors format")]
    Format(#[from] SafeTensorError),
    /// The metadata could not be encoded.
    #[error("sizes cannot be written as JSON")]
    Metadata(#[from] serde_json::Error),
}

/// Why bytes are not a checkpoint.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Shorter than a header's length.
    #[error("not a safetensors file: {found} bytes, expected at least 8")]
    Short {
        /// The bytes there are.
        found: usize,
    },
    /// The header claims more than any model of this crate needs.
    #[error("safetensors header of {found} bytes, expected at most {HEADER_BYTES_MAX}")]
    Header {
        /// The bytes it claims.
        found: u64,
    },
    /// The format's library refused the bytes.
    #[error("not a safetensors file")]
    Format(#[from] SafeTensorError),
    /// There is no entry with the sizes.
    #[error("no `{ENTRY}` entry in the metadata; hint: the file is not a model of `train`")]
    NoMetadata,
    /// The entry with the sizes is not what this version writes.
    #[error("the `{ENTRY}` entry of the metadata cannot be read")]
    Metadata(#[from] serde_json::Error),
    /// The model is of another kind or version.
    #[error("model of kind `{kind}` version {version}, expected `{KIND}` version {VERSION}")]
    Kind {
        /// The kind it claims.
        kind: String,
        /// The version it claims.
        version: u32,
    },
    /// The sizes are impossible.
    #[error("sizes of the model are invalid")]
    Config(#[from] ConfigError),
    /// The alphabet does not name one distinct byte for each token.
    #[error("alphabet of {found} distinct bytes, expected {expected}")]
    Alphabet {
        /// Distinct bytes.
        found: usize,
        /// The vocabulary.
        expected: usize,
    },
    /// There are more parameters than the caller allows.
    #[error("model of {found} parameters, expected at most {most}")]
    Large {
        /// The parameters that the sizes ask for.
        found: u64,
        /// The caller's bound.
        most: u64,
    },
    /// The number of tensors is not that of the network.
    #[error("{found} tensors, expected {expected}")]
    Tensors {
        /// Tensors in the file.
        found: usize,
        /// Tensors of the network.
        expected: usize,
    },
    /// A tensor has another type or shape than the network asks for.
    #[error("tensor `{name}` is {found_type:?} {found:?}, expected F32 {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its element type.
        found_type: Dtype,
        /// Its shape.
        found: Vec<usize>,
        /// The network's shape.
        expected: Vec<usize>,
    },
    /// A weight is infinite or not a number.
    #[error("tensor `{name}` holds a value that is not finite at index {index}")]
    NotFinite {
        /// The tensor.
        name: String,
        /// The index of the first such value.
        index: usize,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    kind: String,
    version: u32,
    alphabet: Vec<u8>,
    context: usize,
    width: usize,
    depth: usize,
    heads: usize,
    init_scale: f32,
}

/// Returns the bytes of a checkpoint, a pure function of its arguments.
pub fn write(
    model: &Transformer,
    alphabet: &[u8],
    parameters: &[f32],
) -> Result<Vec<u8>, WriteError> {
    let Config {
        context,
        width,
        depth,
        heads,
        init_scale,
        ..
    } = *model.config();
    let metadata = Metadata {
        kind: KIND.to_owned(),
        version: VERSION,
        alphabet: alphabet.to_vec(),
        context,
        width,
        depth,
        heads,
        init_scale,
    };
    let entries = HashMap::from([(ENTRY.to_owned(), serde_json::to_string(&metadata)?)]);
    let bytes: Vec<u8> = parameters
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let mut views = Vec::with_capacity(model.layout().tensors().len());
    for tensor in model.layout().tensors() {
        let range = tensor.slot.range();
        let data = &bytes[4 * range.start..4 * range.end];
        views.push((
            &tensor.name,
            TensorView::new(Dtype::F32, tensor.shape.clone(), data)?,
        ));
    }
    Ok(safetensors::serialize(views, Some(entries))?)
}

/// Reads a checkpoint of at most `parameters_max` parameters.
///
/// The bytes may come from anyone: every size is checked before anything is allocated for it.
pub fn read(bytes: &[u8], parameters_max: u64) -> Result<Checkpoint, ReadError> {
    let length = bytes
        .first_chunk::<8>()
        .ok_or(ReadError::Short { found: bytes.len() })?;
    let length = u64::from_le_bytes(*length);
    if length > HEADER_BYTES_MAX {
        return Err(ReadError::Header { found: length });
    }
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let entry = header
        .metadata()
        .as_ref()
        .and_then(|entries| entries.get(ENTRY));
    let metadata: Metadata = serde_json::from_str(entry.ok_or(ReadError::NoMetadata)?)?;
    let (config, alphabet) = checked(metadata)?;
    let found = config.parameter_count();
    if found > parameters_max {
        return Err(ReadError::Large {
            found,
            most: parameters_max,
        });
    }
    let model = Transformer::new(config)?;
    let tensors = SafeTensors::deserialize(bytes)?;
    let parameters = weights(&model, &tensors)?;
    Ok(Checkpoint {
        model,
        alphabet,
        parameters,
    })
}

/// Turns metadata into sizes and an alphabet.
fn checked(metadata: Metadata) -> Result<(Config, Vec<u8>), ReadError> {
    let Metadata {
        kind,
        version,
        alphabet,
        context,
        width,
        depth,
        heads,
        init_scale,
    } = metadata;
    if kind != KIND || version != VERSION {
        return Err(ReadError::Kind { kind, version });
    }
    let mut distinct = alphabet.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() != alphabet.len() {
        return Err(ReadError::Alphabet {
            found: distinct.len(),
            expected: alphabet.len(),
        });
    }
    let config = Config {
        vocabulary: alphabet.len(),
        context,
        width,
        depth,
        heads,
        init_scale,
    };
    config.validate()?;
    Ok((config, alphabet))
}

/// Copies every tensor of the network out of the file.
fn weights(model: &Transformer, tensors: &SafeTensors<'_>) -> Result<Vec<f32>, ReadError> {
    let layout = model.layout();
    if tensors.len() != layout.tensors().len() {
        let (found, expected) = (tensors.len(), layout.tensors().len());
        return Err(ReadError::Tensors { found, expected });
    }
    let mut parameters = Vec::with_capacity(layout.len());
    for tensor in layout.tensors() {
        let view = tensors.tensor(&tensor.name)?;
        if view.dtype() != Dtype::F32 || view.shape() != tensor.shape {
            return Err(ReadError::Shape {
                name: tensor.name.clone(),
                found_type: view.dtype(),
                found: view.shape().to_vec(),
                expected: tensor.shape.clone(),
            });
        }
        let values = view
            .data()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes));
        parameters.extend(values);
        let fresh = tensor.slot.of(&parameters);
        if let Some(index) = fresh.iter().position(|value| !value.is_finite()) {
            return Err(ReadError::NotFinite {
                name: tensor.name.clone(),
                index,
            });
        }
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn model() -> Transformer {
        let config = Config {
            vocabulary: 3,
            context: 4,
            width: 4,
            depth: 1,
            heads: 2,
            init_scale: 1.0,
        };
        Transformer::new(config).unwrap()
    }

    fn bytes(parameters: &[f32]) -> Vec<u8> {
        write(&model(), b"abc", parameters).unwrap()
    }

    /// Replaces a part of the header by one of the same length.
    fn forged(from: &str, to: &str) -> ReadError {
        assert_eq!(from.len(), to.len());
        let mut bytes = bytes(&model().initialise(1));
        let at = bytes
            .windows(from.len())
            .position(|window| window == from.as_bytes())
            .expect("the header holds the text");
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        read(&bytes, 1_000_000).unwrap_err()
    }

    #[test]
    fn what_is_written_is_read_back_bit_for_bit() {
        let parameters = model().initialise(1);
        let first = bytes(&parameters);
        assert_eq!(first, bytes(&parameters));
        let checkpoint = read(&first, 1_000_000).unwrap();
        assert_eq!(checkpoint.parameters, parameters);
        assert_eq!(checkpoint.alphabet, b"abc");
        assert_eq!(checkpoint.model.config(), model().config());
    }

    #[test]
    fn a_weight_that_is_not_finite_is_named() {
        let mut parameters = model().initialise(1);
        parameters[2] = f32::NAN;
        let error = read(&bytes(&parameters), 1_000_000).unwrap_err();
        assert_eq!(
            error.to_string(),
            "tensor `embedding.token` holds a value that is not finite at index 2"
        );
    }

    #[test]
    fn forged_sizes_are_refused_before_anything_is_allocated() {
        let error = forged("\\\"depth\\\":1,", "\\\"depth\\\":9,");
        assert!(matches!(error, ReadError::Tensors { .. }), "{error}");
        let error = forged("\\\"heads\\\":2", "\\\"heads\\\":3");
        assert!(
            matches!(error, ReadError::Config(ConfigError::Heads { .. })),
            "{error}"
        );
        let error = forged(
            "\"dtype\":\"F32\",\"shape\":[4,4]",
            "\"dtype\":\"I32\",\"shape\":[4,4]",
        );
        assert!(matches!(error, ReadError::Shape { .. }), "{error}");
        let error = forged("\"shape\":[3,4]", "\"shape\":[4,3]");
        assert!(matches!(error, ReadError::Shape { .. }), "{error}");
        let error = forged("[97,98,99]", "[97,98,97]");
        assert!(matches!(error, ReadError::Alphabet { .. }), "{error}");
        let error = forged("version\\\":1", "version\\\":2");
        assert!(matches!(error, ReadError::Kind { .. }), "{error}");
    }

    #[test]
    fn a_model_beyond_the_bound_is_refused() {
        let error = read(&bytes(&model().initialise(1)), 10).unwrap_err();
        assert!(
            matches!(error, ReadError::Large { most: 10, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_header_of_a_gigabyte_is_refused() {
        let mut bytes = bytes(&model().initialise(1));
        bytes[..8].copy_from_slice(&(1_u64 << 30).to_le_bytes());
        assert!(matches!(
            read(&bytes, 1).unwrap_err(),
            ReadError::Header { .. }
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&noise, 1_000_000).is_err());
        }

        #[test]
        fn no_changed_byte_makes_the_reader_panic(at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut bytes = bytes(&model().initialise(1));
            let at = at.index(bytes.len());
            bytes[at] = to;
            // A changed weight is still a model; only a panic would fail here, and finite weights hold.
            if let Ok(checkpoint) = read(&bytes, 1_000_000) {
                prop_assert!(checkpoint.parameters.iter().all(|value| value.is_finite()));
            }
        }

        #[test]
        fn no_truncation_is_read(length in any::<prop::sample::Index>()) {
            let bytes = bytes(&model().initialise(1));
            prop_assert!(read(&bytes[..length.index(bytes.len())], 1_000_000).is_err());
        }
    }
}
