//! Identifiers. Each is a newtype, so that one cannot be passed for another.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $letter:literal) => {
        $(#[$doc])*
        #[derive(
            Clone,
            Copy,
            Debug,
            Default,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Hash,
            Serialize,
            Deserialize,
            JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix($letter).unwrap_or(text).parse().map(Self)
            }
        }
    };
}

number_id!(
    /// An experiment of a study, counted from 0. Experiment 0 is the unchanged workspace. Shown as `e7`.
    ExperimentId,
    "e"
);
number_id!(
    /// A run of a study, counted from 1 over all its experiments. Shown as `r12`.
    RunId,
    "r"
);

/// The seed of one run: everything random that a candidate does must follow from it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// Returns a seed that depends on this one, on a name for the use and on a counter.
    ///
    /// One way: who knows a derived seed, as every candidate does, learns nothing about the root or about other
    /// seeds. It is the start of BLAKE3 in key-derivation mode, cut to 53 bits so that it survives programs that read
    /// numbers as doubles.
    #[must_use]
    pub fn derive(self, name: &str, index: u64) -> Seed {
        let mut hasher = blake3::Hasher::new_derive_key("lyceum 2026-11 seed derivation v1");
        hasher.update(&self.0.to_le_bytes());
        hasher.update(&index.to_le_bytes());
        hasher.update(name.as_bytes());
        let mut first = [0; 8];
        hasher.finalize_xof().fill(&mut first);
        Seed(u64::from_le_bytes(first) >> 11)
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_seeds_differ_by_name_index_and_root() {
        let root = Seed(1);
        let all = [
            root.derive("search", 0),
            root.derive("search", 1),
            root.derive("confirm", 0),
            Seed(2).derive("search", 0),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(a.0 < 1 << 53);
            for b in &all[i + 1..] {
                assert_ne!(a, b);
            }
        }
        assert_eq!(root.derive("search", 0), Seed(1).derive("search", 0));
    }

    #[test]
    fn ids_read_what_they_print() {
        assert_eq!(ExperimentId(7).to_string().parse(), Ok(ExperimentId(7)));
        assert_eq!("12".parse(), Ok(RunId(12)));
    }
}
