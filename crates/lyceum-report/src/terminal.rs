//! Small pictures for a terminal: plain Unicode, no colour, the same text for the same input.

use lyceum_types::{Goal, Verdict};

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Widest picture in characters, so that a wrong width cannot exhaust memory.
const WIDTH_MAX: usize = 400;
/// Highest picture in lines.
const HEIGHT_MAX: usize = 100;

/// Returns values as one line of at most `width` blocks, low to high. Values that are not finite are shown as `·`.
///
/// More values than `width` are joined: each block is the mean of its share.
pub fn sparkline(values: &[f64], width: usize) -> String {
    let width = width.min(values.len()).min(WIDTH_MAX);
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let low = finite.clone().fold(f64::INFINITY, f64::min);
    let high = finite.fold(f64::NEG_INFINITY, f64::max);
    (0..width)
        .map(|index| {
            let part = &values[index * values.len() / width..(index + 1) * values.len() / width];
            let known: Vec<f64> = part
                .iter()
                .copied()
                .filter(|value| value.is_finite())
                .collect();
            if known.is_empty() {
                return '·';
            }
            let mean = known
                .iter()
                .map(|value| value / known.len() as f64)
                .sum::<f64>();
            BLOCKS[step(mean, low, high, BLOCKS.len())]
        })
        .collect()
}

/// Returns the best value so far as a curve of `height` lines of `width` characters, drawn with braille dots.
///
/// A point is an experiment's number, its value and its verdict; only kept ones move the curve. The goal tells which
/// way is up: better is always higher in the picture. Points without a finite value are left out. `start` is the value
/// of the unchanged workspace at experiment 0. Without any value the lines are blank.
pub fn terminal_curve(
    start: Option<f64>,
    points: &[(u32, f64, Verdict)],
    goal: Goal,
    width: usize,
    height: usize,
) -> Vec<String> {
    let (width, height) = (width.min(WIDTH_MAX), height.min(HEIGHT_MAX));
    let mut canvas = Braille::new(width, height);
    let up = |value: f64| match goal {
        Goal::Minimize => -value,
        Goal::Maximize => value,
    };
    let mut seen: Vec<(u32, f64, Verdict)> = points
        .iter()
        .copied()
        .filter(|(_, value, _)| value.is_finite())
        .collect();
    seen.extend(
        start
            .filter(|value| value.is_finite())
            .map(|value| (0, value, Verdict::Kept)),
    );
    seen.sort_by_key(|(number, ..)| *number);
    let last = points
        .iter()
        .map(|(number, ..)| *number)
        .max()
        .unwrap_or(1)
        .max(1);
    let kept: Vec<(u32, f64)> = seen
        .iter()
        .filter(|(.., verdict)| *verdict == Verdict::Kept)
        .map(|(n, value, _)| (*n, up(*value)))
        .collect();
    // Failures of judgement must not squash the curve: the range is that of the kept values and what lies near.
    let low = kept
        .iter()
        .map(|(_, value)| *value)
        .fold(f64::INFINITY, f64::min);
    let high = kept
        .iter()
        .map(|(_, value)| *value)
        .fold(f64::NEG_INFINITY, f64::max);
    if low > high || width == 0 || height == 0 {
        return canvas.lines();
    }
    let low = low - (high - low) * 0.1;
    let columns = canvas.columns();
    let column =
        |number: u32| (f64::from(number) / f64::from(last) * (columns - 1) as f64).round() as usize;
    let row = |value: f64, rows: usize| rows - 1 - step(value, low, high, rows);
    let rows = canvas.rows();
    for (number, value, _) in seen
        .iter()
        .filter(|(.., verdict)| *verdict != Verdict::Kept)
    {
        let (x, y) = (column(*number), row(up(*value), rows));
        canvas.dot(x, y);
    }
    let steps = kept
        .iter()
        .map(|(number, value)| (column(*number), row(*value, rows)));
    canvas.stairs(&steps.collect::<Vec<_>>());
    canvas.lines()
}

/// Returns which of `count` equal steps from low to high a value falls on; the middle when there is no range.
fn step(value: f64, low: f64, high: f64, count: usize) -> usize {
    if high <= low || count < 2 {
        return count / 2;
    }
    let share = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
    ((share.clamp(0.0, 1.0)) * (count - 1) as f64).round() as usize
}

/// Dots in cells of two by four.
struct Braille {
    width: usize,
    cells: Vec<u8>,
}

impl Braille {
    fn new(width: usize, height: usize) -> Braille {
        Braille {
            width,
            cells: vec![0; width * height],
        }
    }

    fn columns(&self) -> usize {
        self.width * 2
    }

    fn rows(&self) -> usize {
        self.cells.len() / self.width.max(1) * 4
    }

    /// Sets a dot, counted from the upper left; outside is ignored.
    fn dot(&mut self, x: usize, y: usize) {
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        if x < self.columns()
            && let Some(cell) = self.cells.get_mut(y / 4 * self.width + x / 2)
        {
            *cell |= BITS[y % 4][x % 2];
        }
    }

    /// Draws steps: each holds its height until the next begins, the last one to the right end.
    fn stairs(&mut self, steps: &[(usize, usize)]) {
        let ends = steps
            .iter()
            .skip(1)
            .map(|(x, _)| *x)
            .chain([self.columns() - 1]);
        let ends: Vec<usize> = ends.collect();
        let mut before = steps.first().map_or(0, |(_, y)| *y);
        for ((from, y), end) in steps.iter().zip(ends) {
            for x in *from..=end {
                self.dot(x, *y);
            }
            for between in before.min(*y)..=before.max(*y) {
                self.dot(*from, between);
            }
            before = *y;
        }
    }

    fn lines(&self) -> Vec<String> {
        let character = |cell: &u8| char::from_u32(0x2800 + u32::from(*cell)).unwrap_or(' ');
        self.cells
            .chunks(self.width.max(1))
            .map(|line| line.iter().map(character).collect())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_goes_from_low_to_high() {
        assert_eq!(
            sparkline(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 8),
            "▁▂▃▄▅▆▇█"
        );
        assert_eq!(sparkline(&[1.0, 1.0, 8.0, 8.0], 2), "▁█");
        assert_eq!(sparkline(&[1.0, f64::NAN, 2.0], 9), "▁·█");
        assert_eq!(sparkline(&[3.0, 3.0], 9), "▅▅");
        assert_eq!(sparkline(&[], 9), "");
        assert_eq!(sparkline(&[f64::MAX, -f64::MAX, f64::INFINITY], 3), "█▁·");
        assert_eq!(sparkline(&[1.0], 0), "");
    }

    #[test]
    fn a_curve_rises_with_every_better_value() {
        let points = [
            (1, 2.4, Verdict::Discarded),
            (2, 2.1, Verdict::Kept),
            (3, f64::NAN, Verdict::Failed),
            (4, 1.9, Verdict::Kept),
            (6, 1.95, Verdict::Discarded),
        ];
        let curve = terminal_curve(Some(2.5), &points, Goal::Minimize, 20, 4);
        insta::assert_snapshot!(curve.join("\n"));
        let dots = |line: &str| line.chars().filter(|c| *c != '\u{2800}').count();
        assert!(curve.iter().all(|line| line.chars().count() == 20));
        assert!(dots(&curve[0]) > 0 && dots(&curve[3]) > 0);
        let upside_down = terminal_curve(Some(2.5), &points, Goal::Maximize, 20, 4);
        assert_ne!(curve, upside_down);
    }

    #[test]
    fn no_size_and_no_value_breaks_a_curve() {
        for (width, height) in [(0, 0), (0, 3), (3, 0), (1, 1), (10_000, 10_000)] {
            for start in [None, Some(1.0), Some(f64::INFINITY)] {
                for value in [f64::MAX, -f64::MAX, 0.0, f64::NAN] {
                    let points = [
                        (u32::MAX, value, Verdict::Kept),
                        (0, 1.0, Verdict::Inconclusive),
                    ];
                    let lines = terminal_curve(start, &points, Goal::Maximize, width, height);
                    assert!(lines.len() <= HEIGHT_MAX);
                }
            }
        }
    }
}
