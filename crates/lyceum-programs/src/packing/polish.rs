//! From a nearly feasible configuration to the exact local optimum, feasible all the way.
//!
//! The distance of two centres is convex, so a step that is feasible for the linearised
//! constraints is feasible for the true ones, and a local optimum is a vertex of its own
//! linearisation. Successive linear programming therefore needs no trust region here. Each program
//! is solved by a primal-dual interior-point method, and both iterations are merged: the constraints
//! are linearised anew before every Newton step.

use super::linear::{factorise, solve, zeros};
use super::{CIRCLES, Configuration, VARIABLES};

/// Newton steps of one polish; convergence takes about 14.
const STEPS_MAX: usize = 80;

/// The first barrier parameter: a contact with multiplier 1 starts at this slack.
const BARRIER_FIRST: f64 = 1e-3;

/// The barrier parameter at which the loss of the barrier is below the rounding of the sum.
const BARRIER_LAST: f64 = 1e-15;

/// The least radius; a circle that wants to vanish stays this large, and the packing whole.
const RADIUS_LEAST: f64 = 1e-9;

/// One constraint `slack(z) ≥ 0`, linear in six variables at most.
struct Constraint {
    variables: [usize; 6],
    slopes: [f64; 6],
    used: usize,
    slack: f64,
    multiplier: f64,
}

/// Working storage of a polish, kept between calls.
pub struct Polisher {
    matrix: Box<[Configuration]>,
    constraints: Vec<Constraint>,
    steps: u64,
}

impl Default for Polisher {
    fn default() -> Self {
        Self {
            matrix: zeros(),
            constraints: Vec::new(),
            steps: 0,
        }
    }
}

impl Polisher {
    /// Returns the local optimum that `start` leads to, strictly feasible in `f64` arithmetic.
    ///
    /// Radii of `start` may be anything: they are first shrunk until the circles fit. `None` when
    /// two centres nearly coincide or a centre lies on or outside the rim of the square.
    pub fn polish(&mut self, start: &Configuration) -> Option<Configuration> {
        let mut at = interior(start)?;
        self.list(&at);
        let mut barrier = BARRIER_FIRST;
        for constraint in &mut self.constraints {
            constraint.multiplier = barrier / constraint.slack;
        }
        for _ in 0..STEPS_MAX {
            let step = self.newton_step(barrier)?;
            let (primal, dual) = self.step_lengths(&step, barrier);
            for k in 0..VARIABLES {
                at[k] += primal * step[k];
            }
            self.advance(&at, dual, &step, barrier);
            if barrier <= BARRIER_LAST && primal > 0.9 {
                break;
            }
            if primal > 0.2 {
                let factor = if primal > 0.9 { 0.1 } else { 0.5 };
                barrier = (factor * barrier).max(BARRIER_LAST);
            }
        }
        Some(at)
    }

    /// Returns the Newton steps of all polishes so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Lists walls, least radii and pairs, linearised at `at`.
    fn list(&mut self, at: &Configuration) {
        self.constraints.clear();
        for i in 0..CIRCLES {
            let r = 2 * CIRCLES + i;
            for c in [i, CIRCLES + i] {
                self.push(&[c, r], &[1.0, -1.0]);
                self.push(&[c, r], &[-1.0, -1.0]);
            }
            self.push(&[r], &[1.0]);
        }
        for i in 0..CIRCLES {
            for j in i + 1..CIRCLES {
                // All pairs: a circle that starts tiny may grow across half the square.
                self.push(&pair_variables(i, j), &[0.0, 0.0, 0.0, 0.0, -1.0, -1.0]);
            }
        }
        for constraint in &mut self.constraints {
            constraint.linearise(at);
        }
    }

    fn push(&mut self, variables: &[usize], slopes: &[f64]) {
        let mut constraint = Constraint {
            variables: [0; 6],
            slopes: [0.0; 6],
            used: variables.len(),
            slack: 0.0,
            multiplier: 0.0,
        };
        constraint.variables[..variables.len()].copy_from_slice(variables);
        constraint.slopes[..slopes.len()].copy_from_slice(slopes);
        self.constraints.push(constraint);
    }

    /// Returns the Newton direction of the perturbed optimality conditions.
    fn newton_step(&mut self, barrier: f64) -> Option<Configuration> {
        self.steps += 1;
        for (i, row) in self.matrix.iter_mut().enumerate() {
            row[..=i].fill(0.0);
            // Keeps directions that no contact holds (a loose circle) from running away.
            row[i] = 1e-8;
        }
        let mut right = [0.0; VARIABLES];
        right[2 * CIRCLES..].fill(1.0);
        for constraint in &self.constraints {
            let weight = constraint.multiplier / constraint.slack;
            for a in 0..constraint.used {
                let (row, slope) = (constraint.variables[a], constraint.slopes[a]);
                right[row] += barrier / constraint.slack * slope;
                for b in 0..=a {
                    let column = constraint.variables[b];
                    // Variables of a constraint are listed in rising order.
                    self.matrix[row][column] += weight * slope * constraint.slopes[b];
                }
            }
        }
        if !factorise(&mut self.matrix) {
            return None;
        }
        solve(&self.matrix, &mut right);
        right.iter().all(|v| v.is_finite()).then_some(right)
    }

    /// Returns the longest steps that keep slacks and multipliers positive.
    fn step_lengths(&self, step: &Configuration, barrier: f64) -> (f64, f64) {
        /// Share of the way to the boundary that one step may go.
        const SHARE: f64 = 0.99;
        let (mut primal, mut dual): (f64, f64) = (1.0, 1.0);
        for constraint in &self.constraints {
            let slack_change = constraint.along(step);
            if slack_change < 0.0 {
                primal = primal.min(-SHARE * constraint.slack / slack_change);
            }
            let change = constraint.multiplier_change(slack_change, barrier);
            if change < 0.0 {
                dual = dual.min(-SHARE * constraint.multiplier / change);
            }
        }
        (primal, dual)
    }

    /// Moves the multipliers and linearises at the new point.
    fn advance(&mut self, at: &Configuration, dual: f64, step: &Configuration, barrier: f64) {
        for constraint in &mut self.constraints {
            let change = constraint.multiplier_change(constraint.along(step), barrier);
            constraint.multiplier += dual * change;
            constraint.linearise(at);
        }
    }
}

impl Constraint {
    fn linearise(&mut self, at: &Configuration) {
        if self.used == 6 {
            let [i, j, ..] = self.variables;
            let (dx, dy) = (at[i] - at[j], at[CIRCLES + i] - at[CIRCLES + j]);
            let d = dx.hypot(dy);
            self.slopes[..4].copy_from_slice(&[dx / d, -dx / d, dy / d, -dy / d]);
            self.slack = d - at[2 * CIRCLES + i] - at[2 * CIRCLES + j];
        } else {
            let value: f64 = (0..self.used)
                .map(|k| self.slopes[k] * at[self.variables[k]])
                .sum();
            let offset = match self.used {
                1 => -RADIUS_LEAST,
                _ if self.slopes[0] < 0.0 => 1.0,
                _ => 0.0,
            };
            self.slack = offset + value;
        }
        // Rounding may take the last digit of a slack; the integer shrink pays it back.
        self.slack = self.slack.max(1e-16);
    }

    fn along(&self, step: &Configuration) -> f64 {
        (0..self.used)
            .map(|k| self.slopes[k] * step[self.variables[k]])
            .sum()
    }

    fn multiplier_change(&self, slack_change: f64, barrier: f64) -> f64 {
        (barrier - self.multiplier * slack_change) / self.slack - self.multiplier
    }
}

fn pair_variables(i: usize, j: usize) -> [usize; 6] {
    [
        i,
        j,
        CIRCLES + i,
        CIRCLES + j,
        2 * CIRCLES + i,
        2 * CIRCLES + j,
    ]
}

fn distance(at: &Configuration, i: usize, j: usize) -> f64 {
    (at[i] - at[j]).hypot(at[CIRCLES + i] - at[CIRCLES + j])
}

/// Returns the same centres with radii small enough to be strictly feasible.
fn interior(start: &Configuration) -> Option<Configuration> {
    let mut at = *start;
    for i in 0..CIRCLES {
        let (x, y) = (at[i], at[CIRCLES + i]);
        let wall = x.min(1.0 - x).min(y).min(1.0 - y);
        if wall.is_nan() || wall < 1e-6 {
            return None;
        }
        let radius = &mut at[2 * CIRCLES + i];
        *radius = radius.clamp(1e-4, 1.0).min(wall);
    }
    for i in 0..CIRCLES {
        for j in i + 1..CIRCLES {
            let (d, reach) = (
                distance(&at, i, j),
                at[2 * CIRCLES + i] + at[2 * CIRCLES + j],
            );
            if d < 1e-6 {
                return None;
            }
            if reach > d {
                at[2 * CIRCLES + i] *= d / reach;
                at[2 * CIRCLES + j] *= d / reach;
            }
        }
    }
    for radius in &mut at[2 * CIRCLES..] {
        *radius *= 0.999;
    }
    at[2 * CIRCLES..]
        .iter()
        .all(|&radius| radius > 2.0 * RADIUS_LEAST)
        .then_some(at)
}
