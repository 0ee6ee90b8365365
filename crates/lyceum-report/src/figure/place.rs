//! Places for names beside their marks, so that no name covers another, a mark or an interval.

use super::{frame::TEXT_SIZE, text};

/// Where a name stands: the box of its text, in the figure's units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// A name that wants a place at a mark.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) text: &'a str,
    /// Whether it is written in bold letters.
    pub(crate) bold: bool,
}

/// Something that is drawn: its box, and what it costs to cover a unit of its area.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Obstacle {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
    pub(crate) cost: f64,
}

/// Distances of a name from its mark that are tried.
const DISTANCES: [f64; 6] = [8.0, 14.0, 22.0, 32.0, 44.0, 58.0];
/// A name further away than this gets a line to its mark.
const NEAR: f64 = 15.0;
/// Covering a unit of another name.
const NAME_COST: f64 = 40.0;
/// Most of this may a place cost; a name that finds none is left out, and stands in the table.
const COST_MAX: f64 = 120.0;

/// Returns a place for each name, in the order in which they may choose; `None` for those that find none.
pub(crate) fn place(
    wanted: &[Wanted<'_>],
    obstacles: &[Obstacle],
    bounds: Obstacle,
) -> Vec<Option<Place>> {
    let mut taken: Vec<Obstacle> = obstacles.to_vec();
    let mut places = Vec::with_capacity(wanted.len());
    for one in wanted {
        let candidates = candidates(one)
            .into_iter()
            .filter(|(place, _)| place.inside(&bounds));
        let costs = candidates.map(|(place, away)| {
            (
                away + taken.iter().map(|it| place.cost(it)).sum::<f64>(),
                place,
            )
        });
        let best = costs.min_by(|one, other| one.0.total_cmp(&other.0));
        let best = best
            .filter(|(cost, _)| *cost <= COST_MAX)
            .map(|(_, place)| place);
        taken.extend(best.map(|place| place.obstacle()));
        places.push(best);
    }
    places
}

fn candidates(wanted: &Wanted<'_>) -> Vec<(Place, f64)> {
    // Bold letters are wider.
    let width = text::width(wanted.text, TEXT_SIZE) * if wanted.bold { 1.07 } else { 1.0 };
    let height = TEXT_SIZE + 1.0;
    let mut all = Vec::new();
    for away in DISTANCES {
        // A share of the box that lies left of and above the mark: 0 right and below, 1 left and above.
        for (dx, dy) in [
            (1.0, 0.0),
            (-1.0, 0.0),
            (0.0, -1.0),
            (0.0, 1.0),
            (0.8, -0.6),
            (-0.8, -0.6),
            (0.8, 0.6),
            (-0.8, 0.6),
        ] {
            let centre = (
                wanted.x + dx * (away + width / 2.0),
                wanted.y + dy * (away + height / 2.0),
            );
            let place = Place {
                left: centre.0 - width / 2.0,
                top: centre.1 - height / 2.0,
                width,
                height,
            };
            let upright = if dx == 0.0 { 2.0 } else { 0.0 };
            all.push((place, (away - DISTANCES[0]) * 0.8 + upright));
        }
    }
    all
}

impl Place {
    fn inside(&self, bounds: &Obstacle) -> bool {
        self.left >= bounds.left
            && self.top >= bounds.top
            && self.left + self.width <= bounds.right
            && self.top + self.height <= bounds.bottom
    }

    fn cost(&self, it: &Obstacle) -> f64 {
        let wide = (self.left + self.width).min(it.right) - self.left.max(it.left);
        let high = (self.top + self.height).min(it.bottom) - self.top.max(it.top);
        if wide > 0.0 && high > 0.0 {
            wide * high * it.cost
        } else {
            0.0
        }
    }

    fn obstacle(&self) -> Obstacle {
        Obstacle {
            left: self.left - 2.0,
            top: self.top,
            right: self.left + self.width + 2.0,
            bottom: self.top + self.height,
            cost: NAME_COST,
        }
    }

    /// Returns the ends of a line from near the mark to the nearest point of the text, where that is far.
    pub(crate) fn leader(&self, x: f64, y: f64) -> Option<((f64, f64), (f64, f64))> {
        let to = (
            x.clamp(self.left, self.left + self.width),
            y.clamp(self.top, self.top + self.height),
        );
        let away = (to.0 - x).hypot(to.1 - y);
        let share = 7.0 / away;
        (away > NEAR).then_some(((x + (to.0 - x) * share, y + (to.1 - y) * share), to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Obstacle = Obstacle {
        left: 0.0,
        top: 0.0,
        right: 400.0,
        bottom: 300.0,
        cost: 0.0,
    };

    #[test]
    fn names_at_one_spot_keep_apart_and_inside() {
        // At the edge there is room on one side only, and names that find none are left out.
        for (x, least) in [(200.0, 8), (390.0, 4)] {
            keep_apart_and_inside(x, least);
        }
    }

    fn keep_apart_and_inside(x: f64, least: usize) {
        let wanted: Vec<Wanted<'_>> = (0..10)
            .map(|_| Wanted {
                x,
                y: 150.0,
                text: "Sonnet 3.7",
                bold: false,
            })
            .collect();
        let places: Vec<Place> = place(&wanted, &[], BOUNDS).into_iter().flatten().collect();
        assert!(places.len() >= least, "{} of 10 at {x}", places.len());
        for (index, one) in places.iter().enumerate() {
            assert!(one.inside(&BOUNDS));
            let others = &places[index + 1..];
            assert!(
                others
                    .iter()
                    .all(|other| one.cost(&other.obstacle()) < COST_MAX),
                "{one:?}"
            );
        }
    }

    #[test]
    fn a_name_goes_where_nothing_is() {
        let wanted = [Wanted {
            x: 200.0,
            y: 150.0,
            text: "o3",
            bold: false,
        }];
        let right = Obstacle {
            left: 203.0,
            top: 0.0,
            right: 400.0,
            bottom: 300.0,
            cost: 10.0,
        };
        let found = place(&wanted, &[right], BOUNDS)[0].unwrap();
        assert!(found.left + found.width < 203.0, "{found:?}");
        assert_eq!(found.leader(200.0, 150.0), None);
        let nowhere = Obstacle { left: 0.0, ..right };
        assert_eq!(place(&wanted, &[nowhere], BOUNDS), [None]);
    }
}
