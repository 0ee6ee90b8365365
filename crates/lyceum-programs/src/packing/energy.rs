//! The penalty function that the descent minimises, with its gradient.

use super::{CIRCLES, Configuration, VARIABLES};

/// Returns `−Σ r + weight/2 · Σ violation²` and writes its gradient.
///
/// A violation is the depth of an overlap, the length by which a circle leaves the square, or the
/// size of a negative radius. At a minimum the multiplier of a constraint is `weight · violation`.
pub fn penalised(at: &Configuration, weight: f64, gradient: &mut Configuration) -> f64 {
    let (x, rest) = at.split_at(CIRCLES);
    let (y, r) = rest.split_at(CIRCLES);
    gradient[..2 * CIRCLES].fill(0.0);
    gradient[2 * CIRCLES..].fill(-1.0);
    let mut squares = 0.0;
    for i in 0..CIRCLES {
        squares += walls(at, i, weight, gradient);
        for j in i + 1..CIRCLES {
            let (dx, dy, reach) = (x[i] - x[j], y[i] - y[j], r[i] + r[j]);
            let distance_squared = dx * dx + dy * dy;
            if reach > 0.0 && distance_squared < reach * reach {
                let distance = distance_squared.sqrt();
                let depth = reach - distance;
                squares += depth * depth;
                let force = weight * depth;
                // Concentric circles have no direction; any will do, the next step parts them.
                let (ux, uy) = if distance > 1e-12 {
                    (dx / distance, dy / distance)
                } else {
                    (1.0, 0.0)
                };
                gradient[i] -= force * ux;
                gradient[j] += force * ux;
                gradient[CIRCLES + i] -= force * uy;
                gradient[CIRCLES + j] += force * uy;
                gradient[2 * CIRCLES + i] += force;
                gradient[2 * CIRCLES + j] += force;
            }
        }
    }
    0.5 * weight * squares - r.iter().sum::<f64>()
}

/// Adds the forces of the four walls and of `r ≥ 0` on circle `i`; returns the squared violations.
fn walls(at: &Configuration, i: usize, weight: f64, gradient: &mut Configuration) -> f64 {
    let radius = at[2 * CIRCLES + i];
    let mut squares = 0.0;
    for coordinate in [i, CIRCLES + i] {
        let low = (radius - at[coordinate]).max(0.0);
        let high = (radius + at[coordinate] - 1.0).max(0.0);
        squares += low * low + high * high;
        gradient[coordinate] += weight * (high - low);
        gradient[2 * CIRCLES + i] += weight * (high + low);
    }
    let negative = (-radius).max(0.0);
    gradient[2 * CIRCLES + i] -= weight * negative;
    squares + negative * negative
}

/// Returns the sum of radii that the exact optimum near a penalised minimum has, to first order.
///
/// Each violation `v` lent the sum `weight · v` per unit (its multiplier), so the loan is taken back.
/// `value` is what [`penalised`] returned there.
pub fn predicted_sum(at: &Configuration, value: f64) -> f64 {
    let sum = super::sum_of_radii(at);
    let loan_half = value + sum;
    sum - 2.0 * loan_half
}

/// Returns the largest absolute entry.
pub(crate) fn largest(gradient: &Configuration) -> f64 {
    gradient.iter().fold(0.0, |most: f64, g| most.max(g.abs()))
}

/// Returns the scalar product.
pub(crate) fn dot(a: &Configuration, b: &Configuration) -> f64 {
    (0..VARIABLES).map(|k| a[k] * b[k]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn gradient_agrees_with_central_differences() {
        let mut random = Random::new(11);
        for case in 0..20 {
            let mut at: Configuration = std::array::from_fn(|_| random.uniform());
            for radius in &mut at[2 * CIRCLES..] {
                *radius = 0.25 * *radius - 0.02;
            }
            let mut gradient = [0.0; VARIABLES];
            penalised(&at, 30.0, &mut gradient);
            for k in 0..VARIABLES {
                let (mut up, mut down, mut unused) = (at, at, [0.0; VARIABLES]);
                up[k] += 1e-6;
                down[k] -= 1e-6;
                let slope = (penalised(&up, 30.0, &mut unused)
                    - penalised(&down, 30.0, &mut unused))
                    / 2e-6;
                assert!(
                    (slope - gradient[k]).abs() < 1e-3 * (1.0 + slope.abs()),
                    "case {case}, variable {k}: {slope} against {}",
                    gradient[k]
                );
            }
        }
    }

    #[test]
    fn a_feasible_configuration_costs_its_radii_alone() {
        let mut at = [0.0; VARIABLES];
        for i in 0..CIRCLES {
            at[i] = 0.1 + 0.13 * (i % 6) as f64;
            at[CIRCLES + i] = 0.1 + 0.15 * (i / 6) as f64;
            at[2 * CIRCLES + i] = 0.05;
        }
        let mut gradient = [0.0; VARIABLES];
        assert!((penalised(&at, 100.0, &mut gradient) + 1.3).abs() < 1e-12);
    }
}
