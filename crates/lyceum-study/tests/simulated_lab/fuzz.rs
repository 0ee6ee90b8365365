//! Events that were changed: the decoder and the fold answer, whatever they are given.
//!
//! `LYCEUM_FUZZ_CASES` sets how many (default 4,000).

use std::env;

use lyceum_study::engine::{State, settle};
use lyceum_types::{Body, DecodeError};

use crate::disk::Dice;
use crate::labs::record;
use crate::support::protocol;

fn cases() -> u64 {
    env::var("LYCEUM_FUZZ_CASES").map_or(4_000, |text| text.parse().unwrap())
}

/// Changes a text in a few places: bytes, numbers that are too large, pieces left out, doubled or moved.
fn change(text: &str, dice: &mut Dice) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(bytes.len() as u64) as usize;
        let end = (at + 1 + dice.below(12) as usize).min(bytes.len());
        match dice.below(7) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = b"0123456789-+.eE\"{}[],:nul"[dice.below(25) as usize],
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => drop(bytes.splice(at..at, b"99999999999999999999".iter().copied())),
            5 => bytes.truncate(at),
            _ => {
                let other = dice.below(bytes.len() as u64) as usize;
                bytes.swap(at, other);
            }
        }
        if bytes.is_empty() {
            bytes.push(b' ');
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_changed_event_is_refused_or_means_what_it_says() {
    let record = record();
    let (mut dice, mut read) = (Dice(1), 0);
    for case in 0..cases() {
        let (kind, version, text) = &record[dice.below(record.len() as u64) as usize];
        let text = change(text, &mut dice);
        match Body::decode(kind, *version, &text) {
            Ok(body) => {
                read += 1;
                let again = body.encode().unwrap();
                let twice = Body::decode(body.kind(), body.version(), &again);
                // A number that is too large for a float reads back as nothing; all else as it was.
                if let Ok(twice) = twice {
                    assert_eq!(twice.encode().unwrap(), again, "case {case}: {text}");
                }
            }
            Err(DecodeError::Body { .. }) => {}
            Err(error @ DecodeError::Unknown { .. }) => panic!("case {case}: {error}"),
        }
        let newer = Body::decode(kind, version + 1 + dice.below(9) as u32, &text);
        assert!(
            matches!(newer, Err(DecodeError::Unknown { .. })),
            "case {case}"
        );
    }
    assert!(read > 0, "no changed event could still be read");
}

#[test]
fn a_changed_history_is_folded_or_refused() {
    let record = record();
    let protocol = protocol(1, 6);
    let mut refused = 0;
    for case in 0..cases() / 10 {
        let mut dice = Dice(case);
        let mut history = record.clone();
        for _ in 0..=dice.below(2) {
            let at = dice.below(history.len() as u64) as usize;
            match dice.below(4) {
                0 => drop(history.remove(at)),
                1 => history.insert(at, history[at].clone()),
                2 => {
                    let other = dice.below(history.len() as u64) as usize;
                    history.swap(at, other);
                }
                _ => history[at].2 = change(&history[at].2, &mut dice),
            }
        }
        let mut state = State::default();
        for ((kind, version, text), seq) in history.iter().zip(1..) {
            let Ok(body) = Body::decode(kind, *version, text) else {
                refused += 1;
                break;
            };
            if state.apply(seq, 0, body).is_err() {
                refused += 1;
                break;
            }
            // What follows from nonsense is nonsense, but something.
            drop(settle(&state, &protocol, false));
        }
    }
    assert!(
        refused > cases() / 40,
        "only {refused} changed histories were refused"
    );
}
