//! The fit against an oracle that shares nothing with it: nested bisection on the optimality conditions, in numbers of
//! twice the precision.

use lyceum_horizon::{Curve, Outcome, Rows, fit};

use crate::support::{self, Raw};

/// An unevaluated sum of two doubles (Dekker, 1971): about 32 decimal digits.
#[derive(Clone, Copy)]
struct Twice(f64, f64);

impl Twice {
    fn of(value: f64) -> Twice {
        Twice(value, 0.0)
    }

    fn sum(a: f64, b: f64) -> Twice {
        let s = a + b;
        let t = s - a;
        Twice(s, (a - (s - t)) + (b - t))
    }

    fn add(self, other: Twice) -> Twice {
        let s = Twice::sum(self.0, other.0);
        let t = Twice::sum(self.1, other.1);
        let s = Twice::sum(s.0, s.1 + t.0);
        Twice::sum(s.0, s.1 + t.1)
    }

    fn negative(self) -> Twice {
        Twice(-self.0, -self.1)
    }

    fn mul(self, other: Twice) -> Twice {
        let p = self.0 * other.0;
        let e = self.0.mul_add(other.0, -p);
        Twice::sum(p, e + (self.0 * other.1 + self.1 * other.0))
    }

    fn div(self, other: Twice) -> Twice {
        let first = self.0 / other.0;
        let rest = self.add(other.mul(Twice::of(first)).negative());
        let second = rest.0 / other.0;
        let rest = rest.add(other.mul(Twice::of(second)).negative());
        Twice::sum(first, second).add(Twice::of(rest.0 / other.0))
    }

    fn exp(self) -> Twice {
        const LN_2: Twice = Twice(std::f64::consts::LN_2, 2.319_046_813_846_3e-17);
        const HALVINGS: i32 = 10;
        let k = (self.0 / LN_2.0).round();
        let reduced = self.add(LN_2.mul(Twice::of(-k)));
        let small = reduced.mul(Twice::of(0.5_f64.powi(HALVINGS)));
        let (mut term, mut sum) = (Twice::of(1.0), Twice::of(1.0));
        for n in 1..12 {
            term = term.mul(small).div(Twice::of(f64::from(n)));
            sum = sum.add(term);
        }
        for _ in 0..HALVINGS {
            sum = sum.mul(sum);
        }
        let scale = 2.0_f64.powi(k as i32);
        Twice(sum.0 * scale, sum.1 * scale)
    }

    fn logistic(self) -> Twice {
        let one = Twice::of(1.0);
        one.div(one.add(self.negative().exp()))
    }
}

/// The derivatives of the objective by level and by slope.
fn gradient(rows: &Rows, regularisation: f64, slope: Twice, level: Twice) -> (Twice, Twice) {
    let (mut by_level, mut by_slope) = (Twice::of(0.0), slope.mul(Twice::of(regularisation)));
    for ((x, s), f) in rows.x.iter().zip(&rows.successes).zip(&rows.failures) {
        let x = Twice::of(*x);
        let p = level.add(slope.mul(x)).logistic();
        let whole = Twice::sum(*s, *f);
        let pull = p.mul(whole).add(Twice::of(-s));
        by_level = by_level.add(pull);
        by_slope = by_slope.add(pull.mul(x));
    }
    (by_level, by_slope)
}

fn halve(mut low: Twice, mut high: Twice, steps: u32, sign: impl Fn(Twice) -> f64) -> Twice {
    for _ in 0..steps {
        let middle = low.add(high).mul(Twice::of(0.5));
        if sign(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low.add(high).mul(Twice::of(0.5))
}

/// Slope and intercept of the optimum. For a slope, one intercept balances the outcomes; with it the derivative by slope
/// rises with the slope.
fn optimum(rows: &Rows, regularisation: f64) -> (f64, f64) {
    let level = |slope: Twice, steps: u32| {
        let middle = -slope.0 * rows.x.iter().sum::<f64>() / rows.x.len() as f64;
        let reach = 60.0 + 30.0 * slope.0.abs();
        let (low, high) = (Twice::of(middle - reach), Twice::of(middle + reach));
        halve(low, high, steps, |level| {
            gradient(rows, regularisation, slope, level).0.0
        })
    };
    // First coarsely over all slopes, then finely around what was found.
    let by_slope = |slope: Twice, steps: u32| {
        gradient(rows, regularisation, slope, level(slope, steps))
            .1
            .0
    };
    let near = halve(Twice::of(-40.0), Twice::of(40.0), 24, |slope| {
        by_slope(slope, 60)
    });
    let reach = Twice::of(1e-4);
    let slope = halve(near.add(reach.negative()), near.add(reach), 44, |slope| {
        by_slope(slope, 84)
    });
    (slope.0, level(slope, 84).0)
}

#[track_caller]
fn assert_exact(rows: &Rows, regularisation: f64, what: &str) {
    let Outcome::Curve(curve) = fit(rows, regularisation, None) else {
        panic!("{what}: one outcome")
    };
    let (slope, intercept) = optimum(rows, regularisation);
    let exact = Curve { slope, intercept };
    let near = |ours: f64, exact: f64| {
        assert!(
            (ours - exact).abs() <= 1e-9 * exact.abs(),
            "{what}: {ours} {exact}"
        );
    };
    near(curve.slope, exact.slope);
    near(curve.intercept, exact.intercept);
    for quantile in [0.5, 0.8] {
        assert_eq!(
            curve.horizon(quantile).is_some(),
            exact.horizon(quantile).is_some(),
            "{what}"
        );
        if let Some((ours, exact)) = curve.horizon(quantile).zip(exact.horizon(quantile)) {
            near(ours, exact);
        }
    }
}

/// Made-up agents: some tasks, runs of each, a curve, and a generator that is no part of the crate.
fn made_up(seed: u64, tasks: usize, runs: u64, slope: f64, level: f64) -> Rows {
    let mut state = seed;
    let mut uniform = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1_u64 << 31) as f64
    };
    let mut rows = Rows::default();
    for _ in 0..tasks {
        let x = uniform() * 16.0 - 5.0;
        let p = 1.0 / (1.0 + (-(level + slope * x)).exp());
        let successes = (0..runs).filter(|_| uniform() < p).count() as f64;
        let weight = uniform() / (tasks as f64 * runs as f64);
        rows.push(x, weight * successes, weight * (runs as f64 - successes));
    }
    rows
}

#[test]
fn made_up_agents_are_fitted_exactly() {
    for seed in 0..6 {
        for regularisation in [0.1, 1e-5] {
            assert_exact(
                &made_up(seed, 40, 6, -0.6, 2.0),
                regularisation,
                &format!("seed {seed}"),
            );
        }
    }
    // Success everywhere below a length and nowhere above: only the penalty keeps the slope finite.
    let mut wall = Rows::default();
    for x in 0..12 {
        let (good, bad) = if x < 7 { (0.08, 0.0) } else { (0.0, 0.08) };
        wall.push(f64::from(x), good, bad);
    }
    assert_exact(&wall, 1e-5, "a wall");
    // One success in a hundred short tasks.
    let mut rare = Rows::default();
    rare.push(-3.0, 0.0001, 0.4);
    rare.push(4.0, 0.0, 0.3);
    rare.push(9.0, 0.0, 0.3);
    assert_exact(&rare, 1e-5, "a rare success");
    assert_exact(
        &made_up(9, 30, 4, 0.3, -1.0),
        1e-5,
        "success that rises with length",
    );
}

#[test]
fn metrs_agents_are_fitted_exactly() {
    let Some(path) = support::metr("all_runs.2025-01-28.jsonl") else {
        return;
    };
    let agents = Raw::read(&path).rows_of_all();
    assert_eq!(agents.len(), 10);
    for (index, (name, rows)) in agents.iter().enumerate() {
        // The weaker penalty is the harder case; the stronger one is tried on every third.
        assert_exact(rows, 1e-5, name);
        if index % 3 == 0 {
            assert_exact(rows, 0.1, name);
        }
    }
}
