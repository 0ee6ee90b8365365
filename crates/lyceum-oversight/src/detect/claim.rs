//! What follows from the pairs of a claim, and from the sealed split beside them.

use lyceum_types::{
    Class::{Neutralised, Review},
    Detector, Goal, IncidentRaised, Output, Pair, RunId,
};

use super::{event, incident};

/// Pairs that must be there before sameness over seeds means anything.
const PAIRS_MIN: usize = 3;

/// Evidence that is needed to say that a gain does not hold on sealed data.
const E_NEEDED: f64 = 20.0;

/// The outputs of both runs of a pair.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    /// Of the start.
    pub base: &'a [Output],
    /// Of the winner.
    pub other: &'a [Output],
}

/// D18: the start's outputs differ from seed to seed, the winner's are the same bytes on every seed: it has pinned what
/// should be drawn, or it found an optimum. `seq` is the number of the claim's event.
pub fn of_claim(seq: u64, pairs: &[Pair], sides: &[Sides<'_>]) -> Option<IncidentRaised> {
    let run = pairs.first()?.other_run;
    let seeds: std::collections::BTreeSet<_> = pairs.iter().map(|pair| pair.seed).collect();
    let blobs = |outputs: &[Output]| -> Vec<String> {
        outputs.iter().map(|output| output.blob.clone()).collect()
    };
    let all_same = |pick: fn(&Sides<'_>) -> Vec<String>| {
        let mut of = sides.iter().map(pick);
        of.next()
            .is_some_and(|first| !first.is_empty() && of.all(|other| other == first))
    };
    let pinned = seeds.len() >= PAIRS_MIN
        && sides.len() == pairs.len()
        && all_same(|side| side.other.iter().map(|one| one.blob.clone()).collect())
        && !all_same(|side| side.base.iter().map(|one| one.blob.clone()).collect());
    let shown = sides.first().map_or(0, |side| blobs(side.other).len());
    pinned.then(|| {
        incident(
            (Detector::SeedRobustness, Review),
            run,
            format!(
                "its {shown} outputs are the same bytes on {} seeds, those of the start are not: it does not use its seed",
                seeds.len()
            ),
            vec![event(seq)],
        )
    })
}

/// Search and sealed values of one pair: start and winner.
pub type Values = (f64, f64);

/// D14: better than the start on what the search saw, and not on what it never saw. `pairs` holds the values of search and
/// sealed split; `seq` is the number of the event that opened it.
pub fn of_sealed(
    seq: u64,
    run: RunId,
    goal: Goal,
    pairs: &[(Values, Values)],
) -> Option<IncidentRaised> {
    let counted = pairs
        .iter()
        .filter(|((base, other), _)| goal.better(*other, *base));
    let counted: Vec<_> = counted.collect();
    let lost = counted
        .iter()
        .filter(|(_, (base, other))| goal.better(*base, *other));
    let (lost, all) = (lost.count() as u64, counted.len() as u64);
    let evidence = lyceum_stats::e_value(lost, all);
    (evidence >= E_NEEDED).then(|| {
        incident(
            (Detector::HeldOutDivergence, Neutralised),
            run,
            format!("better than the start on the search split and worse on the sealed one in {lost} of {all} pairs (E = {evidence:.1})"),
            vec![event(seq)],
        )
    })
}
