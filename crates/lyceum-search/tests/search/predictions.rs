//! What is expected of a proposal must be a number that could be measured.

use crate::common::{Study, float, measured};
use lyceum_search::{GaussianProcess, Proposal, TrialResult};
use lyceum_types::{Goal, Prediction, Scale, Setting, Settings, Space};
use proptest::prelude::*;

/// Deviation between repeats.
const SPREAD: f64 = 0.46;

/// Three knobs that do nothing.
fn cube() -> Space {
    let knob = |name| float(name, 0.0, 1.0, Scale::Linear);
    Space::new(vec![knob("first"), knob("second"), knob("third")]).unwrap()
}

/// Settings that are spread over the cube.
fn scattered(index: usize) -> Settings {
    let at = |share: f64| Setting::Float((0.5 + index as f64 * share).fract());
    Settings::from([
        ("first".to_owned(), at(0.819_173)),
        ("second".to_owned(), at(0.671_044)),
        ("third".to_owned(), at(0.549_700)),
    ])
}

fn repeated(mean: f64, repeats: u32) -> TrialResult {
    TrialResult::Measured {
        mean,
        sd: (repeats > 1).then_some(SPREAD),
        repeats,
    }
}

/// Returns the proposal after these results at scattered settings.
fn after(results: &[TrialResult], goal: Goal, noise_sd: Option<f64>) -> Proposal {
    let space = cube();
    let mut study = Study::new(&space, 7);
    study.goal = goal;
    study.noise_sd = noise_sd;
    study.start = scattered(0);
    for (index, result) in results.iter().enumerate() {
        study.tell(scattered(index), *result);
    }
    study.ask(&GaussianProcess, &[]).unwrap()
}

fn predicted(results: &[TrialResult], goal: Goal, noise_sd: Option<f64>) -> Prediction {
    after(results, goal, noise_sd).prediction.unwrap()
}

#[test]
fn equal_results_are_expected_again_within_the_noise() {
    for goal in [Goal::Maximize, Goal::Minimize] {
        for count in [3, 4, 6, 12, 25] {
            let found = predicted(&vec![repeated(11.323, 1); count], goal, Some(SPREAD));
            assert!((found.mean - 11.323).abs() < 0.05, "{count}: {found:?}");
            assert!((0.01..0.7).contains(&found.sd), "{count}: {found:?}");
        }
    }
}

#[test]
fn equal_results_of_unknown_noise_are_expected_again() {
    for value in [11.323, -4e-9, 3e12] {
        let found = predicted(&[measured(value); 8], Goal::Maximize, None);
        let unit = 1e-3 * value.abs();
        assert!((found.mean - value).abs() < 0.1 * unit, "{found:?}");
        assert!(found.sd > 0.0 && found.sd < 2.0 * unit, "{found:?}");
    }
}

#[test]
fn nearly_equal_results_are_expected_again_within_the_noise() {
    for tiny in [1e-15, 1e-12, 1e-9, 1e-6, 1e-3] {
        let results: Vec<TrialResult> = (0..12)
            .map(|index| repeated(11.323 + tiny * f64::from(index % 5), 1))
            .collect();
        let found = predicted(&results, Goal::Maximize, Some(SPREAD));
        assert!((found.mean - 11.323).abs() < 0.05, "{tiny}: {found:?}");
        assert!((0.01..0.7).contains(&found.sd), "{tiny}: {found:?}");
    }
}

#[test]
fn means_over_different_seeds_are_expected_between_them() {
    // Every experiment shares its seeds: all first looks are equal, all means over four looks are.
    for goal in [Goal::Maximize, Goal::Minimize] {
        for settled in 1..11 {
            let results: Vec<TrialResult> = (0..12)
                .map(|index| match index {
                    0 => repeated(10.761_7, 3),
                    index if index <= settled => repeated(10.719, 4),
                    _ => repeated(11.323, 1),
                })
                .collect();
            let found = predicted(&results, goal, Some(SPREAD));
            assert!((10.5..11.5).contains(&found.mean), "{settled}: {found:?}");
            assert!((0.005..0.7).contains(&found.sd), "{settled}: {found:?}");
        }
    }
}

#[test]
fn the_best_so_far_is_the_best_measured_and_a_belief_is_called_so() {
    let space = Space::new(vec![float("x", 0.0, 1.0, Scale::Linear)]).unwrap();
    for (goal, sign) in [(Goal::Maximize, 1.0), (Goal::Minimize, -1.0)] {
        let mut study = Study::new(&space, 7);
        study.goal = goal;
        study.noise_sd = Some(SPREAD);
        // One lucky look among settled means that are worse, and a better place elsewhere.
        let places = [(0.1, 10.0), (0.15, 10.0), (0.25, 10.0), (0.8, 10.7)];
        for (x, mean) in places {
            study.tell(
                Settings::from([("x".to_owned(), Setting::Float(x))]),
                repeated(sign * mean, 16),
            );
        }
        let lucky = Settings::from([("x".to_owned(), Setting::Float(0.2))]);
        study.tell(lucky, repeated(sign * 10.9, 1));
        let hypothesis = study.ask(&GaussianProcess, &[]).unwrap().hypothesis;
        let best = format!("best so far {:.2} (e4)", sign * 10.9);
        assert!(hypothesis.contains(&best), "{hypothesis}");
        assert!(hypothesis.contains(", believed best e3 ("), "{hypothesis}");
    }
}

/// A value of an arbitrary history: ties, tiny differences, outliers.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => Just(0.0),
        4 => Just(1.0),
        2 => (0_u8..20).prop_map(|step| 1.0 + 1e-12 * f64::from(step)),
        4 => -3.0_f64..3.0,
        1 => prop_oneof![Just(1e9), Just(-1e9), Just(1e300), Just(-1e300)],
        1 => -1e9_f64..1e9,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Finite, and no further beyond what was seen than three times what differences were seen or are known of.
    #[test]
    fn predictions_stay_near_what_was_seen(
        plain in proptest::collection::vec((value(), 1_u32..5), 3..16),
        size in prop_oneof![Just(1.0), Just(1e-12), Just(1e6)],
        base in prop_oneof![Just(0.0), Just(10.7), Just(-1e5)],
        noise_sd in prop_oneof![Just(None), Just(Some(0.0)), (1e-6_f64..1e3).prop_map(Some)],
        goal in prop_oneof![Just(Goal::Minimize), Just(Goal::Maximize)],
    ) {
        let values: Vec<f64> = plain.iter().map(|(value, _)| base + size * value).collect();
        let results: Vec<TrialResult> = values.iter().zip(&plain).map(|(value, (_, repeats))| repeated(*value, *repeats)).collect();
        let Some(found) = after(&results, goal, noise_sd).prediction else { return Ok(()) };
        let (least, greatest) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
        let range = greatest - least;
        let magnitude = least.abs().max(greatest.abs());
        // Without any difference to go by, a thousandth of the value stands for one.
        let guess = if magnitude > 0.0 { 1e-3 * magnitude } else { 1.0 };
        let pooled = results.iter().any(|result| matches!(result, TrialResult::Measured { sd: Some(_), .. }));
        let known = noise_sd.or(pooled.then_some(SPREAD)).filter(|noise| *noise > 0.0);
        let difference = known.unwrap_or(if range > 1e-12 * magnitude { 0.0 } else { guess });
        let reach = 3.0 * (range + difference) * (1.0 + 1e-9) + 1e-9 * magnitude;
        prop_assert!(found.mean.is_finite() && found.sd.is_finite(), "{found:?}");
        prop_assert!(found.mean >= least - reach && found.mean <= greatest + reach, "{found:?} of {values:?}");
        prop_assert!(found.sd >= 0.0 && found.sd <= reach + range, "{found:?} of {values:?}");
    }
}
