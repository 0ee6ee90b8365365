//! `null-candidate` and `null-evaluate`.

use std::fs;

use lyceum_programs::null::candidate::{DEVIATION, MEAN, Settings, number};

use crate::support::{run, run_with};

const SETTINGS: &str = "first = 0.5\nsecond = 0.5\nthird = 0.5\n";

fn value(settings: &str, seed: &str) -> f64 {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("settings.toml"), settings).unwrap();
    let candidate = run_with(
        directory.path(),
        &["null-candidate", "settings.toml"],
        &[("LYCEUM_SEED", seed)],
    );
    assert_eq!(candidate.code, Some(0), "{candidate:?}");
    run(directory.path(), &["null-evaluate", "number.txt"]).metric("value")
}

const MIDDLE: Settings = Settings {
    first: 0.5,
    second: 0.5,
    third: 0.5,
};

#[test]
fn a_seed_and_settings_always_give_the_same_number() {
    let start = value(SETTINGS, "1");
    assert_eq!(start.to_bits(), value(SETTINGS, "1").to_bits());
    assert_eq!(start.to_bits(), number(1, MIDDLE).to_bits());
    assert_ne!(start.to_bits(), value(SETTINGS, "2").to_bits());
}

/// Mean, variance and correlation of neighbours, each of which is 0, 1 and 0 for independent standard normals.
fn moments(deviates: &[f64]) -> (f64, f64, f64) {
    let count = deviates.len() as f64;
    let mean = deviates.iter().sum::<f64>() / count;
    let square = deviates.iter().map(|x| x * x).sum::<f64>() / count;
    let products = deviates.windows(2).map(|pair| pair[0] * pair[1]);
    (mean, square, products.sum::<f64>() / count)
}

#[test]
fn over_seeds_and_over_settings_the_numbers_are_independent_noise_around_one_mean() {
    let over_seeds = |settings| (0..20_000).map(move |seed| number(seed, settings));
    let corner = Settings {
        first: 1.0,
        second: 0.0,
        third: 0.25,
    };
    let over_settings = (0..20_000_u32).map(|step| {
        let first = f64::from(step) / 20_000.0;
        number(7, Settings { first, ..MIDDLE })
    });
    let samples: [Vec<f64>; 3] = [
        over_seeds(MIDDLE).collect(),
        over_seeds(corner).collect(),
        over_settings.collect(),
    ];
    for sample in samples {
        let deviates: Vec<f64> = sample.iter().map(|x| (x - MEAN) / DEVIATION).collect();
        let (mean, square, lag) = moments(&deviates);
        // Four standard errors each.
        assert!(mean.abs() < 0.029, "mean {mean}");
        assert!((square - 1.0).abs() < 0.04, "variance {square}");
        assert!(lag.abs() < 0.029, "correlation of neighbours {lag}");
    }
}

#[test]
fn bad_input_is_refused_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    run(at, &["null-candidate"]).refused(2, "expected `null-candidate SETTINGS.toml`");
    run(at, &["null-candidate", "none.toml"]).refused(2, "cannot read settings file `none.toml`");
    for (text, reason) in [
        ("first = 0.5\nsecond = 0.5\n", "missing field `third`"),
        (
            "first = 2.0\nsecond = 0.5\nthird = 0.5\n",
            "`first` must be from 0 to 1, found: 2",
        ),
        (
            "first = nan\nsecond = 0.5\nthird = 0.5\n",
            "`first` must be from 0 to 1, found: NaN",
        ),
    ] {
        fs::write(at.join("settings.toml"), text).unwrap();
        run(at, &["null-candidate", "settings.toml"]).refused(2, reason);
    }
    run(at, &["null-evaluate"]).refused(2, "expected `null-evaluate FILE`");
    run(at, &["null-evaluate", "none.txt"]).refused(3, "cannot open `none.txt`");
    for text in [
        "",
        "nan",
        "inf",
        "1.0 2.0",
        "METRIC value=9",
        &"1".repeat(100),
    ] {
        fs::write(at.join("number.txt"), text).unwrap();
        run(at, &["null-evaluate", "number.txt"]).refused(3, "must hold one finite number");
    }
}
