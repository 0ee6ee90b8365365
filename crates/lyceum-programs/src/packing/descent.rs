//! Minimisation of the penalty function by limited-memory BFGS.

use std::collections::VecDeque;

use super::energy::{dot, largest, penalised};
use super::{Configuration, VARIABLES};

/// Steps whose curvature is remembered; more did not reduce the iterations here.
const MEMORY: usize = 12;

/// Halvings of one step before the descent calls the point stationary to rounding.
const HALVINGS_MAX: u64 = 30;

struct Curvature {
    step: Configuration,
    change: Configuration,
    inverse: f64,
}

/// Where a descent ended and what it cost.
#[derive(Clone, Copy, Debug)]
pub struct Descent {
    /// The penalty function there.
    pub value: f64,
    /// Evaluations of function and gradient.
    pub evaluations: u64,
}

/// Walks `at` to a minimum of the penalty function.
///
/// Stops when the largest slope is below `slope`, when no step improves, or after `iterations`
/// (Nocedal and Wright, "Numerical Optimization", algorithm 7.5, with Armijo backtracking; pairs
/// without positive curvature are not remembered).
pub fn descend(at: &mut Configuration, weight: f64, slope: f64, iterations: usize) -> Descent {
    let mut gradient = [0.0; VARIABLES];
    let mut value = penalised(at, weight, &mut gradient);
    let mut evaluations = 1;
    let mut memory: VecDeque<Curvature> = VecDeque::with_capacity(MEMORY);
    for _ in 0..iterations {
        if largest(&gradient) < slope {
            break;
        }
        let mut direction = quasi_newton(&gradient, &memory, weight);
        let mut descent = dot(&direction, &gradient);
        if descent >= 0.0 {
            memory.clear();
            direction = quasi_newton(&gradient, &memory, weight);
            descent = dot(&direction, &gradient);
        }
        let (reached, tried) = line_search(at, value, &direction, descent, weight);
        evaluations += tried;
        let Some(reached) = reached else {
            break;
        };
        let step: Configuration = std::array::from_fn(|k| reached.at[k] - at[k]);
        let change: Configuration = std::array::from_fn(|k| reached.gradient[k] - gradient[k]);
        let curvature = dot(&step, &change);
        if curvature > 1e-16 {
            if memory.len() == MEMORY {
                memory.pop_front();
            }
            memory.push_back(Curvature {
                step,
                change,
                inverse: 1.0 / curvature,
            });
        }
        (*at, value, gradient) = (reached.at, reached.value, reached.gradient);
    }
    Descent { value, evaluations }
}

struct Reached {
    at: Configuration,
    value: f64,
    gradient: Configuration,
}

/// Returns the first point along `direction` with sufficient decrease, halving from a full step,
/// and the evaluations made.
fn line_search(
    at: &Configuration,
    value: f64,
    direction: &Configuration,
    descent: f64,
    weight: f64,
) -> (Option<Reached>, u64) {
    let mut length = 1.0;
    for tried in 1..=HALVINGS_MAX {
        let next: Configuration = std::array::from_fn(|k| at[k] + length * direction[k]);
        let mut gradient = [0.0; VARIABLES];
        let reached = penalised(&next, weight, &mut gradient);
        if reached < value + 1e-4 * length * descent {
            return (
                Some(Reached {
                    at: next,
                    value: reached,
                    gradient,
                }),
                tried,
            );
        }
        length *= 0.5;
    }
    (None, HALVINGS_MAX)
}

/// Returns minus the inverse curvature times the gradient (the two-loop recursion).
fn quasi_newton(
    gradient: &Configuration,
    memory: &VecDeque<Curvature>,
    weight: f64,
) -> Configuration {
    let mut q: Configuration = gradient.map(|g| -g);
    let mut shares = [0.0; MEMORY];
    for (k, pair) in memory.iter().enumerate().rev() {
        shares[k] = pair.inverse * dot(&pair.step, &q);
        for (value, change) in q.iter_mut().zip(&pair.change) {
            *value -= shares[k] * change;
        }
    }
    // Without memory: the curvature of one contact, and no step longer than half a circle.
    let scale = memory.back().map_or_else(
        || (0.3 / weight).min(0.05 / largest(gradient).max(1e-300)),
        |pair| 1.0 / (pair.inverse * dot(&pair.change, &pair.change)),
    );
    for value in &mut q {
        *value *= scale;
    }
    for (k, pair) in memory.iter().enumerate() {
        let correction = shares[k] - pair.inverse * dot(&pair.change, &q);
        for (value, step) in q.iter_mut().zip(&pair.step) {
            *value += correction * step;
        }
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packing::{CIRCLES, sum_of_radii};
    use crate::random::Random;

    #[test]
    fn descent_reaches_a_stationary_point() {
        for seed in 0..5 {
            let mut random = Random::new(seed);
            let mut at: Configuration = std::array::from_fn(|_| random.uniform());
            at[2 * CIRCLES..].fill(0.05);
            let value = descend(&mut at, 100.0, 1e-7, 20_000).value;
            let mut gradient = [0.0; VARIABLES];
            assert!((penalised(&at, 100.0, &mut gradient) - value).abs() < 1e-12);
            assert!(
                largest(&gradient) < 1e-6,
                "seed {seed}: slope {}",
                largest(&gradient)
            );
            assert!(
                sum_of_radii(&at) > 2.3,
                "seed {seed}: {}",
                sum_of_radii(&at)
            );
        }
    }
}
