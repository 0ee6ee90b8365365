//! Histories and spaces that nobody would make on purpose, for every researcher.

use crate::common::{Study, choice, float, integer, knob, measured, mixed, mixed_value, when};
use lyceum_search::{Error, NAMES, Researcher, TrialResult, by_name};
use lyceum_types::{KnobKind, Scale, Setting, Settings, Space};

fn all() -> Vec<Box<dyn Researcher>> {
    NAMES.iter().map(|name| by_name(name).unwrap()).collect()
}

/// Asks once; the proposal must be in the space, in words, and with numbers that are numbers.
fn ask(study: &Study<'_>, researcher: &dyn Researcher) -> Settings {
    let name = researcher.name();
    let proposal = study.ask(researcher, &[]).unwrap();
    study.space.check(&proposal.settings).unwrap();
    assert!(!proposal.hypothesis.is_empty(), "{name}");
    if let Some(prediction) = proposal.prediction {
        let sane = prediction.mean.is_finite() && prediction.sd >= 0.0;
        assert!(sane, "{name}: {prediction:?}");
    }
    proposal.settings
}

#[test]
fn the_same_points_again_and_again_with_contradictory_results() {
    let space = mixed();
    let points = {
        let mut study = Study::new(&space, 2);
        study.run(by_name("random").unwrap().as_ref(), 5, |_| measured(0.0));
        let points: Vec<Settings> = study.history.into_iter().map(|one| one.settings).collect();
        points
    };
    for researcher in all() {
        let mut study = Study::new(&space, 2);
        for round in 0..6_u32 {
            for point in &points {
                let result = match round % 3 {
                    0 => measured(mixed_value(point)),
                    1 => measured(-1e3 * mixed_value(point)),
                    _ => TrialResult::Failed,
                };
                study.tell(point.clone(), result);
            }
        }
        let settings = ask(&study, researcher.as_ref());
        assert!(!points.contains(&settings), "{}", researcher.name());
    }
}

#[test]
fn a_space_that_was_changed_under_its_history() {
    let rate = |low, high| float("rate", low, high, Scale::Log);
    let old = Space::new(vec![
        rate(1e-4, 1e-1),
        integer("width", 16, 64),
        choice("kind", &["a", "b"]),
    ])
    .unwrap();
    let changed = [
        // Narrower, wider, another kind, a knob less, a knob more, a knob under a condition.
        vec![
            rate(1e-3, 1e-2),
            integer("width", 32, 40),
            choice("kind", &["a", "b"]),
        ],
        vec![
            rate(1e-6, 1e1),
            integer("width", 1, 640),
            choice("kind", &["b", "c", "a"]),
        ],
        vec![
            choice("rate", &["low", "high"]),
            float("width", 0.0, 1.0, Scale::Linear),
        ],
        vec![integer("width", 16, 64), choice("kind", &["a", "b"])],
        vec![
            rate(1e-4, 1e-1),
            integer("width", 16, 64),
            choice("kind", &["a", "b"]),
            knob("on", KnobKind::Boolean),
        ],
        vec![
            choice("kind", &["a", "b"]),
            when(rate(1e-4, 1e-1), "kind", "a"),
            integer("width", 16, 64),
        ],
    ];
    let changed = changed.map(|knobs| Space::new(knobs).unwrap());
    for researcher in all() {
        let mut study = Study::new(&old, 7);
        let mut count = 0;
        study.run(researcher.as_ref(), 16, |_| {
            count += 1;
            if count % 5 == 0 {
                TrialResult::Failed
            } else {
                measured(f64::from(count % 7))
            }
        });
        for space in &changed {
            let mut after = Study::new(space, 7);
            after.history = study.history.clone();
            let first = ask(&after, researcher.as_ref());
            assert_eq!(
                first,
                ask(&after, researcher.as_ref()),
                "{}",
                researcher.name()
            );
        }
    }
}

#[test]
fn more_parallel_asks_than_the_space_has_points() {
    let space = Space::new(vec![integer("n", 1, 3), choice("kind", &["a", "b"])]).unwrap();
    for researcher in all() {
        let mut study = Study::new(&space, 4);
        study.run(researcher.as_ref(), 2, |_| measured(1.0));
        let mut pending: Vec<Settings> = Vec::new();
        for _ in 0..4 {
            let proposal = study.ask(researcher.as_ref(), &pending).unwrap();
            assert!(
                !pending.contains(&proposal.settings),
                "{}",
                researcher.name()
            );
            pending.push(proposal.settings);
        }
        for _ in 0..2 {
            let refused = study.ask(researcher.as_ref(), &pending);
            assert_eq!(refused, Err(Error::Exhausted { tried: 6 }));
            pending.push(pending[0].clone());
        }
    }
}

#[test]
fn numbers_at_the_ends_of_what_a_double_holds() {
    let space = Space::new(vec![
        float("wide", -1e308, 1e308, Scale::Linear),
        float("fine", 1e-300, 1e300, Scale::Log),
        knob(
            "whole",
            KnobKind::Integer {
                low: i64::MIN,
                high: i64::MAX,
                scale: Scale::Linear,
            },
        ),
        float("thin", 1.0, 1.0 + 4.0 * f64::EPSILON, Scale::Linear),
    ])
    .unwrap();
    let values = [
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        f64::INFINITY,
        0.0,
        -0.0,
    ];
    for researcher in all() {
        for noise_sd in [None, Some(f64::MAX), Some(-1.0), Some(f64::INFINITY)] {
            let mut study = Study::new(&space, 6);
            study.noise_sd = noise_sd;
            let mut count = 0;
            study.run(researcher.as_ref(), 9, |_| {
                count += 1;
                TrialResult::Measured {
                    mean: values[count % values.len()],
                    sd: Some([f64::NAN, -1.0, f64::MAX][count % 3]),
                    repeats: [0, 1, u32::MAX][count % 3],
                }
            });
            ask(&study, researcher.as_ref());
        }
    }
}

#[test]
fn a_start_that_is_not_in_the_space_and_a_budget_of_nothing() {
    let space = mixed();
    for researcher in all() {
        for budget in [0, 1, u32::MAX] {
            let mut study = Study::new(&space, 6);
            study.budget = budget;
            study.start = Settings::from([
                ("rate".to_owned(), Setting::Text("fast".to_owned())),
                ("gone".to_owned(), Setting::Boolean(true)),
            ]);
            study.run(researcher.as_ref(), 8, |settings| {
                measured(mixed_value(settings))
            });
            ask(&study, researcher.as_ref());
        }
    }
}

/// A history of two thousand trials that is forgotten leaves only its best behind.
#[test]
fn a_long_history_is_not_gone_through_from_its_beginning() {
    let space = Space::new(vec![
        float("x", 0.0, 1.0, Scale::Linear),
        float("y", 0.0, 1.0, Scale::Linear),
    ])
    .unwrap();
    let cma = by_name("cma").unwrap();
    let of_seed = |seed: u64| {
        let mut study = Study::new(&space, 1);
        let at = |x: f64, y: f64| {
            Settings::from([
                ("x".to_owned(), Setting::Float(x)),
                ("y".to_owned(), Setting::Float(y)),
            ])
        };
        // The same best in the middle of what is dropped, then the same 2500.
        for index in 0..4500_u64 {
            let salt = if index < 2000 { seed } else { 1 };
            let part = |step: f64| (step * (index * salt + 1) as f64).fract();
            let (x, y) = if index == 1000 {
                (0.25, 0.75)
            } else {
                (part(0.618_034), part(0.754_878))
            };
            let value = if index == 1000 { 0.0 } else { 1.0 + x + y };
            study.tell(at(x, y), measured(value));
        }
        study.ask(cma.as_ref(), &[]).unwrap().settings
    };
    assert_eq!(of_seed(1), of_seed(3));
}
