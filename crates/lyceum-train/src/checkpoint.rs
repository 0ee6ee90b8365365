//! The character transformer as a safetensors file, and in as hostile input.

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use crate::tensors::WriteError;
use crate::tensors::{self, Kind};
use crate::transformer::{Config, ConfigError, Transformer};

const KIND: Kind = Kind {
    name: "character-transformer",
    version: 1,
};

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

/// Why bytes are not a checkpoint.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file does not hold the tensors of a character transformer.
    #[error(transparent)]
    File(#[from] tensors::ReadError),
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
        kind: KIND.name.to_owned(),
        version: KIND.version,
        alphabet: alphabet.to_vec(),
        context,
        width,
        depth,
        heads,
        init_scale,
    };
    tensors::write(&metadata, model.layout(), &[("", parameters)])
}

/// Reads a checkpoint of at most `parameters_max` parameters.
///
/// The bytes may come from anyone: every size is checked before anything is allocated for it.
pub fn read(bytes: &[u8], parameters_max: u64) -> Result<Checkpoint, ReadError> {
    let (config, alphabet) = checked(tensors::metadata(bytes, KIND)?)?;
    let found = config.parameter_count();
    if found > parameters_max {
        return Err(ReadError::Large {
            found,
            most: parameters_max,
        });
    }
    let model = Transformer::new(config)?;
    let mut buffers = tensors::read(bytes, model.layout(), &[""])?;
    let parameters = buffers.swap_remove(0);
    Ok(Checkpoint {
        model,
        alphabet,
        parameters,
    })
}

/// Turns metadata into sizes and an alphabet.
fn checked(metadata: Metadata) -> Result<(Config, Vec<u8>), ReadError> {
    let Metadata {
        alphabet,
        context,
        width,
        depth,
        heads,
        init_scale,
        ..
    } = metadata;
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
        assert!(
            matches!(error, ReadError::File(tensors::ReadError::Count { .. })),
            "{error}"
        );
        let error = forged("\\\"heads\\\":2", "\\\"heads\\\":3");
        assert!(
            matches!(error, ReadError::Config(ConfigError::Heads { .. })),
            "{error}"
        );
        let error = forged(
            "\"dtype\":\"F32\",\"shape\":[4,4]",
            "\"dtype\":\"I32\",\"shape\":[4,4]",
        );
        assert!(
            matches!(error, ReadError::File(tensors::ReadError::Shape { .. })),
            "{error}"
        );
        let error = forged("\"shape\":[3,4]", "\"shape\":[4,3]");
        assert!(
            matches!(error, ReadError::File(tensors::ReadError::Shape { .. })),
            "{error}"
        );
        let error = forged("[97,98,99]", "[97,98,97]");
        assert!(matches!(error, ReadError::Alphabet { .. }), "{error}");
        let error = forged("version\\\":1", "version\\\":2");
        assert!(
            matches!(error, ReadError::File(tensors::ReadError::Kind { .. })),
            "{error}"
        );
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
            ReadError::File(tensors::ReadError::Header { .. })
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
