//! Text that someone else wrote, made safe to look at.

use std::fmt::Write as _;

/// Longest log that is printed, in characters; the end is kept.
const LOG_CHARACTERS_MAX: usize = 6_000;
/// Most lines of a log that are printed; the end is kept.
const LOG_LINES_MAX: usize = 80;
/// Longest hypothesis, reason or name that is printed, in characters.
const LINE_CHARACTERS_MAX: usize = 600;

/// Returns one line of foreign text with every control and direction character made visible, cut when it is very long.
pub(crate) fn line(text: &str) -> String {
    let cut: String = text.chars().take(LINE_CHARACTERS_MAX).collect();
    let mut shown = visible(&cut, false);
    if cut.len() < text.len() {
        shown.push_str(" …");
    }
    shown
}

/// Returns the end of a foreign log with every control character but line ends and tabs made visible.
pub(crate) fn log(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let characters = text.chars().count();
    let mut start = text
        .char_indices()
        .nth(characters.saturating_sub(LOG_CHARACTERS_MAX))
        .map_or(0, |(index, _)| index);
    let tail = text[start..].trim_end_matches('\n');
    if let Some((index, _)) = tail.rmatch_indices('\n').nth(LOG_LINES_MAX - 1) {
        start += index + 1;
    }
    let shown = visible(text[start..].trim_end_matches('\n'), true);
    if start == 0 {
        shown
    } else {
        format!("… {start} bytes before this are not shown\n{shown}")
    }
}

fn visible(text: &str, lines: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' if lines => out.push(character),
            '\0'..='\u{1f}' => {
                out.push(char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}'));
            }
            '\u{7f}' => out.push('\u{2421}'),
            other if other.is_control() || lyceum_types::is_unseen(other) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out
}

/// Returns text escaped for SVG content and attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}

/// Returns a name as part of an anchor: letters and digits of the name, then a hash of all of it.
pub(crate) fn slug(name: &str) -> String {
    let plain: String = name
        .chars()
        .take(24)
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    // FNV-1a: names that differ only in their punctuation get anchors that differ.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{plain}-{:08x}", hash >> 32)
}

/// Returns the text cut to a number of characters, with an ellipsis when something is missing.
pub(crate) fn shorten(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(characters.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_shown() {
        assert_eq!(line("a\x1b[31mb\nc\u{202e}d\u{7f}"), "a␛[31mb␊c\\u{202e}d␡");
        assert_eq!(log("a\tb\nc\x07\r\n"), "a\tb\nc␇");
    }

    #[test]
    fn a_long_log_keeps_its_end() {
        let lines: Vec<String> = (0..10_000).map(|i| format!("line {i}")).collect();
        let long = lines.join("\n");
        let shown = log(&long);
        assert!(shown.ends_with("line 9999"), "{shown}");
        assert_eq!(shown.lines().count(), LOG_LINES_MAX + 1);
        assert!(shown.starts_with("… "));
        let wide = "é".repeat(20_000);
        assert!(log(&wide).chars().count() < LOG_CHARACTERS_MAX + 60);
    }

    #[test]
    fn names_that_differ_have_anchors_that_differ() {
        assert_ne!(slug("a.b"), slug("a_b"));
        assert_eq!(
            escape("<a href='x'>&\""),
            "&lt;a href=&#39;x&#39;&gt;&amp;&quot;"
        );
    }
}
