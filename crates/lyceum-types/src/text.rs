//! What people cannot see in a text.

/// Whether a character changes how text reads without being seen: invisible marks, those that turn the direction of what
/// follows or end a line, and tags, which spell words that nobody sees. Control characters are not among them
/// ([`char::is_control`]).
pub fn is_unseen(one: char) -> bool {
    matches!(
        one,
        '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}
