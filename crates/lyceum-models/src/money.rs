//! Prices of tokens, in the amounts of money that the lab counts in.

use serde::{Deserialize, Serialize};

pub use lyceum_types::{Money, MoneyError};

/// What something costs. Not to know is not to cost nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Price {
    /// So much: at the list prices of [`crate::list_price`], or as the server says.
    Known {
        /// The amount.
        amount: Money,
    },
    /// The model's prices or its tokens are not known.
    Unknown,
}

impl Price {
    /// Returns the amount, where it is known.
    pub fn amount(self) -> Option<Money> {
        match self {
            Self::Known { amount } => Some(amount),
            Self::Unknown => None,
        }
    }
}
