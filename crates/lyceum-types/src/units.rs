//! Amounts with units, as people write them in a study file: `"60s"`, `"1GiB"`.

use std::{fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a duration.
    #[error("expected a duration like \"90s\", \"2m\" or \"1.5h\", found \"{found}\"")]
    Span {
        /// What was found.
        found: String,
    },
    /// Not an amount of bytes.
    #[error("expected an amount like \"512KiB\", \"20MiB\" or \"1GiB\", found \"{found}\"")]
    Bytes {
        /// What was found.
        found: String,
    },
}

/// A length of time: `"250ms"`, `"60s"`, `"2m"`, `"1.5h"`, `"1d"`. Kept in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A number of bytes: `"64KiB"`, `"1GiB"`, also `"10MB"` in powers of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

const SPANS: [(&str, f64); 5] = [
    ("ms", 1.0),
    ("s", 1e3),
    ("m", 6e4),
    ("h", 3.6e6),
    ("d", 8.64e7),
];
const BYTES: [(&str, f64); 9] = [
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("B", 1.0),
];

/// Splits `12.5MiB` into 12.5 and its unit's size; refuses signs, exponents and anything above 2^53.
fn amount(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')?;
    let (number, unit) = text.split_at(end);
    let size = units.iter().find(|(name, _)| *name == unit.trim())?.1;
    let value: f64 = number.replace('_', "").parse().ok()?;
    let total = (value * size).round();
    (total.is_finite() && total < 9e15).then_some(total)
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        amount(text, &SPANS)
            .map(|millis| Span(Duration::from_millis(millis as u64)))
            .ok_or_else(|| UnitError::Span {
                found: text.to_owned(),
            })
    }
}

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        amount(text, &BYTES)
            .map(|bytes| Bytes(bytes as u64))
            .ok_or_else(|| UnitError::Bytes {
                found: text.to_owned(),
            })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let exact = SPANS
            .iter()
            .rev()
            .find(|(_, size)| millis > 0 && millis.is_multiple_of(*size as u128));
        match exact {
            Some((unit, size)) => write!(f, "{}{unit}", millis / (*size as u128)),
            None => write!(f, "{millis}ms"),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = BYTES[..4]
            .iter()
            .rev()
            .find(|(_, size)| self.0 > 0 && self.0.is_multiple_of(*size as u64));
        match exact {
            Some((unit, size)) => write!(f, "{}{unit}", self.0 / (*size as u64)),
            None => write!(f, "{}B", self.0),
        }
    }
}

macro_rules! as_text {
    ($name:ident, $pattern:literal, $description:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "description": $description, "type": "string", "pattern": $pattern })
            }
        }
    };
}

as_text!(
    Span,
    r"^[0-9._]+ *(ms|s|m|h|d)$",
    "A length of time: \"250ms\", \"60s\", \"2m\", \"1.5h\"."
);
as_text!(
    Bytes,
    r"^[0-9._]+ *(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$",
    "A number of bytes: \"64KiB\", \"1GiB\"."
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_what_they_print() {
        for text in ["250ms", "60s", "2m", "36h"] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
        assert_eq!("1.5h".parse::<Span>().unwrap().0.as_secs(), 5400);
        assert_eq!("1GiB".parse::<Bytes>().unwrap().0, 1 << 30);
        assert_eq!("64 KiB".parse::<Bytes>().unwrap().to_string(), "64KiB");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "60", "-1s", "1e9s", "s", "5 parsecs", "99999999999d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }
}
