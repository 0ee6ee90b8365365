//! Bytes as tokens: the alphabet of a text.

/// The distinct bytes of a text, in order; a token is an index into them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alphabet {
    bytes: Vec<u8>,
    tokens: [Option<u16>; 256],
}

impl Alphabet {
    /// Returns the alphabet of the bytes that occur in `text`.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut seen = [false; 256];
        for &byte in text {
            seen[usize::from(byte)] = true;
        }
        Self::from_bytes((0..=255).filter(|&byte| seen[usize::from(byte)]).collect())
    }

    /// Returns the alphabet of distinct `bytes`, in their order.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Self {
        let mut tokens = [None; 256];
        for (token, &byte) in (0..).zip(&bytes) {
            tokens[usize::from(byte)] = Some(token);
        }
        Self { bytes, tokens }
    }

    /// Returns the bytes in the order of tokens.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the token of `byte`, if the alphabet has it.
    pub(super) fn token(&self, byte: u8) -> Option<u16> {
        self.tokens[usize::from(byte)]
    }

    /// Returns `text` as tokens; a byte outside the alphabet becomes token 0, so the caller has to
    /// look at [`Alphabet::token`] where it matters.
    pub(super) fn encode(&self, text: &[u8]) -> Vec<u16> {
        text.iter()
            .map(|&byte| self.token(byte).unwrap_or(0))
            .collect()
    }
}
