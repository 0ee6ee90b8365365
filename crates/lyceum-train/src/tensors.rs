//! Named tensors as safetensors, and out of safetensors as hostile input.
//!
//! The metadata holds one entry, `lyceum`, as JSON. One entry, because the format's library keeps metadata in a hash map:
//! more would make the bytes of two equal files differ.

use std::collections::HashMap;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::parameters::Layout;

/// The only entry of the metadata.
const ENTRY: &str = "lyceum";

/// A header lists a dozen tensors a block at about a hundred bytes each; this is far above and still
/// small.
const HEADER_BYTES_MAX: u64 = 4 << 20;

/// What the tensors of a file are; a reader refuses any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Version of the layout of tensors and metadata.
    pub(crate) version: u32,
}

/// Why tensors were not written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The format refused a tensor; a bug of the caller, such as weights of another network.
    #[error("weights do not fit the safetensors format")]
    Format(#[from] SafeTensorError),
    /// The metadata could not be encoded.
    #[error("sizes cannot be written as JSON")]
    Metadata(#[from] serde_json::Error),
}

/// Why bytes are not the tensors that are expected.
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
    /// The file is of another kind or version.
    #[error(
        "model of kind `{kind}` version {version}, expected `{expected}` version {expected_version}"
    )]
    Kind {
        /// The kind it claims.
        kind: String,
        /// The version it claims.
        version: u32,
        /// The kind that is read here.
        expected: &'static str,
        /// Its version.
        expected_version: u32,
    },
    /// The number of tensors is not that of the network.
    #[error("{found} tensors, expected {expected}")]
    Count {
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

/// What every metadata says, whatever else is in it.
#[derive(Deserialize)]
struct Claim {
    kind: String,
    version: u32,
}

/// Returns the little-endian bytes of numbers.
pub(crate) fn bytes_of(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// Returns a file with one or more buffers of a layout, the tensors of each under its prefix: a pure function of its
/// arguments. The metadata says its `kind` and `version`.
pub(crate) fn write<M: Serialize>(
    metadata: &M,
    layout: &Layout,
    buffers: &[(&str, &[f32])],
) -> Result<Vec<u8>, WriteError> {
    let entries = HashMap::from([(ENTRY.to_owned(), serde_json::to_string(metadata)?)]);
    let bytes: Vec<Vec<u8>> = buffers.iter().map(|(_, values)| bytes_of(values)).collect();
    let mut views = Vec::with_capacity(buffers.len() * layout.tensors().len());
    for ((prefix, _), bytes) in buffers.iter().zip(&bytes) {
        for tensor in layout.tensors() {
            let range = tensor.slot.range();
            let data = &bytes[4 * range.start..4 * range.end];
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), data)?;
            views.push((format!("{prefix}{}", tensor.name), view));
        }
    }
    Ok(safetensors::serialize(views, Some(entries))?)
}

/// Returns what the metadata of a file says, after its header's size and its kind were checked.
pub(crate) fn metadata<M: DeserializeOwned>(bytes: &[u8], kind: Kind) -> Result<M, ReadError> {
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
        .and_then(|entries| entries.get(ENTRY))
        .ok_or(ReadError::NoMetadata)?;
    let claim: Claim = serde_json::from_str(entry)?;
    if claim.kind != kind.name || claim.version != kind.version {
        return Err(ReadError::Kind {
            kind: claim.kind,
            version: claim.version,
            expected: kind.name,
            expected_version: kind.version,
        });
    }
    Ok(serde_json::from_str(entry)?)
}

/// Returns the buffers of a layout, one for each prefix, out of a file that holds exactly these.
///
/// Nothing is allocated for a tensor before its size was compared with the layout's.
pub(crate) fn read(
    bytes: &[u8],
    layout: &Layout,
    prefixes: &[&str],
) -> Result<Vec<Vec<f32>>, ReadError> {
    let tensors = SafeTensors::deserialize(bytes)?;
    let (found, expected) = (tensors.len(), prefixes.len() * layout.tensors().len());
    if found != expected {
        return Err(ReadError::Count { found, expected });
    }
    prefixes
        .iter()
        .map(|prefix| buffer(&tensors, layout, prefix))
        .collect()
}

/// Copies every tensor of a layout out of the file.
fn buffer(tensors: &SafeTensors<'_>, layout: &Layout, prefix: &str) -> Result<Vec<f32>, ReadError> {
    let mut values = Vec::with_capacity(layout.len());
    for tensor in layout.tensors() {
        let name = format!("{prefix}{}", tensor.name);
        let view = tensors.tensor(&name)?;
        if view.dtype() != Dtype::F32 || view.shape() != tensor.shape {
            return Err(ReadError::Shape {
                name,
                found_type: view.dtype(),
                found: view.shape().to_vec(),
                expected: tensor.shape.clone(),
            });
        }
        let numbers = view.data().as_chunks::<4>().0.iter();
        values.extend(numbers.map(|bytes| f32::from_le_bytes(*bytes)));
        let fresh = tensor.slot.of(&values);
        if let Some(index) = fresh.iter().position(|value| !value.is_finite()) {
            return Err(ReadError::NotFinite { name, index });
        }
    }
    Ok(values)
}
