//! Names made of bytes: event hashes, blob ids, the lab's identity.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Text that should have been lowercase hexadecimal of a fixed length and was not.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "expected {expected} lowercase hexadecimal digits, found {}",
    Quoted(found)
)]
pub struct ParseHexError {
    /// How many digits there should have been.
    pub expected: usize,
    /// The text that was found.
    pub found: String,
}

/// Shows the start of a text in backticks, control characters escaped.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_CHARACTERS: usize = 80;
        let shown: String = self.0.chars().take(SHOWN_CHARACTERS).collect();
        let ellipsis = if shown.len() < self.0.len() {
            "…"
        } else {
            ""
        };
        write!(formatter, "`{}{ellipsis}`", shown.escape_debug())
    }
}

/// Declares a newtype over `$length` bytes that is written as lowercase hexadecimal everywhere.
macro_rules! hex_newtype {
    ($(#[$documentation:meta])* $name:ident, $length:literal) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Wraps the bytes.
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// Returns the bytes.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), encode(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = ParseHexError;

            fn from_str(text: &str) -> Result<Self, ParseHexError> {
                decode(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&encode(&self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

hex_newtype!(
    /// The hash of one event, which also fixes every event before it. BLAKE3-256.
    Hash,
    32
);
hex_newtype!(
    /// The name of a blob: the BLAKE3-256 hash of its bytes, written as 64 hexadecimal digits.
    BlobId,
    32
);
hex_newtype!(
    /// The identity of a lab: 16 random bytes drawn when its ledger was created. The chain starts
    /// from it, so that events of one lab cannot pass for events of another.
    LabId,
    16
);

hex_newtype!(
    /// A node of the Merkle tree over events. SHA-256, as RFC 6962 defines it.
    TreeHash,
    32
);
hex_newtype!(
    /// The Ed25519 key that a lab's signatures are checked with.
    PublicKey,
    32
);
hex_newtype!(
    /// An Ed25519 signature.
    Signature,
    64
);

impl BlobId {
    /// Returns the name that `bytes` have as a blob.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

pub(crate) fn decode<const LENGTH: usize>(text: &str) -> Result<[u8; LENGTH], ParseHexError> {
    let wrong = || ParseHexError {
        expected: LENGTH * 2,
        found: text.to_owned(),
    };
    let digits = text.as_bytes();
    if digits.len() != LENGTH * 2 {
        return Err(wrong());
    }
    let mut bytes = [0; LENGTH];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = digit(pair[0]).ok_or_else(wrong)?;
        let low = digit(pair[1]).ok_or_else(wrong)?;
        *byte = high << 4 | low;
    }
    Ok(bytes)
}

/// Returns the value of one lowercase digit; uppercase is refused so that a name has one spelling.
const fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The empty input's hash as published in the BLAKE3 test vectors.
    const EMPTY: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

    #[test]
    fn a_blob_is_named_by_blake3() {
        assert_eq!(BlobId::of(b"").to_string(), EMPTY);
        assert_eq!(EMPTY.parse(), Ok(BlobId::of(b"")));
    }

    #[test]
    fn a_name_travels_through_json_as_a_string() {
        let name = BlobId::of(b"x");
        let json = serde_json::to_string(&name).unwrap();
        assert_eq!(json, format!("\"{name}\""));
        assert_eq!(serde_json::from_str::<BlobId>(&json).unwrap(), name);
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "af",
            &EMPTY.to_uppercase(),
            &EMPTY.replace('a', "g"),
            &"é".repeat(32),
        ] {
            let error = text.parse::<BlobId>().unwrap_err();
            assert_eq!(error.expected, 64);
        }
        assert_eq!(
            "a\u{1b}[2J".parse::<Hash>().unwrap_err().to_string(),
            "expected 64 lowercase hexadecimal digits, found `a\\u{1b}[2J`"
        );
    }
}
