//! Against METR's runs, its program's fits and resamples of them, and its published tables.

use std::path::Path;

use jiff::civil::date;
use lyceum_horizon::{
    Draws, Point, Resampling, Runs, Scoring, Settings, Summary, Table, Verdict, Weighting, Window,
    bootstrap, compare, published, read, runs::Form, summarise, trend,
};
use lyceum_types::Seed;

use crate::support::{Raw, distance, distance_by_chance, metr};

const RUNS: &str = "all_runs.2025-01-28.jsonl";
/// Resamples here; METR drew 1,000.
const ITERATIONS: usize = 10_000;

fn options(scoring: Scoring) -> read::Options {
    read::Options {
        form: None,
        scoring,
        lenient: false,
    }
}

fn runs_of(path: &Path) -> Runs {
    lyceum_horizon::read(path, &options(Scoring::Binary), &mut |_| ()).unwrap()
}

fn settings() -> Settings {
    Settings {
        weighting: Weighting::RootOfFamily,
        regularisation: 1e-5,
        quantiles: vec![0.5, 0.8],
        confidence: 0.95,
    }
}

fn draws_of(runs: &Runs) -> Draws {
    let resampling = Resampling {
        iterations: ITERATIONS,
        seed: Seed(1),
        threads: 2,
        weighting: Weighting::RootOfFamily,
        regularisation: 1e-5,
    };
    bootstrap(runs, &resampling, &|_| ()).unwrap()
}

fn table(name: &str) -> Option<Table> {
    Some(published::read_table(&metr(name)?).unwrap())
}

#[test]
fn every_number_of_metrs_program_is_reproduced() {
    let (Some(path), Some(table)) = (metr(RUNS), table("oracle_fits_2025-01-28_reg1e-05.csv"))
    else {
        return;
    };
    let runs = runs_of(&path);
    assert_eq!(
        (
            runs.count(),
            runs.tasks.len(),
            runs.families.len(),
            runs.agents.len()
        ),
        (7063, 83, 36, 11)
    );
    let draws = draws_of(&runs);
    let summaries = summarise(&runs, &settings(), Some(&draws)).unwrap();
    let all = compare(&runs, &summaries, Some(&draws), &table.rows, 1000);
    // Two horizons, four ends and the average of ten agents; davinci-002 never succeeded and has no ends.
    assert_eq!(all.len(), 10 * 7 + 3);
    for one in &all {
        assert_ne!(one.verdict, Verdict::Differs, "{one:?}");
    }
    let early: Vec<&str> = all
        .iter()
        .filter(|one| one.verdict == Verdict::EarlyStop)
        .map(|one| one.agent.as_str())
        .collect();
    // The agents with the shortest horizons, where the runs hardly determine the curve.
    let known = [
        "Claude 3 Opus",
        "GPT-4 0314",
        "GPT-4 Turbo",
        "GPT-4o",
        "gpt-3.5-turbo-instruct",
    ];
    assert!(early.iter().all(|name| known.contains(name)), "{early:?}");
    let agreeing = all
        .iter()
        .filter(|one| one.verdict == Verdict::Agrees && one.what == "p50")
        .count();
    assert!(agreeing >= 6, "{agreeing}");
}

#[test]
fn averages_losses_and_buckets_are_metrs() {
    let (Some(path), Some(fits)) = (metr(RUNS), metr("oracle_fits_2025-01-28_reg1e-05.csv")) else {
        return;
    };
    let runs = runs_of(&path);
    let summaries = summarise(&runs, &settings(), None).unwrap();
    let text = std::fs::read_to_string(fits).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let column = |name: &str| head.iter().position(|head| *head == name).unwrap();
    let buckets = [
        "1-4 min",
        "4-16 min",
        "16-64 min",
        "64-256 min",
        "256-960 min",
        "960-2880 min",
    ]
    .map(column);
    for row in lines {
        let name = row[column("agent")];
        let Some(ours) = summaries
            .iter()
            .find(|one| runs.agents[one.agent].name == name && one.curve().is_some())
        else {
            assert_eq!(name, "davinci-002");
            continue;
        };
        let theirs = |at: usize| row[at].parse::<f64>().unwrap();
        assert!(
            (ours.average - theirs(column("average"))).abs() < 1e-6,
            "{name}"
        );
        assert!(
            (ours.loss.unwrap() - theirs(column("bce_loss"))).abs() < 2e-6,
            "{name}: {:?}",
            ours.loss
        );
        for (ours, theirs) in ours.buckets.iter().zip(buckets.map(theirs)) {
            assert!(
                (ours.unwrap() - theirs).abs() < 1e-6,
                "{name}: {ours:?} {theirs}"
            );
        }
    }
}

#[test]
fn resampled_horizons_have_metrs_distribution() {
    let (Some(path), Some(theirs)) = (
        metr(RUNS),
        metr("oracle_bootstrap_2025-01-28_reg1e-05_n1000.csv"),
    ) else {
        return;
    };
    let runs = runs_of(&path);
    let draws = draws_of(&runs);
    for (word, quantile) in [("p50", 0.5), ("p80", 0.8)] {
        for (name, theirs) in published::read_draws(&theirs, word).unwrap() {
            let agent = runs
                .agents
                .iter()
                .position(|agent| agent.name == name)
                .unwrap();
            let ours = draws.horizons(agent, quantile);
            let known: Vec<f64> = theirs.iter().copied().flatten().collect();
            let (found, chance) = (
                distance(&ours, &known),
                distance_by_chance(ours.len(), known.len()),
            );
            assert!(found < chance, "{name} {word}: {found} {chance}");
            // Resamples without a horizon are as frequent, within five standard deviations.
            let share = |left: usize, of: usize| left as f64 / of as f64;
            let (left, none) = (
                share(ITERATIONS - ours.len(), ITERATIONS),
                share(1000 - known.len(), 1000),
            );
            assert!(
                (left - none).abs() < 0.01 + 5.0 * (none * (1.0 - none) / 1000.0).sqrt(),
                "{name}: {left} {none}"
            );
        }
    }
}

#[test]
fn the_other_forms_give_the_same_curves() {
    let Some(path) = metr(RUNS) else { return };
    let raw = Raw::read(&path);
    let plain = runs_of(&path);
    assert_eq!(raw.tasks().len(), plain.tasks.len());
    let scratch = tempfile::tempdir().unwrap();
    let summaries = |runs: &Runs| summarise(runs, &settings(), None).unwrap();
    let curves = |runs: &Runs| {
        summaries(runs)
            .iter()
            .map(Summary::curve)
            .collect::<Vec<_>>()
    };
    let forms = [
        ("counts.yaml", raw.as_counts_yaml(), Form::MetrCounts),
        ("attempts.jsonl", raw.as_attempts(), Form::Attempts),
        ("newer.jsonl", raw.as_newer_runs(), Form::MetrRuns),
    ];
    for (name, text, form) in forms {
        let file = scratch.path().join(name);
        std::fs::write(&file, text).unwrap();
        let runs = runs_of(&file);
        assert_eq!((runs.form, runs.count()), (form, 7063), "{name}");
        for (ours, other) in curves(&plain).into_iter().zip(curves(&runs)) {
            let gap = ours.zip(other).map(|(one, other)| {
                (one.slope - other.slope).abs() + (one.intercept - other.intercept).abs()
            });
            assert!(
                ours.is_none() == other.is_none() && gap.is_none_or(|gap| gap < 1e-11),
                "{name}: {ours:?} {other:?}"
            );
        }
    }
    let file = scratch.path().join("newer.jsonl");
    let parts =
        |path: &Path| lyceum_horizon::read(path, &options(Scoring::Partial), &mut |_| ()).unwrap();
    assert_eq!(curves(&parts(&path)), curves(&parts(&file)));
    assert_ne!(curves(&parts(&path)), curves(&plain));
}

/// Doubling time of a table since a year.
fn doubling(table: &Table, year: i16) -> (f64, usize) {
    let point = |row: &lyceum_horizon::Published| {
        Some(Point {
            name: row.name.clone(),
            released: row.released?,
            minutes: row.horizon(0.5)?.value,
        })
    };
    let points: Vec<Point> = table.rows.iter().filter_map(point).collect();
    let window = Window {
        since: date(year, 1, 1),
        until: None,
        longest: 960.0,
    };
    let found = trend(&points, &window, &[], 0.95).unwrap();
    (found.doubling_days, found.members.len())
}

#[test]
fn doubling_times_are_the_published_ones() {
    let near = |(found, members): (f64, usize), published: f64, of: usize| {
        assert!(
            (found / published - 1.0).abs() < 1e-5,
            "{found} {published}"
        );
        assert_eq!(members, of);
    };
    if let Some(live) = table("benchmark_results_1_1.live2026_reg1e-5.csv") {
        near(doubling(&live, 2023), 128.744, 14);
    }
    if let Some(january) = table("benchmark_results_1_1.jan2026_reg0.1.yaml") {
        let published = |name: &str| {
            january
                .doubling
                .iter()
                .find(|one| one.0 == name)
                .unwrap()
                .1
                .value
        };
        near(doubling(&january, 2023), published("from 2023 on"), 11);
        near(doubling(&january, 2019), published("all time stitched"), 14);
    }
}

#[test]
fn intervals_of_metrs_first_report_follow_from_its_draws() {
    let (Some(table), Some(path)) = (
        table("th1_0_logistic_fits_headline.csv"),
        metr("th1_0_bootstrap_headline.csv"),
    ) else {
        return;
    };
    for (word, quantile) in [("p50", 0.5), ("p80", 0.8)] {
        for (name, draws) in published::read_draws(&path, word).unwrap() {
            let row = table.rows.iter().find(|row| row.name == name).unwrap();
            let draws: Vec<f64> = draws.into_iter().flatten().collect();
            let (low, high) = row.horizon(quantile).unwrap().interval.unwrap();
            for (level, end) in [(0.025, low), (0.975, high)] {
                let ours = lyceum_stats::quantile(&draws, level).unwrap();
                // Six decimals were published.
                assert!(
                    (ours - end).abs() < 9e-4 * end + 1e-6,
                    "{name} {word}: {ours} {end}"
                );
            }
        }
    }
}

#[test]
fn the_interval_of_the_first_trend_is_that_of_its_draws() {
    let (Some(table), Some(path)) = (
        table("th1_0_logistic_fits_headline.csv"),
        metr("th1_0_bootstrap_headline.csv"),
    ) else {
        return;
    };
    let known = published::read_draws(&path, "p50").unwrap();
    let point = |row: &lyceum_horizon::Published| {
        Some(Point {
            name: row.name.clone(),
            released: row.released?,
            minutes: row.horizon(0.5)?.value,
        })
    };
    let points: Vec<Point> = table.rows.iter().filter_map(point).collect();
    let draws: Vec<Vec<Option<f64>>> = (0..known[0].1.len())
        .map(|draw| {
            points
                .iter()
                .map(|point| known.iter().find(|one| one.0 == point.name).unwrap().1[draw])
                .collect()
        })
        .collect();
    let window = Window {
        since: date(2019, 1, 1),
        until: None,
        longest: f64::INFINITY,
    };
    let found = trend(&points, &window, &draws, 0.95).unwrap();
    let ((low, high), of) = found.interval.unwrap();
    assert_eq!((found.members.len(), of), (12, 1000), "{:?}", found.members);
    let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 0.06, "{found} {wanted}");
    near(found.doubling_days, 206.9);
    near(low, 167.9);
    near(high, 237.9);
}
