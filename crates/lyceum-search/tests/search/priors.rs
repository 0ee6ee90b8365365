//! What samplers make of where good values lay in earlier studies.

use lyceum_search::{GaussianProcess, NAMES, Parzen, Researcher, WarmStart, by_name};
use lyceum_types::{GoodValues, KnobPrior, Scale, Setting, Settings, Space};

use crate::common::{Study, choice, float, integer, measured, number};

fn space() -> Space {
    Space::new(vec![
        float("rate", 1e-4, 1.0, Scale::Log),
        integer("width", 1, 40),
        choice("kind", &["a", "b", "c"]),
    ])
    .unwrap()
}

fn told(knob: &str, good: GoodValues) -> KnobPrior {
    KnobPrior {
        knob: knob.to_owned(),
        explains: 0.5,
        good,
    }
}

fn between(knob: &str, low: f64, high: f64) -> KnobPrior {
    told(knob, GoodValues::Between { low, high })
}

fn shares(knob: &str, shares: &[(&str, f64)]) -> KnobPrior {
    let shares = shares.iter();
    let shares = shares.map(|(value, share)| (Setting::Text((*value).to_owned()), *share));
    told(knob, GoodValues::Shares(shares.collect()))
}

fn with(inner: &str, priors: &[KnobPrior]) -> WarmStart {
    let inner = by_name(inner).unwrap();
    WarmStart::new(inner, Vec::new()).with_priors(priors.to_vec())
}

/// Returns a loss whose best is at a rate, and the kind `b`.
fn loss(settings: &Settings, rate: f64) -> f64 {
    let off = (number(settings, "rate") / rate).log10() / 4.0;
    let width = (number(settings, "width") - 30.0) / 40.0;
    let kind = f64::from(settings["kind"] != Setting::Text("b".into()));
    off * off + 0.1 * width * width + 0.05 * kind
}

fn good() -> Vec<KnobPrior> {
    vec![
        between("rate", 0.005, 0.02),
        between("width", 26.0, 34.0),
        shares("kind", &[("b", 0.9), ("a", 0.1)]),
    ]
}

#[test]
fn a_study_begins_where_good_values_lay() {
    let space = space();
    for name in ["tpe", "gp"] {
        let near = |researcher: &dyn Researcher| {
            let mut near = 0;
            for seed in 0..10 {
                let mut study = Study::new(&space, seed);
                let asked = study.run(researcher, 4, |settings| measured(loss(settings, 0.01)));
                near += asked
                    .iter()
                    .filter(|one| (0.002..0.05).contains(&number(&one.settings, "rate")))
                    .count();
            }
            near
        };
        let (told, untold) = (near(&with(name, &good())), near(&with(name, &[])));
        // A normal distribution with an even fifth has 84 % there, an even one 35 %.
        assert!(told >= 28 && untold <= 20, "{name}: {told}, {untold} of 40");
    }
}

#[test]
fn a_right_prior_helps_and_a_wrong_one_is_forgotten() {
    let space = space();
    let wrong = [
        between("rate", 2e-4, 4e-4),
        between("width", 2.0, 6.0),
        shares("kind", &[("a", 1.0)]),
    ];
    for name in ["tpe", "gp"] {
        let best = |priors: &[KnobPrior], count: usize| {
            let each = (0..6).map(|seed| {
                let mut study = Study::new(&space, seed);
                study.run(&with(name, priors), count, |settings| {
                    measured(loss(settings, 0.01))
                });
                study.best()
            });
            each.sum::<f64>() / 6.0
        };
        let (early, untold) = (best(&good(), 8), best(&[], 8));
        assert!(early < untold, "{name}: {early} {untold}");
        let (late, begun) = (best(&wrong, 40), best(&wrong, 4));
        // What the loss is at the middle of the wrong prior: 0.19.
        assert!(late < 0.02 && late < begun / 4.0, "{name}: {late} {begun}");
    }
}

#[test]
fn samplers_without_use_for_a_prior_propose_what_they_would() {
    let space = space();
    for name in NAMES
        .iter()
        .filter(|name| !["tpe", "gp", "portfolio"].contains(name))
    {
        let asked = |priors: &[KnobPrior]| {
            let mut study = Study::new(&space, 3);
            study.run(&with(name, priors), 8, |settings| {
                measured(loss(settings, 0.1))
            })
        };
        assert_eq!(asked(&good()), asked(&[]), "{name}");
    }
}

#[test]
fn the_same_prior_gives_the_same_proposals_and_one_that_explains_nothing_none_other() {
    let space = space();
    let idle: Vec<KnobPrior> = good()
        .into_iter()
        .map(|one| KnobPrior {
            explains: 0.01,
            ..one
        })
        .collect();
    for inner in [&Parzen as &dyn Researcher, &GaussianProcess] {
        let asked = |priors: &[KnobPrior], broken_off: usize| {
            let mut study = Study::new(&space, 5);
            let mut measure = |settings: &Settings| measured(loss(settings, 0.1));
            let mut all = study.run(&with(inner.name(), priors), broken_off, &mut measure);
            // Gone on with a researcher that was made anew.
            all.extend(study.run(&with(inner.name(), priors), 14 - broken_off, &mut measure));
            all
        };
        assert_eq!(asked(&good(), 0), asked(&good(), 6));
        assert_eq!(asked(&idle, 0), asked(&[], 0));
        assert_ne!(asked(&good(), 0), asked(&[], 0));
    }
}

#[test]
fn hostile_priors_break_nothing() {
    let space = space();
    let huge = f64::MAX;
    let hostile = [
        vec![between("rate", -1.0, 2.0)],
        vec![between("rate", 0.5, 1e-3), between("width", huge, -huge)],
        vec![
            between("rate", f64::NAN, 1.0),
            between("width", f64::INFINITY, 1.0),
        ],
        vec![
            between("rate", 1e-300, 1e300),
            between("width", -huge, huge),
        ],
        vec![between("rate", 1e250, 1e300), between("width", 7.0, 7.0)],
        vec![between("kind", 0.0, 1.0), shares("rate", &[("a", 1.0)])],
        vec![shares("kind", &[("z", 1.0), ("a", f64::NAN), ("b", -1.0)])],
        vec![shares("kind", &[("a", huge), ("b", huge)])],
        vec![between("nothing", 0.0, 1.0), shares("kind", &[])],
        vec![KnobPrior {
            explains: f64::NAN,
            ..between("rate", 0.1, 0.2)
        }],
        vec![KnobPrior {
            explains: 1e9,
            ..between("rate", 1e-4, 1e-4)
        }],
    ];
    for priors in hostile {
        for name in ["tpe", "gp"] {
            let mut study = Study::new(&space, 1);
            let asked = study.run(&with(name, &priors), 13, |settings| {
                measured(loss(settings, 0.1))
            });
            assert_eq!(asked.len(), 13, "{name} {priors:?}");
        }
    }
}
