//! `draw-text SOURCE.toml`: draws the study's texts, or splits a user's own.
//!
//! Writes `train.txt`, `heldout.txt` and `sealed.txt` to `LYCEUM_OUTPUTS`. Text drawn from the source
//! comes with `limits.json`, the best `val_bpb` that any model can reach in the long run. With
//! `LYCEUM_INPUT_TEXT` set, that file is split instead: its first 80 % train, the next 10 % are held
//! out, the last 10 % sealed; of the latter two at most `heldout_bytes` and `sealed_bytes` are kept, so
//! that a measurement costs the same for a long text. The limit of a user's text is not known.

use std::path::{Path, PathBuf};

use lyceum_train::random::Random;

use super::failure::{Failure, read_bytes, write};
use super::source::{Settings, Source, TEXT_BYTES_MAX};
use crate::cli;

/// Names the user's own text.
const INPUT_VARIABLE: &str = "LYCEUM_INPUT_TEXT";

/// Below this, a tenth of a text says nothing about the rest.
const INPUT_BYTES_MIN: u64 = 20_000;

/// The three texts.
struct Texts {
    train: Vec<u8>,
    heldout: Vec<u8>,
    sealed: Vec<u8>,
}

/// Runs the program and returns its exit code.
pub fn main(arguments: &[String]) -> i32 {
    cli::conclude("draw-text", run(arguments))
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let [path] = cli::exactly(arguments, "draw-text SOURCE.toml")?;
    let settings = Settings::read(Path::new(path))?;
    let outputs = cli::outputs()?;
    let (texts, limit) = match std::env::var_os(INPUT_VARIABLE) {
        Some(input) => (split(&PathBuf::from(input), &settings)?, None),
        None => drawn(&settings, seed()?),
    };
    write(&outputs.join("train.txt"), &texts.train)?;
    write(&outputs.join("heldout.txt"), &texts.heldout)?;
    write(&outputs.join("sealed.txt"), &texts.sealed)?;
    if let Some(limit) = limit {
        let limits = format!("{}\n", serde_json::json!({ "val_bpb": limit }));
        write(&outputs.join("limits.json"), limits.as_bytes())?;
    }
    Ok(())
}

/// Returns `LYCEUM_SEED`, or 0 where it is not set: then the text is that of the grammar's seed alone.
fn seed() -> Result<u64, Failure> {
    match std::env::var_os("LYCEUM_SEED") {
        Some(_) => Ok(cli::seed()?),
        None => Ok(0),
    }
}

/// Draws each text on its own stream of the seed, so that none tells anything about another.
fn drawn(settings: &Settings, seed: u64) -> (Texts, Option<f64>) {
    let source = Source::new(settings);
    let text = |stream, bytes: u64| {
        let mut random = Random::stream(seed ^ settings.seed.rotate_left(32), stream);
        source.draw(bytes as usize, &mut random)
    };
    let texts = Texts {
        train: text(0x7472, settings.train_bytes),
        heldout: text(0x6865, settings.heldout_bytes),
        sealed: text(0x7365, settings.sealed_bytes),
    };
    (texts, Some(source.entropy_rate()))
}

/// Splits the user's text.
fn split(path: &Path, settings: &Settings) -> Result<Texts, Failure> {
    let mut train = read_bytes(path, TEXT_BYTES_MAX)?;
    let found = train.len() as u64;
    if found < INPUT_BYTES_MIN {
        return Err(Failure::Short {
            path: path.to_owned(),
            found,
            least: INPUT_BYTES_MIN,
        });
    }
    let mut sealed = train.split_off(train.len() / 10 * 9);
    let mut heldout = train.split_off(train.len() / 9 * 8);
    heldout.truncate(settings.heldout_bytes as usize);
    sealed.truncate(settings.sealed_bytes as usize);
    Ok(Texts {
        train,
        heldout,
        sealed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            seed: 7,
            topics: 2,
            classes: 3,
            words_per_class: 5,
            word_skew: 1.0,
            successors: 2,
            class_skew: 1.0,
            sentence_words: 5.0,
            train_bytes: 5000,
            heldout_bytes: 3000,
            sealed_bytes: 2500,
        }
    }

    #[test]
    fn a_users_text_is_split_in_order_and_without_overlap() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("text");
        let text: Vec<u8> = (0..25_000_u32).map(|at| (at / 100) as u8).collect();
        std::fs::write(&path, &text).unwrap();
        let texts = split(&path, &settings()).unwrap();
        assert_eq!(texts.train, text[..20_000]);
        assert_eq!(texts.heldout, text[20_000..22_500]);
        assert_eq!(texts.sealed, text[22_500..]);
        let capped = Settings {
            heldout_bytes: 1000,
            sealed_bytes: 500,
            ..settings()
        };
        let texts = split(&path, &capped).unwrap();
        assert_eq!(texts.heldout, text[20_000..21_000]);
        assert_eq!(texts.sealed, text[22_500..23_000]);
    }

    #[test]
    fn a_text_that_is_too_short_is_refused_with_its_size() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("text");
        std::fs::write(&path, "too short").unwrap();
        let error = split(&path, &settings())
            .err()
            .expect("refused")
            .to_string();
        assert!(
            error.ends_with("holds 9 bytes, expected at least 20000"),
            "{error}"
        );
    }

    #[test]
    fn the_three_texts_differ_and_depend_on_the_seed() {
        let (first, limit) = drawn(&settings(), 1);
        let (again, _) = drawn(&settings(), 1);
        let (other, same_limit) = drawn(&settings(), 2);
        assert_eq!(first.train, again.train);
        assert_ne!(first.train, other.train);
        assert_ne!(first.heldout[..1000], first.sealed[..1000]);
        assert_ne!(first.heldout[..1000], first.train[..1000]);
        assert_eq!(limit, same_limit);
    }
}
