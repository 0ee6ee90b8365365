//! The test of a claim on fresh paired seeds.

use lyceum_types::Goal;

use crate::{
    evidence::{e_value, futile, reaches},
    mean, t_interval,
};

/// What fresh pairs say about "the winner is better than the start".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confirmation {
    /// Pairs in which the winner was strictly better.
    pub wins: u64,
    /// Pairs in which the winner was strictly worse, or failed.
    pub losses: u64,
    /// Pairs with equal values; they count as losses in the evidence.
    pub ties: u64,
    /// Pairs that count: wins, losses and ties.
    pub pairs: u64,
    /// Pairs in which at least one side failed.
    pub failed_pairs: u64,
    /// The evidence; see [`e_value`].
    pub e_value: f64,
    /// The evidence that is needed: one over the claim's level.
    pub needed: f64,
    /// Whether the evidence suffices.
    pub confirmed: bool,
    /// Mean gain over the pairs in which both sides have a value, positive for better.
    pub mean_gain: Option<f64>,
    /// Student's 95 % interval of that mean, for a number of pairs that was fixed beforehand.
    pub interval95: Option<(f64, f64)>,
}

/// Tests a claim at level `alpha` on pairs of (start, winner) with one seed each; `None` stands for a failed run.
///
/// Failures: a pair in which the winner failed is a loss, whatever the start did. A pair in which only the start failed
/// is left out: "it ran" is no measured gain. Ties are losses. All three choices are conservative: if start and winner
/// are exchangeable, failures included, then a pair that counts is a win with probability at most 1/2, which is all that
/// the e-value needs. No failure takes part as a number.
pub fn confirm(goal: Goal, pairs: &[(Option<f64>, Option<f64>)], alpha: f64) -> Confirmation {
    let (mut wins, mut losses, mut ties, mut failed_pairs) = (0, 0, 0, 0);
    let mut gains = Vec::with_capacity(pairs.len());
    for &pair in pairs {
        match pair {
            (Some(start), Some(winner)) => {
                debug_assert!(start.is_finite() && winner.is_finite());
                gains.push(goal.gain(start, winner));
                if goal.better(winner, start) {
                    wins += 1;
                } else if goal.better(start, winner) {
                    losses += 1;
                } else {
                    ties += 1;
                }
            }
            (_, None) => {
                losses += 1;
                failed_pairs += 1;
            }
            (None, Some(_)) => failed_pairs += 1,
        }
    }
    let counted = wins + losses + ties;
    Confirmation {
        wins,
        losses,
        ties,
        pairs: counted,
        failed_pairs,
        e_value: e_value(wins, counted),
        needed: 1.0 / alpha,
        confirmed: reaches(wins, counted, alpha),
        mean_gain: mean(&gains),
        interval95: t_interval(&gains, 0.95),
    }
}

/// Returns an estimate of the mean gain that stopping early does not bias; `None` without a pair of two values.
///
/// A test that stops at its first good moment overstates the plain mean, and one that gives up when it is futile
/// understates it. This is the expected gain of the first pair given all that was seen except its order (Rao and
/// Blackwell; for coin flips Girshick, Mosteller and Savage, 1946): w·(mean gain of wins) + (1 − w)·(mean gain of the
/// others), where w is the share, among the orders of wins and losses under which the test would not have stopped
/// before, of those that begin with a win. Its expectation is exactly the mean gain if pairs are independent and equally
/// distributed, no run fails, and the test stops when it is confirmed, [`futile`] or out of `most_pairs`, and only then.
/// Among claims that were confirmed it still reads too high, as any estimate from the same pairs does.
pub fn unbiased_gain(
    goal: Goal,
    pairs: &[(Option<f64>, Option<f64>)],
    most_pairs: u64,
    alpha: f64,
) -> Option<f64> {
    let whole = pairs
        .iter()
        .filter_map(|&(start, winner)| Some(goal.gain(start?, winner?)));
    let (won, lost): (Vec<f64>, Vec<f64>) = whole.partition(|&gain| gain > 0.0);
    let found = confirm(goal, pairs, alpha);
    let share = first_win_share(found.wins, found.pairs, most_pairs, alpha);
    match (mean(&won), mean(&lost), share) {
        (Some(won), Some(lost), Some(share)) => Some(share * won + (1.0 - share) * lost),
        _ => found.mean_gain,
    }
}

/// Returns the share of orders that begin with a win among those under which a test with `wins` of `pairs` went on until
/// then; `None` when there is none.
fn first_win_share(wins: u64, pairs: u64, most_pairs: u64, alpha: f64) -> Option<f64> {
    // Paths to each number of wins after each pair: all, and those that began with a win, in units of 2^pairs.
    let mut paths = vec![(1.0, 0.0)];
    for pair in 0..pairs {
        let mut next = vec![(0.0, 0.0); paths.len() + 1];
        for (won, &(all, first)) in paths.iter().enumerate() {
            let stopped =
                reaches(won as u64, pair, alpha) || futile(won as u64, pair, most_pairs, alpha);
            if all == 0.0 || stopped {
                continue;
            }
            next[won].0 += all / 2.0;
            next[won].1 += first / 2.0;
            next[won + 1].0 += all / 2.0;
            next[won + 1].1 += if pair == 0 { 0.5 } else { first / 2.0 };
        }
        paths = next;
    }
    let &(all, first) = paths.get(wins as usize)?;
    (all > 0.0).then(|| first / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_wins_confirm_at_one_in_twenty_and_six_do_not() {
        let pairs = [(Some(2.0), Some(1.0)); 7];
        let all = confirm(Goal::Minimize, &pairs, 0.05);
        assert!(all.confirmed);
        assert_eq!(
            (all.wins, all.losses, all.ties, all.failed_pairs),
            (7, 0, 0, 0)
        );
        assert_eq!(
            (all.mean_gain, all.interval95),
            (Some(1.0), Some((1.0, 1.0)))
        );
        assert!((all.needed - 20.0).abs() < 1e-12);
        assert!(!confirm(Goal::Minimize, &pairs[..6], 0.05).confirmed);
        assert!(!confirm(Goal::Maximize, &pairs, 0.05).confirmed);
    }

    #[test]
    fn a_failed_winner_is_a_loss_and_a_failed_start_counts_for_nothing() {
        let win = (Some(1.0), Some(2.0));
        let mut pairs = vec![win; 7];
        pairs.extend([
            (None, Some(9.0)),
            (Some(1.0), None),
            (None, None),
            (Some(1.0), Some(1.0)),
        ]);
        let found = confirm(Goal::Maximize, &pairs, 0.05);
        assert_eq!((found.wins, found.losses, found.ties), (7, 2, 1));
        assert_eq!((found.pairs, found.failed_pairs), (10, 3));
        assert_eq!(found.mean_gain, Some(7.0 / 8.0));
        assert!(!found.confirmed);
    }

    #[test]
    fn no_pairs_confirm_nothing() {
        let found = confirm(Goal::Minimize, &[], 0.05);
        assert!(!found.confirmed);
        assert_eq!((found.mean_gain, found.interval95), (None, None));
    }

    /// Sums over every sequence of wins and losses: the estimate is unbiased, the plain mean is not.
    #[test]
    fn the_unbiased_gain_is_unbiased_by_exact_enumeration() {
        let (alpha, most_pairs) = (0.05, 14);
        for win_share in [0.3, 0.5, 0.75, 0.95] {
            // A win gains 3, a loss loses 1.
            let truth = 3.0 * win_share - (1.0 - win_share);
            let (mut unbiased, mut plain) = (0.0, 0.0);
            let mut open = vec![(Vec::new(), 1.0)];
            while let Some((pairs, chance)) = open.pop() {
                let found = confirm(Goal::Maximize, &pairs, alpha);
                if found.confirmed || futile(found.wins, found.pairs, most_pairs, alpha) {
                    let gain = unbiased_gain(Goal::Maximize, &pairs, most_pairs, alpha);
                    unbiased += chance * gain.unwrap();
                    plain += chance * found.mean_gain.unwrap();
                    continue;
                }
                for (value, share) in [(3.0, win_share), (-1.0, 1.0 - win_share)] {
                    let mut longer = pairs.clone();
                    longer.push((Some(0.0), Some(value)));
                    open.push((longer, chance * share));
                }
            }
            assert!(
                (unbiased - truth).abs() < 1e-9,
                "{win_share}: {unbiased} for {truth}"
            );
            assert!(
                (plain - truth).abs() > 1e-3,
                "{win_share}: {plain} for {truth}"
            );
        }
    }

    #[test]
    fn an_estimate_needs_a_pair_of_values() {
        assert_eq!(unbiased_gain(Goal::Minimize, &[], 20, 0.05), None);
        assert_eq!(
            unbiased_gain(Goal::Minimize, &[(None, Some(1.0))], 20, 0.05),
            None
        );
        assert_eq!(
            unbiased_gain(Goal::Minimize, &[(Some(2.0), Some(1.0))], 20, 0.05),
            Some(1.0)
        );
    }
}
