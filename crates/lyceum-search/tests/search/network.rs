//! The lab's own network: what ships, what it is worth, and that all of it is in the weights.

use std::{fs, path::Path};

use lyceum_search::{NetworkResearcher, Random, Researcher, TrialResult, by_name};
use lyceum_train::prior_fitted::{Config, Network, Record, Trained, judge};
use lyceum_types::{ExperimentId, Goal, Scale, Settings, Space};

use crate::common::{
    Study, choice, float, integer, measured, mixed, mixed_start, mixed_value, number,
};

const SEEDS: u64 = 5;
const EXPERIMENTS: usize = 24;

fn shipped() -> Trained {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("network/network.safetensors");
    Trained::read(&fs::read(path).unwrap()).unwrap()
}

fn untrained() -> NetworkResearcher {
    let network = Network::new(Config::default()).unwrap();
    let weights = network.initialise(1);
    NetworkResearcher::new("untrained", network, weights)
}

#[test]
fn the_shipped_file_is_that_of_the_record_beside_it() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("network/network.json");
    let beside: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(beside).unwrap()).unwrap();
    let trained = shipped();
    let record: Record = serde_json::from_value(beside["record"].clone()).unwrap();
    assert_eq!(record, trained.record);
    assert_eq!(beside["parameters"], trained.parameters.len());
    assert!(trained.parameters.len() < 150_000);
    assert_eq!(record.curve.last().unwrap().step, record.recipe.steps);
    // At most fifteen minutes of one processor.
    assert!(beside["cpu_seconds"].as_f64().unwrap() <= 900.0);
}

#[test]
fn the_shipped_network_scores_what_its_record_says() {
    let Trained {
        network,
        parameters,
        record,
    } = shipped();
    let found = judge(&network, &parameters);
    let recorded = record.curve.last().unwrap().judged;
    // Another processor rounds otherwise.
    assert!(
        (found - recorded).abs() < 0.01,
        "{found}, recorded {recorded}"
    );
    assert!(
        found < record.marginal - 0.5,
        "{found}, marginal {}",
        record.marginal
    );
    let fresh = judge(&network, &network.initialise(record.recipe.seed));
    assert!((fresh - record.untrained).abs() < 0.01, "{fresh}");
}

fn cube(dimensions: usize) -> Space {
    let knob = |index| float(&format!("x{index}"), 0.0, 1.0, Scale::Linear);
    Space::new((0..dimensions).map(knob).collect()).unwrap()
}

fn bowl(settings: &Settings) -> f64 {
    let place = |index: usize| number(settings, &format!("x{index}")) - 0.2 - 0.1 * index as f64;
    (0..settings.len()).map(|index| place(index).powi(2)).sum()
}

/// Returns the best values after some experiments, for each of several studies.
fn bests(researcher: &dyn Researcher) -> Vec<f64> {
    type Case = (Space, fn(&Settings) -> f64);
    let spaces: [Case; 2] = [
        (cube(4), bowl),
        (mixed(), |settings| mixed_value(settings) - 0.5),
    ];
    let mut bests = Vec::new();
    for (space, value) in &spaces {
        for seed in 0..SEEDS {
            let mut study = Study::new(space, seed);
            study.run(researcher, EXPERIMENTS, |settings| {
                measured(value(settings))
            });
            bests.push(study.best());
        }
    }
    bests
}

#[test]
fn all_skill_is_in_the_weights() {
    let (random, trained) = (bests(&Random), bests(&NetworkResearcher::shipped()));
    let wins = |bests: &[f64]| bests.iter().zip(&random).filter(|(a, b)| a < b).count();
    assert!(
        wins(&trained) >= 9,
        "{trained:?} against {random:?} of random"
    );
    // The control: the same machinery with weights that learnt nothing.
    let control = bests(&untrained());
    assert!(
        wins(&control) <= 5,
        "{control:?} against {random:?} of random"
    );
}

#[test]
fn a_proposal_says_what_why_and_from_what() {
    let space = mixed();
    let mut study = Study::new(&space, 1);
    study.start = mixed_start();
    study.tell(mixed_start(), measured(mixed_value(&mixed_start())));
    let researcher = by_name("network").unwrap();
    let proposals = study.run(researcher.as_ref(), 16, |settings| {
        measured(mixed_value(settings))
    });
    assert!(proposals[0].hypothesis.starts_with("start design, "));
    let last = &proposals[15];
    for part in [
        ": the network expects ",
        " ± ",
        ", best so far ",
        "% chance of a gain",
        "nearest evidence e",
    ] {
        assert!(
            last.hypothesis.contains(part),
            "{part}: {}",
            last.hypothesis
        );
    }
    let prediction = last.prediction.unwrap();
    assert!(prediction.mean.is_finite() && prediction.sd > 0.0);
    assert_eq!(last.evidence.len(), 3);
    assert!(last.evidence.iter().all(|id| *id < ExperimentId(16)));
}

#[test]
fn evidence_is_near_in_what_matters() {
    // One knob decides, the other five do nothing.
    let space = cube(6);
    let mut study = Study::new(&space, 3);
    let proposals = study.run(&NetworkResearcher::shipped(), 30, |settings| {
        measured((number(settings, "x0") - 0.3).powi(2))
    });
    let last = &proposals[29];
    let apart = |id: &ExperimentId| {
        let there = &study.history[id.0 as usize].settings;
        (number(there, "x0") - number(&last.settings, "x0")).abs()
    };
    let far = last.evidence.iter().map(apart).fold(0.0, f64::max);
    assert!(far < 0.25, "{far}: {}", last.hypothesis);
}

#[test]
fn maximising_is_minimising_upside_down() {
    let space = cube(2);
    let network = NetworkResearcher::shipped();
    let mut down = Study::new(&space, 4);
    down.run(&network, 9, |settings| measured(bowl(settings)));
    let mut up = Study::new(&space, 4);
    up.goal = Goal::Maximize;
    up.run(&network, 9, |settings| measured(-bowl(settings)));
    let settings = |study: &Study<'_>| -> Vec<Settings> {
        let trials = study.history.iter();
        trials.map(|trial| trial.settings.clone()).collect()
    };
    assert_eq!(settings(&down), settings(&up));
}

#[test]
fn a_crashing_region_is_left_alone() {
    let space = cube(2);
    let late_crashes = |researcher: &dyn Researcher| {
        let mut crashes = 0;
        for seed in 0..SEEDS {
            let mut study = Study::new(&space, seed);
            study.run(researcher, 26, |settings| {
                if number(settings, "x0") > 0.6 {
                    TrialResult::Failed
                } else {
                    measured(bowl(settings))
                }
            });
            let late = study.history[8..].iter();
            crashes += late
                .filter(|trial| trial.result == TrialResult::Failed)
                .count();
        }
        crashes
    };
    let (network, random) = (
        late_crashes(&NetworkResearcher::shipped()),
        late_crashes(&Random),
    );
    assert!(
        2 * network <= random,
        "{network} crashes against {random} of random"
    );
}

#[test]
fn a_wide_space_with_a_long_history_is_asked_in_parts() {
    let knobs = (0..60)
        .map(|index| match index % 3 {
            0 => float(&format!("k{index}"), 0.0, 1.0, Scale::Linear),
            1 => integer(&format!("k{index}"), 0, 9),
            _ => choice(&format!("k{index}"), &["a", "b", "c"]),
        })
        .collect();
    let space = Space::new(knobs).unwrap();
    let mut study = Study::new(&space, 1);
    study.budget = 200;
    let value = |settings: &Settings| number(settings, "k0") + number(settings, "k1");
    study.run(&Random, 150, |settings| measured(value(settings)));
    let proposal = study.ask(&NetworkResearcher::shipped(), &[]).unwrap();
    assert!(space.check(&proposal.settings).is_ok());
    assert!(proposal.prediction.unwrap().mean.is_finite());
}

#[test]
fn weights_that_mean_nothing_still_propose_in_the_space() {
    let space = mixed();
    for size in [0.0, 1e10, 1e30] {
        let Trained {
            network,
            mut parameters,
            ..
        } = shipped();
        for weight in &mut parameters {
            *weight *= size;
        }
        let researcher = NetworkResearcher::new("broken", network, parameters);
        let mut study = Study::new(&space, 1);
        for proposal in study.run(&researcher, 12, |settings| measured(mixed_value(settings))) {
            if let Some(prediction) = proposal.prediction {
                assert!(prediction.mean.is_finite(), "{size}: {proposal:?}");
                assert!(prediction.sd.is_finite(), "{size}: {proposal:?}");
            }
        }
    }
}
