//! What is decided on metrics of every kind, and what is let out of the sealed split.

use lyceum_stats::AlphaSpending;
use lyceum_study::engine::{Criterion, Looks, settle};
use lyceum_types::{Body, ExperimentId, Goal, Purpose, Trust, Verdict};

use crate::support::{World, fold, protocol, whole};

#[test]
fn a_metric_without_noise_is_noticed_and_costs_no_repeat() {
    let (state, _) = whole(World::Exact, &protocol(4, 30), 1);
    let of = |purpose: Purpose| {
        state
            .runs
            .iter()
            .filter(|run| run.purpose == purpose)
            .count()
    };
    assert_eq!((of(Purpose::Floor), of(Purpose::Repeat)), (3, 0));
    let once = |id| state.looks(id, "loss").len() == 1;
    let experiments = state.searched().map(|one| one.proposed.experiment);
    assert!(experiments.into_iter().all(once));
    // The same search on a metric with noise does repeat.
    let (state, _) = whole(World::Null, &protocol(4, 30), 1);
    assert!(state.runs.iter().any(|run| run.purpose == Purpose::Repeat));
}

#[test]
fn a_ratio_is_maximised_and_its_gain_is_a_difference() {
    let mut protocol = protocol(3, 20);
    protocol.goal = Goal::Maximize;
    let (state, _) = whole(World::Ratio, &protocol, 2);
    let claim = state.claimed.as_ref().unwrap();
    assert!(claim.finding.confirmed, "{}", claim.finding.why);
    let mean = |pick: fn(&lyceum_types::Pair) -> Option<f64>| {
        claim.pairs.iter().filter_map(pick).sum::<f64>() / claim.pairs.len() as f64
    };
    let (start, winner) = (mean(|pair| pair.base), mean(|pair| pair.other));
    assert!(winner > start + 0.3, "{start} to {winner}");
    assert!((claim.finding.gain.unwrap() - (winner - start)).abs() < 1e-9);
    for (_, one) in state.experiments.iter().enumerate().skip(1) {
        if let Some(decided) = one
            .decided
            .as_ref()
            .filter(|one| one.verdict == Verdict::Kept)
        {
            assert!(decided.gain.unwrap() > 0.0);
        }
    }
}

#[test]
fn a_winner_that_fails_on_fresh_seeds_is_not_confirmed() {
    let mut tested = 0;
    for seed in 0..20 {
        let (state, _) = whole(World::Flaky, &protocol(seed, 15), 1);
        let Some(claim) = &state.claimed else {
            continue;
        };
        tested += 1;
        let failed = claim
            .pairs
            .iter()
            .filter(|pair| pair.other.is_none())
            .count();
        assert!(failed == 0 || (claim.finding.wins as usize) <= claim.pairs.len() - failed);
        assert!(
            failed < 2 || !claim.finding.confirmed,
            "seed {seed}: {}",
            claim.finding.why
        );
    }
    assert!(tested > 5, "{tested} claims: the test shows nothing");
}

#[test]
fn a_later_attempt_needs_more_evidence_for_its_claim() {
    let mut later = protocol(1, 12);
    later.alpha = AlphaSpending::new(0.05).level(5);
    let (state, _) = whole(World::Slope, &later, 1);
    // Ten pairs cannot reach what the fifth attempt needs, 13 wins; the test ends at once.
    let finding = &state.claimed.as_ref().unwrap().finding;
    assert!(!finding.confirmed && finding.pairs <= 1, "{}", finding.why);
    later.confirm_pairs_max = 20;
    let (state, _) = whole(World::Slope, &later, 1);
    let finding = &state.claimed.as_ref().unwrap().finding;
    assert!(finding.confirmed && finding.pairs == 13, "{}", finding.why);
}

#[test]
fn a_look_at_sealed_data_is_counted_coarse_and_computed_again() {
    let mut protocol = protocol(1, 12);
    protocol.looks = Some(Looks {
        most: 8,
        before: 2,
        released: None,
    });
    let (state, journal) = whole(World::Slope, &protocol, 1);
    assert_eq!(state.sealed.as_ref().unwrap().look, 3);
    let answered = state.answered.clone().unwrap();
    assert!(
        answered.better && answered.why.starts_with("look 3 of 8"),
        "{answered:?}"
    );
    let sealed: Vec<f64> = state
        .sealed
        .as_ref()
        .unwrap()
        .winner
        .iter()
        .filter_map(|run| state.run(*run)?.sealed_value("loss"))
        .collect();
    let mean = sealed.iter().sum::<f64>() / sealed.len() as f64;
    // Noise of 0.01 on each of seven pairs: the error of the difference is some 0.005.
    let released = answered.released.unwrap();
    assert!(
        (released - mean).abs() <= 0.005 && (released - mean).abs() > 0.0,
        "{released} for {mean}"
    );
    // `verify` computes the answer from the events before it.
    let at = journal
        .events
        .iter()
        .position(|(_, _, body)| matches!(body, Body::SealedAnswered(_)));
    let before = lyceum_study::engine::MemoryJournal {
        events: journal.events[..at.unwrap()].to_vec(),
    };
    assert_eq!(
        settle(&fold(&before), &protocol, false),
        Some(answered.into())
    );

    // An earlier attempt let out as much: nothing more is told.
    protocol.looks = Some(Looks {
        most: 8,
        before: 2,
        released: Some(released),
    });
    let (state, _) = whole(World::Slope, &protocol, 1);
    let answered = state.answered.unwrap();
    assert_eq!(
        (answered.better, answered.released),
        (false, None),
        "{}",
        answered.why
    );
}

#[test]
fn sealed_data_stay_closed_when_their_looks_are_used_up() {
    let mut protocol = protocol(1, 12);
    protocol.looks = Some(Looks {
        most: 3,
        before: 3,
        released: None,
    });
    protocol.rubric = vec![Criterion::Metric {
        at_most: Some(1.0),
        at_least: None,
        trust: Trust::Sealed,
        confidence: 0.95,
    }];
    let (state, _) = whole(World::Slope, &protocol, 1);
    assert!(state.sealed.is_none() && state.runs.iter().all(|run| run.sealed.is_none()));
    assert!(!state.graded[0].satisfied);
    assert!(
        state.graded[0].why.contains("all 3 looks"),
        "{}",
        state.graded[0].why
    );
    assert!(state.finished.is_some() && state.best != ExperimentId(0));
}
