//! The test of a claim on fresh paired seeds.

use lyceum_types::Goal;

use crate::{
    evidence::{e_value, reaches},
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
}
