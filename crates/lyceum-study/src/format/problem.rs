//! What can be wrong in a study file, with its place, what was expected and a hint.

use std::{fmt, ops::Range};

use super::kind::Kind;

/// Longest part of a source line that is shown, in characters.
const LINE_SHOWN_MAX: usize = 160;

/// A place in a study file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The line's text with control characters made visible, cut where it is very long.
    pub text: String,
    /// Characters of `text` before the marked part.
    pub before: usize,
    /// Characters of `text` that are marked, at least 1.
    pub width: usize,
}

impl Place {
    /// Returns the place of these bytes of `text`; a span outside the text marks its end.
    pub(crate) fn new(file: &str, text: &str, span: Range<usize>) -> Place {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let before = &text[line_start..start];
        let marked = &text[start..end.min(line_end)];
        let skipped = before.chars().count().saturating_sub(LINE_SHOWN_MAX / 2);
        let shown_before: String = before.chars().skip(skipped).map(visible).collect();
        let shown: String = text[start..line_end]
            .trim_end_matches('\r')
            .chars()
            .take(LINE_SHOWN_MAX)
            .map(visible)
            .collect();
        Place {
            file: file.to_owned(),
            line: text[..line_start].matches('\n').count() + 1,
            column: before.chars().count() + 1,
            before: shown_before.chars().count(),
            width: marked
                .chars()
                .count()
                .clamp(1, shown.chars().count().max(1)),
            text: shown_before + &shown,
        }
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}

/// Returns a character that takes one column and does nothing to a terminal.
fn visible(character: char) -> char {
    match character {
        '\t' => ' ',
        // Marks that reorder text could make a line look like another one.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        other if other.is_control() => '\u{fffd}',
        other => other,
    }
}

/// Returns the text with everything that is not printable escaped, so that it can be shown on a terminal.
pub(crate) fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let plain = visible(character) == character;
            let escape = (!plain).then(|| character.escape_default());
            escape
                .into_iter()
                .flatten()
                .chain(plain.then_some(character))
        })
        .collect()
}

/// One thing that is wrong in a study file.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// What is wrong.
    pub kind: Kind,
    /// Where; `None` when it is about the file as a whole.
    pub place: Option<Place>,
}

impl Problem {
    /// Returns what would be right, where a list or a form can be named.
    pub fn expected(&self) -> Option<String> {
        self.kind.expected()
    }

    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        self.kind.hint()
    }
}

impl fmt::Display for Problem {
    /// Writes the whole report: headline, place, source line with a mark, what was expected, hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.kind)?;
        if let Some(place) = &self.place {
            let number = place.line.to_string();
            let gutter = " ".repeat(number.len());
            write!(
                f,
                "\n{gutter}--> {}:{}:{}",
                escaped(&place.file),
                place.line,
                place.column
            )?;
            write!(f, "\n{gutter} |\n{number} | {}", place.text)?;
            let indent = " ".repeat(place.before);
            write!(f, "\n{gutter} | {indent}{}", "^".repeat(place.width))?;
            if let Some(expected) = self.expected() {
                write!(f, "\n{gutter} = expected {expected}")?;
            }
        } else if let Some(expected) = self.expected() {
            write!(f, "\n  = expected {expected}")?;
        }
        match self.hint() {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}
