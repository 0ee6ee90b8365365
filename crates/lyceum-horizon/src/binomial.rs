//! Drawing how many of some runs succeed, when runs are drawn with replacement.

use std::collections::HashMap;

use crate::random::Stream;

/// A task drawn up to this many times at once is one table look-up; more often is rare and takes several.
const MULTIPLES: usize = 4;
/// Probabilities below this share of the largest are left out of a table: no double of the sum tells them apart.
const NEGLIGIBLE: f64 = 1e-18;
/// Entries that speed up the search in a table.
const GUIDE: usize = 64;

/// The distribution of successes among `m · n` runs drawn with replacement from `n`, of which `k` succeeded.
#[derive(Debug)]
struct Table {
    /// The number of successes of the first entry.
    low: u32,
    /// Probability of at most `low + index` successes.
    cumulative: Vec<f64>,
    /// Where the search for a number in `[i / GUIDE, (i + 1) / GUIDE)` begins.
    guide: [u32; GUIDE],
}

impl Table {
    fn new(trials: u64, p: f64) -> Table {
        let mode = (((trials + 1) as f64 * p).floor() as u64).min(trials);
        let odds = p / (1.0 - p);
        // Relative to the mode, outwards by the ratio of neighbouring terms.
        let mut below = Vec::new();
        let (mut term, mut at) = (1.0, mode);
        while at > 0 && term > NEGLIGIBLE {
            term *= at as f64 / ((trials - at + 1) as f64 * odds);
            at -= 1;
            below.push(term);
        }
        let low = at;
        below.reverse();
        below.push(1.0);
        let (mut term, mut at) = (1.0, mode);
        while at < trials && term > NEGLIGIBLE {
            term *= (trials - at) as f64 * odds / (at + 1) as f64;
            at += 1;
            below.push(term);
        }
        let whole: f64 = below.iter().sum();
        let mut sum = 0.0;
        let mut cumulative = below;
        for entry in &mut cumulative {
            sum += *entry;
            *entry = sum / whole;
        }
        let guide = std::array::from_fn(|slot| {
            let from = slot as f64 / GUIDE as f64;
            let first = cumulative.partition_point(|entry| *entry <= from);
            first as u32
        });
        Table {
            low: low as u32,
            cumulative,
            guide,
        }
    }

    fn draw(&self, stream: &mut Stream) -> f64 {
        let u = stream.unit();
        let mut at = self.guide[(u * GUIDE as f64) as usize] as usize;
        let last = self.cumulative.len() - 1;
        while at < last && self.cumulative[at] <= u {
            at += 1;
        }
        f64::from(self.low) + at as f64
    }
}

/// Tables for one number of successes in one number of runs, for a task drawn once, twice, …
#[derive(Debug)]
pub(crate) struct Successes([Table; MULTIPLES]);

impl Successes {
    /// Returns the successes among `times · n` runs.
    pub(crate) fn draw(&self, times: u32, stream: &mut Stream) -> f64 {
        let (mut left, mut sum) = (times as usize, 0.0);
        while left > 0 {
            let at_once = left.min(MULTIPLES);
            sum += self.0[at_once - 1].draw(stream);
            left -= at_once;
        }
        sum
    }
}

/// All tables that some runs need; agents and tasks with the same counts share one.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    tables: Vec<Successes>,
    place: HashMap<(u64, u64), usize>,
}

impl Shelf {
    /// Returns where the tables of `k` successes in `n` runs stand; both outcomes must have occurred.
    pub(crate) fn place(&mut self, k: u64, n: u64) -> usize {
        let tables = &mut self.tables;
        *self.place.entry((k, n)).or_insert_with(|| {
            let table = |index| Table::new((index as u64 + 1) * n, k as f64 / n as f64);
            tables.push(Successes(std::array::from_fn(table)));
            tables.len() - 1
        })
    }

    pub(crate) fn at(&self, place: usize) -> &Successes {
        &self.tables[place]
    }
}

#[cfg(test)]
mod tests {
    use lyceum_types::Seed;

    use super::*;

    /// The exact probability, from factorials.
    fn exact(n: u64, k: u64, p: f64) -> f64 {
        let choose: f64 = (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product();
        choose * p.powi(k as i32) * (1.0 - p).powi((n - k) as i32)
    }

    #[test]
    fn tables_hold_the_binomial_distribution() {
        for (n, p) in [(6, 0.5), (8, 1.0 / 8.0), (40, 0.9), (1, 0.3)] {
            let table = Table::new(n, p);
            let mut before = 0.0;
            for (index, now) in table.cumulative.iter().enumerate() {
                let k = u64::from(table.low) + index as u64;
                let (found, wanted) = (now - before, exact(n, k, p));
                assert!(
                    (found - wanted).abs() < 1e-14,
                    "{n} {p} {k}: {found} {wanted}"
                );
                before = *now;
            }
        }
    }

    #[test]
    fn a_large_table_is_narrow_and_its_mean_is_right() {
        let table = Table::new(1_000_000_000, 0.25);
        assert!(
            table.cumulative.len() < 300_000,
            "{}",
            table.cumulative.len()
        );
        let mut stream = Stream::new(Seed(3));
        let mean: f64 = (0..4_000).map(|_| table.draw(&mut stream)).sum::<f64>() / 4_000.0;
        // Standard deviation of one draw: 13,693; of the mean: 217. Six of those.
        assert!((mean - 250_000_000.0).abs() < 1_300.0, "{mean}");
    }

    #[test]
    fn draws_have_the_mean_and_spread_of_runs_drawn_with_replacement() {
        let mut shelf = Shelf::default();
        let place = shelf.place(2, 6);
        assert_eq!(place, shelf.place(2, 6));
        let mut stream = Stream::new(Seed(4));
        for times in [1, 3, 9] {
            let draws: Vec<f64> = (0..40_000)
                .map(|_| shelf.at(place).draw(times, &mut stream))
                .collect();
            let trials = 6.0 * f64::from(times);
            let (mean, sd) = (
                lyceum_stats::mean(&draws).unwrap(),
                lyceum_stats::sd(&draws).unwrap(),
            );
            let spread = (trials * 2.0 / 9.0).sqrt();
            assert!(
                (mean - trials / 3.0).abs() < 6.0 * spread / 200.0,
                "{times}: {mean}"
            );
            assert!((sd / spread - 1.0).abs() < 0.03, "{times}: {sd}");
        }
    }
}
