//! Points that nobody has tried yet.

use crate::{
    codec::{Codec, Levels},
    stream::Stream,
};

/// Random draws before the points of the space are counted through.
const DRAWS: usize = 64;

/// Returns the point of the first of these unit coordinates that is not taken, else any point that is not taken;
/// `None` when every point is.
pub(crate) fn first_unseen(
    codec: &Codec<'_>,
    taken: &[Levels],
    stream: &mut Stream,
    mut coordinates: impl FnMut(&mut Stream) -> Vec<f64>,
) -> Option<Levels> {
    for _ in 0..DRAWS {
        let point = codec.tidy(&codec.point(&coordinates(stream)));
        if !taken.contains(&point) {
            return Some(point);
        }
    }
    any_unseen(codec, taken, stream)
}

/// Returns a point that is not taken by walking through the space from a random place; `None` when every point is.
///
/// Each leaf of the walk is a different point, so at most `taken.len() + 1` leaves are looked at.
pub(crate) fn any_unseen(
    codec: &Codec<'_>,
    taken: &[Levels],
    stream: &mut Stream,
) -> Option<Levels> {
    let offsets: Vec<u64> = (0..codec.knobs())
        .map(|column| codec.count(column).map_or(0, |count| stream.below(count)))
        .collect();
    let mut prefix = Levels::with_capacity(codec.knobs());
    walk(codec, taken, &offsets, stream, &mut prefix).then_some(prefix)
}

/// Extends the prefix to a point that is not taken. Recursion is as deep as the space has knobs.
fn walk(
    codec: &Codec<'_>,
    taken: &[Levels],
    offsets: &[u64],
    stream: &mut Stream,
    prefix: &mut Levels,
) -> bool {
    let column = prefix.len();
    if column == codec.knobs() {
        let point = codec.tidy(prefix);
        let free = !taken.contains(&point);
        if free {
            *prefix = point;
        }
        return free;
    }
    let active = codec.is_active(column, prefix);
    let branches = match (active, codec.count(column)) {
        (false, _) => 1,
        (true, Some(count)) => count,
        (true, None) => taken.len() as u64 + 1,
    };
    for branch in 0..branches {
        let level = active.then(|| match codec.count(column) {
            Some(count) => {
                let index = u128::from(offsets[column]) + u128::from(branch);
                codec.nth(column, (index % u128::from(count)) as u64)
            }
            None => codec.level(column, stream.unit()),
        });
        prefix.push(level);
        if walk(codec, taken, offsets, stream, prefix) {
            return true;
        }
        prefix.truncate(column);
    }
    false
}

/// Returns every point of a space that has at most `limit`; `None` when it has more or a float is in it.
pub(crate) fn all_points(codec: &Codec<'_>, limit: u64) -> Option<Vec<Levels>> {
    if codec.space().count().is_none_or(|count| count > limit) {
        return None;
    }
    let mut points = vec![Levels::with_capacity(codec.knobs())];
    for column in 0..codec.knobs() {
        let mut longer = Vec::with_capacity(points.len());
        for point in points {
            let count = codec.count(column).unwrap_or(1);
            let active = codec.is_active(column, &point);
            for index in 0..if active { count } else { 1 } {
                let mut next = point.clone();
                next.push(active.then(|| codec.nth(column, index)));
                longer.push(next);
            }
        }
        points = longer;
    }
    Some(points)
}
