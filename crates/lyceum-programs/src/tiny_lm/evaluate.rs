//! `evaluate MODEL --text FILE [--source SOURCE.toml]`: answers with a model's bits per byte.
//!
//! The model file comes from the candidate and is hostile input: sizes are checked before anything is
//! allocated, and whatever is not a model of finite weights ends with exit code 3 and no answer.
//!
//! **Windows.** The text is read in windows of the model's context *C*. Each window after the first
//! starts half a context after the one before, and only what was not predicted yet is counted: every
//! byte but the first *C* is predicted from at least *C*/2 bytes before it, none twice. The first byte
//! of the text has nothing before it and is not counted.
//!
//! **Mixture.** A byte's probability is (1 − ε) of the model's plus ε of the uniform one over all 256
//! bytes, ε = 10⁻⁴. A byte that the training text did not hold, or that the model rules out, costs
//! about 21 bits instead of infinitely many; any other at most 0.00015 bits.
//!
//! With `--source` the answer has `excess_bpb` too: how far `val_bpb` is above the entropy rate.

use std::io::Read as _;
use std::path::Path;

use lyceum_train::checkpoint::{self, Checkpoint};

use super::alphabet::Alphabet;
use super::failure::{Failure, read_bytes};
use super::source::{Settings, Source, TEXT_BYTES_MAX};
use crate::answer::write_answer;
use crate::cli::{self, UsageError};
use crate::files::open_regular;

/// The share of the uniform distribution in every prediction.
const UNIFORM_SHARE: f64 = 1e-4;

/// The most parameters of a model that is evaluated: 256 MiB of weights.
const PARAMETERS_MAX: u64 = 1 << 26;

/// The most bytes of a model file: the weights and a header.
const MODEL_BYTES_MAX: u64 = 4 * PARAMETERS_MAX + (8 << 20);

/// The most memory that an evaluation may take.
const MEMORY_MAX: u128 = 2 << 30;

/// Positions that are predicted at once; a compromise between the cost of a call and the cache.
const ROWS: usize = 1024;

const USAGE: &str = "evaluate MODEL --text FILE [--source SOURCE.toml]";

/// Runs the program and returns its exit code.
pub fn main(arguments: &[String]) -> i32 {
    cli::conclude("evaluate", run(arguments))
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let (model, text, source) = match arguments {
        [model, flag, text] if flag == "--text" => (model, text, None),
        [model, flag, text, other, source] if flag == "--text" && other == "--source" => {
            (model, text, Some(source))
        }
        _ => {
            let found = arguments.to_vec();
            return Err(UsageError::Arguments {
                expected: USAGE,
                found,
            }
            .into());
        }
    };
    let rate = match source {
        Some(path) => Some(Source::new(&Settings::read(Path::new(path))?).entropy_rate()),
        None => None,
    };
    let path = Path::new(text);
    let text = read_bytes(path, TEXT_BYTES_MAX)?;
    if text.len() < 2 {
        let found = text.len() as u64;
        return Err(Failure::Short {
            path: path.to_owned(),
            found,
            least: 2,
        });
    }
    let path = Path::new(model);
    let checkpoint = load(path)?;
    let bits = bits_per_byte(path, &checkpoint, &text)?;
    let mut metrics = vec![("val_bpb", bits)];
    metrics.extend(rate.map(|rate| ("excess_bpb", bits - rate)));
    write_answer(&metrics).map_err(Failure::Answer)
}

/// Reads a model file that may be anything.
fn load(path: &Path) -> Result<Checkpoint, Failure> {
    let mut file = open_regular(path)?;
    let failed = |source| Failure::Read {
        path: path.to_owned(),
        source,
    };
    let found = file.metadata().map_err(failed)?.len();
    if found > MODEL_BYTES_MAX {
        let refused = checkpoint::ReadError::Large {
            found: found / 4,
            most: PARAMETERS_MAX,
        };
        return Err(Failure::Model {
            path: path.to_owned(),
            source: refused,
        });
    }
    let mut bytes = Vec::with_capacity(found as usize);
    // The file may grow while it is read.
    file.by_ref()
        .take(MODEL_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    checkpoint::read(&bytes, PARAMETERS_MAX).map_err(|source| Failure::Model {
        path: path.to_owned(),
        source,
    })
}

/// Returns the mean cost of a byte of `text` in bits; see the module for windows and mixture.
pub(super) fn bits_per_byte(
    path: &Path,
    checkpoint: &Checkpoint,
    text: &[u8],
) -> Result<f64, Failure> {
    let Checkpoint {
        model,
        alphabet,
        parameters,
    } = checkpoint;
    let alphabet = Alphabet::from_bytes(alphabet.clone());
    let tokens = alphabet.encode(text);
    let windows = Windows::new(tokens.len(), model.config().context);
    let batch = (ROWS / windows.length).clamp(1, windows.starts.len());
    let needed = model.config().training_bytes(batch);
    if needed > MEMORY_MAX {
        let (path, needed_mib) = (path.to_owned(), needed >> 20);
        return Err(Failure::ModelMemory {
            path,
            needed_mib,
            most_mib: MEMORY_MAX >> 20,
        });
    }
    let mut workspace = model.workspace(batch, windows.length);
    let (mut bits, mut done) = (0.0, 1);
    for starts in windows.starts.chunks(batch) {
        // A last batch that is not full is predicted with its last window again and again.
        let starts_full = (0..batch)
            .map(|index| starts[index.min(starts.len() - 1)])
            .collect::<Vec<_>>();
        let gather = |shift: usize| -> Vec<u16> {
            let part = |&start: &usize| &tokens[start + shift..start + shift + windows.length];
            starts_full.iter().flat_map(part).copied().collect()
        };
        let (input, targets) = (gather(0), gather(1));
        let losses = model.losses(parameters, &input, &targets, &mut workspace);
        for (&start, losses) in starts.iter().zip(losses.chunks_exact(windows.length)) {
            // losses[i] is the cost of byte start + i + 1.
            for (&loss, &byte) in losses.iter().zip(&text[start + 1..]).skip(done - start - 1) {
                let probability = alphabet
                    .token(byte)
                    .map_or(0.0, |_| (-f64::from(loss)).exp());
                bits -= mixed(probability).log2();
            }
            done = start + windows.length + 1;
        }
    }
    Ok(bits / (text.len() - 1) as f64)
}

/// Mixes a probability with the uniform one over all bytes; a loss that is not a number stays so.
fn mixed(probability: f64) -> f64 {
    (1.0 - UNIFORM_SHARE) * probability + UNIFORM_SHARE / 256.0
}

/// Where the windows of a text start.
#[derive(Debug, PartialEq, Eq)]
struct Windows {
    length: usize,
    starts: Vec<usize>,
}

impl Windows {
    /// Returns windows over a text of `bytes` ≥ 2 bytes; a window predicts the byte after each of its
    /// own.
    fn new(bytes: usize, context: usize) -> Self {
        let length = context.min(bytes - 1);
        let (stride, last) = ((length / 2).max(1), bytes - 1 - length);
        let mut starts: Vec<usize> = (0..last).step_by(stride).collect();
        starts.push(last);
        Self { length, starts }
    }
}

#[cfg(test)]
mod tests {
    use lyceum_train::transformer::{Config, Transformer};

    use super::*;

    fn checkpoint(context: usize) -> Checkpoint {
        let config = Config {
            vocabulary: 3,
            context,
            width: 8,
            depth: 1,
            heads: 2,
            init_scale: 1.0,
        };
        let model = Transformer::new(config).unwrap();
        let parameters = model.initialise(1);
        Checkpoint {
            model,
            alphabet: b"abc".to_vec(),
            parameters,
        }
    }

    #[test]
    fn windows_predict_every_byte_after_the_first_once_and_with_half_a_context() {
        for (bytes, context) in [
            (2, 8),
            (9, 8),
            (10, 8),
            (100, 8),
            (101, 7),
            (50, 1),
            (5, 100),
        ] {
            let windows = Windows::new(bytes, context);
            let mut done = 1;
            for start in windows.starts {
                assert!(start < done, "no byte is left out");
                // The first byte that counts in this window sees at least half of it.
                let sees = done - start;
                assert!(
                    start == 0 || sees >= windows.length / 2,
                    "{bytes} {context} {start}"
                );
                assert!(
                    start + windows.length + 1 > done,
                    "every window counts something"
                );
                done = start + windows.length + 1;
            }
            assert_eq!(done, bytes);
        }
    }

    #[test]
    fn a_model_of_zero_weights_costs_the_logarithm_of_its_alphabet() {
        let mut checkpoint = checkpoint(8);
        checkpoint.parameters.fill(0.0);
        let bits = bits_per_byte(Path::new("m"), &checkpoint, b"abcabcaabbccabcabccba").unwrap();
        assert!((bits - 3_f64.log2()).abs() < 2e-4, "{bits}");
    }

    #[test]
    fn a_byte_outside_the_alphabet_costs_the_uniform_share() {
        let checkpoint = checkpoint(8);
        let bits = bits_per_byte(Path::new("m"), &checkpoint, b"a~").unwrap();
        assert!((bits - (256.0 / UNIFORM_SHARE).log2()).abs() < 1e-9);
    }

    #[test]
    fn the_batch_of_windows_does_not_change_the_answer() {
        // 3,000 bytes in windows of 16: several batches, the last one not full. Each window alone:
        let checkpoint = checkpoint(16);
        let text: Vec<u8> = (0..3000_u32)
            .map(|at| b"abc"[(at * at % 7 % 3) as usize])
            .collect();
        let whole = bits_per_byte(Path::new("m"), &checkpoint, &text).unwrap();
        let model = &checkpoint.model;
        let tokens = Alphabet::from_bytes(b"abc".to_vec()).encode(&text);
        let windows = Windows::new(text.len(), 16);
        let mut workspace = model.workspace(1, 16);
        let (mut bits, mut done) = (0.0, 1);
        for start in windows.starts {
            let (input, targets) = (&tokens[start..start + 16], &tokens[start + 1..start + 17]);
            let losses = model.losses(&checkpoint.parameters, input, targets, &mut workspace);
            for &loss in &losses[done - start - 1..] {
                bits -= mixed((-f64::from(loss)).exp()).log2();
            }
            done = start + 17;
        }
        let alone = bits / 2999.0;
        assert!((whole - alone).abs() < 1e-5, "{whole} against {alone}");
    }
}
