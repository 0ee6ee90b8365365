//! The boosting attack on a holdout (Blum and Hardt, 2015, section 4): whoever sees every score of guesses that know nothing
//! and lets the better half vote ends with a score that says something. The Ladder's answers do not add up to that.

use lyceum_stats::Ladder;
use lyceum_types::Seed;

const PARTS: usize = 2_000;
const QUERIES: u64 = 600;

/// A guess at all labels: each right with probability one half.
fn guess(number: u64) -> Vec<bool> {
    let bit = |part: usize| Seed(number).derive("guess", part as u64).0 & (1 << 20) != 0;
    (0..PARTS).map(bit).collect()
}

fn losses(guess: &[bool], labels: &[bool]) -> Vec<f64> {
    let wrong = guess
        .iter()
        .zip(labels)
        .map(|(guess, label)| guess != label);
    wrong.map(|wrong| f64::from(u8::from(wrong))).collect()
}

fn error(losses: &[f64]) -> f64 {
    losses.iter().sum::<f64>() / losses.len() as f64
}

/// Returns the vote of the guesses of which `better` says that they are better than chance.
fn vote(labels: &[bool], mut better: impl FnMut(&[f64]) -> bool) -> Vec<bool> {
    let mut votes = vec![0_i32; PARTS];
    for number in 1..=QUERIES {
        let guess = guess(number);
        let sign = if better(&losses(&guess, labels)) {
            1
        } else {
            -1
        };
        for (votes, guess) in votes.iter_mut().zip(&guess) {
            *votes += if *guess { sign } else { -sign };
        }
    }
    votes.into_iter().map(|votes| votes > 0).collect()
}

#[test]
fn full_answers_are_fitted_and_the_ladder_is_not() {
    let labels = guess(0);
    let fitted = vote(&labels, |losses| error(losses) < 0.5);
    let told = error(&losses(&fitted, &labels));
    assert!(told < 0.42, "full answers: {told}");

    let mut ladder = Ladder::default();
    let fitted = vote(&labels, |losses| ladder.look(losses).unwrap().higher);
    let end = ladder.look(&losses(&fitted, &labels)).unwrap();
    assert!(end.released > 0.46, "the Ladder: {end:?}");
    assert_eq!(ladder.looks(), QUERIES + 1);
}
