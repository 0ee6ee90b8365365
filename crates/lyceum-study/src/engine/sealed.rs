//! What a look at the sealed split lets out. Pure.
//!
//! Whoever may try a study again after each look fits the sealed data in the end, however well they are hidden. So looks
//! are counted over all attempts in a lab, bounded, and answered by the Ladder: see [`lyceum_stats::Ladder`].

use lyceum_stats::Ladder;
use lyceum_types::{Goal, SealedAnswered};

use super::{
    protocol::{Looks, Protocol},
    state::State,
};

/// Returns the answer to the look at the sealed split, once all its runs are measured; `None` before, after it was given,
/// and in studies of versions that did not give one.
pub(super) fn answer(state: &State, protocol: &Protocol) -> Option<SealedAnswered> {
    let (looks, opened) = (protocol.looks?, state.sealed.as_ref()?);
    if state.answered.is_some() {
        return None;
    }
    let look = opened.look;
    let nothing = |why: &str| SealedAnswered {
        look,
        better: false,
        released: None,
        why: format!("look {look} of {}: {why}", looks.most),
    };
    if opened.winner.is_empty() {
        return Some(nothing(
            "no experiment was kept, the start alone was measured",
        ));
    }
    let Some((start, winner)) = losses(state, protocol) else {
        return Some(nothing("too few pairs gave a value there"));
    };
    let mut ladder = Ladder::default();
    ladder.look(&start);
    let rung = ladder.look(&winner).filter(|rung| rung.higher);
    let value = rung.map(|rung| rung.released * sign(protocol.goal));
    let Some(value) = value else {
        return Some(nothing(
            "not better than the start by more than the standard error",
        ));
    };
    if !beats(protocol.goal, &looks, value) {
        return Some(nothing(
            "no better than what an earlier attempt's look let out",
        ));
    }
    Some(SealedAnswered {
        look,
        better: true,
        released: Some(value),
        why: format!(
            "look {look} of {}: better than the start, {value} to the standard error",
            looks.most
        ),
    })
}

fn sign(goal: Goal) -> f64 {
    match goal {
        Goal::Minimize => 1.0,
        Goal::Maximize => -1.0,
    }
}

fn beats(goal: Goal, looks: &Looks, value: f64) -> bool {
    looks.released.is_none_or(|best| goal.better(value, best))
}

/// Returns the losses of start and winner on the sealed split, by pair; `None` for fewer than two pairs.
fn losses(state: &State, protocol: &Protocol) -> Option<(Vec<f64>, Vec<f64>)> {
    let sealed = |run| state.run(run)?.sealed_value(&protocol.metric);
    let pairs = state.claimed.iter().flat_map(|claimed| &claimed.pairs);
    let both = pairs.filter_map(|pair| sealed(pair.base_run).zip(sealed(pair.other_run)));
    let sign = sign(protocol.goal);
    let sides: (Vec<f64>, Vec<f64>) = both
        .map(|(start, winner)| (sign * start, sign * winner))
        .unzip();
    (sides.0.len() > 1).then_some(sides)
}
