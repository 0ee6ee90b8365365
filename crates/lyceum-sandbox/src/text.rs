//! Showing text that untrusted code wrote.

use std::fmt::Write as _;

/// Returns `text` with everything escaped that could steer a terminal, forge a log line or reorder
/// what a reader sees. Newlines and tabs stay; bytes that are not UTF-8 appear as `\xNN`.
pub fn show_untrusted(text: &[u8]) -> String {
    let mut shown = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_character(&mut shown, character);
        }
        for byte in chunk.invalid() {
            push_escape(&mut shown, format_args!("\\x{byte:02x}"));
        }
    }
    shown
}

fn push_character(shown: &mut String, character: char) {
    match character {
        '\n' | '\t' => shown.push(character),
        '\r' => shown.push_str("\\r"),
        '\u{1b}' => shown.push_str("\\e"),
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => {
            push_escape(shown, format_args!("\\x{:02x}", u32::from(character)));
        }
        // Marks that are invisible or change the direction of what follows.
        '\u{ad}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => {
            push_escape(shown, format_args!("\\u{{{:x}}}", u32::from(character)));
        }
        _ => shown.push(character),
    }
}

fn push_escape(shown: &mut String, escape: std::fmt::Arguments<'_>) {
    // Writing into a string cannot fail.
    let _ = shown.write_fmt(escape);
}

#[cfg(test)]
mod tests {
    use super::show_untrusted;

    #[test]
    fn ordinary_text_is_unchanged() {
        assert_eq!(
            show_untrusted("loss 0.5 µ\n\tü".as_bytes()),
            "loss 0.5 µ\n\tü"
        );
    }

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        assert_eq!(
            show_untrusted(b"\x1b[2Jok\r\x07\x00"),
            "\\e[2Jok\\r\\x07\\x00"
        );
        assert_eq!(
            show_untrusted("\u{9b}31m\u{202e}".as_bytes()),
            "\\x9b31m\\u{202e}"
        );
    }

    #[test]
    fn bytes_that_are_not_text_are_shown_as_hex() {
        assert_eq!(show_untrusted(b"a\xff\xc3b"), "a\\xff\\xc3b");
    }
}
