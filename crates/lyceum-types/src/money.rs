//! Amounts of money.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Billionths of a US dollar. A whole number, so that sums do not depend on their order.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Money(pub u64);

const BILLION: u64 = 1_000_000_000;

impl Money {
    /// Returns the sum, at most what can be held.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Returns the difference, at least nothing.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Returns the price of so many tokens at so much for each.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }
}

impl fmt::Display for Money {
    /// Writes dollars with as many decimals as there are, at least two: `$1.50`, `$0.000125`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / BILLION, self.0 % BILLION);
        let digits = format!("{part:09}");
        let kept = digits.trim_end_matches('0').len().max(2);
        write!(f, "${whole}.{}", &digits[..kept])
    }
}

/// A text is no amount of money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected dollars like \"2.50\" or \"$0.000125\", at most nine decimals, found \"{found}\""
)]
pub struct MoneyError {
    /// What was found.
    pub found: String,
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        read(text).ok_or_else(|| MoneyError {
            found: text.to_owned(),
        })
    }
}

fn read(text: &str) -> Option<Money> {
    let text = text.trim();
    let text = text.strip_prefix('$').unwrap_or(text);
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 9 {
        return None;
    }
    let part: u64 = format!("{part:0<9}").parse().ok()?;
    let whole: u64 = whole.parse().ok()?;
    whole.checked_mul(BILLION)?.checked_add(part).map(Money)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_what_they_print() {
        for (text, printed) in [
            ("2.5", "$2.50"),
            ("$0.000125", "$0.000125"),
            ("0", "$0.00"),
            ("12", "$12.00"),
            ("0.000000001", "$0.000000001"),
        ] {
            let money: Money = text.parse().unwrap();
            assert_eq!(money.to_string(), printed);
            assert_eq!(printed.parse::<Money>().unwrap(), money);
        }
        for text in [
            "",
            "$",
            ".",
            "1.",
            ".5",
            "-1",
            "1e3",
            "1.0000000001",
            "99999999999999",
        ] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
    }
}
