//! Fresh starting configurations.

use super::settings::Start;
use super::{CIRCLES, Configuration, VARIABLES};
use crate::random::Random;

/// Radius of every circle before the first descent; the mean of good packings is 0.101.
pub(super) const RADIUS_FIRST: f64 = 0.08;

/// Returns a start of the given kind; regular patterns are displaced by `strength`.
pub fn start(kind: Start, strength: f64, random: &mut Random) -> Configuration {
    let mut at = [0.0; VARIABLES];
    at[2 * CIRCLES..].fill(RADIUS_FIRST);
    match kind {
        Start::Random => at[..2 * CIRCLES].fill_with(|| random.uniform()),
        Start::Hexagonal => {
            // Rows of 5, 6, 5, 6 and 4 circles.
            let mut circle = 0;
            for (row, length) in [5, 6, 5, 6, 5].into_iter().enumerate() {
                for column in 0..length {
                    if circle < CIRCLES {
                        at[circle] = (f64::from(column) + 0.5) / f64::from(length);
                        at[CIRCLES + circle] = (row as f64 + 0.5) / 5.0;
                    }
                    circle += 1;
                }
            }
            displace(&mut at, strength, random);
        }
        Start::Grid => {
            for circle in 0..CIRCLES {
                let (row, column) = (circle / 5 % 5, circle % 5);
                // The last circle starts at an inner corner of the grid's cells.
                let half = if circle == 25 { 1.0 } else { 0.5 };
                at[circle] = (column as f64 + half) / 5.0;
                at[CIRCLES + circle] = (row as f64 + half) / 5.0;
            }
            displace(&mut at, strength, random);
        }
    }
    at
}

fn displace(at: &mut Configuration, strength: f64, random: &mut Random) {
    for coordinate in &mut at[..2 * CIRCLES] {
        *coordinate = inside(*coordinate + strength * random.normal());
    }
}

/// Returns the coordinate moved into the square, clear of its rim.
pub(super) fn inside(coordinate: f64) -> f64 {
    coordinate.clamp(0.005, 0.995)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_lie_in_the_square_and_no_two_centres_coincide() {
        for kind in [Start::Random, Start::Hexagonal, Start::Grid] {
            let at = start(kind, 0.02, &mut Random::new(1));
            assert!(
                at[..2 * CIRCLES].iter().all(|c| (0.0..=1.0).contains(c)),
                "{kind:?}"
            );
            for i in 0..CIRCLES {
                for j in 0..i {
                    let d = (at[i] - at[j]).hypot(at[CIRCLES + i] - at[CIRCLES + j]);
                    assert!(d > 1e-3, "{kind:?}: circles {j} and {i} at distance {d}");
                }
            }
        }
    }
}
