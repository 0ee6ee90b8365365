//! How a hop disturbs a packing before the next descent.

use super::settings::{Move, Settings};
use super::starts::inside;
use super::{CIRCLES, Configuration};
use crate::random::Random;

/// Places that are tried for a circle that is put back; the roomiest is taken.
const PLACES_TRIED: usize = 8;

/// Returns `from` disturbed as the settings say.
pub fn disturb(from: &Configuration, settings: &Settings, random: &mut Random) -> Configuration {
    let mut at = *from;
    let kind = match settings.kind {
        Move::Mixed => [Move::Jiggle, Move::Relocate, Move::Swap][random.index(3)],
        single => single,
    };
    match kind {
        Move::Jiggle | Move::Mixed => jiggle(&mut at, settings, random),
        Move::Relocate => relocate(&mut at, settings, random),
        Move::Swap => swap(&mut at, settings, random),
    }
    at
}

/// Displaces a random circle and its nearest neighbours.
fn jiggle(at: &mut Configuration, settings: &Settings, random: &mut Random) {
    let middle = random.index(CIRCLES);
    let mut order: Vec<usize> = (0..CIRCLES).collect();
    let (x, y) = (at[middle], at[CIRCLES + middle]);
    order.sort_by(|&a, &b| {
        let far = |i: usize| (at[i] - x).hypot(at[CIRCLES + i] - y);
        far(a).total_cmp(&far(b))
    });
    for &circle in &order[..settings.circles_moved] {
        for coordinate in [circle, CIRCLES + circle] {
            at[coordinate] = inside(at[coordinate] + settings.strength * random.normal());
        }
    }
}

/// Takes one of the smaller circles out and puts it back in a roomy place, several times.
fn relocate(at: &mut Configuration, settings: &Settings, random: &mut Random) {
    for _ in 0..settings.circles_moved {
        let mut order: Vec<usize> = (0..CIRCLES).collect();
        order.sort_by(|&a, &b| at[2 * CIRCLES + a].total_cmp(&at[2 * CIRCLES + b]));
        // The square favours the smallest circles and still reaches every one.
        let share = random.uniform();
        let circle = order[(share * share * CIRCLES as f64) as usize];
        let mut best = (f64::NEG_INFINITY, 0.5, 0.5);
        for _ in 0..PLACES_TRIED {
            let (x, y) = (inside(random.uniform()), inside(random.uniform()));
            let room = room_at(at, circle, x, y);
            if room > best.0 {
                best = (room, x, y);
            }
        }
        (at[circle], at[CIRCLES + circle]) = (best.1, best.2);
        at[2 * CIRCLES + circle] = best.0.clamp(0.01, 0.2);
    }
    if settings.strength > 0.0 {
        for coordinate in &mut at[..2 * CIRCLES] {
            *coordinate = inside(*coordinate + 0.1 * settings.strength * random.normal());
        }
    }
}

/// Returns the radius that a circle at `(x, y)` could have with the others as they are.
fn room_at(at: &Configuration, circle: usize, x: f64, y: f64) -> f64 {
    let walls = x.min(1.0 - x).min(y).min(1.0 - y);
    (0..CIRCLES)
        .filter(|&other| other != circle)
        .map(|other| (at[other] - x).hypot(at[CIRCLES + other] - y) - at[2 * CIRCLES + other])
        .fold(walls, f64::min)
}

/// Exchanges the centres of pairs; the radii stay, so that the descent has something to settle.
fn swap(at: &mut Configuration, settings: &Settings, random: &mut Random) {
    for _ in 0..settings.circles_moved.div_ceil(2) {
        let (a, b) = (random.index(CIRCLES), random.index(CIRCLES));
        at.swap(a, b);
        at.swap(CIRCLES + a, CIRCLES + b);
    }
    for coordinate in &mut at[..2 * CIRCLES] {
        *coordinate = inside(*coordinate + 0.1 * settings.strength * random.normal());
    }
}
