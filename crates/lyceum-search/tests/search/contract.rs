//! What every researcher owes the study, whatever the study is like.

use crate::common::{
    Study, choice, float, integer, knob, measured, mixed, mixed_start, mixed_value,
};
use lyceum_search::{Error, GaussianProcess, NAMES, Random, Researcher, TrialResult, by_name};
use lyceum_types::{ExperimentId, Goal, KnobKind, Scale, Setting, Settings, Space};
use proptest::prelude::*;

fn all() -> Vec<Box<dyn Researcher>> {
    NAMES.iter().map(|name| by_name(name).unwrap()).collect()
}

#[test]
fn names_lead_to_researchers_of_that_name() {
    for name in NAMES {
        assert_eq!(by_name(name).unwrap().name(), *name);
    }
    assert!(by_name("oracle").is_none());
}

#[test]
fn the_same_ask_gives_bit_for_bit_the_same_proposal() {
    let space = mixed();
    for researcher in all() {
        let mut study = Study::new(&space, 11);
        study.start = mixed_start();
        study.run(researcher.as_ref(), 14, |settings| {
            measured(mixed_value(settings))
        });
        let pending = [study.ask(researcher.as_ref(), &[]).unwrap().settings];
        let first = study.ask(researcher.as_ref(), &pending).unwrap();
        let second = study.ask(researcher.as_ref(), &pending).unwrap();
        assert_eq!(first, second);
        if let (Some(a), Some(b)) = (first.prediction, second.prediction) {
            assert_eq!(a.mean.to_bits(), b.mean.to_bits());
            assert_eq!(a.sd.to_bits(), b.sd.to_bits());
        }
    }
}

#[test]
fn another_seed_or_another_ask_gives_another_proposal() {
    let space = mixed();
    for researcher in all() {
        let one = Study::new(&space, 1).ask(researcher.as_ref(), &[]).unwrap();
        let two = Study::new(&space, 2).ask(researcher.as_ref(), &[]).unwrap();
        assert_ne!(one.settings, two.settings);
        let mut later = Study::new(&space, 1);
        later.tell(one.settings.clone(), measured(1.0));
        assert_ne!(
            later.ask(researcher.as_ref(), &[]).unwrap().settings,
            one.settings
        );
    }
}

#[test]
fn an_empty_space_is_refused() {
    let space = Space::new(Vec::new()).unwrap();
    for researcher in all() {
        assert_eq!(
            Study::new(&space, 1).ask(researcher.as_ref(), &[]),
            Err(Error::NoKnobs)
        );
    }
}

#[test]
fn a_finite_space_is_tried_to_the_last_point_and_then_exhausted() {
    // 3 × 4 + 2 × 4 points, since `depth` is off for two of the choices.
    let space = Space::new(vec![
        choice("kind", &["tree", "line", "ring"]),
        integer("width", 1, 4),
        crate::common::when(integer("depth", 1, 3), "kind", "tree"),
    ])
    .unwrap();
    for researcher in all() {
        let mut study = Study::new(&space, 5);
        let proposals = study.run(researcher.as_ref(), 20, |settings| {
            measured(crate::common::number(settings, "width"))
        });
        for (index, proposal) in proposals.iter().enumerate() {
            let before = &proposals[..index];
            assert!(
                before
                    .iter()
                    .all(|other| other.settings != proposal.settings)
            );
        }
        assert_eq!(
            study.ask(researcher.as_ref(), &[]),
            Err(Error::Exhausted { tried: 20 })
        );
    }
}

#[test]
fn pending_points_use_up_a_space_like_tried_ones() {
    let space = Space::new(vec![knob("on", KnobKind::Boolean)]).unwrap();
    for researcher in all() {
        let study = Study::new(&space, 5);
        let on = |value| Settings::from([("on".to_owned(), Setting::Boolean(value))]);
        let other = study.ask(researcher.as_ref(), &[on(true)]).unwrap();
        assert_eq!(other.settings, on(false));
        let both = [on(true), on(false), on(true)];
        let refused = study.ask(researcher.as_ref(), &both);
        assert_eq!(refused, Err(Error::Exhausted { tried: 2 }));
    }
}

#[test]
fn one_knob_with_one_value_is_proposed_once() {
    for kind in [
        KnobKind::Integer {
            low: 3,
            high: 3,
            scale: Scale::Linear,
        },
        KnobKind::Categorical {
            choices: vec![Setting::Float(0.5)],
        },
    ] {
        let space = Space::new(vec![knob("only", kind)]).unwrap();
        for researcher in all() {
            let mut study = Study::new(&space, 1);
            study.run(researcher.as_ref(), 1, |_| measured(1.0));
            assert!(matches!(
                study.ask(researcher.as_ref(), &[]),
                Err(Error::Exhausted { tried: 1 })
            ));
        }
    }
}

#[test]
fn two_hundred_knobs_work() {
    let knobs = (0..200)
        .map(|index| match index % 3 {
            0 => float(&format!("k{index}"), 0.0, 1.0, Scale::Linear),
            1 => integer(&format!("k{index}"), 0, 9),
            _ => choice(&format!("k{index}"), &["a", "b", "c"]),
        })
        .collect();
    let space = Space::new(knobs).unwrap();
    for researcher in all() {
        let mut study = Study::new(&space, 1);
        study.run(researcher.as_ref(), 16, |settings| {
            measured(crate::common::number(settings, "k0") + crate::common::number(settings, "k1"))
        });
        let proposal = study.ask(researcher.as_ref(), &[]).unwrap();
        assert!(
            proposal.hypothesis.chars().count() < 400,
            "{}",
            proposal.hypothesis
        );
    }
}

#[test]
fn histories_that_teach_nothing_still_get_proposals() {
    let space = mixed();
    let results: [fn(usize) -> TrialResult; 5] = [
        |_| measured(2.0),
        |_| measured(0.0),
        |_| TrialResult::Failed,
        |_| measured(f64::NAN),
        |index| measured(if index % 2 == 0 { 1e300 } else { -1e300 }),
    ];
    for researcher in all() {
        for (case, result) in results.iter().enumerate() {
            for noise_sd in [None, Some(0.0), Some(0.1), Some(f64::NAN)] {
                let mut study = Study::new(&space, case as u64);
                study.noise_sd = noise_sd;
                let mut index = 0;
                let proposals = study.run(researcher.as_ref(), 14, |_| {
                    index += 1;
                    result(index)
                });
                for proposal in proposals {
                    if let Some(prediction) = proposal.prediction {
                        assert!(prediction.mean.is_finite(), "case {case}: {proposal:?}");
                        assert!(prediction.sd >= 0.0, "case {case}: {proposal:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn equal_settings_with_contradictory_results_are_noise() {
    let space = Space::new(vec![float("x", 0.0, 1.0, Scale::Linear)]).unwrap();
    let mut study = Study::new(&space, 1);
    let at = |x| Settings::from([("x".to_owned(), Setting::Float(x))]);
    for round in 0..8 {
        for x in [0.2, 0.5, 0.8] {
            let noise = if round % 2 == 0 { 1.0 } else { -1.0 };
            study.tell(at(x), measured(10.0 * x + noise));
        }
    }
    let proposal = study.ask(&GaussianProcess, &[]).unwrap();
    assert!(
        crate::common::number(&proposal.settings, "x") < 0.5,
        "{}",
        proposal.hypothesis
    );
}

#[test]
fn trials_outside_the_space_are_ignored() {
    let space = Space::new(vec![float("x", 0.0, 1.0, Scale::Linear)]).unwrap();
    for researcher in all() {
        let mut study = Study::new(&space, 3);
        let clean = study.ask(researcher.as_ref(), &[]).unwrap();
        for (name, value) in [("x", 7.0), ("gone", 0.5)] {
            let settings = Settings::from([(name.to_owned(), Setting::Float(value))]);
            study.history.push(lyceum_search::Trial {
                experiment: ExperimentId(9),
                settings,
                researcher: String::new(),
                prediction: None,
                result: measured(-1e9),
            });
        }
        let dirty = researcher
            .propose(&lyceum_search::Ask {
                space: &space,
                goal: Goal::Minimize,
                start: &Settings::new(),
                history: &study.history,
                pending: &[Settings::from([("x".to_owned(), Setting::Boolean(true))])],
                noise_sd: None,
                priors: &[],
                rungs: 0,
                seed: lyceum_types::Seed(3),
                number: 0,
                budget: 40,
            })
            .unwrap();
        assert_eq!(clean.settings, dirty.settings);
    }
}

#[test]
fn a_whole_number_for_a_float_knob_counts_as_that_float() {
    let space = Space::new(vec![
        float("x", 0.0, 1.0, Scale::Linear),
        knob("on", KnobKind::Boolean),
    ])
    .unwrap();
    let mut study = Study::new(&space, 3);
    for x in [0, 1] {
        let settings = Settings::from([
            ("x".to_owned(), Setting::Integer(x)),
            ("on".to_owned(), Setting::Boolean(false)),
        ]);
        study.tell(settings, measured(x as f64));
    }
    let proposal = study.ask(&Random, &[]).unwrap();
    assert!(matches!(proposal.settings["x"], Setting::Float(_)));
}

#[test]
fn parallel_asks_spread_out() {
    let space = mixed();
    let mut study = Study::new(&space, 8);
    study.start = mixed_start();
    study.run(&GaussianProcess, 16, |settings| {
        measured(mixed_value(settings))
    });
    let mut pending = Vec::new();
    for _ in 0..6 {
        let proposal = study.ask(&GaussianProcess, &pending).unwrap();
        assert!(!pending.contains(&proposal.settings));
        pending.push(proposal.settings);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Bounds of any size and any kind of knob: proposals are always in the space.
    #[test]
    fn proposals_are_always_in_the_space(
        low in -1e6_f64..1e6, width in 1e-9_f64..1e9, log_low in 1e-12_f64..1e3, ratio in 1.001_f64..1e9,
        whole in -1_000_000_i64..1_000_000, span in 0_i64..1_000_000_000, seed in 0_u64..1000,
    ) {
        let whole_log = whole.abs() + 1;
        let space = Space::new(vec![
            float("a", low, low + width, Scale::Linear),
            float("b", log_low, log_low * ratio, Scale::Log),
            integer("c", whole, whole + span),
            knob("d", KnobKind::Integer { low: whole_log, high: whole_log + span, scale: Scale::Log }),
            choice("e", &["x", "y", "z"]),
            crate::common::when(float("f", low, low + width, Scale::Linear), "e", "y"),
        ]).unwrap();
        for researcher in all() {
            let mut study = Study::new(&space, seed);
            study.budget = 12;
            let mut index = 0;
            study.run(researcher.as_ref(), 7, |_| { index += 1; measured(f64::from(index % 5)) });
        }
    }
}
