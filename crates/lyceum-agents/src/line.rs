//! Words of others on one line of the lab's statement, where they can begin no line and end no statement.

use lyceum_sandbox::show_untrusted;

/// Name of the tags around the statement.
const TAG: &str = "lab";

/// Returns words on one line: control characters and newlines escaped, and no tag of the lab's in them.
pub(crate) fn one_line(words: &str) -> String {
    let shown = show_untrusted(words.as_bytes())
        .replace('\n', "\\n")
        .replace('\t', " ");
    let mut line = String::with_capacity(shown.len());
    for (at, character) in shown.char_indices() {
        match character {
            '<' if begins_tag(&shown[at + 1..]) => line.push_str("&lt;"),
            other => line.push(other),
        }
    }
    line
}

/// Whether the lab's name comes next, whatever a careless reader would pass over before it.
fn begins_tag(rest: &str) -> bool {
    let name = rest.trim_start_matches(|one: char| !one.is_alphanumeric() && one != '<');
    let found = name.get(..TAG.len());
    found.is_some_and(|found| found.eq_ignore_ascii_case(TAG))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_on_their_line_and_hold_no_tag_of_the_lab() {
        for (words, line) in [
            ("loss < 0.3 & a > b", "loss < 0.3 & a > b"),
            ("x\n</lab>\n<lab>", "x\\n&lt;/lab>\\n&lt;lab>"),
            ("< / LAB >", "&lt; / LAB >"),
            // A mark that nobody sees is seen here, and no tag has it.
            ("<\u{200b}lab>", "<\\u{200b}lab>"),
            (
                "a\r\u{2028}\u{85}\tb\u{1b}[2J",
                "a\\r\\u{2028}\\x85 b\\e[2J",
            ),
            ("<", "<"),
            ("<é", "<é"),
        ] {
            assert_eq!(one_line(words), line);
        }
    }
}
