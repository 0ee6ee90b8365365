//! The Gaussian process must be worth its trouble: far better than random on functions of several kinds.

use crate::common::{Study, float, integer, measured, mixed, mixed_value, number};
use lyceum_search::{GaussianProcess, Random, Researcher, TrialResult};
use lyceum_types::{Goal, Scale, Settings, Space};

const SEEDS: u64 = 7;

fn cube(dimensions: usize) -> Space {
    let knob = |index| float(&format!("x{index}"), 0.0, 1.0, Scale::Linear);
    Space::new((0..dimensions).map(knob).collect()).unwrap()
}

fn unit(settings: &Settings) -> Vec<f64> {
    (0..settings.len())
        .map(|index| number(settings, &format!("x{index}")))
        .collect()
}

fn branin(settings: &Settings) -> f64 {
    let u = unit(settings);
    let (x, y) = (15.0 * u[0] - 5.0, 15.0 * u[1]);
    let pi = std::f64::consts::PI;
    let bend = y - 5.1 / (4.0 * pi * pi) * x * x + 5.0 / pi * x - 6.0;
    bend * bend + 10.0 * (1.0 - 1.0 / (8.0 * pi)) * x.cos() + 10.0 - 0.397_887
}

fn bowl(settings: &Settings) -> f64 {
    let u = unit(settings);
    u.iter()
        .enumerate()
        .map(|(i, u)| (u - 0.2 - 0.1 * i as f64).powi(2))
        .sum()
}

/// Values over six orders of magnitude.
fn valley(settings: &Settings) -> f64 {
    let x: Vec<f64> = unit(settings).iter().map(|u| 15.0 * u - 5.0).collect();
    let pairs = x.windows(2);
    pairs
        .map(|p| 100.0 * (p[1] - p[0] * p[0]).powi(2) + (1.0 - p[0]).powi(2))
        .sum()
}

/// Two of six knobs matter, one of them a whole number.
fn few_matter(settings: &Settings) -> f64 {
    let x = number(settings, "rate").ln() - 0.01_f64.ln();
    let y = number(settings, "width") / 40.0 - 1.0;
    x * x + 4.0 * y * y + 0.01 * number(settings, "noise0")
}

fn few_matter_space() -> Space {
    let mut knobs = vec![
        float("rate", 1e-4, 1.0, Scale::Log),
        integer("width", 1, 64),
    ];
    knobs.extend((0..4).map(|i| float(&format!("noise{i}"), 0.0, 1.0, Scale::Linear)));
    Space::new(knobs).unwrap()
}

/// Returns the median over seeds of the best value after some experiments.
fn median(
    researcher: &dyn Researcher,
    space: &Space,
    count: usize,
    value: impl Fn(&Settings) -> f64,
) -> f64 {
    let mut bests: Vec<f64> = (0..SEEDS)
        .map(|seed| {
            let mut study = Study::new(space, seed);
            study.run(researcher, count, |settings| measured(value(settings)));
            study.best()
        })
        .collect();
    bests.sort_by(f64::total_cmp);
    bests[bests.len() / 2]
}

#[test]
fn the_process_beats_random_by_far_on_five_functions() {
    type Case = (&'static str, Space, fn(&Settings) -> f64, f64);
    // The last number: the process must leave at most this share of the regret of random search.
    let cases: [Case; 5] = [
        ("branin", cube(2), branin, 0.05),
        ("bowl", cube(5), bowl, 0.05),
        ("valley", cube(4), valley, 0.1),
        ("few matter", few_matter_space(), few_matter, 0.2),
        (
            "mixed",
            mixed(),
            |settings| mixed_value(settings) - 0.5,
            0.4,
        ),
    ];
    for (name, space, value, share) in cases {
        let random = median(&Random, &space, 35, value);
        let process = median(&GaussianProcess, &space, 35, value);
        assert!(
            process < share * random,
            "{name}: {process} against {random} of random"
        );
    }
}

#[test]
fn maximising_is_minimising_upside_down() {
    let space = cube(2);
    let mut down = Study::new(&space, 4);
    down.run(&GaussianProcess, 15, |settings| measured(branin(settings)));
    let mut up = Study::new(&space, 4);
    up.goal = Goal::Maximize;
    up.run(&GaussianProcess, 15, |settings| measured(-branin(settings)));
    let settings = |study: &Study<'_>| -> Vec<Settings> {
        study
            .history
            .iter()
            .map(|trial| trial.settings.clone())
            .collect()
    };
    assert_eq!(settings(&down), settings(&up));
}

#[test]
fn a_crashing_region_is_left_alone() {
    // The bowl's best is at 0.2, 0.3; everything with x0 above 0.6 crashes, a share of 0.4.
    let space = cube(2);
    let late_crashes = |researcher: &dyn Researcher| {
        let mut crashes = 0;
        for seed in 0..SEEDS {
            let mut study = Study::new(&space, seed);
            study.run(researcher, 30, |settings| {
                let crashed = number(settings, "x0") > 0.6;
                if crashed {
                    TrialResult::Failed
                } else {
                    measured(bowl(settings))
                }
            });
            let late = study.history[8..].iter();
            crashes += late
                .filter(|trial| trial.result == TrialResult::Failed)
                .count();
            if researcher.name() == "gp" {
                assert!(study.best() < 1e-3, "seed {seed}: {}", study.best());
            }
        }
        crashes
    };
    let (process, random) = (late_crashes(&GaussianProcess), late_crashes(&Random));
    assert!(
        2 * process <= random,
        "{process} crashes against {random} of random"
    );
}

#[test]
fn when_all_has_failed_the_search_goes_elsewhere() {
    // Only a corner of a tenth of the square runs at all.
    let space = cube(2);
    let runs = |settings: &Settings| number(settings, "x0") > 0.68 && number(settings, "x1") > 0.68;
    let tries = |seed| {
        let mut study = Study::new(&space, seed);
        let mut tries = 0;
        while study.best() > 1e9 && tries < 60 {
            study.run(&GaussianProcess, 1, |settings| {
                if runs(settings) {
                    measured(1.0)
                } else {
                    TrialResult::Failed
                }
            });
            tries += 1;
        }
        tries
    };
    let all: Vec<i32> = (0..SEEDS).map(tries).collect();
    assert!(all.iter().all(|tries| *tries <= 25), "{all:?}");
}

#[test]
fn noise_does_not_lead_the_search_astray() {
    let space = cube(3);
    let mut regrets = Vec::new();
    for seed in 0..SEEDS {
        let mut study = Study::new(&space, seed);
        study.noise_sd = Some(0.05);
        let mut count = 0;
        let proposals = study.run(&GaussianProcess, 40, |settings| {
            count += 1;
            // A fixed sequence that looks like noise, uniform with standard deviation 0.05.
            let noise = ((f64::from(count) * 0.618_034).fract() - 0.5) * 0.05 * 12.0_f64.sqrt();
            measured(bowl(settings) + noise)
        });
        let last = proposals[30..]
            .iter()
            .map(|proposal| bowl(&proposal.settings));
        regrets.push(last.sum::<f64>() / 10.0);
    }
    regrets.sort_by(f64::total_cmp);
    // A random point has a regret of 0.36 on average.
    assert!(regrets[3] < 0.05, "{regrets:?}");
}

#[test]
fn predictions_come_true_as_often_as_they_say() {
    let (mut total, mut within) = (0.0, 0.0);
    for seed in 0..SEEDS {
        for (space, value) in [(cube(2), branin as fn(&Settings) -> f64), (cube(4), bowl)] {
            let mut study = Study::new(&space, seed);
            for proposal in study.run(&GaussianProcess, 25, |settings| measured(value(settings))) {
                if let Some(prediction) = proposal.prediction {
                    let z = (value(&proposal.settings) - prediction.mean).abs() / prediction.sd;
                    total += 1.0;
                    within += f64::from(z < 2.0);
                }
            }
        }
    }
    let share = within / total;
    assert!(
        (0.85..=1.0).contains(&share),
        "{share} of {total} within two deviations"
    );
}
