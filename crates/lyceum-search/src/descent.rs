//! Quasi-Newton descent with limited memory (Nocedal and Wright, "Numerical Optimization", algorithms 7.4 and 3.1).

use crate::matrix::dot;

/// Pairs of steps and gradient changes that are remembered.
const MEMORY: usize = 10;
/// Greatest change of any coordinate in one step; the parameters are logarithms.
const STEP_MAX: f64 = 1.5;
/// Halvings of a step before the search gives up.
const HALVINGS: usize = 12;

/// A function value and its gradient; `None` where the function has none.
pub(crate) type Slope = Option<(f64, Vec<f64>)>;

/// Returns the lowest point found from `start` in at most `steps` steps, and its value; `None` when the function has no
/// value at the start. A fall by less than `fall_min` ends the search.
pub(crate) fn minimise(
    start: Vec<f64>,
    steps: usize,
    fall_min: f64,
    mut slope: impl FnMut(&[f64]) -> Slope,
) -> Option<(Vec<f64>, f64)> {
    let mut point = start;
    let (mut value, mut gradient) = slope(&point)?;
    let mut memory: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    for _ in 0..steps {
        let mut direction = direction(&gradient, &memory);
        if dot(&direction, &gradient) >= 0.0 {
            memory.clear();
            direction = gradient.iter().map(|g| -g).collect();
        }
        let longest = direction.iter().fold(0.0_f64, |most, d| most.max(d.abs()));
        if longest == 0.0 {
            break;
        }
        // Without memory the length of the gradient says nothing about the length of a good step.
        let mut length = if memory.is_empty() {
            (0.5 / longest).min(1.0)
        } else {
            (STEP_MAX / longest).min(1.0)
        };
        let expected = dot(&direction, &gradient);
        let mut accepted = None;
        for _ in 0..HALVINGS {
            let next = moved(&point, &direction, length);
            match slope(&next) {
                Some((lower, next_gradient)) if lower <= value + 1e-4 * length * expected => {
                    accepted = Some((next, lower, next_gradient));
                    break;
                }
                Some(_) | None => length *= 0.4,
            }
        }
        let Some((next, lower, next_gradient)) = accepted else {
            break;
        };
        let step = difference(&next, &point);
        let change = difference(&next_gradient, &gradient);
        if dot(&step, &change) > 1e-12 * dot(&change, &change) {
            if memory.len() == MEMORY {
                memory.remove(0);
            }
            memory.push((step, change));
        }
        let fall = value - lower;
        (point, value, gradient) = (next, lower, next_gradient);
        if fall < fall_min {
            break;
        }
    }
    Some((point, value))
}

/// Returns minus the inverse Hessian's estimate times the gradient (the two-loop recursion).
fn direction(gradient: &[f64], memory: &[(Vec<f64>, Vec<f64>)]) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut factors = Vec::with_capacity(memory.len());
    for (step, change) in memory.iter().rev() {
        let factor = dot(step, &direction) / dot(step, change);
        add(&mut direction, change, -factor);
        factors.push(factor);
    }
    if let Some((step, change)) = memory.last() {
        let scale = dot(step, change) / dot(change, change);
        for value in &mut direction {
            *value *= scale;
        }
    }
    for ((step, change), factor) in memory.iter().zip(factors.iter().rev()) {
        let back = dot(change, &direction) / dot(step, change);
        add(&mut direction, step, factor - back);
    }
    direction
}

fn add(to: &mut [f64], what: &[f64], factor: f64) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += factor * what;
    }
}

fn moved(point: &[f64], direction: &[f64], length: f64) -> Vec<f64> {
    let both = point.iter().zip(direction);
    both.map(|(p, d)| p + length * d).collect()
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_valley_of_rosenbrock_is_walked_to_its_end() {
        let rosenbrock = |x: &[f64]| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            Some((
                a * a + 100.0 * b * b,
                vec![-2.0 * a - 400.0 * x[0] * b, 200.0 * b],
            ))
        };
        let (point, value) = minimise(vec![-1.2, 1.0], 200, 1e-5, rosenbrock).unwrap();
        assert!(value < 1e-6, "{value} at {point:?}");
    }

    #[test]
    fn a_wall_without_values_is_kept_away_from() {
        let logarithm =
            |x: &[f64]| (x[0] > 0.0).then(|| (x[0] - x[0].ln(), vec![1.0 - 1.0 / x[0]]));
        let (point, _) = minimise(vec![5.0], 100, 1e-5, logarithm).unwrap();
        assert!((point[0] - 1.0).abs() < 1e-2, "{point:?}");
        assert!(minimise(vec![-1.0], 100, 1e-5, logarithm).is_none());
    }
}
