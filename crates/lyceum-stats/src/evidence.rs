//! Anytime-valid evidence that one side of paired runs is better than the other.

/// Pairs after which [`pairs_needed`] gives up; no level above 1e-290 needs as many.
const PAIRS_MOST: u64 = 1_000;

/// Returns the e-value of `wins` wins in `pairs` pairs against "a win has probability at most 1/2".
///
/// E = ∫₀¹ (1 + λ)^k (1 − λ)^(n − k) dλ, with k wins of n pairs: the wealth of a gambler who starts with 1 and spreads
/// it evenly over all fixed bets λ on a win at even odds. Under the null its expectation is at most 1 after every pair,
/// so that by Ville's inequality it ever reaches 1/α with probability at most α, whenever one chooses to stop (Ville,
/// 1939; Shafer and Vovk, 2019). In closed form E = Σ_{j ≤ k} C(n + 1, j) / ((n + 1) · C(n, k)).
///
/// At most the largest finite double; see [`ln_e_value`] for more. More wins than pairs are taken as `pairs` wins.
pub fn e_value(wins: u64, pairs: u64) -> f64 {
    ln_e_value(wins, pairs).exp().min(f64::MAX)
}

/// Returns the natural logarithm of [`e_value`]; exact to rounding for any number of pairs, in O(`wins`) time.
pub fn ln_e_value(wins: u64, pairs: u64) -> f64 {
    debug_assert!(wins <= pairs, "{wins} wins in {pairs} pairs");
    let (k, n) = (wins.min(pairs) as f64, pairs as f64);
    // The terms C(n + 1, j) / C(n + 1, k) for j = k, k − 1, …, 0, all positive: nothing cancels. They can pass the range
    // of a double, so that the sum is kept in units of e^scale.
    let (mut term, mut sum, mut scale) = (1.0_f64, 1.0_f64, 0.0_f64);
    let mut j = k;
    while j > 0.0 {
        term *= j / (n + 2.0 - j);
        sum += term;
        if term < sum * 1e-18 {
            break;
        }
        if sum > 1e200 {
            scale += sum.ln();
            term /= sum;
            sum = 1.0;
        }
        j -= 1.0;
    }
    sum.ln() + scale - (n + 1.0 - k).ln()
}

/// Levels for the claims of one study, one after the other, that add up to at most the study's level.
///
/// Claim t = 1, 2, … is tested at level α · 6/(π² t²). As Σ 1/t² = π²/6, the chance of any false claim in the study is
/// at most α, however many claims are made and whatever earlier ones found (union bound).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlphaSpending {
    alpha: f64,
}

impl AlphaSpending {
    /// Spends `alpha`, the chance of any false claim in a study; taken into 0 ..= 1.
    pub fn new(alpha: f64) -> AlphaSpending {
        AlphaSpending {
            alpha: alpha.clamp(0.0, 1.0),
        }
    }

    /// Returns the level of claim `number`, counted from 1; 0 is taken as 1.
    pub fn level(self, number: u32) -> f64 {
        let t = f64::from(number.max(1));
        self.alpha * 6.0 / (std::f64::consts::PI * t).powi(2)
    }

    /// Returns the evidence that claim `number` needs: one over its level.
    pub fn needed(self, number: u32) -> f64 {
        1.0 / self.level(number)
    }
}

/// Returns the fewest pairs that can confirm a claim at level `alpha`, all of them wins: 7 at 0.05, 8 at the first
/// level that [`AlphaSpending`] gives for it. At most 1,000.
pub fn pairs_needed(alpha: f64) -> usize {
    (0..PAIRS_MOST)
        .find(|&pairs| reaches(pairs, pairs, alpha))
        .unwrap_or(PAIRS_MOST) as usize
}

/// Tells whether the claim can no longer be confirmed: even if all pairs that are left of `most_pairs` were wins, the
/// evidence would stay below 1/`alpha`.
pub fn futile(wins: u64, pairs: u64, most_pairs: u64, alpha: f64) -> bool {
    let left = most_pairs.saturating_sub(pairs);
    // The e-value rises with each win, so that the last of them is the best moment.
    !reaches(wins + left, pairs + left, alpha)
}

/// Tells whether the evidence reaches one over `alpha`.
pub(crate) fn reaches(wins: u64, pairs: u64, alpha: f64) -> bool {
    ln_e_value(wins, pairs) >= -alpha.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wins_needed_at_one_in_twenty() {
        for (wins, pairs) in [(7, 7), (8, 8), (10, 11), (12, 14), (16, 20)] {
            assert!(e_value(wins, pairs) >= 20.0, "{wins} of {pairs}");
            if wins < pairs {
                assert!(e_value(wins - 1, pairs) < 20.0, "{} of {pairs}", wins - 1);
            }
        }
        assert!(e_value(6, 6) < 20.0);
        assert_eq!(pairs_needed(0.05), 7);
        assert_eq!(pairs_needed(AlphaSpending::new(0.05).level(1)), 8);
    }

    #[test]
    fn no_pairs_are_no_evidence() {
        assert!((e_value(0, 0) - 1.0).abs() < 1e-15);
        assert_eq!(pairs_needed(1.0), 0);
        assert_eq!(pairs_needed(0.0), 1_000);
    }

    #[test]
    fn levels_add_up_to_the_study_level() {
        let spending = AlphaSpending::new(0.05);
        let spent: f64 = (1..=100_000).map(|number| spending.level(number)).sum();
        assert!(spent < 0.05 && spent > 0.049_99, "{spent}");
    }

    #[test]
    fn a_claim_is_futile_exactly_when_wins_alone_cannot_save_it() {
        assert!(!futile(0, 0, 7, 0.05));
        assert!(futile(0, 0, 6, 0.05));
        assert!(futile(0, 1, 8, 0.05));
        assert!(!futile(0, 1, 11, 0.05));
    }
}
