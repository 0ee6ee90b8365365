//! The resampling against a plain one that holds every run in a list.

use std::fmt::Write as _;

use lyceum_horizon::{
    Resampling, Rows, Runs, Scoring, Weighting, bootstrap, fit, fit::Outcome, read,
};
use lyceum_types::Seed;

use crate::support::{distance, distance_by_chance};

/// A generator that is no part of the crate.
struct Plain(u64);

impl Plain {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % count
    }
}

/// Two agents on nine tasks in four families, runs with partial scores.
fn attempts() -> String {
    let mut plain = Plain(5);
    let mut text = String::new();
    let sizes = [4, 1, 2, 2];
    for (family, tasks) in sizes.into_iter().enumerate() {
        for task in 0..tasks {
            let minutes = 2.0_f64.powi((family * 2 + task) as i32);
            for (agent, strength) in [("strong", 7), ("weak", 4)] {
                for run in 0..3 + task {
                    let success = plain.below(10) + family + task < strength + 2;
                    let score = if success {
                        1.0
                    } else {
                        plain.below(3) as f64 / 4.0
                    };
                    let _ = writeln!(
                        text,
                        "{{\"attempt\":\"{agent}-{family}-{task}-{run}\",\"agent\":\"{agent}\",\"task\":\"f{family}/t{task}\",\
                         \"human_minutes\":{minutes},\"success\":{success},\"score\":{score}}}"
                    );
                }
            }
        }
    }
    text
}

fn runs(scoring: Scoring) -> Runs {
    read_text(&attempts(), scoring)
}

fn read_text(text: &str, scoring: Scoring) -> Runs {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("attempts.jsonl");
    std::fs::write(&path, text).unwrap();
    let options = read::Options {
        form: None,
        scoring,
        lenient: false,
    };
    lyceum_horizon::read(&path, &options, &mut |_| ()).unwrap()
}

fn resampling(threads: usize) -> Resampling {
    Resampling {
        iterations: 6_000,
        seed: Seed(11),
        threads,
        weighting: Weighting::RootOfFamily,
        regularisation: 0.01,
    }
}

/// One resample of one agent as METR's program describes it: lists of families, tasks and runs.
fn plain_draw(runs: &Runs, lists: &[Vec<f64>], agent: usize, plain: &mut Plain) -> Rows {
    let cells = &runs.agents[agent].cells;
    let mut in_family = vec![0.0_f64; runs.families.len()];
    for cell in cells {
        in_family[runs.tasks[cell.task].family] += 1.0;
    }
    let raw = |place: usize| {
        let cell = &cells[place];
        1.0 / (cell.runs as f64 * in_family[runs.tasks[cell.task].family].sqrt())
    };
    let whole: f64 = (0..cells.len())
        .map(|place| raw(place) * cells[place].runs as f64)
        .sum();
    let mut copies = vec![0; cells.len()];
    for _ in 0..runs.families.len() {
        let tasks = &runs.families[plain.below(runs.families.len())].tasks;
        for _ in tasks {
            let task = tasks[plain.below(tasks.len())];
            copies[cells.iter().position(|cell| cell.task == task).unwrap()] += 1;
        }
    }
    let mut rows = Rows::default();
    for (place, copies) in copies.into_iter().enumerate() {
        for _ in 0..copies * lists[place].len() {
            let score = lists[place][plain.below(lists[place].len())];
            let weight = raw(place) / whole;
            rows.push(
                runs.tasks[cells[place].task].minutes.log2(),
                weight * score,
                weight * (1.0 - score),
            );
        }
    }
    rows
}

/// Each run's score, read again from the text.
fn lists(runs: &Runs, agent: usize, scoring: Scoring) -> Vec<Vec<f64>> {
    let lines: Vec<serde_json::Value> = attempts()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of_cell = |task: &str| {
        let mine = lines.iter().filter(|line| {
            line["agent"] == runs.agents[agent].name.as_str() && line["task"] == task
        });
        let score = |line: &serde_json::Value| match scoring {
            Scoring::Binary => f64::from(u8::from(line["success"].as_bool().unwrap())),
            Scoring::Partial => line["score"].as_f64().unwrap(),
        };
        mine.map(score).collect()
    };
    runs.agents[agent]
        .cells
        .iter()
        .map(|cell| of_cell(&runs.tasks[cell.task].id))
        .collect()
}

#[test]
fn resamples_have_the_distribution_of_a_plain_resampling() {
    for scoring in [Scoring::Binary, Scoring::Partial] {
        let runs = runs(scoring);
        let draws = bootstrap(&runs, &resampling(2), &|_| ()).unwrap();
        for agent in 0..2 {
            let lists = lists(&runs, agent, scoring);
            let mut plain = Plain(77);
            let slopes = (0..6_000).filter_map(|_| {
                match fit(&plain_draw(&runs, &lists, agent, &mut plain), 0.01, None) {
                    Outcome::Curve(curve) => Some((curve.slope, curve.intercept)),
                    _ => None,
                }
            });
            let (slopes, levels): (Vec<f64>, Vec<f64>) = slopes.unzip();
            let ours: Vec<_> = draws.of(agent).flatten().collect();
            let parts = [
                (
                    ours.iter().map(|curve| curve.slope).collect::<Vec<f64>>(),
                    slopes,
                ),
                (ours.iter().map(|curve| curve.intercept).collect(), levels),
            ];
            for (ours, plain) in parts {
                let (found, chance) = (
                    distance(&ours, &plain),
                    distance_by_chance(ours.len(), plain.len()),
                );
                assert!(
                    found < chance,
                    "{scoring:?}, agent {agent}: {found} {chance}"
                );
            }
        }
    }
}

#[test]
fn resamples_follow_from_the_seed_alone() {
    let runs = runs(Scoring::Binary);
    let draws = bootstrap(&runs, &resampling(1), &|_| ()).unwrap();
    assert_eq!(draws, bootstrap(&runs, &resampling(3), &|_| ()).unwrap());
    let other = Resampling {
        seed: Seed(12),
        ..resampling(1)
    };
    assert_ne!(draws, bootstrap(&runs, &other, &|_| ()).unwrap());
    // More resamples begin with the same ones.
    let fewer = Resampling {
        iterations: 10,
        ..resampling(2)
    };
    let begin: Vec<_> = bootstrap(&runs, &fewer, &|_| ()).unwrap().of(1).collect();
    assert_eq!(begin, draws.of(1).take(10).collect::<Vec<_>>());
}

#[test]
fn agents_share_families_and_tasks_in_each_resample() {
    let mut text = String::new();
    for (agent, runs) in [("one", 2), ("other", 5)] {
        for task in 0..12 {
            for run in 0..runs {
                let success = task < 8 && task != 3;
                let _ = writeln!(
                    text,
                    "{{\"attempt\":\"{agent}{task}-{run}\",\"agent\":\"{agent}\",\"task\":\"f{}/t{task}\",\
                     \"human_minutes\":{},\"success\":{success}}}",
                    task / 2,
                    1 << task
                );
            }
        }
    }
    let runs = read_text(&text, Scoring::Binary);
    let draws = bootstrap(&runs, &resampling(2), &|_| ()).unwrap();
    let mut different = std::collections::BTreeSet::new();
    for (one, other) in draws.of(0).zip(draws.of(1)) {
        // All runs of a task end alike, so that only families and tasks can tell the resamples of the two apart.
        assert_eq!(one.is_some(), other.is_some());
        if let Some((one, other)) = one.zip(other) {
            assert!(
                (one.slope - other.slope).abs() <= 1e-9 * one.slope.abs(),
                "{one:?} {other:?}"
            );
            different.insert(one.slope.to_bits());
        }
    }
    assert!(different.len() > 1_000, "{}", different.len());
}
