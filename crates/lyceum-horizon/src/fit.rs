//! The logistic curve of one agent, at the exact optimum.
//!
//! METR's objective (`LogisticRegression(C = 1 / regularisation)` of scikit-learn on log2 of the minutes): least
//! Σ w · (−y ln p − (1 − y) ln(1 − p)) + regularisation / 2 · slope², with logit p = intercept + slope · log2(minutes)
//! and an intercept that is not penalised. It is strictly convex once both outcomes occur, so there is one optimum;
//! Newton's method finds it to rounding.

use std::f64::consts::LN_2;

/// Newton steps at most. From any start here fewer than thirty are needed; a damped step at least halves the way.
const STEPS_MAX: usize = 200;
/// Halvings of one step at most; from the level start fewer than ten are needed.
const HALVINGS_MAX: usize = 40;
/// Above this decrement (half of it is the gain that a step promises) a step is checked against the objective.
const DECREMENT_CHECKED: f64 = 1e-4;
/// Below this decrement the step that is taken is the last: it leaves an error of its square.
const DECREMENT_LAST: f64 = 1e-16;
/// The largest entry of the gradient at which scikit-learn's optimiser stops by default (`tol`). The weights sum to 1,
/// so that published curves end that far from the optimum.
pub const PUBLISHED_GRADIENT: f64 = 1e-4;

/// What is fitted: for each task its length and the weights of its successes and failures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// log2 of the minutes.
    pub x: Vec<f64>,
    /// Weight of the successes.
    pub successes: Vec<f64>,
    /// Weight of the failures.
    pub failures: Vec<f64>,
}

/// A fitted curve: logit p = `intercept` + `slope` · log2(minutes).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curve {
    /// Change of the log odds when a task takes twice as long.
    pub slope: f64,
    /// Log odds at one minute.
    pub intercept: f64,
}

/// What the runs of an agent say about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// No run scored anything: no curve fits better than a wall at zero.
    NeverSucceeds,
    /// Every run scored all: no task was too long.
    AlwaysSucceeds,
    /// Both outcomes occurred.
    Curve(Curve),
}

impl Curve {
    /// Returns the probability of success at a task of so many minutes.
    pub fn probability(&self, minutes: f64) -> f64 {
        let z = self.intercept + self.slope * minutes.log2();
        1.0 / (1.0 + (-z).exp())
    }

    /// Returns the task length in minutes at which success has this probability; `None` where success does not fall with
    /// task length, or the length is no positive finite double.
    pub fn horizon(&self, quantile: f64) -> Option<f64> {
        if self.slope >= 0.0 {
            return None;
        }
        let minutes = ((logit(quantile) - self.intercept) / self.slope).exp2();
        (minutes.is_finite() && minutes > 0.0).then_some(minutes)
    }
}

fn logit(quantile: f64) -> f64 {
    (quantile / (1.0 - quantile)).ln()
}

impl Rows {
    /// Takes all rows away; what they held stays allocated.
    pub fn clear(&mut self) {
        self.x.clear();
        self.successes.clear();
        self.failures.clear();
    }

    /// Adds a task.
    pub fn push(&mut self, x: f64, successes: f64, failures: f64) {
        self.x.push(x);
        self.successes.push(successes);
        self.failures.push(failures);
    }

    fn iter(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        let outcomes = self.successes.iter().zip(&self.failures);
        self.x.iter().zip(outcomes).map(|(x, (s, f))| (*x, *s, *f))
    }

    /// The weighted mean of x; x itself where all are equal, so that nothing is left of them but exact zeros.
    fn centre(&self) -> f64 {
        let first = self.x.first().copied().unwrap_or(0.0);
        let (mut sum, mut whole) = (0.0, 0.0);
        for (x, s, f) in self.iter() {
            sum += (s + f) * (x - first);
            whole += s + f;
        }
        first + sum / whole
    }
}

/// Returns the one curve that is optimal for these rows, from any start. `regularisation` must be above zero.
///
/// Rows of weight zero change nothing. Without rows the answer is [`Outcome::NeverSucceeds`].
pub fn fit(rows: &Rows, regularisation: f64, start: Option<Curve>) -> Outcome {
    if rows.successes.iter().all(|weight| *weight <= 0.0) {
        return Outcome::NeverSucceeds;
    }
    if rows.failures.iter().all(|weight| *weight <= 0.0) {
        return Outcome::AlwaysSucceeds;
    }
    let centre = rows.centre();
    let problem = Problem {
        rows,
        centre,
        regularisation,
    };
    let start = start.unwrap_or(Curve {
        slope: 0.0,
        intercept: 0.0,
    });
    let mut at = [start.slope, start.intercept + start.slope * centre];
    if at.iter().any(|part| !part.is_finite()) {
        at = [0.0, 0.0];
    }
    for _ in 0..STEPS_MAX {
        let step = problem.newton(at);
        if step.decrement > DECREMENT_CHECKED {
            // Where all probabilities are 0 or 1, steps point anywhere; from the level start they never do.
            at = problem.damped(at, &step).unwrap_or([0.0, 0.0]);
            continue;
        }
        at = [at[0] + step.by[0], at[1] + step.by[1]];
        if step.decrement <= DECREMENT_LAST {
            break;
        }
    }
    Outcome::Curve(Curve {
        slope: at[0],
        intercept: at[1] - at[0] * centre,
    })
}

struct Problem<'a> {
    rows: &'a Rows,
    centre: f64,
    regularisation: f64,
}

struct Step {
    by: [f64; 2],
    /// Gradient · H⁻¹ · gradient.
    decrement: f64,
}

impl Problem<'_> {
    /// The Newton step from a slope and a level at the centre.
    fn newton(&self, at: [f64; 2]) -> Step {
        let reg = self.regularisation;
        let mut gradient = [reg * at[0], 0.0];
        let mut hessian = [reg, 0.0, 0.0];
        for (x, s, f) in self.rows.iter() {
            let u = x - self.centre;
            let z = at[1] + at[0] * u;
            let small = (-z.abs()).exp();
            let near = 1.0 / (1.0 + small);
            let far = small * near;
            let (p, q) = if z >= 0.0 { (near, far) } else { (far, near) };
            // p · f − q · s: the same as (s + f) · p − s, without the cancellation.
            let pull = p * f - q * s;
            gradient[0] += pull * u;
            gradient[1] += pull;
            let bend = (s + f) * p * q;
            hessian[0] += bend * u * u;
            hessian[1] += bend * u;
            hessian[2] += bend;
        }
        let by = solve(hessian, [-gradient[0], -gradient[1]]);
        let decrement = -(gradient[0] * by[0] + gradient[1] * by[1]);
        Step { by, decrement }
    }

    /// The objective.
    fn value(&self, at: [f64; 2]) -> f64 {
        let loss = |z: f64| z.max(0.0) + (-z.abs()).exp().ln_1p();
        let rows = self.rows.iter().map(|(x, s, f)| {
            let z = at[1] + at[0] * (x - self.centre);
            s * loss(-z) + f * loss(z)
        });
        rows.sum::<f64>() + 0.5 * self.regularisation * at[0] * at[0]
    }

    /// The first of the whole step, its half, its quarter, … that gains a share of what it promises (Armijo, 1966); `None`
    /// where none does.
    fn damped(&self, at: [f64; 2], step: &Step) -> Option<[f64; 2]> {
        let before = self.value(at);
        let shares = std::iter::successors(Some(1.0), |share| Some(share / 2.0));
        shares.take(HALVINGS_MAX).find_map(|share| {
            let there = [at[0] + share * step.by[0], at[1] + share * step.by[1]];
            (self.value(there) <= before - 1e-4 * share * step.decrement).then_some(there)
        })
    }
}

/// Solves the symmetric system with diagonal `h[0]`, `h[2]`; where a level has no curvature left, along the slope alone.
fn solve(h: [f64; 3], g: [f64; 2]) -> [f64; 2] {
    // Eliminating the level first keeps h[0] − h[1]²/h[2] ≥ the regularisation.
    if h[2] < f64::MIN_POSITIVE {
        let level = if g[1] == 0.0 { 0.0 } else { g[1].signum() };
        return [g[0] / h[0], level];
    }
    let tie = h[1] / h[2];
    let slope = (g[0] - tie * g[1]) / (h[0] - tie * h[1]);
    [slope, g[1] / h[2] - tie * slope]
}

/// Returns how far ln(horizon) may lie from the optimum, to first order, when an optimiser stopped at a gradient whose
/// largest entry is [`PUBLISHED_GRADIENT`]; `None` where there is no horizon.
///
/// A published horizon within this bound of the exact one is what METR's program gives; beyond it something differs.
pub fn early_stop_bound(
    rows: &Rows,
    curve: Curve,
    regularisation: f64,
    quantile: f64,
) -> Option<f64> {
    curve.horizon(quantile)?;
    let mut hessian = [regularisation, 0.0, 0.0];
    for (x, s, f) in rows.iter() {
        let p = 1.0 / (1.0 + (-(curve.intercept + curve.slope * x)).exp());
        let bend = (s + f) * p * (1.0 - p);
        hessian[0] += bend * x * x;
        hessian[1] += bend * x;
        hessian[2] += bend;
    }
    // ln(horizon) = ln 2 · (logit q − intercept) / slope, by slope and by intercept.
    let by_slope = -LN_2 * (logit(quantile) - curve.intercept) / (curve.slope * curve.slope);
    let by_intercept = -LN_2 / curve.slope;
    let moved = solve(hessian, [by_slope, by_intercept]);
    Some(PUBLISHED_GRADIENT * (moved[0].abs() + moved[1].abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(all: &[(f64, f64, f64)]) -> Rows {
        let mut rows = Rows::default();
        for (x, s, f) in all {
            rows.push(*x, *s, *f);
        }
        rows
    }

    #[test]
    fn one_outcome_alone_is_a_state() {
        assert_eq!(fit(&Rows::default(), 0.1, None), Outcome::NeverSucceeds);
        assert_eq!(
            fit(&rows(&[(1.0, 0.0, 1.0)]), 0.1, None),
            Outcome::NeverSucceeds
        );
        assert_eq!(
            fit(&rows(&[(1.0, 1.0, 0.0)]), 0.1, None),
            Outcome::AlwaysSucceeds
        );
    }

    #[test]
    fn tasks_of_one_length_have_no_slope_and_no_horizon() {
        let Outcome::Curve(curve) = fit(&rows(&[(3.7, 0.2, 0.1), (3.7, 0.3, 0.4)]), 1e-5, None)
        else {
            panic!("both outcomes occurred");
        };
        assert_eq!((curve.slope, curve.horizon(0.5)), (0.0, None));
        assert!(curve.intercept.abs() < 1e-12, "{curve:?}");
    }

    #[test]
    fn success_that_rises_with_length_has_no_horizon() {
        let Outcome::Curve(curve) = fit(&rows(&[(0.0, 0.0, 0.5), (5.0, 0.5, 0.0)]), 0.1, None)
        else {
            panic!("both outcomes occurred");
        };
        assert!(curve.slope > 0.0);
        assert_eq!(curve.horizon(0.5), None);
        assert_eq!(early_stop_bound(&Rows::default(), curve, 0.1, 0.5), None);
    }

    #[test]
    fn the_optimum_does_not_depend_on_the_start() {
        let rows = rows(&[
            (0.0, 0.3, 0.0),
            (3.0, 0.2, 0.1),
            (6.0, 0.05, 0.15),
            (9.0, 0.0, 0.2),
        ]);
        let Outcome::Curve(plain) = fit(&rows, 1e-5, None) else {
            panic!()
        };
        for start in [
            (50.0, -900.0),
            (-3.0, 2.0),
            (0.0, 700.0),
            (f64::NAN, 0.0),
            (1e200, 1e200),
        ] {
            let start = Curve {
                slope: start.0,
                intercept: start.1,
            };
            let Outcome::Curve(curve) = fit(&rows, 1e-5, Some(start)) else {
                panic!()
            };
            assert!(
                (curve.slope / plain.slope - 1.0).abs() < 1e-12,
                "{start:?}: {curve:?}"
            );
            assert!(
                (curve.intercept / plain.intercept - 1.0).abs() < 1e-12,
                "{start:?}"
            );
        }
    }
}
