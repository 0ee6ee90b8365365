//! Intervals against `SciPy`, e-values against exact rational integration (`oracle/goldens.py`).

#![expect(
    clippy::unwrap_used,
    reason = "a golden that cannot be read fails its test"
)]

use lyceum_stats::{clopper_pearson, e_value, floor, ln_e_value, t_interval};

struct Golden {
    what: &'static str,
    a: u64,
    b: u64,
    level: f64,
    low: f64,
    high: f64,
}

fn goldens(what: &str) -> Vec<Golden> {
    let found: Vec<Golden> = include_str!("oracle/goldens.csv")
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&'static str> = line.split(',').collect();
            let number = |cell: usize| -> f64 { cells[cell].parse().unwrap() };
            Golden {
                what: cells[0],
                a: cells[1].parse().unwrap(),
                b: cells[2].parse().unwrap(),
                level: number(3),
                low: number(4),
                high: number(5),
            }
        })
        .filter(|golden| golden.what == what)
        .collect();
    assert!(found.len() > 20, "{what}: {}", found.len());
    found
}

fn assert_close(found: f64, expected: f64, relative: f64, what: &str) {
    let error = (found - expected).abs();
    assert!(
        error <= relative * expected.abs(),
        "{what}: found {found}, expected {expected}"
    );
}

#[test]
fn students_interval_agrees_with_scipy() {
    for golden in goldens("t") {
        // Values with mean 0 and known spread: half are −1, half are 1, and a 0 makes the count odd.
        let n = golden.a as usize + 1;
        let mut values: Vec<f64> = (0..n / 2).flat_map(|_| [-1.0, 1.0]).collect();
        values.resize(n, 0.0);
        let spread = ((n / 2 * 2) as f64 / golden.a as f64).sqrt();
        let (low, high) = t_interval(&values, golden.level).unwrap();
        let expected = golden.high * spread / (n as f64).sqrt();
        let what = format!("t, {} degrees, {}", golden.a, golden.level);
        assert_close(high, expected, 1e-10, &what);
        assert_close(low, -expected, 1e-10, &what);
    }
}

#[test]
fn exact_binomial_intervals_agree_with_scipy() {
    for golden in goldens("clopper-pearson") {
        let (low, high) = clopper_pearson(golden.a, golden.b, golden.level).unwrap();
        let what = format!("{} of {}, {}", golden.a, golden.b, golden.level);
        assert_close(low, golden.low, 1e-9, &what);
        assert_close(high, golden.high, 1e-9, &what);
    }
}

#[test]
fn the_upper_bound_of_a_floor_agrees_with_scipy() {
    for golden in goldens("chi-square") {
        let values: Vec<f64> = (0..golden.a).map(|value| value as f64).collect();
        let found = floor(&values).unwrap();
        let expected = found.sd * ((golden.a - 1) as f64 / golden.high).sqrt();
        assert_close(
            found.sd_upper,
            expected,
            1e-10,
            &format!("{} values", golden.a),
        );
    }
}

#[test]
fn e_values_agree_with_exact_integration() {
    for golden in goldens("e-value") {
        let what = format!("{} wins of {}", golden.a, golden.b);
        assert_close(e_value(golden.a, golden.b), golden.high, 1e-13, &what);
    }
}

/// E(k, n) = (E(k + 1, n + 1) + E(k, n + 1)) / 2 holds exactly, as (1 + λ) + (1 − λ) = 2: the e-value is a martingale of
/// fair coin flips. No recursion of the code uses it.
#[test]
fn e_values_are_a_martingale_of_fair_pairs_up_to_thousands() {
    for pairs in [0, 1, 9, 300, 1_500, 5_000] {
        for wins in (0..=pairs).step_by(1 + pairs as usize / 37) {
            let here = ln_e_value(wins, pairs);
            let mean = (ln_e_value(wins + 1, pairs + 1) - here).exp() / 2.0
                + (ln_e_value(wins, pairs + 1) - here).exp() / 2.0;
            assert!((mean - 1.0).abs() < 1e-9, "{wins} of {pairs}: {mean}");
        }
    }
    assert!(e_value(5_000, 5_000).is_finite());
    assert!(e_value(0, 5_000) > 0.0);
}
