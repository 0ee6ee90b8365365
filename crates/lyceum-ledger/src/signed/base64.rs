//! Base 64 with padding (RFC 4648, section 4): what signed notes are written in.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Returns the bytes as text.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
        let number = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            if place > three.len() {
                text.push('=');
            } else {
                text.push(char::from(
                    DIGITS[(number >> (18 - 6 * place) & 63) as usize],
                ));
            }
        }
    }
    text
}

/// Returns the bytes that the text stands for, or nothing if they have another spelling.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (fours, []) = text.as_bytes().as_chunks::<4>() else {
        return None;
    };
    for four in fours {
        let digits = four.iter().take_while(|digit| **digit != b'=').count();
        let mut number = 0;
        for digit in &four[..digits] {
            let value = DIGITS.iter().position(|known| known == digit)?;
            number = number << 6 | value as u32;
        }
        number <<= 6 * (4 - digits);
        let three = [(number >> 16) as u8, (number >> 8) as u8, number as u8];
        bytes.extend(&three[..digits.checked_sub(1)?]);
    }
    // Padding inside, one digit alone and bits beyond the end all encode to something else.
    (encode(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4648, section 10.
    #[test]
    fn the_published_examples_are_ours() {
        let examples = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in examples {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text), Some(bytes.as_bytes().to_vec()));
        }
        assert_eq!(decode(&encode(&[0xfb, 0xff])), Some(vec![0xfb, 0xff]));
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "Zg", "Zg=", "Zh==", "Z===", "Zg==Zg==", "Zm8-", "====", "Zm9v\n",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
