//! Beginning with what earlier studies found.

use crate::common::{Study, choice, float, integer, measured, number};
use lyceum_search::{
    EarlierStudy, GaussianProcess, Random, Researcher, Trial, TrialResult, WarmStart,
};
use lyceum_types::{ExperimentId, Goal, Scale, Setting, Settings, Space};

fn space() -> Space {
    Space::new(vec![
        float("rate", 1e-3, 1.0, Scale::Log),
        integer("width", 8, 64),
        choice("kind", &["a", "b"]),
    ])
    .unwrap()
}

fn settings(rate: f64, width: i64, kind: &str) -> Settings {
    Settings::from([
        ("rate".to_owned(), Setting::Float(rate)),
        ("width".to_owned(), Setting::Integer(width)),
        ("kind".to_owned(), Setting::Text(kind.to_owned())),
    ])
}

fn earlier(name: &str, goal: Goal, trials: Vec<(Settings, Option<f64>)>) -> EarlierStudy {
    let trials = trials.into_iter().zip(0..);
    EarlierStudy {
        name: name.to_owned(),
        goal,
        trials: trials
            .map(|((settings, value), index)| Trial {
                experiment: ExperimentId(index),
                settings,
                researcher: String::new(),
                prediction: None,
                result: value.map_or(TrialResult::Failed, measured),
            })
            .collect(),
    }
}

#[test]
fn the_best_of_each_study_comes_first_and_then_the_other_researcher() {
    let space = space();
    let studies = vec![
        earlier(
            "small",
            Goal::Minimize,
            vec![
                (settings(0.5, 8, "a"), Some(3.0)),
                (settings(0.1, 32, "b"), Some(1.0)),
                (settings(0.9, 60, "b"), None),
                // All but the same as its best.
                (settings(0.101, 32, "b"), Some(1.1)),
            ],
        ),
        earlier(
            "large",
            Goal::Maximize,
            vec![(settings(0.02, 16, "a"), Some(70.0))],
        ),
    ];
    let researcher = WarmStart::new(Box::new(GaussianProcess), studies);
    let mut study = Study::new(&space, 1);
    let proposals = study.run(&researcher, 5, |settings| {
        measured(number(settings, "rate"))
    });
    let first: Vec<&Settings> = proposals.iter().take(3).map(|one| &one.settings).collect();
    let expected = [
        settings(0.1, 32, "b"),
        settings(0.02, 16, "a"),
        settings(0.5, 8, "a"),
    ];
    assert_eq!(first, expected.iter().collect::<Vec<_>>());
    let says = &proposals[0].hypothesis;
    assert!(
        says.starts_with("among the best of `small` (e1): "),
        "{says}"
    );
    assert_eq!(proposals[0].member, Some("warm-start"));
    assert_eq!(researcher.name(), "gp");
    let rest = proposals[3..].iter();
    assert!(rest.clone().all(|one| one.member.is_none()), "{rest:?}");
}

#[test]
fn what_does_not_fit_is_fitted_or_left_out() {
    let space = space();
    let extra = Settings::from([("gone".to_owned(), Setting::Boolean(true))]);
    let foreign = Settings::from([
        ("rate".to_owned(), Setting::Text("fast".to_owned())),
        ("other".to_owned(), Setting::Float(f64::NAN)),
    ]);
    let studies = vec![earlier(
        "old\nstudy",
        Goal::Minimize,
        vec![
            (foreign, Some(-1.0)),
            (
                settings(7.0, 900, "c").into_iter().chain(extra).collect(),
                Some(1.0),
            ),
            (Settings::new(), Some(f64::NAN)),
        ],
    )];
    let researcher = WarmStart::new(Box::new(Random), studies);
    let mut study = Study::new(&space, 1);
    study.start = settings(0.01, 16, "b");
    let proposals = study.run(&researcher, 2, |_| measured(1.0));
    assert_eq!(proposals[0].settings, settings(1.0, 64, "b"));
    let says = &proposals[0].hypothesis;
    assert!(says.contains("1 of 3 knobs as at the start"), "{says}");
    assert!(!says.contains('\n'), "{says}");
    assert_eq!(proposals[1].member, None);
}

#[test]
fn pending_and_tried_settings_are_not_proposed_again_and_the_budget_is_kept() {
    let space = space();
    let many = (0..30).map(|index| {
        (
            settings(0.01 + 0.03 * f64::from(index), 8 + i64::from(index), "a"),
            Some(f64::from(index)),
        )
    });
    let studies = vec![earlier("many", Goal::Minimize, many.collect())];
    let researcher = WarmStart::new(Box::new(Random), studies.clone());
    let mut study = Study::new(&space, 1);
    let first = study.ask(&researcher, &[]).unwrap();
    let second = study
        .ask(&researcher, std::slice::from_ref(&first.settings))
        .unwrap();
    assert!(second.member.is_some() && second.settings != first.settings);
    study.budget = 40;
    let warm = |proposals: Vec<lyceum_search::Proposal>| {
        proposals.iter().filter(|one| one.member.is_some()).count()
    };
    assert_eq!(warm(study.run(&researcher, 9, |_| measured(1.0))), 5);
    let mut short = Study::new(&space, 1);
    short.budget = 8;
    assert_eq!(warm(short.run(&researcher, 8, |_| measured(1.0))), 2);
    let mut none = Study::new(&space, 1);
    let without = WarmStart::new(Box::new(Random), Vec::new());
    assert_eq!(warm(none.run(&without, 3, |_| measured(1.0))), 0);
}

#[test]
fn a_study_begun_warm_is_ahead_of_one_begun_cold() {
    // The same function a little moved: the earlier study's best is near the new one's.
    let space = Space::new(
        (0..6)
            .map(|i| float(&format!("x{i}"), 0.0, 1.0, Scale::Linear))
            .collect(),
    )
    .unwrap();
    let bowl = |settings: &Settings, shift: f64| -> f64 {
        (0..6)
            .map(|i| {
                (number(settings, &format!("x{i}")) - 0.3 - 0.05 * f64::from(i) - shift).powi(2)
            })
            .sum()
    };
    let mut better = 0;
    for seed in 0..5 {
        let mut old = Study::new(&space, seed);
        old.run(&GaussianProcess, 25, |settings| {
            measured(bowl(settings, 0.0))
        });
        let studies = vec![EarlierStudy {
            name: "old".to_owned(),
            goal: Goal::Minimize,
            trials: old.history,
        }];
        let best = |researcher: &dyn Researcher| {
            let mut study = Study::new(&space, 100 + seed);
            study.run(researcher, 10, |settings| measured(bowl(settings, 0.03)));
            study.best()
        };
        let warm = best(&WarmStart::new(Box::new(GaussianProcess), studies));
        better += u32::from(warm < best(&GaussianProcess));
    }
    assert!(better >= 4, "ahead in {better} of 5");
}
