//! What holds for any input: false claims stay within their level, decisions are pure, a keep is a gain.

use lyceum_stats::{
    Decision, Floor, Look, REPEATS_BEST, RepeatSeed, Rule, clopper_pearson, confirm, decide,
    e_value, first_gap, floor, futile, pairs_needed, repeats_worth,
};
use lyceum_types::{Goal, Seed};
use proptest::prelude::*;

/// Ville's inequality, by exact enumeration: the chance that fair pairs ever reach 1/α within n pairs, under optional
/// stopping, is the mass absorbed by the boundary.
fn chance_of_a_false_claim(alpha: f64, most_pairs: u64) -> f64 {
    let mut alive = vec![1.0];
    let mut absorbed = 0.0;
    for pairs in 1..=most_pairs {
        let mut next = vec![0.0; alive.len() + 1];
        for (wins, mass) in alive.iter().enumerate() {
            next[wins] += mass / 2.0;
            next[wins + 1] += mass / 2.0;
        }
        for (wins, mass) in next.iter_mut().enumerate() {
            if e_value(wins as u64, pairs) >= 1.0 / alpha {
                absorbed += std::mem::take(mass);
            }
        }
        alive = next;
    }
    absorbed
}

#[test]
fn optional_stopping_keeps_false_claims_within_their_level() {
    for alpha in [0.3, 0.05, 0.01] {
        let chance = chance_of_a_false_claim(alpha, 1_000);
        assert!(chance <= alpha, "{alpha}: {chance}");
        assert!(
            chance > alpha / 5.0,
            "the test would be far too strict at {alpha}: {chance}"
        );
    }
    let at_forty = chance_of_a_false_claim(0.05, 40);
    assert!((at_forty - 0.024).abs() < 0.001, "{at_forty}");
}

#[test]
fn a_study_that_stops_when_it_likes_rarely_confirms_what_is_not_there() {
    let studies = 4_000;
    let mut confirmed = 0;
    for study in 0..studies {
        let mut pairs = Vec::new();
        for pair in 0..40 {
            // One in ten runs fails; the others are equal in law on both sides.
            let draw = |side: &str| {
                let value = Seed(study).derive(side, pair).0;
                (!value.is_multiple_of(10)).then_some(value as f64)
            };
            pairs.push((draw("start"), draw("winner")));
            if confirm(Goal::Maximize, &pairs, 0.05).confirmed {
                confirmed += 1;
                break;
            }
        }
    }
    let (low, _) = clopper_pearson(confirmed, studies, 0.999).unwrap();
    assert!(confirmed > 0 && low <= 0.05, "{confirmed} of {studies}");
}

fn noise(sd: f64) -> Floor {
    Floor {
        n: 5,
        mean: 0.0,
        sd,
        sd_upper: 2.0 * sd,
        deterministic: false,
    }
}

fn runs(values: &[f64]) -> Vec<(Seed, f64)> {
    values
        .iter()
        .enumerate()
        .map(|(i, &value)| (Seed(i as u64), value))
        .collect()
}

fn ask(rule: Rule, floor: Option<&Floor>, incumbent: &[f64], candidate: &[f64]) -> Decision {
    let (incumbent, candidate) = (runs(incumbent), runs(candidate));
    let goal = Goal::Minimize;
    decide(
        rule,
        &Look {
            goal,
            floor,
            incumbent: &incumbent,
            candidate: &candidate,
            most_repeats: 2,
        },
    )
}

fn name(decision: &Decision) -> &'static str {
    match decision {
        Decision::Keep { .. } => "keep",
        Decision::Discard { .. } => "discard",
        Decision::Inconclusive { .. } => "inconclusive",
        Decision::Repeat {
            seed: RepeatSeed::Fresh,
            ..
        } => "fresh",
        Decision::Repeat {
            seed: RepeatSeed::PairedWithIncumbent(_),
            ..
        } => "paired",
    }
}

#[test]
fn each_rule_decides_as_its_name_says() {
    let floor = noise(1.0);
    let cases: [(Rule, &[f64], &[f64], &str); 16] = [
        (Rule::Adaptive, &[10.0], &[5.0], "keep"),
        (Rule::Adaptive, &[10.0], &[9.0], "fresh"),
        (Rule::Adaptive, &[10.0, 10.0], &[9.0], "paired"),
        (Rule::Adaptive, &[10.0], &[10.5], "discard"),
        (
            Rule::Adaptive,
            &[10.0; 3],
            &[9.0, 10.5, 11.0],
            "inconclusive",
        ),
        (Rule::Adaptive, &[10.0; 3], &[9.5; 3], "keep"),
        (Rule::Greedy, &[10.0], &[9.999], "keep"),
        (Rule::Greedy, &[10.0], &[10.0], "discard"),
        (Rule::TwoSigma, &[10.0], &[8.1], "discard"),
        (Rule::TwoSigma, &[10.0], &[7.9], "keep"),
        (Rule::BestOfThree, &[10.0; 3], &[9.0, 12.0], "paired"),
        (Rule::BestOfThree, &[10.0; 3], &[9.0, 12.0, 12.0], "keep"),
        (Rule::BestOfThree, &[10.0, 8.0, 10.0], &[9.0; 3], "discard"),
        (Rule::AlwaysConfirm, &[10.0], &[5.0], "fresh"),
        (Rule::AlwaysConfirm, &[10.0; 2], &[5.0; 2], "keep"),
        (Rule::AlwaysConfirm, &[10.0; 3], &[9.5; 3], "inconclusive"),
    ];
    for (rule, incumbent, candidate, expected) in cases {
        let found = ask(rule, Some(&floor), incumbent, candidate);
        assert_eq!(
            name(&found),
            expected,
            "{rule}: {incumbent:?} {candidate:?}: {found:?}"
        );
    }
}

#[test]
fn a_deterministic_metric_costs_no_repeats_under_any_rule() {
    let floor = floor(&[10.0; 3]).unwrap();
    for rule in Rule::ALL {
        assert_eq!(
            name(&ask(rule, Some(&floor), &[10.0], &[9.999])),
            "keep",
            "{rule}"
        );
        assert_eq!(
            name(&ask(rule, Some(&floor), &[10.0], &[10.0])),
            "discard",
            "{rule}"
        );
        assert_eq!(name(&ask(rule, None, &[10.0], &[9.999])), "keep", "{rule}");
    }
}

#[test]
fn a_repeat_is_asked_on_the_first_seed_that_the_candidate_lacks() {
    let floor = noise(1.0);
    let incumbent = [(Seed(4), 10.0), (Seed(7), 10.0), (Seed(9), 10.0)];
    let candidate = [(Seed(4), 9.5)];
    let look = Look {
        goal: Goal::Minimize,
        floor: Some(&floor),
        incumbent: &incumbent,
        candidate: &candidate,
        most_repeats: 2,
    };
    match decide(Rule::Adaptive, &look) {
        Decision::Repeat { seed, .. } => {
            assert_eq!(seed, RepeatSeed::PairedWithIncumbent(Seed(7)));
        }
        other => panic!("{other:?}"),
    }
    assert!((first_gap(&look).unwrap() - 0.5 / (4.0_f64 / 3.0).sqrt()).abs() < 1e-12);
}

#[test]
fn reasons_read_well() {
    let floor = noise(0.01);
    let Decision::Keep { why, gain } = ask(Rule::Adaptive, Some(&floor), &[1.5], &[1.2]) else {
        panic!("a clear gain is kept");
    };
    assert_eq!(
        why,
        "better by 0.300 with a standard error of 0.0141: clear"
    );
    assert!((gain - 0.3).abs() < 1e-12);
    let Decision::Discard { why, .. } = ask(Rule::Greedy, None, &[1.5], &[1.5]) else {
        panic!("no difference is no gain");
    };
    assert_eq!(why, "no different");
}

#[test]
fn repeats_stop_once_one_run_tells_candidates_apart() {
    assert_eq!(repeats_worth(&[], REPEATS_BEST), REPEATS_BEST);
    assert_eq!(repeats_worth(&[9.0, -9.0], 2), 2);
    assert_eq!(repeats_worth(&[9.0, -9.0, 0.1], 2), 0);
    assert_eq!(repeats_worth(&[0.1; 50], 2), 2);
    let one_astray: Vec<f64> = (0..50).map(|i| if i == 0 { -1e9 } else { 0.3 }).collect();
    assert_eq!(repeats_worth(&one_astray, 2), 2);
}

#[test]
fn rules_read_the_names_they_print() {
    for rule in Rule::ALL {
        assert_eq!(rule.to_string().parse(), Ok(rule));
    }
    assert_eq!(
        "bold".parse::<Rule>().unwrap_err().to_string(),
        "unknown keep rule, expected one of adaptive, greedy, two-sigma, best-of-three, \
         always-confirm: `bold`"
    );
}

fn side() -> impl Strategy<Value = Vec<(Seed, f64)>> {
    let run = (
        0_u64..6,
        prop_oneof![-1e9..1e9, -3.0..3.0, Just(0.0), Just(f64::MAX)],
    );
    prop::collection::vec(run.prop_map(|(seed, value)| (Seed(seed), value)), 0..7)
}

proptest! {
    #[test]
    fn decisions_are_pure_bounded_and_keeps_are_gains(
        incumbent in side(),
        candidate in side(),
        spread in prop::option::of(0.0..10.0_f64),
        maximize in any::<bool>(),
        most_repeats in 0_usize..4,
    ) {
        let floor = spread.map(noise);
        let goal = if maximize { Goal::Maximize } else { Goal::Minimize };
        let look = Look {
            goal,
            floor: floor.as_ref(),
            incumbent: &incumbent,
            candidate: &candidate,
            most_repeats,
        };
        for rule in Rule::ALL {
            let decision = decide(rule, &look);
            prop_assert_eq!(format!("{decision:?}"), format!("{:?}", decide(rule, &look)));
            match decision {
                Decision::Keep { gain, .. } => prop_assert!(gain > 0.0),
                Decision::Repeat { seed: RepeatSeed::PairedWithIncumbent(seed), .. } => {
                    prop_assert!(incumbent.iter().any(|run| run.0 == seed));
                    prop_assert!(candidate.iter().all(|run| run.0 != seed));
                    prop_assert!(candidate.len() <= most_repeats);
                }
                Decision::Repeat { seed: RepeatSeed::Fresh, .. } => {
                    prop_assert!(candidate.len() <= most_repeats);
                }
                Decision::Discard { .. } | Decision::Inconclusive { .. } => {}
            }
        }
    }

    #[test]
    fn both_goals_decide_alike_on_mirrored_values(
        incumbent in prop::collection::vec(-3.0..3.0_f64, 1..5),
        candidate in prop::collection::vec(-3.0..3.0_f64, 1..5),
    ) {
        let floor = noise(1.0);
        let mirror = |values: &[f64]| runs(&values.iter().map(|value| -value).collect::<Vec<_>>());
        for rule in Rule::ALL {
            let low = ask(rule, Some(&floor), &incumbent, &candidate);
            let high = decide(rule, &Look {
                goal: Goal::Maximize,
                floor: Some(&floor),
                incumbent: &mirror(&incumbent),
                candidate: &mirror(&candidate),
                most_repeats: 2,
            });
            prop_assert_eq!(low, high);
        }
    }

    #[test]
    fn failures_never_help_a_claim(
        pairs in prop::collection::vec(
            (prop::option::of(-1e6..1e6_f64), prop::option::of(-1e6..1e6_f64)), 0..30),
    ) {
        let found = confirm(Goal::Maximize, &pairs, 0.05);
        prop_assert_eq!(found.wins + found.losses + found.ties, found.pairs);
        let whole: Vec<_> = pairs.iter().copied().filter(|p| p.0.is_some() && p.1.is_some()).collect();
        let without = confirm(Goal::Maximize, &whole, 0.05);
        prop_assert_eq!(found.wins, without.wins);
        prop_assert_eq!(found.mean_gain, without.mean_gain);
        prop_assert!(found.e_value <= without.e_value);
        if !pairs.iter().any(|p| p.0.is_some() && p.1.is_some()) {
            prop_assert_eq!(found.mean_gain, None);
        }
    }

    #[test]
    fn a_claim_is_futile_only_when_no_future_confirms_it(
        wins in 0_u64..12, losses in 0_u64..8, left in 0_u64..12,
    ) {
        let pairs = wins + losses;
        let reachable = (0..=left).any(|more| e_value(wins + more, pairs + more) >= 20.0);
        prop_assert_eq!(futile(wins, pairs, pairs + left, 0.05), !reachable);
    }

    #[test]
    fn the_fewest_pairs_are_the_fewest(alpha in 1e-6..1.0_f64) {
        let fewest = pairs_needed(alpha) as u64;
        prop_assert!(e_value(fewest, fewest) * alpha >= 1.0 - 1e-12);
        prop_assert!(fewest == 0 || e_value(fewest - 1, fewest - 1) * alpha < 1.0 + 1e-12);
    }
}
